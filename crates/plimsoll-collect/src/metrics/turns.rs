//! A collector's turns: when each one collects, what it told last, and what is told of it to the sampler.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt as _};
use plimsoll_model::Snapshot;
use plimsoll_model::custom::{CollectorState, CustomCollector, CustomFamily};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::check::{MAX_OF_ALL, Nonsense};
use super::collector::{Collector, Scope};
use super::error::CollectorError;
use super::output::families;
use super::value::MetricValue;
use crate::inbox::{Change, Inbox};
use crate::{Samples, nanos};

/// Collectors begin within this time, each at its own moment, so that they do not all run at once. A hundred and more take all of
/// it, fewer take less.
pub(super) const SPREAD: Duration = Duration::from_secs(1);
pub(super) const MANY: u32 = 100;

/// The shortest time between two reports to the sampler: what many collectors tell at about the same time goes together.
pub(super) const REPORT_EVERY: Duration = Duration::from_millis(50);

/// How long a collector of containers waits for the engines' first answers.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Of how many containers one collector collects at the same time.
const AT_ONCE: usize = 16;

/// A collector to run, and the name of its type.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The type's name.
    pub type_name: String,
    /// The collector.
    pub collector: Arc<Collector>,
}

impl Scheduled {
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.type_name == other.type_name && self.collector.config() == other.collector.config()
    }
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) scheduled: Scheduled,
    pub(super) handle: JoinHandle<()>,
}

/// The one container that a collector of the machine is about, and what it shares with others of its kind.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) container: Arc<str>,
    /// So many collect at the same time.
    pub(super) turns: Arc<Semaphore>,
    pub(super) budget: Arc<Budget>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// What each collector last told.
#[derive(Debug, Default)]
pub(super) struct Board {
    collectors: Mutex<BTreeMap<String, Arc<CustomCollector>>>,
    changed: Notify,
}

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<CustomCollector>>> {
        self.collectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, collector: CustomCollector) {
        self.lock().insert(collector.state.name.clone(), Arc::new(collector));
        self.changed.notify_one();
    }

    pub(super) fn remove(&self, name: &str) {
        self.lock().remove(name);
        self.changed.notify_one();
    }

    /// Removes those of a type that are not to be kept.
    pub(super) fn keep_of_type(&self, type_name: &str, is_kept: impl Fn(&str) -> bool) {
        let mut collectors = self.lock();
        let before = collectors.len();
        collectors.retain(|name, collector| collector.state.type_name != type_name || is_kept(name));
        if collectors.len() < before {
            self.changed.notify_one();
        }
    }

    pub(super) fn report(&self) -> Change {
        Change::Collectors { collectors: self.lock().values().cloned().collect() }
    }
}

/// Tells the sampler whenever something has changed.
pub(super) async fn report(board: Arc<Board>, inbox: Arc<Inbox>) {
    loop {
        board.changed.notified().await;
        inbox.put_patiently(board.report()).await;
        sleep(REPORT_EVERY).await;
    }
}

/// Runs one collector for as long as it is let. `about` is the container that it is about, if it is about one.
pub(super) async fn run(
    scheduled: Scheduled,
    about: Option<About>,
    spread: Duration,
    samples: Samples,
    board: Arc<Board>,
) {
    let interval = scheduled.collector.config().collection_interval;
    let mut skipped = 0;
    if scheduled.collector.scope() == Scope::Container {
        // Before the engines have told, there is nothing to collect from, and the next time may be hours away.
        let _ = timeout(FIRST_LOOK, samples.ready()).await;
    }
    let mut due = Instant::now() + moment(scheduled.collector.name(), interval.min(spread));
    loop {
        sleep_until(due).await;
        let collected = match &about {
            Some(about) => collect_about(&scheduled.collector, about).await,
            None => collect(&scheduled.collector, &samples).await,
        };
        if let Some((success, families)) = collected {
            let state = state(&scheduled, Some(success), skipped);
            board.put(CustomCollector { state, families });
        }
        due += interval;
        let now = Instant::now();
        if now > due {
            let missed = now.duration_since(due).as_nanos() / interval.as_nanos().max(1) + 1;
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            skipped += u64::from(missed);
            due = due.checked_add(interval * missed).unwrap_or(now + interval);
        }
    }
}

