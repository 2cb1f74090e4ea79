//! History of containers, kept as it is sampled: every number, at sampling resolution, at a fraction of a byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod error;
#[allow(dead_code, reason = "until the queries are merged")]
mod events;
#[allow(dead_code, reason = "until the queries are merged")]
mod file;
mod history;
mod query;
mod tier;

pub use error::{Error, ErrorKind};
pub use history::History;
pub use query::*;
pub use tier::{Millis, Range, Tier};
