//! A point: what a schema makes of a snapshot, what a parser reads, and what encoders write. A measurement at one time, with
//! tags that say of what, and fields that say how much.
//!
//! One [`Point`] is used again for all points of a batch: its text lies in one string, and nothing is allocated once that
//! has grown. A sample of Prometheus is a point with one field without a name.
//!
//! ```
//! use plimsoll_wire::point::{Point, Value};
//!
//! let mut point = Point::default();
//! point.begin("memory", 1_700_000_000_000_000_000);
//! point.tag("container_name", "web");
//! point.field("usage_bytes", Value::Unsigned(4096));
//! assert_eq!(point.measurement(), "memory");
//! assert_eq!(point.tags().collect::<Vec<_>>(), [("container_name", "web")]);
//! assert_eq!(point.fields().map(|field| (field.name, field.value)).collect::<Vec<_>>(), [("usage_bytes", Value::Unsigned(4096))]);
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use plimsoll_model::Kind;

/// What became of points that an encoder was given, in the unit that its format counts: lines of line protocol, samples of
/// remote write, data points of OTLP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Points that are in the batch.
    pub accepted: u64,
    /// Points that the format cannot carry, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Fields that were left out of points that were accepted: NaN in line protocol, for instance.
    pub fields_refused: u64,
}

impl Tally {
    /// One point was not accepted.
    pub fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }
}

/// A body from which points were taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// What is left, in the same format.
    pub body: Vec<u8>,
    /// How many points are left.
    pub points: u64,
    /// How many were taken out.
    pub removed: u64,
}

/// A body that is not of its format, or only up to some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the batch is not in its format")
    }
}

impl std::error::Error for Broken {}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A whole number that cannot be negative: most of the kernel's.
    Unsigned(u64),
    /// A whole number.
    Integer(i64),
    /// A decimal in billionths, exact: seconds from nanoseconds, percentages ([`plimsoll_model::Scale::Nano`]).
    Nano(u64),
    /// A decimal; may be NaN or infinite where it came from somebody else.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// The series has ended: a staleness marker where the format has one, nothing elsewhere.
    Stale,
}

/// What is known of a field beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// How its values behave.
    pub kind: Kind,
    /// The unit in UCUM (`By`, `s`, `1`, `{packet}`); empty where it is not known.
    pub unit: &'static str,
    /// What it means; empty where it is not known.
    pub help: &'static str,
    /// Since when a counter counts, in Unix nanoseconds.
    pub start: Option<u64>,
}

impl Meta {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { kind: Kind::Untyped, unit: "", help: "", start: None };
}

impl Default for Meta {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// A field of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its name; empty for the one value of a sample.
    pub name: &'a str,
    /// Its value.
    pub value: Value<'a>,
    /// What else is known of it.
    pub meta: Meta,
}

/// A measurement at one time.
#[derive(Clone, Debug, Default)]
pub struct Point {
    text: String,
    measurement: Range<usize>,
    time: i64,
    tags: Vec<(Range<usize>, Range<usize>)>,
    fields: Vec<StoredField>,
}

#[derive(Clone, Debug)]
struct StoredField {
    name: Range<usize>,
    value: StoredValue,
    meta: Meta,
}

#[derive(Clone, Debug)]
enum StoredValue {
    Plain(Value<'static>),
    Text(Range<usize>),
}

impl Point {
    /// Forgets what it held and begins anew. `time` is in Unix nanoseconds.
    pub fn begin(&mut self, measurement: &str, time: i64) {
        self.text.clear();
        self.tags.clear();
        self.fields.clear();
        self.measurement = self.keep(measurement);
        self.time = time;
    }

    /// Adds a tag. One without a value says nothing and is left out.
    pub fn tag(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let tag = (self.keep(name), self.keep(value));
        self.tags.push(tag);
    }

    /// Sets a tag, in the place of the one with that name if there is one. An empty value takes the tag away.
    pub fn set_tag(&mut self, name: &str, value: &str) {
        let at = self.tags().position(|(known, _)| known == name);
        match (at, value.is_empty()) {
            (Some(at), true) => drop(self.tags.remove(at)),
            (Some(at), false) => self.tags[at].1 = self.keep(value),
            (None, _) => self.tag(name, value),
        }
    }

