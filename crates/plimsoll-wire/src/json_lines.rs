//! Points as JSON lines: one object a line, for files, standard output and message brokers.
//!
//! ```
//! use plimsoll_wire::json_lines::Encoder;
//! use plimsoll_wire::point::{Point, Tally, Value};
//!
//! let mut point = Point::default();
//! point.begin("cpu", 1_700_000_000_000_000_000);
//! point.tag("container_name", "web");
//! point.field("usage_percent", Value::Nano(12_500_000_000));
//!
//! let (mut encoder, mut tally) = (Encoder::default(), Tally::default());
//! encoder.push(&point, &mut tally);
//! let expected = r#"{"measurement":"cpu","tags":{"container_name":"web"},"fields":{"usage_percent":12.5},"time":1700000000000000000}"#;
//! assert_eq!(encoder.take().trim_ascii_end(), expected.as_bytes());
//! ```

use itoa::Buffer;
use plimsoll_model::Scale;

use crate::line_protocol::MAX_NAMES;
use crate::lines::{Lines, TOO_LONG, retain_lines};
use crate::names::Names;
use crate::point::{Broken, Point, Retained, Tally, Value};
use crate::prometheus::custom::write_decimal;
use crate::prometheus::text::write_number;

const EMPTY_MEASUREMENT: &str = "empty_measurement";
const NO_FIELDS: &str = "no_fields";
const TOO_MANY_NAMES: &str = "too_many_names";

/// Why a point may be refused, as [`Tally::refused`] names it. `no_fields` are points of which no field can be written.
pub const REASONS: &[&str] = &[EMPTY_MEASUREMENT, NO_FIELDS, TOO_LONG, TOO_MANY_NAMES];

/// Writes points as objects with `measurement`, `tags`, `fields` and `time`, which is in Unix nanoseconds.
///
/// Numbers are exact: whole ones without a point, decimals of billionths with as many digits as they need. What JSON does not
/// have is left out and counted in [`Tally::fields_refused`]: NaN, infinity, [`Value::Stale`]. So is what would be a
/// name's second field; a field without a name is `value`. A second tag of a name is left out.
#[derive(Debug, Default)]
pub struct Encoder {
    lines: Lines,
    names: Names,
}

impl Encoder {
    /// Appends a line for the point, or refuses it by one of [`REASONS`].
    pub fn push(&mut self, point: &Point, tally: &mut Tally) {
        let names = &mut self.names;
        self.lines.push(tally, |out| line(point, names, out));
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the lines. The encoder is empty then, and has as much room as before unless that was far too much.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.lines.take()
    }
}

/// Writes a line, and gives how many fields were left out, or why there is no line.
fn line(point: &Point, names: &mut Names, out: &mut Vec<u8>) -> Result<u64, &'static str> {
    let (tags, fields) = (point.tags(), point.fields());
    if point.measurement().is_empty() {
        return Err(EMPTY_MEASUREMENT);
    }
    if tags.len() > MAX_NAMES || fields.len() > MAX_NAMES {
        return Err(TOO_MANY_NAMES);
    }
    out.extend_from_slice(b"{\"measurement\":");
    write_string(point.measurement(), out);
    out.extend_from_slice(b",\"tags\":{");
    names.clear();
    let first = out.len();
    for (name, value) in tags {
        let before = out.len();
        let name = write_key(name, first, out);
        if names.is_new(out, name) {
            write_string(value, out);
        } else {
            out.truncate(before);
        }
    }
    out.extend_from_slice(b"},\"fields\":{");
    names.clear();
    let first = out.len();
    let mut left_out = 0;
    for field in fields {
        let before = out.len();
        let name = write_key(if field.name.is_empty() { "value" } else { field.name }, first, out);
        if !names.has(out, &name) && write_value(field.value, out) {
            names.add(out, name);
        } else {
            out.truncate(before);
            left_out += 1;
        }
    }
    if out.len() == first {
        return Err(NO_FIELDS);
    }
    out.extend_from_slice(b"},\"time\":");
    out.extend_from_slice(Buffer::new().format(point.time()).as_bytes());
    out.extend_from_slice(b"}\n");
    Ok(left_out)
}

/// Writes a key and a colon, after a comma unless it is the first of an object that begins at `first`. Gives where it stands.
fn write_key(name: &str, first: usize, out: &mut Vec<u8>) -> std::ops::Range<usize> {
    if out.len() > first {
        out.push(b',');
    }
    let start = out.len();
    write_string(name, out);
    let end = out.len();
    out.push(b':');
    start..end
}

/// Writes a value, if JSON has it.
fn write_value(value: Value<'_>, out: &mut Vec<u8>) -> bool {
    let mut digits = Buffer::new();
    match value {
        Value::Unsigned(value) => out.extend_from_slice(digits.format(value).as_bytes()),
        Value::Integer(value) => out.extend_from_slice(digits.format(value).as_bytes()),
        Value::Nano(value) => write_number(Scale::Nano, value, &mut digits, out),
        Value::Float(value) if value.is_finite() => write_decimal(value, out),
        Value::Float(_) | Value::Stale => return false,
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Text(text) => write_string(text, out),
    }
    true
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // A string always is JSON, and a buffer always takes it.
    let _ = serde_json::to_writer(out, text);
}

