//! OpenMetrics with a timestamp on each sample.

use itoa::Buffer;
use plimsoll_model::Family;
use plimsoll_model::text::{MAX_TEXT, bounded};

use super::Sample;
use crate::prometheus::text::{Dialect, write_header, write_labels, write_number};

/// Where the file is.
#[derive(Debug, Default)]
pub(super) struct Series {
    family: Option<&'static Family>,
    /// The last sample's name, labels and the space behind them.
    last: Vec<u8>,
    at: i64,
    next: Vec<u8>,
}

impl Series {
    pub(super) fn sample(&mut self, sample: &Sample<'_>, out: &mut Vec<u8>) {
        // What a point says last was so at the end of its time.
        let at = sample.at.saturating_add(sample.statistics.map_or(0, |point| point.length));
        self.render(sample);
        if self.next == self.last && at <= self.at {
            return;
        }
        std::mem::swap(&mut self.next, &mut self.last);
        self.at = at;
        if self.family != Some(sample.family) {
            self.family = Some(sample.family);
            write_header(sample.family, Dialect::OpenMetrics { created: false }, out);
        }
        out.extend_from_slice(&self.last);
        let mut digits = Buffer::new();
        write_number(sample.family.scale, sample.value, &mut digits, out);
        out.push(b' ');
        write_seconds(at, &mut digits, out);
        out.push(b'\n');
    }

    /// The name and labels of a sample, as they stand in an exposition.
    fn render(&mut self, sample: &Sample<'_>) {
        let next = &mut self.next;
        next.clear();
        next.extend_from_slice(sample.family.name.as_bytes());
        let [name, image, id] = sample.container.map_or([""; 3], |container| {
            [container.shown_name(), bounded(container.image, MAX_TEXT), container.short_id()]
        });
        let identity = [("name", name), ("image", image), ("id", id)];
        let own = sample.labels.iter().map(|(name, value)| (&**name, &**value));
        next.push(b'{');
        if write_labels(identity.into_iter().chain(own), next) {
            next.push(b'}');
        } else {
            next.pop();
        }
        next.push(b' ');
    }
}

/// Milliseconds as seconds, to the digit.
fn write_seconds(at: i64, digits: &mut Buffer, out: &mut Vec<u8>) {
    if at < 0 {
        out.push(b'-');
    }
    let at = at.unsigned_abs();
    out.extend_from_slice(digits.format(at / 1000).as_bytes());
    let rest = at % 1000;
    if rest != 0 {
        // The one in front keeps the zeros after the point; the point takes its place.
        out.push(b'.');
        out.extend_from_slice(&digits.format(1000 + rest).as_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        for (at, expected) in [
            (0, "0"),
            (1, "0.001"),
            (1_763_700_000_000, "1763700000"),
            (1_763_700_000_120, "1763700000.120"),
            (-1_500, "-1.500"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            let mut out = Vec::new();
            write_seconds(at, &mut Buffer::new(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
