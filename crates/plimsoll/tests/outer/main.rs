//! The real binary, from outside: started as a user starts it, asked over its sockets, ended by signals.
//!
//! Most tests run it on a captured machine with a fake engine ([`machine::Machine`]), which a test can make say and do
//! what it likes. [`docker`] runs it on this machine's engine. Nothing here sleeps: what takes time is waited for.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod agent;
mod applications;
mod cadvisor;
mod census;
mod collectors;
mod delivery;
mod docker;
mod endpoints;
mod engines;
mod exposition;
mod faults;
mod generated;
mod history;
mod machine;
mod network;
mod process;
mod recording;
mod settings;
mod signals;
