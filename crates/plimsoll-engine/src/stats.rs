//! A container's numbers as the engine's API tells them (`GET /containers/{id}/stats`).
//!
//! Where the containers' kernel is out of reach (a remote engine, a virtual machine) these are the only numbers there
//! are. They are read for what they are worth: what the engine leaves out is absent, and the formulas of the `docker`
//! command, which turn them into what users know from `docker stats`, are functions of one [`Stats`].
//!
//! ```
//! use plimsoll_engine::Stats;
//!
//! let stats = Stats::parse(br#"{
//!     "read": "2026-11-21T02:08:56Z", "preread": "2026-11-21T02:08:55Z",
//!     "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
//!     "precpu_stats": {"cpu_usage": {"total_usage": 200}, "system_cpu_usage": 1000},
//!     "memory_stats": {"usage": 500, "limit": 1000, "stats": {"inactive_file": 100}}
//! }"#).unwrap();
//! assert_eq!(stats.cpu_percent(), Some(20.0));
//! assert_eq!((stats.memory_used(), stats.memory_percent()), (Some(400), Some(40.0)));
//! assert_eq!(stats.network_io(), None);
//! ```
//!
//! A sample comes once a second for each container, so there is no second set of types between the JSON and these:
//! they are read in one pass over the bytes, and nothing is kept that nobody asks for.

mod stream;

use serde::Deserialize;
use serde::de::Deserializer;

use crate::lenient::{Bounded, Count, Entries, Moment, Object, Scalar, nested, scalar};

#[cfg(feature = "lifecycle")]
pub(crate) use stream::Lines;
pub(crate) use stream::MAX_LIBPOD_STATS;
pub use stream::{MAX_STATS, SampleStream};

/// How many entries of one block I/O list are kept: some hundred devices with the six operations of cgroup v1.
pub const MAX_BLOCK_ENTRIES: usize = 1024;

/// The samples of one container, made by [`Client::stats`](crate::Client::stats).
pub type StatsStream = SampleStream<Stats>;

/// One sample of one container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// When it was taken, in nanoseconds since the Unix epoch by the engine's clock. Absent if the container does not
    /// run; there is nothing else in the sample then.
    #[serde(deserialize_with = "moment")]
    pub read: Option<u64>,
    /// When the sample before it was taken, which [`precpu`](Self::precpu) is of. Absent in the first of a stream.
    #[serde(deserialize_with = "moment")]
    pub preread: Option<u64>,
    /// Processor time.
    #[serde(rename = "cpu_stats", deserialize_with = "nested")]
    pub cpu: CpuStats,
    /// Processor time at the sample before.
    #[serde(rename = "precpu_stats", deserialize_with = "nested")]
    pub precpu: CpuStats,
    /// Memory.
    #[serde(rename = "memory_stats", deserialize_with = "nested")]
    pub memory: MemoryStats,
    /// Tasks.
    #[serde(rename = "pids_stats", deserialize_with = "nested")]
    pub pids: PidsStats,
    /// The network interfaces, by their names inside the container (on Windows by endpoint id). Empty for containers
    /// without a network of their own. Podman 4 gives the sum of all of them as one named `network`, without packets.
    #[serde(deserialize_with = "interfaces")]
    pub networks: Vec<(String, InterfaceStats)>,
    /// Block I/O; empty on Windows.
    #[serde(rename = "blkio_stats", deserialize_with = "nested")]
    pub block: BlockStats,
    /// Storage I/O; Windows alone.
    #[serde(rename = "storage_stats", deserialize_with = "nested")]
    pub storage: StorageStats,
    /// How many processors there are; Windows alone, others say 0.
    #[serde(deserialize_with = "scalar")]
    pub num_procs: Option<u64>,
    /// `linux` or `windows`; from API 1.52 on.
    #[serde(deserialize_with = "scalar")]
    pub os_type: Option<String>,
}

