//! Numbers of a container that somebody else read: the engine's API instead of this kernel. They go into the
//! same slots, and what the API does not say is absent.

use std::sync::Arc;

use plimsoll_engine::{BlockEntry, InterfaceStats, MemoryStat, Operation, PodmanStats, Stats};
use plimsoll_model::{ContainerRow, DeviceRow, DeviceSlot, InterfaceRow, InterfaceSlot, Slot, Values};

/// What one reply of an engine's API says of one container, in the catalog's slots.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// When it came in, by the monotonic clock, in nanoseconds.
    pub(crate) at: u64,
    /// When the engine took them, by its own clock, in Unix nanoseconds.
    pub(crate) taken: Option<u64>,
    pub(crate) values: Values<Slot, { Slot::COUNT }>,
    pub(crate) interfaces: Vec<InterfaceRow>,
    pub(crate) devices: Vec<DeviceRow>,
}

/// Numbers older than this, in nanoseconds, are shown no more. An engine sends one sample a second; Docker reads
/// its containers one after the other, and with hundreds of them takes several seconds for a round.
pub(crate) const MAX_AGE: u64 = 10_000_000_000;

/// The name of what an engine tells only as a sum over all interfaces or devices.
const ALL: &str = "all";

type MemoryField = (fn(&MemoryStat) -> Option<u64>, Slot);

/// The engine hands on the kernel's `memory.stat`, and these are the slots that the kernel's reader uses.
static MEMORY_V1: &[MemoryField] = &[
    (|stat| stat.total_cache, Slot::MemoryCache),
    (|stat| stat.total_rss, Slot::MemoryRss),
    (|stat| stat.total_shmem, Slot::MemoryShmem),
    (|stat| stat.total_mapped_file, Slot::MemoryMappedFile),
    (|stat| stat.total_dirty, Slot::FileDirty),
    (|stat| stat.total_writeback, Slot::FileWriteback),
    (|stat| stat.total_workingset_refault_anon, Slot::RefaultAnon),
    (|stat| stat.total_workingset_refault_file, Slot::RefaultFile),
    (|stat| stat.total_swap, Slot::MemorySwap),
    (|stat| stat.total_active_file, Slot::MemoryActiveFile),
    (|stat| stat.total_inactive_file, Slot::MemoryInactiveFile),
    (|stat| stat.pgfault, Slot::PgfaultContainer),
    (|stat| stat.pgmajfault, Slot::PgmajfaultContainer),
    (|stat| stat.total_pgfault, Slot::PgfaultHierarchy),
    (|stat| stat.total_pgmajfault, Slot::PgmajfaultHierarchy),
    (|stat| limited(stat.hierarchical_memory_limit), Slot::MemoryLimit),
    (|stat| limited(stat.hierarchical_memsw_limit), Slot::MemorySwapLimit),
];

static MEMORY_V2: &[MemoryField] = &[
    (|stat| stat.anon, Slot::MemoryRss),
    (|stat| stat.file, Slot::MemoryCache),
    (|stat| stat.kernel, Slot::MemoryKernel),
    (|stat| stat.kernel_stack, Slot::MemoryKernelStack),
    (|stat| stat.pagetables, Slot::MemoryPageTables),
    (|stat| stat.sock, Slot::MemorySock),
    (|stat| stat.shmem, Slot::MemoryShmem),
    (|stat| stat.zswap, Slot::MemoryZswapCompressed),
    (|stat| stat.zswapped, Slot::MemoryZswapOriginal),
    (|stat| stat.file_mapped, Slot::MemoryMappedFile),
    (|stat| stat.file_dirty, Slot::FileDirty),
    (|stat| stat.file_writeback, Slot::FileWriteback),
    (|stat| stat.inactive_file, Slot::MemoryInactiveFile),
    (|stat| stat.active_file, Slot::MemoryActiveFile),
    (|stat| stat.slab_reclaimable, Slot::MemorySlabReclaimable),
    (|stat| stat.slab_unreclaimable, Slot::MemorySlabUnreclaimable),
    (|stat| stat.workingset_refault_anon, Slot::RefaultAnon),
    (|stat| stat.workingset_refault_file, Slot::RefaultFile),
    (|stat| stat.pgscan, Slot::Pgscan),
    (|stat| stat.pgsteal, Slot::Pgsteal),
    (|stat| stat.pgfault, Slot::PgfaultContainer),
    (|stat| stat.pgfault, Slot::PgfaultHierarchy),
    (|stat| stat.pgmajfault, Slot::PgmajfaultContainer),
    (|stat| stat.pgmajfault, Slot::PgmajfaultHierarchy),
];

