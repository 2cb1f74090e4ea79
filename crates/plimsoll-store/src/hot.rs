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

use crate::block::{Block, ColumnKey, Sealed};
use crate::chunk::Chunk;
use crate::{Millis, Range};

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
}

/// Open chunks, and sealed ones that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    /// By container; 0 is the host.
    pub(crate) open: HashMap<u32, Chunk>,
    /// Sealed and not written yet, in the order in which they were sealed.
    pub(crate) waiting: Vec<Waiting>,
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
}

/// A waiting block's samples.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// As they were taken.
    Chunk(Arc<Chunk>),
    /// As they are stored: smaller, for when the disk makes it wait.
    Sealed(Arc<Sealed>),
}

impl Shared {
    pub(crate) fn new(path: PathBuf, max_bytes: u64, interval: Millis, hot: Hot) -> Self {
        Self { path, max_bytes, interval, hot: Mutex::new(hot), generation: AtomicU64::new(0) }
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
            let open = hot.open.get(&container).filter(|chunk| touches(chunk, range));
            (waiting, open.map(|chunk| chunk.read(wanted)))
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
        let open = hot.open.iter().filter_map(|(container, chunk)| Some((*container, span(chunk)?)));
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
