//! What one place says about one setting, and how it is told when that is wrong.

use std::fmt;

use crate::failure::Failure;
use crate::settings::origin::Origin;
use crate::settings::table::{Apply, Setting};
use crate::settings::value::Raw;
use crate::text;

/// What one place says about one setting.
pub(crate) struct Assignment {
    /// The setting.
    pub(super) setting: &'static Setting,
    /// What was given.
    pub(super) raw: Raw,
    /// Where.
    pub(super) origin: Origin,
    /// How it is read: the setting's own way, or an alias'.
    pub(super) apply: Apply,
    /// Whether an alias said it. A later assignment makes it void, errors and all.
    pub(super) alias: bool,
}

impl Assignment {
    pub(crate) fn new(setting: &'static Setting, raw: Raw, origin: Origin) -> Self {
        Self { setting, raw, origin, apply: setting.apply, alias: false }
    }

    /// The key under which the origin is remembered. Each collector has an origin of its own.
    pub(super) fn key(&self) -> String {
        match self.raw {
            Raw::Collector(name, _) => format!("{}.{name}", self.setting.key),
            _ => self.setting.key.to_owned(),
        }
    }
}

/// A value that is not what its setting takes.
pub(super) fn bad_value(origin: &Origin, key: &str, given: &str, expected: &impl fmt::Display) -> Failure {
    Failure::caller(format!("{origin}: bad value {given} for {key}: expected {expected}"))
}

/// A word that is not known, with the nearest that is.
pub(super) fn unknown(place: &str, what: &str, given: &str, known: &[&'static str]) -> Failure {
    let failure = Failure::caller(format!("{place}: unknown {what} {}", text::quoted(given)));
    match text::nearest(given, known.iter().copied()) {
        Some(word) => failure.remedy(format!("the nearest known one is `{word}`")),
        None => failure.remedy(format!("known are {}", known.join(", "))),
    }
}