/// Processor time, in nanoseconds and on Windows in units of 100 ns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// The container's.
    #[serde(rename = "cpu_usage", deserialize_with = "nested")]
    pub usage: CpuUsage,
    /// The host's processors together, idle or not: `/proc/stat` in nanoseconds, in steps of 10 ms. Not on Windows.
    #[serde(rename = "system_cpu_usage", deserialize_with = "scalar")]
    pub system: Option<u64>,
    /// How many processors were online.
    #[serde(deserialize_with = "scalar")]
    pub online_cpus: Option<u64>,
    /// How its quota slowed it.
    #[serde(rename = "throttling_data", deserialize_with = "nested")]
    pub throttling: Throttling,
}

/// The processor time that a container used since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All of it.
    #[serde(rename = "total_usage", deserialize_with = "scalar")]
    pub total: Option<u64>,
    /// In user mode.
    #[serde(rename = "usage_in_usermode", deserialize_with = "scalar")]
    pub user: Option<u64>,
    /// In the kernel.
    #[serde(rename = "usage_in_kernelmode", deserialize_with = "scalar")]
    pub kernel: Option<u64>,
    /// For how many processors the engine tells the time one by one; 0 on cgroup v2.
    #[serde(rename = "percpu_usage", deserialize_with = "count")]
    pub percpu: usize,
}

/// How a processor quota slowed a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Throttling {
    /// Periods in which it ran.
    #[serde(deserialize_with = "scalar")]
    pub periods: Option<u64>,
    /// Those in which it was stopped.
    #[serde(deserialize_with = "scalar")]
    pub throttled_periods: Option<u64>,
    /// How long it was stopped in all, in nanoseconds.
    #[serde(deserialize_with = "scalar")]
    pub throttled_time: Option<u64>,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// What the kernel accounts to the container, page cache included.
    #[serde(deserialize_with = "scalar")]
    pub usage: Option<u64>,
    /// The most there ever was; cgroup v1 alone.
    #[serde(deserialize_with = "scalar")]
    pub max_usage: Option<u64>,
    /// The limit; the host's memory if there is none.
    #[serde(deserialize_with = "scalar")]
    pub limit: Option<u64>,
    /// How often the limit was hit; on cgroup v2 how often that led to an OOM kill (`memory.events`, `oom`).
    #[serde(rename = "failcnt", deserialize_with = "scalar")]
    pub failures: Option<u64>,
    /// The kernel's `memory.stat`, as far as it can be shown.
    #[serde(rename = "stats", deserialize_with = "nested")]
    pub stat: MemoryStat,
    /// The private working set; Windows alone.
    #[serde(rename = "privateworkingset", deserialize_with = "scalar")]
    pub private_working_set: Option<u64>,
}

macro_rules! memory_stat {
    ($($field:ident)*) => {
        /// The kernel's `memory.stat` under the kernel's own names: those with `total_` and `hierarchical_` are of
        /// cgroup v1, where the same name without `total_` leaves groups below the container's out.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(default)]
        pub struct MemoryStat {
            $(
                #[doc = concat!("`", stringify!($field), "` of the kernel.")]
                #[serde(deserialize_with = "scalar")]
                pub $field: Option<u64>,
            )*
        }
    };
}

memory_stat! {
    active_file anon file file_dirty file_mapped file_writeback inactive_file kernel kernel_stack pagetables
    pgfault pgmajfault pgscan pgsteal shmem slab_reclaimable slab_unreclaimable sock
    workingset_refault_anon workingset_refault_file zswap zswapped
    total_active_file total_cache total_dirty total_inactive_file total_mapped_file total_pgfault total_pgmajfault
    total_rss total_shmem total_swap total_workingset_refault_anon total_workingset_refault_file total_writeback
    hierarchical_memory_limit hierarchical_memsw_limit
}

/// Tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// How many there are.
    #[serde(deserialize_with = "scalar")]
    pub current: Option<u64>,
    /// How many there may be; absent if there is no limit.
    #[serde(deserialize_with = "limit")]
    pub limit: Option<u64>,
}

