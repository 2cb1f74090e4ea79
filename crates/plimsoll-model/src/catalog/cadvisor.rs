//! cAdvisor's exposition: its families with its names, kinds and labels, and where each number is found.
//!
//! Where a family of the catalog has cAdvisor's name already, it is taken from there, help and source included. Others are
//! the catalog's numbers under another name, or follow from them. What belongs to the machine is shown under `id="/"`, as
//! cAdvisor does.

use super::details::DETAILS;
use super::families::{CONTAINERS, family};
use super::{AgentFamily, Cell, Collector, DetailField, DeviceSlot, Family, Kind, Shape, Slot};
use crate::agent::MachineFacts;
use crate::values::Values;

/// The numbers of a container.
type Numbers = Values<Slot, { Slot::COUNT }>;

/// A family of cAdvisor.
#[derive(Clone, Copy, Debug)]
pub struct CadvisorFamily {
    /// How it is shown.
    pub family: Family,
    /// Where its numbers are found.
    pub(crate) source: CadvisorSource,
}

/// Where the numbers of a family of cAdvisor are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CadvisorSource {
    /// In the rows of containers and of the machine, where the family's shape says.
    Row,
    /// They follow from others of a row.
    Derived(fn(&Numbers) -> Option<u64>),
    /// Processor time: by processor where it was read so, else the sum, as `total`.
    Processors,
    /// In the rows of devices: each operation with its number.
    Operations(&'static [(&'static str, DeviceSlot)]),
    /// In the details of rows: those that are picked.
    Details(&'static [Pick]),
    /// A reading of the machine's disks, under this name in the catalog; divided by the number.
    Disk(&'static str, u64),
    /// In the rows of devices where the collector `blkio` is on; and a reading of the machine's disks, under this name.
    Scheduled(&'static str),
    /// In the details of containers that the family's shape says; and a reading of the machine's file systems, under this
    /// name, less the one under the other, if there is one.
    Mount(&'static str, Option<&'static str>),
    /// What the machine is made of.
    Machine(MachineNumber),
    /// Whether the last pass missed something of containers.
    ContainerError,
    /// Whether the machine's size is not known.
    MachineError,
    /// The versions of everything.
    Version,
}

/// Which details a family shows, and the value of its only label.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) field: DetailField,
    /// The first of the detail's own labels, where not every one is shown.
    pub(crate) first: Option<&'static str>,
    /// The value; without one, it is the last of the detail's own labels.
    pub(crate) shown: Option<&'static str>,
}

/// A number about what the machine is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MachineNumber {
    /// Of [`crate::agent::Machine`].
    Cores,
    Memory,
    Swap,
    /// Of [`MachineFacts`].
    Fact(fn(&MachineFacts) -> Option<u64>),
}

/// The family of the catalog with this name, at compile time.
#[expect(clippy::panic, reason = "it is computed by the compiler, which stops there")]
const fn find(name: &str) -> Family {
    match (find_in(CONTAINERS, name), find_in(DETAILS, name)) {
        (Some(family), _) | (None, Some(family)) => family,
        (None, None) => panic!("the catalog has no such family"),
    }
}

const fn find_in(families: &[Family], name: &str) -> Option<Family> {
    let mut at = 0;
    while at < families.len() {
        if is_same(families[at].name.as_bytes(), name.as_bytes()) {
            return Some(families[at]);
        }
        at += 1;
    }
    None
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// A family that is the catalog's own.
const fn same(name: &'static str) -> CadvisorFamily {
    CadvisorFamily { family: find(name), source: CadvisorSource::Row }
}

/// A number of containers that has another name in the catalog, or none.
const fn cell(
    name: &'static str,
    kind: Kind,
    collector: Collector,
    help: &'static str,
    cells: &'static [Cell],
) -> CadvisorFamily {
    let family = family(name, kind, collector, help, Shape::Container(cells));
    CadvisorFamily { family, source: CadvisorSource::Row }
}

/// Numbers with labels of their own, under another name.
const fn picked(
    name: &'static str,
    collector: Collector,
    label: &'static [&'static str],
    help: &'static str,
    picks: &'static [Pick],
) -> CadvisorFamily {
    let shape = Shape::Detail(picks[0].field);
    CadvisorFamily {
        family: family(name, Kind::Gauge, collector, help, shape).by(label),
        source: CadvisorSource::Details(picks),
    }
}

