//! Targets at work: each of the configuration in a thread of its own, fed with every tick, told to flush, told to end. The commands
//! of delivery stand below: one round by hand, the spool, files and pipes as a source, and a push to a running agent.

mod choose;
pub(crate) mod deliver;
pub(crate) mod flush;
pub(crate) mod import;
pub(crate) mod progress;
mod report;
pub(crate) mod spool;
mod work;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use plimsoll_collect::{Change, Inbox, Samples};
use plimsoll_deliver::config::TargetConfig;
use plimsoll_deliver::{Command, Common, Figures, Flushed, Intake, Target, TargetError, Transport};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::failure::{self, Failure};
use crate::pipeline::{self, BUILD};
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::signals::Wishes;

/// How often the figures of targets are told.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long a flush by signal waits for verdicts.
const FLUSH_PATIENCE: Duration = Duration::from_secs(60);
/// Flushes of a target that may wait for its attention.
const COMMANDS: usize = 16;

/// All targets of an agent.
#[derive(Debug)]
pub(crate) struct Delivery {
    targets: Arc<Mutex<Vec<Running>>>,
    samples: Samples,
    reporter: tokio::task::JoinHandle<()>,
}

/// A target in its thread.
#[derive(Debug)]
struct Running {
    config: TargetConfig,
    place: String,
    figures: Arc<Mutex<Figures>>,
    missed: Arc<AtomicU64>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<Figures>>,
}

/// Lets whoever has it flush the targets.
#[derive(Clone, Debug)]
pub(crate) struct Flusher(Arc<Mutex<Vec<Running>>>);

/// What all targets of these settings have in common.
fn common(settings: &Settings) -> Common {
    Common { selection: pipeline::selection(settings), host: host_name(), version: BUILD.version }
}

/// The machine's name.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A target of a table, with its spool if it has one. It connects to nobody yet.
fn target(table: &TargetTable, settings: &Settings) -> Result<Target, TargetError> {
    let transport = Transport::new(&table.config, || Box::new(std::io::stdout()))?;
    let spool = settings.spool_folder();
    Target::new(table.config.clone(), &common(settings), Some(&spool), settings.interval, transport)
}

/// That a target cannot be set up.
fn refused(table: &TargetTable, error: TargetError) -> Failure {
    Failure::world(format!("{}: cannot deliver to {}", table.origin, table.config.name)).because(error)
}

/// Starts the thread of a target.
fn in_thread<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("to {name}")).spawn(move || runtime.block_on(work))
}

impl Delivery {
    /// Starts the targets of these settings. Needs a tokio runtime.
    pub(crate) fn start(settings: &Settings, samples: &Samples, inbox: &Arc<Inbox>) -> anyhow::Result<Self> {
        let mut running = Vec::new();
        for table in &settings.target {
            running.push(run(table, settings, samples)?);
        }
        let targets = Arc::new(Mutex::new(running));
        let reporter = tokio::spawn(report_all(Arc::clone(&targets), Arc::clone(inbox)));
        Ok(Self { targets, samples: samples.clone(), reporter })
    }

    /// Lets others flush.
    pub(crate) fn flusher(&self) -> Flusher {
        Flusher(Arc::clone(&self.targets))
    }

    /// Goes on with the targets of the configuration as it is now. Waits for those that end, without holding up anything else.
    pub(crate) async fn reload(&mut self, settings: &Settings) {
        if let Err(error) = self.replace(settings).await {
            error!("{}; the other targets go on", failure::in_one_line(&error));
        }
    }

