//! Values that are tables of texts: tags, names for names, headers.

use crate::settings::value::{Expected, Raw};

/// The most entries of a table.
const ENTRIES_MAX: usize = 64;

/// The longest name and the longest value (bytes).
const TEXT_MAX: usize = 4096;

/// Headers that follow from the request and are nobody's to choose.
const OF_THE_REQUEST: [&str; 5] =
    ["content-length", "content-type", "content-encoding", "transfer-encoding", "host"];

/// Tags that every point gets.
pub(super) fn tags(raw: &Raw) -> Result<Vec<(String, String)>, Expected> {
    table(raw, "a table of tags, such as { region = \"eu-1\" }", |name, value| {
        if has_text(name) && has_text(value) {
            Ok(())
        } else {
            Err("tags whose names and values are not empty and stand in one line".into())
        }
    })
}

/// Names for names, each for one alone.
pub(super) fn renames(raw: &Raw) -> Result<Vec<(String, String)>, Expected> {
    const EXPECTED: &str = "a table of names, such as { container_name = \"container\" }";
    let mut renames = table(raw, EXPECTED, |from, to| {
        let fits = has_text(from) && has_text(to);
        if fits { Ok(()) } else { Err("names that are not empty and stand in one line".into()) }
    })?;
    renames.sort_by(|one, other| one.1.cmp(&other.1));
    if let Some(twice) = renames.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        let name = crate::text::quoted(&twice[0].1);
        return Err(Expected(format!("a new name to stand for one tag alone, and {name} stands for two")));
    }
    renames.sort();
    Ok(renames)
}

/// Headers of requests.
pub(super) fn headers(raw: &Raw) -> Result<Vec<(String, String)>, Expected> {
    table(raw, "a table of headers, such as { X-Scope-OrgID = \"team\" }", |name, value| {
        let shown = || crate::text::quoted(name);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Expected(format!("names of headers, which {} is not", shown())));
        }
        if OF_THE_REQUEST.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Expected(format!("other headers than {}, which the request decides", shown())));
        }
        if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            return Err(Expected(format!("a value of printable ASCII for {}", shown())));
        }
        Ok(())
    })
}

/// A table of texts in the order of names, so that it does not depend on how it was written.
fn table(
    raw: &Raw,
    expected: &str,
    check: impl Fn(&str, &str) -> Result<(), Expected>,
) -> Result<Vec<(String, String)>, Expected> {
    let Raw::Pairs(pairs) = raw else { return Err(expected.into()) };
    if pairs.len() > ENTRIES_MAX {
        return Err(Expected(format!("at most {ENTRIES_MAX} entries")));
    }
    for (name, value) in pairs {
        if name.len().max(value.len()) > TEXT_MAX {
            return Err(Expected(format!("names and values of at most {TEXT_MAX} bytes")));
        }
        check(name, value)?;
    }
    let mut pairs = pairs.clone();
    pairs.sort();
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Expected(format!("{} once", crate::text::quoted(&twice[0].0))));
    }
    Ok(pairs)
}

fn has_text(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Raw {
        Raw::Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn tables() {
        type Read = fn(&Raw) -> Result<Vec<(String, String)>, Expected>;
        let many: Vec<(String, String)> =
            (0..=ENTRIES_MAX).map(|index| (index.to_string(), "x".to_owned())).collect();
        let cases: [(Read, Raw, Option<&str>); 15] = [
            (tags, given(&[("b", "2"), ("a", "1, =")]), None),
            (tags, given(&[]), None),
            (tags, given(&[("a", "")]), Some("not empty")),
            (tags, given(&[("a", "1\n2")]), Some("one line")),
            (tags, given(&[("a", "1"), ("a", "2")]), Some("`a` once")),
            (tags, given(&[("a", &"x".repeat(TEXT_MAX + 1))]), Some("at most 4096 bytes")),
            (tags, Raw::Pairs(many), Some("at most 64 entries")),
            (tags, Raw::Text("a=1".into()), Some("a table of tags")),
            (renames, given(&[("a", "b"), ("b", "a")]), None),
            (renames, given(&[("a", "c"), ("b", "c")]), Some("`c` stands for two")),
            (headers, given(&[("X-Scope-OrgID", "team"), ("Authorization", "Basic x")]), None),
            (headers, given(&[("X Y", "1")]), Some("which `X Y` is not")),
            (headers, given(&[("X", "1\r\nY: 2")]), Some("printable ASCII for `X`")),
            (headers, given(&[("content-Length", "1")]), Some("other headers than `content-Length`")),
            (headers, given(&[("", "1")]), Some("names of headers")),
        ];
        for (read, raw, expected) in cases {
            match (read(&raw), expected) {
                (Ok(pairs), None) => assert!(pairs.is_sorted(), "{pairs:?}"),
                (Err(told), Some(part)) => assert!(told.0.contains(part), "{told}"),
                (other, _) => panic!("{raw:?}: {other:?}"),
            }
        }
    }
}
