//! The engines that the tests meet, and the containers that they make: removed whatever happens.

use std::path::Path;
use std::time::Duration;

use plimsoll::docker::{ContainerConfig, DockerSupport, MetricsOptions, container_name};
use plimsoll_testkit::docker::{self, try_docker, unique_name};
use plimsoll_testkit::podman::{self, Podman};
use serde_json::Value;

const DOCKER: &str = "/var/run/docker.sock";

/// How long a test waits for what should happen soon, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Points come often, for tests to be short.
pub(crate) const OPTIONS: MetricsOptions =
    MetricsOptions { interval: Duration::from_millis(200), max_data_points: 500 };

/// Ends at once on SIGTERM.
pub(crate) const POLITE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// A real engine, and what is needed to look at it from outside.
pub(crate) enum Engine {
    Docker,
    Podman(Podman),
}

impl Engine {
    /// Both kinds; Docker only where it answers.
    pub(crate) fn all() -> Vec<Self> {
        [Self::docker(), Some(Self::Podman(Podman::start()))].into_iter().flatten().collect()
    }

    pub(crate) fn docker() -> Option<Self> {
        let answers = docker::available() && Path::new(DOCKER).exists();
        answers.then(|| {
            docker::ensure_image();
            Self::Docker
        })
    }

    pub(crate) fn image(&self) -> &'static str {
        match self {
            Self::Docker => docker::IMAGE,
            Self::Podman(_) => podman::IMAGE,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Docker => format!("unix://{DOCKER}"),
            Self::Podman(podman) => format!("unix://{}", podman.socket().display()),
        }
    }

    pub(crate) async fn connect(&self) -> DockerSupport {
        DockerSupport::connect(&self.endpoint(), Some(OPTIONS)).await.unwrap()
    }

    /// Runs its command line.
    #[track_caller]
    pub(crate) fn command(&self, args: &[&str]) -> String {
        match self {
            Self::Docker => docker::docker(args),
            Self::Podman(podman) => podman.expect(args),
        }
    }

    /// What it tells of a container.
    #[track_caller]
    pub(crate) fn inspect(&self, id: &str) -> Value {
        let told: Value = serde_json::from_str(&self.command(&["inspect", id])).unwrap();
        told[0].clone()
    }

    /// A container of a shell that does this.
    pub(crate) fn shell(&self, script: &str) -> ContainerConfig {
        ContainerConfig {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            network: Some("none".to_owned()),
            ..ContainerConfig::new(self.image())
        }
    }
}

/// The ids of a node and a session that no other test has. What was made for them is removed in the end.
pub(crate) struct Ids<'a> {
    engine: &'a Engine,
    pub(crate) node: String,
    pub(crate) session: String,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(engine: &'a Engine, node: &str) -> Self {
        Self { engine, node: node.to_owned(), session: unique_name("session") }
    }

    pub(crate) fn name(&self) -> String {
        container_name(&self.node, &self.session)
    }

    pub(crate) async fn create(&self, docker: &DockerSupport, config: &ContainerConfig) -> String {
        docker.create_container(&self.node, &self.session, config).await.unwrap()
    }

    /// A container that runs and is monitored.
    pub(crate) async fn monitored(&self, docker: &DockerSupport, config: &ContainerConfig) -> String {
        let id = self.create(docker, config).await;
        docker.start_container(&id).await.unwrap();
        docker.start_metrics_collection(&id).await.unwrap();
        id
    }
}

impl Drop for Ids<'_> {
    fn drop(&mut self) {
        // One that is gone is what we want. Podman removes all of its own.
        if matches!(self.engine, Engine::Docker) {
            try_docker(&["rm", "-f", "-v", &self.name()]).ok();
        }
    }
}
