//! What can go wrong, by what can be done about it.

use std::io;

use plimsoll_engine::Error as EngineError;

use super::policy::PullPolicy;

/// The result of what [`DockerSupport`](super::DockerSupport) does.
pub type Result<T> = std::result::Result<T, DockerError>;

/// How much of a caller's text is shown in a message, in characters.
const MAX_SHOWN: usize = 100;

/// Why something could not be done.
///
/// Each message says what was being done, to what, and what to try. The cause is in
/// [`source`](std::error::Error::source) and not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// The engine knows no container of this id or name.
    #[error(
        "{doing} {id}: there is no such container; was it removed? `docker ps --all` lists those there are"
    )]
    NoSuchContainer {
        /// What was being done.
        doing: &'static str,
        /// The id or name, shortened.
        id: String,
    },
    /// The container does not run.
    #[error("{doing} {id}: it is {state} and does not run; start it first with start_container")]
    NotRunning {
        /// What was being done.
        doing: &'static str,
        /// The id or name.
        id: String,
        /// Its state, in the engine's word.
        state: String,
    },
    /// The container runs, and `force` was not given.
    #[error(
        "removing {id}: it is {state}, and `force` was not given; stop it first, or remove it with force = true"
    )]
    RunningNotForced {
        /// The id or name.
        id: String,
        /// Its state, in the engine's word.
        state: String,
    },
    /// There is a container of this node and session already.
    #[error(
        "creating container {name}: there is one already for this node and session; remove that one first \
         (remove_container), or use another session"
    )]
    NameInUse {
        /// The name that both would have.
        name: String,
    },
    /// The image is not on the engine's machine, and did not get there.
    #[error(
        "creating a container of {image}: there is no such image{}; {}",
        said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default(),
        remedy(*policy)
    )]
    ImageNotFound {
        /// The image that was asked for, shortened.
        image: String,
        /// The policy that decided whether a registry was asked.
        policy: PullPolicy,
        /// The registry's words, if it was asked.
        said: Option<String>,
    },
    /// The registry could not be asked for the image.
    #[error("creating a container of {image}: pulling it failed; {}", unreachable_remedy(*policy))]
    PullFailed {
        /// The image that was asked for, shortened.
        image: String,
        /// The policy by which it was pulled.
        policy: PullPolicy,
        /// What went wrong.
        source: Box<EngineError>,
    },
    /// The configuration, or an argument, cannot be meant.
    #[error("{what}: {problem}")]
    InvalidConfig {
        /// The field or argument.
        what: String,
        /// What is wrong with it, and what to try.
        problem: String,
    },
    /// Collection was not switched on when the `DockerSupport` was made.
    #[error("{doing} {id}: metrics are off; make the DockerSupport with new_with_metrics")]
    MetricsDisabled {
        /// What was being done.
        doing: &'static str,
        /// The id or name.
        id: String,
    },
    /// The container's metrics are not collected.
    #[error(
        "stopping the collection of metrics of {id}: they are not collected; start_metrics_collection starts that"
    )]
    NotMonitored {
        /// The id or name.
        id: String,
    },
    /// As many containers are monitored as there may be.
    #[error(
        "starting to collect metrics of {id}: {limit} containers are monitored already, and there may be no more; \
         stop_metrics_collection for those that are not needed"
    )]
    TooManyMonitored {
        /// The id or name.
        id: String,
        /// The bound.
        limit: usize,
    },
    /// This process may not talk to the engine.
    #[error(
        "{doing}: permission denied; run as root, or let this user use the engine's socket (group docker)"
    )]
    PermissionDenied {
        /// What was being done.
        doing: String,
        /// What the engine or the operating system said.
        source: Box<EngineError>,
    },
    /// No engine answers.
    #[error("{doing}: no container engine answers ({tried}); start Docker or Podman, or set DOCKER_HOST")]
    NoEngine {
        /// What was being done.
        doing: String,
        /// Where engines were looked for, and why it was none.
        tried: String,
        /// What the last one said, if there was one.
        source: Option<Box<EngineError>>,
    },
    /// The system gave no thread to collect metrics in.
    #[error(
        "starting to collect metrics: the system gives no thread; is a limit on processes (ulimit -u) reached?"
    )]
    Thread {
        /// The system's word.
        source: io::Error,
    },
    /// The engine refused, or its answer was of no use. The source has its words.
    #[error("{doing}: the engine did not do it")]
    Engine {
        /// What was being done.
        doing: String,
        /// What the engine said.
        source: Box<EngineError>,
    },
}

impl DockerError {
    /// A failure of the engine that nobody has explained better.
    pub(super) fn engine(doing: impl Into<String>, source: EngineError) -> Self {
        let (doing, source) = (doing.into(), Box::new(source));
        if source.is_permission() {
            Self::PermissionDenied { doing, source }
        } else if source.is_unreachable() {
            Self::NoEngine { doing, tried: source.to_string(), source: Some(source) }
        } else {
            Self::Engine { doing, source }
        }
    }

    pub(super) fn invalid(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidConfig { what: what.into(), problem: problem.into() }
    }
}

fn remedy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Never => {
            "the pull policy is Never: pull or build it by hand (docker pull), or use PullPolicy::IfNotPresent"
        }
        PullPolicy::IfNotPresent => {
            "it was neither here nor at its registry: check name and tag, or build it under that name"
        }
        PullPolicy::Always => {
            "the pull policy is Always, so only its registry counts: check name and tag, or use \
             PullPolicy::IfNotPresent for an image that is only here"
        }
    }
}

fn unreachable_remedy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Always => {
            "is its registry up, and in reach of the engine? PullPolicy::IfNotPresent uses an image that is here already"
        }
        _ => "is its registry up, and in reach of the engine? An image that is here already is not pulled",
    }
}

/// A caller's text as it is shown: bounded, and with nothing that plays tricks on a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    if shown.is_empty() { "(an empty id)".to_owned() } else { shown }
}
