//! The bad days: an engine that is away, late, wrong, or full of surprises.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use plimsoll_collect::{Filter, Options, Pace};
use plimsoll_engine::Endpoint;
use plimsoll_model::container::LabelChoice;
use plimsoll_model::text::{MAX_LABELS, MAX_TEXT};
use plimsoll_model::{Health, InterfaceSlot, Selection, Slot, State};
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, id_of};
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};
use common::{Captured, Tree, set_version};

fn endpoint(engine: &FakeEngine) -> Endpoint {
    Endpoint::Unix(engine.socket().to_owned())
}

fn start_with(tree: &Tree, engine: &FakeEngine, setup: Setup) -> Agent {
    Agent::start(tree.kernel(&Selection::default()), endpoint(engine), setup)
}

fn start(tree: &Tree, engine: &FakeEngine) -> Agent {
    let agent = start_with(tree, engine, Setup::default());
    agent.wait_ready();
    agent
}

/// The tree's containers in a fake engine.
fn engine_of(tree: &Tree) -> FakeEngine {
    let engine = FakeEngine::start();
    for container in &tree.containers {
        engine.put(container.fake());
    }
    engine
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// Ends a container as an engine does: first the state, then the event.
fn die(engine: &FakeEngine, fake: FakeContainer, id: &str, code: i64) -> FakeContainer {
    let ended = fake.exited(code, now());
    engine.put(ended.clone());
    engine.emit("die", id, &[("exitCode", &code.to_string())]);
    ended
}

/// Starts it again.
fn start_again(engine: &FakeEngine, fake: FakeContainer, id: &str, pid: u32) -> FakeContainer {
    let started = fake.state("running").pid(pid).started_at(now());
    engine.put(started.clone());
    engine.emit("start", id, &[]);
    started
}

#[test]
fn the_full_picture_at_start() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    engine.put(FakeContainer::new("stopped").exited(3, 1_700_000_100_000_000_000));
    let agent = start(&tree, &engine);
    let snapshot = agent.newer();
    let names: Vec<_> = snapshot.containers.iter().map(|row| row.container.name.as_str()).collect();
    assert_eq!(names, ["idle", "busy", "oom", "net", "peer", "host", "paused", "nested", "stopped"]);
    assert_eq!(snapshot.agent.containers_read, 8);
    for row in &snapshot.containers {
        let name = row.container.name.as_str();
        let get = |slot: Slot| row.values.get(slot);
        assert_eq!(get(Slot::LastSeen), Some(snapshot.at));
        assert_eq!((get(Slot::Restarts), row.container.runtime.as_str()), (Some(0), "runc"), "{name}");
        assert!(row.container.image_facts.is_some(), "{name}");
        let has_network = matches!(name, "idle" | "busy" | "oom" | "net" | "paused" | "nested");
        assert_eq!(!row.interfaces.is_empty(), has_network, "{name}");
        if name == "stopped" {
            assert_eq!((get(Slot::State), get(Slot::Status)), (Some(0), Some(0)));
            assert_eq!(get(Slot::ExitCode), Some(3));
            assert_eq!(get(Slot::Finished), Some(1_700_000_100_000_000_000));
            assert_eq!((get(Slot::MemoryUsage), get(Slot::CpuUsage), get(Slot::Uptime)), (None, None, None));
        } else {
            assert!(get(Slot::MemoryUsage).is_some() && get(Slot::CpuUsage).is_some(), "{name}");
            let paused = name == "paused";
            let state = if paused { (Some(0), Some(2)) } else { (Some(1), Some(1)) };
            assert_eq!((get(Slot::State), get(Slot::Status)), state, "{name}");
            assert_eq!((get(Slot::ExitCode), get(Slot::Finished)), (None, None), "{name}");
        }
    }
    let told = agent.engine();
    assert!(told.is_up() && told.trouble.is_empty());
    assert_eq!((told.failures, told.timeouts, told.broken), (0, 0, 0));
    assert_eq!(told.facts.unwrap().cgroup_driver, "cgroupfs");
    // version, events, info, listing, nine containers, one image: and not one more.
    assert_eq!((told.requests, engine.requests().len()), (14, 14), "{:?}", engine.requests());
    assert!(engine.requests().iter().all(|(method, _)| method == "GET"));
}

