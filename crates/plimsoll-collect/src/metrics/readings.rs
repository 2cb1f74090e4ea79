//! Where the built-in collectors read: one sampler for all of them, the same that the agent has. A container costs one
//! reading, however many collectors ask for it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use plimsoll_engine::{Discovery, Surroundings, discover};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::catalog::FrameworkGroup;
use plimsoll_model::{Collector, Container, ContainerRow, Profile, Selection, Slot, Snapshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::error::{BoxError, CollectorError};
use crate::{Engines, Inbox, Options, Sampler, SamplerThread, Samples, Which};

/// The time between two samples of a sampler that the collectors have to themselves. A collection gets numbers that are at
/// most 100 ms old all the same; percentages are over this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the first collector waits for the engines' first answers, and for a second sample, which a percentage needs.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// What the built-in collectors read. The sampler is started when the first of them gets ready, and ends when the last has
/// cleaned up.
pub struct Readings {
    source: Source,
    /// Who uses it, and what they use.
    running: tokio::sync::Mutex<(usize, Option<Running>)>,
    /// The same for those who only look.
    samples: RwLock<Option<Samples>>,
}

enum Source {
    /// A sampler that somebody else runs.
    Given,
    /// Engines that are looked for.
    Found(Box<dyn Fn() -> Discovery + Send + Sync>),
}

struct Running {
    thread: Option<SamplerThread>,
    engines: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engines.abort();
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
    }
}

impl fmt::Debug for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings").finish_non_exhaustive()
    }
}

impl Readings {
    /// What a sampler reads that runs already.
    #[must_use]
    pub fn of(samples: Samples) -> Self {
        Self { source: Source::Given, running: Default::default(), samples: RwLock::new(Some(samples)) }
    }

    /// What is read of the containers of every engine that these surroundings lead to.
    #[must_use]
    pub fn found_from(surroundings: Surroundings) -> Self {
        let source = Source::Found(Box::new(move || discover(&surroundings)));
        Self { source, running: Default::default(), samples: RwLock::default() }
    }

    /// What is read of the containers of these engines.
    #[must_use]
    pub fn of_engines(discovery: Discovery) -> Self {
        let source = Source::Found(Box::new(move || discovery.clone()));
        Self { source, running: Default::default(), samples: RwLock::default() }
    }

    /// Begins to use it. Waits, but not for long, until there is something to see.
    pub(crate) async fn acquire(&self) -> Result<(), BoxError> {
        let mut running = self.running.lock().await;
        let (users, started) = &mut *running;
        if let (Source::Found(discover), None) = (&self.source, &started) {
            let (new, samples) = start(discover())?;
            *started = Some(new);
            *self.samples.write().unwrap_or_else(PoisonError::into_inner) = Some(samples.clone());
            first_look(samples).await;
        }
        *users += 1;
        Ok(())
    }

    /// Ends to use it.
    pub(crate) async fn release(&self) {
        let mut running = self.running.lock().await;
        let (users, started) = &mut *running;
        *users = users.saturating_sub(1);
        if *users == 0 && matches!(self.source, Source::Found(_)) {
            *self.samples.write().unwrap_or_else(PoisonError::into_inner) = None;
            *started = None;
        }
    }

    /// A container that is known at the moment, by its id, its name, or the beginning of its id. Nothing is known before a
    /// built-in collector is ready.
    #[must_use]
    pub fn container(&self, id: &str) -> Option<Arc<Container>> {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner).clone();
        row(&samples?.latest(), id).map(|row| Arc::clone(&row.container))
    }

    /// A snapshot that is at most 100 ms old.
    pub(crate) async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner).clone();
        Some(samples?.fresh().await)
    }
}

fn start(discovery: Discovery) -> Result<(Running, Samples), BoxError> {
    let all = Selection::of_profile(Profile::Default);
    let wanted = [Collector::Container, Collector::Cpu, Collector::Memory, Collector::Io, Collector::Network];
    let options = Options { selection: all.narrowed(&wanted, &[]), ..Options::default() };
    let kernel = Kernel::probe(Roots::default(), &options.selection);
    if let Err(error) = &kernel {
        tracing::info!("{error}; numbers come from the engines' API");
    }
    let inbox = Arc::new(Inbox::default());
    let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox));
    let (thread, samples) = SamplerThread::start(sampler, INTERVAL)
        .map_err(|source| CollectorError::NoReadings { source: source.into() })?;
    let engines = Engines::new(Which::Named(discovery), None, options, inbox);
    let engines = tokio::spawn(engines.run());
    Ok((Running { thread: Some(thread), engines }, samples))
}

/// Waits until what runs has been read twice. On an engine's API that takes until its second sample.
async fn first_look(mut samples: Samples) {
    let until = Instant::now() + FIRST_LOOK;
    if timeout_at(until, samples.ready()).await.is_err() {
        return;
    }
    let lacks_rate = |row: &ContainerRow| {
        row.container.state.may_have_processes() && row.values.get(Slot::CpuPercent).is_none()
    };
    while samples.latest().containers.iter().any(lacks_rate) {
        if timeout_at(until, samples.tick()).await.is_err() {
            return;
        }
    }
}

/// The row of a container, by its id, its name, or the beginning of its id, if that is nobody else's.
pub(crate) fn row<'a>(snapshot: &'a Snapshot, asked: &str) -> Option<&'a ContainerRow> {
    let rows = || snapshot.containers.iter();
    let by_beginning = || {
        let mut meant = rows().filter(|row| !asked.is_empty() && row.container.id.starts_with(asked));
        meant.next().filter(|_| meant.next().is_none())
    };
    rows()
        .find(|row| row.container.id == asked)
        .or_else(|| rows().find(|row| row.container.name == asked))
        .or_else(by_beginning)
}

/// What the metrics of a group are about.
pub(crate) fn metric_type(group: FrameworkGroup) -> super::MetricType {
    match group {
        FrameworkGroup::Cpu => super::MetricType::Cpu,
        FrameworkGroup::Memory => super::MetricType::Memory,
        FrameworkGroup::Network => super::MetricType::Network,
        FrameworkGroup::Disk => super::MetricType::Disk,
        FrameworkGroup::Lifecycle => super::MetricType::Lifecycle,
    }
}
