//! The library against the real Docker and a real Podman of this machine, a real registry, and engines that are not
//! there or misbehave.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod config;
mod engines;
mod images;
mod life;
mod refusals;
mod restarts;
mod world;