#[test]
fn an_engine_that_comes_later() {
    let tree = Tree::unpack();
    let mut engine = engine_of(&tree);
    engine.stop();
    let agent = start_with(&tree, &engine, Setup::default());
    wait_until(SOON, "a first look without the engine", || agent.samples.is_ready());
    let told = agent.engine();
    assert!(!told.is_up() && told.failures > 0 && told.facts.is_none());
    assert!(told.trouble.contains("docker.sock"), "{}", told.trouble);
    assert!(agent.samples.latest().containers.is_empty());
    let capabilities = &agent.samples.latest().agent.capabilities;
    let socket = capabilities.iter().find(|known| known.feature == "docker_socket").unwrap().clone();
    assert!(!socket.available && !socket.remedy.is_empty());

    engine.restart();
    let back = Instant::now();
    agent.wait_up(true);
    agent.wait_row("nested", "numbers", |row| row.values.get(Slot::MemoryUsage).is_some());
    assert!(back.elapsed() < Duration::from_secs(5));
    wait_until(SOON, "the rest", || agent.samples.latest().agent.containers_read == 8);
}

#[test]
fn what_is_known_is_measured_while_the_engine_is_away() {
    let tree = Tree::unpack();
    let mut engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    engine.stop();
    agent.wait_up(false);
    assert!(agent.engine().facts.is_some(), "what it said of itself is kept");

    // Numbers go on.
    let usage = agent.get("idle", Slot::MemoryUsage).unwrap() + 4096;
    std::fs::write(tree.cgroup_file("memory", "idle", "memory.usage_in_bytes"), format!("{usage}\n"))
        .unwrap();
    agent.wait_slot("idle", Slot::MemoryUsage, Some(usage));
    assert_eq!(agent.newer().containers.len(), 8);

    // What happens while nobody listens: one is gone, one ended, one ended and was started, one came.
    let (oom, busy) = (tree.container("oom"), tree.container("busy"));
    engine.remove(&oom.id);
    engine.put(tree.container("net").fake().exited(137, now()));
    engine.put(busy.fake().finished_at(now()).started_at(now() + 1));
    engine.put(FakeContainer::new("new").state("created"));
    engine.restart();
    let back = Instant::now();
    agent.wait_up(true);
    agent.wait_gone("oom");
    agent.wait_slot("net", Slot::State, Some(0));
    agent.wait_slot("busy", Slot::Restarts, Some(1));
    agent.wait_slot("new", Slot::Status, Some(4));
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    agent.wait_slot("net", Slot::ExitCode, Some(137));
    agent.wait_slot("net", Slot::ExitsSignal, Some(1));
    agent.wait_slot("busy", Slot::StartsManual, Some(1));

    // A connection that breaks alone: the same again.
    let streams = engine.asked("/events");
    engine.drop_connections();
    wait_until(SOON, "a new stream", || engine.subscribers() == 1 && engine.asked("/events") > streams);
    let ended = die(&engine, busy.fake().started_at(now()), &busy.id, 0);
    agent.wait_slot("busy", Slot::State, Some(0));
    start_again(&engine, ended, &busy.id, busy.pid);
    agent.wait_slot("busy", Slot::StartsManual, Some(agent.get("busy", Slot::Restarts).unwrap()));
}

#[test]
fn containers_that_hang_hold_up_nobody() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    // More of them than requests may be under way.
    let mut hung: Vec<_> = (0..40).map(|n| engine.put(FakeContainer::new(&format!("hung-{n}")))).collect();
    hung.push(tree.container("oom").id.clone());
    for id in &hung {
        engine.set_behaviour(&format!("/containers/{id}"), Behaviour::Hang);
    }
    let late = engine.put(FakeContainer::new("late").restart_policy("always"));
    let agent = start_with(&tree, &engine, Setup::default());
    wait_until(SOON, "readiness without them", || agent.samples.is_ready());
    for name in ["idle", "nested"] {
        agent.wait_row(name, "inspection", |row| row.values.get(Slot::Restarts) == Some(0));
    }
    agent.wait_row("late", "its turn", |row| row.container.restart_policy == "always");
    // What the listing and the kernel tell is there all the same.
    agent.wait_row("oom", "numbers", |row| row.values.get(Slot::MemoryUsage).is_some());
    assert_eq!(agent.get("oom", Slot::Restarts), None);
    // Events of others are followed at once.
    engine.put(FakeContainer::new("late").restart_policy("no"));
    engine.emit("update", &late, &[]);
    agent.wait_row("late", "an update", |row| row.container.restart_policy == "no");
    let told = agent.engine();
    assert!(told.is_up() && told.timeouts > 0, "{told:?}");

    for id in &hung {
        engine.set_behaviour(&format!("/containers/{id}"), Behaviour::Normal);
    }
    agent.wait_slot("oom", Slot::Restarts, Some(0));
    agent.wait_slot("hung-39", Slot::Restarts, Some(0));
}

