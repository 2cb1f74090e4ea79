//! The writer: a thread that brings what the agent took in into the file, in transactions, and forgets what is too old.
//!
//! The hot lock is held to take what is new and to say what was written, never during I/O. What cannot be written (a disk
//! that is full) waits in memory up to a bound and is tried again at each flush.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Millis;
use crate::Tier;
use crate::block::Sealed;
use crate::error::Error;
use crate::figures::Figures;
use crate::file::File;
use crate::hot::{Content, Shared, Waiting};
use crate::journal::Record;
use crate::retention::Keeper;
use crate::roller::{Roller, Written};
use crate::tracker::Notes;

/// How many free pages are given back at the end: more than a journal ever has.
const LAST_PAGES: u32 = 16_384;

/// How often what is new is written, at most so much of it is lost when the agent is killed.
pub(crate) const FLUSH_EVERY: Duration = Duration::from_secs(8);

/// How soon the file learns of new containers, series and events, so that questions find them.
const NOTES_EVERY: Duration = Duration::from_secs(1);

/// How often is looked for what is too old or too much.
pub(crate) const KEEP_EVERY: Duration = Duration::from_secs(60);

/// How much may wait for a disk that is full: an hour of about 200 containers.
const PENDING_BYTES: usize = 16 << 20;

/// What the agent's thread tells the writer's.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    notes: bool,
    end: bool,
    /// End without writing.
    abandon: bool,
    /// How often somebody wanted everything written, and how often of these it was.
    asked: u64,
    answered: u64,
}

/// Why the writer woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// It is time.
    Flush,
    /// Somebody waits for it, who asked so many times.
    Asked(u64),
    Notes,
    End,
    Abandon,
}

impl Signal {
    /// Something is new that questions should soon find.
    pub(crate) fn notes(&self) {
        self.set(|wanted| wanted.notes = true);
    }

    /// The store ends.
    pub(crate) fn end(&self) {
        self.set(|wanted| wanted.end = true);
    }

    /// The store ends as if it were killed.
    pub(crate) fn abandon(&self) {
        self.set(|wanted| wanted.abandon = true);
    }

