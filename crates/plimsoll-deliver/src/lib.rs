//! Points to databases: batches, bounded queues, a spool on disk, retries, and an account of every point.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod account;
pub mod backoff;
pub mod batch;
pub mod client;
pub mod config;
pub mod courier;
mod dead;
mod error;
pub mod figures;
pub mod format;
pub mod http;
#[cfg(feature = "nats")]
pub mod nats;
pub mod queue;
pub mod readable;
pub mod spool;
pub mod stages;
pub mod target;
mod tls;
pub mod transform;
pub mod transport;
pub mod verdict;

pub use config::TargetConfig;
pub use error::TargetError;
pub use figures::Figures;
pub use stages::Common;
pub use target::{Command, Flushed, Intake, Target};
pub use transport::Transport;