#[test]
fn listings_that_are_none() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let bad = [
        Behaviour::Garbage(b"\x00\xff not HTTP\r\n\r\n".to_vec()),
        Behaviour::Truncate(100),
        Behaviour::CloseMidBody,
        Behaviour::Status(500, r#"{"message":"no"}"#.to_owned()),
        Behaviour::Status(200, r#"{"no":"list"}"#.to_owned()),
        Behaviour::Huge(40 * 1024 * 1024),
    ];
    for behaviour in bad {
        let what = format!("{:.60}", format!("{behaviour:?}"));
        engine.set_behaviour("/containers/json", behaviour);
        let agent = start_with(&tree, &engine, Setup::default());
        wait_until(SOON, &what, || agent.samples.is_ready());
        let told = agent.engine();
        assert!(!told.is_up() && told.failures > 0 && !told.trouble.is_empty(), "{what}: {told:?}");
        assert!(agent.samples.latest().containers.is_empty(), "{what}");
        engine.set_behaviour("/containers/json", Behaviour::Normal);
        agent.wait_up(true);
        wait_until(SOON, &what, || agent.samples.latest().agent.containers_read == 8);
    }
}

#[test]
fn a_later_listing_that_is_wrong_takes_nobody_away() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let pace = Pace { check: Duration::from_millis(50), listing_every: 1, ..Setup::default().pace };
    let agent = start_with(&tree, &engine, Setup { pace, ..Setup::default() });
    agent.wait_ready();
    let listings = || engine.asked("/containers/json");
    // Empty, as one that was begun before the containers were made.
    engine.set_behaviour("/containers/json", Behaviour::Status(200, "[]".to_owned()));
    let before = listings();
    wait_until(SOON, "some listings", || {
        assert_eq!(agent.samples.latest().containers.len(), 8);
        listings() > before + 5
    });
    assert!(agent.engine().is_up());
    // Broken: the session ends, and what is known stays.
    engine.set_behaviour("/containers/json", Behaviour::Truncate(5));
    agent.wait_up(false);
    assert_eq!(agent.samples.latest().containers.len(), 8);
    engine.set_behaviour("/containers/json", Behaviour::Normal);
    agent.wait_up(true);
    // One that is really gone, although no event told of it.
    engine.remove(&tree.container("oom").id);
    agent.wait_gone("oom");
}

#[test]
fn elements_of_a_listing_that_are_none() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let idle = &tree.container("idle").id;
    let id = id_of("odd");
    let body = format!(
        r#"[1, null, [], {{}}, {{"Id": 7}}, {{"Id": "../../etc"}}, {{"Id":"{id}","Names":null,"Image":[],
        "Labels":{{"a":null,"b":3}},"State":{{}},"Created":"never"}}, {{"Id":"{idle}","Names":["/idle"],"State":"running"}}]"#
    );
    engine.set_behaviour("/containers/json", Behaviour::Status(200, body));
    engine.put(FakeContainer::new("odd").state("hibernating"));
    let agent = start(&tree, &engine);
    assert_eq!(agent.newer().containers.len(), 2);
    assert!(agent.engine().broken >= 4, "{:?}", agent.engine());
    let odd = agent.row("odd").unwrap();
    assert_eq!(odd.container.state, State::Other("hibernating".into()));
    assert_eq!((odd.values.get(Slot::State), odd.values.get(Slot::Status)), (Some(0), None));
    assert!(agent.get("idle", Slot::MemoryUsage).is_some());
}

#[test]
fn every_event_shows() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    let idle = tree.container("idle");
    let fake = || idle.fake();

    engine.put(fake().state("paused").pid(idle.pid));
    engine.emit("pause", &idle.id, &[]);
    agent.wait_slot("idle", Slot::Status, Some(2));
    assert!(agent.get("idle", Slot::MemoryUsage).is_some(), "a paused container uses memory");
    engine.put(fake());
    engine.emit("unpause", &idle.id, &[]);
    agent.wait_slot("idle", Slot::Status, Some(1));

    for (word, slot, health) in [
        ("starting", Slot::HealthStarting, Health::Starting),
        ("healthy", Slot::HealthHealthy, Health::Healthy),
        ("unhealthy", Slot::HealthUnhealthy, Health::Unhealthy),
    ] {
        let streak = u64::from(health == Health::Unhealthy) * 3;
        engine.put(fake().health(word, streak));
        engine.emit(&format!("health_status: {word}"), &idle.id, &[]);
        agent.wait_slot("idle", slot, Some(1));
        agent.wait_slot("idle", Slot::HealthFailingStreak, Some(streak));
        assert_eq!(agent.row("idle").unwrap().container.health, health);
        assert_eq!(agent.get("idle", Slot::HealthNone), Some(0));
    }
    engine.put(fake());

    // Limits: the files first, then the word.
    std::fs::write(tree.cgroup_file("cpu", "idle", "cpu.cfs_quota_us"), "150000\n").unwrap();
    agent.newer();
    assert_eq!(agent.get("idle", Slot::CpuLimit), None, "limits are not read in each pass");
    engine.emit("update", &idle.id, &[]);
    agent.wait_slot("idle", Slot::CpuLimit, Some(1_500_000_000));

    engine.put(FakeContainer::new("idler").id(&idle.id).pid(idle.pid));
    engine.emit("rename", &idle.id, &[("oldName", "/idle")]);
    agent.wait_row("idler", "the new name", |_| true);
    assert!(agent.row("idle").is_none());

    // An event alone counts, also where the kernel's count does not move.
    let kills = agent.get("oom", Slot::OomEvents).unwrap();
    assert_eq!(Some(kills), agent.get("oom", Slot::MemoryEventOomKill));
    let before = agent.get("idler", Slot::OomEvents).unwrap();
    engine.emit("oom", &idle.id, &[]);
    agent.wait_slot("idler", Slot::OomEvents, Some(before + 1));
    // Where the kernel has counted it, it is the same one.
    engine.emit("oom", &tree.container("oom").id, &[]);
    agent.newer();
    assert_eq!(agent.get("oom", Slot::OomEvents), Some(kills));

    let id = engine.put(FakeContainer::new("new").state("created"));
    engine.emit("create", &id, &[]);
    agent.wait_slot("new", Slot::Status, Some(4));
    start_again(&engine, FakeContainer::new("new"), &id, 1);
    agent.wait_slot("new", Slot::State, Some(1));
    agent.wait_slot("new", Slot::Restarts, Some(0));
    engine.remove(&id);
    engine.emit("destroy", &id, &[]);
    agent.wait_gone("new");
    assert_eq!(agent.newer().containers.len(), 8);
    assert_eq!(agent.engine().broken, 0);
}

