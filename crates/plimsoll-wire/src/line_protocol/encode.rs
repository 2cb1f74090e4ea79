//! Points to lines.

use itoa::Buffer;
use plimsoll_model::Scale;

use super::Precision;
use super::escape::{MEASUREMENT, NAME, write_name, write_string};
use crate::lines::{Lines, TOO_LONG};
use crate::names::Names;
use crate::point::{Point, Tally, Value};
use crate::prometheus::custom::write_decimal;
use crate::prometheus::text::write_number;

/// The most bytes of measurement and tags as they are written: InfluxDB 1 and 2 keep them, with the name of one field and
/// some bytes of their own, in a key of at most 65,535.
pub const MAX_KEY: usize = 65_000;

/// The most bytes of a text as it is written: what InfluxDB 2 takes.
pub const MAX_STRING: usize = 65_535;

/// The most tags, and the most fields, of a line.
pub const MAX_NAMES: usize = 1024;

const EMPTY_MEASUREMENT: &str = "empty_measurement";
const EMPTY_TAG_NAME: &str = "empty_tag_name";
const NO_FIELDS: &str = "no_fields";
const TIME_OUT_OF_RANGE: &str = "time_out_of_range";
const TOO_MANY_NAMES: &str = "too_many_names";

/// Why a point may be refused, as [`Tally::refused`] names it. `no_fields` are points of which no field can be written;
/// `too_long` is beyond [`MAX_KEY`] or [`MAX_LINE`](super::MAX_LINE), `too_many_names` beyond [`MAX_NAMES`].
pub const REASONS: &[&str] =
    &[EMPTY_MEASUREMENT, EMPTY_TAG_NAME, NO_FIELDS, TIME_OUT_OF_RANGE, TOO_LONG, TOO_MANY_NAMES];

/// Writes points as lines, each with a line feed at its end. What is written in which way stands in [the module](super).
///
/// Whole numbers get an `i`; one beyond `i64` is left out, as InfluxDB 1 has none such. NaN, infinity, [`Value::Stale`] and
/// texts beyond [`MAX_STRING`] are left out, and counted in [`Tally::fields_refused`]. Tags are written in the order of
/// the point; InfluxDB 1 and 2 like them sorted.
#[derive(Debug, Default)]
pub struct Encoder {
    precision: Precision,
    lines: Lines,
    names: Names,
}

impl Encoder {
    /// An encoder whose times have this resolution.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// Appends a line for the point, or refuses it by one of [`REASONS`].
    pub fn push(&mut self, point: &Point, tally: &mut Tally) {
        let Self { precision, lines, names } = self;
        lines.push(tally, |out| line(point, *precision, names, out));
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
fn line(
    point: &Point,
    precision: Precision,
    names: &mut Names,
    out: &mut Vec<u8>,
) -> Result<u64, &'static str> {
    let time = precision.written(point.time()).ok_or(TIME_OUT_OF_RANGE)?;
    let start = out.len();
    if point.measurement().is_empty() {
        return Err(EMPTY_MEASUREMENT);
    }
    if point.measurement().starts_with('#') {
        out.push(b'\\');
    }
    write_name(point.measurement(), MEASUREMENT, out);
    let tags = point.tags();
    let fields = point.fields();
    if tags.len() > MAX_NAMES || fields.len() > MAX_NAMES {
        return Err(TOO_MANY_NAMES);
    }
    names.clear();
    for (name, value) in tags {
        if name.is_empty() {
            return Err(EMPTY_TAG_NAME);
        }
        let before = out.len();
        out.push(b',');
        write_name(name, NAME, out);
        if matches!(name, "time" | "_field" | "_measurement") {
            out.push(b'_');
        }
        if names.is_new(out, before + 1..out.len()) {
            out.push(b'=');
            write_name(value, NAME, out);
        } else {
            out.truncate(before);
        }
    }
    let key = out.len() - start;
    if key > MAX_KEY {
        return Err(TOO_LONG);
    }
    let mut left_out = 0;
    let before_fields = out.len();
    for field in fields {
        let before = out.len();
        out.push(if before == before_fields { b' ' } else { b',' });
        match field.name {
            "" => out.extend_from_slice(b"value"),
            "time" => out.extend_from_slice(b"time_"),
            name => write_name(name, NAME, out),
        }
        let name = before + 1..out.len();
        let fits = key + name.len() <= MAX_KEY;
        // The name is taken only once the value is written: a later field may have one that can be.
        let written = fits && !names.has(out, &name) && {
            out.push(b'=');
            write_value(field.value, out)
        };
        if written {
            names.add(out, name);
        } else {
            out.truncate(before);
            left_out += 1;
        }
    }
    if out.len() == before_fields {
        return Err(NO_FIELDS);
    }
    out.push(b' ');
    out.extend_from_slice(Buffer::new().format(time).as_bytes());
    out.push(b'\n');
    Ok(left_out)
}

/// Writes a value; gives whether it can be written. If not, there may be a part of it.
#[inline]
fn write_value(value: Value<'_>, out: &mut Vec<u8>) -> bool {
    let mut digits = Buffer::new();
    match value {
        Value::Unsigned(value) if i64::try_from(value).is_err() => return false,
        Value::Unsigned(value) => {
            out.extend_from_slice(digits.format(value).as_bytes());
            out.push(b'i');
        }
        Value::Integer(value) => {
            out.extend_from_slice(digits.format(value).as_bytes());
            out.push(b'i');
        }
        Value::Nano(value) => write_number(Scale::Nano, value, &mut digits, out),
        Value::Float(value) if value.is_finite() => write_decimal(value, out),
        Value::Float(_) | Value::Stale => return false,
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Text(text) => {
            let start = out.len();
            // What is longer than that already is no shorter with escapes.
            return text.len() <= MAX_STRING && {
                write_string(text, out);
                out.len() - start <= MAX_STRING
            };
        }
    }
    true
}

#[cfg(test)]
mod tests;
