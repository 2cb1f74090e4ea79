//! `DockerSupport`: what a program does with its containers.

use std::time::{Duration, SystemTime};

use plimsoll_engine::lifecycle::ContainerControl;
use plimsoll_engine::{Client, Details, Endpoint, Error as EngineError};
use serde_json::Value;

use super::alert::{Alert, AlertRule};
use super::collector::{DEFAULT_DATA_POINTS, DEFAULT_INTERVAL, MetricsCollector, MetricsOptions};
use super::config::ContainerConfig;
use super::engine::{self, Connected};
use super::error::{DockerError, Result, shown};
use super::names::container_name;
use super::point::{AggregatedMetrics, MetricDataPoint};
use super::policy::PullPolicy;
use crate::environment;

/// The longest id or name of a container that an engine is asked for.
const MAX_ASKED: usize = 256;

/// Starts containers of one engine and follows what they use. See the [module](super) for a whole example.
///
/// Containers are named by what [`create_container`](Self::create_container) gives, or by any other id or name that the
/// engine knows. All calls need a tokio runtime with I/O and time enabled.
///
/// When it is dropped, collection ends: its tasks are aborted and its thread is waited for, which takes no longer than
/// one reading of all containers. Containers go on.
#[derive(Debug)]
pub struct DockerSupport {
    client: Client,
    control: ContainerControl,
    metrics: Option<MetricsCollector>,
}

impl DockerSupport {
    /// Connects to the engine that the `docker` command would talk to, and collects no metrics.
    ///
    /// That is the one of `DOCKER_HOST`, of `DOCKER_CONTEXT` or of the current context. Where these name none, it is the
    /// first that answers in the usual places, with Podman where no Docker does. An engine that is named and does not
    /// answer is an error: no other is taken in its place.
    ///
    /// # Errors
    /// [`DockerError::NoEngine`], [`DockerError::PermissionDenied`].
    pub async fn new() -> Result<Self> {
        Self::made(engine::find(&environment::surroundings()).await?, None)
    }

