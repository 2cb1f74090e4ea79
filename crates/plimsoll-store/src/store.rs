//! The store: takes snapshots in without waiting, and writes them from a thread of its own.
//!
//! ```no_run
//! use plimsoll_model::Snapshot;
//! use plimsoll_store::{Options, Store};
//!
//! let store = Store::open(Options::new("/var/lib/plimsoll/history.db".into()))?;
//! store.append(&Snapshot::default());
//! store.close();
//! # Ok::<(), plimsoll_store::Error>(())
//! ```

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll_model::Snapshot;
use plimsoll_model::lifecycle::Past;

use crate::chunk::Chunk;
use crate::error::Error;
use crate::figures::Figures;
use crate::file::{Aside, File};
use crate::hot::{Hot, Shared};
use crate::retention::{Keeper, Retention};
use crate::series::Dictionary;
use crate::tracker::{MAX_CONTAINERS, Tracker};
use crate::unsealed::each_unsealed;
use crate::writer::{FLUSH_EVERY, KEEP_EVERY, Signal, Writer};
use crate::{History, Millis, lives};

/// Where a history is, and how much of it is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file. Its folder is made where it does not exist.
    pub path: PathBuf,
    /// The most bytes that the file may use; the finest and oldest goes first.
    pub max_bytes: u64,
    /// How long each tier is kept.
    pub retention: Retention,
    /// The usual time between samples.
    pub interval: Duration,
    /// How often is written. Only tests have reason to change it.
    #[doc(hidden)]
    pub flush_every: Duration,
    /// How often is looked for what is too old or too much. Only tests have reason to change it.
    #[doc(hidden)]
    pub keep_every: Duration,
    /// The most containers that the file knows. Only tests have reason to change it.
    #[doc(hidden)]
    pub max_containers: usize,
}

impl Options {
    /// A history with a sample a second, 1 GiB at most, and the usual retention.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: 1 << 30,
            retention: Retention::default(),
            interval: Duration::from_secs(1),
            flush_every: FLUSH_EVERY,
            keep_every: KEEP_EVERY,
            max_containers: MAX_CONTAINERS,
        }
    }
}

/// A history that is being written. Dropping it writes everything down, as [`Store::close`] does.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    figures: Arc<Mutex<Figures>>,
    signal: Arc<Signal>,
    past: Past,
    writer: Option<JoinHandle<()>>,
}

/// What a file has that the agent goes on with.
struct Loaded {
    hot: Hot,
    past: Past,
    damaged: u64,
    old_journal: Option<i64>,
}

