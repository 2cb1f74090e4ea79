//! The keys of a report v1: one table that is read from and written by.

use plimsoll_model::census::Report;

use super::{MAX_INSTALLATION_ID, MAX_TIMEZONE, MAX_VERSION};

/// A key of the report.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Whether the key is left out where its value is zero or empty: Go's `omitempty`.
    pub(super) omit: bool,
    pub(super) slot: Slot,
}

/// What a key holds, and where that is in a report.
pub(super) enum Slot {
    Text {
        /// The most characters.
        most: usize,
        get: fn(&Report) -> &str,
        set: fn(&mut Report) -> &mut String,
    },
    Count {
        /// The type in Go, which messages name.
        go: &'static str,
        get: fn(&Report) -> u64,
        set: fn(&mut Report) -> &mut u64,
    },
    Decimal {
        get: fn(&Report) -> f64,
        set: fn(&mut Report) -> &mut f64,
    },
    Timestamp,
    Images,
    AgentVersions,
}

const OMIT: bool = true;
const ALWAYS: bool = false;

macro_rules! text {
    ($omit:ident, $field:ident, $most:expr) => {
        Key {
            name: stringify!($field),
            omit: $omit,
            slot: Slot::Text { most: $most, get: |report| &report.$field, set: |report| &mut report.$field },
        }
    };
}

macro_rules! count {
    ($omit:ident, $field:ident, $go:literal) => {
        Key {
            name: stringify!($field),
            omit: $omit,
            slot: Slot::Count { go: $go, get: |report| report.$field, set: |report| &mut report.$field },
        }
    };
}

macro_rules! decimal {
    ($omit:ident, $field:ident) => {
        Key {
            name: stringify!($field),
            omit: $omit,
            slot: Slot::Decimal { get: |report| report.$field, set: |report| &mut report.$field },
        }
    };
}

/// All keys, in the order in which v1 writes them.
pub(super) static KEYS: [Key; 29] = [
    text!(ALWAYS, installation_id, MAX_INSTALLATION_ID),
    text!(ALWAYS, version, MAX_VERSION),
    Key { name: "timestamp", omit: ALWAYS, slot: Slot::Timestamp },
    count!(ALWAYS, host_count, "int"),
    count!(ALWAYS, agent_count, "int"),
    count!(ALWAYS, total_containers, "int"),
    count!(ALWAYS, scan_interval_seconds, "int"),
    Key { name: "image_stats", omit: ALWAYS, slot: Slot::Images },
    Key { name: "agent_versions", omit: ALWAYS, slot: Slot::AgentVersions },
    count!(ALWAYS, containers_running, "int"),
    count!(ALWAYS, containers_stopped, "int"),
    count!(ALWAYS, containers_paused, "int"),
    count!(ALWAYS, containers_other, "int"),
    decimal!(OMIT, avg_cpu_percent),
    count!(OMIT, avg_memory_bytes, "int64"),
    count!(OMIT, total_memory_limit, "int64"),
    decimal!(OMIT, avg_restarts),
    count!(OMIT, high_restart_containers, "int"),
    count!(OMIT, total_image_size, "int64"),
    count!(OMIT, unique_images, "int"),
    text!(OMIT, timezone, MAX_TIMEZONE),
    count!(OMIT, compose_project_count, "int"),
    count!(OMIT, containers_in_compose, "int"),
    count!(OMIT, network_count, "int"),
    count!(OMIT, custom_network_count, "int"),
    count!(OMIT, shared_volume_count, "int"),
    count!(OMIT, containers_with_deps, "int"),
    count!(OMIT, total_dependencies, "int"),
    decimal!(OMIT, avg_connections_per_container),
];

/// The place in [`KEYS`] of a key, in whatever case it is written. `likely` is tried first: keys come mostly in order.
pub(super) fn find(name: &str, likely: usize) -> Option<usize> {
    if KEYS.get(likely).is_some_and(|key| key.name == name) {
        return Some(likely);
    }
    KEYS.iter()
        .position(|key| key.name == name)
        .or_else(|| KEYS.iter().position(|key| is_same(name, key.name)))
}

/// Whether Go takes `name` for `key`, a lowercase name: letters of any case are one, and so are the two characters beyond
/// ASCII whose other case is within it.
pub(super) fn is_same(name: &str, key: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(key);
    }
    let folded = name.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    });
    folded.eq(key.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_case_and_in_any_order() {
        let table: [(&str, usize, Option<&str>); 9] = [
            ("installation_id", 0, Some("installation_id")),
            ("installation_id", 7, Some("installation_id")),
            ("INSTALLATION_ID", 99, Some("installation_id")),
            ("Host_Count", 0, Some("host_count")),
            ("ho\u{17f}t_count", 0, Some("host_count")),
            ("networ\u{212a}_count", 0, Some("network_count")),
            ("host-count", 0, None),
            ("host_count ", 3, None),
            ("", 0, None),
        ];
        for (name, likely, expected) in table {
            assert_eq!(find(name, likely).map(|at| KEYS[at].name), expected, "{name:?}");
        }
    }
}