#[test]
fn restarts_by_policy_and_by_hand_are_told_apart() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    let busy = tree.container("busy");
    let mut fake = busy.fake();
    for _ in 0..3 {
        fake = die(&engine, fake, &busy.id, 143);
        agent.wait_slot("busy", Slot::State, Some(0));
        agent.wait_slot("busy", Slot::ExitCode, Some(143));
        assert_eq!(agent.get("busy", Slot::MemoryUsage), None, "no numbers of a life that is over");
        fake = start_again(&engine, fake, &busy.id, busy.pid);
        agent.wait_slot("busy", Slot::State, Some(1));
    }
    for count in 1..=2 {
        // The engine counts a restart when it decides on it.
        fake = fake.restart_count(count).exited(3, now()).state("restarting");
        engine.put(fake.clone());
        engine.emit("die", &busy.id, &[("exitCode", "3")]);
        agent.wait_slot("busy", Slot::Status, Some(3));
        fake = start_again(&engine, fake, &busy.id, busy.pid);
        agent.wait_slot("busy", Slot::State, Some(1));
        agent.wait_slot("busy", Slot::StartsPolicy, Some(count));
    }
    agent.wait_slot("busy", Slot::Restarts, Some(5));
    assert_eq!(agent.get("busy", Slot::StartsManual), Some(3));
    assert_eq!(agent.get("busy", Slot::ExitsSignal), Some(3));
    assert_eq!(agent.get("busy", Slot::ExitsError), Some(2));
    agent.wait_row("busy", "its numbers again", |row| row.values.get(Slot::CpuUsage).is_some());
}

#[test]
fn a_crash_loop_is_met_in_the_middle() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let busy = tree.container("busy");
    // The fifth restart is decided on, and not made yet.
    let fake = busy.fake().restart_count(5).exited(1, now()).state("restarting");
    engine.put(fake.clone());
    let agent = start(&tree, &engine);
    assert_eq!((agent.get("busy", Slot::Status), agent.get("busy", Slot::Restarts)), (Some(3), Some(4)));
    start_again(&engine, fake, &busy.id, busy.pid);
    agent.wait_slot("busy", Slot::Restarts, Some(5));
    agent.wait_slot("busy", Slot::StartsPolicy, Some(1));
    assert_eq!(agent.get("busy", Slot::StartsManual), Some(0));
}

#[test]
fn a_listing_does_not_unname_an_image() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let pace = Pace { check: Duration::from_millis(50), listing_every: 1, ..Setup::default().pace };
    let agent = start_with(&tree, &engine, Setup { pace, ..Setup::default() });
    agent.wait_ready();
    // Once the tag was given to another image, a listing shows the id.
    let idle = &tree.container("idle").id;
    let body = format!(r#"[{{"Id":"{idle}","Names":["/idle"],"Image":"sha256:0123","State":"running"}}]"#);
    engine.set_behaviour("/containers/json", Behaviour::Status(200, body));
    engine.forget();
    wait_until(SOON, "some listings", || engine.requests().len() > 30);
    agent.newer();
    assert_eq!(agent.row("idle").unwrap().container.image, "busybox:local");
}

