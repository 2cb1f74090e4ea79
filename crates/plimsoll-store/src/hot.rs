//! What is in memory and not in the file yet. The agent appends to it, the writer takes from it, and a [`crate::History`] of
//! the same process reads it.
//!
//! **How to read without a gap:** first [`Shared::unwritten`], then the file. The writer puts a block into the file first
//! and forgets it here afterwards, so what is found in neither does not exist. What is found in both is the same, and the
//! rule for blocks that overlap (the later written holds) takes it once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::block::{Block, ColumnKey, Sealed, SeriesId};
use crate::chunk::Chunk;
use crate::journal::Journal;
use crate::tracker::Tracker;
use crate::{Millis, Range};

/// How long a chunk is open, at most, in milliseconds.
pub(crate) const SEAL_EVERY: Millis = 300_000;

/// How far the moments of two containers in a row are apart. It has no divisor but ten seconds in common with
/// [`SEAL_EVERY`], so that all of its moments are used.
const SPREAD: Millis = 70_000;

/// What the agent, the writer and the readers of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The file.
    pub(crate) path: PathBuf,
    /// The bound in bytes.
    pub(crate) max_bytes: u64,
    /// The usual time between samples.
    pub(crate) interval: Millis,
    hot: Mutex<Hot>,
    generation: AtomicU64,
    /// One more than the generation of the file that a reader found damaged.
    found_damaged: AtomicU64,
}

/// Open chunks, sealed ones that wait to be written, and what the agent knows of containers.
#[derive(Debug)]
pub(crate) struct Hot {
    /// By container; 0 is the host.
    pub(crate) open: HashMap<u32, Open>,
    /// Sealed and not written yet, in the order in which they were sealed.
    pub(crate) waiting: Vec<Waiting>,
    /// Rows that are not written down yet.
    pub(crate) journal: Journal,
    /// The number of the journal's record that is being filled, counted from 1 since the store was opened.
    pub(crate) record: u64,
    /// How many blocks were sealed.
    sealed: u64,
    /// The agent's side.
    pub(crate) tracker: Tracker,
}

/// A chunk that samples are added to.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) chunk: Chunk,
    /// When it is sealed.
    seal_at: Millis,
    /// The first record of the journal that has rows of it.
    pub(crate) record: u64,
}

/// A block that is not in the file yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Tells it from the others.
    pub(crate) number: u64,
    /// Whose it is.
    pub(crate) container: u32,
    /// What it is.
    pub(crate) content: Content,
    /// Until when no sample is missing from it.
    pub(crate) until: Millis,
    /// The first record of the journal that has rows of it.
    pub(crate) record: u64,
}

/// A waiting block's samples.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// As they were taken.
    Chunk(Arc<Chunk>),
    /// As they are stored: smaller, for when the disk makes it wait.
    Sealed(Arc<Sealed>),
}

impl Content {
    /// How many samples there are.
    pub(crate) fn samples(&self) -> u64 {
        match self {
            Self::Chunk(chunk) => chunk.len() as u64,
            Self::Sealed(sealed) => u64::from(sealed.samples),
        }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.memory_bytes(),
            Self::Sealed(sealed) => sealed.bytes.len(),
        }
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// It is of the same time as the one before.
    SameTime,
    /// It has more series than a block can have.
    TooWide,
}

impl Hot {
    /// `now` (Unix milliseconds) only makes the journal's records differ from those of an earlier agent.
    pub(crate) fn new(now: Millis, tracker: Tracker) -> Self {
        Self {
            open: HashMap::new(),
            waiting: Vec::new(),
            journal: Journal::new(now.unsigned_abs()),
            record: 1,
            sealed: 0,
            tracker,
        }
    }

    /// Takes a row of a container (0 is the host), and seals its chunk first if it is time.
    pub(crate) fn push(
        &mut self,
        container: u32,
        interval: Millis,
        at: Millis,
        row: &[(SeriesId, u64)],
    ) -> Taken {
        let mut fresh = false;
        if let Some(open) = self.open.get(&container) {
            let last = open.chunk.last_time();
            if last == Some(at) {
                return Taken::SameTime;
            }
            // A clock that was set back begins a chunk at the earlier time.
            if at >= open.seal_at || open.chunk.is_full() || last > Some(at) {
                self.seal(container, if last > Some(at) { None } else { Some(at) });
            }
        }
        loop {
            let record = self.record;
            let open = self.open.entry(container).or_insert_with(|| {
                fresh = true;
                Open { chunk: Chunk::new(interval), seal_at: next_moment(container, at), record }
            });
            if self.journal.push(container, &mut open.chunk, at, row) {
                return Taken::Yes;
            }
            if fresh {
                self.open.remove(&container);
                return Taken::TooWide;
            }
            // New series may not fit beside those that the chunk has.
            self.seal(container, Some(at));
        }
    }

