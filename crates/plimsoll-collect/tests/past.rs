//! The agent ends and starts again: counters of lives go on, and what happened meanwhile is counted once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use plimsoll_collect::Options;
use plimsoll_engine::Endpoint;
use plimsoll_model::lifecycle::Past;
use plimsoll_model::{Selection, Slot, Snapshot};
use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};

use common::Tree;
use common::agent::{Agent, Setup};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn start(tree: &Tree, engine: &FakeEngine, past: Past) -> Agent {
    let options = Options { past: Arc::new(past), ..Options::default() };
    let endpoint = Endpoint::Unix(engine.socket().to_owned());
    let agent =
        Agent::start(tree.kernel(&Selection::default()), endpoint, Setup { options, ..Setup::default() });
    agent.wait_ready();
    agent
}

/// What an agent would have kept that ended at this snapshot.
fn past(snapshot: &Snapshot) -> Past {
    let lives = snapshot.containers.iter().filter_map(|row| Some((row.container.id.clone(), row.life?)));
    Past { until: Some(snapshot.at), lives: lives.collect() }
}

fn restart(engine: &FakeEngine, fake: FakeContainer, id: &str, pid: u32, code: i64) -> FakeContainer {
    let ended = fake.exited(code, now());
    engine.put(ended.clone());
    engine.emit("die", id, &[("exitCode", &code.to_string())]);
    let started = ended.state("running").pid(pid).started_at(now());
    engine.put(started.clone());
    engine.emit("start", id, &[]);
    started
}

#[test]
fn counters_go_on() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    for container in &tree.containers {
        engine.put(container.fake());
    }
    let (busy, oom) = (tree.container("busy"), tree.container("oom"));
    let agent = start(&tree, &engine, Past::default());
    let mut fake = busy.fake();
    for count in 1..=3 {
        fake = restart(&engine, fake, &busy.id, busy.pid, 3);
        agent.wait_slot("busy", Slot::Restarts, Some(count));
    }
    let kills = agent.get("oom", Slot::OomEvents).unwrap();
    assert!(kills > 0);
    let first = agent.newer();
    drop(agent);

    // While no agent runs: two restarts more, which the engine remembers.
    for _ in 0..2 {
        fake = restart(&engine, fake, &busy.id, busy.pid, 143);
    }
    let agent = start(&tree, &engine, past(&first));
    agent.wait_slot("busy", Slot::Restarts, Some(5));
    agent.newer();
    assert_eq!(agent.get("busy", Slot::Restarts), Some(5));
    assert_eq!(agent.get("busy", Slot::ExitsError), Some(3));
    assert_eq!(agent.get("busy", Slot::ExitsSignal), Some(2));
    assert_eq!(agent.get("oom", Slot::OomEvents), Some(kills), "the kernel still shows the same kills");
    assert_eq!(agent.row("busy").unwrap().seen, first.containers[0].seen);
    let second = agent.newer();
    drop(agent);

    // And in the next life of a container, kills of the lives before still count.
    let cgroup = tree.cgroup_file("memory", "oom", "memory.oom_control");
    std::fs::write(cgroup, "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n").unwrap();
    restart(&engine, oom.fake(), &oom.id, oom.pid, 137);
    let agent = start(&tree, &engine, past(&second));
    agent.wait_slot("oom", Slot::Restarts, Some(1));
    agent.wait_slot("oom", Slot::OomEvents, Some(kills + 1));
    agent.newer();
    assert_eq!(agent.get("oom", Slot::OomEvents), Some(kills + 1));
    assert_eq!(agent.get("busy", Slot::Restarts), Some(5));
}
