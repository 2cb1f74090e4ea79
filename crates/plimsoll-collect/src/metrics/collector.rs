//! A collector with what keeps it from hurting others: its time, its retries, its health, and a look at what it says.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use plimsoll_model::text::{MAX_TEXT, bounded};
use tokio::time::{Instant, sleep, timeout};

use super::check::{Check, LeftOut, MAX_REMEMBERED, Nonsense};
use super::config::CollectorConfig;
use super::error::{CollectorError, Reason};
use super::health::{Health, retry_wait};
use super::value::{MetricType, MetricValue};
use super::work::{
    Blocking, Collected, ContainerMetricsCollector, OfContainer, OfSystem, StillRunning,
    SystemMetricsCollector, Work,
};
use crate::jitter::chance;

/// What a collector is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One container after the other.
    Container,
    /// The machine, or anything else there is one of.
    System,
}

/// How a collector does.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorStatus {
    /// Whether it works. After three collections in a row that failed, with all their attempts and for whatever container, it
    /// does not, and is tried seldom until one succeeds.
    pub is_healthy: bool,
    /// What went wrong the last time that anything did, in one line.
    pub last_error: Option<String>,
    /// Attempts that failed so far.
    pub error_count: u64,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Attempts so far.
    pub runs: u64,
    /// Attempts that failed, by why.
    pub failures: [(Reason, u64); 3],
    /// Values that were left out, by why.
    pub left_out: [(Nonsense, u64); 7],
    /// Containers of which nothing can be collected, and which are tried seldom until something can.
    pub unhealthy_containers: usize,
    /// When it last succeeded.
    pub last_success: Option<SystemTime>,
    /// How long its last attempt took.
    pub last_duration: Option<Duration>,
    /// How many values its last success had.
    pub values: usize,
}

/// A collector: what somebody wrote, run so that it can hurt nobody.
///
/// It has a time to end in, is tried again with growing waits when it fails, rests when it keeps failing, may panic, and
/// what is nonsense among its values is left out and counted. None of that is known to what it wraps, a
/// [`ContainerMetricsCollector`] or a [`SystemMetricsCollector`].
///
/// ```
/// use plimsoll_collect::metrics::{Collected, Collector, CollectorConfig, MetricValue, SystemMetricsCollector};
///
/// struct Answer;
///
/// impl SystemMetricsCollector for Answer {
///     async fn collect_system_metrics(&self) -> Collected {
///         Ok(vec![MetricValue::new("answer", 42.0), MetricValue::new("question", f64::NAN)])
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let collector = Collector::of_system(CollectorConfig::new("answer"), Answer)?;
/// let values = collector.collect_with_error_handling("").await?;
/// assert_eq!(values.len(), 1, "what is no number is left out");
/// assert!(collector.get_status().is_healthy);
/// # Ok(())
/// # }
/// ```
pub struct Collector {
    config: CollectorConfig,
    scope: Scope,
    work: Box<dyn Work>,
    /// Whether it is ready to collect.
    ready: AtomicBool,
    /// Held by who gets it ready, or cleans up.
    preparing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("name", &self.config.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// Collections in a row that failed, of whatever subject.
    overall: Health,
    /// Those subjects whose last collection failed.
    failing: HashMap<String, Health>,
    check: Check,
    last_error: Option<String>,
    runs: u64,
    failures: [u64; Reason::ALL.len()],
    left_out: LeftOut,
    last_success: Option<SystemTime>,
    last_duration: Option<Duration>,
    values: usize,
}

impl Collector {
    /// A collector that is asked about each container.
    ///
    /// # Errors
    /// If it cannot be run with this configuration.
    pub fn of_container(
        config: CollectorConfig,
        collector: impl ContainerMetricsCollector,
    ) -> Result<Self, CollectorError> {
        Self::new(config, Scope::Container, Box::new(OfContainer(collector)))
    }

    /// A collector that is asked about no container.
    ///
    /// # Errors
    /// If it cannot be run with this configuration.
    pub fn of_system(
        config: CollectorConfig,
        collector: impl SystemMetricsCollector,
    ) -> Result<Self, CollectorError> {
        Self::new(config, Scope::System, Box::new(OfSystem(collector)))
    }

    /// A collector that is asked about no container, and blocks: it runs on a thread of its own. If it hangs for ever, it
    /// keeps that one thread, and is not run again.
    ///
    /// # Errors
    /// If it cannot be run with this configuration.
    pub fn blocking(
        config: CollectorConfig,
        collect: impl Fn() -> Collected + Send + Sync + 'static,
    ) -> Result<Self, CollectorError> {
        Self::of_system(config, Blocking::new(collect))
    }

