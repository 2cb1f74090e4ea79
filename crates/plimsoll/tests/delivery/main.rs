//! Delivery into real databases: the real agent measures real containers and delivers to InfluxDB, VictoriaMetrics and
//! Prometheus at once, and to files, which are the truth. Then each database is asked for all that it has: every sample of
//! the truth has to be there, equal, and once.
//!
//! Without faults that is all there is to it. With faults, databases die and come back, and so does the agent. What a target
//! committed is never lost; but of the tick during which the agent died one target may have taken more than another. The
//! first and the last tick of a life are therefore a grey zone, whose differences are counted and printed. See [`compared`].
//!
//! With a Prometheus 3, which no distribution has yet, the same is done for remote write 1.0 and 2.0 and OTLP: see
//! [`prometheus3`]. Only `make soak` does that, as such a Prometheus has to be built; `PLIMSOLL_PROMETHEUS3` says where it is.
//!
//! - `PLIMSOLL_SEED=N` does the same to containers and databases again; each test prints its seed.
//! - `PLIMSOLL_SOAK_MINUTES=N` takes N minutes, fifty containers, and twenty deaths of the agent instead (`make soak`).

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
#[allow(dead_code, reason = "shared with the tests of life cycles, which use all of it")]
#[path = "../lifecycle/random.rs"]
mod random;

mod compared;
mod ends;
mod fleet;
mod ledger;
mod prometheus3;
mod run;
mod servers;
mod targets;
mod truth;
mod world;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_testkit::docker::available;

use crate::random::Random;
use crate::servers::Killer;
use crate::world::World;

/// How long a run takes, how many containers it has, and how often the agent dies.
#[derive(Clone, Copy, Debug)]
struct Size {
    time: Duration,
    containers: usize,
    deaths: u32,
}

impl Size {
    /// As whoever runs the test wants it, or so.
    fn or(usual: Self) -> Self {
        match number("PLIMSOLL_SOAK_MINUTES") {
            None => usual,
            Some(minutes) => Self {
                time: Duration::from_secs(60 * minutes),
                containers: 50,
                deaths: if usual.deaths == 0 { 0 } else { 20 },
            },
        }
    }
}

/// One test at a time: each has databases of its own, and there may be two processors.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test on its own, if there is an engine.
fn alone(what: &str, test: impl FnOnce(&mut Random)) {
    // A test that failed has nothing to do with the next.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if available() {
        test(&mut Random::of_this_run(what));
    }
}

#[test]
fn every_sample_is_in_every_database() {
    alone("delivery without faults", |random| {
        let size = Size::or(Size { time: Duration::from_secs(18), containers: 8, deaths: 0 });
        let mut world = World::start("interval", "60s", size.containers, random);
        let until = Instant::now() + size.time;
        world.run.watch(Instant::now() + size.time / 3);
        let databases = world.databases.clone();
        ends::a_removed_container_is_stale(|name| {
            let alive = databases.alive(&format!("{{name=\"{name}\"}}"));
            (alive, alive)
        });
        while Instant::now() < until {
            world.run.change(random);
        }
        assert_eq!(world.databases.refusals_of_prometheus(), [0.0, 0.0, 0.0]);
        world.end(size.time);
    });
}

#[test]
fn every_sample_is_in_every_database_after_all_of_them_died() {
    alone("delivery with faults", |random| {
        let size = Size::or(Size { time: Duration::from_secs(40), containers: 8, deaths: 3 });
        // A database that hangs takes longer to answer than the agent waits, so that nobody knows what became of a batch.
        let mut world = World::start("always", "1s", size.containers, random);
        let killer = Killer::start(&world.databases, random.fork());
        let began = Instant::now();
        for death in 1..=size.deaths {
            // Anywhere in its share of the time, but for its begin, when the agent is not yet at work.
            let share = size.time / (size.deaths + 1);
            let late = share.mul_f64(random.below(300) as f64 / 1000.0);
            let until = began + share * death + late;
            while Instant::now() + Duration::from_secs(3) < until {
                world.run.change(random);
            }
            world.run.watch(until);
            world.run.kill_the_agent();
        }
        while began.elapsed() < size.time {
            world.run.change(random);
        }
        let [kills, hangs] = killer.end();
        println!("databases killed: {kills}, hung: {hangs}; agents killed: {}", size.deaths);
        world.end(size.time);
    });
}

#[test]
#[ignore = "needs a Prometheus 3: make soak builds one"]
fn every_sample_is_in_prometheus_3() {
    with_prometheus_3("Prometheus 3 without faults", "60s", |world, until, random| {
        world.a_removed_container_is_stale();
        world.change_until(until, random);
        false
    });
}

#[test]
#[ignore = "needs a Prometheus 3: make soak builds one"]
fn every_sample_is_in_prometheus_3_after_it_hung() {
    with_prometheus_3("Prometheus 3 that hangs", "1s", |world, until, random| {
        world.hang_until(until, random);
        true
    });
}

/// Runs a test with servers of version 3. It says whether they may complain.
fn with_prometheus_3(
    what: &str,
    timeout: &str,
    test: impl FnOnce(&mut prometheus3::World, Instant, &mut Random) -> bool,
) {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the test says by it where the program is")]
    let program = std::env::var_os("PLIMSOLL_PROMETHEUS3")
        .expect("PLIMSOLL_PROMETHEUS3 has to name a Prometheus 3: scripts/prometheus3.sh builds one and prints its path");
    let usual = Size { time: Duration::from_secs(120), containers: 50, deaths: 0 };
    let size = Size::or(usual);
    alone(what, |random| {
        let mut world = prometheus3::World::start(program.as_ref(), timeout, size.containers, random);
        let may_complain = test(&mut world, Instant::now() + size.time, random);
        world.end(size.time, may_complain);
    });
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs a test says by it what to run")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
