//! Points under the names of OpenTelemetry's semantic conventions for containers, the machine and processes, where those have
//! one, and under names in their style where they have none.
//!
//! Sources: the conventions for [container](https://opentelemetry.io/docs/specs/semconv/system/container-metrics/),
//! [system](https://opentelemetry.io/docs/specs/semconv/system/system-metrics/) and
//! [process](https://opentelemetry.io/docs/specs/semconv/system/process-metrics/) metrics.
//!
//! | catalog | metric | attributes |
//! |---|---|---|
//! | `container_cpu_user_seconds_total`, `…_system_…` | `container.cpu.time`, s | `cpu.mode` |
//! | `container_cpu_usage_percent` | `container.cpu.usage`, {cpu}: 1 is one core | |
//! | `container_memory_usage_bytes` | `container.memory.usage`, By | |
//! | `container_fs_reads_bytes_total`, `…_writes_…` | `container.disk.io`, By | `disk.io.direction`, `system.device` |
//! | `container_network_receive_bytes_total`, `…_transmit_…` | `container.network.io`, By | `network.io.direction`, `network.interface.name` |
//! | `container_uptime_seconds` | `container.uptime`, s | |
//! | `node_cpu_seconds_total` | `system.cpu.time`, s | `cpu.mode`, `cpu.logical_number` |
//! | `container_memory_shmem_bytes`, which has no convention | `container.memory.shmem`, By | |
//! | what custom collectors tell | its own name | |
//!
//! All points of a container have `container.id`, `container.name`, `container.image.name` and `container.runtime.name`. The
//! conventions want a container's processor time either by mode or as a whole, not both under one name; the whole is
//! `container.cpu.usage_time`. What the conventions want as a fraction is one: `container.memory.utilization`.
//!
//! ```
//! use std::sync::Arc;
//! use plimsoll_model::{Container, ContainerRow, Selection, Slot, Snapshot};
//! use plimsoll_wire::schema::semconv::Semconv;
//!
//! let mut row = ContainerRow::new(Arc::new(Container::new("0123456789abcdef", "docker".into())));
//! row.values.set(Slot::CpuUser, 1_500_000_000);
//! let snapshot = Snapshot { containers: vec![row], ..Snapshot::default() };
//!
//! let mut modes = Vec::new();
//! Semconv::default().points(&snapshot, &Selection::default(), &|_| true, &mut |point| {
//!     if point.measurement() == "container.cpu.time" {
//!         modes.push((point.tag_value("cpu.mode").to_owned(), point.tag_value("container.id").to_owned()));
//!     }
//! });
//! assert_eq!(modes, [("user".to_owned(), "0123456789abcdef".to_owned())]);
//! ```

mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use plimsoll_model::catalog::CATALOG;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Container, Family, Selection, Snapshot};

use self::table::TABLE;
use super::ucum;
use super::walk::{Identity, Shown, Walker, Words};
use crate::point::Point;

/// Makes points with the names of the semantic conventions. One that is used again allocates nothing for a point.
#[derive(Debug, Default)]
pub struct Semconv {
    walker: Walker,
}

impl Semconv {
    /// Hands a point to `out` for each sample of what `selection` leaves of `snapshot` and of the containers that `chosen`
    /// accepts. The point is used again for the next one.
    pub fn points(
        &mut self,
        snapshot: &Snapshot,
        selection: &Selection,
        chosen: &dyn Fn(&Container) -> bool,
        out: &mut dyn FnMut(&mut Point),
    ) {
        self.walker.points(&Words { identity, shown }, snapshot, selection, chosen, out);
    }
}

fn identity(container: &Container) -> Identity<'_> {
    [
        ("container.id", &container.id),
        ("container.image.name", bounded(&container.image, MAX_TEXT)),
        ("container.name", bounded(container.display_name(), MAX_TEXT)),
        ("container.runtime.name", bounded(&container.engine, MAX_TEXT)),
    ]
}

/// Names for the families of the catalog that the table does not have, derived once.
static DERIVED: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| CATALOG.iter().map(|family| (family.name, derived(family.name))).collect());

