//! The keys of a `[[target]]` table, in one list: what each is, for which types, how it is read and shown.
//!
//! The file, the environment, `--print-config` and the page of the documentation all derive from it. A key is added in one of the
//! three parts ([`address`], [`queue`], [`selection`]) and nowhere else.

use plimsoll_deliver::config::{TargetConfig, TargetKind};
use toml::Value;

use crate::settings::target::{address, queue, selection};
use crate::settings::value::{Expected, Raw};

/// One key.
pub(crate) struct TargetKey {
    /// The key in a table.
    pub(crate) key: &'static str,
    /// The environment variable.
    pub(crate) env: &'static str,
    /// How it is written.
    pub(crate) form: Form,
    /// What it takes, in a word.
    pub(crate) value_name: &'static str,
    /// What it is, as one sentence or more without the last full stop.
    pub(crate) help: &'static str,
    /// The types of targets that have it.
    pub(crate) kinds: &'static [TargetKind],
    /// Whether they cannot do without.
    pub(crate) needed: bool,
    /// Reads a value. The kind of the target is known by then.
    pub(crate) apply: fn(&mut TargetConfig, &Raw) -> Result<(), Expected>,
    /// What is in force.
    pub(crate) show: fn(&TargetConfig) -> Shown,
}

/// How a key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One value.
    One,
    /// One value, which no message repeats. A user's name is one of these: people put the password beside it.
    Secret,
    /// An address, of which nobody is shown what may be a secret.
    Address,
    /// An array, a variable with commas.
    List,
    /// A table of texts, a variable `a=b,c=d`.
    Pairs,
    /// The same with values that nobody is shown.
    SecretPairs,
}

/// A value as it may be shown.
pub(crate) enum Shown {
    /// There is none.
    Nothing,
    /// As it stands in a table.
    Plain(Value),
    /// It is there, and only this much of it is shown.
    Hidden(String),
}

impl Shown {
    /// A text, where there is one.
    pub(super) fn text(text: impl Into<String>) -> Self {
        match text.into() {
            text if text.is_empty() => Self::Nothing,
            text => Self::Plain(text.into()),
        }
    }

    /// A list, where there is one.
    pub(super) fn list(entries: &[String]) -> Self {
        if entries.is_empty() { Self::Nothing } else { Self::Plain(entries.to_vec().into()) }
    }

    /// A table of texts, where there is one.
    pub(super) fn pairs(pairs: &[(String, String)]) -> Self {
        if pairs.is_empty() {
            return Self::Nothing;
        }
        let entries = pairs.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        Self::Plain(Value::Table(entries.collect()))
    }

    /// A number; what is larger than TOML has is the largest that it has.
    pub(super) fn number(number: u64) -> Self {
        Self::Plain(i64::try_from(number).unwrap_or(i64::MAX).into())
    }
}

/// Types of targets that are asked over HTTP.
pub(super) const HTTP: &[TargetKind] = &[
    TargetKind::InfluxV1,
    TargetKind::InfluxV2,
    TargetKind::InfluxV3,
    TargetKind::RemoteWrite,
    TargetKind::Otlp,
];

/// Types of targets that are elsewhere.
pub(super) const NETWORK: &[TargetKind] = &[
    TargetKind::InfluxV1,
    TargetKind::InfluxV2,
    TargetKind::InfluxV3,
    TargetKind::RemoteWrite,
    TargetKind::Otlp,
    TargetKind::Nats,
];

/// Types of targets that a name and a password open.
pub(super) const WITH_PASSWORD: &[TargetKind] =
    &[TargetKind::InfluxV1, TargetKind::RemoteWrite, TargetKind::Otlp, TargetKind::Nats];

/// Types of targets whose times have a resolution that can be chosen.
pub(super) const LINES: &[TargetKind] = &[
    TargetKind::InfluxV1,
    TargetKind::InfluxV2,
    TargetKind::InfluxV3,
    TargetKind::Nats,
    TargetKind::File,
    TargetKind::Stdout,
];

/// Types of targets that take compressed bodies of more than one kind.
pub(super) const COMPRESSED: &[TargetKind] =
    &[TargetKind::InfluxV1, TargetKind::InfluxV2, TargetKind::InfluxV3, TargetKind::Otlp, TargetKind::Nats];

/// Every key, in the order of the documentation.
pub(crate) fn all() -> impl Iterator<Item = &'static TargetKey> {
    address::KEYS.iter().chain(queue::KEYS).chain(selection::KEYS)
}

/// The names of types, with commas, as shortly as it goes.
pub(super) fn kinds_text(kinds: &[TargetKind]) -> String {
    let names = |wanted: bool| {
        let chosen = TargetKind::ALL.iter().filter(|kind| kinds.contains(kind) == wanted);
        chosen.map(|kind| kind.name()).collect::<Vec<_>>()
    };
    match &*names(false) {
        [] => "all".to_owned(),
        missing if missing.len() < 3 => format!("all but {}", missing.join(", ")),
        _ => names(true).join(", "),
    }
}