    /// Adds a field of which nothing else is known.
    pub fn field(&mut self, name: &str, value: Value<'_>) {
        self.field_with(name, value, Meta::UNKNOWN);
    }

    /// Adds a field.
    pub fn field_with(&mut self, name: &str, value: Value<'_>, meta: Meta) {
        let name = self.keep(name);
        let value = match value {
            Value::Text(text) => StoredValue::Text(self.keep(text)),
            Value::Unsigned(value) => StoredValue::Plain(Value::Unsigned(value)),
            Value::Integer(value) => StoredValue::Plain(Value::Integer(value)),
            Value::Nano(value) => StoredValue::Plain(Value::Nano(value)),
            Value::Float(value) => StoredValue::Plain(Value::Float(value)),
            Value::Bool(value) => StoredValue::Plain(Value::Bool(value)),
            Value::Stale => StoredValue::Plain(Value::Stale),
        };
        self.fields.push(StoredField { name, value, meta });
    }

    /// The field, if there is a value.
    pub fn field_option(&mut self, name: &str, value: Option<Value<'_>>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// Keeps the tags whose name and value `keep` accepts.
    pub fn retain_tags(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let text = &self.text;
        self.tags.retain(|(name, value)| keep(&text[name.clone()], &text[value.clone()]));
    }

    /// Gives the tags with this name another one.
    pub fn rename_tag(&mut self, from: &str, to: &str) {
        let renamed = self.keep(to);
        let text = &self.text;
        for (name, _) in self.tags.iter_mut().filter(|(name, _)| text[name.clone()] == *from) {
            *name = renamed.clone();
        }
    }

    /// Sorts the tags by name, as databases like them.
    pub fn sort_tags(&mut self) {
        let text = &self.text;
        self.tags.sort_by(|(a, _), (b, _)| text[a.clone()].cmp(&text[b.clone()]));
    }

    /// Makes all fields stale: the series ended at `time`.
    pub fn make_stale(&mut self, time: i64) {
        self.time = time;
        for field in &mut self.fields {
            field.value = StoredValue::Plain(Value::Stale);
        }
    }

    /// What is measured.
    #[must_use]
    pub fn measurement(&self) -> &str {
        &self.text[self.measurement.clone()]
    }

    /// When, in Unix nanoseconds.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Sets when, in Unix nanoseconds.
    pub fn set_time(&mut self, time: i64) {
        self.time = time;
    }

    /// Names and values of the tags; no value is empty.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.tags.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// The value of a tag; empty where there is none.
    #[must_use]
    pub fn tag_value(&self, name: &str) -> &str {
        self.tags().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> + Clone {
        self.fields.iter().map(|field| shown(&self.text, field))
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

fn shown<'a>(text: &'a str, field: &StoredField) -> Field<'a> {
    let value = match &field.value {
        StoredValue::Plain(value) => *value,
        StoredValue::Text(range) => Value::Text(&text[range.clone()]),
    };
    Field { name: &text[field.name.clone()], value, meta: field.meta }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_changed_in_place() {
        let mut point = Point::default();
        for _ in 0..2 {
            point.begin("cpu", 5);
            point.tag("b", "2");
            point.tag("empty", "");
            point.tag("a", "1");
            point.field("text", Value::Text("x"));
            point.field("number", Value::Nano(7));
            point.set_tag("b", "3");
            point.set_tag("c", "4");
            point.rename_tag("a", "z");
            point.sort_tags();
            assert_eq!(point.tags().collect::<Vec<_>>(), [("b", "3"), ("c", "4"), ("z", "1")]);
            point.set_tag("c", "");
            point.retain_tags(|name, _| name != "z");
            assert_eq!(point.tags().collect::<Vec<_>>(), [("b", "3")]);
            assert_eq!((point.tag_value("b"), point.tag_value("z")), ("3", ""));
            let fields = [Value::Text("x"), Value::Nano(7)];
            assert_eq!(point.fields().map(|field| field.value).collect::<Vec<_>>(), fields);
            point.make_stale(6);
            assert_eq!(
                (point.time(), point.fields().map(|field| field.value).collect()),
                (6, vec![Value::Stale; 2])
            );
        }
    }
}
