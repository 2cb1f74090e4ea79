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
    NumaPages,
    HugetlbUsage,
    HugetlbMaxUsage,
    HugetlbFailures,
    HugetlbLimit,
    IoLimitBytes,
    IoLimitOperations,
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
    detail("container_memory_numa_pages", Gauge, Collector::Numa, &["type", "scope", "node"], "Pages of memory by kind and NUMA node: of the container's own cgroup (scope container; cgroup v1 only), and with those below it (hierarchy).", F::NumaPages)
        .v1("memory.numa_stat")
        .v2("memory.numa_stat / page size"),
    detail("container_hugetlb_usage_bytes", Gauge, Collector::Hugetlb, &["pagesize"], "Memory in huge pages of this size.", F::HugetlbUsage)
        .bytes()
        .v1("hugetlb.SIZE.usage_in_bytes")
        .v2("hugetlb.SIZE.current"),
    detail("container_hugetlb_max_usage_bytes", Gauge, Collector::Hugetlb, &["pagesize"], "The most memory in huge pages of this size so far.", F::HugetlbMaxUsage)
        .bytes()
        .v1("hugetlb.SIZE.max_usage_in_bytes"),
    detail("container_hugetlb_failcnt", Counter, Collector::Hugetlb, &["pagesize"], "How often a huge page of this size was refused because of the limit.", F::HugetlbFailures)
        .v1("hugetlb.SIZE.failcnt")
        .v2("hugetlb.SIZE.events max"),
    detail("container_hugetlb_limit_bytes", Gauge, Collector::Hugetlb, &["pagesize"], "The container's own limit of memory in huge pages of this size; absent without one.", F::HugetlbLimit)
        .bytes()
        .v1("hugetlb.SIZE.limit_in_bytes")
        .v2("hugetlb.SIZE.max"),
    detail("container_io_limit_bytes_per_second", Gauge, Collector::Blkio, &["device", "op"], "The container's own limit of bytes read from and written to the device in a second; absent without one.", F::IoLimitBytes)
        .v1("blkio.throttle.{read,write}_bps_device")
        .v2("io.max rbps, wbps"),
    detail("container_io_limit_iops", Gauge, Collector::Blkio, &["device", "op"], "The container's own limit of operations on the device in a second; absent without one.", F::IoLimitOperations)
        .v1("blkio.throttle.{read,write}_iops_device")
        .v2("io.max riops, wiops"),
];