fn shown(family: &'static Family) -> Shown {
    if let Some((_, shown)) = TABLE.iter().find(|(name, _)| *name == family.name) {
        return *shown;
    }
    Shown {
        name: DERIVED.get(family.name).map_or(family.name, String::as_str),
        unit: ucum(family.unit),
        labels: table::COMMON,
        values: &[],
        fixed: &[],
        divisor: 1,
    }
}

/// What names of the catalog begin with, and how they begin here.
const NAMESPACES: &[(&str, &str)] = &[
    ("container_cpu_", "container.cpu."),
    ("container_fs_", "container.disk."),
    ("container_health_", "container.health."),
    ("container_image_", "container.image."),
    ("container_memory_", "container.memory."),
    ("container_network_", "container.network."),
    ("container_pressure_", "container.pressure."),
    ("container_spec_cpu_", "container.cpu.spec."),
    ("container_", "container."),
    ("docker_exporter_", "docker_exporter."),
    ("machine_", "system."),
    ("node_disk_", "system.disk."),
    ("node_filesystem_", "system.filesystem."),
    ("node_memory_", "system.memory.linux."),
    ("node_network_", "system.network."),
    ("node_pressure_", "system.pressure."),
    ("node_vmstat_", "system.vmstat."),
    ("node_", "system."),
    ("plimsoll_collector_", "plimsoll.collector."),
    ("plimsoll_engine_", "plimsoll.engine."),
    ("plimsoll_history_", "plimsoll.history."),
    ("plimsoll_", "plimsoll."),
    ("process_", "process."),
];

/// How names of the catalog end, and how they end here: a name has no unit, and does not say that it is a counter.
const ENDINGS: &[(&str, &str)] = &[
    ("_time_seconds_total", "_time"),
    ("_seconds_total", "_time"),
    ("_bytes_total", "_bytes"),
    ("_total", ""),
    ("_timestamp_seconds", "_time"),
    ("_seconds", ""),
    ("_bytes", ""),
];

