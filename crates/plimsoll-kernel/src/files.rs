//! Which files are read for a container in each pass, and into which slots.
//!
//! One table a layout. Files of a collector stand together, so that the collector can be timed.

use plimsoll_model::{Collector, DeviceSlot, Profile, Slot};

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
    pub(crate) parse: Parse,
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
}

use Collector as C;
use Controller::{Blkio, Cpu, CpuAcct, CpuSet, Memory, Pids, Unified};
use Parse::{Numbers as N, Single};
use Profile::{Default as D, Full};

static V1: &[File] = &[
    cgroup(CpuAcct, "cpuacct.usage", C::Cpu, Single(Slot::CpuUsage)).always(),
    cgroup(CpuAcct, "cpuacct.stat", C::Cpu, Parse::Ticks(cpu::v1_acct_stat)),
    cgroup(Cpu, "cpu.stat", C::Cpu, N(cpu::v1_stat)),
    cgroup(CpuSet, "cpuset.effective_cpus", C::Cpu, N(cpuset)).from(Full).seldom_kept(),
    cgroup(Memory, "memory.usage_in_bytes", C::Memory, Single(Slot::MemoryUsage)).always(),
    cgroup(Memory, "memory.stat", C::Memory, N(memory::v1_stat)).always(),
    cgroup(Memory, "memory.kmem.usage_in_bytes", C::Memory, Single(Slot::MemoryKernel)).from(D).seldom_kept(),
    cgroup(Memory, "memory.max_usage_in_bytes", C::Memory, Single(Slot::MemoryMaxUsage))
        .from(D)
        .seldom_kept(),
    cgroup(Memory, "memory.failcnt", C::Memory, Single(Slot::MemoryEventMax)).from(D).seldom_kept(),
    cgroup(Memory, "memory.oom_control", C::Memory, N(memory::v1_oom_control)),
    cgroup(Blkio, "blkio.throttle.io_service_bytes_recursive", C::Io, Parse::Devices(v1_bytes)),
    cgroup(Blkio, "blkio.throttle.io_serviced_recursive", C::Io, Parse::Devices(v1_operations)).from(D),
    cgroup(Pids, "cgroup.procs", C::Processes, N(processes)).from(D).seldom_kept(),
    cgroup(Pids, "pids.current", C::Processes, Single(Slot::Threads)).always(),
    cgroup(Pids, "pids.peak", C::Processes, Single(Slot::ThreadsPeak)).from(D).seldom_kept(),
    cgroup(Pids, "pids.events", C::Processes, N(pids_events)).from(D).seldom_kept(),
];

static V2: &[File] = &[
    cgroup(Unified, "cpu.stat", C::Cpu, N(cpu::v2_stat)).always(),
    cgroup(Unified, "cpuset.cpus.effective", C::Cpu, N(cpuset)).from(Full).seldom_kept(),
    cgroup(Unified, "memory.current", C::Memory, Single(Slot::MemoryUsage)).always(),
    cgroup(Unified, "memory.stat", C::Memory, N(memory::v2_stat)).always(),
    cgroup(Unified, "memory.swap.current", C::Memory, Single(Slot::MemorySwap)).from(D),
    cgroup(Unified, "memory.peak", C::Memory, Single(Slot::MemoryMaxUsage)).from(D).seldom_kept(),
    cgroup(Unified, "memory.events", C::Memory, N(memory::v2_events)),
    cgroup(Unified, "memory.swap.events", C::Memory, N(memory::v2_swap_events)).from(D).seldom_kept(),
    cgroup(Unified, "io.stat", C::Io, Parse::Devices(v2_io)),
    cgroup(Unified, "cgroup.procs", C::Processes, N(processes)).from(D).seldom_kept(),
    cgroup(Unified, "cgroup.stat", C::Processes, N(descendants)).from(Full).seldom_kept(),
    cgroup(Unified, "pids.current", C::Processes, Single(Slot::Threads)).always(),
    cgroup(Unified, "pids.peak", C::Processes, Single(Slot::ThreadsPeak)).from(D).seldom_kept(),
    cgroup(Unified, "pids.events", C::Processes, N(pids_events)).from(D).seldom_kept(),
];

/// On v2, and on hybrid in the v2 hierarchy.
static PRESSURE: &[File] = &[
    cgroup(Unified, "cpu.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Cpu, out)))
        .from(D),
    cgroup(Unified, "memory.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Memory, out)))
        .from(D),
    cgroup(Unified, "io.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Io, out))).from(D),
    cgroup(Unified, "irq.pressure", C::Pressure, N(|b, out| pressure::pressure(b, Resource::Irq, out)))
        .from(D),
];

static NETWORK: &[File] = &[
    process("net/dev", C::Network, Parse::Interfaces).always(),
    process("net/sockstat", C::Sockets, N(net::sockstat)).from(D),
    process("net/sockstat6", C::Sockets, N(net::sockstat)).from(D).seldom_kept(),
];

/// The files of a layout, in the order in which they are read: cgroup files first, so that a cgroup that
/// is gone is noticed before its network namespace is looked at.
pub(crate) fn of(version: Version) -> Vec<File> {
    let tables: &[&[File]] = match version {
        Version::V1 => &[V1, NETWORK],
        Version::Hybrid => &[V1, PRESSURE, NETWORK],
        Version::V2 => &[V2, PRESSURE, NETWORK],
    };
    tables.concat()
}

fn cpuset(bytes: &[u8], out: &mut Numbers) {
    out.set_option(Slot::CpusetCpus, proc::cpu_list(bytes));
}

fn processes(bytes: &[u8], out: &mut Numbers) {
    out.set(Slot::Processes, lines(bytes));
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
    fn files_of_a_collector_stand_together() {
        for version in [Version::V1, Version::Hybrid, Version::V2] {
            let mut order: Vec<_> = of(version).iter().map(|file| file.collector).collect();
            order.dedup();
            let mut once = order.clone();
            once.sort_by_key(|collector| *collector as usize);
            once.dedup();
            assert_eq!(order.len(), once.len(), "{version}: {order:?}");
        }
    }
}