#[test]
fn a_cgroup_that_appears_late_is_found() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let hidden = tree.path("hidden");
    let hierarchies = ["cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "unified"];
    let hide = |from: &std::path::Path, to: &std::path::Path| {
        for hierarchy in hierarchies {
            let directory =
                |root: &std::path::Path| root.join(hierarchy).join("docker").join(&tree.container("idle").id);
            if directory(from).exists() {
                std::fs::create_dir_all(directory(to).parent().unwrap()).unwrap();
                std::fs::rename(directory(from), directory(to)).unwrap();
            }
        }
    };
    hide(&tree.path("cgroup"), &hidden);
    let agent = start(&tree, &engine);
    assert_eq!(agent.get("idle", Slot::MemoryUsage), None);
    assert_eq!(agent.get("idle", Slot::State), Some(1));
    let before = agent.samples.latest().sequence;
    wait_until(SOON, "many passes", || agent.samples.latest().sequence > before + 15);
    hide(&hidden, &tree.path("cgroup"));
    agent.wait_row("idle", "numbers", |row| row.values.get(Slot::MemoryUsage).is_some());
}

#[test]
fn one_speaks_for_a_shared_network() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    let (net, peer) = (tree.container("net"), tree.container("peer"));
    let traffic = |name: &str| {
        let row = agent.row(name).unwrap();
        (row.network_total(InterfaceSlot::TxBytes), row.values.get(Slot::SocketsTcp).is_some())
    };
    let spoken = traffic("net");
    assert!(spoken.0 > Some(5_000_000) && spoken.1, "{spoken:?}");
    assert_eq!(traffic("peer"), (None, false));
    let cpu = agent.get("peer", Slot::CpuUsage);
    let mut last = net.fake();
    for _ in 0..2 {
        last = die(&engine, last, &net.id, 0);
        wait_until(SOON, "the peer to speak", || traffic("peer") == spoken);
        assert_eq!(traffic("net"), (None, false));
        last = start_again(&engine, last, &net.id, net.pid);
        wait_until(SOON, "the owner to speak", || traffic("net") == spoken);
        // Never both, and never nobody.
        for _ in 0..5 {
            let snapshot = agent.newer();
            let rows = snapshot.containers.iter();
            let both = rows.filter(|row| [&net.id, &peer.id].contains(&&row.container.id));
            assert_eq!(both.map(|row| row.interfaces.len()).sum::<usize>(), 1);
        }
        assert_eq!(agent.get("peer", Slot::CpuUsage), cpu);
        assert_eq!(agent.get("peer", Slot::Restarts), Some(0));
    }
}

#[test]
fn whose_network_it_is_may_be_told_late() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let (net, peer) = (tree.container("net"), tree.container("peer"));
    // As Podman's listing: without a word of networks, and whoever asked to share first.
    let listed = |captured: &Captured| {
        format!(r#"{{"Id":"{}","Names":["/{}"],"State":"running"}}"#, captured.id, captured.name)
    };
    let listing = format!("[{},{}]", listed(peer), listed(net));
    engine.set_behaviour("/containers/json", Behaviour::Status(200, listing));
    for captured in [net, peer] {
        engine.set_behaviour(&format!("/containers/{}", captured.id), Behaviour::Hang);
    }
    let agent = start(&tree, &engine);
    let speaks = |name: &str| agent.row(name).is_some_and(|row| !row.interfaces.is_empty());
    wait_until(SOON, "somebody to speak", || speaks("peer") && !speaks("net"));
    for captured in [net, peer] {
        engine.set_behaviour(&format!("/containers/{}", captured.id), Behaviour::Normal);
    }
    wait_until(SOON, "the owner to speak", || speaks("net") && !speaks("peer"));
    assert_eq!(agent.get("net", Slot::Restarts), Some(0));
}

#[test]
fn kills_add_up_over_lives() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    let oom = tree.container("oom");
    let kills = agent.get("oom", Slot::OomEvents).unwrap();
    assert!(kills > 0);
    // A kill that the engine tells of, and the kernel counted: once.
    std::fs::write(
        tree.cgroup_file("memory", "oom", "memory.oom_control"),
        format!("oom_kill_disable 0\nunder_oom 0\noom_kill {}\n", kills + 1),
    )
    .unwrap();
    let usage = tree.cgroup_file("memory", "oom", "memory.usage_in_bytes");
    std::fs::write(&usage, "1234567\n").unwrap();
    agent.wait_slot("oom", Slot::OomEvents, Some(kills + 1));
    engine.emit("oom", &oom.id, &[]);
    let ended = die(&engine, oom.fake(), &oom.id, 137);
    agent.wait_slot("oom", Slot::State, Some(0));
    assert_eq!(agent.get("oom", Slot::OomEvents), Some(kills + 1), "a stopped container keeps its count");
    // The next life, with a new cgroup and one kill.
    std::fs::write(
        tree.cgroup_file("memory", "oom", "memory.oom_control"),
        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    .unwrap();
    start_again(&engine, ended, &oom.id, oom.pid);
    agent.wait_slot("oom", Slot::OomEvents, Some(kills + 2));
    agent.newer();
    assert_eq!(agent.get("oom", Slot::OomEvents), Some(kills + 2));
}