    /// As [`new`](Self::new), with metrics: a point of each container that is monitored every `collection_interval` (5
    /// seconds if `None`), and the last `max_data_points` of them (1000 if `None`).
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`DockerError::InvalidConfig`] for an interval or a number of points
    /// beyond [`MIN_INTERVAL`](super::MIN_INTERVAL), [`MAX_INTERVAL`](super::MAX_INTERVAL) and
    /// [`MAX_DATA_POINTS`](super::MAX_DATA_POINTS).
    pub async fn new_with_metrics(
        collection_interval: Option<Duration>,
        max_data_points: Option<usize>,
    ) -> Result<Self> {
        let options = MetricsOptions {
            interval: collection_interval.unwrap_or(DEFAULT_INTERVAL),
            max_data_points: max_data_points.unwrap_or(DEFAULT_DATA_POINTS),
        };
        let options = options.check()?;
        Self::made(engine::find(&environment::surroundings()).await?, Some(options))
    }

    /// Connects to the engine at this address (`unix:///run/podman/podman.sock`, `tcp://host:port`, `ssh://user@host`),
    /// whatever the environment says; with metrics if there are options for them.
    ///
    /// ```no_run
    /// use plimsoll::docker::{DockerSupport, MetricsOptions};
    ///
    /// # async fn run() -> Result<(), plimsoll::docker::DockerError> {
    /// let podman = DockerSupport::connect("unix:///run/podman/podman.sock", Some(MetricsOptions::default())).await?;
    /// assert!(podman.is_metrics_enabled());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`new_with_metrics`](Self::new_with_metrics), and [`DockerError::InvalidConfig`] for what is no address.
    pub async fn connect(endpoint: &str, metrics: Option<MetricsOptions>) -> Result<Self> {
        let options = metrics.map(MetricsOptions::check).transpose()?;
        let parsed = endpoint.parse::<Endpoint>();
        let endpoint = parsed.map_err(|error| DockerError::invalid("endpoint", error.to_string()))?;
        Self::made(engine::connect(endpoint).await?, options)
    }

    fn made(connected: Connected, options: Option<MetricsOptions>) -> Result<Self> {
        let Connected { client, flavour } = connected;
        let start = |options| MetricsCollector::start(client.endpoint().clone(), flavour, options);
        let metrics = options.map(start).transpose()?;
        Ok(Self { control: ContainerControl::new(client.clone()), client, metrics })
    }

    /// Where the engine is, as an address that [`connect`](Self::connect) understands.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.client.endpoint().to_string()
    }

    /// Creates a container for a node and a session and gives its id. It does not run yet.
    ///
    /// Its name is [`container_name`]`(node_id, session_id)`; the ids, as they are, are its labels
    /// [`NODE_LABEL`](super::NODE_LABEL) and [`SESSION_LABEL`](super::SESSION_LABEL). The image is pulled as the
    /// [`PullPolicy`] says, which may take as long as the registry does.
    ///
    /// # Errors
    /// [`DockerError::InvalidConfig`], [`DockerError::ImageNotFound`], [`DockerError::PullFailed`],
    /// [`DockerError::NameInUse`], and those of the engine.
    pub async fn create_container(
        &self,
        node_id: &str,
        session_id: &str,
        config: &ContainerConfig,
    ) -> Result<String> {
        let spec = config.spec(node_id, session_id)?;
        let name = container_name(node_id, session_id);
        match config.pull_policy {
            PullPolicy::Always => self.pull(config).await?,
            PullPolicy::IfNotPresent if !self.has_image(config).await? => self.pull(config).await?,
            PullPolicy::IfNotPresent | PullPolicy::Never => {}
        }
        match self.control.create(&name, &spec).await {
            Ok(created) => {
                for warning in &created.warnings {
                    tracing::warn!("creating container {name}: {}", shown(warning));
                }
                Ok(created.id)
            }
            Err(error) => Err(self.why_not_created(config, name, error).await),
        }
    }

    /// Starts a container. One that runs already is as it should be.
    ///
    /// # Errors
    /// [`DockerError::NoSuchContainer`], and those of the engine, such as that there is no such network or command.
    pub async fn start_container(&self, container_id: &str) -> Result<()> {
        const DOING: &str = "starting container";
        let id = checked(DOING, container_id)?;
        match self.control.start(id).await {
            Ok(()) => Ok(()),
            // It may as well be a network or a program that is not found.
            Err(error) => {
                self.state(DOING, id).await?;
                Err(DockerError::engine(about(DOING, id), error))
            }
        }
    }

    /// Asks a container to end (`SIGTERM`), ends it by force after `timeout` (rounded up to seconds, an hour at most), and
    /// returns when it has ended. One that does not run is as it should be. Its metrics stay.
    ///
    /// # Errors
    /// [`DockerError::NoSuchContainer`], and those of the engine.
    pub async fn stop_container(&self, container_id: &str, timeout: Duration) -> Result<()> {
        const DOING: &str = "stopping container";
        let id = checked(DOING, container_id)?;
        self.control.stop(id, timeout).await.map_err(|error| told(DOING, id, error))
    }

    /// Removes a container, with the anonymous volumes that were made for it and with its metrics; with `force` also one
    /// that runs.
    ///
    /// # Errors
    /// [`DockerError::NoSuchContainer`], [`DockerError::RunningNotForced`], and those of the engine.
    pub async fn remove_container(&self, container_id: &str, force: bool) -> Result<()> {
        const DOING: &str = "removing container";
        let id = checked(DOING, container_id)?;
        match self.control.remove(id, force).await {
            Ok(()) => {
                if let Some(metrics) = &self.metrics {
                    metrics.remove(id);
                }
                Ok(())
            }
            Err(error) if error.is_not_found() || force => Err(told(DOING, id, error)),
            Err(error) => {
                let state = self.state(DOING, id).await?.status;
                if ["running", "paused", "restarting"].contains(&&*state) {
                    return Err(DockerError::RunningNotForced { id: shown(id), state });
                }
                Err(told(DOING, id, error))
            }
        }
    }

    /// Whether a container runs. One that is paused does, too; one that its restart policy is about to start does not.
    ///
    /// # Errors
    /// [`DockerError::NoSuchContainer`], and those of the engine.
    pub async fn is_container_running(&self, container_id: &str) -> Result<bool> {
        const DOING: &str = "asking for container";
        let details = self.state(DOING, checked(DOING, container_id)?).await?;
        Ok(matches!(&*details.status, "running" | "paused"))
    }

    /// Whether metrics can be collected: whether this was made by [`new_with_metrics`](Self::new_with_metrics), or by
    /// [`connect`](Self::connect) with options for them.
    #[must_use]
    pub fn is_metrics_enabled(&self) -> bool {
        self.metrics.is_some()
    }

    /// What collects the metrics, if they are enabled.
    #[must_use]
    pub fn metrics_collector(&self) -> Option<&MetricsCollector> {
        self.metrics.as_ref()
    }

    /// Starts to collect the metrics of a container, every interval until it is told to stop. A container that ends has
    /// no new points until it runs again. One that is monitored already keeps its points.
    ///
    /// It waits for a first reading, which takes a fraction of a second, two at most.
    ///
    /// # Errors
    /// [`DockerError::MetricsDisabled`], [`DockerError::NoSuchContainer`], [`DockerError::NotRunning`],
    /// [`DockerError::TooManyMonitored`], and those of the engine.
    pub async fn start_metrics_collection(&self, container_id: &str) -> Result<()> {
        const DOING: &str = "collecting metrics of container";
        let metrics = self.metrics(DOING, container_id)?;
        let details = self.state(DOING, checked(DOING, container_id)?).await?;
        match &*details.status {
            "running" | "paused" | "restarting" => metrics.add(&details.id, &details.name).await,
            _ => {
                Err(DockerError::NotRunning { doing: DOING, id: shown(container_id), state: details.status })
            }
        }
    }

    /// Ends the collection of a container's metrics, and forgets what was collected.
    ///
    /// # Errors
    /// [`DockerError::MetricsDisabled`], [`DockerError::NotMonitored`].
    pub async fn stop_metrics_collection(&self, container_id: &str) -> Result<()> {
        let metrics = self.metrics("stopping to collect metrics of container", container_id)?;
        let was_monitored = metrics.remove(container_id);
        was_monitored.then_some(()).ok_or_else(|| DockerError::NotMonitored { id: shown(container_id) })
    }

    /// The full ids of the containers whose metrics are collected, sorted.
    pub async fn get_monitored_containers(&self) -> Vec<String> {
        self.metrics.as_ref().map(MetricsCollector::monitored).unwrap_or_default()
    }

    /// What a container used in the last `duration`; `None` if it is not monitored, or there is no point of that time.
    pub async fn get_container_metrics(
        &self,
        container_id: &str,
        duration: Duration,
    ) -> Option<AggregatedMetrics> {
        self.metrics.as_ref()?.aggregate(container_id, duration)
    }

    /// As [`get_container_metrics`](Self::get_container_metrics), of the last so many minutes.
    pub async fn get_container_metrics_last_minutes(
        &self,
        container_id: &str,
        minutes: u64,
    ) -> Option<AggregatedMetrics> {
        self.get_container_metrics(container_id, Duration::from_secs(minutes.saturating_mul(60))).await
    }

    /// The last `count` points of a container, the oldest of them first; none if it is not monitored.
    pub async fn get_recent_metric_points(&self, container_id: &str, count: usize) -> Vec<MetricDataPoint> {
        let points = self.metrics.as_ref().and_then(|metrics| metrics.recent(container_id, count));
        points.unwrap_or_default()
    }

    /// A container's metrics as JSON: the last 100 points, the summaries of 5, 15 and 60 minutes, uptime and restart
    /// count; `None` if it is not monitored. See [`ContainerMetrics::to_json`](super::ContainerMetrics::to_json).
    pub async fn export_container_metrics_json(&self, container_id: &str) -> Option<Value> {
        self.metrics.as_ref()?.look(container_id, |metrics| metrics.to_json(SystemTime::now()))
    }

    /// Which of the [built-in rules](AlertRule::built_in) hold for a container in the last `duration`; `None` if it is not
    /// monitored. Without a point of that time, restarts are all there is to judge.
    pub async fn alerts(&self, container_id: &str, duration: Duration) -> Option<Vec<Alert>> {
        self.metrics.as_ref()?.look(container_id, |metrics| {
            let aggregated = metrics.aggregate(duration, SystemTime::now());
            let judge = |rule: &AlertRule| match &aggregated {
                Some(aggregated) => rule.evaluate(aggregated),
                None => rule.of_restarts(metrics.restart_count()),
            };
            AlertRule::built_in().iter().filter_map(judge).collect()
        })
    }

    fn metrics(&self, doing: &'static str, id: &str) -> Result<&MetricsCollector> {
        self.metrics.as_ref().ok_or_else(|| DockerError::MetricsDisabled { doing, id: shown(id) })
    }

    async fn state(&self, doing: &'static str, id: &str) -> Result<Details> {
        self.client.inspect(id).await.map_err(|error| told(doing, id, error))
    }

    async fn has_image(&self, config: &ContainerConfig) -> Result<bool> {
        match self.client.image(&config.image).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => {
                Err(DockerError::engine(format!("asking for image {}", shown(&config.image)), error))
            }
        }
    }

    async fn pull(&self, config: &ContainerConfig) -> Result<()> {
        let pulled = match self.control.pull(&config.image).await {
            Ok(pull) => pull.finish().await,
            Err(error) => Err(error),
        };
        pulled.map_err(|error| not_pulled(config, error))
    }

    /// Engines use the same status for several things, so they are asked which of them it is.
    async fn why_not_created(
        &self,
        config: &ContainerConfig,
        name: String,
        error: EngineError,
    ) -> DockerError {
        let doing = format!("creating container {name}");
        if matches!(error, EngineError::Status { .. }) {
            if matches!(self.has_image(config).await, Ok(false)) {
                let (image, policy) = (shown(&config.image), config.pull_policy);
                return DockerError::ImageNotFound { image, policy, said: None };
            }
            if self.client.inspect(&name).await.is_ok() {
                return DockerError::NameInUse { name };
            }
        }
        DockerError::engine(doing, error)
    }
}

