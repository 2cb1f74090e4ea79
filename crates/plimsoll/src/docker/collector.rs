//! Collects the metrics of several containers of one engine in the background.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use plimsoll_collect::{Inbox, Naming, Options, Sampler, SamplerThread, Samples, Watcher};
use plimsoll_engine::{Client, Endpoint, Flavour};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::{Build, Source};
use plimsoll_model::{Collector, Profile, Selection, Slot, Snapshot};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::error::{DockerError, Result};
use super::point::{AggregatedMetrics, MetricDataPoint};
use super::reading::{self, OwnRate};
use super::ring::ContainerMetrics;

/// How often metrics are collected if nothing is said.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// For how many points there is room if nothing is said.
pub const DEFAULT_DATA_POINTS: usize = 1000;

/// The shortest interval. Below, the kernel's own bookkeeping is coarser than the time between two points.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest interval.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The most points of one container: 56 MB.
pub const MAX_DATA_POINTS: usize = 1_000_000;

/// How many containers are monitored at most.
pub const MAX_MONITORED: usize = 4096;

/// How long the start of a collection waits for a first reading. Without one, the first point comes an interval later.
const FIRST_READING: Duration = Duration::from_secs(2);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// How metrics are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsOptions {
    /// The time between two points. Points are taken at multiples of it by the wall clock.
    pub interval: Duration,
    /// How many points of each container are kept.
    pub max_data_points: usize,
}

/// A point every 5 seconds, and 1000 of them: an hour and twenty minutes.
impl Default for MetricsOptions {
    fn default() -> Self {
        Self { interval: DEFAULT_INTERVAL, max_data_points: DEFAULT_DATA_POINTS }
    }
}

impl MetricsOptions {
    pub(super) fn check(self) -> Result<Self> {
        let Self { interval, max_data_points } = self;
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
            let problem = format!("{interval:?} is not between {MIN_INTERVAL:?} and a day");
            return Err(DockerError::invalid("collection interval", problem));
        }
        if !(1..=MAX_DATA_POINTS).contains(&max_data_points) {
            let problem = format!("{max_data_points} is not between 1 and {MAX_DATA_POINTS}");
            return Err(DockerError::invalid("max_data_points", problem));
        }
        Ok(self)
    }
}

/// Collects the metrics of several containers: from the kernel where they run on it, else from the engine's API. It
/// is made, and ended, with the [`DockerSupport`](super::DockerSupport) that it belongs to.
///
/// Two things run for it: a task that listens to the engine's events, and a thread that reads the kernel's numbers. All
/// the engine's containers are looked at, which costs some tens of microseconds each; only those that are monitored have
/// points, and only for those the engine's API is asked.
#[derive(Debug)]
pub struct MetricsCollector {
    options: MetricsOptions,
    monitored: Arc<Monitored>,
    chosen: watch::Sender<BTreeSet<String>>,
    samples: Samples,
    thread: Option<SamplerThread>,
    tasks: [JoinHandle<()>; 2],
}

/// The containers that are monitored, by full id.
#[derive(Debug, Default)]
struct Monitored(Mutex<HashMap<String, One>>);

#[derive(Debug)]
struct One {
    name: String,
    metrics: ContainerMetrics,
    rate: OwnRate,
}

impl MetricsCollector {
    /// Starts to listen and to sample. Needs a tokio runtime.
    pub(super) fn start(endpoint: Endpoint, flavour: Flavour, options: MetricsOptions) -> Result<Self> {
        let selection = selection();
        let kernel = Kernel::probe(Roots::default(), &selection);
        if let Err(error) = &kernel {
            tracing::info!("{error}; numbers come from the engine's API");
        }
        let build = Build { version: env!("CARGO_PKG_VERSION"), ..Build::default() };
        let collected = Options { selection, build, ..Options::default() };
        let inbox = Arc::new(Inbox::default());
        let sampler = Sampler::new(kernel, collected.clone(), Arc::clone(&inbox));
        let (thread, samples) = SamplerThread::start(sampler, options.interval)
            .map_err(|source| DockerError::Thread { source })?;
        let chosen = watch::Sender::default();
        let naming = Naming { flavour: Some(flavour), ..Naming::default() };
        let watcher = Watcher::new(Client::new(endpoint), naming, collected, inbox);
        let watcher = watcher.asking_only_for(chosen.subscribe());
        let monitored = Arc::new(Monitored::default());
        let taking = take(samples.clone(), Arc::clone(&monitored));
        let tasks = [tokio::spawn(watcher.run()), tokio::spawn(taking)];
        Ok(Self { options, monitored, chosen, samples, thread: Some(thread), tasks })
    }

    /// How metrics are collected.
    #[must_use]
    pub fn options(&self) -> MetricsOptions {
        self.options
    }