/// cgroup v1 writes the largest number of pages for no limit.
fn limited(limit: Option<u64>) -> Option<u64> {
    limit.filter(|limit| *limit < plimsoll_kernel::parse::UNLIMITED)
}

/// A limit that is less than all there is.
fn below(limit: Option<u64>, host_memory: Option<u64>) -> Option<u64> {
    limit.filter(|limit| host_memory.is_some_and(|memory| *limit < memory))
}

impl Numbers {
    /// Writes them into a row that has nothing but what the container's life tells.
    pub(crate) fn fill(&self, row: &mut ContainerRow) {
        row.values.merge(&self.values);
        row.interfaces.extend_from_slice(&self.interfaces);
        row.devices.extend_from_slice(&self.devices);
        row.derive();
    }

    /// From Docker's statistics. The host's memory is what v2 tells as the limit where there is none, so where
    /// that is not known nothing is.
    pub(crate) fn from_docker(stats: &Stats, host_memory: Option<u64>, at: u64) -> Self {
        let mut numbers = Self { at, taken: stats.read, ..Self::default() };
        let values = &mut numbers.values;
        let cpu = &stats.cpu;
        values.set_option(Slot::CpuUsage, cpu.usage.total);
        values.set_option(Slot::CpuUser, cpu.usage.user);
        values.set_option(Slot::CpuSystem, cpu.usage.kernel);
        values.set_option(Slot::CfsPeriods, cpu.throttling.periods);
        values.set_option(Slot::CfsThrottledPeriods, cpu.throttling.throttled_periods);
        values.set_option(Slot::CfsThrottledTime, cpu.throttling.throttled_time);
        values.set_option(Slot::CpuPercent, stats.cpu_percent().and_then(billionths));
        let memory = &stats.memory;
        values.set_option(Slot::MemoryUsage, memory.usage);
        values.set_option(Slot::MemoryMaxUsage, memory.max_usage);
        let is_v1 = memory.stat.total_inactive_file.is_some();
        if !is_v1 {
            values.set_option(Slot::MemoryLimit, below(memory.limit, host_memory));
        }
        // What engines leave out when it is zero.
        let failures = memory.usage.map(|_| memory.failures.unwrap_or(0));
        values.set_option(if is_v1 { Slot::MemoryEventMax } else { Slot::MemoryEventOom }, failures);
        for (field, slot) in if is_v1 { MEMORY_V1 } else { MEMORY_V2 } {
            values.set_option(*slot, field(&memory.stat));
        }
        values.set_option(Slot::Threads, stats.pids.current);
        values.set_option(Slot::ThreadsMax, stats.pids.limit);
        numbers.interfaces = stats.networks.iter().map(|(name, counts)| interface(name, counts)).collect();
        numbers.add_blocks(&stats.block.bytes, is_v1, |operation| match operation {
            Operation::Read => DeviceSlot::ReadBytes,
            Operation::Write => DeviceSlot::WriteBytes,
            Operation::Discard => DeviceSlot::DiscardBytes,
        });
        numbers.add_blocks(&stats.block.operations, is_v1, |operation| match operation {
            Operation::Read => DeviceSlot::Reads,
            Operation::Write => DeviceSlot::Writes,
            Operation::Discard => DeviceSlot::Discards,
        });
        numbers
    }

    /// From Podman's own statistics. Its percentages are over a container's whole life, so they are not used.
    pub(crate) fn from_podman(stats: &PodmanStats, host_memory: Option<u64>, at: u64) -> Self {
        let mut numbers = Self { at, taken: stats.read, ..Self::default() };
        let values = &mut numbers.values;
        values.set_option(Slot::CpuUsage, stats.cpu);
        values.set_option(Slot::CpuSystem, stats.cpu_kernel.filter(|nanos| *nanos > 0));
        values.set_option(Slot::MemoryUsage, stats.memory_usage);
        values.set_option(Slot::MemoryLimit, below(stats.memory_limit, host_memory));
        values.set_option(Slot::Threads, stats.pids);
        numbers.interfaces = stats.networks.iter().map(|(name, counts)| interface(name, counts)).collect();
        if let (true, Some((received, sent))) = (stats.networks.is_empty(), stats.network_io()) {
            let sum = InterfaceStats { rx_bytes: Some(received), tx_bytes: Some(sent), ..Default::default() };
            numbers.interfaces.push(interface(ALL, &sum));
        }
        let mut device = DeviceRow { name: ALL.into(), number: None, values: Values::default() };
        device.values.set_option(DeviceSlot::ReadBytes, stats.block_read);
        device.values.set_option(DeviceSlot::WriteBytes, stats.block_written);
        if !device.values.is_empty() {
            numbers.devices.push(device);
        }
        numbers
    }