/// Whether the registry was asked and has no such image, or could not be asked.
fn not_pulled(config: &ContainerConfig, error: EngineError) -> DockerError {
    let (image, policy) = (shown(&config.image), config.pull_policy);
    let said = match &error {
        EngineError::Status { message, .. } | EngineError::Pull { message, .. } => message.clone(),
        _ => return DockerError::engine(format!("pulling {image}"), error),
    };
    // Podman says everything with the same status, and registries have no other words for it.
    let words =
        ["not found", "manifest unknown", "name unknown", "does not exist", "access denied", "unauthorized"];
    let lower = said.to_ascii_lowercase();
    if error.is_not_found() || words.iter().any(|word| lower.contains(word)) {
        DockerError::ImageNotFound { image, policy, said: Some(said) }
    } else {
        DockerError::PullFailed { image, policy, source: Box::new(error) }
    }
}

/// An id or name as engines have them. Any other could mean another path of their API.
fn checked<'a>(doing: &'static str, id: &'a str) -> Result<&'a str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_good = id.len() <= MAX_ASKED
        && id.bytes().all(good)
        && id.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if is_good { Ok(id) } else { Err(DockerError::NoSuchContainer { doing, id: shown(id) }) }
}

fn told(doing: &'static str, id: &str, error: EngineError) -> DockerError {
    if error.is_not_found() {
        return DockerError::NoSuchContainer { doing, id: shown(id) };
    }
    DockerError::engine(about(doing, id), error)
}

