//! The census server: installations report to it, and it answers what all of them together use.
//!
//! | path | what |
//! |---|---|
//! | `POST /api/ingest` | takes a report of Container Census' format v1 |
//! | `GET /api/stats/…` | what reports add up to, with v1's keys; `recent-events` and `database-view`, which name installations, with the key alone |
//! | `/health`, `/metrics` | whether the database answers, and the server's own numbers for Prometheus |
//! | `/` | one page that says what this is |
//!
//! Without a key, no answer shows what fewer than [`Config::min_installations`] installations have, and none can be
//! computed from answers. The rule, and what it does not promise, stand at the top of `anonymity.rs`. Ranges and defaults
//! of parameters stand in `parameters.rs`.
//!
//! Reports that come at the same time go into the database in one transaction ([`CensusStore::ingest`]), and each is
//! answered when that is committed. Questions meet no database: all of what they need is loaded now and then
//! ([`CensusStore::facts`]), at most a twentieth of the time.
//!
//! ```no_run
//! use plimsoll_hub::{Config, serve};
//! use plimsoll_store::census::CensusStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = CensusStore::open_sqlite("census.db".as_ref()).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! let config = Config { api_key: Some("secret".to_owned()), ..Config::default() };
//! serve(listener, store, config, async { tokio::signal::ctrl_c().await.unwrap() }).await?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod access;
mod anonymity;
mod answers;
mod background;
mod census;
mod config;
mod failure;
mod hub;
mod images;
mod ingest;
mod own;
mod parameters;
mod rate;
mod routes;
mod serve;
mod stats;
mod table;
mod writer;

pub use config::{Config, Rate};
pub use serve::{serve, serve_on};

#[cfg(doc)]
use plimsoll_store::census::CensusStore;
