//! Families of containers whose label values come from the kernel or the engine: by processor, node, page size, state.

use super::families::family;
use super::{Collector, Family, Kind, Shape, Start};

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
    SchedRun,
    SchedWaited,
    SchedPeriods,
    TasksState,
    FileDescriptors,
    Sockets,
    Ulimit,
    TcpConnections,
    TcpRetransmits,
    TcpActiveOpens,
    TcpPassiveOpens,
    TcpResets,
    /// Every counter of the kernel's group `Tcp`; only cAdvisor's exposition shows them.
    TcpCounter,
    ListenDrops,
    /// The same of the group `TcpExt`.
    TcpExtCounter,
    UdpSockets,
    UdpDrops,
    UdpReceived,
    UdpSending,
    Events,
}

impl DetailField {
    /// Whether it is about the container's network namespace, which several containers may be in.
    #[must_use]
    pub const fn is_of_network(self) -> bool {
        matches!(
            self,
            Self::TcpConnections
                | Self::TcpRetransmits
                | Self::TcpActiveOpens
                | Self::TcpPassiveOpens
                | Self::TcpResets
                | Self::TcpCounter
                | Self::ListenDrops
                | Self::TcpExtCounter
                | Self::UdpSockets
                | Self::UdpDrops
                | Self::UdpReceived
                | Self::UdpSending
        )
    }
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

use Collector as C;
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
    detail("container_cpu_schedstat_run_seconds_total", Counter, C::Schedstat, &[], "Time on a processor of the container's tasks, threads included: of those that are there and of those that were there in an earlier reading. Read every ten seconds; what a task did after the last reading before its end is missing.", F::SchedRun)
        .seconds()
        .any("/proc/TID/schedstat"),
    detail("container_cpu_schedstat_runqueue_seconds_total", Counter, C::Schedstat, &[], "Time that the container's tasks waited for a processor although they could have run; of which tasks, as container_cpu_schedstat_run_seconds_total says.", F::SchedWaited)
        .seconds()
        .any("/proc/TID/schedstat"),
    detail("container_cpu_schedstat_run_periods_total", Counter, C::Schedstat, &[], "How often the container's tasks were put on a processor; of which tasks, as container_cpu_schedstat_run_seconds_total says.", F::SchedPeriods)
        .any("/proc/TID/schedstat"),
    detail("container_tasks_state", Gauge, C::Tasks, &["state"], "Tasks, threads included, that are sleeping, running, stopped, or in a wait that cannot be interrupted. Read every ten seconds.", F::TasksState)
        .any("/proc/TID/task/TID/stat"),
    detail("container_file_descriptors", Gauge, C::Descriptors, &[], "Open file descriptors of all processes. Read every ten seconds; where there are thousands, it takes longer.", F::FileDescriptors)
        .any("/proc/PID/fd"),
    detail("container_sockets", Gauge, C::Descriptors, &[], "Open file descriptors that are sockets. Read every ten seconds; where there are thousands, it takes longer.", F::Sockets)
        .any("/proc/PID/fd"),
    detail("container_ulimits_soft", Gauge, C::Ulimits, &["ulimit"], "Soft resource limits of the first process, in the kernel's units; absent where unlimited. Read every ten seconds.", F::Ulimit)
        .any("/proc/PID/limits"),
    detail("container_network_tcp_connections", Gauge, C::Tcp, &["family", "tcp_state"], "TCP connections of the network namespace by state. Read every ten seconds, less often where the machine's table is large.", F::TcpConnections)
        .any("/proc/PID/net/tcp, tcp6"),
    detail("container_network_tcp_retransmits_total", Counter, C::TcpStats, &[], "TCP segments sent again. Read every ten seconds.", F::TcpRetransmits)
        .any("/proc/PID/net/snmp RetransSegs"),
    detail("container_network_tcp_active_opens_total", Counter, C::TcpStats, &[], "TCP connections that were begun from inside. Read every ten seconds.", F::TcpActiveOpens)
        .any("/proc/PID/net/snmp ActiveOpens"),
    detail("container_network_tcp_passive_opens_total", Counter, C::TcpStats, &[], "TCP connections that were accepted. Read every ten seconds.", F::TcpPassiveOpens)
        .any("/proc/PID/net/snmp PassiveOpens"),
    detail("container_network_tcp_resets_total", Counter, C::TcpStats, &[], "Established TCP connections that were reset. Read every ten seconds.", F::TcpResets)
        .any("/proc/PID/net/snmp EstabResets"),
    detail("container_network_listen_drops_total", Counter, C::TcpStats, &[], "TCP connections that were dropped before a listener took them. Read every ten seconds.", F::ListenDrops)
        .any("/proc/PID/net/netstat ListenDrops"),
    detail("container_network_udp_sockets", Gauge, C::Udp, &["family"], "UDP sockets of the network namespace. Read every ten seconds.", F::UdpSockets)
        .any("/proc/PID/net/udp, udp6"),
    detail("container_network_udp_drops", Gauge, C::Udp, &["family"], "Datagrams that the UDP sockets which are open now have dropped. Read every ten seconds.", F::UdpDrops)
        .any("/proc/PID/net/udp, udp6"),
    detail("container_network_udp_rx_queued", Gauge, C::Udp, &["family"], "Memory of datagrams that wait to be read. Read every ten seconds.", F::UdpReceived)
        .bytes()
        .any("/proc/PID/net/udp, udp6"),
    detail("container_network_udp_tx_queued", Gauge, C::Udp, &["family"], "Memory of datagrams that wait to be sent. Read every ten seconds.", F::UdpSending)
        .bytes()
        .any("/proc/PID/net/udp, udp6"),
    detail("container_events_total", Counter, C::Events, &["action"], "Events that the engine told of the container since the agent started; those that are not known by name are other.", F::Events)
        .since(Start::Agent)
        .any("engine events"),
];
