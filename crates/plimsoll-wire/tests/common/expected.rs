//! What a reader of line protocol has to find of a point, told from the documentation and not from the encoder.

use plimsoll_wire::line_protocol::Precision;
use plimsoll_wire::point::{Point, Value};

/// A line as it should be read.
#[derive(Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) measurement: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) fields: Vec<(String, Read)>,
    pub(crate) time: i64,
}

/// A value as it should be read. Decimals are compared bit by bit.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    Integer(i64),
    Float(u64),
    Bool(bool),
    Text(String),
}

/// A name as the documentation says it is written, or a tag's value.
fn documented(text: &str) -> String {
    let characters: Vec<_> = text.chars().collect();
    let stands_before = |next: Option<&char>| {
        next.is_none_or(|next| next.is_ascii_control() || ['\\', ',', ' ', '=', '"'].contains(next))
    };
    let mut written = String::new();
    for (at, character) in characters.iter().enumerate() {
        match character {
            '\\' if at > 0 && characters[at - 1] == '\\' => written.push('/'),
            '\\' if stands_before(characters.get(at + 1)) => written.push('/'),
            other => written.push_str(&visible(*other)),
        }
    }
    written
}

fn visible(character: char) -> String {
    match character {
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        '\t' => r"\t".to_owned(),
        '\u{c}' => r"\f".to_owned(),
        control if control.is_ascii_control() => format!("\\x{:02x}", u32::from(control)),
        other => other.to_string(),
    }
}

/// What is to be read of a point, or nothing where it is to be refused.
pub(crate) fn expected(point: &Point, precision: Precision) -> Option<Expected> {
    let mut read = Expected {
        measurement: documented(point.measurement()),
        tags: Vec::new(),
        fields: Vec::new(),
        time: point.time().div_euclid(precision.nanoseconds()),
    };
    if read.measurement.starts_with('#') {
        read.measurement.insert(0, '\\');
    }
    let range = -9_223_372_036_854_775_806..=9_223_372_036_854_775_806;
    let kept = read.time.checked_mul(precision.nanoseconds()).is_some_and(|time| range.contains(&time));
    for (name, value) in point.tags() {
        let mut name = documented(name);
        if ["time", "_field", "_measurement"].contains(&&*name) {
            name.push('_');
        }
        if read.tags.iter().all(|(known, _)| *known != name) {
            read.tags.push((name, documented(value)));
        }
    }
    for field in point.fields() {
        let name = match field.name {
            "" => "value".to_owned(),
            "time" => "time_".to_owned(),
            name => documented(name),
        };
        let value = match field.value {
            Value::Unsigned(value) => i64::try_from(value).ok().map(Read::Integer),
            Value::Integer(value) => Some(Read::Integer(value)),
            Value::Nano(value) => {
                let text = format!("{}.{:09}", value / 1_000_000_000, value % 1_000_000_000);
                Some(Read::Float(text.parse::<f64>().unwrap().to_bits()))
            }
            Value::Float(value) => value.is_finite().then_some(Read::Float(value.to_bits())),
            Value::Bool(value) => Some(Read::Bool(value)),
            Value::Text(text) => Some(Read::Text(text.chars().map(visible).collect())),
            Value::Stale => None,
        };
        let is_taken = read.tags.iter().any(|(known, _)| *known == name)
            || read.fields.iter().any(|(known, _)| *known == name);
        if let Some(value) = value.filter(|_| !is_taken) {
            read.fields.push((name, value));
        }
    }
    let is_refused = point.measurement().is_empty()
        || read.tags.iter().any(|(name, _)| name.is_empty())
        || read.fields.is_empty()
        || !kept;
    (!is_refused).then_some(read)
}
