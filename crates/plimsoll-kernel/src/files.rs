//! Which files are read for a container in each pass, and into which slots.
//!
//! One table a layout.

use std::borrow::Cow;

use plimsoll_model::{Collector, DetailField, DetailPass, DeviceSlot, Naming, Profile, Selection, Slot};

use crate::devices::{DeviceNames, Devices};
use crate::layout::{Controller, Version};
use crate::pages::{self, PageSize};
use crate::parse::pressure::Resource;
use crate::parse::{
    Numbers, block, cpu, limit_events, lines, memory, net, numa, pressure, proc, process as processes_of,
    single, sockets,
};
use crate::tables::Protocol;
use crate::walks::Sight;

/// A file that is read in each pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) place: Place,
    /// Below its place, with the word [`SIZE`] for the size of huge pages.
    pub(crate) name: &'static str,
    /// Of which huge pages it tells, if it tells of some.
    pub(crate) pages: Option<PageSize>,
    pub(crate) collector: Collector,
    pub(crate) keep: Keep,
    /// The smallest profile that has a use for it.
    pub(crate) profile: Profile,
    pub(crate) when: When,
    /// The only names that it is for, if it is not for all.
    pub(crate) naming: Option<Naming>,
    pub(crate) parse: Parse,
}

/// Stands in the name of a file for the size of huge pages, of which a machine has some and another has others.
const SIZE: &str = "SIZE";

/// The list of a cgroup's processes.
pub(crate) const CGROUP_PROCS: &str = "cgroup.procs";

/// The lists of its tasks, threads included, on v1 and v2.
const V1_TASKS: &str = "tasks";
const V2_TASKS: &str = "cgroup.threads";

/// In which passes a file has to be read.
///
/// Most containers sleep most of the time, and most files of a container in which nothing ran cannot have
/// changed. A few files tell whether anything did: those are its pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// In each, and a change of one of its numbers means that the container is active.
    Pulse(&'static [Slot]),
    /// In each: others can change it too, such as the network.
    Always,
    /// While the container is active, and while one of these numbers is not zero: then others are at work on it, such as
    /// writeback or a timer. What is about the network, while there is traffic, too. Else every ten seconds ([`PACE`]):
    /// what is left is housekeeping, such as which pages the kernel thinks are idle.
    Restless(&'static [Slot]),
    /// While the container is active: only its own tasks can change it.
    Active,
    /// After limits were read again: nobody changes it but who sets the container's limits.
    Limit,
    /// While it is active, and for as long as it changes itself: a task that stalls does not run, and the
    /// stall goes on.
    Stalling(&'static [Slot]),
    /// Every ten seconds: it costs more than the rest.
    Paced,
    /// The same, if the container was active since.
    PacedActive,
}

/// The time between two readings of what costs more than the rest, in nanoseconds. Each container has its own moment, so that
/// no pass has to read them all.
pub(crate) const PACE: u64 = 10_000_000_000;

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the container's cgroup of this controller's hierarchy.
    Cgroup(Controller),
    /// In the `/proc` directory of the container's first process, about that process.
    Process,
    /// There, too, but about the network namespace that it is in: not read where that is the host's.
    Network,
}

/// How much it is worth to keep the file open. When descriptors get scarce, the least valuable files are
/// opened anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// A container's first, whose failing tells that the cgroup is gone, even if there is another by its name.
    First,
    /// What is read in every pass.
    Always,
    IfPlenty,
    IfAbundant,
    /// Not at all: it is seldom read.
    Never,
}

