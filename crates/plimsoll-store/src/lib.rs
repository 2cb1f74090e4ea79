//! History of containers, kept as it is sampled: every number, at sampling resolution, at a fraction of a byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[allow(dead_code, reason = "until the queries are merged")]
mod block;
#[allow(dead_code, reason = "until the queries are merged")]
mod chunk;
mod column;
mod error;
mod events;
mod figures;
#[allow(dead_code, reason = "until the queries are merged")]
mod file;
mod history;
#[allow(dead_code, reason = "until the queries are merged")]
mod hot;
mod identity;
#[allow(dead_code, reason = "until the queries are merged")]
mod journal;
mod lives;
mod open;
mod query;
mod retention;
mod roller;
#[allow(dead_code, reason = "until the queries are merged")]
mod rollup;
mod row;
#[allow(dead_code, reason = "until the queries are merged")]
mod series;
mod source;
mod store;
mod tier;
#[allow(dead_code, reason = "until the queries are merged")]
mod tracker;
mod varint;
mod writer;

pub use error::{Error, ErrorKind};
pub use figures::Figures;
pub use history::History;
pub use query::*;
pub use retention::Retention;
pub use store::{Options, Store};
pub use tier::{Millis, Range, Tier};
