//! Families of containers whose label values come from the kernel or the engine: by processor, node, page size, state.

use super::families::family;
use super::{Collector, Family, Kind, Shape};

/// A number of a container whose labels are in its row ([`crate::DetailRow`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the catalog's help text says what each one means")]
pub enum DetailField {
    CpuUsage,
    DiskUsage,
    DiskLimit,
    DiskInodes,
    DiskInodesFree,
    DiskAge,
    DiskLog,
    DiskRootfs,
    DiskVolume,
    Mount,
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

/// A number about the disk.
const fn disk(
    name: &'static str,
    collector: Collector,
    labels: &'static [&'static str],
    help: &'static str,
    field: DetailField,
) -> Family {
    detail(name, Gauge, collector, labels, help, field)
}

use Collector::{Disk, Mounts, Rootfs, Volumes};
use DetailField as F;
use Kind::{Counter, Gauge, Info};

/// The families, in the order in which they are shown.
#[rustfmt::skip]
pub(super) const DETAILS: &[Family] = &[
    detail("container_cpu_usage_by_cpu_seconds_total", Counter, Collector::Percpu, &["cpu"], "Processor time by processor.", F::CpuUsage)
        .seconds()
        .v1("cpuacct.usage_percpu"),
    // Disk.
    disk("container_fs_usage_bytes", Disk, &["device"], "Space that the container's writable layer takes on disk.", F::DiskUsage)
        .bytes()
        .any("the layer's quota, else a walk of the layer, else engine: inspect SizeRw"),
    disk("container_fs_limit_bytes", Disk, &["device"], "Size of the file system that the writable layer is on, or its quota.", F::DiskLimit)
        .bytes()
        .any("statfs of the layer"),
    disk("container_fs_inodes_total", Disk, &["device"], "Inodes of the file system that the writable layer is on, or its quota; absent where it makes them as it needs them.", F::DiskInodes)
        .any("statfs of the layer"),
    disk("container_fs_inodes_free", Disk, &["device"], "Free inodes of the file system that the writable layer is on, or of its quota.", F::DiskInodesFree)
        .any("statfs of the layer"),
    disk("container_fs_size_age_seconds", Disk, &[], "Time since container_fs_usage_bytes was measured.", F::DiskAge)
        .seconds()
        .any("the agent's clock"),
    disk("container_log_bytes", Disk, &[], "Space that the container's log takes on disk, rotated files included.", F::DiskLog)
        .bytes()
        .any("stat of LogPath and its neighbours"),
    disk("container_fs_rootfs_bytes", Rootfs, &[], "Size of all that the container sees of its image and layer together, as the engine counts.", F::DiskRootfs)
        .bytes()
        .any("engine: inspect SizeRootFs"),
    disk("container_volume_usage_bytes", Volumes, &["volume", "mountpoint"], "Space that a volume takes on disk, for each container that has it mounted.", F::DiskVolume)
        .bytes()
        .any("a walk of the volume"),
    detail("container_mount_info", Info, Mounts, &["source", "destination", "type", "rw"], "What is mounted into the container.", F::Mount)
        .any("engine: inspect Mounts"),
];
