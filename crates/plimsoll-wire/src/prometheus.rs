//! The three expositions of Prometheus: text 0.0.4, OpenMetrics 1.0, and protobuf.
//!
//! All three carry the same series with the same values. They differ in what they say about them:
//! OpenMetrics knows units and infos, protobuf knows when a counter began. No series comes twice, no label
//! is empty, and no label value is longer than [`plimsoll_model::text::MAX_TEXT`], whatever the snapshot
//! holds.
//!
//! ```
//! use std::sync::Arc;
//! use plimsoll_model::{Container, ContainerRow, Selection, Slot, Snapshot};
//! use plimsoll_wire::prometheus::{Format, encode};
//!
//! let mut web = Container::new("0123456789abcdef", "docker".into());
//! web.name = "web".into();
//! let mut row = ContainerRow::new(Arc::new(web));
//! row.values.set(Slot::CpuUsage, 1_500_000_000);
//! let snapshot = Snapshot { containers: vec![row], ..Snapshot::default() };
//!
//! let mut body = Vec::new();
//! encode(Format::Text, &snapshot, &Selection::default(), &mut body);
//! let body = String::from_utf8(body).unwrap();
//! assert!(body.contains("\ncontainer_cpu_usage_seconds_total{name=\"web\",id=\"0123456789ab\"} 1.5\n"));
//! ```

mod accept;
pub(crate) mod custom;
pub mod protobuf;
pub(crate) mod rows;
pub(crate) mod text;

pub use accept::negotiate;
use plimsoll_model::{Family, Kind, Selection, Snapshot};

/// How an exposition is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text format 0.0.4, which everything understands.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics {
        /// Whether a `_created` sample stands beside each counter. Many readers store it as one more series.
        created: bool,
    },
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

impl Format {
    /// The value of the `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics { .. } => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// Appends the exposition of what `selection` leaves of `snapshot` to `out`.
pub fn encode(format: Format, snapshot: &Snapshot, selection: &Selection, out: &mut Vec<u8>) {
    match format {
        Format::Text => text::encode(text::Dialect::Prometheus, snapshot, selection, out),
        Format::OpenMetrics { created } => {
            text::encode(text::Dialect::OpenMetrics { created }, snapshot, selection, out);
        }
        Format::Protobuf => protobuf::encode(snapshot, selection, out),
    }
}

/// The name without the suffix that OpenMetrics reserves for the samples of its kind.
fn base_name(family: &Family) -> &'static str {
    let suffix = match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Untyped => "",
    };
    family.name.strip_suffix(suffix).unwrap_or(family.name)
}

/// Whether it is a counter and named as one. OpenMetrics has no others: what cAdvisor named without `_total` is of unknown type
/// there.
fn is_counter_by_name(family: &Family) -> bool {
    family.kind == Kind::Counter && family.name.ends_with("_total")
}

/// The unit's word where the base name ends in it, as OpenMetrics demands of a unit.
fn unit_in_name(family: &Family) -> Option<&'static str> {
    let word = family.unit.word();
    let rest = base_name(family).strip_suffix(word)?;
    (!word.is_empty() && rest.ends_with('_')).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::catalog::CATALOG;
    use std::collections::HashMap;

    #[test]
    fn the_catalog_obeys_the_naming_rules_of_openmetrics() {
        const RESERVED: &[&str] =
            &["_total", "_created", "_count", "_sum", "_bucket", "_gcount", "_gsum", "_info"];
        let mut owners = HashMap::new();
        for family in CATALOG {
            let base = base_name(family);
            // cAdvisor's name of a gauge.
            let reserved = RESERVED.iter().filter(|_| family.name != "container_fs_inodes_total");
            for suffix in reserved {
                assert!(!base.ends_with(suffix), "{}: {base} ends in {suffix}", family.name);
            }
            let mut names = vec![base.to_owned(), family.name.to_owned()];
            if family.kind == Kind::Counter {
                names.push(format!("{base}_created"));
            }
            names.dedup();
            for name in names {
                let other = owners.insert(name.clone(), family.name);
                assert_eq!(other, None, "{name} would be both {other:?}'s and {}'s", family.name);
            }
        }
    }

    #[test]
    fn units_are_told_only_where_the_name_has_them() {
        let unit = |name| unit_in_name(Family::by_name(name).unwrap());
        assert_eq!(unit("container_cpu_usage_seconds_total"), Some("seconds"));
        assert_eq!(unit("container_memory_usage_bytes"), Some("bytes"));
        assert_eq!(unit("container_memory_rss"), None, "cAdvisor's name has no unit");
        assert_eq!(unit("container_exit_code"), None);
        assert_eq!(unit("plimsoll_build_info"), None);
    }
}
