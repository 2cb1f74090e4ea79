//! Samples that are in no sealed block yet, for those who ask: in the memory of the agent, or as the journal tells.

use std::collections::HashMap;
use std::sync::Arc;

use crate::block::{Block, ColumnKey, SeriesId};
use crate::chunk::Chunk;
use crate::file::File;
use crate::frame::Damaged;
use crate::hot::Shared;
use crate::journal::Replay;
use crate::{Error, Millis, Range, Tier};

/// The usual time between samples where nothing tells it.
const USUAL_INTERVAL: Millis = 1_000;

/// Samples that are in no sealed block yet.
#[derive(Clone, Debug)]
pub(crate) enum Unsealed {
    /// Of an agent in this process.
    Agent(Arc<Shared>),
    /// Of the journal, as it was when it was read.
    Journal(Arc<Replayed>),
}

/// What a journal has that is in no sealed block.
#[derive(Debug)]
pub(crate) struct Replayed {
    interval: Millis,
    /// Of each container, in the order of writing.
    chunks: HashMap<u32, Vec<Chunk>>,
}

impl Unsealed {
    /// The usual time between samples.
    pub(crate) fn interval(&self) -> Millis {
        match self {
            Self::Agent(shared) => shared.interval,
            Self::Journal(replayed) => replayed.interval,
        }
    }

    /// The samples of a container that share a moment with the range: blocks in the order of their writing.
    pub(crate) fn blocks(
        &self,
        container: u32,
        range: Range,
        wanted: impl Fn(ColumnKey) -> bool + Copy,
    ) -> Vec<Block> {
        match self {
            Self::Agent(shared) => shared.unwritten(container, range, wanted),
            Self::Journal(replayed) => {
                let chunks = replayed.chunks.get(&container).into_iter().flatten();
                let touching = chunks
                    .filter(|chunk| span(chunk).is_some_and(|(first, last)| range.touches(first, last)));
                touching.map(|chunk| chunk.read(wanted)).collect()
            }
        }
    }

    /// The first and the last such sample of each container.
    pub(crate) fn spans(&self) -> HashMap<u32, (Millis, Millis)> {
        match self {
            Self::Agent(shared) => shared.unwritten_spans(),
            Self::Journal(replayed) => {
                let of = |chunks: &Vec<Chunk>| {
                    let spans = chunks.iter().filter_map(span);
                    spans.reduce(|one, next| (one.0.min(next.0), one.1.max(next.1)))
                };
                let chunks = replayed.chunks.iter();
                chunks.filter_map(|(container, chunks)| Some((*container, of(chunks)?))).collect()
            }
        }
    }
}

impl Replayed {
    /// Reads a file's journal.
    pub(crate) fn read(file: &File) -> Result<Self, Error> {
        let interval = file.any_interval()?.unwrap_or(USUAL_INTERVAL);
        let mut chunks: HashMap<u32, Vec<Chunk>> = HashMap::new();
        let add_row = |container, at, row: &[_]| add(chunks.entry(container).or_default(), interval, at, row);
        each_unsealed(file, add_row, |error| {
            tracing::warn!(%error, "a record of the journal is damaged and left out");
        })?;
        Ok(Self { interval, chunks })
    }
}

/// Hands the journal's samples that are in no sealed block to `each`, in the order of their writing, and gives the number of
/// the journal's last record.
pub(crate) fn each_unsealed(
    file: &File,
    mut each: impl FnMut(u32, Millis, &[(SeriesId, u64)]),
    mut damaged: impl FnMut(Damaged),
) -> Result<Option<i64>, Error> {
    // Until when samples are in sealed blocks, by container.
    let mut sealed: HashMap<u32, Millis> = HashMap::new();
    let mut replay = Replay::default();
    let mut last_record = None;
    let mut failed = None;
    file.journal(|record, bytes| {
        last_record = Some(record);
        let read = replay.record(bytes, |container, at, row| {
            let until =
                sealed.entry(container).or_insert_with(|| match file.last_time(Tier::Raw, container) {
                    Ok(last) => last.unwrap_or(Millis::MIN),
                    Err(error) => {
                        failed = Some(error);
                        Millis::MAX
                    }
                });
            if at > *until {
                each(container, at, row);
            }
        });
        if let Err(error) = read {
            damaged(error);
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(last_record),
    }
}

/// Adds a row to the last chunk, or to a new one where that takes no more.
fn add(chunks: &mut Vec<Chunk>, interval: Millis, at: Millis, row: &[(SeriesId, u64)]) {
    let is_taken = chunks.last_mut().is_some_and(|chunk| chunk.push(at, row));
    let is_double = chunks.last().and_then(Chunk::last_time) == Some(at);
    if !is_taken && !is_double {
        let mut chunk = Chunk::new(interval);
        chunk.push(at, row);
        chunks.push(chunk);
    }
}

fn span(chunk: &Chunk) -> Option<(Millis, Millis)> {
    chunk.first_time().zip(chunk.last_time())
}
