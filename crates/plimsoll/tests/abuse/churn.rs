//! Containers that come and go.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use plimsoll_testkit::churn::Churn;
use plimsoll_testkit::fake_engine::FakeEngine;
use plimsoll_testkit::footprint::Footprint;
use plimsoll_testkit::wait_until;

use crate::agent::{Agent, SOON};
use crate::exposition::Exposition;
use crate::{MISSED, mib};

/// How many come each second.
const PER_SECOND: u32 = 50;

/// How long it goes on. The benchmark does it for two minutes.
const TIME: Duration = Duration::from_secs(15);

/// By how much more memory the agent may have in the end than after the first containers, in bytes: the allocator keeps
/// some.
const KEPT: u64 = 4 * 1024 * 1024;

/// Connections to the engine, and threads for what blocks, that the agent may keep for the next request.
const IDLE: u64 = 4;

#[test]
fn containers_that_come_and_go_leave_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let engine = FakeEngine::start();
    let agent = Agent::start_here(&["--engine", &format!("unix://{}", engine.socket().display())]);
    agent.wait_ready();
    let mut churn = Churn::new(PER_SECOND);
    let settle = |churn: &mut Churn| {
        churn.clear(&engine);
        wait_until(SOON, "no container is shown", || agent.metrics().containers().is_empty());
        Footprint::of(agent.id())
    };
    // What the first containers make it allocate, it keeps.
    churn.run(&engine, Duration::from_secs(3));
    let before = settle(&mut churn);
    let (mut rows, mut longest) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| churn.run(&engine, TIME));
        while !coming.is_finished() {
            let asked = Instant::now();
            let scrape = agent.metrics();
            longest = longest.max(asked.elapsed());
            rows += check(&scrape);
            std::thread::sleep(Duration::from_millis(200));
        }
        coming.join().unwrap();
    });
    let after = settle(&mut churn);
    let missed = agent.metrics().value("plimsoll_ticks_missed_total", &[]).unwrap();
    println!(
        "{} containers, {rows} rows with numbers, all right; the longest scrape {longest:?}; ticks missed {missed}; descriptors {} then {}, threads {} then {}, memory {} then {}",
        churn.count(),
        before.descriptors,
        after.descriptors,
        before.threads,
        after.threads,
        mib(before.resident),
        mib(after.resident)
    );
    assert!(rows > 100, "numbers were seen");
    assert!(missed <= MISSED, "{missed} ticks were missed");
    assert!(after.descriptors <= before.descriptors + IDLE, "{before:?} {after:?}");
    assert!(after.threads <= before.threads + IDLE, "{before:?} {after:?}");
    assert!(after.resident <= before.resident + KEPT, "{before:?} {after:?}");
}

/// Looks at each row with numbers, and counts them.
fn check(scrape: &Exposition) -> usize {
    let mut rows = 0;
    for (family, wanted) in [
        ("container_memory_limit_bytes", Churn::memory_limit as fn(&str) -> Option<u64>),
        ("container_threads_max", Churn::task_limit),
    ] {
        let mut seen = HashSet::new();
        for sample in scrape.all(family, &[]) {
            let name = sample.label("name");
            let wanted = wanted(name).map(|limit| limit as f64);
            assert_eq!(Some(sample.value), wanted, "{family} of {name} is another's");
            assert!(seen.insert(name), "{name} is shown twice");
        }
        rows += seen.len();
    }
    rows
}
