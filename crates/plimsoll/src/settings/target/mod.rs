//! Targets: `[[target]]` tables of the configuration file and `PLIMSOLL_TARGET_…` variables, to which points are delivered.
//!
//! Both places only say which key has which value ([`Given`]); [`build`] makes targets of that, the environment last, so that it
//! changes what the file says of the target that it names. What the keys are stands in one list, [`key::all`].

mod address;
mod build;
mod environment;
mod key;
mod measure;
mod pairs;
mod queue;
mod read;
mod selection;
mod url;
mod word;

use std::collections::BTreeMap;
use std::fmt;

use plimsoll_deliver::config::{Durability, TargetConfig};

pub(super) use build::build;
pub(super) use environment::{PREFIX, variables};
pub(super) use key::{TargetKey, all as keys};
pub(super) use read::tables;

use crate::failure::Failure;
use crate::settings::assignment::bad_value;
use crate::settings::origin::Origin;
use crate::settings::target::key::{Form, Shown};
use crate::settings::value::{Expected, Raw};
use crate::text;

/// The key in the file.
pub(super) const KEY: &str = "target";

/// The most targets. Each has a queue and memory of its own.
const MAX_TARGETS: usize = 32;

/// One target, as file and environment have it.
#[derive(Clone, PartialEq)]
pub(crate) struct TargetTable {
    /// What they come to.
    pub(crate) config: TargetConfig,
    /// Where it begins.
    pub(crate) origin: Origin,
    /// Where the value of a key came from; what is missing is a default.
    origins: BTreeMap<&'static str, Origin>,
}

/// What one place says about one key of one target.
#[derive(Clone)]
pub(super) struct Given {
    key: &'static TargetKey,
    raw: Raw,
    origin: Origin,
}

impl Given {
    /// That the value is not what the key takes. Of secrets nothing is repeated.
    fn refused(&self, expected: &Expected) -> Failure {
        let shown = match self.key.form {
            Form::Secret | Form::SecretPairs => NOT_SHOWN.to_owned(),
            Form::Address => url::repeated(&self.raw),
            Form::One | Form::List | Form::Pairs => self.raw.quoted(),
        };
        bad_value(&self.origin, &format!("{KEY}.{}", self.key.key), &shown, expected)
    }
}

/// Stands in messages for the value of a secret.
const NOT_SHOWN: &str = "(not shown)";

/// What one place says about one target.
pub(super) struct Draft {
    /// Where it begins.
    origin: Origin,
    /// Its keys, in order.
    given: Vec<Given>,
}

impl TargetTable {
    /// Where it is, for a message: its address without the query, or its file.
    pub(crate) fn place(&self) -> String {
        let url = &self.config.url;
        let url = url::without_query(url).map_or_else(|| url.clone(), |shown| format!("{shown}?…"));
        if url.is_empty() { self.config.path.display().to_string() } else { url }
    }

    /// Whether what waits for it survives the program.
    pub(crate) fn has_spool(&self) -> bool {
        self.config.durability != Durability::None
    }

    /// Where the value of a key came from.
    fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&self.origin)
    }

    /// The table as it may stand in a file, with the origin of each value. Secrets are comments that say that they are there.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = format!("\n# {}\n[[{KEY}]]\n", self.origin);
        for key in keys().filter(|key| key.kinds.contains(&self.config.kind)) {
            let origin = self.origins.get(key.key).unwrap_or(&Origin::Default);
            out.push_str(&match (key.show)(&self.config) {
                Shown::Nothing => continue,
                Shown::Plain(value) => format!("{} = {value} # {origin}\n", key.key),
                Shown::Hidden(part) => {
                    format!("# {} = {} # {origin}, not shown\n", key.key, text::printable(&part))
                }
            });
        }
        out
    }
}

/// Whether a target can have this name, which becomes that of a file.
pub(crate) fn check_name(name: &str) -> Result<(), Expected> {
    word::name(&Raw::Text(name.to_owned())).map(drop)
}

/// Without secrets, so that they cannot get into a message by accident.
impl fmt::Debug for TargetTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_toml())
    }
}

/// The keys as a page of the documentation.
#[cfg(test)]
mod page;

#[cfg(test)]
mod tests;
