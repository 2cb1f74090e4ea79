//! What the store tells of its own work.

use std::time::Duration;

/// Figures of a store since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Rows taken in: one for each container, and the host, at each sample.
    pub samples: u64,
    /// Numbers taken in.
    pub values: u64,
    /// Blocks of samples that were sealed and written.
    pub blocks: u64,
    /// Bytes of blocks of samples that were written.
    pub block_bytes: u64,
    /// Bytes of blocks of coarser tiers that were written, those that grew each time anew.
    pub rollup_bytes: u64,
    /// Bytes of the journal that were written.
    pub journal_bytes: u64,
    /// How often was written.
    pub flushes: u64,
    /// How long the last writing took.
    pub flush: Option<Duration>,
    /// How long all writing took.
    pub flush_total: Duration,
    /// Samples that were dropped because too much waits for a disk that is full.
    pub lost_disk: u64,
    /// Samples of the same millisecond as one before.
    pub lost_time: u64,
    /// Samples of more containers than one history can have.
    pub lost_containers: u64,
    /// Events that were dropped because too many wait for a disk that is full.
    pub lost_events: u64,
    /// Numbers that were not stored because there are too many names of series.
    pub lost_names: u64,
    /// Blocks and other parts of the file that were damaged and left out.
    pub damaged: u64,
    /// Files that were set aside since the store was opened.
    pub set_aside: u64,
    /// The size of the file with its side files, in bytes.
    pub file_bytes: u64,
    /// Bytes of the file's pages that are in use, and of its log: what the bound is about.
    pub used_bytes: u64,
    /// Bytes that wait in memory to be written.
    pub waiting_bytes: u64,
    /// Why the last writing failed; absent where it did not.
    pub trouble: Option<String>,
}
