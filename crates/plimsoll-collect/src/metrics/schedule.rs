//! Runs collectors again and again, each at its own interval, and hands what they last told to the sampler's snapshots.
//!
//! Each collector has a task of its own, so one that hangs concerns no other, and none of them concerns the sampler: it
//! finds the last values in its inbox.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt as _};
use plimsoll_model::Snapshot;
use plimsoll_model::custom::{CollectorState, CustomCollector, CustomFamily, is_reserved};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::check::{MAX_OF_ALL, Nonsense};
use super::collector::{Collector, Scope};
use super::error::CollectorError;
use super::labelled::{self, Budget, ByLabels, SCRAPE_LABELS};
use super::output::families;
use crate::inbox::{Change, Inbox};
use crate::{MAX_AGE, Samples, nanos};

/// Collectors begin within this time, each at its own moment, so that they do not all run at once. A hundred and more take all of
/// it, fewer take less.
pub(super) const SPREAD: Duration = Duration::from_secs(1);
pub(super) const MANY: u32 = 100;

/// The shortest time between two reports to the sampler: what many collectors tell at about the same time goes together.
const REPORT_EVERY: Duration = Duration::from_millis(50);

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
    fn is_as(&self, other: &Self) -> bool {
        self.type_name == other.type_name && self.collector.config() == other.collector.config()
    }
}

/// What a change of the schedule did, by names of collectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescheduled {
    /// Those that run from now on.
    pub started: Vec<String>,
    /// Those that do not run any more. One whose configuration changed is here and among the started.
    pub stopped: Vec<String>,
    /// Those that were not touched.
    pub kept: Vec<String>,
}

/// Collectors that run. They end when this is dropped.
#[derive(Debug)]
pub struct Schedule {
    samples: Samples,
    board: Arc<Board>,
    tasks: BTreeMap<String, Task>,
    /// Has containers asked that say so by labels.
    by_labels: Option<(ByLabels, JoinHandle<()>)>,
    reporter: JoinHandle<()>,
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
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<CustomCollector>>> {
        self.collectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, collector: CustomCollector) {
        self.lock().insert(collector.state.name.clone(), Arc::new(collector));
        self.changed.notify_one();
    }

    fn remove(&self, name: &str) {
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

    fn report(&self) -> Change {
        Change::Collectors { collectors: self.lock().values().cloned().collect() }
    }
}

impl Schedule {
    /// A schedule without collectors. Containers are those that `samples` show; reports go to `inbox`. Needs a tokio
    /// runtime.
    #[must_use]
    pub fn new(samples: Samples, inbox: Arc<Inbox>) -> Self {
        let board = Arc::<Board>::default();
        let reporter = tokio::spawn(report(Arc::clone(&board), inbox));
        Self { samples, board, tasks: BTreeMap::new(), by_labels: None, reporter }
    }

    /// Has each running container asked that says so by labels such as `prometheus.io/scrape`, or nobody any more. Each is a
    /// collector of its own, called `container:NAME`; one called `scrape-labels` looks for them.
    pub fn ask_by_labels(&mut self, how: Option<ByLabels>) {
        if self.by_labels.as_ref().map(|(how, _)| *how) == how {
            return;
        }
        if let Some((_, task)) = self.by_labels.take() {
            task.abort();
            self.board.keep_of_type(SCRAPE_LABELS, |_| false);
        }
        self.by_labels = how.map(|how| {
            let follow = labelled::follow(how, self.samples.clone(), Arc::clone(&self.board));
            (how, tokio::spawn(follow))
        });
    }

    /// Runs these collectors, and no others. One that runs already with the same type and configuration goes on as if
    /// nothing had happened, with its health and its values.
    ///
    /// # Errors
    /// If two of them have the same name. Then nothing has changed.
    pub fn replace(&mut self, wanted: Vec<Scheduled>) -> Result<Rescheduled, CollectorError> {
        let mut names = HashSet::new();
        if let Some(twice) = wanted.iter().find(|one| !names.insert(one.collector.name())) {
            return Err(CollectorError::Duplicate { name: twice.collector.name().to_owned() });
        }
        let mut done = Rescheduled::default();
        let goes_on = |name: &str, task: &Task| {
            wanted.iter().any(|one| one.collector.name() == name && one.is_as(&task.scheduled))
        };
        let stopped: Vec<String> = self
            .tasks
            .iter()
            .filter(|(name, task)| !goes_on(name, task))
            .map(|(name, _)| name.clone())
            .collect();
        for name in stopped {
            if let Some(task) = self.tasks.remove(&name) {
                let collector = Arc::clone(&task.scheduled.collector);
                drop(task);
                tokio::spawn(async move { collector.cleanup().await });
            }
            self.board.remove(&name);
            done.stopped.push(name);
        }
        let few = u32::try_from(wanted.len()).unwrap_or(MANY).min(MANY);
        let spread = SPREAD * few / MANY;
        for scheduled in wanted {
            let name = scheduled.collector.name().to_owned();
            if self.tasks.contains_key(&name) {
                done.kept.push(name);
                continue;
            }
            if scheduled.collector.config().enabled {
                scheduled.collector.reserve(is_reserved);
                let state = state(&scheduled, None, 0);
                self.board.put(CustomCollector { state, families: Arc::default() });
                let run = run(scheduled.clone(), None, spread, self.samples.clone(), Arc::clone(&self.board));
                self.tasks.insert(name.clone(), Task { scheduled, handle: tokio::spawn(run) });
                done.started.push(name);
            }
        }
        Ok(done)
    }

    /// Waits until each collector has ended its first collection, but no longer than `patience`. A [fresh](Samples::fresh)
    /// snapshot after that has what they told.
    pub async fn first_round(&self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let is_over = self.board.lock().values().all(|collector| collector.state.success.is_some());
            if is_over || timeout_at(until, sleep(REPORT_EVERY)).await.is_err() {
                // What was told last reaches the sampler with the next report, and a snapshot from before that stays
                // fresh for a while.
                sleep(2 * REPORT_EVERY + MAX_AGE).await;
                return;
            }
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.reporter.abort();
        if let Some((_, task)) = &self.by_labels {
            task.abort();
        }
    }
}

/// Tells the sampler whenever something has changed.
async fn report(board: Arc<Board>, inbox: Arc<Inbox>) {
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
        return match collector.collect_with_error_handling("").await {
            Ok(values) => Some((true, families(values.into_iter().map(|value| (None, value))))),
            Err(CollectorError::Unhealthy { .. }) => None,
            Err(error) => {
                tracing::debug!("{}", error.chain());
                Some((false, Arc::default()))
            }
        };
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
    let (success, mut values) = match collector.collect_with_error_handling("").await {
        Ok(values) => (true, values),
        Err(CollectorError::Unhealthy { .. }) => return None,
        Err(error) => {
            tracing::debug!("{}", error.chain());
            (false, Vec::new())
        }
    };
    let room = about.budget.take(collector.name(), values.len());
    collector.left_out(Nonsense::TooMany, values.len() - room);
    values.truncate(room);
    let told = values.into_iter().map(|value| (Some(Arc::clone(&about.container)), value));
    Some((success, families(told)))
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
