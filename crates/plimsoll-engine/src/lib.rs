//! A small, lenient client for container engines, and the places where engines are.
//!
//! It asks Docker, Podman, or whatever speaks Docker's Engine API, what containers there are, what they are called, and
//! what happens to them. The numbers come from the kernel and another crate; where that kernel is out of reach, the
//! engine's own ([`Stats`], [`PodmanSample`]) take their place. It only ever reads: there is no way to make it send
//! anything but a `GET`, unless the feature `lifecycle` is on. That one is for programs that start containers themselves.
//!
//! Why our own: an agent must outlive its engine's quirks. Engines of ten years differ in what they leave out, and one
//! container with an odd label must not hide the other two hundred. So every field is read for what it is worth
//! (absent is absent, never zero), one broken element never takes its neighbours, and everything that a reply could
//! inflate is bounded: bodies ([`MAX_LISTING`], [`MAX_ANSWER`]), event lines ([`MAX_LINE`]), samples ([`MAX_STATS`]),
//! texts ([`MAX_TEXT`]), labels ([`MAX_LABELS`]), idle connections ([`MAX_IDLE_CONNECTIONS`]), time ([`Timeouts`]).
//!
//! The types to know are [`Client`], made from an [`Endpoint`], and the [`EventStream`] and [`StatsStream`] that it opens:
//!
//! ```no_run
//! use plimsoll_engine::{Action, Client};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("unix:///var/run/docker.sock".parse()?);
//! client.version().await?; // negotiates the API version
//!
//! // First the events, then the listing: together they miss nothing.
//! let mut events = client.events(None).await?;
//! for container in client.containers().await?.containers {
//!     println!("{} is {}", container.name, container.state);
//! }
//! while let Some(event) = events.next().await? {
//!     if event.action == Action::Die {
//!         println!("{:?} ended with {:?}", event.name, event.exit_code);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An [`Endpoint`] is a Unix socket, TCP with or without TLS, or ssh. [`discover`] finds the engines of a machine and those
//! that the settings of the `docker` and `podman` commands name; [`context`] finds one of `docker`'s contexts.
//! Where there is no socket to ask, [`StateFiles`] reads names from what the engines write down for themselves.
//!
//! [`Error`] says what was being done, to which endpoint, and what to try.

mod api_version;
mod client;
mod context;
mod discover;
mod endpoint;
mod error;
mod events;
mod files;
mod flavour;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod lenient;
#[cfg(feature = "lifecycle")]
pub mod lifecycle;
mod mounts;
mod percent;
mod podman;
mod residents;
mod ssh;
mod state_files;
mod stats;
mod surroundings;
mod tls;
mod transport;
mod types;

pub use client::{Client, MAX_ANSWER, MAX_LISTING};
pub use context::{ContextError, context, contexts};
pub use discover::{Discovery, MAX_ENGINES, Problem, discover};
pub use endpoint::{Certificates, Endpoint, EndpointError, SshHost};
pub use error::{Error, Result};
pub use events::{Action, Event, EventStream, Kind, MAX_LINE, RESUME_OVERLAP};
pub use flavour::Flavour;
pub use lenient::{MAX_INNER, MAX_LABELS, MAX_TEXT};
pub use mounts::Mount;
pub use podman::{LibpodStatsStream, MAX_PODMAN_CONTAINERS, PodMembership, PodmanSample, PodmanStats};
pub use residents::{ImageSummary, LibpodResident, Port, Resident, Residents};
pub use state_files::{Identity, MAX_STATE_FILE, MAX_STATE_LIST, StateFiles, docker_restarts};
pub use stats::{
    BlockEntry, BlockStats, CpuStats, CpuUsage, InterfaceStats, MAX_BLOCK_ENTRIES, MAX_STATS, MemoryStat,
    MemoryStats, Operation, PidsStats, SampleStream, Stats, StatsStream, StorageStats, Throttling,
};
pub use surroundings::{Found, Surroundings};
pub use transport::{CONNECT_TIMEOUT, MAX_IDLE_CONNECTIONS, REQUEST_TIMEOUT, Timeouts};
pub use types::{Details, Health, Image, Info, Kept, Listing, NetworkEndpoint, Sizes, Summary, Version};
