//! Metrics by their names in the catalog: where their numbers stand in the history, and how those that are not stored
//! follow from others.

use plimsoll_model::catalog::CATALOG;
use plimsoll_model::{Collector, Family, Kind, Slot, catalog::Shape};

use crate::Error;
use crate::query::Function;
use crate::row::HOST_COLLECTORS;

/// How many names are offered in place of one that is not known.
const NEAREST: usize = 3;

/// How alike a name must be to be offered, from 0 to 1.
const ALIKE: f64 = 0.6;

/// How a metric's numbers come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// They are stored, under this name.
    Stored(&'static str),
    /// Memory use less inactive page cache; tiers have it as a series of its own.
    WorkingSet,
    /// Working set by limit.
    UsagePercent,
    /// Growth of processor time.
    CpuPercent,
    /// Time since the start, while there are processes.
    Uptime,
    /// The time of the sample.
    LastSeen,
}

/// A metric that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) family: &'static Family,
    pub(crate) formula: Formula,
}

impl Metric {
    /// Finds a metric by name.
    ///
    /// # Errors
    /// [`Error::UnknownMetric`] with names like it; [`Error::NotKept`] where it is no number of the history.
    pub(crate) fn by_name(name: &str) -> Result<Self, Error> {
        let Some(family) = Family::by_name(name) else {
            let known = CATALOG.iter().filter(|family| Self::of(family).is_ok()).map(|family| family.name);
            return Err(Error::UnknownMetric { name: name.to_owned(), nearest: nearest(name, known) });
        };
        Self::of(family).map_err(|why| Error::NotKept { name: name.to_owned(), why })
    }

    /// Every metric of containers (or of the host) that can be asked for.
    pub(crate) fn all(host: bool) -> Vec<Self> {
        let metrics = CATALOG.iter().filter_map(|family| Self::of(family).ok());
        metrics.filter(|metric| metric.family.is_of_container() != host).collect()
    }

    fn of(family: &'static Family) -> Result<Self, &'static str> {
        let formula = match family.shape {
            _ if family.kind == Kind::Info => return Err("its message is in its labels, not in a number"),
            Shape::Info(_) => {
                return Err("its message is in its labels, not in a number; see container_status");
            }
            Shape::Agent(_) if !is_host_collector(family.collector) => {
                return Err("the agent's account of itself is only shown as it is now");
            }
            Shape::Container([cell]) => match cell.slot {
                Slot::MemoryWorkingSet => Formula::WorkingSet,
                Slot::MemoryUsagePercent => Formula::UsagePercent,
                Slot::CpuPercent => Formula::CpuPercent,
                Slot::Uptime => Formula::Uptime,
                Slot::LastSeen => Formula::LastSeen,
                slot => Formula::Stored(stored_name(slot)),
            },
            Shape::Container(_)
            | Shape::Interface(_)
            | Shape::Device(_)
            | Shape::Detail(_)
            | Shape::Agent(_)
            | Shape::Host(_) => Formula::Stored(family.name),
        };
        Ok(Self { family, formula })
    }

    /// Whether it has rates and increases.
    pub(crate) fn is_counter(&self) -> bool {
        self.family.kind == Kind::Counter
    }

    /// The function that is meant: what was asked for, or the usual one.
    ///
    /// # Errors
    /// [`Error::NotACounter`].
    pub(crate) fn function(&self, asked: Option<Function>) -> Result<Function, Error> {
        match asked {
            Some(Function::Rate | Function::Increase) if !self.is_counter() => {
                Err(Error::NotACounter { name: self.family.name.to_owned() })
            }
            Some(function) => Ok(function),
            None if self.is_counter() => Ok(Function::Rate),
            None => Ok(Function::Mean),
        }
    }
}

/// Whether the numbers of a collector are kept as the host's.
fn is_host_collector(collector: Collector) -> bool {
    HOST_COLLECTORS.contains(&collector)
}

/// The name under which a slot's number is stored: the first in the catalog. One slot has two families.
pub(crate) fn stored_name(slot: Slot) -> &'static str {
    let of_slot = |family: &&Family| matches!(family.shape, Shape::Container([cell]) if cell.slot == slot);
    CATALOG.iter().find(of_slot).map_or("", |family| family.name)
}

/// Those of the names that are most like the one that was asked for, the most alike first.
pub(crate) fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let asked = asked.to_lowercase();
    let mut alike: Vec<(f64, &str)> = names
        .map(|name| {
            let lower = name.to_lowercase();
            // A word of a long name is as good as the name with a slip in it.
            let holds = asked.len() >= 3 && lower.contains(&asked);
            (strsim::jaro_winkler(&asked, &lower).max(if holds { 0.9 } else { 0.0 }), name)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.dedup_by(|a, b| a.1 == b.1);
    alike.into_iter().take(NEAREST).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_right_are_offered() {
        for (asked, first) in [
            ("container_memory_usage_byte", "container_memory_usage_bytes"),
            ("container_cpu_usage_seconds", "container_cpu_usage_seconds_total"),
            ("working_set", "container_memory_working_set_bytes"),
        ] {
            match Metric::by_name(asked) {
                Err(Error::UnknownMetric { nearest, .. }) => {
                    assert_eq!(nearest.first().map(String::as_str), Some(first), "{asked}: {nearest:?}");
                }
                other => panic!("{asked}: {other:?}"),
            }
        }
        let unlike = Metric::by_name("xyzzy");
        assert!(matches!(unlike, Err(Error::UnknownMetric { nearest, .. }) if nearest.is_empty()));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for name in
            ["container_info", "container_lifecycle_state", "plimsoll_engine_info", "plimsoll_ticks_total"]
        {
            assert!(matches!(Metric::by_name(name), Err(Error::NotKept { .. })), "{name}");
        }
    }

    #[test]
    fn two_names_of_one_number_have_one_place() {
        for name in ["container_memory_swap", "container_memory_swap_usage_bytes"] {
            assert_eq!(
                Metric::by_name(name).unwrap().formula,
                Formula::Stored("container_memory_swap"),
                "{name}"
            );
        }
        for (name, formula) in [
            ("container_memory_working_set_bytes", Formula::WorkingSet),
            ("container_cpu_usage_percent", Formula::CpuPercent),
            (
                "container_network_receive_bytes_total",
                Formula::Stored("container_network_receive_bytes_total"),
            ),
            ("plimsoll_engine_up", Formula::Stored("plimsoll_engine_up")),
            ("machine_memory_bytes", Formula::Stored("machine_memory_bytes")),
            ("node_load1", Formula::Stored("node_load1")),
            ("node_filesystem_avail_bytes", Formula::Stored("node_filesystem_avail_bytes")),
        ] {
            assert_eq!(Metric::by_name(name).unwrap().formula, formula, "{name}");
        }
    }

    #[test]
    fn only_counters_have_rates() {
        let gauge = Metric::by_name("container_memory_usage_bytes").unwrap();
        assert!(matches!(gauge.function(Some(Function::Rate)), Err(Error::NotACounter { .. })));
        assert!(matches!(gauge.function(Some(Function::Increase)), Err(Error::NotACounter { .. })));
        assert_eq!(gauge.function(None).unwrap(), Function::Mean);
        let counter = Metric::by_name("container_cpu_usage_seconds_total").unwrap();
        assert_eq!(counter.function(None).unwrap(), Function::Rate);
        assert_eq!(counter.function(Some(Function::Max)).unwrap(), Function::Max);
    }
}
