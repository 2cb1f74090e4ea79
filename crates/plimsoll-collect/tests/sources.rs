//! Where numbers come from, and what an engine's API makes of them: with a fake engine that has good and bad days.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, SystemTime};

use plimsoll_collect::{Options, SourceChoice};
use plimsoll_engine::Endpoint;
use plimsoll_model::agent::Source;
use plimsoll_model::{ContainerRow, InterfaceSlot, Selection, Slot};
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, FakeStats, HOST_MEMORY, Trouble};
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};
use common::{Tree, set_version};

/// Processes with such numbers are nowhere in the captured tree.
const ELSEWHERE: u32 = 4_000_000;

/// So seldom that only scrapes make passes.
const NEVER: Duration = Duration::from_secs(3600);

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn container(name: &str) -> FakeContainer {
    FakeContainer::new(name).pid(ELSEWHERE).started_at(now())
}

fn start(tree: &Tree, engine: &FakeEngine, source: SourceChoice, interval: Duration) -> Agent {
    let options = Options { source, ..Options::default() };
    let setup = Setup { options, interval, ..Setup::default() };
    let mut agent =
        Agent::start(tree.kernel(&Selection::default()), Endpoint::Unix(engine.socket().to_owned()), setup);
    agent.scrapes = interval == NEVER;
    wait_until(SOON, "a first look", || agent.samples.is_ready());
    agent
}

fn ask_api(tree: &Tree, engine: &FakeEngine) -> Agent {
    start(tree, engine, SourceChoice::Api, Setup::default().interval)
}

fn received(row: &ContainerRow) -> Option<u64> {
    row.network_total(InterfaceSlot::RxBytes)
}

#[test]
fn the_kernel_release_and_what_is_found_decide() {
    let tree = Tree::unpack();
    let here = plimsoll_kernel::release();
    let tick = Setup::default().interval;
    let (kernel, api) = (Some(Source::Kernel), Some(Source::Api));
    for (choice, release, is_here, interval, expected) in [
        (SourceChoice::Auto, "0.0.0-other", true, NEVER, api),
        (SourceChoice::Auto, &*here, false, tick, api),
        // Scrapes decide nothing.
        (SourceChoice::Auto, &*here, false, NEVER, None),
        (SourceChoice::Auto, &*here, true, tick, kernel),
        (SourceChoice::Kernel, "0.0.0-other", false, tick, kernel),
        (SourceChoice::Api, &*here, true, NEVER, api),
    ] {
        let engine = FakeEngine::start();
        set_version(&engine, release, "Engine");
        let fake = if is_here { tree.container("idle").fake().started_at(now()) } else { container("idle") };
        engine.put(fake);
        let agent = start(&tree, &engine, choice, interval);
        wait_until(SOON, &format!("{choice:?} {release} {is_here}: {expected:?}"), || {
            agent.fresh();
            agent.engine().source == expected
        });
        if expected == api {
            agent.wait_slot("idle", Slot::MemoryUsage, Some(4 << 20));
            assert_eq!(agent.get("idle", Slot::MemoryLimit), None);
            assert!(agent.engine().requests >= 1);
        } else {
            assert_eq!(engine.asked("/stats"), 0);
        }
    }
}

#[test]
fn numbers_are_the_engines_and_grow() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let id = engine.put(container("web"));
    let stats = FakeStats { memory_limit: 64 << 20, ..FakeStats::default() };
    engine.set_stats(&id, stats.clone());
    let agent = ask_api(&tree, &engine);
    agent.wait_slot("web", Slot::MemoryLimit, Some(64 << 20));
    agent.wait_row("web", "a percentage", |row| row.values.get(Slot::CpuPercent) > Some(0));
    let row = agent.row("web").unwrap();
    assert_eq!(row.values.get(Slot::MemoryWorkingSet), Some(stats.memory));
    assert_eq!((row.interfaces.len(), received(&row)), (1, Some(1000)));
    assert!(row.devices.is_empty());
    let mut last = row.values.get(Slot::CpuUsage);
    for _ in 0..5 {
        agent.wait_row("web", "more processor time", |row| row.values.get(Slot::CpuUsage) > last);
        last = agent.get("web", Slot::CpuUsage);
    }
    engine.set_stats(&id, FakeStats { memory_limit: HOST_MEMORY, ..stats });
    agent.wait_slot("web", Slot::MemoryLimit, None);
    // One stream, however long.
    assert_eq!(engine.asked("/stats"), 1);
}