    fn new(config: CollectorConfig, scope: Scope, work: Box<dyn Work>) -> Result<Self, CollectorError> {
        config.check().map_err(|source| CollectorError::Config { collector: config.name.clone(), source })?;
        Ok(Self {
            config,
            scope,
            work,
            ready: AtomicBool::new(false),
            preparing: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        })
    }

    /// The same collector of the machine under a name that no configuration can give.
    pub(crate) fn renamed(mut self, name: String) -> Self {
        self.config.name = name;
        self
    }

    /// Leaves out values whose names are somebody else's.
    pub(crate) fn reserve(&self, is_reserved: fn(&str) -> bool) {
        self.state().check.reserve(is_reserved);
    }

    /// How it is run.
    #[must_use]
    pub fn config(&self) -> &CollectorConfig {
        &self.config
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What it is asked about.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// What its metrics are about.
    #[must_use]
    pub fn get_metric_types(&self) -> Vec<MetricType> {
        self.work.types()
    }

    /// Gets it ready, unless it is. A collection does the same, so this is for who wants to know at once.
    ///
    /// # Errors
    /// If it could not get ready in time, or said why it cannot.
    pub async fn initialize(&self) -> Result<(), CollectorError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let after = self.config.timeout;
        let Ok(_preparing) = timeout(after, self.preparing.lock()).await else {
            return Err(CollectorError::Timeout { collector: self.config.name.clone(), after });
        };
        if !self.ready.load(Ordering::Acquire) {
            self.guarded(async { self.work.initialize().await }).await?;
            self.ready.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Collects what there is of this container; collectors of the machine do not look at it.
    ///
    /// An attempt that fails is made again, after a wait that doubles, as often as the configuration says and the
    /// interval has time for. After three such collections of a container in a row that failed, there is one attempt at a time,
    /// with minutes in between, until it succeeds.
    ///
    /// # Errors
    /// What went wrong in the last attempt; that it is not enabled, or not to be tried yet.
    pub async fn collect_with_error_handling(
        &self,
        container_id: &str,
    ) -> Result<Vec<MetricValue>, CollectorError> {
        let name = || self.config.name.clone();
        if !self.config.enabled {
            return Err(CollectorError::Disabled { collector: name() });
        }
        let subject = if self.scope == Scope::System { "" } else { container_id };
        let began = Instant::now();
        let attempts = match self.begin(subject, began) {
            Ok(true) => 1 + self.config.retry_attempts,
            Ok(false) => 1,
            Err(retry_in) => return Err(CollectorError::Unhealthy { collector: name(), retry_in }),
        };
        let mut attempt = 1;
        let error = loop {
            match self.attempt(subject).await {
                Ok(values) => return Ok(self.succeeded(subject, values)),
                Err(error @ CollectorError::NoSuchContainer { .. }) => {
                    self.state().failing.remove(subject);
                    return Err(error);
                }
                Err(error) => {
                    if attempt >= attempts {
                        break error;
                    }
                    let wait = retry_wait(self.config.retry_delay, attempt, chance());
                    if began.elapsed() + wait >= self.config.collection_interval {
                        break error;
                    }
                    tracing::debug!("{}; tried again in {wait:.1?}", error.chain());
                    sleep(wait).await;
                    attempt += 1;
                }
            }
        };
        self.failed(subject);
        Err(error)
    }

    /// Gives back what it holds. It can be used again afterwards. Errors of cleaning up have no consequences, so they go to
    /// the log.
    pub async fn cleanup(&self) {
        let _preparing = self.preparing.lock().await;
        if !self.ready.swap(false, Ordering::AcqRel) {
            return;
        }
        let cleaned = self.guarded(async {
            self.work.cleanup().await;
            Ok(())
        });
        if let Err(error) = cleaned.await {
            tracing::warn!("cleaning up: {}", error.chain());
        }
    }

    /// How it does.
    #[must_use]
    pub fn get_status(&self) -> CollectorStatus {
        let state = self.state();
        CollectorStatus {
            is_healthy: state.overall.is_healthy(),
            last_error: state.last_error.clone(),
            error_count: state.failures.iter().sum(),
            enabled: self.config.enabled,
            runs: state.runs,
            failures: std::array::from_fn(|n| (Reason::ALL[n], state.failures[n])),
            left_out: std::array::from_fn(|n| (Nonsense::ALL[n], state.left_out[n])),
            unhealthy_containers: match self.scope {
                Scope::Container => state.failing.values().filter(|health| !health.is_healthy()).count(),
                Scope::System => 0,
            },
            last_success: state.last_success,
            last_duration: state.last_duration,
            values: state.values,
        }
    }

    /// Counts values that were left out after they had been looked at.
    pub(crate) fn left_out(&self, nonsense: Nonsense, count: usize) {
        self.state().left_out[nonsense as usize] += count as u64;
    }

    /// Forgets containers that are gone.
    pub(crate) fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        let mut state = self.state();
        state.failing.retain(|subject, _| is_kept(subject));
        state.check.keep_only(is_kept);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the subject may be collected now, and if so, whether it is healthy.
    fn begin(&self, subject: &str, now: Instant) -> Result<bool, Duration> {
        let mut state = self.state();
        let Some(health) = state.failing.get_mut(subject) else { return Ok(true) };
        match health.rests(now) {
            Some(rest) => Err(rest),
            None => {
                health.probing(now, self.config.timeout);
                Ok(health.is_healthy())
            }
        }
    }

    async fn attempt(&self, subject: &str) -> Result<Vec<MetricValue>, CollectorError> {
        let began = Instant::now();
        let outcome = async {
            self.initialize().await?;
            self.guarded(async { self.work.collect(subject).await }).await
        }
        .await;
        let mut state = self.state();
        let is_a_run = !matches!(outcome, Err(CollectorError::NoSuchContainer { .. }));
        state.runs += u64::from(is_a_run);
        state.last_duration = Some(began.elapsed());
        if let Err(error) = &outcome
            && let Some(reason) = error.reason()
        {
            state.failures[reason as usize] += 1;
            let text = error.chain();
            state.last_error = Some(bounded(&text, MAX_TEXT).to_owned());
        }
        outcome
    }

    /// Runs something of the collector's own, which may hang and panic.
    async fn guarded<T>(
        &self,
        run: impl Future<Output = Result<T, super::BoxError>>,
    ) -> Result<T, CollectorError> {
        let collector = || self.config.name.clone();
        let after = self.config.timeout;
        match timeout(after, AssertUnwindSafe(run).catch_unwind()).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(source))) => Err(match source.downcast::<CollectorError>() {
                Ok(error) => *error,
                Err(source) if source.is::<StillRunning>() => CollectorError::Busy { collector: collector() },
                Err(source) => CollectorError::Failed { collector: collector(), source },
            }),
            Ok(Err(panic)) => {
                Err(CollectorError::Panicked { collector: collector(), message: said(&*panic) })
            }
            Err(_) => Err(CollectorError::Timeout { collector: collector(), after }),
        }
    }