/// What to do with the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parse {
    /// One number for one slot.
    Single(Slot),
    /// A function that knows the file.
    Numbers(fn(&[u8], &mut Numbers)),
    /// Clock ticks have to be converted.
    Ticks(fn(&[u8], u64, &mut Numbers)),
    /// A function that fills device rows.
    Devices(fn(&[u8], &mut Devices<'_>)),
    /// A function that tells numbers with labels of their own. They stay as they are until the file is read again.
    Details(fn(&[u8], &mut DetailPass<'_>)),
    /// The same with names of block devices among the labels.
    DeviceDetails(fn(&[u8], &mut DeviceNames, &mut DetailPass<'_>)),
    /// One number about huge pages of the file's size.
    OfPages(DetailField, fn(&[u8]) -> Option<u64>),
    /// `net/dev`.
    Interfaces,
    /// The tables of a protocol's sockets, of which the file is the first.
    Table(Protocol),
    /// A list of processes or tasks, which are visited.
    Walk(Sight),
}

const fn cgroup(controller: Controller, name: &'static str, collector: Collector, parse: Parse) -> File {
    File {
        place: Place::Cgroup(controller),
        name,
        pages: None,
        collector,
        keep: Keep::IfPlenty,
        profile: Profile::Minimal,
        when: When::Always,
        naming: None,
        parse,
    }
}

const fn process(name: &'static str, collector: Collector, parse: Parse) -> File {
    File { place: Place::Process, ..cgroup(Controller::Unified, name, collector, parse) }
}

const fn network(name: &'static str, collector: Collector, parse: Parse) -> File {
    File { place: Place::Network, ..cgroup(Controller::Unified, name, collector, parse) }
}

impl Parse {
    /// Whether it tells numbers with labels of their own.
    pub(crate) const fn is_of_details(self) -> bool {
        matches!(self, Self::Details(_) | Self::DeviceDetails(_) | Self::OfPages(..))
    }
}

impl File {
    /// Where it is below its place.
    pub(crate) fn path(&self) -> Cow<'static, str> {
        match self.pages {
            Some(pages) => self.name.replace(SIZE, pages.as_str()).into(),
            None => self.name.into(),
        }
    }
    const fn always(self) -> Self {
        Self { keep: Keep::Always, ..self }
    }
    const fn seldom_kept(self) -> Self {
        Self { keep: Keep::IfAbundant, ..self }
    }
    const fn from(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }
    const fn pulse(self, slots: &'static [Slot]) -> Self {
        Self { when: When::Pulse(slots), ..self }
    }
    const fn active(self) -> Self {
        Self { when: When::Active, ..self }
    }
    const fn limit(self) -> Self {
        Self { keep: Keep::Never, when: When::Limit, ..self }
    }
    const fn paced(self) -> Self {
        Self { when: When::Paced, keep: Keep::Never, ..self }
    }
    const fn paced_active(self) -> Self {
        Self { when: When::PacedActive, keep: Keep::Never, ..self }
    }
    const fn naming(self, naming: Naming) -> Self {
        Self { naming: Some(naming), ..self }
    }
    const fn restless(self, slots: &'static [Slot]) -> Self {
        Self { when: When::Restless(slots), ..self }
    }
    const fn stalling(self, slots: &'static [Slot]) -> Self {
        Self { when: When::Stalling(slots), ..self }
    }
}

use Collector as C;
use Controller::{Blkio, Cpu, CpuAcct, CpuSet, HugeTlb, Memory, Pids, Unified};
use Parse::{DeviceDetails, Numbers as N, OfPages, Single};
use Profile::{Default as D, Full};

/// What writeback works on after whoever wrote has gone to sleep. It changes `memory.stat`, which tells of it, and `io.stat`.
const WRITEBACK: &[Slot] = &[Slot::FileDirty, Slot::FileWriteback];

/// What timers take away.
const TIMED_SOCKETS: &[Slot] = &[Slot::SocketsTcpTimeWait];

/// The pulse comes first, so that it is known when the rest is due.
static V1: &[File] = &[
    cgroup(CpuAcct, "cpuacct.usage", C::Cpu, Single(Slot::CpuUsage)).always().pulse(&[Slot::CpuUsage]),
    cgroup(Memory, "memory.usage_in_bytes", C::Memory, Single(Slot::MemoryUsage))
        .always()
        .pulse(&[Slot::MemoryUsage]),
    cgroup(Pids, "pids.current", C::Processes, Single(Slot::Threads)).always().pulse(&[Slot::Threads]),
    cgroup(CpuAcct, "cpuacct.stat", C::Cpu, Parse::Ticks(cpu::v1_acct_stat)).active(),
    cgroup(Cpu, "cpu.stat", C::Cpu, N(cpu::v1_stat)).active(),
    cgroup(CpuAcct, "cpuacct.usage_percpu", C::Percpu, Parse::Details(cpu::v1_by_cpu)).seldom_kept().active(),
    cgroup(CpuSet, "cpuset.effective_cpus", C::Cpuset, N(cpuset)).seldom_kept(),
    cgroup(CpuSet, "cpuset.memory_migrate", C::Cpuset, Single(Slot::MemoryMigrate)).limit(),
    cgroup(Memory, "memory.stat", C::Memory, N(memory::v1_stat)).always().restless(WRITEBACK),
    cgroup(Memory, "memory.kmem.usage_in_bytes", C::Memory, Single(Slot::MemoryKernel))
        .from(D)
        .seldom_kept()
        .active(),
    cgroup(Memory, "memory.max_usage_in_bytes", C::Memory, Single(Slot::MemoryMaxUsage))
        .from(D)
        .seldom_kept()
        .active(),
    cgroup(Memory, "memory.failcnt", C::Memory, Single(Slot::MemoryEventMax)).from(D).seldom_kept().active(),
    cgroup(Memory, "memory.oom_control", C::Memory, N(memory::v1_oom_control)).active(),
    // Reclaim changes it too, and with it the memory's use, which is part of the pulse.
    cgroup(Memory, "memory.numa_stat", C::Numa, Parse::Details(numa::v1)).seldom_kept().active(),
    cgroup(Blkio, "blkio.throttle.io_service_bytes_recursive", C::Io, Parse::Devices(v1_bytes)).active(),
    cgroup(Blkio, "blkio.throttle.io_serviced_recursive", C::Io, Parse::Devices(v1_operations))
        .from(D)
        .active(),
    // A kernel has the files of one of the two schedulers, and BFQ's only with CONFIG_BFQ_CGROUP_DEBUG.
    cgroup(Blkio, "blkio.bfq.io_service_time_recursive", C::Blkio, Parse::Devices(v1_service_time))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.bfq.io_wait_time_recursive", C::Blkio, Parse::Devices(v1_wait_time))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.bfq.io_merged_recursive", C::Blkio, Parse::Devices(v1_merged))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.bfq.io_queued_recursive", C::Blkio, Parse::Devices(v1_queued))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.io_service_time_recursive", C::Blkio, Parse::Devices(v1_service_time))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.io_wait_time_recursive", C::Blkio, Parse::Devices(v1_wait_time))
        .seldom_kept()
        .active(),
    cgroup(Blkio, "blkio.io_merged_recursive", C::Blkio, Parse::Devices(v1_merged)).seldom_kept().active(),
    cgroup(Blkio, "blkio.io_queued_recursive", C::Blkio, Parse::Devices(v1_queued)).seldom_kept().active(),
    cgroup(Blkio, "blkio.throttle.read_bps_device", C::Blkio, DeviceDetails(v1_read_bytes)).limit(),
    cgroup(Blkio, "blkio.throttle.write_bps_device", C::Blkio, DeviceDetails(v1_write_bytes)).limit(),
    cgroup(Blkio, "blkio.throttle.read_iops_device", C::Blkio, DeviceDetails(v1_read_operations)).limit(),
    cgroup(Blkio, "blkio.throttle.write_iops_device", C::Blkio, DeviceDetails(v1_write_operations)).limit(),
    cgroup(Pids, CGROUP_PROCS, C::Processes, N(processes)).from(D).seldom_kept().active(),
    cgroup(Pids, "pids.peak", C::Processes, Single(Slot::ThreadsPeak)).from(D).seldom_kept().active(),
    cgroup(Pids, "pids.events", C::Processes, N(pids_events)).from(D).seldom_kept().active(),
];

static V2: &[File] = &[
    cgroup(Unified, "cpu.stat", C::Cpu, N(cpu::v2_stat)).always().pulse(&[Slot::CpuUsage, Slot::CfsPeriods]),
    cgroup(Unified, "memory.current", C::Memory, Single(Slot::MemoryUsage))
        .always()
        .pulse(&[Slot::MemoryUsage]),
    cgroup(Unified, "pids.current", C::Processes, Single(Slot::Threads)).always().pulse(&[Slot::Threads]),
    cgroup(Unified, "cpuset.cpus.effective", C::Cpuset, N(cpuset)).seldom_kept(),
    cgroup(Unified, "memory.stat", C::Memory, N(memory::v2_stat)).always().restless(WRITEBACK),
    cgroup(Unified, "memory.swap.current", C::Memory, Single(Slot::MemorySwap))
        .from(D)
        .always()
        .restless(&[]),
    cgroup(Unified, "memory.peak", C::Memory, Single(Slot::MemoryMaxUsage)).from(D).seldom_kept().active(),
    cgroup(Unified, "memory.events", C::Memory, N(memory::v2_events)).always().restless(&[]),
    cgroup(Unified, "memory.numa_stat", C::Numa, Parse::Details(v2_numa)).seldom_kept().active(),
    cgroup(Unified, "memory.swap.events", C::Memory, N(memory::v2_swap_events))
        .from(D)
        .always()
        .restless(&[]),
    cgroup(Unified, "io.stat", C::Io, Parse::Devices(v2_io)).always().restless(WRITEBACK),
    cgroup(Unified, "io.max", C::Blkio, DeviceDetails(v2_limits)).limit(),
    cgroup(Unified, CGROUP_PROCS, C::Processes, N(processes)).from(D).seldom_kept().active(),
    cgroup(Unified, "cgroup.stat", C::Processes, N(descendants)).from(Full).seldom_kept(),
    cgroup(Unified, "pids.peak", C::Processes, Single(Slot::ThreadsPeak)).from(D).seldom_kept().active(),
    cgroup(Unified, "pids.events", C::Processes, N(pids_events)).from(D).seldom_kept().active(),
];

/// For each size of huge pages that the machine has.
static V1_PAGES: &[File] = &[
    cgroup(HugeTlb, "hugetlb.SIZE.usage_in_bytes", C::Hugetlb, OfPages(DetailField::HugetlbUsage, single))
        .seldom_kept()
        .active(),
    cgroup(
        HugeTlb,
        "hugetlb.SIZE.max_usage_in_bytes",
        C::Hugetlb,
        OfPages(DetailField::HugetlbMaxUsage, single),
    )
    .seldom_kept()
    .active(),
    cgroup(HugeTlb, "hugetlb.SIZE.failcnt", C::Hugetlb, OfPages(DetailField::HugetlbFailures, single))
        .seldom_kept()
        .active(),
    cgroup(HugeTlb, "hugetlb.SIZE.limit_in_bytes", C::Hugetlb, OfPages(DetailField::HugetlbLimit, single))
        .limit(),
];

static V2_PAGES: &[File] = &[
    cgroup(Unified, "hugetlb.SIZE.current", C::Hugetlb, OfPages(DetailField::HugetlbUsage, single))
        .seldom_kept()
        .active(),
    cgroup(Unified, "hugetlb.SIZE.events", C::Hugetlb, OfPages(DetailField::HugetlbFailures, limit_events))
        .seldom_kept()
        .active(),
    cgroup(Unified, "hugetlb.SIZE.max", C::Hugetlb, OfPages(DetailField::HugetlbLimit, single)).limit(),
];

const CPU_STALLS: &[Slot] = &[Slot::PressureCpuWaiting, Slot::PressureCpuStalled];
const MEMORY_STALLS: &[Slot] = &[Slot::PressureMemoryWaiting, Slot::PressureMemoryStalled];
const IO_STALLS: &[Slot] = &[Slot::PressureIoWaiting, Slot::PressureIoStalled];

/// On v2, and on hybrid in the v2 hierarchy.
static PRESSURE: &[File] = &[
    cgroup(Unified, "cpu.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Cpu, out)))
        .from(D)
        .stalling(CPU_STALLS),
    cgroup(Unified, "memory.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Memory, out)))
        .from(D)
        .stalling(MEMORY_STALLS),
    cgroup(Unified, "io.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Io, out)))
        .from(D)
        .stalling(IO_STALLS),
    cgroup(Unified, "irq.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Irq, out)))
        .from(D)
        .active(),
];

/// In the order of the fields that they fill, as are the next two tables.
static V1_WALKS: &[File] = &[
    cgroup(Pids, V1_TASKS, C::Schedstat, Parse::Walk(Sight::Schedstat)).paced_active(),
    cgroup(Pids, V1_TASKS, C::Tasks, Parse::Walk(Sight::States)).paced_active(),
    cgroup(Pids, CGROUP_PROCS, C::Descriptors, Parse::Walk(Sight::Descriptors)).paced_active(),
];

static V2_WALKS: &[File] = &[
    cgroup(Unified, V2_TASKS, C::Schedstat, Parse::Walk(Sight::Schedstat)).paced_active(),
    cgroup(Unified, V2_TASKS, C::Tasks, Parse::Walk(Sight::States)).paced_active(),
    cgroup(Unified, CGROUP_PROCS, C::Descriptors, Parse::Walk(Sight::Descriptors)).paced_active(),
];

static NETWORK: &[File] = &[
    network("net/dev", C::Network, Parse::Interfaces).always(),
    network("net/sockstat", C::Sockets, N(net::sockstat)).from(D).always().restless(TIMED_SOCKETS),
    network("net/sockstat6", C::Sockets, N(net::sockstat)).from(D).always().restless(TIMED_SOCKETS),
    process("limits", C::Ulimits, Parse::Details(ulimits)).paced(),
    network("net/tcp", C::Tcp, Parse::Table(Protocol::Tcp)).paced(),
    network("net/snmp", C::TcpStats, Parse::Details(snmp)).paced().naming(Naming::Catalog),
    network("net/netstat", C::TcpStats, Parse::Details(netstat)).paced().naming(Naming::Catalog),
    network("net/snmp", C::TcpStats, Parse::Details(snmp_all)).paced().naming(Naming::Cadvisor),
    network("net/netstat", C::TcpStats, Parse::Details(netstat_all)).paced().naming(Naming::Cadvisor),
    network("net/udp", C::Udp, Parse::Table(Protocol::Udp)).paced(),
];

/// The files of a layout that a selection asks for, in the order in which they are read: the pulse first,
/// and cgroup files before those of the network namespace, so that a cgroup that is gone is noticed before
/// its namespace is looked at.
pub(crate) fn of(version: Version, selection: &Selection, sizes: &[PageSize]) -> Vec<File> {
    let (tables, pages, walks): (&[&[File]], _, _) = match version {
        Version::V1 => (&[V1], V1_PAGES, V1_WALKS),
        Version::Hybrid => (&[V1, PRESSURE], V1_PAGES, V1_WALKS),
        Version::V2 => (&[V2, PRESSURE], V2_PAGES, V2_WALKS),
    };
    let mut files = tables.concat();
    for size in sizes {
        files.extend(pages.iter().map(|file| File { pages: Some(*size), ..*file }));
    }
    files.extend_from_slice(walks);
    files.extend_from_slice(NETWORK);
    files.retain(|file| selection.shows(file.collector, file.profile));
    files.retain(|file| file.naming.is_none_or(|naming| naming == selection.naming()));
    // Without a processor time there is no telling whether anything ran. The averages of pressure fall
    // while nothing happens, so who wants them has to read them.
    let has_pulse =
        files.iter().any(|file| matches!(file.when, When::Pulse(slots) if slots.contains(&Slot::CpuUsage)));
    for file in &mut files {
        if matches!(file.when, When::Paced | When::PacedActive) {
            file.when = if has_pulse { file.when } else { When::Paced };
            continue;
        }
        // What shows that others are at work is not read.
        let is_blind = matches!(file.when, When::Restless(_))
            && (file.collector == C::Io && !selection.has_collector(C::Memory)
                || file.collector == C::Sockets && !selection.has_collector(C::Network));
        if (!has_pulse && file.when != When::Limit)
            || is_blind
            || (file.collector == C::Pressure && selection.shows(C::Pressure, Full))
        {
            file.when = When::Always;
        }
    }
    files
}

fn cpuset(bytes: &[u8], out: &mut Numbers) {
    out.set_option(Slot::CpusetCpus, proc::cpu_list(bytes));
}

fn processes(bytes: &[u8], out: &mut Numbers) {
    // Whoever is in another process namespace sees an empty list on v1; what runs has a process.
    out.set_option(Slot::Processes, Some(lines(bytes)).filter(|count| *count > 0));
}

fn descendants(bytes: &[u8], out: &mut Numbers) {
    let (live, dying) = proc::descendants(bytes);
    out.set_option(Slot::CgroupsLive, live);
    out.set_option(Slot::CgroupsDying, dying);
}

fn pids_events(bytes: &[u8], out: &mut Numbers) {
    out.set_option(Slot::PidsLimitEvents, limit_events(bytes));
}

fn ulimits(bytes: &[u8], pass: &mut DetailPass<'_>) {
    processes_of::limits(bytes, |name, soft| pass.set(DetailField::Ulimit, &[name], soft));
}

/// What is shown of the groups `Tcp` and `TcpExt` under a name of its own.
const TCP: &[(&[u8], DetailField)] = &[
    (b"RetransSegs", DetailField::TcpRetransmits),
    (b"ActiveOpens", DetailField::TcpActiveOpens),
    (b"PassiveOpens", DetailField::TcpPassiveOpens),
    (b"EstabResets", DetailField::TcpResets),
];
const TCP_EXT: &[(&[u8], DetailField)] = &[(b"ListenDrops", DetailField::ListenDrops)];

fn named(bytes: &[u8], group: &[u8], fields: &[(&[u8], DetailField)], pass: &mut DetailPass<'_>) {
    sockets::counters(bytes, group, |name, value| {
        if let Some((_, field)) = fields.iter().find(|(shown, _)| *shown == name) {
            pass.set(*field, &[], value);
        }
    });
}

fn snmp(bytes: &[u8], pass: &mut DetailPass<'_>) {
    named(bytes, b"Tcp", TCP, pass);
}

fn netstat(bytes: &[u8], pass: &mut DetailPass<'_>) {
    named(bytes, b"TcpExt", TCP_EXT, pass);
}

/// All of a group, under the kernel's words in small letters.
fn all(bytes: &[u8], group: &[u8], field: DetailField, pass: &mut DetailPass<'_>) {
    let mut word = String::new();
    sockets::counters(bytes, group, |name, value| {
        word.clear();
        word.extend(name.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        pass.set(field, &[&word], value);
    });
}

fn snmp_all(bytes: &[u8], pass: &mut DetailPass<'_>) {
    snmp(bytes, pass);
    all(bytes, b"Tcp", DetailField::TcpCounter, pass);
}

fn netstat_all(bytes: &[u8], pass: &mut DetailPass<'_>) {
    netstat(bytes, pass);
    all(bytes, b"TcpExt", DetailField::TcpExtCounter, pass);
}

fn v1_bytes(bytes: &[u8], devices: &mut Devices<'_>) {
    use DeviceSlot::{DiscardBytes, ReadBytes, WriteBytes};
    throttled(bytes, devices, |operation| match operation {
        block::Operation::Read => Some(ReadBytes),
        block::Operation::Write => Some(WriteBytes),
        block::Operation::Discard => Some(DiscardBytes),
        block::Operation::Total => None,
    });
}

fn v1_operations(bytes: &[u8], devices: &mut Devices<'_>) {
    throttled(bytes, devices, |operation| match operation {
        block::Operation::Read => Some(DeviceSlot::Reads),
        block::Operation::Write => Some(DeviceSlot::Writes),
        block::Operation::Discard => Some(DeviceSlot::Discards),
        block::Operation::Total => None,
    });
}

/// What the throttling counts. A zero is left out: these kernels count only while the device's throttling is in use, some of
/// them only in the direction that has a rule, and write 0 for what they do not count.
fn throttled(bytes: &[u8], devices: &mut Devices<'_>, slot: fn(block::Operation) -> Option<DeviceSlot>) {
    block::v1(bytes, |major, minor, operation, value| {
        if let Some(slot) = slot(operation).filter(|_| value > 0) {
            devices.set(major, minor, slot, value);
        }
    });
}

/// What a scheduler counts for the devices that it is used for.
fn scheduled(bytes: &[u8], devices: &mut Devices<'_>, slots: &[(block::Operation, DeviceSlot)]) {
    block::v1(bytes, |major, minor, operation, value| {
        if let Some((_, slot)) = slots.iter().find(|(of, _)| *of == operation) {
            devices.set(major, minor, *slot, value);
        }
    });
}

fn v1_service_time(bytes: &[u8], devices: &mut Devices<'_>) {
    use block::Operation::{Read, Total, Write};
    let slots = [(Read, DeviceSlot::ReadTime), (Write, DeviceSlot::WriteTime), (Total, DeviceSlot::IoTime)];
    scheduled(bytes, devices, &slots);
}

fn v1_wait_time(bytes: &[u8], devices: &mut Devices<'_>) {
    scheduled(bytes, devices, &[(block::Operation::Total, DeviceSlot::IoWait)]);
}

fn v1_merged(bytes: &[u8], devices: &mut Devices<'_>) {
    use block::Operation::{Read, Write};
    scheduled(bytes, devices, &[(Read, DeviceSlot::ReadsMerged), (Write, DeviceSlot::WritesMerged)]);
}

fn v1_queued(bytes: &[u8], devices: &mut Devices<'_>) {
    scheduled(bytes, devices, &[(block::Operation::Total, DeviceSlot::IoCurrent)]);
}

fn v1_read_bytes(bytes: &[u8], names: &mut DeviceNames, pass: &mut DetailPass<'_>) {
    v1_limits(bytes, names, pass, DetailField::IoLimitBytes, READ);
}

fn v1_write_bytes(bytes: &[u8], names: &mut DeviceNames, pass: &mut DetailPass<'_>) {
    v1_limits(bytes, names, pass, DetailField::IoLimitBytes, WRITE);
}

fn v1_read_operations(bytes: &[u8], names: &mut DeviceNames, pass: &mut DetailPass<'_>) {
    v1_limits(bytes, names, pass, DetailField::IoLimitOperations, READ);
}

fn v1_write_operations(bytes: &[u8], names: &mut DeviceNames, pass: &mut DetailPass<'_>) {
    v1_limits(bytes, names, pass, DetailField::IoLimitOperations, WRITE);
}

fn v1_limits(
    bytes: &[u8],
    names: &mut DeviceNames,
    pass: &mut DetailPass<'_>,
    field: DetailField,
    direction: &str,
) {
    block::v1_limits(bytes, |major, minor, limit| {
        pass.set(field, &[&names.of(major, minor), direction], limit);
    });
}

const READ: &str = "read";
const WRITE: &str = "write";

fn v2_limits(bytes: &[u8], names: &mut DeviceNames, pass: &mut DetailPass<'_>) {
    block::v2_limits(bytes, |(major, minor), bounded, direction, limit| {
        let field = match bounded {
            block::Bounded::Bytes => DetailField::IoLimitBytes,
            block::Bounded::Operations => DetailField::IoLimitOperations,
        };
        let direction = match direction {
            block::Direction::Read => READ,
            block::Direction::Write => WRITE,
        };
        pass.set(field, &[&names.of(major, minor), direction], limit);
    });
}

fn v2_numa(bytes: &[u8], pass: &mut DetailPass<'_>) {
    numa::v2(bytes, pages::ordinary(), pass);
}

fn v2_io(bytes: &[u8], devices: &mut Devices<'_>) {
    block::v2(bytes, |major, minor, slot, value| devices.set(major, minor, slot, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_is_felt_before_anything_depends_on_it() {
        for version in [Version::V1, Version::Hybrid, Version::V2] {
            let files = of(version, &Selection::default(), &[]);
            let is_pulse = |file: &File| matches!(file.when, When::Pulse(_));
            let pulse = files.iter().take_while(|file| is_pulse(file)).count();
            assert_eq!(pulse, files.iter().filter(|file| is_pulse(file)).count(), "{version}");
        }
    }

    #[test]
    fn without_a_pulse_everything_is_read_each_time() {
        let mut selection = Selection::default();
        selection.switch(Collector::Cpu, false);
        assert!(of(Version::V2, &selection, &[]).iter().all(|file| file.when == When::Always));
    }

    #[test]
    fn averages_of_pressure_are_never_old() {
        let files = of(Version::V2, &Selection::of_profile(Profile::Full), &[]);
        assert!(files.iter().filter(|f| f.collector == C::Pressure).all(|f| f.when == When::Always));
    }
}
