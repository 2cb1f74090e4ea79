//! Steadiness under abuse: engines that talk too much, too slowly or without end, containers that come and go many
//! times a second, and clients that open thousands of connections and ask nothing. The agent keeps its pace, stays small and gets over it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]
#![allow(clippy::print_stdout, reason = "figures are for whoever runs the test")]

#[allow(dead_code, reason = "shared with the outer tests, which use all of it")]
#[path = "../outer/agent.rs"]
mod agent;
#[allow(dead_code, reason = "shared with the outer tests, which use all of it")]
#[path = "../outer/exposition.rs"]
mod exposition;
#[allow(dead_code, reason = "shared with the outer tests, which use all of it")]
#[path = "../outer/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the outer tests, which use all of it")]
#[path = "../outer/process.rs"]
mod process;

mod churn;
mod crowd;
mod noise;

/// The most memory that the agent may ever have had beside its own program, in bytes. That takes 11 MiB of an optimised one,
/// whose 64 MiB in all the benchmark watches.
const MOST_MEMORY: u64 = 48 * MIB;

/// Ticks that an unoptimised agent may miss among other tests: a machine is busy for a moment, and an agent that is held up
/// misses more. The benchmark tells the exact number.
const MISSED: f64 = 2.0;

const MIB: u64 = 1024 * 1024;

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}