    fn succeeded(&self, subject: &str, mut values: Vec<MetricValue>) -> Vec<MetricValue> {
        for value in &mut values {
            for (name, text) in &self.config.custom_labels {
                value.labels.entry(name.clone().into()).or_insert_with(|| text.clone());
            }
            if self.scope == Scope::Container {
                value.labels.entry("container_id".into()).or_insert_with(|| subject.to_owned());
            }
        }
        let mut state = self.state();
        let left_out = state.check.clean(subject, &mut values);
        if left_out.iter().any(|count| *count > 0) {
            self.mention(&left_out, &state.left_out);
            state.left_out.iter_mut().zip(left_out).for_each(|(all, more)| *all += more);
        }
        let was_healthy = state.overall.is_healthy();
        state.overall = Health::default();
        state.failing.remove(subject);
        state.last_success = Some(SystemTime::now());
        state.values = values.len();
        if !was_healthy {
            tracing::info!("the collector {:?} works again", self.config.name);
        }
        values
    }

    fn failed(&self, subject: &str) {
        let (now, chance) = (Instant::now(), chance());
        let mut state = self.state();
        let was_healthy = state.overall.is_healthy();
        state.overall.failed(now, self.config.collection_interval, chance);
        if state.failing.len() < MAX_REMEMBERED || state.failing.contains_key(subject) {
            let health = state.failing.entry(subject.to_owned()).or_default();
            health.failed(now, self.config.collection_interval, chance);
        }
        if was_healthy && !state.overall.is_healthy() {
            let error = state.last_error.as_deref().unwrap_or_default();
            tracing::warn!(
                "the collector {:?} keeps failing and is tried seldom from now on: {error}",
                self.config.name
            );
        }
    }

    /// Says of each kind of nonsense once that there is some.
    fn mention(&self, now: &LeftOut, before: &LeftOut) {
        for (nonsense, _) in Nonsense::ALL
            .iter()
            .zip(now.iter().zip(before))
            .filter(|(_, (now, before))| **now > 0 && **before == 0)
        {
            tracing::warn!(
                "values of the collector {:?} are left out: {}; from now on they are only counted",
                self.config.name,
                nonsense.word()
            );
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    bounded(text.unwrap_or("something that is no text"), MAX_TEXT).to_owned()
}
