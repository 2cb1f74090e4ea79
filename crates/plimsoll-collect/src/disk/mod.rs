//! What containers take on disk, measured beside the ticks and never in them.
//!
//! Watchers tell a [`Disk`] where containers are; a [`DiskThread`] goes from one to the next, asks the file system and walks
//! their trees, one at a time, and puts what it found into the sampler's inbox. What it cannot see the engine is asked to count,
//! seldom. Each container has its turn again after an interval, or later, so that walks take no more than a tenth of the time.

mod counting;
mod numbers;
mod subject;
mod table;
mod thread;
mod visit;

pub(crate) use counting::Counting;
pub use numbers::{DiskNumbers, DiskWork};
pub(crate) use subject::Subject;
pub use subject::{DiskPace, Storage};
pub use table::Disk;
pub use thread::DiskThread;

#[cfg(test)]
mod tests;