#[test]
fn a_process_that_the_agent_cannot_see_is_no_new_life() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let oom = tree.container("oom");
    // Without --pid=host the agent sees none of the engine's process ids.
    std::fs::remove_dir_all(tree.path(&format!("proc/{}", oom.pid))).unwrap();
    engine.put(oom.fake());
    let agent = start(&tree, &engine);
    agent.wait_row("oom", "numbers", |row| row.values.get(Slot::MemoryUsage).is_some());
    let kills = agent.get("oom", Slot::MemoryEventOomKill);
    for streak in 1..4 {
        engine.put(oom.fake().health("unhealthy", streak));
        engine.emit("health_status: unhealthy", &oom.id, &[]);
        agent.wait_slot("oom", Slot::HealthFailingStreak, Some(streak));
        agent.newer();
        assert_eq!(agent.get("oom", Slot::OomEvents), kills);
        assert!(agent.get("oom", Slot::CpuPercent).is_some(), "no rate began anew");
    }
}

#[test]
fn filters_hold_from_the_first_moment() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let labelled = |name: &str, tier: &str| FakeContainer::new(name).label("tier", tier);
    engine.put(labelled("web-1", "prod"));
    engine.put(labelled("web-2", "test"));
    let filter =
        Filter::default().include_names(["web-*", "idle"]).unwrap().exclude_labels(["tier=test"]).unwrap();
    let options = Options { filter, ..Options::default() };
    let agent = start_with(&tree, &engine, Setup { options, ..Setup::default() });
    agent.wait_ready();
    let names = || {
        let snapshot = agent.samples.latest();
        let mut names: Vec<_> = snapshot.containers.iter().map(|row| row.container.name.clone()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(), ["idle", "web-1"]);
    // One that an event tells of: its labels are not known until it was inspected.
    let test = engine.put(labelled("web-3", "test"));
    engine.set_behaviour(&format!("/containers/{test}"), Behaviour::Hang);
    engine.emit("create", &test, &[]);
    engine.emit("start", &test, &[]);
    let prod = engine.put(labelled("web-4", "prod"));
    engine.emit("create", &prod, &[]);
    wait_until(SOON, "the new one", || {
        assert!(!names().contains(&"web-3".to_owned()));
        names().contains(&"web-4".to_owned())
    });
    engine.set_behaviour(&format!("/containers/{test}"), Behaviour::Normal);
    // A new name can bring a container in, and take it out.
    let idle = tree.container("idle");
    engine.put(FakeContainer::new("other").id(&idle.id).pid(idle.pid));
    engine.emit("rename", &idle.id, &[("oldName", "/idle")]);
    agent.wait_gone("idle");
    let busy = tree.container("busy");
    engine.put(FakeContainer::new("web-9").id(&busy.id).pid(busy.pid));
    let left_out = &tree.container("oom").id;
    engine.emit("pause", left_out, &[("name", "oom"), ("image", "busybox")]);
    engine.emit("rename", &busy.id, &[("oldName", "/busy")]);
    agent.wait_row("web-9", "numbers", |row| row.values.get(Slot::MemoryUsage).is_some());
    assert_eq!(names(), ["web-1", "web-4", "web-9"]);
    let asked = engine.asked(left_out) > 0;
    assert!(!asked, "the engine is not asked about containers that are left out");
}

#[test]
fn hostile_text_is_bounded_and_counted_once() {
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    let mut fake = FakeContainer::new("hostile")
        .image("a\"b\\c\nd\u{202e}e\0f")
        .label("quote\"back\\slash\nline", "v\"\\\n\u{1F980}\0")
        .label("a.b", "1")
        .label("a-b", "2")
        .label("big", &"x".repeat(1 << 19));
    for n in 0..MAX_LABELS {
        fake = fake.label(&format!("key-{n:04}"), "");
    }
    let id = engine.put(fake);
    let options = Options { labels: LabelChoice { all: true, keys: vec![] }, ..Options::default() };
    let agent = start_with(&tree, &engine, Setup { options, ..Setup::default() });
    agent.wait_ready();
    let row = agent.row("hostile").unwrap();
    let container = &row.container;
    assert_eq!(container.image, "a\"b\\c\nd\u{202e}e\0f", "escaping is the encoders' work");
    assert_eq!(container.labels.len(), MAX_LABELS);
    assert_eq!(container.labels["big"].len(), MAX_TEXT);
    assert_eq!(container.shown_labels.iter().filter(|(name, _)| name == "label_a_b").count(), 1);
    let loss = |agent: &Agent| agent.samples.latest().agent.label_loss;
    let first = loss(&agent);
    assert_eq!((first.collision, first.too_many, first.long_value), (1, 4, 1), "{first:?}");
    // Told again, it is not lost again.
    for _ in 0..3 {
        let before = agent.engine().requests;
        engine.emit("update", &id, &[]);
        wait_until(SOON, "an inspection", || agent.engine().requests > before);
    }
    agent.newer();
    assert_eq!(loss(&agent), first);
}

