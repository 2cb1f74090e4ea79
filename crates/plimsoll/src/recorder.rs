//! The history that the agent writes: opened, fed with every tick, and told of.
//!
//! The history is worth less than the measuring: where its file cannot be written, or another agent writes it, the agent
//! says so, goes on without it, and tries again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_collect::{Change, Inbox, Samples};
use plimsoll_model::agent;
use plimsoll_model::lifecycle::Past;
use plimsoll_store::{History, Retention, Store};
use plimsoll_web::NoHistory;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::settings::Settings;
use crate::text::printable;

/// How often a history that could not be opened is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// The history, or why there is none.
type State = Result<History, NoHistory>;

/// Writes the history until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    asker: Asker,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Gives the history to whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker(Arc<Mutex<State>>);

impl Asker {
    /// The history, or why there is none.
    pub(crate) fn history(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// A history that was opened, or could not be, before anything is recorded.
pub(crate) struct Opened {
    options: Option<plimsoll_store::Options>,
    store: Option<Store>,
    state: State,
}

/// Opens the history that the settings name.
pub(crate) fn open(settings: &Settings) -> Opened {
    let Some(path) = settings.history_file() else {
        return Opened { options: None, store: None, state: Err(NoHistory::Off) };
    };
    let options = options(settings, path);
    let (store, state) = try_open(&options, None);
    Opened { options: Some(options), store, state }
}

fn options(settings: &Settings, path: PathBuf) -> plimsoll_store::Options {
    plimsoll_store::Options {
        max_bytes: settings.history_size,
        retention: Retention { tiers: settings.history_keep.tiers },
        interval: settings.interval,
        ..plimsoll_store::Options::new(path)
    }
}

/// Opens the history, and says why not, unless that was said `before`.
fn try_open(options: &plimsoll_store::Options, before: Option<&str>) -> (Option<Store>, State) {
    match Store::open(options.clone()).map_err(anyhow::Error::from) {
        Ok(store) => {
            info!("history in {}", options.path.display());
            let history = store.history();
            (Some(store), Ok(history))
        }
        Err(error) => {
            let reason = printable(&format!("{error:#}"));
            if before != Some(&*reason) {
                warn!(
                    "no history is written: {reason}; measuring goes on without, and it is tried again every minute"
                );
            }
            (None, Err(NoHistory::Unavailable(reason)))
        }
    }
}

impl Opened {
    /// What was known when the agent ended the last time.
    pub(crate) fn past(&self) -> Past {
        self.store.as_ref().map(|store| store.past().clone()).unwrap_or_default()
    }

    /// Records every tick from now on.
    pub(crate) fn record(self, samples: Samples, inbox: Arc<Inbox>) -> anyhow::Result<Recorder> {
        let asker = Asker(Arc::new(Mutex::new(self.state)));
        let (stop, stopped) = watch::channel(false);
        let thread = match self.options {
            None => None,
            Some(options) => {
                let writer =
                    Writer { options, store: self.store, asker: asker.clone(), inbox, ticks: None, lost: 0 };
                let runtime = tokio::runtime::Handle::current();
                let run = move || runtime.block_on(writer.run(samples, stopped));
                let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(run);
                Some(thread.context("cannot start the thread of the history")?)
            }
        };
        Ok(Recorder { asker, stop, thread })
    }
}

impl Recorder {
    pub(crate) fn asker(&self) -> Asker {
        self.asker.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the history had panicked");
        }
    }
}

struct Writer {
    options: plimsoll_store::Options,
    store: Option<Store>,
    asker: Asker,
    inbox: Arc<Inbox>,
    /// Ticks of the agent up to the last one that was recorded.
    ticks: Option<u64>,
    /// Ticks that came too fast.
    lost: u64,
}

impl Writer {
    /// A thread of its own, as a slow moment here must not hold up answers.
    async fn run(mut self, mut samples: Samples, mut stopped: watch::Receiver<bool>) {
        let mut waits = TRY_AGAIN;
        loop {
            let tick = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                tick = samples.tick() => tick,
            };
            self.lost += self.ticks.map_or(0, |ticks| tick.agent.ticks.saturating_sub(ticks + 1));
            self.ticks = Some(tick.agent.ticks);
            if let Some(store) = &self.store {
                store.append(&tick);
            } else {
                waits = waits.saturating_sub(self.options.interval);
                if waits.is_zero() {
                    waits = TRY_AGAIN;
                    let before = match self.asker.history() {
                        Err(NoHistory::Unavailable(reason)) => Some(reason),
                        _ => None,
                    };
                    let (store, state) = try_open(&self.options, before.as_deref());
                    self.store = store;
                    self.asker.set(state);
                }
            }
            // An inbox that is full is emptied in the next pass, and the next tick tells again.
            let _ = self.inbox.put(Change::History { report: self.report() });
        }
        if let Some(store) = self.store.take() {
            self.asker.set(Err(NoHistory::Unavailable("the agent is ending".to_owned())));
            store.close();
        }
    }

    fn report(&self) -> agent::History {
        let Some(store) = &self.store else {
            return agent::History { lost_ticks: self.lost, ..agent::History::default() };
        };
        let figures = store.figures();
        let written = figures.block_bytes + figures.rollup_bytes + figures.journal_bytes;
        agent::History {
            up: figures.trouble.is_none(),
            bytes: Some(figures.file_bytes),
            values: figures.values,
            written,
            flush: figures.flush.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            lost_disk: figures.lost_disk,
            lost_names: figures.lost_names + figures.lost_containers,
            lost_ticks: self.lost,
            damaged: figures.damaged,
            set_aside: figures.set_aside,
        }
    }
}
