//! What a container is to be like.

use std::collections::BTreeMap;

use plimsoll_engine::lifecycle::{ContainerSpec, HostSpec, MountSpec, RestartSpec};

use super::error::{DockerError, Result, shown};
use super::names::{NODE_LABEL, SESSION_LABEL};
use super::policy::PullPolicy;

/// The longest id of a node or a session, in bytes. Both become labels, which engines repeat in every event.
pub const MAX_ID: usize = 16 * 1024;

const NANO: f64 = 1e9;

/// The most cores that make sense, to keep the arithmetic exact.
const MAX_CPUS: f64 = 1e6;

/// What a container is to be like. What is left out is up to the image and the engine.
///
/// ```
/// use plimsoll::docker::{ContainerConfig, Mount, RestartPolicy};
///
/// let config = ContainerConfig {
///     command: ["worker", "--queue", "fast"].map(str::to_owned).to_vec(),
///     env: [("MODE".to_owned(), "batch".to_owned())].into(),
///     mounts: vec![Mount::bind("/srv/models", "/models").read_only()],
///     memory_bytes: Some(512 * 1024 * 1024),
///     cpus: Some(1.5),
///     restart_policy: RestartPolicy::OnFailure { max_retries: Some(3) },
///     ..ContainerConfig::new("registry.example/worker:2")
/// };
/// assert_eq!(config.pids, None, "no limit of its own");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerConfig {
    /// The image: a reference such as `python:3.13-slim`, or an id. Without a tag it is `latest`.
    pub image: String,
    /// The command and its arguments; empty for the image's own.
    pub command: Vec<String>,
    /// Environment variables, beside the image's own.
    pub env: BTreeMap<String, String>,
    /// What is mounted inside.
    pub mounts: Vec<Mount>,
    /// `bridge`, `host`, `none`, `container:ID` or the name of a network; the engine's usual one if absent.
    pub network: Option<String>,
    /// Labels. Those of the node and the session, [`NODE_LABEL`](super::NODE_LABEL) and
    /// [`SESSION_LABEL`](super::SESSION_LABEL), are added, in the place of any of that name.
    pub labels: BTreeMap<String, String>,
    /// Whom it runs as: a name or a number, with a group behind a colon; the image's own if absent.
    pub user: Option<String>,
    /// Where the command starts: an absolute path inside; the image's own if absent.
    pub working_dir: Option<String>,
    /// The most memory, in bytes. Docker wants 6 MiB at least.
    pub memory_bytes: Option<u64>,
    /// The most processor time, in cores: 0.5 is half of one.
    pub cpus: Option<f64>,
    /// The most processes and threads.
    pub pids: Option<u64>,
    /// When the engine starts it again. By default it does not.
    pub restart_policy: RestartPolicy,
    /// When the image is pulled. By default if it is not there.
    pub pull_policy: PullPolicy,
}

/// Something that is mounted inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What it is.
    pub source: MountSource,
    /// Where it is inside: an absolute path.
    pub target: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A file or folder of the engine's host, by its absolute path. It has to exist.
    Bind(String),
    /// A volume of the engine, by its name. It is made if there is none.
    Volume(String),
    /// Memory, gone with the container.
    Tmpfs,
}

impl Mount {
    /// A file or folder of the engine's host.
    pub fn bind(source: impl Into<String>, target: impl Into<String>) -> Self {
        Self { source: MountSource::Bind(source.into()), target: target.into(), read_only: false }
    }

    /// A volume of the engine.
    pub fn volume(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self { source: MountSource::Volume(name.into()), target: target.into(), read_only: false }
    }

    /// Memory.
    pub fn tmpfs(target: impl Into<String>) -> Self {
        Self { source: MountSource::Tmpfs, target: target.into(), read_only: false }
    }

    /// The same, not to be written to.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }
}

/// When the engine starts a container again that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Whenever it ends, and when the engine starts.
    Always,
    /// Whenever it ends; when the engine starts only if it was not stopped by hand.
    UnlessStopped,
    /// When it ends with an error.
    OnFailure {
        /// How often at most; as often as it takes if absent.
        max_retries: Option<u32>,
    },
}

