//! History of containers, kept as it is sampled: every number, at sampling resolution, at a fraction of a byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[allow(dead_code, reason = "until the queries are merged")]
mod block;
#[allow(dead_code, reason = "until the queries are merged")]
mod chunk;
mod column;
mod derive;
mod directory;
mod error;
#[allow(dead_code, reason = "until the queries are merged")]
mod events;
mod fetch;
#[allow(dead_code, reason = "until the queries are merged")]
mod file;
mod grid;
mod history;
#[allow(dead_code, reason = "until the queries are merged")]
mod hot;
#[allow(dead_code, reason = "until the queries are merged")]
mod journal;
mod query;
#[allow(dead_code, reason = "until the queries are merged")]
mod rollup;
mod tier;
mod varint;

pub use error::{Error, ErrorKind};
pub use history::History;
pub use query::*;
pub use tier::{Millis, Range, Tier};