/// A name in the style of the conventions: namespaces with dots, words in lower case with underscores.
fn derived(name: &str) -> String {
    let (rest, start) = NAMESPACES
        .iter()
        .find_map(|(from, to)| name.strip_prefix(from).map(|rest| (rest, *to)))
        .unwrap_or((name, ""));
    let (rest, end) = ENDINGS
        .iter()
        .find_map(|(from, to)| rest.strip_suffix(from).map(|rest| (rest, *to)))
        .unwrap_or((rest, ""));
    let mut derived = String::from(start);
    let mut before = '_';
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        let begins_word = character.is_ascii_uppercase()
            && before != '_'
            && (!before.is_ascii_uppercase() || characters.peek().is_some_and(char::is_ascii_lowercase));
        if begins_word {
            derived.push('_');
        }
        derived.push(character.to_ascii_lowercase());
        before = character;
    }
    derived + end
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use plimsoll_model::{Kind, Unit};

    use super::*;

    #[test]
    fn every_family_of_the_table_is_in_the_catalog() {
        let mut known = HashSet::new();
        for (name, shown) in TABLE {
            let family = Family::by_name(name).unwrap_or_else(|| panic!("{name} is not in the catalog"));
            assert!(known.insert(name), "{name} stands twice");
            for (label, _) in shown.labels.iter().filter(|pair| !table::COMMON.contains(pair)) {
                assert!(family.labels.contains(label), "{name} has no label {label}");
            }
            for (tag, _) in shown.fixed {
                let renamed: Vec<_> = family.labels.iter().map(|label| renamed(shown, label)).collect();
                assert!(!renamed.contains(tag), "{name} has {tag} already");
            }
        }
    }

    fn renamed<'a>(shown: &Shown, label: &'a str) -> &'a str {
        shown.labels.iter().find(|(from, _)| *from == label).map_or(label, |(_, to)| to)
    }

    #[test]
    fn no_two_families_have_the_same_points_and_one_name_has_one_meaning() {
        let mut series = HashMap::new();
        let mut names: HashMap<&str, (&Shown, &Family)> = HashMap::new();
        let all: Vec<_> = CATALOG.iter().map(|family| (family, shown(family))).collect();
        for (family, shown) in &all {
            if let Some(other) = series.insert((shown.name, shown.fixed), family.name) {
                panic!("{} and {other} would both be {} {:?}", family.name, shown.name, shown.fixed);
            }
            let (other, of) = names.entry(shown.name).or_insert((shown, family));
            assert_eq!((shown.unit, family.kind), (other.unit, of.kind), "{} {}", family.name, of.name);
            let tags = |shown: &Shown| shown.fixed.iter().map(|(tag, _)| *tag).collect::<Vec<_>>();
            assert_eq!(tags(shown), tags(other), "{} {}", family.name, of.name);
        }
        for (_, shown) in &all {
            assert!(
                shown
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b))
            );
        }
    }

    /// The name that Prometheus gives to a metric of OTLP unless it is told otherwise: words with underscores, then the unit and
    /// what says that it is a counter or a ratio. Words that would come twice are left out.
    fn in_prometheus(shown: &Shown, kind: Kind) -> String {
        let words = shown.name.split(['.', '_']).filter(|word| !word.is_empty());
        let mut words: Vec<&str> = words.collect();
        let unit = match shown.unit {
            "By" => "bytes",
            "s" => "seconds",
            "us" => "microseconds",
            "%" => "percent",
            unit => {
                assert!(unit.is_empty() || unit == "1" || unit.starts_with('{'), "{unit}");
                ""
            }
        };
        if !unit.is_empty() && !words.contains(&unit) {
            words.push(unit);
        }
        let last = match kind {
            Kind::Counter => "total",
            _ if shown.unit == "1" => "ratio",
            _ => return words.join("_"),
        };
        words.retain(|word| *word != last);
        words.push(last);
        words.join("_")
    }

    #[test]
    fn names_stay_different_in_prometheus_and_say_what_is_measured() {
        let mut known = HashMap::new();
        for family in CATALOG {
            let shown = shown(family);
            let name = in_prometheus(&shown, family.kind);
            let other = *known.entry(name.clone()).or_insert(shown.name);
            assert_eq!(other, shown.name, "both would be {name}");
            let is_share = matches!(family.unit, Unit::Ratio | Unit::Percent);
            assert!(is_share || !name.ends_with("_ratio"), "{name}");
        }
        for (family, expected) in [
            ("container_cpu_user_seconds_total", "container_cpu_time_seconds_total"),
            ("container_memory_usage_percent", "container_memory_utilization_ratio"),
            ("container_network_receive_bytes_total", "container_network_io_bytes_total"),
            ("plimsoll_engine_up", "plimsoll_engine_up"),
        ] {
            let family = Family::by_name(family).unwrap();
            assert_eq!(in_prometheus(&shown(family), family.kind), expected);
        }
    }

    #[test]
    fn names_are_derived() {
        for (name, expected) in [
            ("container_memory_shmem_bytes", "container.memory.shmem"),
            ("container_cpu_cfs_throttled_seconds_total", "container.cpu.cfs_throttled_time"),
            ("container_cpu_cfs_throttled_periods_total", "container.cpu.cfs_throttled_periods"),
            ("container_start_time_seconds", "container.start_time"),
            ("container_compose_info", "container.compose_info"),
            ("node_memory_Active_anon_bytes", "system.memory.linux.active_anon"),
            ("node_memory_AnonHugePages_bytes", "system.memory.linux.anon_huge_pages"),
            ("node_memory_NFS_Unstable_bytes", "system.memory.linux.nfs_unstable"),
            ("node_memory_SReclaimable_bytes", "system.memory.linux.s_reclaimable"),
            ("node_memory_DirectMap4k_bytes", "system.memory.linux.direct_map4k"),
            ("node_disk_io_time_weighted_seconds_total", "system.disk.io_time_weighted_time"),
            ("plimsoll_engine_up", "plimsoll.engine.up"),
            ("plimsoll_history_written_bytes_total", "plimsoll.history.written_bytes"),
        ] {
            assert_eq!(derived(name), expected);
            assert!(Family::by_name(name).is_some(), "{name}");
        }
    }
}
