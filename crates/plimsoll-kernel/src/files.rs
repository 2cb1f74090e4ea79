//! Which files are read for a container in each pass, and into which slots.
//!
//! One table a layout.

use plimsoll_model::{Collector, DetailPass, DeviceSlot, Profile, Selection, Slot};

use crate::devices::Devices;
use crate::layout::{Controller, Version};
use crate::parse::pressure::Resource;
use crate::parse::{Numbers, block, cpu, lines, memory, net, pressure, proc};

/// A file that is read in each pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    pub(crate) collector: Collector,
    pub(crate) keep: Keep,
    /// The smallest profile that has a use for it.
    pub(crate) profile: Profile,
    pub(crate) when: When,
    pub(crate) parse: Parse,
}

/// The list of a cgroup's processes.
pub(crate) const CGROUP_PROCS: &str = "cgroup.procs";

/// In which passes a file has to be read.
///
/// Most containers sleep most of the time, and most files of a container in which nothing ran cannot have
/// changed. A few files tell whether anything did: those are its pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// In each, and a change of one of its numbers means that the container is active.
    Pulse(&'static [Slot]),
    /// In each: others can change it too, such as reclaim, writeback, the network, a timer.
    Always,
    /// While the container is active: only its own tasks can change it.
    Active,
    /// While it is active, and for as long as it changes itself: a task that stalls does not run, and the
    /// stall goes on.
    Stalling(&'static [Slot]),
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the container's cgroup of this controller's hierarchy.
    Cgroup(Controller),
    /// In the `/proc` directory of the container's first process.
    Process,
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
    /// `net/dev`.
    Interfaces,
}

const fn cgroup(controller: Controller, name: &'static str, collector: Collector, parse: Parse) -> File {
    File {
        place: Place::Cgroup(controller),
        name,
        collector,
        keep: Keep::IfPlenty,
        profile: Profile::Minimal,
        when: When::Always,
        parse,
    }
}

const fn process(name: &'static str, collector: Collector, parse: Parse) -> File {
    File { place: Place::Process, ..cgroup(Controller::Unified, name, collector, parse) }
}

impl File {
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
    const fn stalling(self, slots: &'static [Slot]) -> Self {
        Self { when: When::Stalling(slots), ..self }
    }
}

use Collector as C;
use Controller::{Blkio, Cpu, CpuAcct, CpuSet, Memory, Pids, Unified};
use Parse::{Numbers as N, Single};
use Profile::{Default as D, Full};

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
    cgroup(CpuSet, "cpuset.effective_cpus", C::Cpu, N(cpuset)).from(Full).seldom_kept(),
    cgroup(Memory, "memory.stat", C::Memory, N(memory::v1_stat)).always(),
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
    cgroup(Blkio, "blkio.throttle.io_service_bytes_recursive", C::Io, Parse::Devices(v1_bytes)).active(),
    cgroup(Blkio, "blkio.throttle.io_serviced_recursive", C::Io, Parse::Devices(v1_operations))
        .from(D)
        .active(),
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
    cgroup(Unified, "cpuset.cpus.effective", C::Cpu, N(cpuset)).from(Full).seldom_kept(),
    cgroup(Unified, "memory.stat", C::Memory, N(memory::v2_stat)).always(),
    cgroup(Unified, "memory.swap.current", C::Memory, Single(Slot::MemorySwap)).from(D).always(),
    cgroup(Unified, "memory.peak", C::Memory, Single(Slot::MemoryMaxUsage)).from(D).seldom_kept().active(),
    cgroup(Unified, "memory.events", C::Memory, N(memory::v2_events)).always(),
    cgroup(Unified, "memory.swap.events", C::Memory, N(memory::v2_swap_events)).from(D).always(),
    cgroup(Unified, "io.stat", C::Io, Parse::Devices(v2_io)).always(),
    cgroup(Unified, CGROUP_PROCS, C::Processes, N(processes)).from(D).seldom_kept().active(),
    cgroup(Unified, "cgroup.stat", C::Processes, N(descendants)).from(Full).seldom_kept(),
    cgroup(Unified, "pids.peak", C::Processes, Single(Slot::ThreadsPeak)).from(D).seldom_kept().active(),
    cgroup(Unified, "pids.events", C::Processes, N(pids_events)).from(D).seldom_kept().active(),
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

static NETWORK: &[File] = &[
    process("net/dev", C::Network, Parse::Interfaces).always(),
    process("net/sockstat", C::Sockets, N(net::sockstat)).from(D).always(),
    process("net/sockstat6", C::Sockets, N(net::sockstat)).from(D).always(),
];

/// The files of a layout that a selection asks for, in the order in which they are read: the pulse first,
/// and cgroup files before those of the network namespace, so that a cgroup that is gone is noticed before
/// its namespace is looked at.
pub(crate) fn of(version: Version, selection: &Selection) -> Vec<File> {
    let tables: &[&[File]] = match version {
        Version::V1 => &[V1, NETWORK],
        Version::Hybrid => &[V1, PRESSURE, NETWORK],
        Version::V2 => &[V2, PRESSURE, NETWORK],
    };
    let mut files = tables.concat();
    files.retain(|file| selection.shows(file.collector, file.profile));
    // Without a processor time there is no telling whether anything ran. The averages of pressure fall
    // while nothing happens, so who wants them has to read them.
    let has_pulse =
        files.iter().any(|file| matches!(file.when, When::Pulse(slots) if slots.contains(&Slot::CpuUsage)));
    for file in &mut files {
        if !has_pulse || (file.collector == C::Pressure && selection.shows(C::Pressure, Full)) {
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
    crate::parse::pairs(bytes, |key, value| {
        if key == b"max" {
            out.set(Slot::PidsLimitEvents, value);
        }
    });
}

fn v1_bytes(bytes: &[u8], devices: &mut Devices<'_>) {
    block::v1(bytes, |major, minor, operation, value| {
        let slot = match operation {
            block::Operation::Read => DeviceSlot::ReadBytes,
            block::Operation::Write => DeviceSlot::WriteBytes,
            block::Operation::Discard => DeviceSlot::DiscardBytes,
        };
        devices.set(major, minor, slot, value);
    });
}

fn v1_operations(bytes: &[u8], devices: &mut Devices<'_>) {
    block::v1(bytes, |major, minor, operation, value| {
        let slot = match operation {
            block::Operation::Read => DeviceSlot::Reads,
            block::Operation::Write => DeviceSlot::Writes,
            block::Operation::Discard => DeviceSlot::Discards,
        };
        devices.set(major, minor, slot, value);
    });
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
            let files = of(version, &Selection::default());
            let is_pulse = |file: &File| matches!(file.when, When::Pulse(_));
            let pulse = files.iter().take_while(|file| is_pulse(file)).count();
            assert_eq!(pulse, files.iter().filter(|file| is_pulse(file)).count(), "{version}");
        }
    }

    #[test]
    fn without_a_pulse_everything_is_read_each_time() {
        let mut selection = Selection::default();
        selection.switch(Collector::Cpu, false);
        assert!(of(Version::V2, &selection).iter().all(|file| file.when == When::Always));
    }

    #[test]
    fn averages_of_pressure_are_never_old() {
        let files = of(Version::V2, &Selection::of_profile(Profile::Full));
        assert!(files.iter().filter(|f| f.collector == C::Pressure).all(|f| f.when == When::Always));
    }
}