fn about(doing: &str, id: &str) -> String {
    format!("{doing} {}", shown(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs share it among tasks, and do all of this in tasks of their own.
    #[allow(dead_code, reason = "that it compiles is the test")]
    fn everything_can_go_to_another_thread(docker: &'static DockerSupport, config: &'static ContainerConfig) {
        fn send<T: Send>(_: T) {}
        fn share<T: Send + Sync>(_: &T) {}
        share(docker);
        send(DockerSupport::new_with_metrics(None, None));
        send(docker.create_container("", "", config));
        send(docker.start_container(""));
        send(docker.stop_container("", Duration::ZERO));
        send(docker.remove_container("", true));
        send(docker.is_container_running(""));
        send(docker.start_metrics_collection(""));
        send(docker.stop_metrics_collection(""));
        send(docker.get_container_metrics("", Duration::ZERO));
        send(docker.get_recent_metric_points("", 1));
        send(docker.export_container_metrics_json(""));
        send(docker.alerts("", Duration::ZERO));
        share(&DockerError::NotMonitored { id: String::new() });
    }

    #[test]
    fn ids_that_could_mean_another_path_are_nobodys() {
        for good in ["a", "0f", "web-1_x.y", "A"] {
            assert_eq!(checked("asking for", good).ok(), Some(good));
        }
        for bad in ["", ".", "..", "-a", "_a", "a/b", "a?b", "a b", "ä", "a\0", &"a".repeat(MAX_ASKED + 1)] {
            assert!(checked("asking for", bad).is_err(), "{bad}");
        }
    }
}
