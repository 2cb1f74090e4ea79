//! `[[collector]]` tables of the configuration file: collectors of the user's own.
//!
//! Here it is only read what stands there, each thing with its line. What a type takes is the type's business, and is looked at
//! when the collectors are made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use plimsoll_collect::metrics::MAX_COLLECTORS;
use serde_json::{Number, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;
use crate::settings::assignment::{bad_value, unknown};
use crate::settings::collector::{CollectorTable, KEY};
use crate::settings::document::{in_order, raw};
use crate::settings::origin::Origin;
use crate::settings::value::{self, Expected, Raw};

/// What every collector takes; everything else is a parameter of its type.
const COMMON: [&str; 8] =
    ["name", "type", "enabled", "interval", "timeout", "retry_attempts", "retry_delay", "labels"];

/// How deep parameters may be nested.
const MAX_DEPTH: usize = 8;

/// Reads the tables.
pub(super) fn tables(
    value: &Spanned<DeValue<'_>>,
    place: &Origin,
    origin: &impl Fn(Range<usize>) -> Origin,
) -> Result<Vec<CollectorTable>, Failure> {
    let wrong = || bad_value(place, KEY, &raw(value.get_ref()).quoted(), &"tables, each under [[collector]]");
    let entries = value.get_ref().as_array().ok_or_else(wrong)?;
    let mut tables: Vec<CollectorTable> = Vec::new();
    for entry in entries {
        let table = entry.get_ref().as_table().ok_or_else(wrong)?;
        let table = self::table(table, &origin(entry.span()), origin)?;
        if let Some(other) = tables.iter().find(|other| other.name == table.name) {
            let (origin, name) = (&table.origin, crate::text::quoted(&table.name));
            return Err(Failure::caller(format!(
                "{origin}: there is a collector {name} already, at {}",
                other.origin
            ))
            .remedy("give each collector a name of its own"));
        }
        if tables.len() >= MAX_COLLECTORS {
            return Err(Failure::caller(format!("{}: more than {MAX_COLLECTORS} collectors", table.origin)));
        }
        tables.push(table);
    }
    Ok(tables)
}

fn table(
    table: &DeTable<'_>,
    origin: &Origin,
    place_of: &impl Fn(Range<usize>) -> Origin,
) -> Result<CollectorTable, Failure> {
    let mut read = CollectorTable {
        name: String::new(),
        type_name: String::new(),
        enabled: true,
        interval: None,
        timeout: None,
        retry_attempts: None,
        retry_delay: None,
        labels: BTreeMap::new(),
        parameters: BTreeMap::new(),
        origin: origin.clone(),
    };
    for (key, value) in in_order(table) {
        let (name, place) = (key.get_ref().as_ref(), place_of(key.span()));
        let given = raw(value.get_ref());
        let bad =
            |expected: Expected| bad_value(&place, &format!("{KEY}.{name}"), &given.quoted(), &expected);
        match name {
            "name" => read.name = text(&given).map_err(bad)?,
            "type" => read.type_name = text(&given).map_err(bad)?,
            "enabled" => read.enabled = value::bool(&given).map_err(bad)?,
            "interval" => read.interval = Some(value::collection_interval(&given).map_err(bad)?),
            "timeout" => read.timeout = Some(value::timeout(&given).map_err(bad)?),
            "retry_attempts" => read.retry_attempts = Some(value::retries(&given).map_err(bad)?),
            "retry_delay" => read.retry_delay = Some(value::delay(&given).map_err(bad)?),
            "labels" => {
                let labels = value.get_ref().as_table().ok_or_else(|| bad("a table of texts".into()))?;
                for (label, value) in in_order(labels) {
                    let text = value.get_ref().as_str().ok_or_else(|| {
                        let (place, given) = (place_of(label.span()), raw(value.get_ref()));
                        bad_value(
                            &place,
                            &format!("{KEY}.{name}.{}", label.get_ref()),
                            &given.quoted(),
                            &"a text",
                        )
                    })?;
                    read.labels.insert(label.get_ref().to_string(), text.to_owned());
                }
            }
            _ => {
                let json =
                    json(value.get_ref(), 0).ok_or_else(|| bad("something less deep, and no date".into()))?;
                read.parameters.insert(name.to_owned(), json);
            }
        }
    }
    for (key, value) in [("name", &read.name), ("type", &read.type_name)] {
        if value.is_empty() {
            // A key that looks like the missing one was taken for a parameter of the type.
            let near = read.parameters.keys().find(|given| crate::text::nearest(given, COMMON) == Some(key));
            return Err(match near {
                Some(near) => unknown(&origin.to_string(), "key", near, &COMMON),
                None => Failure::caller(format!("{origin}: this collector has no {key}"))
                    .remedy(format!("add a line {key} = \"…\" to the table")),
            });
        }
    }
    Ok(read)
}

fn text(raw: &Raw) -> Result<String, Expected> {
    match raw {
        Raw::Text(text) if !text.is_empty() => Ok(text.clone()),
        _ => Err("a text".into()),
    }
}

/// A value as JSON has it; `None` for a date, and for what is nested too deep.
fn json(value: &DeValue<'_>, depth: usize) -> Option<Json> {
    if depth > MAX_DEPTH {
        return None;
    }
    let cow = |text: &Cow<'_, str>| text.to_string();
    Some(match value {
        DeValue::String(text) => Json::String(cow(text)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        DeValue::Float(number) => number.as_str().parse().ok().and_then(Number::from_f64)?.into(),
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Array(entries) => {
            let entries: Option<Vec<Json>> =
                entries.iter().map(|entry| json(entry.get_ref(), depth + 1)).collect();
            Json::Array(entries?)
        }
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| Some((cow(key.get_ref()), json(value.get_ref(), depth + 1)?)));
            Json::Object(entries.collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}
