//! InfluxDB's line protocol: written for all versions of it, thinned without being decoded, and read from others.
//!
//! The servers do not agree on backslashes. InfluxDB 1 and 2 leave `\\` in names and tags as it is, InfluxDB 3 reads it as
//! one; none of them can carry a backslash at the end of a name. [`Encoder`] writes what all of them read alike, so that
//! a dashboard finds the same names whichever server is asked:
//!
//! | in a measurement, a name, or a tag's value | is written as |
//! |---|---|
//! | `,`, a space, and `=` but in measurements | `\` and the character |
//! | `\` with another, `,`, a space, `=`, `"` or a control character behind it, or nothing, or one before it | `/` |
//! | `\` elsewhere | itself |
//! | line feed, carriage return, tab, form feed | the two characters `\n`, `\r`, `\t`, `\f` |
//! | another control character of ASCII | the four characters `\x1b` |
//! | `#` at the beginning of a measurement, where it would be a comment | `\#` |
//! | the tags `time`, `_field` and `_measurement`, and the field `time`, which are the servers' own | with `_` at the end |
//! | a field without a name | `value` |
//!
//! Other names that begin with `_` are left alone. Texts of fields keep everything but control characters, which are written
//! as above. Tags without a value are left out, and so is what would be a name's second tag or field.
//!
//! ```
//! use plimsoll_wire::line_protocol::{Encoder, Precision, parse_line};
//! use plimsoll_wire::point::{Point, Tally, Value};
//!
//! let mut point = Point::default();
//! point.begin("memory", 1_700_000_000_123_456_789);
//! point.tag("container_name", "my web");
//! point.field("usage_bytes", Value::Unsigned(4096));
//!
//! let (mut encoder, mut tally) = (Encoder::new(Precision::Milliseconds), Tally::default());
//! encoder.push(&point, &mut tally);
//! let lines = encoder.take();
//! assert_eq!(lines, b"memory,container_name=my\\ web usage_bytes=4096i 1700000000123\n");
//!
//! let mut read = Point::default();
//! assert_eq!(parse_line(lines.trim_ascii_end(), Precision::Milliseconds, 0, &mut read), Ok(true));
//! assert_eq!(read.tag_value("container_name"), "my web");
//! ```

mod encode;
mod escape;
mod parse;
mod retain;
mod stream;

pub use encode::{Encoder, MAX_KEY, MAX_NAMES, MAX_STRING, REASONS};

pub use crate::lines::MAX_LINE;
pub(crate) use parse::text_of;
pub use parse::{ParseError, parse_line};
pub use retain::retain;
pub use stream::{Each, Parser};

/// The resolution of written times. A time between two of them is the earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "units of time")]
pub enum Precision {
    Nanoseconds,
    Microseconds,
    #[default]
    Milliseconds,
    Seconds,
}

/// The earliest and the latest time that InfluxDB keeps, in Unix nanoseconds: two values below are its own, and one above.
const TIMES: std::ops::RangeInclusive<i64> = -9_223_372_036_854_775_806..=9_223_372_036_854_775_806;

impl Precision {
    /// Every resolution.
    pub const ALL: &'static [Self] =
        &[Self::Nanoseconds, Self::Microseconds, Self::Milliseconds, Self::Seconds];

    /// The name in settings, and in the parameter `precision` of InfluxDB 2.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    /// How many nanoseconds one unit has.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }

    /// The number that is written for a time in Unix nanoseconds; `None` if what it says lies beyond what InfluxDB keeps.
    fn written(self, time: i64) -> Option<i64> {
        let written = time.div_euclid(self.nanoseconds());
        self.read(written).map(|_| written)
    }

    /// The time in Unix nanoseconds that is meant by a number.
    fn read(self, number: i64) -> Option<i64> {
        number.checked_mul(self.nanoseconds()).filter(|time| TIMES.contains(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down_and_stay_in_bounds() {
        use Precision::{Milliseconds, Nanoseconds, Seconds};
        let (first, last) = (*TIMES.start(), *TIMES.end());
        for (precision, time, written) in [
            (Seconds, 1_999_999_999, Some(1)),
            (Seconds, -1, Some(-1)),
            (Milliseconds, -1_000_001, Some(-2)),
            (Nanoseconds, first, Some(first)),
            (Nanoseconds, last, Some(last)),
            (Nanoseconds, first - 1, None),
            (Nanoseconds, i64::MIN, None),
            (Nanoseconds, i64::MAX, None),
            (Seconds, i64::MAX, Some(9_223_372_036)),
            (Seconds, first, None),
            (Seconds, -9_223_372_036_000_000_000, Some(-9_223_372_036)),
        ] {
            assert_eq!(precision.written(time), written, "{time} in {precision:?}");
        }
        assert_eq!(Precision::ALL.iter().map(|p| p.name()).collect::<Vec<_>>(), ["ns", "us", "ms", "s"]);
    }
}