    /// Goes on with the targets of these settings: those that are as they were go on untouched.
    async fn replace(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let (names, ended): (Vec<_>, Vec<_>) = {
            let mut running = lock(&self.targets);
            let stays =
                |running: &mut Running| settings.target.iter().any(|table| table.config == running.config);
            let ended = running.extract_if(.., |running| !stays(running));
            ended.map(|ended| (ended.config.name.clone(), ended)).unzip()
        };
        if !names.is_empty() {
            // The next one of a name needs the spool. What waits in it stays for the target that has the name from now on.
            tokio::task::spawn_blocking(move || end(ended)).await?;
            info!("targets ended: {}", names.join(", "));
        }
        let mut failure = None;
        for table in &settings.target {
            if lock(&self.targets).iter().any(|running| running.config == table.config) {
                continue;
            }
            match run(table, settings, &self.samples) {
                Ok(running) => {
                    info!("target {} started", table.config.name);
                    lock(&self.targets).push(running);
                }
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Delivers what waits, as far as there is time, and ends.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.reporter.abort();
        end(std::mem::take(&mut *lock(&self.targets)));
    }
}

impl Flusher {
    /// Sends all that waits, of all targets or of the one with this name, and waits for the verdicts. A target that does not
    /// answer in time has none.
    pub(crate) async fn flush(
        &self,
        name: Option<&str>,
        patience: Duration,
    ) -> Vec<(String, Option<Flushed>)> {
        let asked: Vec<_> = lock(&self.0)
            .iter()
            .filter(|running| name.is_none_or(|name| running.config.name == name))
            .map(|running| (running.config.name.clone(), running.commands.clone()))
            .collect();
        let ask = |(name, commands): (String, mpsc::Sender<Command>)| async move {
            let (answer, verdict) = oneshot::channel();
            let asked = async {
                commands.send(Command::Flush(answer)).await.ok()?;
                verdict.await.ok()
            };
            (name, tokio::time::timeout(patience, asked).await.ok().flatten())
        };
        futures_util::future::join_all(asked.into_iter().map(ask)).await
    }

    /// Flushes whenever a signal asks for it.
    pub(crate) async fn on_signals(&self, mut wishes: Wishes) {
        loop {
            wishes.next().await;
            self.flush_and_tell().await;
        }
    }

    /// Sends all that waits, and says what came of it.
    async fn flush_and_tell(&self) {
        for (name, flushed) in self.flush(None, FLUSH_PATIENCE).await {
            match flushed {
                Some(flushed) => info!(
                    "flushed {name}: delivered {}, rejected {}, waiting {}",
                    flushed.delivered, flushed.rejected, flushed.queued
                ),
                None => warn!("flushed {name}: no verdict within {FLUSH_PATIENCE:?}"),
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends targets side by side, each within its own time.
fn end(mut targets: Vec<Running>) {
    for running in &targets {
        running.stop.send_replace(true);
    }
    for running in &mut targets {
        let (name, Some(thread)) = (&running.config.name, running.thread.take()) else { continue };
        match thread.join() {
            Ok(Figures { account, .. }) => info!(
                "target {name} ended: {} points collected, {} delivered, {} rejected, {} dropped, {} left",
                account.collected(),
                account.delivered(),
                account.rejected(),
                account.dropped(),
                account.queued()
            ),
            Err(_) => error!("the thread of target {name} had panicked"),
        }
    }
}

fn run(table: &TargetTable, settings: &Settings, samples: &Samples) -> anyhow::Result<Running> {
    let target = target(table, settings).map_err(|error| refused(table, error))?;
    let figures = target.figures();
    let missed = Arc::new(AtomicU64::new(0));
    let (commands, obeyed) = mpsc::channel(COMMANDS);
    let (stop, stopped) = watch::channel(false);
    let drain = settings.drain_timeout;
    let ticks = ticks(samples.clone(), Arc::clone(&missed), stopped);
    let thread = in_thread(&table.config.name, target.run(Box::pin(ticks), obeyed, drain))?;
    info!("delivering to {} ({}, {})", table.config.name, table.config.kind.name(), table.place());
    Ok(Running {
        config: table.config.clone(),
        place: table.place(),
        figures,
        missed,
        commands,
        stop,
        thread: Some(thread),
    })
}

/// Every tick, until the end. Those that came too fast are counted.
fn ticks(
    samples: Samples,
    missed: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
) -> impl futures_util::Stream<Item = Intake> {
    stream::unfold((samples, stopped, None::<u64>), move |(mut samples, mut stopped, last)| {
        let missed = Arc::clone(&missed);
        async move {
            let tick = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return None,
                tick = samples.tick() => tick,
            };
            let ticks = tick.agent.ticks;
            let lost = last.map_or(0, |last| ticks.saturating_sub(last + 1));
            if missed.fetch_add(lost, Ordering::Relaxed) == 0 && lost > 0 {
                warn!("ticks came too fast for a target; see plimsoll_delivery_ticks_missed_total");
            }
            Some((Intake::Tick(tick), (samples, stopped, Some(ticks))))
        }
    })
    .fuse()
}

/// Tells the sampler, and so everybody, how targets do.
async fn report_all(targets: Arc<Mutex<Vec<Running>>>, inbox: Arc<Inbox>) {
    let mut told = false;
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let reports: Vec<_> = lock(&targets)
            .iter()
            .map(|running| {
                let missed = running.missed.load(Ordering::Relaxed);
                report::target(&lock(&running.figures), &running.place, missed)
            })
            .collect();
        if told || !reports.is_empty() {
            told = true;
            // An inbox that is full is emptied in the next pass, and the next report comes in a second.
            let _ = inbox.put(Change::Targets { targets: reports.into() });
        }
    }
}
