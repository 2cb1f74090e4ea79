//! What somebody else said, made fit for an error message: one line, bounded, and nothing that a terminal acts on.

use plimsoll_model::text::visible;

/// How much of a text is shown, in characters.
const MAX_SHOWN: usize = 400;

/// The beginning of a text.
pub(super) fn beginning(bytes: &[u8]) -> String {
    let text = joined(bytes);
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(visible).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    or_nothing(shown)
}

/// The end of a text: with programs, what matters stands last.
pub(super) fn end(bytes: &[u8]) -> String {
    let text = joined(bytes);
    let surplus = text.chars().count().saturating_sub(MAX_SHOWN);
    let mut shown = String::from(if surplus > 0 { "…" } else { "" });
    shown.extend(text.chars().skip(surplus).flat_map(visible));
    or_nothing(shown)
}

fn joined(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" / ")
}

fn or_nothing(shown: String) -> String {
    if shown.is_empty() { "(nothing)".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_bounded_line() {
        for (bytes, expected) in [
            (&b""[..], "(nothing)"),
            (b" \n\n", "(nothing)"),
            (b"one\r\n\n  two\n", "one / two"),
            (b"a\x1b[31m\xff", "a\\u{1b}[31m\u{fffd}"),
        ] {
            assert_eq!((beginning(bytes), end(bytes)), (expected.to_owned(), expected.to_owned()));
        }
        let long = format!("first{}last", "é".repeat(1000));
        assert!(beginning(long.as_bytes()).starts_with("firsté"));
        assert!(beginning(long.as_bytes()).ends_with("é…"));
        assert!(end(long.as_bytes()).starts_with("…é"));
        assert!(end(long.as_bytes()).ends_with("élast"));
    }
}
