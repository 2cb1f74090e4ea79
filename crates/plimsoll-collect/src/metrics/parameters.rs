//! The parameters of a collector, read with errors that say what to write instead.

use std::collections::BTreeMap;

use plimsoll_model::text::bounded;
use serde_json::Value;

use super::config::ConfigError;

/// Below this likeness of two words, one is not meant by the other.
const LIKENESS_MIN: f64 = 0.7;

/// How much of what was given is shown, in bytes.
const MAX_SHOWN: usize = 64;

/// What is wrong with the parameters.
pub(super) fn wrong(problem: impl Into<String>) -> ConfigError {
    ConfigError::new("parameters", problem)
}

/// The parameters of one collector, of which all are known.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a>(&'a BTreeMap<String, Value>);

impl<'a> Parameters<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, Value>, known: &[&str]) -> Result<Self, ConfigError> {
        match given.keys().find(|name| !known.contains(&&***name)) {
            Some(name) => Err(unknown(name, known)),
            None => Ok(Self(given)),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What was given; `null` is nothing.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ConfigError> {
        let text = |value: &'a Value| match value {
            Value::String(text) if !text.contains('\0') => Ok(&**text),
            other => Err(mistyped(name, "a text", other)),
        };
        self.get(name).map(text).transpose()
    }

    /// A text for each name.
    pub(super) fn texts_by_name(&self, name: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(BTreeMap::new()) };
        let expected = "texts by name, such as { \"A\": \"b\" }";
        let Value::Object(entries) = value else { return Err(mistyped(name, expected, value)) };
        let texts = entries.iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            // The value may be a secret.
            other => Err(wrong(format!(
                "have {name:?} with {} as {:?}: it takes a text",
                kind(other),
                bounded(key, MAX_SHOWN)
            ))),
        });
        texts.collect()
    }
}

/// Something other than what was expected was given.
pub(super) fn mistyped(name: &str, expected: &str, given: &Value) -> ConfigError {
    wrong(format!("have {} as {name:?}: it takes {expected}", kind(given)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.contains('\0') => "a text with a NUL character",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn unknown(name: &str, known: &[&str]) -> ConfigError {
    let likeness = |word: &&str| strsim::jaro_winkler(&name.to_lowercase(), word);
    let nearest = known
        .iter()
        .map(|word| (likeness(word), *word))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let remedy = match nearest {
        Some((_, word)) => format!("did you mean {word:?}?"),
        None => format!("there are {}", known.join(", ")),
    };
    wrong(format!("have no {:?}: {remedy}", bounded(name, MAX_SHOWN)))
}