/// One network interface, counted since it came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InterfaceStats {
    /// Bytes received.
    #[serde(deserialize_with = "scalar", alias = "RxBytes")]
    pub rx_bytes: Option<u64>,
    /// Packets received.
    #[serde(deserialize_with = "scalar", alias = "RxPackets")]
    pub rx_packets: Option<u64>,
    /// Receive errors.
    #[serde(deserialize_with = "scalar", alias = "RxErrors")]
    pub rx_errors: Option<u64>,
    /// Packets dropped while receiving.
    #[serde(deserialize_with = "scalar", alias = "RxDropped")]
    pub rx_dropped: Option<u64>,
    /// Bytes sent.
    #[serde(deserialize_with = "scalar", alias = "TxBytes")]
    pub tx_bytes: Option<u64>,
    /// Packets sent.
    #[serde(deserialize_with = "scalar", alias = "TxPackets")]
    pub tx_packets: Option<u64>,
    /// Send errors.
    #[serde(deserialize_with = "scalar", alias = "TxErrors")]
    pub tx_errors: Option<u64>,
    /// Packets dropped while sending.
    #[serde(deserialize_with = "scalar", alias = "TxDropped")]
    pub tx_dropped: Option<u64>,
}

/// Block I/O by device and operation. Engines leave a list empty where nothing was read or written, and where the kernel
/// does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockStats {
    /// Bytes.
    #[serde(rename = "io_service_bytes_recursive", deserialize_with = "entries")]
    pub bytes: Vec<BlockEntry>,
    /// Operations; cgroup v1 alone.
    #[serde(rename = "io_serviced_recursive", deserialize_with = "entries")]
    pub operations: Vec<BlockEntry>,
}

/// What one operation did on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockEntry {
    /// The device's major number.
    #[serde(deserialize_with = "scalar")]
    pub major: Option<u64>,
    /// Its minor number.
    #[serde(deserialize_with = "scalar")]
    pub minor: Option<u64>,
    /// What was done; absent for the sums that cgroup v1 also tells (`Sync`, `Async`, `Total`).
    #[serde(deserialize_with = "scalar", rename = "op")]
    pub operation: Option<Operation>,
    /// How much of it.
    #[serde(deserialize_with = "scalar")]
    pub value: Option<u64>,
}

/// An operation on a block device: `Read` on cgroup v1, `read` on v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Telling the device that blocks are free.
    Discard,
}

impl Scalar for Operation {
    fn from_text(text: &str) -> Option<Self> {
        match text.bytes().next()? {
            b'r' | b'R' => Some(Self::Read),
            b'w' | b'W' => Some(Self::Write),
            b'd' | b'D' => Some(Self::Discard),
            _ => None,
        }
    }
}

/// Storage I/O on Windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StorageStats {
    /// Bytes read.
    #[serde(rename = "read_size_bytes", deserialize_with = "scalar")]
    pub read_bytes: Option<u64>,
    /// Bytes written.
    #[serde(rename = "write_size_bytes", deserialize_with = "scalar")]
    pub write_bytes: Option<u64>,
    /// Read operations.
    #[serde(rename = "read_count_normalized", deserialize_with = "scalar")]
    pub reads: Option<u64>,
    /// Write operations.
    #[serde(rename = "write_count_normalized", deserialize_with = "scalar")]
    pub writes: Option<u64>,
}