    /// Ends a container's chunk, which then waits to be written. `until` is the time of the next sample, where there is one.
    pub(crate) fn seal(&mut self, container: u32, until: Option<Millis>) {
        let Some(open) = self.open.remove(&container) else { return };
        let Some(last) = open.chunk.last_time() else { return };
        let until = until.unwrap_or(last).max(last);
        self.wait(container, open.chunk, until, open.record);
    }

    /// Ends every chunk.
    pub(crate) fn seal_all(&mut self) {
        let mut containers: Vec<u32> = self.open.keys().copied().collect();
        containers.sort_unstable();
        containers.into_iter().for_each(|container| self.seal(container, None));
    }

    /// Adds a chunk to those that wait to be written.
    pub(crate) fn wait(&mut self, container: u32, chunk: Chunk, until: Millis, record: u64) {
        self.sealed += 1;
        let content = Content::Chunk(Arc::new(chunk));
        self.waiting.push(Waiting { number: self.sealed, container, content, until, record });
    }

    /// The first record of the journal that is needed, once all that waits is written.
    pub(crate) fn first_needed_record(&self) -> u64 {
        self.open.values().map(|open| open.record).min().unwrap_or(self.record)
    }
}

/// The next time after `at` at which a container's chunk is sealed. Each has its own moment, so that not all are sealed at once;
/// all are multiples of ten seconds, so that no point of the next tier lies in two blocks.
fn next_moment(container: u32, at: Millis) -> Millis {
    let offset = Millis::from(container).wrapping_mul(SPREAD).rem_euclid(SEAL_EVERY);
    let since = at.saturating_sub(offset).rem_euclid(SEAL_EVERY);
    at.saturating_add(SEAL_EVERY - since)
}

impl Shared {
    pub(crate) fn new(path: PathBuf, max_bytes: u64, interval: Millis, hot: Hot) -> Self {
        Self {
            path,
            max_bytes,
            interval,
            hot: Mutex::new(hot),
            generation: AtomicU64::new(0),
            found_damaged: AtomicU64::new(0),
        }
    }

    /// The shared state. Nobody does I/O while holding it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Hot> {
        // A panic elsewhere leaves at worst one row out: what is there can be used.
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows when the file was damaged, set aside and begun anew: who has it open must open it again.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A reader found the file of this generation damaged: the writer will set it aside.
    pub(crate) fn found_damaged(&self, generation: u64) {
        self.found_damaged.fetch_max(generation + 1, Ordering::AcqRel);
    }

    /// Whether a reader found the present file damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.found_damaged.load(Ordering::Acquire) > self.generation()
    }

    /// Says that the file is another one now.
    pub(crate) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The samples of a container that are not in the file yet and share a moment with the range: blocks in the order of their
    /// writing, the open chunk last. All samples of such a block are given.
    pub(crate) fn unwritten(
        &self,
        container: u32,
        range: Range,
        wanted: impl Fn(ColumnKey) -> bool + Copy,
    ) -> Vec<Block> {
        // Blocks are only cloned by reference under the lock; the open chunk is small and read there.
        let (waiting, open) = {
            let hot = self.lock();
            let waiting: Vec<_> = hot
                .waiting
                .iter()
                .filter(|waiting| waiting.container == container)
                .map(|waiting| waiting.content.clone())
                .collect();
            let open = hot.open.get(&container).filter(|open| touches(&open.chunk, range));
            (waiting, open.map(|open| open.chunk.read(wanted)))
        };
        let read = |content: Content| match content {
            Content::Chunk(chunk) => touches(&chunk, range).then(|| chunk.read(wanted)),
            Content::Sealed(sealed) if !range.touches(sealed.first, sealed.last) => None,
            Content::Sealed(sealed) => Block::decode(&sealed.bytes, wanted).ok(),
        };
        waiting.into_iter().filter_map(read).chain(open).collect()
    }

    /// The containers that have samples which are not in the file yet, each with the first and the last of them.
    pub(crate) fn unwritten_spans(&self) -> HashMap<u32, (Millis, Millis)> {
        let hot = self.lock();
        let waiting = hot.waiting.iter().filter_map(|waiting| {
            let span = match &waiting.content {
                Content::Chunk(chunk) => span(chunk)?,
                Content::Sealed(sealed) => (sealed.first, sealed.last),
            };
            Some((waiting.container, span))
        });
        let open = hot.open.iter().filter_map(|(container, open)| Some((*container, span(&open.chunk)?)));
        let mut spans = HashMap::new();
        for (container, (first, last)) in waiting.chain(open) {
            let known = spans.entry(container).or_insert((first, last));
            *known = (known.0.min(first), known.1.max(last));
        }
        spans
    }
}

/// The first and the last sample.
fn span(chunk: &Chunk) -> Option<(Millis, Millis)> {
    chunk.first_time().zip(chunk.last_time())
}

fn touches(chunk: &Chunk, range: Range) -> bool {
    span(chunk).is_some_and(|(first, last)| range.touches(first, last))
}
