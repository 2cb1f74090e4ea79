//! Why a connection to an engine ended, and what to call that.

use plimsoll_engine::Error;
use plimsoll_model::agent::EngineState;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("the engine closed the event stream")]
    Closed,
    /// Not the one that was spoken to before.
    #[error("another engine answers there now")]
    AnotherEngine,
    #[error("it is the same engine as at {0}, which shows its containers")]
    Duplicate(String),
}

impl Lost {
    /// The kind of trouble.
    pub(crate) fn state(&self) -> EngineState {
        match self {
            Self::Engine(error) if error.is_permission() => EngineState::Denied,
            Self::Engine(Error::Secure { .. }) => EngineState::Insecure,
            Self::Engine(error) if error.is_timeout() => EngineState::Timeout,
            Self::Engine(Error::ApiVersion { .. }) => EngineState::Unsupported,
            Self::Engine(error) if error.is_unreachable() => EngineState::Unreachable,
            Self::Closed | Self::AnotherEngine => EngineState::Unreachable,
            Self::Engine(_) => EngineState::Broken,
            Self::Duplicate(_) => EngineState::Duplicate,
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
