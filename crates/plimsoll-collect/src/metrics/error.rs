//! What can go wrong with collectors.

use std::time::Duration;

use super::config::ConfigError;

/// Whatever a collector's own code failed with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no collector, or why it has no values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// A collector cannot be run with this configuration.
    #[error("configuring the collector {collector:?}")]
    Config {
        /// Its name.
        collector: String,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// Nobody has registered a type of this name.
    #[error("creating a collector: there is no type {asked:?}; there are {}", known.join(", "))]
    UnknownType {
        /// The type that was asked for.
        asked: String,
        /// The types that there are, sorted.
        known: Vec<String>,
    },
    /// Another collector, or type of collector, has this name.
    #[error(
        "registering {name:?}: there is one of that name; take another name, or take the other one out first"
    )]
    Duplicate {
        /// The name.
        name: String,
    },
    /// There are as many as there may be.
    #[error("registering {name:?}: there are {limit} already, and no more are taken")]
    TooMany {
        /// The name of the one that is too many.
        name: String,
        /// How many there may be.
        limit: usize,
    },
    /// It is switched off.
    #[error("collecting with {collector:?}: it is not enabled")]
    Disabled {
        /// Its name.
        collector: String,
    },
    /// It failed again and again, and it is not yet time to try it.
    #[error("collecting with {collector:?}: it is unhealthy, and is tried again in {retry_in:.1?}")]
    Unhealthy {
        /// Its name.
        collector: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// It did not end in time.
    #[error("collecting with {collector:?}: it took longer than {after:?}")]
    Timeout {
        /// Its name.
        collector: String,
        /// How long it was given.
        after: Duration,
    },
    /// Its run before this one still has not ended, long after it was given up.
    #[error("collecting with {collector:?}: its last run has not ended yet")]
    Busy {
        /// Its name.
        collector: String,
    },
    /// Its code panicked.
    #[error("collecting with {collector:?}: it panicked: {message}")]
    Panicked {
        /// Its name.
        collector: String,
        /// What it said.
        message: String,
    },
    /// It could not collect, and said why.
    #[error("collecting with {collector:?}")]
    Failed {
        /// Its name.
        collector: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// No engine knows this container. That is no failure of a collector.
    #[error("collecting metrics of container {id:?}: no engine knows it")]
    NoSuchContainer {
        /// The container that was asked for.
        id: String,
    },
    /// There is nothing to read containers from.
    #[error("starting to read containers")]
    NoReadings {
        /// What is missing.
        #[source]
        source: BoxError,
    },
}

/// Why a collection failed, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It said so.
    Error,
    /// It did not end in time, or still runs from the time before.
    Timeout,
    /// It panicked.
    Panic,
}

impl Reason {
    /// Every reason, in the order of the counts.
    pub const ALL: [Self; 3] = [Self::Error, Self::Timeout, Self::Panic];

    /// The word in labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
        }
    }
}

impl CollectorError {
    /// How this failure of a run is counted; `None` for what is no failure of a run.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Timeout { .. } | Self::Busy { .. } => Some(Reason::Timeout),
            Self::Panicked { .. } => Some(Reason::Panic),
            Self::Failed { .. } | Self::NoReadings { .. } => Some(Reason::Error),
            _ => None,
        }
    }

    /// The error with everything behind it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        crate::lost::chain(self)
    }
}
