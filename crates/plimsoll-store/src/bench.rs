//! Doors to the codec for its benchmark (`benches/codec.rs`), and a file for that of the queries. Only with the feature `bench`.

#![allow(missing_docs, reason = "names and types say what these do, and nobody else uses them")]

mod history;

pub use history::write_history;

use crate::block::{Block, ColumnKey, SeriesId};
use crate::chunk::Chunk;
use crate::journal::Journal;
use crate::point::{Rules, WorkingSet};
use crate::rollup;
use crate::tier::{Millis, Tier};

/// Numbers by series, ascending.
#[derive(Clone, Debug)]
pub struct Row(Vec<(SeriesId, u64)>);

impl Row {
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (u32, u64)>) -> Self {
        let mut values: Vec<_> =
            values.into_iter().map(|(series, value)| (SeriesId(series), value)).collect();
        values.sort_by_key(|(series, _)| *series);
        Self(values)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Clone, Debug)]
pub struct Open(Chunk);

impl Open {
    #[must_use]
    pub fn new(interval: Millis) -> Self {
        Self(Chunk::new(interval))
    }

    pub fn push(&mut self, at: Millis, row: &Row) -> bool {
        self.0.push(at, &row.0)
    }

    #[must_use]
    pub fn seal(&self) -> Vec<u8> {
        self.0.seal().bytes
    }

    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

#[derive(Debug)]
pub struct Log(Journal);

impl Default for Log {
    fn default() -> Self {
        Self(Journal::new(0))
    }
}

impl Log {
    pub fn push(&mut self, subject: u32, open: &mut Open, at: Millis, row: &Row) -> bool {
        self.0.push(subject, &mut open.0, at, &row.0)
    }

    pub fn take(&mut self) -> usize {
        self.0.take().map_or(0, |record| record.bytes.len())
    }
}

/// How many values a stored block has: in all, or of one series.
#[must_use]
pub fn decode(bytes: &[u8], series: Option<u32>) -> usize {
    let wanted = |key: ColumnKey| series.is_none_or(|series| key.series == SeriesId(series));
    let block = Block::decode(bytes, wanted).unwrap_or_default();
    block.columns.iter().map(|column| column.values.iter().flatten().count()).sum()
}

/// Series, statistic and bytes before compression of each column.
#[must_use]
pub fn columns(bytes: &[u8]) -> Vec<(u32, u8, u64)> {
    let columns = Block::columns_of(bytes).unwrap_or_default();
    columns.into_iter().map(|(key, size)| (key.series.0, key.stat as u8, size)).collect()
}

/// Stored blocks, decoded.
#[derive(Debug)]
pub struct Source(Vec<Block>);

impl Source {
    #[must_use]
    pub fn new(blocks: &[Vec<u8>]) -> Self {
        Self(blocks.iter().filter_map(|bytes| Block::decode(bytes, |_| true).ok()).collect())
    }
}

/// Rolls everything up that is new; the working set is of memory usage and inactive file pages.
#[must_use]
pub fn roll_up(
    tier: Tier,
    open: Option<&[u8]>,
    source: &Source,
    until: Millis,
    counter: &dyn Fn(u32) -> bool,
    [working_set, usage, inactive_file]: [u32; 3],
) -> Vec<Vec<u8>> {
    let rules = Rules {
        counter: &|series| counter(series.0),
        working_set: Some(WorkingSet {
            series: SeriesId(working_set),
            usage: SeriesId(usage),
            inactive_file: SeriesId(inactive_file),
        }),
    };
    let sealed = rollup::roll_up(tier, open, &source.0, Millis::MIN, until, &rules).unwrap_or_default();
    sealed.into_iter().map(|sealed| sealed.bytes).collect()
}