#[test]
fn events_too_long_to_be_read_are_made_up_for() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let huge = FakeContainer::new("huge");
    let id = engine.put(huge.clone());
    let pace = Pace { check: Duration::from_millis(100), listing_every: u32::MAX, ..Setup::default().pace };
    let agent = start_with(&tree, &engine, Setup { pace, ..Setup::default() });
    agent.wait_ready();
    assert_eq!(agent.get("huge", Slot::State), Some(1));
    engine.put(huge.exited(5, now()));
    engine.emit("die", &id, &[("exitCode", "5"), ("big", &"x".repeat(1 << 20))]);
    agent.wait_slot("huge", Slot::ExitCode, Some(5));
    agent.wait_slot("huge", Slot::State, Some(0));
    wait_until(SOON, "the skipped line is counted", || agent.engine().broken == 1);
}

#[test]
fn five_thousand_containers() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    for n in 0..5_000 {
        engine.put(FakeContainer::new(&format!("c-{n}")).exited(0, 1_700_000_100_000_000_000));
    }
    let pace = Pace { settle: Duration::from_secs(60), ..Setup::default().pace };
    let timeouts =
        plimsoll_engine::Timeouts { request: Duration::from_secs(20), ..Setup::default().timeouts };
    let interval = Duration::from_millis(500);
    let agent = start_with(&tree, &engine, Setup { pace, timeouts, interval, ..Setup::default() });
    let long = Duration::from_secs(120);
    wait_until(long, "all of them", || agent.samples.is_ready());
    let snapshot = agent.fresh();
    assert_eq!(snapshot.containers.len(), 5_008);
    assert!(snapshot.containers.iter().all(|row| row.values.get(Slot::Restarts) == Some(0)));
    assert_eq!(snapshot.agent.containers_read, 8);
    // One listing, each container once, and the one image.
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for (_, path) in engine.requests() {
        *asked.entry(path).or_default() += 1;
    }
    assert_eq!(asked.len(), 5_008 + 5, "{:?}", asked.keys().take(10).collect::<Vec<_>>());
    assert!(asked.values().all(|count| *count == 1));
    // They go as they came.
    for n in 0..5_000 {
        engine.remove(&id_of(&format!("c-{n}")));
    }
    engine.drop_connections();
    wait_until(long, "the eight", || agent.samples.latest().containers.len() == 8);
    assert_eq!(agent.fresh().agent.containers_read, 8);
}

#[test]
fn events_about_nobody_and_about_nothing() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start(&tree, &engine);
    let stranger = id_of("stranger");
    for action in ["start", "die", "oom", "rename", "pause", "update", "destroy", "kill", "exec_create: sh"] {
        engine.emit(action, &stranger, &[("exitCode", "nonsense")]);
    }
    engine.emit("start", "../../../etc/passwd", &[]);
    engine.emit("start", "", &[]);
    engine.emit_bytes(b"{\"half\": \n");
    engine.emit_bytes(b"\xff\xfe garbage\n{}\n[]\n");
    engine.emit_bytes(br#"{"Type":"volume","Action":"create","Actor":{"ID":"v"}}"#);
    // Somebody who is known is still heard.
    let idle = tree.container("idle");
    engine.put(idle.fake().state("paused").pid(idle.pid));
    engine.emit("pause", &idle.id, &[]);
    agent.wait_slot("idle", Slot::Status, Some(2));
    wait_until(SOON, "no strangers", || agent.samples.latest().containers.len() == 8);
    let told = agent.engine();
    assert!(told.is_up() && told.broken > 0, "{told:?}");
}

