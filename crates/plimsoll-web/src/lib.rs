//! The agent's HTTP server: what Prometheus scrapes, what supervisors ask, and a page for people.
//!
//! | path | what |
//! |---|---|
//! | `/metrics` | the exposition: text, OpenMetrics or protobuf by `Accept`, gzip by `Accept-Encoding`, narrowed by `collect[]` and `exclude[]` |
//! | `/api/v1/` | the history as JSON, described by `/api/v1/openapi.json` |
//! | `/health` | whether the engine is connected, as JSON |
//! | `/-/healthy` (also `/healthz`), `/-/ready` | whether the process lives, and whether it has numbers to show |
//! | `/` | a page for people |
//!
//! The server takes its numbers from a [`Backend`], the history included, and gets its socket and the signal to stop from the
//! caller. Everything that a client can make it hold is bounded by [`Limits`]: connections, headers, time,
//! expositions. Encoding and compression run outside the asynchronous workers. [`serve_on`] listens at several places,
//! unix sockets among them, and holds everybody to a [`security::Security`]: TLS, client certificates, passwords, tokens.
//!
//! ```no_run
//! use std::sync::Arc;
//! use plimsoll_model::{Selection, Snapshot};
//! use plimsoll_store::History;
//! use plimsoll_web::{App, Backend, Limits, NoHistory, Place, Status, serve};
//!
//! struct Fixed(Arc<Snapshot>);
//!
//! impl Backend for Fixed {
//!     async fn snapshot(&self) -> Arc<Snapshot> {
//!         Arc::clone(&self.0)
//!     }
//!     fn status(&self) -> Status {
//!         Status { docker_connected: true, ..Status::default() }
//!     }
//!     fn history(&self) -> Result<History, NoHistory> {
//!         Err(NoHistory::Off)
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let backend = Arc::new(Fixed(Arc::default()));
//! let selection = Selection::default();
//! let (limits, place) = (Limits::default(), Place::default());
//! let app = App { backend, selection, openmetrics_created: false, limits, place };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8003").await?;
//! serve(listener, app, async { tokio::signal::ctrl_c().await.unwrap() }).await
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod api;
mod census_agent;
mod connection;
pub mod exposition;
mod headers;
mod limits;
mod listener;
mod page;
mod paths;
mod place;
mod routes;
mod seats;
pub mod security;
mod serve;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use census_agent::{CensusAgent, CensusQuestion, MAX_TOKEN, census_agent_router};
pub use connection::Peer;
pub use limits::Limits;
pub use listener::Listener;
pub use place::Place;
use plimsoll_model::{Selection, Snapshot};
use plimsoll_store::History;
use serde::Serialize;
pub use serve::{serve, serve_on, serve_router, serve_router_on};

/// Where the server takes its numbers from.
pub trait Backend: Send + Sync + 'static {
    /// A snapshot no older than 100 ms. Calls at the same time share one.
    fn snapshot(&self) -> impl Future<Output = Arc<Snapshot>> + Send;

    /// What is known without taking a snapshot. Answers at once.
    fn status(&self) -> Status;

    /// The history, to be asked from a thread that may block. Answers at once.
    ///
    /// # Errors
    /// Why there is none.
    fn history(&self) -> Result<History, NoHistory>;

    /// Has targets send what waits: all of them, or the one with this name. Waits for verdicts, at most so long. Empty where
    /// there is no such target.
    fn flush(
        &self,
        _target: Option<String>,
        _patience: Duration,
    ) -> impl Future<Output = Vec<Flushed>> + Send {
        std::future::ready(Vec::new())
    }
}

/// What came of a flush for one target; as it stands here, the API tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flushed {
    /// Its name.
    #[serde(rename = "name")]
    pub target: String,
    /// Whether there was a verdict in time; without one the numbers are 0.
    pub answered: bool,
    /// Points that the target has taken since.
    pub delivered: u64,
    /// Points that it, or its format, has refused since.
    pub rejected: u64,
    /// Points that were given up since.
    pub dropped: u64,
    /// Points that still wait of those that were there when it was asked for.
    pub queued: u64,
    /// What is wrong; empty while nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// Why there is no history to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHistory {
    /// None is wanted.
    Off,
    /// It cannot be read or written; why, in one line, with what to do about it.
    Unavailable(String),
}

/// What is known without taking a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What the first complete sample waits for, in one line; `None` once there is one.
    pub waiting_for: Option<String>,
    /// Whether any engine answers.
    pub docker_connected: bool,
    /// Whether no engine is wanted: then the agent is healthy without one.
    pub without_engine: bool,
}

/// What is served, and within which bounds.
#[derive(Debug)]
pub struct App<B> {
    /// Where the numbers come from.
    pub backend: Arc<B>,
    /// The families that are shown. A request can only narrow them.
    pub selection: Selection,
    /// Whether OpenMetrics carries `_created` samples too, which nearly doubles the series of counters.
    pub openmetrics_created: bool,
    /// The bounds.
    pub limits: Limits,
    /// Where the paths are.
    pub place: Place,
}

impl<B> Clone for App<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            selection: self.selection.clone(),
            openmetrics_created: self.openmetrics_created,
            limits: self.limits,
            place: self.place.clone(),
        }
    }
}