/// All of one address family, under their last label.
const fn all_of(field: DetailField, first: &'static str) -> Pick {
    Pick { field, first: Some(first), shown: None }
}

/// The one of this address family.
const fn only(field: DetailField, first: &'static str, shown: &'static str) -> Pick {
    Pick { field, first: Some(first), shown: Some(shown) }
}

const fn every(field: DetailField) -> Pick {
    Pick { field, first: None, shown: None }
}

const fn derived(
    name: &'static str,
    collector: Collector,
    help: &'static str,
    get: fn(&Numbers) -> Option<u64>,
) -> CadvisorFamily {
    let family = family(name, Kind::Gauge, collector, help, Shape::Container(&[]));
    CadvisorFamily { family, source: CadvisorSource::Derived(get) }
}

/// What only the machine has, by device.
const fn by_device(
    name: &'static str,
    kind: Kind,
    collector: Collector,
    help: &'static str,
    source: CadvisorSource,
) -> CadvisorFamily {
    // The slot is not looked at: the shape says that there is a row for each device.
    let family = family(name, kind, collector, help, Shape::Device(DeviceSlot::ReadBytes));
    CadvisorFamily { family: Family { labels: &["device"], ..family }, source }
}

const fn disk(name: &'static str, of: &'static str, divisor: u64, help: &'static str) -> CadvisorFamily {
    by_device(name, Kind::Counter, Collector::Io, help, CadvisorSource::Disk(of, divisor))
}

/// What the machine tells of disks, and some I/O schedulers of containers.
const fn scheduled(
    name: &'static str,
    of: &'static str,
    slot: DeviceSlot,
    help: &'static str,
) -> CadvisorFamily {
    let found = by_device(name, Kind::Counter, Collector::Io, help, CadvisorSource::Scheduled(of));
    found.of(Family { shape: Shape::Device(slot), ..found.family })
}

const fn mount(
    name: &'static str,
    detail: DetailField,
    of: &'static str,
    less: Option<&'static str>,
    help: &'static str,
) -> CadvisorFamily {
    let found = by_device(name, Kind::Gauge, Collector::Filesystem, help, CadvisorSource::Mount(of, less));
    found.of(Family { shape: Shape::Detail(detail), ..found.family })
}

const fn machine(name: &'static str, help: &'static str, number: MachineNumber) -> CadvisorFamily {
    about_all(name, Collector::Machine, help, CadvisorSource::Machine(number)).by(MACHINE_LABELS)
}

/// A family that is about no container.
const fn about_all(
    name: &'static str,
    collector: Collector,
    help: &'static str,
    source: CadvisorSource,
) -> CadvisorFamily {
    // Which of the agent's families is not looked at: the shape says that it is about no container.
    let shape = Shape::Agent(AgentFamily::MachineCores);
    CadvisorFamily { family: family(name, Kind::Gauge, collector, help, shape), source }
}

/// The labels of what the machine is made of, in the order of [`MachineFacts::labels`].
const MACHINE_LABELS: &[&str] = &["boot_id", "machine_id", "system_uuid"];

impl CadvisorFamily {
    const fn of(self, family: Family) -> Self {
        Self { family, ..self }
    }
    const fn by(self, labels: &'static [&'static str]) -> Self {
        self.of(self.family.by(labels))
    }
    const fn bytes(self) -> Self {
        self.of(self.family.bytes())
    }
    const fn seconds(self) -> Self {
        self.of(self.family.seconds())
    }
    const fn gauge(self) -> Self {
        self.of(self.family.of_kind(Kind::Gauge))
    }
    const fn renamed(self, name: &'static str) -> Self {
        self.of(Family { name, ..self.family })
    }
    const fn found(self, source: CadvisorSource) -> Self {
        Self { source, ..self }
    }
}