    /// Adds block I/O by device. On v1, as in the kernel's own files, a zero means that the kernel does not
    /// count.
    fn add_blocks(&mut self, entries: &[BlockEntry], is_v1: bool, slot: fn(Operation) -> DeviceSlot) {
        for entry in entries {
            let (Some(major), Some(minor)) = (entry.major, entry.minor) else { continue };
            let (Some(operation), Some(value)) = (entry.operation, entry.value) else { continue };
            if is_v1 && value == 0 {
                continue;
            }
            let name = format!("{major}:{minor}");
            let position = self.devices.iter().position(|device| *device.name == *name);
            let position = position.unwrap_or_else(|| {
                let number = u32::try_from(major).ok().zip(u32::try_from(minor).ok());
                self.devices.push(DeviceRow { name: name.into(), number, values: Values::default() });
                self.devices.len() - 1
            });
            self.devices[position].values.set(slot(operation), value);
        }
    }
}

fn interface(name: &str, counts: &InterfaceStats) -> InterfaceRow {
    let mut row = InterfaceRow { name: name.into(), network: Arc::from(""), values: Values::default() };
    for (slot, value) in [
        (InterfaceSlot::RxBytes, counts.rx_bytes),
        (InterfaceSlot::RxPackets, counts.rx_packets),
        (InterfaceSlot::RxErrors, counts.rx_errors),
        (InterfaceSlot::RxDropped, counts.rx_dropped),
        (InterfaceSlot::TxBytes, counts.tx_bytes),
        (InterfaceSlot::TxPackets, counts.tx_packets),
        (InterfaceSlot::TxErrors, counts.tx_errors),
        (InterfaceSlot::TxDropped, counts.tx_dropped),
    ] {
        row.values.set_option(slot, value);
    }
    row
}

/// A percentage as slots hold it; `None` for what is no number of a processor.
fn billionths(percent: f64) -> Option<u64> {
    let scaled = (percent * 1e9).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..1e18).contains(&scaled).then_some(scaled as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Stats {
        let path = format!("{}/../../fixtures/engine/{name}", env!("CARGO_MANIFEST_DIR"));
        Stats::parse(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_reply_of_v1_and_of_v2_fill_the_catalogs_slots() {
        let stats = fixture("docker-api-1.56/stats-v2.json");
        let mut row = ContainerRow::new(plimsoll_model::Container::new("abc", "docker".into()).into());
        Numbers::from_docker(&stats, None, 1).fill(&mut row);
        assert_eq!(row.values.get(Slot::CpuUsage), stats.cpu.usage.total);
        assert_eq!(row.values.get(Slot::MemoryWorkingSet), stats.memory_used());
        assert_eq!(row.values.get(Slot::MemoryRss), stats.memory.stat.anon);
        assert_eq!(row.values.get(Slot::MemoryEventMax), None, "v2 counts other failures there");
        assert_eq!(row.values.get(Slot::MemoryEventOom), Some(0), "left out, as it is zero");
        let limit = stats.memory.limit;
        for (host_memory, expected) in [(Some(1 << 40), limit), (limit, None), (None, None)] {
            let numbers = Numbers::from_docker(&stats, host_memory, 1);
            assert_eq!(numbers.values.get(Slot::MemoryLimit), expected, "the host's memory is no limit");
        }

        let stats = fixture("docker-api-1.56/stats.json");
        let numbers = Numbers::from_docker(&stats, None, 1);
        assert_eq!(numbers.values.get(Slot::MemoryLimit), stats.memory.limit, "v1 tells what is a limit");
        let mut received = numbers.interfaces.iter().filter_map(|row| row.values.get(InterfaceSlot::RxBytes));
        assert_eq!(received.next(), stats.network_io().map(|(received, _)| received));
    }

    #[test]
    fn what_the_reply_does_not_say_is_absent() {
        let numbers = Numbers::from_docker(&Stats::default(), Some(1), 1);
        assert!(numbers.values.is_empty() && numbers.interfaces.is_empty() && numbers.devices.is_empty());
        let numbers = Numbers::from_podman(&PodmanStats::default(), Some(1), 1);
        assert!(numbers.values.is_empty() && numbers.interfaces.is_empty() && numbers.devices.is_empty());
    }

    #[test]
    fn a_percentage_is_a_number_or_nothing() {
        for (percent, expected) in [(0.0, Some(0)), (150.25, Some(150_250_000_000))] {
            assert_eq!(billionths(percent), expected);
        }
        for percent in [f64::NAN, f64::INFINITY, -1.0, 1e12] {
            assert_eq!(billionths(percent), None);
        }
    }
}
