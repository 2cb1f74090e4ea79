//! Rows in the text format of PostgreSQL's COPY.
//!
//! <https://www.postgresql.org/docs/15/sql-copy.html>, "Text Format".

/// Takes pieces of any length apart into lines.
#[derive(Debug, Default)]
pub(in crate::census) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The rows that a piece completes.
    pub(in crate::census) fn rows(&mut self, piece: &[u8]) -> Vec<Vec<Option<String>>> {
        self.rest.extend_from_slice(piece);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rows = self.rest[..end].split(|byte| *byte == b'\n').map(row).collect();
        self.rest.drain(..=end);
        rows
    }
}

/// The values of a line.
pub(super) fn row(line: &[u8]) -> Vec<Option<String>> {
    line.split(|byte| *byte == b'\t').map(value).collect()
}

fn value(field: &[u8]) -> Option<String> {
    if field == b"\\N" {
        return None;
    }
    if !field.contains(&b'\\') {
        return Some(String::from_utf8_lossy(field).into_owned());
    }
    let mut text = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let escaped = match bytes.next() {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(b'x') => digits(&mut bytes, 16, 2, 0),
            Some(digit @ b'0'..=b'7') => digits(&mut bytes, 8, 2, digit - b'0'),
            Some(other) => other,
            None => b'\\',
        };
        text.push(escaped);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn digits(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>, base: u8, most: usize, begin: u8) -> u8 {
    let mut number = begin;
    for _ in 0..most {
        let digit = bytes.peek().and_then(|byte| char::from(*byte).to_digit(base.into()));
        let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else { break };
        number = number.wrapping_mul(base).wrapping_add(digit);
        bytes.next();
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(row(b"1\t\\N\t\ta\\tb\\\\c\\nd"), [text("1"), None, text(""), text("a\tb\\c\nd")]);
        assert_eq!(row(b"\\x41\\101\\q\\"), [text("AAq\\")]);
        let mut lines = Lines::default();
        assert!(lines.rows(b"a\tb").is_empty());
        assert_eq!(lines.rows(b"c\nd\n"), [vec![text("a"), text("bc")], vec![text("d")]]);
    }
}