/// 1 where the last check passed, 0 where it did not or none has ended yet; absent where there is none.
fn health(numbers: &Numbers) -> Option<u64> {
    let is = |slot| numbers.get(slot) == Some(1);
    let has_check = is(Slot::HealthHealthy) || is(Slot::HealthUnhealthy) || is(Slot::HealthStarting);
    has_check.then(|| u64::from(is(Slot::HealthHealthy)))
}

/// The shares, on cgroup v2 those that the weight stands for: weights from 1 to 10000 are shares from 2 to 262144.
fn shares(numbers: &Numbers) -> Option<u64> {
    let from_weight = |weight: u64| (1..=10_000).contains(&weight).then(|| 2 + (weight - 1) * 262_142 / 9999);
    numbers.get(Slot::CpuShares).or_else(|| from_weight(numbers.get(Slot::CpuWeight)?))
}

/// A limit, or cAdvisor's 0 for none where what it limits was read.
fn limit(numbers: &Numbers, limited: Slot, limit: Slot) -> Option<u64> {
    numbers.get(limited).map(|_| numbers.get(limit).unwrap_or(0))
}

fn memory_limit(numbers: &Numbers) -> Option<u64> {
    limit(numbers, Slot::MemoryUsage, Slot::MemoryLimit)
}

fn memory_reservation(numbers: &Numbers) -> Option<u64> {
    limit(numbers, Slot::MemoryUsage, Slot::MemoryReservation)
}

fn swap_limit(numbers: &Numbers) -> Option<u64> {
    limit(numbers, Slot::MemorySwap, Slot::MemorySwapLimit)
}

const fn one(slot: Slot) -> Cell {
    Cell { slot, values: &[] }
}

use CadvisorSource::{ContainerError, MachineError, Operations, Processors, Version};
use Collector::{Agent, Container, Cpu, Io, Memory};
use DetailField as F;
use Kind::Counter;

const fn udp(family: &'static str) -> [Pick; 4] {
    [
        only(F::UdpSockets, family, "listen"),
        only(F::UdpDrops, family, "dropped"),
        only(F::UdpReceived, family, "rxqueued"),
        only(F::UdpSending, family, "txqueued"),
    ]
}

static UDP4: [Pick; 4] = udp("ipv4");
static UDP6: [Pick; 4] = udp("ipv6");