impl ContainerConfig {
    /// A container of this image, and nothing else said.
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: image.into(), ..Self::default() }
    }

    /// What the engine is told, once it is sure that it can be meant.
    pub(super) fn spec(&self, node_id: &str, session_id: &str) -> Result<ContainerSpec> {
        self.check(node_id, session_id)?;
        let mut labels = self.labels.clone();
        labels.insert(NODE_LABEL.to_owned(), node_id.to_owned());
        labels.insert(SESSION_LABEL.to_owned(), session_id.to_owned());
        let restart =
            |name: &str, maximum_retry_count| RestartSpec { name: name.to_owned(), maximum_retry_count };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be between 0 and 10^15"
        )]
        let nano_cpus = self.cpus.map(|cpus| (cpus * NANO).round() as u64);
        Ok(ContainerSpec {
            image: self.image.clone(),
            cmd: self.command.clone(),
            env: self.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            labels,
            user: self.user.clone(),
            working_dir: self.working_dir.clone(),
            host_config: HostSpec {
                memory: self.memory_bytes,
                nano_cpus,
                pids_limit: self.pids,
                network_mode: self.network.clone(),
                restart_policy: match self.restart_policy {
                    RestartPolicy::No => None,
                    RestartPolicy::Always => Some(restart("always", 0)),
                    RestartPolicy::UnlessStopped => Some(restart("unless-stopped", 0)),
                    RestartPolicy::OnFailure { max_retries } => {
                        Some(restart("on-failure", max_retries.unwrap_or(0)))
                    }
                },
                mounts: self.mounts.iter().map(mount).collect(),
            },
        })
    }

    /// What no engine could do anything with, or would quietly take for something else.
    fn check(&self, node_id: &str, session_id: &str) -> Result<()> {
        for (what, id) in [("node_id", node_id), ("session_id", session_id)] {
            if id.len() > MAX_ID {
                let problem = format!("it has {} bytes and may have {MAX_ID}; use a shorter one", id.len());
                return Err(DockerError::invalid(what, problem));
            }
        }
        let odd = |letter: char| letter.is_whitespace() || letter.is_control();
        if self.image.is_empty() || self.image.contains(odd) {
            let problem =
                format!("{:?} names no image; write NAME:TAG, as docker pull has it", shown(&self.image));
            return Err(DockerError::invalid("image", problem));
        }
        if let Some(name) = self.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            let problem = format!("{:?} is no name of a variable", shown(name));
            return Err(DockerError::invalid("env", problem));
        }
        if self.labels.contains_key("") {
            return Err(DockerError::invalid("labels", "a label needs a key"));
        }
        for Mount { source, target, .. } in &self.mounts {
            let source = match source {
                MountSource::Bind(path) if !is_absolute(path) => Some(path),
                MountSource::Volume(name) if name.is_empty() || name.contains('/') => Some(name),
                _ => None,
            };
            if !target.starts_with('/') || source.is_some() {
                let problem = format!(
                    "{:?} cannot be mounted: a target and a folder of the host are absolute paths, a volume has a plain name",
                    shown(source.unwrap_or(target))
                );
                return Err(DockerError::invalid("mounts", problem));
            }
        }
        if let Some(path) = self.working_dir.as_ref().filter(|path| !path.starts_with('/')) {
            let problem = format!("{:?} is no absolute path inside the container", shown(path));
            return Err(DockerError::invalid("working_dir", problem));
        }
        // Engines take 0 for no limit.
        for (what, limit) in [("memory_bytes", self.memory_bytes), ("pids", self.pids)] {
            if limit.is_some_and(|limit| limit == 0 || i64::try_from(limit).is_err()) {
                return Err(DockerError::invalid(
                    what,
                    "a limit is a positive number; leave it out for none",
                ));
            }
        }
        match self.cpus {
            Some(cpus) if !(1.0 / NANO..=MAX_CPUS).contains(&cpus) => {
                Err(DockerError::invalid("cpus", format!("{cpus} is no number of cores, such as 0.5 or 2")))
            }
            _ => Ok(()),
        }
    }
}

/// Of the engine's host, which may be a Windows.
fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.get(1..3).is_some_and(|part| matches!(part, ":\\" | ":/"))
}

fn mount(mount: &Mount) -> MountSpec {
    let (kind, source) = match &mount.source {
        MountSource::Bind(path) => ("bind", path.clone()),
        MountSource::Volume(name) => ("volume", name.clone()),
        MountSource::Tmpfs => ("tmpfs", String::new()),
    };
    MountSpec { kind: kind.to_owned(), source, target: mount.target.clone(), read_only: mount.read_only }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        let good = ContainerConfig::new("busybox");
        let pair = |key: &str| BTreeMap::from([(key.to_owned(), String::new())]);
        for (what, config) in [
            ("image", ContainerConfig::default()),
            ("image", ContainerConfig::new("a b")),
            ("env", ContainerConfig { env: pair("A=B"), ..good.clone() }),
            ("env", ContainerConfig { env: pair(""), ..good.clone() }),
            ("labels", ContainerConfig { labels: pair(""), ..good.clone() }),
            ("mounts", ContainerConfig { mounts: vec![Mount::bind("relative", "/x")], ..good.clone() }),
            ("mounts", ContainerConfig { mounts: vec![Mount::bind("/x", "relative")], ..good.clone() }),
            ("mounts", ContainerConfig { mounts: vec![Mount::volume("", "/x")], ..good.clone() }),
            ("working_dir", ContainerConfig { working_dir: Some("x".to_owned()), ..good.clone() }),
            ("memory_bytes", ContainerConfig { memory_bytes: Some(0), ..good.clone() }),
            ("memory_bytes", ContainerConfig { memory_bytes: Some(u64::MAX), ..good.clone() }),
            ("pids", ContainerConfig { pids: Some(0), ..good.clone() }),
            ("cpus", ContainerConfig { cpus: Some(0.0), ..good.clone() }),
            ("cpus", ContainerConfig { cpus: Some(f64::NAN), ..good.clone() }),
            ("cpus", ContainerConfig { cpus: Some(f64::INFINITY), ..good.clone() }),
        ] {
            let error = config.spec("n", "s").unwrap_err();
            assert!(
                matches!(&error, DockerError::InvalidConfig { what: found, .. } if found == what),
                "{error}"
            );
        }
        let error = good.spec(&"x".repeat(MAX_ID + 1), "").unwrap_err();
        assert!(error.to_string().starts_with("node_id: "), "{error}");
    }

    #[test]
    fn the_true_ids_are_labels() {
        let labels = BTreeMap::from([(NODE_LABEL.to_owned(), "somebody else's".to_owned())]);
        let config = ContainerConfig { labels, cpus: Some(0.5), ..ContainerConfig::new("busybox") };
        let spec = config.spec("nöde\0", "").unwrap();
        assert_eq!((&*spec.labels[NODE_LABEL], &*spec.labels[SESSION_LABEL]), ("nöde\0", ""));
        assert_eq!(spec.host_config.nano_cpus, Some(500_000_000));
    }
}
