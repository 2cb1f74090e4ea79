//! Lines out of bytes that come in pieces.

use super::parse::{ParseError, TOO_LONG, parse_line};
use super::{MAX_LINE, Precision};
use crate::point::Point;

/// Reads lines out of bytes that come in pieces. A line feed within the quotes of a text is part of the text; where such a
/// text does not end, or no point comes of it, its first line alone is at fault.
///
/// ```
/// use plimsoll_wire::line_protocol::{Parser, Precision};
///
/// let mut parser = Parser::new(Precision::Seconds, 0);
/// let mut told = Vec::new();
/// let mut each = |line, read: Result<&mut plimsoll_wire::point::Point, _>| told.push((line, read.map(|point| point.time())));
/// parser.push(b"# a comment\nm f=1 1\nm f=\"two\nli", &mut each);
/// parser.push(b"nes\" 2\nm f=x 3", &mut each);
/// parser.finish(&mut each);
/// assert_eq!(told[..2], [(2, Ok(1_000_000_000)), (3, Ok(2_000_000_000))]);
/// assert_eq!((told[2].0, told[2].1.unwrap_err().at), (5, 4));
/// ```
#[derive(Debug)]
pub struct Parser {
    precision: Precision,
    now: i64,
    point: Point,
    /// What was begun and has not ended yet.
    pending: Vec<u8>,
    /// How many lines are behind.
    lines: u64,
    /// Whether what comes is the rest of a line that is too long.
    skips: bool,
}

/// Takes the points of a [`Parser`]: the number of the line on which each begins, from 1, and the point, or what is wrong there.
pub type Each<'a> = dyn FnMut(u64, Result<&mut Point, ParseError>) + 'a;

/// The most bytes that are looked through for the end of a text that does not end on its line.
const MAX_OPEN: usize = 128 * 1024;

impl Parser {
    /// A parser of lines whose times count in units of `precision`, or are `now`, in Unix nanoseconds, where they are missing.
    #[must_use]
    pub fn new(precision: Precision, now: i64) -> Self {
        Self { precision, now, point: Point::default(), pending: Vec::new(), lines: 0, skips: false }
    }

    /// Takes the next bytes, and tells `each` what their lines are. Of what has not ended it keeps no more than 1 MiB.
    pub fn push(&mut self, bytes: &[u8], each: &mut Each<'_>) {
        // What has no line feed ends nothing.
        if self.pending.is_empty() {
            let used = self.read(bytes, false, each);
            self.pending.extend_from_slice(&bytes[used..]);
        } else {
            self.pending.extend_from_slice(bytes);
            if bytes.contains(&b'\n') || self.pending.len() > MAX_LINE {
                self.read_pending(false, each);
            }
        }
    }

    /// There is nothing more: what was begun is a line as well.
    pub fn finish(&mut self, each: &mut Each<'_>) {
        self.read_pending(true, each);
        self.skips = false;
    }

    fn read_pending(&mut self, is_end: bool, each: &mut Each<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.read(&pending, is_end, each);
        pending.drain(..used);
        self.pending = pending;
    }

    /// Reads what is complete, and gives how many bytes that was.
    fn read(&mut self, bytes: &[u8], is_end: bool, each: &mut Each<'_>) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            if end.is_none() && !is_end {
                if self.skips || rest.len() > MAX_LINE {
                    self.too_long(each);
                    self.skips = true;
                    return bytes.len();
                }
                return used;
            }
            let end = end.unwrap_or(rest.len());
            if std::mem::take(&mut self.skips) {
                self.lines += 1;
                used += (end + 1).min(rest.len());
                continue;
            }
            if end > MAX_LINE {
                self.too_long(each);
                self.lines += 1;
                used += (end + 1).min(rest.len());
                continue;
            }
            match self.record(rest, end, is_end, each) {
                Some(length) => used += length,
                None => return used,
            }
        }
        used
    }

    fn too_long(&mut self, each: &mut Each<'_>) {
        if !self.skips {
            each(self.lines + 1, Err(ParseError { at: MAX_LINE, what: TOO_LONG }));
        }
    }

    /// Reads the point that begins a text, whose first line ends at `first`. Gives how many bytes it took, or `None` if that
    /// cannot be said before more is known.
    fn record(&mut self, text: &[u8], first: usize, is_end: bool, each: &mut Each<'_>) -> Option<usize> {
        let seen = &text[..text.len().min(MAX_OPEN.max(first + 1))];
        let whole = match end_of_record(seen, first) {
            None if seen.len() < text.len() => None,
            None if is_end => Some(text.len()),
            None if text.len() < MAX_OPEN => return None,
            end => end,
        };
        let number = self.lines + 1;
        for end in whole.into_iter().chain([first]) {
            let read = parse_line(&text[..end], self.precision, self.now, &mut self.point);
            if end > first && read.is_err() {
                continue;
            }
            let lines = text[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.lines += lines + 1;
            match read {
                Ok(true) => each(number, Ok(&mut self.point)),
                Ok(false) => {}
                Err(error) => each(number, Err(error)),
            }
            return Some((end + 1).min(text.len()));
        }
        None
    }
}

