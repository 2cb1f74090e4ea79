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

use std::sync::{Mutex, PoisonError};

use plimsoll_testkit::dockerd::Restore;

use crate::operations::Operation;
use crate::random::Random;
use crate::trouble::Trouble;
use crate::world::World;

/// Operations of a usual run.
const OPERATIONS: usize = 200;

/// Operations between two looks at whether all is as the model says.
const BATCH: usize = 25;

/// One test at a time: each has an engine of its own, and there may be two processors.
static ALONE: Mutex<()> = Mutex::new(());

/// What is not done where the engine goes away: an event about memory that is lost then cannot be had again.
const STARVING: &[Operation] = &[Operation::Starve, Operation::StarveChild];

/// Runs a test on its own, if it can run: engines need root.
fn alone(what: &str, test: impl FnOnce(&mut Random)) {
    // A test that failed has nothing to do with the next.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if rustix::process::geteuid().is_root() {
        test(&mut Random::of_this_run(what));
    }
}

#[test]
fn random_operations_are_counted_exactly() {
    alone("random operations", |random| {
        let world = World::start(Restore::Live, &[]);
        let done = operate(&world, wanted(), random);
        world.end(&format!("{done} random operations"));
    });
}

#[test]
fn nothing_is_lost_while_the_engine_restarts_and_hangs() {
    alone("an engine that restarts and hangs", |random| {
        let mut world = World::start(Restore::Live, STARVING);
        world.add_steady();
        let mut done = 0;
        for trouble in [Trouble::Restart, Trouble::Hang, Trouble::Restart, Trouble::Hang, Trouble::Crash] {
            done += operate(&world, wanted() / 10, random);
            done += trouble::make(&mut world, trouble, random);
        }
        world.end(&format!("{done} operations around 3 restarts and 2 times of hanging"));
    });
}

#[test]
fn nothing_is_lost_when_the_engine_takes_its_containers_along() {
    alone("an engine that takes its containers along", |random| {
        let mut world = World::start(Restore::Stop, STARVING);
        let mut done = 0;
        for _ in 0..2 {
            done += operate(&world, wanted() / 10, random);
            done += trouble::make(&mut world, Trouble::Restart, random);
        }
        world.end(&format!("{done} operations around 2 restarts without live-restore"));
    });
}

/// Does so many operations and more, and has the agent's words compared every now and then.
fn operate(world: &World, count: usize, random: &mut Random) -> usize {
    let mut done = 0;
    while done < count {
        done += world.batch(BATCH, random);
        world.compare("a batch");
    }
    done
}

fn wanted() -> usize {
    number("PLIMSOLL_SOAK").map_or(OPERATIONS, |soak| soak as usize)
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs a test says by it what to run")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
