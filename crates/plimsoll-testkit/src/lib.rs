//! What the tests of all crates share. Nothing here is ever part of a product.
//!
//! - [`fake_engine`]: an engine in this process, on a socket of its own, that misbehaves on request;
//! - [`proxy`]: records what is asked of a real engine;
//! - [`docker`]: containers of a real engine, removed when the test ends;
//! - [`podman`]: a Podman of its own, with its API and its containers;
//! - [`registry`]: a registry of images of its own;
//! - [`dockerd`]: a Docker engine of the test's own, to be restarted, hung and killed;
//! - [`databases`]: real databases of the test's own, to write to, ask, kill and start again;
//! - [`sink`]: where points go, and which answers by a script and fails on request;
//! - [`client`]: asks servers over HTTP, and [`port`]: where to have them listen;
//! - [`churn`] and [`noise`]: containers and engines that would wear an agent out, and [`footprint`]: whether they do;
//! - [`tree`]: captured directory trees as one text file;
//! - [`wait_until`]: waiting for a condition, never for a time.
//!
//! ```
//! use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
//!
//! let engine = FakeEngine::start();
//! engine.put(FakeContainer::new("web").label("tier", "front").pid(4711));
//! assert!(engine.socket().exists());
//! assert!(engine.requests().is_empty());
//! ```
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails by panicking, with the place of the test"
)]
#![allow(clippy::print_stderr, reason = "a clean-up that fails is told and does not fail the test")]

pub mod churn;
pub mod client;
pub mod databases;
pub mod docker;
pub mod dockerd;
pub mod fake_engine;
pub mod footprint;
mod http;
mod image;
mod leftovers;
pub mod noise;
pub mod podman;
pub mod port;
mod program;
pub mod proxy;
pub mod registry;
pub mod sink;
pub mod tree;
mod wait;

pub use wait::{wait_until, wait_until_async};