/// Where the point ends that begins a text: at the first line feed that is not within quotes. `first` is the first line feed,
/// or the end. `None` if there is none.
fn end_of_record(text: &[u8], first: usize) -> Option<usize> {
    let line = &text[..first.min(text.len())];
    if !line.contains(&b'"') || line.trim_ascii_start().starts_with(b"#") {
        return Some(first);
    }
    // As the servers do it: quotes count behind the '=' of a field.
    let (mut in_fields, mut in_value, mut is_quoted) = (false, false, false);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' if !is_quoted => return Some(at),
            b'"' if in_value => is_quoted = !is_quoted,
            b' ' if !is_quoted => in_fields = true,
            b'=' if !is_quoted => in_value = in_fields,
            b',' if !is_quoted => in_value = false,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 99;

    /// What a parser tells of a text that comes in pieces of this size: the lines with their faults, or their texts.
    fn pieces(text: &str, size: usize) -> Vec<(u64, Result<String, String>)> {
        let mut parser = Parser::new(Precision::Seconds, NOW);
        let mut told = Vec::new();
        let mut each = |line: u64, read: Result<&mut Point, ParseError>| {
            told.push((line, read.map(|point| format!("{point:?}")).map_err(|error| error.what.to_owned())));
        };
        for piece in text.as_bytes().chunks(size) {
            parser.push(piece, &mut each);
        }
        parser.finish(&mut each);
        told
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let text = "# a \"comment\nm f=1\n\nm f=\"two\nlines\",g=\"x\" 5\nbad\nm f=\"open\nm f=2\nm,t=\"q f=3\nm f=\"end\n";
        let numbers: Vec<_> = pieces(text, 7).into_iter().map(|(line, read)| (line, read.is_ok())).collect();
        assert_eq!(
            numbers,
            [(2, true), (4, true), (6, false), (7, false), (8, true), (9, true), (10, false)]
        );
        for size in 1..=text.len() {
            assert_eq!(pieces(text, size), pieces(text, 7), "{size}");
        }
    }

    #[test]
    fn what_does_not_end_is_bounded_and_costs_its_line_alone() {
        let long = format!("m f=1\nm f=\"{}\" 3\nm f=2\n", "x".repeat(3 * MAX_LINE));
        let open = format!("m f=\"{}\nm f=2\n", "x\n".repeat(MAX_OPEN));
        for size in [1 << 12, 1 << 16, 1 << 24] {
            let told = pieces(&long, size);
            assert_eq!(
                told.iter().map(|(line, read)| (*line, read.is_ok())).collect::<Vec<_>>(),
                [(1, true), (2, false), (3, true)]
            );
            assert_eq!(told[1].1, Err(TOO_LONG.to_owned()));
            let told = pieces(&open, size);
            assert_eq!(told.len(), MAX_OPEN + 1, "each of them is no point");
            assert_eq!(told.iter().filter(|(_, read)| read.is_ok()).count(), 1);
        }
        let mut parser = Parser::new(Precision::Seconds, NOW);
        for _ in 0..1000 {
            parser.push(&[b'x'; 1 << 14], &mut |_, _| {});
            assert!(parser.pending.len() <= MAX_LINE);
        }
    }

    proptest! {
        #[test]
        fn pieces_never_matter(text in "[mf=1i\", \\\\\n#\r]{0,80}", size in 1usize..9) {
            prop_assert_eq!(pieces(&text, size), pieces(&text, 1 << 20));
        }
    }
}
