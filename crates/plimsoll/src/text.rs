//! Text from elsewhere, made safe to show.
//!
//! Container names, labels, flags and file contents are untrusted: an escape sequence in a name must not reach a
//! terminal, and a megabyte in a setting must not fill a message.

use std::fmt::Write as _;

/// The most characters of a given value that a message repeats.
const QUOTED_MAX: usize = 60;

/// The text with everything that a terminal would act on written as an escape: control characters, line ends, and
/// the invisible characters that reorder or hide text.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if is_unsafe(character) => {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
            _ => safe.push(character),
        }
    }
    safe
}

/// The value as a message repeats it: in backquotes, printable, cut at a bound.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MAX).collect();
    let cut = shown.len() < text.len();
    shown = printable(&shown);
    if cut {
        return format!("`{shown}…` ({} bytes)", text.len());
    }
    format!("`{shown}`")
}

/// Whether a terminal acts on the character instead of showing it.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The known word nearest to a mistyped one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this likeness a suggestion is noise.
    const LIKENESS_MIN: f64 = 0.7;
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&given.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_raw() {
        let cases = [
            ("web-1", "web-1"),
            ("größe 箱", "größe 箱"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7f}", "\\u{7f}"),
            ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
        ];
        for (given, expected) in cases {
            assert_eq!(printable(given), expected);
        }
    }

    #[test]
    fn a_quoted_value_is_bounded() {
        assert_eq!(quoted("abc"), "`abc`");
        let long = "ä".repeat(1000);
        assert_eq!(quoted(&long), format!("`{}…` (2000 bytes)", "ä".repeat(QUOTED_MAX)));
    }

    #[test]
    fn a_mistyped_word_finds_its_neighbour() {
        let known = ["listen", "interval", "include_name", "log_level"];
        let cases = [
            ("intervall", Some("interval")),
            ("Listen", Some("listen")),
            ("loglevel", Some("log_level")),
            ("zzz", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
