//! What Plimsoll knows about containers, as plain data: the metric catalog, container identity and life
//! cycle, and the snapshot that every consumer takes its numbers from.
//!
//! A number is read once, by a reader crate, and lands in a [`Values`] slot of a [`Snapshot`]. The
//! [`catalog`] says for each slot what it means, in which unit, and under which name it is shown.
//! Encoders, history and delivery never name a metric themselves: they hand a [`Sink`] to
//! [`Snapshot::visit`] and are told.
//!
//! This crate does no I/O, knows no clock and cannot fail: time and bytes come in as arguments, and what
//! is not known is absent, never zero.
//!
//! ```
//! use plimsoll_model::{Family, Selection, Sink, Snapshot};
//!
//! /// Counts the samples that a snapshot would show.
//! #[derive(Default)]
//! struct Count(usize);
//!
//! impl Sink for Count {
//!     fn family(&mut self, _: &'static Family) {}
//!     fn labels(&mut self, _: &[&str], _: &[&str]) {}
//!     fn sample(&mut self, _: Option<usize>, _: u64, _: Option<u64>) {
//!         self.0 += 1;
//!     }
//! }
//!
//! let mut count = Count::default();
//! Snapshot::default().visit(&Selection::default(), &mut count);
//! assert!(count.0 > 0, "an agent without containers still reports on itself");
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod agent;
pub mod catalog;
pub mod census;
pub mod container;
pub mod custom;
mod detail;
pub mod happened;
mod host;
pub mod lifecycle;
pub mod oom;
pub mod rate;
mod selection;
mod snapshot;
pub mod text;
mod values;
mod visit;

pub use catalog::{
    Collector, DetailField, DeviceSlot, Family, InterfaceSlot, Kind, Profile, Scale, Slot, Unit,
};
pub use container::{Container, Health, State};
pub use detail::{DetailLabels, DetailPass, DetailRow, Details, MAX_DETAILS};
pub use host::{Host, HostLabels, HostParts, HostRow};
pub use lifecycle::Lifecycle;
pub use selection::{Naming, Selection};
pub use snapshot::{ContainerRow, DeviceRow, InterfaceRow, Snapshot};
pub use values::Values;
pub use visit::Sink;
