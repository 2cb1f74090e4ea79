//! Snapshots to points: which measurements there are, what their tags and fields are called, and in which unit.
//!
//! A schema is kept by each target for itself, since some of what it tells is about the time between two of its own points:
//! percentages, and what happened to containers. It is fed with the snapshots that the target takes, and hands out one
//! [`crate::point::Point`] after the other, always the same one.
//!
//! A field always has the same type, as databases fix that with its first value: counts, bytes and codes are whole numbers,
//! and seconds, percentages, cores and ratios decimals. What was not read is absent.
//!
//! ```
//! use plimsoll_model::Snapshot;
//! use plimsoll_wire::schema::default::DefaultSchema;
//!
//! let mut schema = DefaultSchema::default();
//! let mut measurements = Vec::new();
//! schema.points(&Snapshot::default(), &|_| true, &mut |point| measurements.push(point.measurement().to_owned()));
//! assert_eq!(measurements, ["agent"], "there are no containers");
//! ```

mod columns;
pub mod default;
mod distinct;
mod happenings;
mod intervals;
pub mod prometheus;
pub mod semconv;
pub mod telegraf;
mod unit;
mod walk;

use unit::ucum;
