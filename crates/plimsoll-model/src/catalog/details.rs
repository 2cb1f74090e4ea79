//! Families of containers whose label values come from the kernel or the engine: by processor, node, page size, state.

use super::families::family;
use super::{Collector, Family, Kind, Shape};

/// A number of a container whose labels are in its row ([`crate::DetailRow`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the catalog's help text says what each one means")]
pub enum DetailField {
    CpuUsage,
}

/// The most labels that one of these families has.
pub const MAX_DETAIL_LABELS: usize = 4;

const fn detail(
    name: &'static str,
    kind: Kind,
    collector: Collector,
    labels: &'static [&'static str],
    help: &'static str,
    field: DetailField,
) -> Family {
    family(name, kind, collector, help, Shape::Detail(field)).by(labels)
}

use DetailField as F;
use Kind::Counter;

/// The families, in the order in which they are shown.
pub(super) const DETAILS: &[Family] = &[detail(
    "container_cpu_usage_by_cpu_seconds_total",
    Counter,
    Collector::Percpu,
    &["cpu"],
    "Processor time by processor.",
    F::CpuUsage,
)
.seconds()
.v1("cpuacct.usage_percpu")];
