//! What collectors tell that are not the catalog's: somebody's own, with names that nobody here knew before.
//!
//! They are kept apart from the catalog: their values are decimals as they came, and their names are held to the rules of
//! names and to [`is_reserved`] before they get here.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use crate::catalog::cadvisor::CADVISOR;
use crate::catalog::{CATALOG, Kind};

/// How a custom value behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomKind {
    /// Only grows, until it begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often what was observed was no more than each of some bounds, in several series.
    Histogram,
    /// Quantiles of what was observed, with their count and sum, in several series.
    Summary,
    /// Nobody has said.
    #[default]
    Untyped,
}

impl CustomKind {
    /// Whether a family of this kind has series of several names, and its samples a [suffix](CustomSample::suffix).
    #[must_use]
    pub const fn has_parts(self) -> bool {
        matches!(self, Self::Histogram | Self::Summary)
    }

    /// The suffix of a family's name that a series of this name and kind has. `None` where a family of this kind has no such
    /// series. A series of a summary that has no `quantile` is its count or its sum.
    ///
    /// ```
    /// use plimsoll_model::custom::CustomKind::{Gauge, Histogram, Summary};
    /// assert_eq!(Histogram.part("wait_seconds_bucket", false), Some("_bucket"));
    /// assert_eq!(Histogram.part("wait_seconds", false), None);
    /// assert_eq!(Summary.part("wait_sum", true), Some(""), "a quantile of what is called wait_sum");
    /// assert_eq!(Gauge.part("wait_sum", false), Some(""));
    /// ```
    #[must_use]
    pub fn part(self, series: &str, has_quantile: bool) -> Option<&'static str> {
        let suffixes: &[&'static str] = match self {
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary if !has_quantile => &["_sum", "_count"],
            _ => &[""],
        };
        suffixes.iter().copied().find(|suffix| series.len() > suffix.len() && series.ends_with(suffix))
    }

    /// How a series behaves that a family of this kind has under this suffix.
    #[must_use]
    pub fn of_part(self, suffix: &str) -> Self {
        match (self, suffix) {
            (Self::Summary, "") => Self::Gauge,
            (Self::Histogram | Self::Summary, _) => Self::Counter,
            (plain, _) => plain,
        }
    }
}

/// Values of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomFamily {
    /// The name, by Prometheus' rules; that of a histogram or summary is without the suffixes of its series.
    pub name: String,
    /// What it means; may be empty.
    pub help: String,
    /// How its values behave.
    pub kind: CustomKind,
    /// Its values.
    pub samples: Vec<CustomSample>,
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomSample {
    /// What follows the family's name in the name of the series: `_bucket`, `_sum` or `_count` in a histogram or summary, else
    /// nothing.
    pub suffix: &'static str,
    /// Names and values of labels, by name, beside those of the container.
    pub labels: Vec<(String, String)>,
    /// The value; always finite.
    pub value: f64,
    /// The full id of the container that it is about.
    pub container: Option<Arc<str>>,
}

/// How one collector on the framework does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CollectorState {
    /// Its name.
    pub name: String,
    /// Its type, such as `exec`.
    pub type_name: String,
    /// Whether it works; one that keeps failing is tried seldom.
    pub healthy: bool,
    /// Whether its last collection succeeded; absent before the first has ended.
    pub success: Option<bool>,
    /// How long its last attempt took, in nanoseconds.
    pub duration: Option<u64>,
    /// The time between two collections, in nanoseconds.
    pub interval: u64,
    /// How long an attempt may take, in nanoseconds.
    pub timeout: u64,
    /// Attempts so far.
    pub runs: u64,
    /// Attempts that failed, by why.
    pub failures: Vec<(&'static str, u64)>,
    /// Values that were left out, by why.
    pub left_out: Vec<(&'static str, u64)>,
    /// Collections that were left out because the one before was still under way.
    pub skipped: u64,
    /// How many values its last success had; absent for those whose values are the catalog's.
    pub values: Option<u64>,
    /// When it last succeeded, in Unix nanoseconds.
    pub last_success: Option<u64>,
    /// What went wrong the last time, in one line; empty while nothing has.
    pub last_error: String,
    /// Containers of which nothing can be collected.
    pub unhealthy_containers: u64,
}

/// A collector: how it does, and what it last told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomCollector {
    /// How it does.
    pub state: CollectorState,
    /// What it told in its last collection, if that succeeded.
    pub families: Arc<[CustomFamily]>,
}

/// Whether a name is the catalog's or cAdvisor's, or would be taken for one of its: in OpenMetrics a counter also owns its name without
/// `_total`, and with `_created`. Everything that begins with `plimsoll_` is the agent's.
///
/// ```
/// use plimsoll_model::custom::is_reserved;
/// assert!(is_reserved("container_memory_usage_bytes"));
/// assert!(is_reserved("container_cpu_usage_seconds"), "the counter's name in OpenMetrics");
/// assert!(!is_reserved("backup_age_seconds"));
/// ```
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    static TAKEN: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let mut taken = HashSet::new();
        for family in CATALOG.iter().chain(CADVISOR.iter().map(|of_cadvisor| &of_cadvisor.family)) {
            taken.insert(family.name.to_owned());
            let base = match family.kind {
                Kind::Counter => family.name.strip_suffix("_total"),
                Kind::Info => family.name.strip_suffix("_info"),
                _ => None,
            };
            if let Some(base) = base {
                taken.extend([base.to_owned(), format!("{base}_created")]);
            }
        }
        taken
    });
    name.starts_with("plimsoll_") || TAKEN.contains(name)
}

/// What names begin with that are about containers and machines.
const OF_AGENTS: [&str; 5] = ["container_", "machine_", "node_", "cadvisor_", "plimsoll_"];

/// Whether an application may not use a name of its own accord: it is [reserved](is_reserved), or would be taken for what an
/// agent measures of containers and machines. Whoever makes a container chooses what it tells.
#[must_use]
pub fn is_of_an_agent(name: &str) -> bool {
    OF_AGENTS.iter().any(|beginning| name.starts_with(beginning)) || is_reserved(name)
}