/// Keeps the lines that `keep` accepts. It is told each line's position, from 0, and its time in Unix nanoseconds.
///
/// `body` is what [`Encoder::take`] gave.
///
/// # Errors
/// If a line does not end in a time and a line feed.
pub fn retain(body: &[u8], keep: &mut dyn FnMut(u64, i64) -> bool) -> Result<Retained, Broken> {
    retain_lines(body, time, keep)
}

fn time(line: &[u8]) -> Option<i64> {
    // The time is the last of an object.
    let line = line.strip_suffix(b"}")?;
    let at = line.iter().rposition(|byte| *byte == b':')?;
    let is_time = line[..at].ends_with(b"},\"time\"") && line.starts_with(b"{");
    std::str::from_utf8(&line[at + 1..]).ok()?.parse().ok().filter(|_| is_time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::lines::MAX_LINE;

    fn encode(points: &[Point]) -> (String, Tally) {
        let (mut encoder, mut tally) = (Encoder::default(), Tally::default());
        points.iter().for_each(|point| encoder.push(point, &mut tally));
        (String::from_utf8(encoder.take()).unwrap(), tally)
    }

    #[test]
    fn values_of_every_kind() {
        let mut point = Point::default();
        point.begin("m\n", -5);
        point.tag("a", "\"é🚢\\");
        point.tag("a", "again");
        for (name, value) in [
            ("u", Value::Unsigned(u64::MAX)),
            ("i", Value::Integer(i64::MIN)),
            ("n", Value::Nano(1)),
            ("nan", Value::Float(f64::NAN)),
            ("", Value::Float(f64::INFINITY)),
            ("value", Value::Float(1e300)),
            ("", Value::Bool(true)),
            ("b", Value::Bool(false)),
            ("t", Value::Text("\u{1}")),
            ("s", Value::Stale),
        ] {
            point.field(name, value);
        }
        let (text, tally) = encode(&[point.clone()]);
        let expected = r#"{"measurement":"m\n","tags":{"a":"\"é🚢\\"},"fields":{"u":18446744073709551615,"i":-9223372036854775808,"n":0.000000001,"value":1e300,"b":false,"t":"\u0001"},"time":-5}"#;
        assert_eq!(text.trim_end(), expected);
        assert_eq!((tally.accepted, tally.fields_refused), (1, 4));
        let long = "x".repeat(MAX_LINE);
        let refused = |change: &dyn Fn(&mut Point)| {
            let mut point = point.clone();
            change(&mut point);
            let (text, tally) = encode(&[point]);
            assert!(text.is_empty() && tally.accepted == 0 && tally.fields_refused == 0);
            tally.refused.into_keys().next().unwrap()
        };
        assert_eq!(refused(&|point| point.begin("", 0)), EMPTY_MEASUREMENT);
        assert_eq!(refused(&|point| point.make_stale(0)), NO_FIELDS);
        assert_eq!(refused(&|point| point.tag("b", &long)), TOO_LONG);
        assert_eq!(refused(&|point| (0..=MAX_NAMES).for_each(|_| point.tag("b", "c"))), TOO_MANY_NAMES);
        assert_eq!(REASONS.len(), 4);
    }

    #[test]
    fn what_is_no_batch_is_broken() {
        let line = "{\"measurement\":\"m\",\"tags\":{},\"fields\":{\"a\":1},\"time\":5}\n";
        let all = retain(line.as_bytes(), &mut |_, time| time == 5);
        assert_eq!(all.map(|kept| (kept.points, kept.removed)), Ok((1, 0)));
        for body in [
            &line[..line.len() - 1],
            &line[1..],
            "\n",
            "{\"time\":5}\n",
            "{},\"time\":x}\n",
            "{},\"time\":5\n",
        ] {
            assert_eq!(retain(body.as_bytes(), &mut |_, _| true), Err(Broken), "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_json_and_can_be_taken_out(texts in prop::collection::vec((any::<String>(), any::<String>(), any::<i64>()), 1..9)) {
            let points: Vec<_> = texts.iter().map(|(name, text, time)| {
                let mut point = Point::default();
                point.begin(&format!("m{name}"), *time);
                point.tag(name, text);
                point.field(&format!("f{name}"), Value::Text(text));
                point
            }).collect();
            let (body, tally) = encode(&points);
            prop_assert_eq!(tally.accepted, points.len() as u64);
            for (line, (name, text, time)) in body.lines().zip(&texts) {
                let tags = if text.is_empty() { json!({}) } else { json!({ name: text }) };
                let expected = json!({
                    "measurement": format!("m{name}"), "tags": tags, "fields": { format!("f{name}"): text }, "time": time,
                });
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap(), expected);
            }
            let mut times = Vec::new();
            let odd = retain(body.as_bytes(), &mut |index, time| { times.push(time); index % 2 == 1 }).unwrap();
            prop_assert_eq!(times, texts.iter().map(|(_, _, time)| *time).collect::<Vec<_>>());
            let expected: String = body.split_inclusive('\n').skip(1).step_by(2).collect();
            prop_assert_eq!((odd.body, odd.points + odd.removed), (expected.into_bytes(), points.len() as u64));
        }
    }
}
