//! Bytes to points, of either format, in pieces that stay small.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_wire::exposition::{self, Dialect};
use plimsoll_wire::line_protocol::{ParseError, Parser, Precision};
use plimsoll_wire::point::Point;

use super::Format;
use super::feed::Counts;

/// The longest text of Prometheus that is read: such a text is read whole, since its end says how its times count.
const MAX_TEXT: usize = 64 << 20;

/// As many points are handed on at a time.
const PIECE: usize = 1000;

/// Stands for a time that a line does not have; no line can have it.
const NO_TIME: i64 = i64::MIN;

/// Reads one source: a file, a pipe, a connection.
pub(super) struct Reader {
    place: String,
    counts: Arc<Counts>,
    points: Vec<Point>,
    source: Source,
}

enum Source {
    Lines(Box<Parser>),
    Text(Text),
}

/// A text that comes, and then is read line by line.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    at: usize,
    line: u64,
    reader: Option<exposition::Reader>,
    point: Point,
}

impl Reader {
    /// `place` is what messages call it.
    pub(super) fn new(format: Format, precision: Precision, place: String, counts: Arc<Counts>) -> Self {
        let source = match format {
            Format::LineProtocol => Source::Lines(Box::new(Parser::new(precision, NO_TIME))),
            Format::Prometheus => Source::Text(Text::default()),
        };
        Self { place, counts, points: Vec::new(), source }
    }

    /// Takes the next bytes in.
    ///
    /// # Errors
    /// If it is too much, in words.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.counts.read(bytes.len());
        match &mut self.source {
            Source::Lines(parser) => {
                let Self { place, counts, points, .. } = self;
                parser.push(bytes, &mut |line, read| gather(place, counts, points, line, read));
            }
            Source::Text(text) if text.bytes.len() + bytes.len() > MAX_TEXT => {
                return Err(format!("a text of more than {} MiB is not read", MAX_TEXT >> 20));
            }
            Source::Text(text) => text.bytes.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// There is nothing more.
    pub(super) fn end(&mut self) {
        match &mut self.source {
            Source::Lines(parser) => {
                let Self { place, counts, points, .. } = self;
                parser.finish(&mut |line, read| gather(place, counts, points, line, read));
            }
            Source::Text(text) => {
                text.reader = Some(exposition::Reader::new(Dialect::of(&text.bytes), now()));
            }
        }
    }

    /// The points that were read since; none where there are none yet, or no more.
    pub(super) fn take(&mut self) -> Vec<Point> {
        if let Source::Text(text) = &mut self.source {
            let Self { place, counts, points, .. } = self;
            text.read_some(&mut |line, read| gather(place, counts, points, line, read));
        }
        std::mem::take(&mut self.points)
    }
}

impl Text {
    /// Reads on until there are points enough, or no more.
    fn read_some(&mut self, each: &mut dyn FnMut(u64, Result<&mut Point, ParseError>)) {
        let Some(reader) = &mut self.reader else { return };
        let mut found = 0;
        while found < PIECE && self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at += (end + 1).min(rest.len());
            self.line += 1;
            match reader.line(&rest[..end], &mut self.point) {
                Ok(true) => {
                    found += 1;
                    each(self.line, Ok(&mut self.point));
                }
                Ok(false) => {}
                Err(error) => each(self.line, Err(error)),
            }
        }
    }
}

fn gather(
    place: &str,
    counts: &Counts,
    points: &mut Vec<Point>,
    line: u64,
    read: Result<&mut Point, ParseError>,
) {
    match read {
        Ok(point) => {
            if point.time() == NO_TIME {
                point.set_time(now());
            }
            points.push(point.clone());
        }
        Err(error) => counts.bad(place, line, &error),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, precision: Precision, pieces: &[&str]) -> (Vec<(String, i64)>, bool) {
        let counts = Arc::new(Counts::default());
        let mut reader = Reader::new(format, precision, "x".into(), Arc::clone(&counts));
        let mut points = Vec::new();
        for piece in pieces {
            reader.push(piece.as_bytes()).unwrap();
            points.append(&mut reader.take());
        }
        reader.end();
        loop {
            let mut more = reader.take();
            if more.is_empty() {
                break;
            }
            assert!(more.len() <= PIECE);
            points.append(&mut more);
        }
        let found = points.iter().map(|point| (point.measurement().to_owned(), point.time())).collect();
        (found, counts.is_well())
    }

    #[test]
    fn both_formats_in_pieces() {
        let seconds = 1_000_000_000;
        let of =
            |names: &[(&str, i64)]| names.iter().map(|(name, time)| ((*name).to_owned(), *time)).collect();
        let lines = ["a f=1 5\nb ", "f=2 6\nno\nc f=3 7"];
        let found = read(Format::LineProtocol, Precision::Seconds, &lines);
        let all: Vec<(String, i64)> = of(&[("a", 5 * seconds), ("b", 6 * seconds), ("c", 7 * seconds)]);
        assert_eq!(found, (all.clone(), false));
        let text = ["# TYPE a gauge\na 1 5000\nb{x=\"", "y\"} 2 6000\nc 3 7000\n"];
        assert_eq!(read(Format::Prometheus, Precision::Seconds, &text), (all, true));
        let many = "m 1\n".repeat(3 * PIECE + 1);
        let (found, is_well) = read(Format::Prometheus, Precision::Seconds, &[&many]);
        assert!(is_well && found.len() == 3 * PIECE + 1);
    }

    #[test]
    fn a_line_without_a_time_has_that_of_its_arrival() {
        let before = now();
        let (found, _) = read(Format::LineProtocol, Precision::Seconds, &["m f=1\n"]);
        assert!((before..=now()).contains(&found[0].1), "{found:?}");
    }

    #[test]
    fn a_text_is_bounded() {
        let counts = Arc::default();
        let mut reader = Reader::new(Format::Prometheus, Precision::Seconds, "x".into(), counts);
        let piece = vec![b'#'; MAX_TEXT / 2];
        assert!(reader.push(&piece).is_ok() && reader.push(&piece).is_ok() && reader.push(b"#").is_err());
    }
}