impl Store {
    /// Opens a history for writing, or begins one. A file that is damaged or of a newer version is set aside, and a new one
    /// begun. What an agent that was killed had not sealed is read from the journal.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] while another agent writes it, [`Error::NotAHistory`] where the file is something else,
    /// [`Error::Unwritable`] and [`Error::Unwritten`] where the disk does not take it.
    pub fn open(options: Options) -> Result<Self, Error> {
        let (mut file, aside) = File::open(&options.path)?;
        let mut figures = Figures { set_aside: u64::from(aside.is_some()), ..Figures::default() };
        if aside == Some(Aside::Newer) {
            figures.trouble = None;
        }
        let interval = Millis::try_from(options.interval.as_millis()).unwrap_or(Millis::MAX).max(1);
        let loaded = match load(&file, interval) {
            Err(Error::Damaged { .. }) => {
                file.begin_anew()?;
                figures.set_aside += 1;
                load(&file, interval)?
            }
            other => other?,
        };
        figures.damaged = loaded.damaged;
        figures.file_bytes = file.size_on_disk();
        let shared = Arc::new(Shared::new(options.path.clone(), options.max_bytes, interval, loaded.hot));
        let figures = Arc::new(Mutex::new(figures));
        let signal = Arc::new(Signal::default());
        let keeper = Keeper::new(options.retention, options.max_bytes, options.max_containers);
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&figures), file, keeper, loaded.old_journal);
        let thread = {
            let signal = Arc::clone(&signal);
            let run = move || writer.run(&signal, options.flush_every, options.keep_every);
            std::thread::Builder::new().name("history".to_owned()).spawn(run)
        };
        let writer = thread.map_err(|source| Error::Unwritable { path: options.path, source })?;
        Ok(Self { shared, figures, signal, past: loaded.past, writer: Some(writer) })
    }

    /// Takes a snapshot in: microseconds for each container, in memory alone.
    pub fn append(&self, snapshot: &Snapshot) {
        let is_urgent = {
            let mut hot = self.shared.lock();
            hot.append(snapshot, self.shared.interval);
            hot.tracker.is_urgent()
        };
        if is_urgent {
            self.signal.notes();
        }
    }

    /// The lives of the containers that were there when the last agent ended, as of opening.
    #[must_use]
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// A history to ask, which sees what was taken in up to now. It can be cloned and sent to other threads.
    #[must_use]
    pub fn history(&self) -> History {
        History::of_agent(Arc::clone(&self.shared))
    }

    /// What the store tells of its own work.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hot = self.shared.lock();
        let counts = hot.tracker.counts;
        figures.samples = counts.samples;
        figures.values = counts.values;
        figures.lost_time = counts.lost_time;
        figures.lost_containers = counts.lost_containers;
        figures.lost_names = counts.lost_wide + hot.tracker.dictionary.refused();
        figures
    }

    /// Writes everything down and ends.
    pub fn close(mut self) {
        self.end();
    }

    /// Waits until everything that was taken in was written, or could not be: for tests.
    #[doc(hidden)]
    pub fn flush(&self) {
        self.signal.flush();
    }

    /// Seals every open chunk at the next flush: for tests.
    #[doc(hidden)]
    pub fn seal(&self) {
        self.shared.lock().seal_all();
    }

    /// Ends as if the process were killed: for tests.
    #[doc(hidden)]
    pub fn abandon(self) {
        self.signal.abandon();
    }

    fn end(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.signal.end();
            if writer.join().is_err() {
                tracing::error!("the history's writer ended by a panic; its last seconds are in the journal");
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads what the agent goes on with.
fn load(file: &File, interval: Millis) -> Result<Loaded, Error> {
    let mut names = Vec::new();
    let mut damaged = file.series(|record| names.push(record))?;
    let (lives, damaged_lives) = lives::load(file)?;
    damaged += damaged_lives;
    let mut identities = Vec::new();
    let mut past = Past::default();
    file.identities(|id, engine, container| {
        let saved = lives.get(&id).and_then(|life| life.saved);
        past.lives.extend(saved.map(|saved| (container.to_owned(), saved)));
        identities.push((id, engine.to_owned(), container.to_owned()));
    })?;
    let tracker = Tracker::new(Dictionary::new(names), identities, lives);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let mut hot = Hot::new(Millis::try_from(now).unwrap_or(0), tracker);
    let replayed = replay(file, interval, &mut hot)?;
    damaged += replayed.damaged;
    let last = file.number("SELECT coalesce(max(last_seen), 0) FROM containers")?;
    let until = replayed.last.unwrap_or(0).max(last);
    past.until =
        u64::try_from(until).ok().filter(|until| *until > 0).map(|until| until.saturating_mul(1_000_000));
    Ok(Loaded { hot, past, damaged, old_journal: replayed.record })
}

/// What a journal had.
struct Replayed {
    /// The last record.
    record: Option<i64>,
    /// The last sample.
    last: Option<Millis>,
    damaged: u64,
}

/// Puts the journal's rows into chunks, which wait to be written: new rows begin chunks, and a journal, of their own.
fn replay(file: &File, interval: Millis, hot: &mut Hot) -> Result<Replayed, Error> {
    let mut last = None;
    let mut damaged = 0;
    let mut chunks: HashMap<u32, Chunk> = HashMap::new();
    let keep = |container, at, row: &[_]| {
        last = last.max(Some(at));
        let chunk = chunks.entry(container).or_insert_with(|| Chunk::new(interval));
        if !chunk.push(at, row) && chunk.last_time() != Some(at) {
            let full = std::mem::replace(chunk, Chunk::new(interval));
            chunk.push(at, row);
            let until = full.last_time().unwrap_or(at);
            hot.wait(container, full, until, 0);
        }
    };
    let record = each_unsealed(file, keep, |_| damaged += 1)?;
    let mut chunks: Vec<_> = chunks.into_iter().filter(|(_, chunk)| !chunk.is_empty()).collect();
    chunks.sort_unstable_by_key(|(container, _)| *container);
    for (container, chunk) in chunks {
        let until = chunk.last_time().unwrap_or(0);
        hot.wait(container, chunk, until, 0);
    }
    Ok(Replayed { record, last, damaged })
}

#[cfg(test)]
mod tests;