/// Collects once. Nothing where it was not to be tried.
async fn collect(collector: &Collector, samples: &Samples) -> Option<(bool, Arc<[CustomFamily]>)> {
    if collector.scope() == Scope::System {
        let (success, values) = attempt(collector).await?;
        return Some((success, families(values.into_iter().map(|value| (None, value)))));
    }
    let running = running(&samples.latest());
    let alive: HashSet<&str> = running.iter().map(|id| &**id).collect();
    collector.keep_only(|id| alive.contains(id));
    // Collected first: a stream that borrows its closure cannot be sent to another thread.
    let outcomes: Vec<_> = running
        .iter()
        .enumerate()
        .map(|(place, id)| async move { (place, id, collector.collect_with_error_handling(id).await) })
        .collect();
    // Whoever is done makes room for the next: one that hangs holds up none that comes after it.
    let mut outcomes = stream::iter(outcomes).buffer_unordered(AT_ONCE);
    let mut success = true;
    let mut told = Vec::new();
    while let Some((place, id, outcome)) = outcomes.next().await {
        match outcome {
            Ok(mut values) => {
                let room = MAX_OF_ALL - told.len();
                collector.left_out(Nonsense::TooMany, values.len().saturating_sub(room));
                values.truncate(room);
                told.extend(values.into_iter().map(|value| (place, Some(Arc::clone(id)), value)));
            }
            Err(CollectorError::NoSuchContainer { .. }) => {}
            Err(error) => {
                tracing::debug!("{}", error.chain());
                success = false;
            }
        }
    }
    told.sort_by_key(|(place, ..)| *place);
    Some((success, families(told.into_iter().map(|(_, id, value)| (id, value)))))
}

/// Collects once what is about one container. It waits for its turn first, outside of the time that it has.
async fn collect_about(collector: &Collector, about: &About) -> Option<(bool, Arc<[CustomFamily]>)> {
    let _turn = about.turns.acquire().await;
    let (success, mut values) = attempt(collector).await?;
    let room = about.budget.take(collector.name(), values.len());
    collector.left_out(Nonsense::TooMany, values.len() - room);
    values.truncate(room);
    let told = values.into_iter().map(|value| (Some(Arc::clone(&about.container)), value));
    Some((success, families(told)))
}

/// What a collector of the machine tells, and whether it could; nothing where it was not to be tried.
async fn attempt(collector: &Collector) -> Option<(bool, Vec<MetricValue>)> {
    match collector.collect_with_error_handling("").await {
        Ok(values) => Some((true, values)),
        Err(CollectorError::Unhealthy { .. }) => None,
        Err(error) => {
            tracing::debug!("{}", error.chain());
            Some((false, Vec::new()))
        }
    }
}

/// The ids of the containers that run.
fn running(snapshot: &Snapshot) -> Vec<Arc<str>> {
    let running = snapshot.containers.iter().filter(|row| row.container.state.may_have_processes());
    running.map(|row| Arc::from(&*row.container.id)).collect()
}

pub(super) fn state(scheduled: &Scheduled, success: Option<bool>, skipped: u64) -> CollectorState {
    let collector = &scheduled.collector;
    let (config, status) = (collector.config(), collector.get_status());
    let last_success = status.last_success.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    CollectorState {
        name: collector.name().to_owned(),
        type_name: scheduled.type_name.clone(),
        healthy: status.is_healthy,
        success,
        duration: status.last_duration.map(nanos),
        interval: nanos(config.collection_interval),
        timeout: nanos(config.timeout),
        runs: status.runs,
        failures: status.failures.iter().map(|(reason, count)| (reason.word(), *count)).collect(),
        left_out: status.left_out.iter().map(|(nonsense, count)| (nonsense.word(), *count)).collect(),
        skipped,
        // The agent's own hand their numbers over as the catalog has them.
        values: plimsoll_model::Collector::by_name(collector.name())
            .is_none()
            .then_some(status.values as u64),
        last_success: last_success.map(nanos),
        last_error: status.last_error.unwrap_or_default(),
        unhealthy_containers: status.unhealthy_containers as u64,
    }
}

/// A time below `spread` that follows from the name.
fn moment(name: &str, spread: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    Duration::from_nanos(hasher.finish() % nanos(spread).max(1))
}

/// How many values the containers have all together, which is bounded.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<HashMap<String, usize>>);

impl Budget {
    /// How many of so many values this one may have.
    pub(super) fn take(&self, name: &str, wanted: usize) -> usize {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(name);
        let others: usize = held.values().sum();
        let room = wanted.min(MAX_OF_ALL.saturating_sub(others));
        held.insert(name.to_owned(), room);
        room
    }

    pub(super) fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_kept(name));
    }
}
