//! History of containers, kept as it is sampled: every number, at sampling resolution, at a fraction of a byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[allow(dead_code, reason = "until the file and the queries are merged")]
mod block;
#[allow(dead_code, reason = "until the file and the queries are merged")]
mod chunk;
mod column;
mod frame;
#[allow(dead_code, reason = "until the file and the queries are merged")]
mod journal;
mod open;
mod query;
mod relate;
#[allow(dead_code, reason = "until the file and the queries are merged")]
mod rollup;
mod source;
mod tier;
mod varint;

pub use query::*;
pub use tier::{Millis, Range, Tier};