#[test]
fn a_pod_is_told_whenever_its_members_come() {
    const MEMBERS: &str = "/v4.0.0/libpod/containers/json";
    let tree = Tree::unpack();
    let engine = FakeEngine::start();
    set_version(&engine, "0.0.0-fake", "Podman Engine");
    let pace = Pace { check: Duration::from_millis(100), listing_every: u32::MAX, ..Setup::default().pace };
    let timeouts = plimsoll_engine::Timeouts { request: Duration::from_secs(4), ..Setup::default().timeouts };
    let agent = start_with(&tree, &engine, Setup { pace, timeouts, ..Setup::default() });
    agent.wait_ready();
    let put = |name: &str| engine.put(FakeContainer::new(name).pod("pod"));
    let asked = || engine.asked(MEMBERS);
    let wait_pod = |name: &str| {
        agent.wait_row(name, "its pod", |row| {
            (row.container.pod.as_str(), row.container.pod_id.as_str()) == ("pod", id_of("pod").as_str())
        });
    };

    // The engine knows of one before its event is heard.
    let (first, second) = (put("first"), put("second"));
    engine.emit("create", &first, &[]);
    wait_pod("first");
    engine.emit("create", &second, &[]);
    wait_pod("second");
    assert_eq!(asked(), 2);

    // One comes while an answer is under way that knows nothing of it.
    engine.set_behaviour(MEMBERS, Behaviour::Drip(Duration::from_micros(200)));
    let alone = engine.put(FakeContainer::new("alone"));
    engine.emit("create", &alone, &[]);
    wait_until(SOON, "a question", || asked() == 3);
    engine.set_behaviour(MEMBERS, Behaviour::Normal);
    let late = put("late");
    engine.emit("create", &late, &[]);
    wait_pod("late");

    // The engine takes too long.
    let timeouts = agent.engine().timeouts;
    engine.set_behaviour(MEMBERS, Behaviour::Hang);
    engine.emit("create", &put("patient"), &[]);
    wait_until(SOON, "a timeout", || agent.engine().timeouts > timeouts);
    engine.set_behaviour(MEMBERS, Behaviour::Normal);
    wait_pod("patient");

    // Nobody tells of pods here, and is not asked for the same twice.
    engine.set_behaviour(MEMBERS, Behaviour::Status(403, "no".to_owned()));
    let before = asked();
    engine.emit("create", &put("unknown"), &[]);
    wait_until(SOON, "a question", || asked() > before);
    let pinged = engine.asked("/_ping");
    wait_until(SOON, "later checks", || engine.asked("/_ping") > pinged + 2);
    assert_eq!((asked(), agent.row("unknown").unwrap().container.pod.as_str()), (before + 1, ""));
}

#[test]
fn a_quiet_time_costs_what_the_pace_says() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let pace = Pace { check: Duration::from_millis(40), listing_every: 4, ..Setup::default().pace };
    let agent = start_with(&tree, &engine, Setup { pace, ..Setup::default() });
    agent.wait_ready();
    wait_until(SOON, "a few checks", || engine.asked("/_ping") > 3);
    engine.forget();
    let before = agent.engine().requests;
    wait_until(SOON, "forty checks", || engine.requests().len() >= 40);
    let asked: Vec<bool> =
        engine.requests().iter().map(|(_, path)| path.contains("/containers/json")).collect();
    for (_, path) in engine.requests() {
        assert!(path == "/_ping" || path.ends_with("/containers/json?all=1"), "{path}");
    }
    // A listing, three pings, a listing, …
    let first = asked.iter().position(|is_listing| *is_listing).unwrap();
    assert!(first < 4);
    assert!(asked.iter().enumerate().all(|(n, is_listing)| *is_listing == (n % 4 == first)), "{asked:?}");
    let after = agent.newer().agent.engines[0].requests;
    assert!(after - before >= 39, "they are counted");
    // Execs are not asked for, and cause nothing.
    assert_eq!(agent.engine().failures, 0);
}

#[test]
fn ticks_are_handed_out_although_scrapes_come_in_between() {
    const TICK: Duration = Duration::from_millis(200);
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    let agent = start_with(&tree, &engine, Setup { interval: TICK, ..Setup::default() });
    agent.wait_ready();
    let mut samples = agent.samples.clone();
    let scrapes = agent.samples.clone();
    agent.runtime().spawn(async move {
        loop {
            scrapes.fresh().await;
        }
    });
    let (mut last, mut fetched) = (0, std::time::Instant::now());
    for _ in 0..10 {
        let tick =
            agent.runtime().block_on(async { tokio::time::timeout(SOON, samples.tick()).await.unwrap() });
        // Who comes late for one finds the next: on a busy machine that is this test's own thread.
        let in_time = std::mem::replace(&mut fetched, std::time::Instant::now()).elapsed() < TICK * 3 / 2;
        if last > 0 && in_time {
            let missed = tick.agent.ticks_missed;
            assert!(tick.agent.ticks <= last + 1 + missed, "{} {last} {missed}", tick.agent.ticks);
        }
        assert!(tick.agent.ticks > last);
        last = tick.agent.ticks;
    }
}

#[test]
fn an_engine_that_is_slow_to_tell_its_version_is_given_more_time() {
    let tree = Tree::unpack();
    let engine = engine_of(&tree);
    // Longer than the second that a request may take, and longer again at the next try.
    engine.set_behaviour("/version", Behaviour::Drip(Duration::from_millis(5)));
    let agent = start_with(&tree, &engine, Setup::default());
    agent.wait_up(true);
    assert!(agent.engine().timeouts > 0);
}
