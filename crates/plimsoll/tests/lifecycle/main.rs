//! Life cycle without loss: the real agent on a real engine of its own, while containers are made, started, killed,
//! starved of memory, paused, renamed and removed at random, and the engine itself goes and comes. A model of what was
//! done says what every count must be.
//!
//! - `PLIMSOLL_SEED=N` does the same operations again; each test prints its seed.
//! - `PLIMSOLL_SOAK=N` does N operations instead of the usual number (`make soak`).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]
#![allow(clippy::print_stdout, reason = "figures and seeds are for whoever runs the test")]

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

mod check;
mod model;
mod operations;
mod random;
mod scraper;
mod trouble;
mod witness;
mod world;

use plimsoll_testkit::dockerd::Restore;

use crate::random::Random;
use crate::world::World;

/// Operations of a usual run.
const OPERATIONS: usize = 500;

/// Operations between two looks at whether all is as the model says.
const BATCH: usize = 25;

#[test]
fn random_operations_are_counted_exactly() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut random = Random::of_this_run("random operations");
    let world = World::start(Restore::Live);
    let wanted = number("PLIMSOLL_SOAK").map_or(OPERATIONS, |soak| soak as usize);
    let mut done = 0;
    while done < wanted {
        done += world.batch(BATCH, &mut random);
        world.compare("a batch");
    }
    println!("{done} operations; {}", world.describe());
    world.end();
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs a test says by it what to run")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
