//! Values from JSON.
//!
//! The text is walked through and never held as a tree: what somebody sends costs as much memory as the values that are in
//! it.

mod element;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{ParseError, Parsed};
use crate::metrics::check::MAX_METRIC_NAME;
use crate::metrics::value::{MetricKind, MetricValue, push_name};
use element::Element;

/// How deep objects may lie in one another. What lies deeper is passed over.
pub const MAX_DEPTH: usize = 16;

/// How much of a name is shown, in bytes.
const MAX_SHOWN: usize = 80;

/// Reads JSON of either form:
///
/// - an object, whose numbers are values by the names that they have in it. Objects in it join their names with `_`, booleans
///   are 0 and 1, and `null` is no value.
/// - an array, or an object with such an array as `metrics`, of objects with `name` and `value`, and perhaps with `labels`,
///   `type` (`counter`, `gauge` or `untyped`), `unit`, `help` and `timestamp`, in Unix seconds.
///
/// Texts and arrays elsewhere are passed over, and counted as broken. What a name may not have becomes `_`. Values without a
/// time get `now`, every name gets the prefix, and where no type is told, a name that ends in `_total` is a counter's and
/// every other a gauge's.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use plimsoll_collect::metrics::parse;
///
/// let text = r#"{"pool": {"size": 8, "is-open": true}, "metrics": [
///     {"name": "jobs_total", "value": 3, "labels": {"queue": "a"}, "timestamp": 1640995200}
/// ]}"#;
/// let parsed = parse::json(text.as_bytes(), "app_", UNIX_EPOCH)?;
/// let lines: Vec<_> = parsed.values.iter().map(|value| value.to_prometheus_format()).collect();
/// assert_eq!(lines, ["app_pool_size 8 0", "app_pool_is_open 1 0", r#"app_jobs_total{queue="a"} 3 1640995200000"#]);
/// # Ok::<(), parse::ParseError>(())
/// ```
///
/// # Errors
/// If it is no valid JSON, or something is in it and nothing can be used.
pub fn json(bytes: &[u8], prefix: &str, now: SystemTime) -> Result<Parsed, ParseError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut found = Found { parsed: Parsed::default(), prefix, now };
    if bytes.trim_ascii().is_empty() {
        return Ok(found.parsed);
    }
    let whole = Walk { found: &mut found, name: prefix, place: Place::Top };
    whole.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| {
        ParseError::new("JSON", format!("it is no valid JSON: {error}; is something else printed, too?"))
    })?;
    found.parsed.unless_all_is_broken("JSON")
}

/// What was found so far.
struct Found<'a> {
    parsed: Parsed,
    prefix: &'a str,
    now: SystemTime,
}

impl Found<'_> {
    fn plain(&mut self, name: &str, value: f64) {
        self.parsed.push(MetricValue {
            name: Cow::Owned(cleaned(name, true)),
            value,
            timestamp: self.now,
            labels: BTreeMap::new(),
            unit: Cow::Borrowed(""),
            kind: kind_by_name(name),
            help: Cow::Borrowed(""),
        });
    }

    fn broken(&mut self, what: &str, fault: &str) {
        self.parsed.broken(|| format!("{:?}: {fault}", plimsoll_model::text::bounded(what, MAX_SHOWN)));
    }
}

/// A name with `_` for everything that it may not have.
fn cleaned(name: &str, colons: bool) -> String {
    let mut clean = String::with_capacity(name.len() + 1);
    push_name(name, colons, &mut clean);
    clean
}

/// The rule of [`MetricValue::new`].
fn kind_by_name(name: &str) -> MetricKind {
    if name.ends_with("_total") { MetricKind::Counter } else { MetricKind::Gauge }
}

/// Where something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the whole text.
    Top,
    /// In this many objects, and it is no list of metrics.
    Inside(usize),
    /// It may be the list of metrics.
    List,
}

/// Walks through something that has this name.
struct Walk<'a, 'f> {
    found: &'a mut Found<'f>,
    name: &'a str,
    place: Place,
}

impl Walk<'_, '_> {
    fn number<E>(self, value: f64) -> Result<(), E> {
        if self.place == Place::Top {
            self.found.broken("", "it is no object and no array");
        } else {
            self.found.plain(self.name, value);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.number(f64::from(u8::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.found.broken(self.name, "it is a text, and no number");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if matches!(self.place, Place::Inside(_)) {
            self.found.broken(self.name, "it is an array");
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut number = 1;
        while elements.next_element_seed(Element { found: &mut *self.found, number })?.is_some() {
            number += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let depth = match self.place {
            Place::Top => 0,
            Place::Inside(depth) => depth,
            Place::List => 1,
        };
        if depth >= MAX_DEPTH {
            self.found.broken(self.name, "it lies too deep in other objects");
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while let Some(key) = entries.next_key::<String>()? {
            let joint = if depth == 0 { "" } else { "_" };
            if self.name.len() + joint.len() + key.len() > MAX_METRIC_NAME {
                self.found.broken(&key, "the name is too long");
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let place = if depth == 0 && key == "metrics" { Place::List } else { Place::Inside(depth + 1) };
            let name = format!("{}{joint}{key}", self.name);
            entries.next_value_seed(Walk { found: &mut *self.found, name: &name, place })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
