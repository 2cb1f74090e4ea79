//! Sampling: the only place where kernel and engine meet.
//!
//! A [`Watcher`] listens to the engine and keeps a picture of its containers; whenever that picture
//! changes it puts a [`Change`] into the [`Inbox`]. A [`Sampler`] takes the changes in, finds each
//! container in the kernel, and reads its numbers in every tick, without asking the engine and without
//! allocating. A [`SamplerThread`] gives it a thread of its own, so that nothing on the async side can
//! delay a tick, and hands out snapshots through a [`Samples`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use plimsoll_collect::{Inbox, Naming, Options, Sampler, SamplerThread, Watcher};
//! use plimsoll_engine::{Client, Endpoint};
//! use plimsoll_kernel::{Kernel, Roots};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::default();
//! let inbox = Arc::new(Inbox::default());
//! let kernel = Kernel::probe(Roots::default(), &options.selection);
//! let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox));
//! let (thread, samples) = SamplerThread::start(sampler, Duration::from_secs(1))?;
//! let engine = Client::new("unix:///var/run/docker.sock".parse::<Endpoint>()?);
//! let watcher = tokio::spawn(Watcher::new(engine, Naming::default(), options, inbox).run());
//! for row in &samples.fresh().await.containers {
//!     println!("{}", row.container.display_name());
//! }
//! watcher.abort();
//! thread.stop();
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod api;
mod disk;
mod engines;
mod filter;
mod inbox;
mod jitter;
mod known;
mod listened;
mod lost;
pub mod metrics;
mod numbers;
mod recent;
mod recognise;
mod sampler;
mod source;
mod thread;
mod together;
mod tracked;
mod watch;
mod work;

pub use api::Chosen;
pub use disk::{Disk, DiskNumbers, DiskPace, DiskThread, DiskWork, Storage};
pub use engines::{Discover, Engines, Which};
pub use filter::{Filter, PatternError};
pub use inbox::{Change, Inbox, Whereabouts};
pub use numbers::Numbers;
pub use recognise::Recogniser;
pub use sampler::{Ages, Sampler};
pub use source::{Origin, SourceChoice};
pub use thread::{MAX_AGE, SamplerThread, Samples};
pub use together::Naming;
pub use watch::{Pace, Watcher};

use std::sync::Arc;

use plimsoll_model::Selection;
use plimsoll_model::agent::Build;
use plimsoll_model::container::LabelChoice;
use plimsoll_model::lifecycle::Past;

/// What is collected.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where numbers come from.
    pub source: SourceChoice,
    /// Families and collectors.
    pub selection: Selection,
    /// Containers.
    pub filter: Filter,
    /// Engine labels that are shown.
    pub labels: LabelChoice,
    /// The program, for `plimsoll_build_info`.
    pub build: Build,
    /// What was known when the agent ended the last time, so that counters of lives go on.
    pub past: Arc<Past>,
    /// Measures what containers take on disk, if somebody does.
    pub disk: Option<Disk>,
}

/// Unix time in nanoseconds.
fn unix_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    nanos(since)
}

/// A duration in nanoseconds; what is longer than five centuries counts as that.
fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
