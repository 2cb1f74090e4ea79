//! An element of the list of metrics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use plimsoll_model::text::{MAX_TEXT, bounded};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Found, cleaned, kind_by_name};
use crate::metrics::check::{MAX_LABELS_OF_VALUE, MAX_METRIC_NAME};
use crate::metrics::parse::{MAX_UNIT, time_of_seconds};
use crate::metrics::value::{MetricKind, MetricValue};

/// Reads the element of this number, counted from 1.
pub(super) struct Element<'a, 'f> {
    pub(super) found: &'a mut Found<'f>,
    pub(super) number: u64,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let told = Reader::<Told>::new().deserialize(deserializer)?;
        match told.value(self.found) {
            Ok(Some(value)) => self.found.parsed.push(value),
            Ok(None) => {}
            Err(fault) => {
                self.found.parsed.broken(|| format!("element {} of the array: {fault}", self.number));
            }
        }
        Ok(())
    }
}

/// What an element tells.
#[derive(Default)]
struct Told {
    is_object: bool,
    name: Part,
    value: Part,
    kind: Part,
    unit: Part,
    help: Part,
    timestamp: Part,
    labels: Labels,
}

impl Told {
    fn value(self, found: &Found<'_>) -> Result<Option<MetricValue>, &'static str> {
        if !self.is_object {
            return Err("it is no object");
        }
        let name = match self.name {
            Part::Text(name) if !name.is_empty() => format!("{}{name}", found.prefix),
            _ => return Err("it has no name"),
        };
        if name.len() > MAX_METRIC_NAME {
            return Err("its name is too long");
        }
        let value = match self.value {
            Part::Absent => return Ok(None),
            Part::Bool(value) => f64::from(u8::from(value)),
            value => value.number().ok_or("its value is no number")?,
        };
        let kind = match self.kind {
            Part::Absent => kind_by_name(&name),
            Part::Text(word) => match &*word {
                "counter" => MetricKind::Counter,
                "gauge" => MetricKind::Gauge,
                "untyped" | "unknown" => MetricKind::Untyped,
                _ => return Err("its type is none of counter, gauge, untyped"),
            },
            _ => return Err("its type is no text"),
        };
        let timestamp = match self.timestamp {
            Part::Absent => found.now,
            told => told.number().and_then(time_of_seconds).ok_or("its time is none in Unix seconds")?,
        };
        let labels = match self.labels {
            Labels::Read(labels) => labels,
            Labels::Broken(fault) => return Err(fault),
        };
        let text = |part: Part, max: usize, fault| match part {
            Part::Absent => Ok(String::new()),
            Part::Text(text) => Ok(bounded(&text, max).to_owned()),
            _ => Err(fault),
        };
        Ok(Some(MetricValue {
            name: Cow::Owned(cleaned(&name, true)),
            value,
            timestamp,
            labels,
            unit: Cow::Owned(text(self.unit, MAX_UNIT, "its unit is no text")?),
            kind,
            help: Cow::Owned(text(self.help, MAX_TEXT, "its help is no text")?),
        }))
    }
}

/// What stands for one thing.
#[derive(Default)]
enum Part {
    /// `null`, or nothing at all.
    #[default]
    Absent,
    Bool(bool),
    Whole(i128),
    Decimal(f64),
    Text(String),
    /// An object or an array.
    Other,
}

impl Part {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(value) => Some(*value as f64),
            Self::Decimal(value) => Some(*value),
            _ => None,
        }
    }
}

/// The labels of an element.
enum Labels {
    Read(BTreeMap<Cow<'static, str>, String>),
    Broken(&'static str),
}

impl Default for Labels {
    fn default() -> Self {
        Self::Read(BTreeMap::new())
    }
}

/// What can be made of anything that stands in JSON.
trait Shape: Sized {
    fn of_part(part: Part) -> Self;
    fn of_map<'de, A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error>;
}

impl Shape for Part {
    fn of_part(part: Part) -> Self {
        part
    }

    fn of_map<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::Other)
    }
}

impl Shape for Labels {
    fn of_part(part: Part) -> Self {
        match part {
            Part::Absent => Self::default(),
            _ => Self::Broken("its labels are no object"),
        }
    }

    fn of_map<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        let mut labels = BTreeMap::new();
        let mut fault = None;
        while let Some(key) = entries.next_key::<String>()? {
            let text = match entries.next_value_seed(Reader::<Part>::new())? {
                Part::Absent => continue,
                Part::Bool(value) => value.to_string(),
                Part::Whole(value) => value.to_string(),
                Part::Decimal(value) => value.to_string(),
                Part::Text(text) => text,
                Part::Other => {
                    fault = Some("the value of one of its labels is no text");
                    continue;
                }
            };
            if labels.len() < MAX_LABELS_OF_VALUE {
                // Two names may be one once they are cleaned: the first stays.
                labels.entry(Cow::Owned(cleaned(&key, false))).or_insert(text);
            } else {
                fault = Some("it has too many labels");
            }
        }
        Ok(fault.map_or(Self::Read(labels), Self::Broken))
    }
}

impl Shape for Told {
    fn of_part(_: Part) -> Self {
        Self::default()
    }

    fn of_map<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        let mut told = Self { is_object: true, ..Self::default() };
        while let Some(key) = entries.next_key::<String>()? {
            let part = match &*key {
                "name" => &mut told.name,
                "value" => &mut told.value,
                "type" => &mut told.kind,
                "unit" => &mut told.unit,
                "help" => &mut told.help,
                "timestamp" => &mut told.timestamp,
                "labels" => {
                    told.labels = entries.next_value_seed(Reader::<Labels>::new())?;
                    continue;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *part = entries.next_value_seed(Reader::<Part>::new())?;
        }
        Ok(told)
    }
}

/// Reads anything, and makes this of it.
struct Reader<S>(PhantomData<S>);

impl<S> Reader<S> {
    const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, S: Shape> DeserializeSeed<'de> for Reader<S> {
    type Value = S;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Reader<S> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, value: bool) -> Result<S, E> {
        Ok(S::of_part(Part::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<S, E> {
        Ok(S::of_part(Part::Whole(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<S, E> {
        Ok(S::of_part(Part::Whole(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<S, E> {
        Ok(S::of_part(Part::Decimal(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<S, E> {
        Ok(S::of_part(Part::Text(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<S, E> {
        Ok(S::of_part(Part::Absent))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<S, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(S::of_part(Part::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<S, A::Error> {
        S::of_map(entries)
    }
}
