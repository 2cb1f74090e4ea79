//! Fields of an agent's answers, each read for what it is worth.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use super::{MAX_INNER, MAX_TEXT};

/// A value that is its default if it is not of its type.
pub(super) fn value<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    field: D,
) -> Result<T, D::Error> {
    Ok(of(<&RawValue>::deserialize(field)?))
}

/// A decimal to its last bit, which the parser's own are not always; `None` for what is none.
pub(super) fn decimal<'de, D: Deserializer<'de>>(field: D) -> Result<Option<f64>, D::Error> {
    let digits = <&RawValue>::deserialize(field)?.get();
    let is_number = digits.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    Ok(digits.parse().ok().filter(|number: &f64| is_number && number.is_finite()))
}

pub(super) fn text<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    Ok(text_of(<&RawValue>::deserialize(field)?))
}

pub(super) fn texts<'de, D: Deserializer<'de>>(field: D) -> Result<Vec<String>, D::Error> {
    optional_texts(field).map(Option::unwrap_or_default)
}

/// `None` for what is no list.
pub(super) fn optional_texts<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Vec<String>>, D::Error> {
    let elements: Option<Vec<&RawValue>> = of(<&RawValue>::deserialize(field)?);
    let is_text = |element: &&&RawValue| element.get().starts_with('"');
    Ok(elements.map(|elements| {
        elements.iter().filter(is_text).take(MAX_INNER).map(|element| text_of(element)).collect()
    }))
}

/// A list, without the elements that are no objects.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: D) -> Result<Vec<T>, D::Error> {
    let elements: Vec<&RawValue> = of(<&RawValue>::deserialize(field)?);
    let objects = elements.iter().filter(|element| element.get().starts_with('{'));
    Ok(objects.filter_map(|element| serde_json::from_str(element.get()).ok()).take(MAX_INNER).collect())
}

pub(super) fn labels<'de, D: Deserializer<'de>>(field: D) -> Result<BTreeMap<String, String>, D::Error> {
    optional_labels(field).map(Option::unwrap_or_default)
}

/// `None` for what is no object.
pub(super) fn optional_labels<'de, D: Deserializer<'de>>(
    field: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let labels: Option<BTreeMap<String, &RawValue>> = of(<&RawValue>::deserialize(field)?);
    Ok(labels.map(|labels| {
        let pairs = labels.into_iter().take(MAX_INNER);
        pairs.map(|(name, value)| (cut(name), text_of(value))).collect()
    }))
}

/// Times: RFC 3339 there, milliseconds since the epoch here.
pub(super) mod moment {
    use serde::{Deserializer, Serializer};

    use crate::census::time;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(field: D) -> Result<Option<i64>, D::Error> {
        let text = super::text(field)?;
        Ok(time::parse(&text).filter(|moment| *moment != time::NO_TIME_MS))
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(moment: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time::format(*moment))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(port: &u16) -> bool {
    *port == 0
}

fn of<'de, T: Deserialize<'de> + Default>(raw: &'de RawValue) -> T {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn text_of(raw: &RawValue) -> String {
    cut(of(raw))
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}
