//! History of containers, kept as it is sampled: every number, at sampling resolution, at a fraction of a byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod append;
mod asking;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod block;
#[cfg(feature = "census")]
pub mod census;
mod chunk;
mod column;
mod derive;
mod directory;
mod error;
mod events;
mod fetch;
mod figures;
mod file;
mod frame;
mod grid;
mod history;
mod hot;
mod identity;
mod journal;
mod lives;
mod open;
mod point;
mod query;
mod relate;
mod retention;
mod roller;
mod rollup;
mod row;
mod series;
mod source;
mod store;
mod tier;
mod tracker;
mod unsealed;
mod varint;
mod writer;

pub use error::{Error, ErrorKind};
pub use figures::Figures;
pub use history::History;
pub use query::*;
pub use retention::Retention;
pub use store::{Options, Store};
pub use tier::{Millis, Range, Tier};
