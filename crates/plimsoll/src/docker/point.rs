//! One measurement, and the summary of many.

use std::time::SystemTime;

/// What a container used at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricDataPoint {
    /// When it was measured.
    pub timestamp: SystemTime,
    /// Processor use since the measurement before, in percent of one core, as `docker stats` has it: two busy cores are
    /// 200.
    pub cpu_percent: f32,
    /// Memory without what the kernel can drop at once, as `docker stats` has it, in MiB (1,048,576 bytes) and rounded;
    /// what is less than one counts as one.
    pub memory_mb: u64,
    /// The memory limit in MiB; `None` where there is none.
    pub memory_limit_mb: Option<u64>,
    /// Bytes received since the container started, over all its interfaces but the loopback; `None` where it has no
    /// network of its own.
    pub network_rx_bytes: Option<u64>,
    /// Bytes sent, likewise.
    pub network_tx_bytes: Option<u64>,
    /// How long the container had been running, in seconds.
    pub uptime_secs: u64,
}

/// What a container used over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AggregatedMetrics {
    /// When the oldest of the points was measured.
    pub period_start: SystemTime,
    /// When the newest of them was measured.
    pub period_end: SystemTime,
    /// How many points there are in it.
    pub sample_count: usize,
    /// Mean processor use in percent of one core.
    pub avg_cpu_percent: f32,
    /// Highest processor use.
    pub peak_cpu_percent: f32,
    /// Lowest processor use.
    pub min_cpu_percent: f32,
    /// Mean memory in MiB, rounded.
    pub avg_memory_mb: u64,
    /// Most memory.
    pub peak_memory_mb: u64,
    /// Least memory.
    pub min_memory_mb: u64,
    /// The memory limit in MiB at the newest point; `None` where there was none.
    pub memory_limit_mb: Option<u64>,
    /// Bytes received: the highest count of the points. Counts begin anew when a container starts again.
    pub total_network_rx_bytes: Option<u64>,
    /// Bytes sent, likewise.
    pub total_network_tx_bytes: Option<u64>,
    /// Restarts up to now: those that the engine counts (by policy), and those made by hand since collection, or the
    /// container, began.
    pub restart_count: u32,
}