    /// Waits until everything that was taken in so far was written, or could not be.
    pub(crate) fn flush(&self) {
        let mut wanted = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.asked += 1;
        let number = wanted.asked;
        self.changed.notify_all();
        while wanted.answered < number && !wanted.end && !wanted.abandon {
            wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until there is something to do.
    fn wait(&self, flush_at: Instant, notes_at: Instant) -> Wake {
        let mut wanted = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            if wanted.abandon {
                return Wake::Abandon;
            }
            if wanted.end {
                return Wake::End;
            }
            if wanted.asked > wanted.answered {
                return Wake::Asked(wanted.asked);
            }
            if now >= flush_at {
                wanted.notes = false;
                return Wake::Flush;
            }
            if wanted.notes && now >= notes_at {
                wanted.notes = false;
                return Wake::Notes;
            }
            let until = if wanted.notes { flush_at.min(notes_at) } else { flush_at };
            let waited = self.changed.wait_timeout(wanted, until.saturating_duration_since(now));
            wanted = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) figures: Arc<Mutex<Figures>>,
    file: File,
    roller: Roller,
    keeper: Keeper,
    /// What could not be written yet.
    notes: Notes,
    records: VecDeque<(u64, Record)>,
    /// The records of the journal in the file: our number and the file's.
    journal: VecDeque<(u64, i64)>,
    /// Whether the last transaction failed.
    is_failing: bool,
}

impl Writer {
    /// `old_journal` is the last record of the journal that was replayed when the file was opened.
    pub(crate) fn new(
        shared: Arc<Shared>,
        figures: Arc<Mutex<Figures>>,
        file: File,
        keeper: Keeper,
        old_journal: Option<i64>,
    ) -> Self {
        let mut roller = Roller::default();
        {
            let hot = shared.lock();
            roller.counters = hot.tracker.dictionary.counters().to_vec();
            roller.working_set = hot.tracker.dictionary.working_set();
        }
        Self {
            shared,
            figures,
            file,
            roller,
            keeper,
            notes: Notes::default(),
            records: VecDeque::new(),
            journal: old_journal.map(|id| (0, id)).into_iter().collect(),
            is_failing: false,
        }
    }

    /// Writes until the store ends; the last writing has everything.
    pub(crate) fn run(mut self, signal: &Signal, flush_every: Duration, keep_every: Duration) {
        let started = Instant::now();
        let (mut flush_at, mut notes_at, mut keep_at) =
            (started + flush_every, started, started + flush_every);
        loop {
            match signal.wait(flush_at, notes_at) {
                Wake::Flush => {
                    self.flush(true);
                    flush_at = Instant::now() + flush_every;
                }
                Wake::Asked(number) => {
                    self.flush(true);
                    if keep_every.is_zero() {
                        self.keep();
                    }
                    signal.set(|wanted| wanted.answered = number);
                }
                Wake::Abandon => return,
                // While the disk is full, new names wait for the next regular try.
                Wake::Notes if self.is_failing => {}
                Wake::Notes => self.flush(false),
                Wake::End => {
                    self.shared.lock().seal_all();
                    self.flush(true);
                    // The journal's pages are of no use any more.
                    let ended = self.file.give_back(LAST_PAGES).and_then(|()| self.file.checkpoint());
                    if let Err(error) = ended {
                        tracing::debug!(%error, "the history's log stays for the next start");
                    }
                    return;
                }
            }
            let now = Instant::now();
            notes_at = now + NOTES_EVERY;
            if now >= keep_at {
                self.keep();
                keep_at = now + keep_every;
            }
        }
    }

    /// Writes what is new: everything, or only what has a name.
    fn flush(&mut self, everything: bool) {
        let started = Instant::now();
        let mut done = if self.shared.is_damaged() { self.begin_anew() } else { Ok(()) };
        done = done.and_then(|()| self.write(everything));
        if let Err(Error::Damaged { .. }) = &done {
            done = self.begin_anew().and_then(|()| self.write(true));
        }
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if everything {
            figures.flushes += 1;
            figures.flush = Some(started.elapsed());
        }
        figures.flush_total += started.elapsed();
        figures.file_bytes = self.file.size_on_disk();
        match done {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the history is written again");
                    // Records of the journal may be missing, and with them what later rows are told against.
                    drop(figures);
                    self.shared.lock().seal_all();
                    figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
                }
                figures.trouble = None;
            }
            Err(error) => {
                let trouble = chain(&error);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(trouble, "the history cannot be written; what is new waits in memory");
                }
                figures.trouble = Some(trouble);
                drop(figures);
                self.bound_waiting();
            }
        }
    }

    fn write(&mut self, everything: bool) -> Result<(), Error> {
        let (mut batch, first_needed, interval) = {
            let mut hot = self.shared.lock();
            let mut lost = self.notes.absorb(hot.tracker.take_notes());
            lost += std::mem::take(&mut hot.tracker.counts.lost_events);
            if lost > 0 {
                self.figures.lock().unwrap_or_else(PoisonError::into_inner).lost_events += lost;
            }
            if !self.notes.series.is_empty() {
                self.roller.counters = hot.tracker.dictionary.counters().to_vec();
            }
            if everything && let Some(record) = hot.journal.take() {
                let number = hot.record;
                hot.record += 1;
                self.records.push_back((number, record));
            }
            let batch = if everything { hot.waiting.clone() } else { Vec::new() };
            let others =
                if everything { None } else { hot.waiting.iter().map(|waiting| waiting.record).min() };
            let first_needed = hot.first_needed_record();
            (batch, first_needed.min(others.unwrap_or(u64::MAX)), self.shared.interval)
        };
        for waiting in &mut batch {
            if let Content::Chunk(chunk) = &waiting.content {
                waiting.content = Content::Sealed(Arc::new(chunk.seal()));
            }
        }
        self.roller.written = Written::default();
        let written = self.transaction(&batch, first_needed, interval);
        if written.is_err() {
            self.roller.forget();
            self.keep_sealed(batch);
            return written.map(drop);
        }
        let journal_bytes: usize = self.records.iter().map(|(_, record)| record.bytes.len()).sum();
        self.journal.extend(written?);
        while self.journal.front().is_some_and(|(number, _)| *number < first_needed) {
            self.journal.pop_front();
        }
        self.records.clear();
        self.notes = Notes::default();
        {
            let mut hot = self.shared.lock();
            let numbers: Vec<u64> = batch.iter().map(|waiting| waiting.number).collect();
            hot.waiting.retain(|waiting| numbers.binary_search(&waiting.number).is_err());
        }
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.blocks += batch.len() as u64;
        figures.block_bytes += batch.iter().map(|waiting| waiting.content.memory_bytes() as u64).sum::<u64>();
        figures.journal_bytes += journal_bytes as u64;
        figures.rollup_bytes += self.roller.written.bytes;
        figures.damaged += self.roller.written.damaged;
        figures.waiting_bytes = 0;
        Ok(())
    }

    /// Everything in one transaction; gives the numbers of the journal's new records.
    fn transaction(
        &mut self,
        batch: &[Waiting],
        first_needed: u64,
        interval: Millis,
    ) -> Result<Vec<(u64, i64)>, Error> {
        let Self { file, roller, notes, records, journal, .. } = self;
        let has_notes = notes.is_urgent() || !notes.lives.is_empty() || !notes.gone.is_empty();
        if batch.is_empty() && records.is_empty() && !has_notes {
            return Ok(Vec::new());
        }
        file.transaction(|| {
            for record in &notes.series {
                file.put_series(record)?;
            }
            for found in &notes.containers {
                file.put_container(found.id, &found.container, found.created, found.at)?;
            }
            let mut numbers = Vec::with_capacity(records.len());
            for (number, record) in records.iter() {
                numbers.push((*number, file.put_journal(&record.bytes)?));
            }
            for waiting in batch {
                let Content::Sealed(sealed) = &waiting.content else { continue };
                if is_empty(sealed) {
                    continue;
                }
                file.put_block(Tier::Raw, waiting.container, sealed)?;
                roller.sealed(file, interval, waiting.container, sealed.first, waiting.until)?;
                if waiting.container != 0 {
                    file.touch_container(waiting.container, sealed.first, sealed.last)?;
                }
            }
            for event in &notes.events {
                file.put_event(event)?;
                file.touch_container(event.container, Millis::MAX, event.at)?;
            }
            for (container, life) in &notes.lives {
                match life {
                    Some((saved, facts)) => file.put_life(*container, saved.as_deref(), facts)?,
                    None => file.delete_life(*container)?,
                }
            }
            for container in &notes.gone {
                roller.finish(file, interval, *container)?;
            }
            let mut written = journal.iter().chain(&numbers).rev();
            if let Some((_, last)) = written.find(|(number, _)| *number < first_needed) {
                file.delete_journal(*last)?;
            }
            Ok(numbers)
        })
    }

    /// Lets blocks that could not be written wait as they are stored, which is smaller.
    fn keep_sealed(&self, batch: Vec<Waiting>) {
        let mut hot = self.shared.lock();
        for sealed in batch {
            if let Some(waiting) = hot.waiting.iter_mut().find(|waiting| waiting.number == sealed.number) {
                waiting.content = sealed.content;
            }
        }
    }

    /// Drops the oldest of what waits, where it is too much.
    fn bound_waiting(&mut self) {
        let mut hot = self.shared.lock();
        let blocks: usize = hot.waiting.iter().map(|waiting| waiting.content.memory_bytes()).sum();
        let mut bytes = blocks + self.records.iter().map(|(_, record)| record.bytes.len()).sum::<usize>();
        // The journal goes first: it is of use only if the agent is killed.
        while bytes > PENDING_BYTES
            && let Some((_, record)) = self.records.pop_front()
        {
            bytes -= record.bytes.len();
        }
        let (mut dropped, mut lost) = (0, 0);
        for waiting in &hot.waiting {
            if bytes <= PENDING_BYTES {
                break;
            }
            bytes -= waiting.content.memory_bytes();
            lost += waiting.content.samples();
            dropped += 1;
        }
        hot.waiting.drain(..dropped);
        drop(hot);
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.lost_disk += lost;
        figures.waiting_bytes = bytes as u64;
    }

    /// Sets the file aside, which proved to be damaged, and begins a new one with what is in memory.
    fn begin_anew(&mut self) -> Result<(), Error> {
        self.file.begin_anew()?;
        self.roller.forget();
        self.journal.clear();
        self.records.clear();
        let mut hot = self.shared.lock();
        // What is open begins anew as well, so that the journal has it from its first row.
        hot.seal_all();
        let events = std::mem::take(&mut self.notes.events);
        self.notes = hot.tracker.tell_again();
        self.notes.events.splice(0..0, events);
        drop(hot);
        self.shared.next_generation();
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).set_aside += 1;
        Ok(())
    }

    /// Forgets what is too old or too much.
    fn keep(&mut self) {
        let (now, there) = {
            let hot = self.shared.lock();
            (hot.tracker.now, hot.tracker.there())
        };
        // Before the first sample nobody knows what time it is.
        let Some(now) = now.filter(|_| !self.is_failing) else { return };
        match self.keeper.run(&self.file, now, &|id| there.contains(&id)) {
            Ok(forgotten) => {
                self.shared.lock().tracker.forget(&forgotten.containers);
                let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
                figures.damaged += forgotten.damaged;
                figures.used_bytes = forgotten.used;
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "what is too old in the history could not be removed");
                if let Error::Damaged { .. } = error
                    && let Err(error) = self.begin_anew()
                {
                    tracing::error!(error = chain(&error), "a new history could not be begun");
                }
            }
        }
        // Blocks that grew may be gone.
        self.roller.forget();
    }
}

/// Where zstd had no memory, there is nothing to store.
fn is_empty(sealed: &Sealed) -> bool {
    sealed.bytes.is_empty() || sealed.samples == 0
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