#[test]
fn one_containers_trouble_is_its_own() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let good = engine.put(container("good"));
    let troubles = [
        ("silent", Trouble::Silence),
        ("garbage", Trouble::Garbage),
        ("long", Trouble::LongLines(64 << 20)),
        ("ends", Trouble::Ends),
    ];
    let bad: Vec<_> = troubles
        .map(|(name, trouble)| {
            let id = engine.put(container(name));
            engine
                .set_stats(&id, FakeStats { trouble, every: Duration::from_secs(1), ..FakeStats::default() });
            (name, id)
        })
        .into();
    let answers = [
        ("hangs", Behaviour::Hang),
        ("no-http", Behaviour::Garbage(b"junk".to_vec())),
        ("refused", Behaviour::Status(500, "no".to_owned())),
    ];
    for (name, behaviour) in &answers {
        let id = engine.put(container(name));
        engine.set_behaviour(&format!("/containers/{id}/stats"), behaviour.clone());
    }
    let agent = ask_api(&tree, &engine);
    let mut last = None;
    for _ in 0..20 {
        agent.wait_row("good", "more processor time", |row| row.values.get(Slot::CpuUsage) > last);
        last = agent.get("good", Slot::CpuUsage);
    }
    let names = || bad.iter().map(|(name, _)| *name).chain(answers.iter().map(|(name, _)| *name));
    for name in names() {
        let row = agent.row(name).unwrap();
        assert_eq!(row.values.get(Slot::State), Some(1), "{name}");
        assert_eq!(row.values.get(Slot::MemoryUsage), None, "{name}");
        assert!(row.interfaces.is_empty(), "{name}");
    }
    wait_until(SOON, "failures are counted", || {
        let told = agent.samples.latest().agent.engines[0].clone();
        told.is_up() && told.failures > 2 && told.timeouts > 0 && told.broken > 1
    });
    for (_, id) in &bad {
        engine.set_stats(id, FakeStats::default());
    }
    for (name, _) in &answers {
        let id = plimsoll_testkit::fake_engine::id_of(name);
        engine.set_behaviour(&format!("/containers/{id}/stats"), Behaviour::Normal);
    }
    for name in names() {
        agent.wait_slot(name, Slot::MemoryUsage, Some(4 << 20));
    }
    // A stream that falls silent later takes its numbers away.
    engine.set_stats(&good, FakeStats { trouble: Trouble::Silence, ..FakeStats::default() });
    agent.wait_slot("good", Slot::MemoryUsage, None);
    assert_eq!(agent.get("silent", Slot::MemoryUsage), Some(4 << 20));
}

#[test]
fn traffic_of_a_shared_network_is_shown_once() {
    let tree = Tree::unpack();
    for component in ["Engine", "Podman Engine"] {
        let engine = FakeEngine::start();
        set_version(&engine, "0.0.0-other", component);
        let infra = FakeContainer::new("infra").pid(ELSEWHERE).started_at(now());
        let mode = format!("container:{}", plimsoll_testkit::fake_engine::id_of("infra"));
        // The members come first, and one says its owner by name.
        engine.put(container("first").network_mode(&mode));
        engine.put(container("second").network_mode("container:infra"));
        let owner = engine.put(infra.clone());
        engine.put(container("alone"));
        engine.put(container("host").network_mode("host"));
        let agent = start(&tree, &engine, SourceChoice::Auto, Setup::default().interval);
        let shows = |expected: &[&str]| {
            wait_until(SOON, &format!("{component}: traffic of {expected:?}"), || {
                let snapshot = agent.samples.latest();
                let rows = snapshot.containers.iter();
                let all = rows.clone().all(|row| {
                    row.values.get(Slot::MemoryUsage).is_some() || row.values.get(Slot::State) == Some(0)
                });
                let shown: Vec<_> = rows
                    .filter(|row| received(row).is_some())
                    .map(|row| row.container.name.as_str())
                    .collect();
                all && shown == expected
            });
        };
        shows(&["infra", "alone"]);
        // Without its owner, the first of the others speaks.
        engine.put(infra.clone().exited(0, now()));
        engine.emit("die", &owner, &[("exitCode", "0")]);
        shows(&["first", "alone"]);
        engine.put(infra.started_at(now()));
        engine.emit("start", &owner, &[]);
        shows(&["infra", "alone"]);
        let (one, each) = (
            engine.asked("/libpod/containers/stats"),
            engine.asked("stats?stream=true") - engine.asked("libpod/containers/stats"),
        );
        let expected = if component == "Engine" { (0, true) } else { (1, false) };
        assert_eq!((one, each > 0), expected);
    }
}

#[test]
fn a_life_shows_no_numbers_of_another() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let web = container("web").started_at(now() - 3_600_000_000_000);
    let id = engine.put(web.clone());
    let agent = ask_api(&tree, &engine);
    agent.wait_row("web", "numbers", |row| row.values.get(Slot::CpuUsage).is_some());
    let first = agent.get("web", Slot::CpuUsage).unwrap();
    engine.emit("oom", &id, &[]);
    agent.wait_slot("web", Slot::OomEvents, Some(1));

    for restarts in 1..4 {
        engine.put(web.clone().exited(137, now()));
        engine.emit("die", &id, &[("exitCode", "137")]);
        agent.wait_row("web", "its end", |row| {
            let ended = row.values.get(Slot::State) == Some(0);
            assert!(!ended || (row.values.get(Slot::MemoryUsage).is_none() && row.interfaces.is_empty()));
            ended
        });
        engine.put(web.clone().started_at(now()));
        engine.emit("start", &id, &[]);
        agent.wait_row("web", "numbers of the new run", |row| {
            let usage = row.values.get(Slot::CpuUsage);
            assert!(row.values.get(Slot::Restarts) != Some(restarts) || usage < Some(first), "{usage:?}");
            usage.is_some() && row.values.get(Slot::Restarts) == Some(restarts)
        });
    }
    assert_eq!(agent.get("web", Slot::ExitsSignal), Some(3));
    assert_eq!(agent.get("web", Slot::OomEvents), Some(1));

    // So quickly that nobody saw it stop: what the first run had left behind is not shown for the second.
    engine.put(web.clone().exited(0, now()));
    engine.emit("die", &id, &[("exitCode", "0")]);
    engine.put(web.started_at(now()));
    engine.emit("start", &id, &[]);
    agent.wait_row("web", "numbers of the last run", |row| {
        let restarted = row.values.get(Slot::Restarts) == Some(4);
        restarted && row.values.get(Slot::CpuUsage).is_some_and(|usage| usage < first)
    });
    engine.remove(&id);
    engine.emit("destroy", &id, &[]);
    agent.wait_gone("web");
}