    /// The full ids of the containers that are monitored, sorted.
    #[must_use]
    pub fn monitored(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.monitored.lock().keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// The points of a container, by its id, the beginning of that, or its name; `None` if it is not monitored. This
    /// copies them all.
    #[must_use]
    pub fn metrics(&self, id: &str) -> Option<ContainerMetrics> {
        self.look(id, Clone::clone)
    }

    /// Starts to collect the metrics of a container. One that is monitored already keeps its points.
    pub(super) async fn add(&self, id: &str, name: &str) -> Result<()> {
        {
            let mut monitored = self.monitored.lock();
            if monitored.contains_key(id) {
                return Ok(());
            }
            if monitored.len() >= MAX_MONITORED {
                return Err(DockerError::TooManyMonitored { id: id.to_owned(), limit: MAX_MONITORED });
            }
            let metrics = ContainerMetrics::new(id, self.options.max_data_points);
            monitored.insert(id.to_owned(), One { name: name.to_owned(), metrics, rate: OwnRate::default() });
        }
        self.chosen.send_if_modified(|chosen| chosen.insert(id.to_owned()));
        self.read_first(id).await;
        Ok(())
    }

    /// Takes a first reading, for the first point to have something to compare with.
    async fn read_first(&self, id: &str) {
        let until = Instant::now() + FIRST_READING;
        while Instant::now() < until {
            let snapshot = self.samples.fresh().await;
            match source(&snapshot) {
                Some(Source::Api) => return,
                Some(Source::Kernel) if self.monitored.read_first(&snapshot, id) => return,
                _ => sleep(LOOK).await,
            }
        }
    }

    /// Ends the collection of a container's metrics and forgets its points. Returns whether it was monitored.
    pub(super) fn remove(&self, id: &str) -> bool {
        let mut monitored = self.monitored.lock();
        let Some(id) = find(&monitored, id).map(|one| one.metrics.container_id().to_owned()) else {
            return false;
        };
        monitored.remove(&id);
        self.chosen.send_if_modified(|chosen| chosen.remove(&id));
        true
    }

    pub(super) fn aggregate(&self, id: &str, window: Duration) -> Option<AggregatedMetrics> {
        self.look(id, |metrics| metrics.aggregate(window, SystemTime::now())).flatten()
    }

    pub(super) fn recent(&self, id: &str, count: usize) -> Option<Vec<MetricDataPoint>> {
        self.look(id, |metrics| metrics.recent(count))
    }

    pub(super) fn look<T>(&self, id: &str, look: impl FnOnce(&ContainerMetrics) -> T) -> Option<T> {
        let monitored = self.monitored.lock();
        find(&monitored, id).map(|one| look(&one.metrics))
    }
}

impl Drop for MetricsCollector {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
    }
}

/// What points are made of, and nothing else.
fn selection() -> Selection {
    let all = Selection::of_profile(Profile::Minimal);
    all.narrowed(&[Collector::Container, Collector::Cpu, Collector::Memory, Collector::Network], &[])
}

/// Where the engine's numbers come from, once that is decided.
fn source(snapshot: &Snapshot) -> Option<Source> {
    snapshot.agent.engines.first().and_then(|engine| engine.source)
}

/// By full id, by name, or by the beginning of the id, as engines understand it.
fn find<'a>(monitored: &'a HashMap<String, One>, asked: &str) -> Option<&'a One> {
    let by_name = || monitored.values().find(|one| one.name == asked);
    let by_beginning = || {
        let mut meant = monitored.iter().filter(|(id, _)| !asked.is_empty() && id.starts_with(asked));
        meant.next().filter(|_| meant.next().is_none()).map(|(_, one)| one)
    };
    monitored.get(asked).or_else(by_name).or_else(by_beginning)
}

/// Makes a point of each container that is monitored, at every tick.
async fn take(mut samples: Samples, monitored: Arc<Monitored>) {
    loop {
        let snapshot = samples.tick().await;
        monitored.take(&snapshot);
    }
}

impl Monitored {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, One>> {
        // Nothing that is done under this lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, snapshot: &Snapshot) {
        let is_kernel = source(snapshot) == Some(Source::Kernel);
        let mut monitored = self.lock();
        for row in &snapshot.containers {
            let Some(one) = monitored.get_mut(&row.container.id) else { continue };
            // What is not known at the moment, as while the engine is away, was known before.
            if let Some(restarts) = row.values.get(Slot::Restarts) {
                one.metrics.set_restart_count(u32::try_from(restarts).unwrap_or(u32::MAX));
            }
            // An engine's samples are not of the moment of the snapshot, and it tells rates itself.
            let usage = row.values.get(Slot::CpuUsage).filter(|_| is_kernel);
            let own = one.rate.update(snapshot.at, usage);
            if let Some(point) = reading::point(row, snapshot.at, own) {
                one.metrics.add(&point);
            }
        }
    }

    /// Remembers what there is to compare the first point with. Returns whether there is anything.
    fn read_first(&self, snapshot: &Snapshot, id: &str) -> bool {
        let row = snapshot.containers.iter().find(|row| row.container.id == id);
        let usage = row.and_then(|row| row.values.get(Slot::CpuUsage));
        if let (Some(usage), Some(one)) = (usage, self.lock().get_mut(id)) {
            one.rate.update(snapshot.at, Some(usage));
        }
        usage.is_some()
    }
}