impl Stats {
    /// Reads one sample; `None` if the bytes are no JSON object. The sample of a container that does not run, which
    /// engines send with the year 1 and zeroes, has nothing in it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let stats = serde_json::from_slice::<Object<Self>>(bytes).ok()?.0?;
        Some(if stats.read.is_some() { stats } else { Self::default() })
    }

    /// True if the container ran when the sample was taken.
    pub fn is_running(&self) -> bool {
        self.read.is_some()
    }

    fn is_windows(&self) -> bool {
        match self.os_type.as_deref() {
            Some(os) => os == "windows",
            None => self.num_procs.is_some_and(|count| count > 0),
        }
    }

    /// Processor use since the sample before it, in percent of one processor, as `docker stats` shows it. Absent in the
    /// first sample of a stream and in one-shot samples: see [`cpu_percent_since`](Self::cpu_percent_since).
    pub fn cpu_percent(&self) -> Option<f64> {
        self.percent(self.preread?, &self.precpu)
    }

    /// As [`cpu_percent`](Self::cpu_percent), since a sample that the caller has kept.
    pub fn cpu_percent_since(&self, before: &Self) -> Option<f64> {
        self.percent(before.read?, &before.cpu)
    }

    fn percent(&self, before: u64, precpu: &CpuStats) -> Option<f64> {
        let (now, then) = (self.cpu.usage.total?, precpu.usage.total?);
        let (used, possible) = if self.is_windows() {
            // All in units of 100 ns.
            let elapsed = self.read?.saturating_sub(before) / 100;
            (now.saturating_sub(then), elapsed.saturating_mul(self.num_procs?))
        } else {
            let elapsed = self.cpu.system?.saturating_sub(precpu.system?);
            (now.saturating_sub(then), elapsed)
        };
        let processors = if self.is_windows() { 1.0 } else { float(self.processors()?) };
        Some(if possible == 0 { 0.0 } else { float(used) / float(possible) * processors * 100.0 })
    }

    /// How many processors were online.
    fn processors(&self) -> Option<u64> {
        let listed = u64::try_from(self.cpu.usage.percpu).ok();
        self.cpu.online_cpus.filter(|&count| count > 0).or(listed.filter(|&count| count > 0))
    }

    /// Memory use in bytes as `docker stats` shows it: without the page cache that has not been used lately.
    pub fn memory_used(&self) -> Option<u64> {
        if self.is_windows() {
            return self.memory.private_working_set;
        }
        let usage = self.memory.usage?;
        let stat = &self.memory.stat;
        let inactive = stat.total_inactive_file.filter(|&bytes| bytes < usage).or(stat.inactive_file);
        Some(usage - inactive.filter(|&bytes| bytes < usage).unwrap_or(0))
    }

    /// [`memory_used`](Self::memory_used) in percent of the limit; absent on Windows, which has none.
    pub fn memory_percent(&self) -> Option<f64> {
        let limit = self.memory.limit.filter(|&limit| limit > 0 && !self.is_windows())?;
        Some(float(self.memory_used()?) / float(limit) * 100.0)
    }

    /// Bytes read and written. Absent where the engine lists no device, which may also mean that the kernel does not
    /// count; `docker stats` shows zero then.
    pub fn block_io(&self) -> Option<(u64, u64)> {
        if self.is_windows() {
            return Some((self.storage.read_bytes?, self.storage.write_bytes?));
        }
        let of = |operation| {
            let mut of = self.block.bytes.iter().filter(|entry| entry.operation == Some(operation));
            let sum = of.try_fold(0_u64, |sum, entry| sum.checked_add(entry.value?));
            sum.filter(|_| !self.block.bytes.is_empty())
        };
        Some((of(Operation::Read)?, of(Operation::Write)?))
    }

    /// Bytes received and sent, over all interfaces. Absent without a network of the container's own.
    pub fn network_io(&self) -> Option<(u64, u64)> {
        let sum = |of: fn(&InterfaceStats) -> Option<u64>| {
            let mut values = self.networks.iter().map(|(_, interface)| of(interface));
            let sum = values.try_fold(0_u64, |sum, value| sum.checked_add(value?));
            sum.filter(|_| !self.networks.is_empty())
        };
        Some((sum(|interface| interface.rx_bytes)?, sum(|interface| interface.tx_bytes)?))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a percentage needs no more than 53 bits")]
fn float(number: u64) -> f64 {
    number as f64
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(scalar::<Moment, D>(deserializer)?.map(|moment| moment.0))
}

/// No limit is the largest number.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(scalar(deserializer)?.filter(|&limit| limit > 0 && limit < u64::MAX))
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Ok(Count::deserialize(deserializer)?.0)
}

fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BlockEntry>, D::Error> {
    Ok(Bounded::<BlockEntry, MAX_BLOCK_ENTRIES>::deserialize(deserializer)?.items)
}

pub(crate) fn interfaces<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, InterfaceStats)>, D::Error> {
    let entries = Entries::deserialize(deserializer)?;
    Ok(entries.items.into_iter().map(|(name, stats)| (name.into_string(), stats)).collect())
}

#[cfg(test)]
mod tests;
