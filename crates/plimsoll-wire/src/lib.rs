//! Bytes from snapshots: the expositions that Prometheus scrapes, files of stored samples, and the documentation of the
//! catalog.
//!
//! Every encoder is a [`plimsoll_model::Sink`] that a [`plimsoll_model::Snapshot`] is visited with, so what
//! is shown, under which name and in which order is the catalog's decision; this crate decides only how
//! it is written. It does no I/O and cannot fail: bytes are appended to a buffer of the caller's, who may
//! use it again for the next scrape.
//!
//! ```
//! use plimsoll_model::{Selection, Snapshot};
//! use plimsoll_wire::prometheus::{encode, negotiate};
//!
//! let format = negotiate(Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
//! let mut body = Vec::new();
//! encode(format, &Snapshot::default(), &Selection::default(), &mut body);
//!
//! assert_eq!(format.content_type(), "text/plain; version=0.0.4; charset=utf-8");
//! assert!(body.starts_with(b"# HELP "));
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod census;
pub mod describe;
pub mod export;
pub mod exposition;
mod intern;
pub mod json_lines;
pub mod line_protocol;
mod lines;
mod names;
pub mod otlp;
pub mod point;
pub mod prometheus;
pub mod remote_write;
pub mod schema;