/// Every family of cAdvisor that the machine can answer, in the order in which they are shown.
#[rustfmt::skip]
pub static CADVISOR: &[CadvisorFamily] = &[
    about_all("cadvisor_version_info", Agent, "Versions of the agent, the engine, the kernel and the system.", Version)
        .by(&["cadvisorRevision", "cadvisorVersion", "dockerVersion", "kernelVersion", "osVersion"]),
    // Identity and life cycle.
    same("container_created_time_seconds").renamed("container_creation_time_seconds"),
    same("container_start_time_seconds"),
    same("container_last_seen"),
    derived("container_health_state", Container, "Whether the last health check passed: 1 yes, 0 no or not yet; absent where there is none.", health),
    about_all("container_scrape_error", Container, "Whether something could not be read of containers in the last pass: 1 yes, 0 no.", ContainerError),
    // Processor.
    same("container_cpu_usage_seconds_total").by(&["cpu"]).found(Processors),
    same("container_cpu_user_seconds_total"),
    same("container_cpu_system_seconds_total"),
    same("container_cpu_cfs_periods_total"),
    same("container_cpu_cfs_throttled_periods_total"),
    same("container_cpu_cfs_throttled_seconds_total"),
    same("container_cpu_cfs_burst_periods_total"),
    same("container_cpu_cfs_burst_seconds_total"),
    same("container_spec_cpu_quota"),
    same("container_spec_cpu_period"),
    derived("container_spec_cpu_shares", Cpu, "CPU shares of the container; on cgroup v2 the shares that its weight stands for.", shares),
    same("container_cpu_schedstat_run_seconds_total"),
    same("container_cpu_schedstat_runqueue_seconds_total"),
    same("container_cpu_schedstat_run_periods_total"),
    same("container_tasks_state"),
    // Pressure.
    same("container_pressure_cpu_waiting_seconds_total"),
    same("container_pressure_cpu_stalled_seconds_total"),
    same("container_pressure_memory_waiting_seconds_total"),
    same("container_pressure_memory_stalled_seconds_total"),
    same("container_pressure_io_waiting_seconds_total"),
    same("container_pressure_io_stalled_seconds_total"),
    // Memory.
    same("container_memory_usage_bytes"),
    same("container_memory_working_set_bytes"),
    same("container_memory_rss"),
    same("container_memory_cache"),
    same("container_memory_mapped_file"),
    same("container_memory_total_active_file_bytes"),
    same("container_memory_total_inactive_file_bytes"),
    same("container_memory_kernel_usage"),
    same("container_memory_swap"),
    same("container_memory_max_usage_bytes"),
    same("container_memory_failures_total"),
    cell("container_memory_failcnt", Counter, Memory, "How often the memory limit was hit.", &[one(Slot::MemoryEventMax)]),
    cell("container_memory_events_high_total", Counter, Memory, "How often the container was throttled for being above memory.high.", &[one(Slot::MemoryEventHigh)]),
    cell("container_memory_events_max_total", Counter, Memory, "How often the container was about to go above its memory limit.", &[one(Slot::MemoryEventMax)]),
    same("container_oom_events_total"),
    same("container_memory_pgscan_total"),
    same("container_memory_pgsteal_total"),
    same("container_memory_workingset_refault_file_total"),
    same("container_memory_workingset_refault_anon_total"),
    same("container_memory_file_dirty_bytes"),
    same("container_memory_file_writeback_bytes"),
    derived("container_spec_memory_limit_bytes", Memory, "Effective memory limit, the least over the container and all its ancestors; 0 is none.", memory_limit).bytes(),
    derived("container_spec_memory_reservation_limit_bytes", Memory, "Memory that is protected from reclaim as long as others have some to spare; 0 is none.", memory_reservation).bytes(),
    derived("container_spec_memory_swap_limit_bytes", Memory, "Effective limit of memory and swap together on cgroup v1, of swap alone on v2; 0 is none.", swap_limit).bytes(),
    same("container_memory_migrate"),
    same("container_memory_numa_pages"),
    same("container_hugetlb_failcnt"),
    same("container_hugetlb_usage_bytes"),
    same("container_hugetlb_max_usage_bytes"),
    // Block I/O.
    same("container_fs_reads_bytes_total"),
    same("container_fs_writes_bytes_total"),
    same("container_fs_reads_total"),
    same("container_fs_writes_total"),
    same("container_fs_io_cost_usage_seconds_total"),
    same("container_fs_io_cost_wait_seconds_total"),
    same("container_fs_io_cost_indebt_seconds_total"),
    same("container_fs_io_cost_indelay_seconds_total"),
    by_device("container_blkio_device_usage_total", Counter, Io, "Bytes read from and written to the device, by operation.", Operations(&[("Read", DeviceSlot::ReadBytes), ("Write", DeviceSlot::WriteBytes), ("Discard", DeviceSlot::DiscardBytes)]))
        .by(&["device", "major", "minor", "operation"])
        .bytes(),
    disk("container_fs_sector_reads_total", "node_disk_read_bytes_total", 512, "Sectors of 512 bytes read from the device."),
    disk("container_fs_sector_writes_total", "node_disk_written_bytes_total", 512, "Sectors of 512 bytes written to the device."),
    scheduled("container_fs_reads_merged_total", "node_disk_reads_merged_total", DeviceSlot::ReadsMerged, "Reads that were merged with a neighbour."),
    scheduled("container_fs_writes_merged_total", "node_disk_writes_merged_total", DeviceSlot::WritesMerged, "Writes that were merged with a neighbour."),
    scheduled("container_fs_read_seconds_total", "node_disk_read_time_seconds_total", DeviceSlot::ReadTime, "Time that all reads took together.").seconds(),
    scheduled("container_fs_write_seconds_total", "node_disk_write_time_seconds_total", DeviceSlot::WriteTime, "Time that all writes took together.").seconds(),
    scheduled("container_fs_io_current", "node_disk_io_now", DeviceSlot::IoCurrent, "Operations in progress.").gauge(),
    scheduled("container_fs_io_time_seconds_total", "node_disk_io_time_seconds_total", DeviceSlot::IoTime, "Time in which the device had something to do.").seconds(),
    scheduled("container_fs_io_time_weighted_seconds_total", "node_disk_io_time_weighted_seconds_total", DeviceSlot::IoTimeWeighted, "Time in which the device had something to do, times the operations in progress.").seconds(),
    mount("container_fs_limit_bytes", DetailField::DiskLimit, "node_filesystem_size_bytes", None, "Size of the file system, or of the quota on the container's layer.").bytes(),
    mount("container_fs_usage_bytes", DetailField::DiskUsage, "node_filesystem_size_bytes", Some("node_filesystem_free_bytes"), "Space that the container's layer takes; of the machine, space of the file system that is in use.").bytes(),
    mount("container_fs_inodes_total", DetailField::DiskInodes, "node_filesystem_files", None, "Inodes of the file system."),
    mount("container_fs_inodes_free", DetailField::DiskInodesFree, "node_filesystem_files_free", None, "Free inodes."),
    // Network.
    same("container_network_receive_bytes_total"),
    same("container_network_receive_packets_total"),
    same("container_network_receive_packets_dropped_total"),
    same("container_network_receive_errors_total"),
    same("container_network_transmit_bytes_total"),
    same("container_network_transmit_packets_total"),
    same("container_network_transmit_packets_dropped_total"),
    same("container_network_transmit_errors_total"),
    picked("container_network_tcp_usage_total", Collector::Tcp, &["tcp_state"], "TCP connections over IPv4 by state.", &[all_of(F::TcpConnections, "ipv4")]),
    picked("container_network_tcp6_usage_total", Collector::Tcp, &["tcp_state"], "TCP connections over IPv6 by state.", &[all_of(F::TcpConnections, "ipv6")]),
    picked("container_network_advance_tcp_stats_total", Collector::TcpStats, &["tcp_state"], "The kernel's counters and settings of TCP.", &[every(F::TcpCounter), every(F::TcpExtCounter)]),
    picked("container_network_udp_usage_total", Collector::Udp, &["udp_state"], "UDP sockets over IPv4, what waits in them and what they dropped.", &UDP4),
    picked("container_network_udp6_usage_total", Collector::Udp, &["udp_state"], "UDP sockets over IPv6, what waits in them and what they dropped.", &UDP6),
    // Processes.
    same("container_processes"),
    same("container_threads"),
    same("container_threads_max"),
    same("container_file_descriptors"),
    same("container_sockets"),
    picked("container_ulimits_soft", Collector::Ulimits, &["ulimit"], "Soft limit of open files of the first process.", &[all_of(F::Ulimit, "max_open_files")]),
    // The machine.
    machine("machine_cpu_cores", "Processors of the machine that are online.", MachineNumber::Cores),
    machine("machine_cpu_physical_cores", "Cores of the machine, each counted once however many threads it has.", MachineNumber::Fact(|facts| facts.physical_cores)),
    machine("machine_cpu_sockets", "Processor packages of the machine.", MachineNumber::Fact(|facts| facts.sockets)),
    machine("machine_cpu_books", "Books of an IBM Z machine; absent on others.", MachineNumber::Fact(|facts| facts.books)),
    machine("machine_cpu_drawers", "Drawers of an IBM Z machine; absent on others.", MachineNumber::Fact(|facts| facts.drawers)),
    machine("machine_memory_bytes", "Memory of the machine.", MachineNumber::Memory).bytes(),
    machine("machine_swap_bytes", "Swap space of the machine.", MachineNumber::Swap).bytes(),
    about_all("machine_scrape_error", Collector::Machine, "Whether the machine's size could not be read: 1 yes, 0 no.", MachineError),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::catalog::CATALOG;

    #[test]
    fn names_are_cadvisors_and_stand_once() {
        let mut names = HashSet::new();
        for CadvisorFamily { family, .. } in CADVISOR {
            let name = family.name;
            assert!(names.insert(name), "{name} stands twice");
            let begins = ["container_", "machine_", "cadvisor_"].iter().any(|start| name.starts_with(start));
            assert!(begins, "{name}");
            // Its counters without the suffix, and its gauges with it.
            match name {
                "container_memory_failcnt" | "container_hugetlb_failcnt" => {
                    assert_eq!(family.kind, Kind::Counter);
                }
                "container_fs_inodes_total"
                | "container_network_tcp_usage_total"
                | "container_network_tcp6_usage_total"
                | "container_network_advance_tcp_stats_total"
                | "container_network_udp_usage_total"
                | "container_network_udp6_usage_total" => assert_eq!(family.kind, Kind::Gauge),
                _ => assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}"),
            }
            assert!(family.help.ends_with('.') && family.help.is_ascii(), "{name}");
        }
        // What the agent says of itself stands in both expositions, so it must not have the same names.
        let own = CATALOG
            .iter()
            .filter(|family| !family.is_of_container() && family.collector != Collector::Machine);
        for family in own.filter(|family| !matches!(family.shape, Shape::Host(_))) {
            assert!(!names.contains(family.name), "{} would come twice", family.name);
        }
    }

    #[test]
    fn readings_of_the_machine_are_in_the_catalog() {
        for CadvisorFamily { family, source } in CADVISOR {
            let names = match *source {
                CadvisorSource::Disk(name, _) | CadvisorSource::Scheduled(name) => vec![name],
                CadvisorSource::Mount(name, less) => [Some(name), less].into_iter().flatten().collect(),
                _ => continue,
            };
            for name in names {
                let of = Family::by_name(name).unwrap();
                assert_eq!(of.scale, family.scale, "{} and {name}", family.name);
                assert_eq!(of.labels[0], "device", "{name}");
            }
        }
    }

    #[test]
    fn numbers_that_follow_from_others() {
        let row = |numbers: &[(Slot, u64)]| {
            let mut row = Numbers::default();
            numbers.iter().for_each(|(slot, value)| row.set(*slot, *value));
            row
        };
        type Get = fn(&Numbers) -> Option<u64>;
        type Case<'a> = (Get, &'a [(Slot, u64)], Option<u64>);
        let cases: [Case<'_>; 15] = [
            (health, &[], None),
            (health, &[(Slot::HealthNone, 1), (Slot::HealthHealthy, 0)], None),
            (health, &[(Slot::HealthHealthy, 1)], Some(1)),
            (health, &[(Slot::HealthUnhealthy, 1)], Some(0)),
            (health, &[(Slot::HealthStarting, 1)], Some(0)),
            (shares, &[], None),
            (shares, &[(Slot::CpuShares, 512)], Some(512)),
            (shares, &[(Slot::CpuWeight, 1)], Some(2)),
            (shares, &[(Slot::CpuWeight, 100)], Some(2597)),
            (shares, &[(Slot::CpuWeight, 10_000)], Some(262_144)),
            (shares, &[(Slot::CpuWeight, 0)], None),
            (memory_limit, &[], None),
            (memory_limit, &[(Slot::MemoryUsage, 5)], Some(0)),
            (memory_limit, &[(Slot::MemoryUsage, 5), (Slot::MemoryLimit, 7)], Some(7)),
            (swap_limit, &[(Slot::MemoryUsage, 5)], None),
        ];
        for (get, numbers, expected) in cases {
            assert_eq!(get(&row(numbers)), expected, "{numbers:?}");
        }
    }
}
