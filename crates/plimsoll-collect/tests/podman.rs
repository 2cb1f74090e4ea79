//! Watcher and sampler against a real Podman and the real kernel of this machine: identity, life cycle and
//! numbers, with and without its service, beside a Docker, and from its own statistics.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use plimsoll_collect::{Filter, Options, SourceChoice, Which};
use plimsoll_engine::{Discovery, Endpoint, Found, Timeouts};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::Source;
use plimsoll_model::{ContainerRow, InterfaceSlot, Selection, Slot};
use plimsoll_testkit::docker;
use plimsoll_testkit::podman::{IMAGE, Podman};
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};
use common::{cgroup_file, number};

const MIB: u64 = 1 << 20;
const BUSY: &[&str] = &["--", "sh", "-c", "while :; do :; done"];
/// Ends at once on SIGTERM.
const POLITE: &[&str] = &["--", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

fn kernel() -> Kernel {
    Kernel::probe(Roots::default(), &Selection::default()).unwrap()
}

fn agent(podman: &Podman, source: SourceChoice) -> Agent {
    let agent = Agent::start(
        kernel(),
        Endpoint::Unix(podman.socket()),
        setup(Options { source, ..Options::default() }),
    );
    agent.wait_up(true);
    agent.wait_ready();
    agent
}

/// Podman runs several programs to tell its version, which takes more than a second on a busy machine.
fn setup(options: Options) -> Setup {
    Setup { options, timeouts: Timeouts::default(), ..Setup::default() }
}

fn pid(podman: &Podman, name: &str) -> String {
    podman.expect(&["inspect", "--format", "{{.State.Pid}}", name])
}

/// Waits until the container is inspected, and measured.
#[track_caller]
fn wait_measured(agent: &Agent, name: &str) {
    agent.wait_row(name, "numbers", |row| {
        row.values.get(Slot::CpuUsage).is_some() && row.values.get(Slot::Restarts).is_some()
    });
}

/// Restarts, those by policy and by hand, and ends with 0, by a signal and with an error.
fn counts(row: &ContainerRow) -> [Option<u64>; 6] {
    let slots = [
        Slot::Restarts,
        Slot::StartsPolicy,
        Slot::StartsManual,
        Slot::ExitsZero,
        Slot::ExitsSignal,
        Slot::ExitsError,
    ];
    slots.map(|slot| row.values.get(slot))
}

#[track_caller]
fn wait_counts(agent: &Agent, name: &str, wanted: [u64; 6]) {
    let what = format!("{wanted:?}: restarts, by policy, by hand; ends with 0, by signal, by error");
    agent.wait_row(name, &what, |row| counts(row) == wanted.map(Some));
}

#[track_caller]
fn wait_status(agent: &Agent, name: &str, code: u64) {
    agent.wait_slot(name, Slot::Status, Some(code));
}

/// Memory, tasks and processor time are those of the kernel's files.
#[track_caller]
fn assert_numbers(agent: &Agent, podman: &Podman, name: &str) {
    wait_measured(agent, name);
    let pid = pid(podman, name);
    for (slot, v1, v2) in [
        (Slot::MemoryUsage, "memory.usage_in_bytes", "memory.current"),
        (Slot::Threads, "pids.current", "pids.current"),
    ] {
        let file = cgroup_file(&pid, v1, v2);
        // The machine may take memory back meanwhile.
        wait_until(SOON, &format!("{slot:?} of {name} as in {}", file.display()), || {
            let before = number(&file);
            let shown = agent.newer().containers.iter().find(|row| row.container.name == name).cloned();
            number(&file) == before && shown.unwrap().values.get(slot) == Some(before)
        });
    }
}

#[test]
fn containers_and_pods_have_their_names_states_and_numbers() {
    let podman = Podman::start();
    let alone = podman
        .run("alone", &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "77", "--label", "tier=db"]);
    let busy = podman.run("busy", &[&["--cpus", "0.5"], BUSY].concat());
    let pod = podman.expect(&["pod", "create", "--name", "together"]);
    podman.run("first", &["--pod", "together", "--memory", "32m"]);
    podman.run("second", &["--pod", "together"]);
    podman.expect(&["create", "--name", "created", IMAGE, "sleep", "1000"]);
    podman.run("guest", &["--network", "host"]);
    podman.run("paused", &[]);
    podman.expect(&["pause", "paused"]);
    podman.run("ended", &["--", "sh", "-c", "exit 7"]);
    let agent = agent(&podman, SourceChoice::Auto);

    let engine = agent.engine();
    assert_eq!((&*engine.name, engine.source), ("podman", Some(Source::Kernel)));
    assert!(engine.is_up() && engine.facts.unwrap().version.starts_with('4'));
    let row = agent.row("alone").unwrap();
    assert_eq!((&*row.container.engine, &*row.container.id), ("podman", &*alone));
    assert_eq!((&*row.container.image, &*row.container.pod), (IMAGE, ""));
    assert_eq!(row.container.label("tier"), "db");
    for (slot, value) in [
        (Slot::MemoryLimit, 64 * MIB),
        (Slot::CpuLimit, 500_000_000),
        (Slot::ThreadsMax, 77),
        (Slot::Status, 1),
        (Slot::State, 1),
    ] {
        agent.wait_slot("alone", slot, Some(value));
    }
    for name in ["alone", "first", "second", "paused"] {
        assert_numbers(&agent, &podman, name);
    }
    wait_status(&agent, "created", 4);
    wait_status(&agent, "paused", 2);
    wait_status(&agent, "ended", 0);
    agent.wait_slot("ended", Slot::ExitCode, Some(7));
    assert_eq!(agent.get("created", Slot::ExitCode), None, "it has never run");
    for name in ["created", "ended"] {
        assert_eq!(agent.get(name, Slot::MemoryUsage), None, "{name}");
    }

    // The pod's members know of it, and one of them speaks for their network.
    let infra = podman.expect(&["pod", "inspect", "--format", "{{.InfraContainerID}}", "together"]);
    wait_until(SOON, "pods", || agent.row("second").is_some_and(|row| row.container.pod == "together"));
    let snapshot = agent.newer();
    let members: Vec<_> = snapshot.containers.iter().filter(|row| row.container.pod == "together").collect();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|row| row.container.pod_id == pod));
    let speakers: Vec<_> = members.iter().filter(|row| !row.interfaces.is_empty()).collect();
    assert_eq!(speakers.iter().map(|row| &*row.container.id).collect::<Vec<_>>(), [&*infra]);
    assert!(agent.row("guest").unwrap().interfaces.is_empty(), "the host's traffic is no container's");
    assert_eq!(agent.row("alone").unwrap().interfaces.len(), 1);
    // What its start took: an event `restart` of a container that was never started before is none.
    assert!(members.iter().all(|row| row.values.get(Slot::Restarts) == Some(0)));

    let usage = cgroup_file(&pid(&podman, "busy"), "cpuacct.usage", "cpu.stat");
    if usage.ends_with("cpuacct.usage") {
        for _ in 0..5 {
            let before = number(&usage);
            let shown = agent.fresh().containers.iter().find(|row| row.container.id == busy).cloned();
            let after = number(&usage);
            let shown = shown.unwrap().values.get(Slot::CpuUsage).unwrap();
            // A scrape may get a snapshot that is 100 ms old.
            assert!(
                (before.saturating_sub(100_000_000)..=after).contains(&shown),
                "{before} {shown} {after}"
            );
        }
    }
}

#[test]
fn a_life_is_followed() {
    let podman = Podman::start();
    let agent = agent(&podman, SourceChoice::Auto);
    // A container that the agent sees from its creation on.
    podman.expect(&[&["create", "--name", "web", IMAGE], &POLITE[1..]].concat());
    wait_status(&agent, "web", 4);
    podman.expect(&["start", "web"]);
    wait_status(&agent, "web", 1);
    wait_counts(&agent, "web", [0; 6]);
    podman.expect(&["restart", "--time", "10", "web"]);
    wait_counts(&agent, "web", [1, 0, 1, 1, 0, 0]);
    podman.expect(&["kill", "web"]);
    wait_counts(&agent, "web", [1, 0, 1, 1, 1, 0]);
    agent.wait_slot("web", Slot::ExitCode, Some(137));
    wait_status(&agent, "web", 0);
    assert_eq!(agent.get("web", Slot::MemoryUsage), None);
    podman.expect(&["start", "web"]);
    wait_counts(&agent, "web", [2, 0, 2, 1, 1, 0]);
    wait_measured(&agent, "web");
    // On a busy machine runc gives up on a container that makes processes meanwhile.
    wait_until(SOON, "a pause", || podman.command(&["pause", "web"]).status.success());
    wait_status(&agent, "web", 2);
    podman.expect(&["unpause", "web"]);
    wait_status(&agent, "web", 1);
    podman.expect(&["rename", "web", "shop"]);
    agent.wait_row("shop", "the new name", |row| row.values.get(Slot::Restarts) == Some(2));
    assert!(agent.row("web").is_none());
    podman.expect(&["stop", "--time", "10", "shop"]);
    wait_counts(&agent, "shop", [2, 0, 2, 2, 1, 0]);
    agent.wait_slot("shop", Slot::ExitCode, Some(0));
    podman.expect(&["rm", "shop"]);
    agent.wait_gone("shop");

    // A pod as a whole.
    podman.expect(&["pod", "create", "--name", "pod"]);
    podman.run("member", &[&["--pod", "pod"], POLITE].concat());
    agent.wait_row("member", "its pod", |row| row.container.pod == "pod");
    wait_counts(&agent, "member", [0; 6]);
    podman.expect(&["pod", "restart", "pod"]);
    agent.wait_slot("member", Slot::Restarts, Some(1));
    let infra = podman.expect(&["pod", "inspect", "--format", "{{.InfraContainerID}}", "pod"]);
    wait_until(SOON, "the infra container's restart", || {
        let snapshot = agent.newer();
        let row = snapshot.containers.iter().find(|row| row.container.id == infra).unwrap();
        assert!(row.values.get(Slot::Restarts) <= Some(1), "{row:?}");
        row.values.get(Slot::Restarts) == Some(1)
    });
    podman.expect(&["pod", "rm", "--force", "--time=0", "pod"]);
    agent.wait_gone("member");
}

#[test]
fn restarts_by_policy_are_told_from_those_by_hand() {
    let podman = Podman::start();
    let agent = agent(&podman, SourceChoice::Auto);
    podman.run("flaky", &["--restart", "on-failure:2", "--", "sh", "-c", "exit 3"]);
    wait_counts(&agent, "flaky", [2, 2, 0, 0, 0, 3]);
    wait_status(&agent, "flaky", 0);
    agent.wait_slot("flaky", Slot::ExitCode, Some(3));
    assert_eq!(agent.row("flaky").unwrap().container.restart_policy, "on-failure");
}

#[test]
fn kills_for_lack_of_memory_are_the_kernels_to_tell() {
    let podman = Podman::start();
    let agent = agent(&podman, SourceChoice::Auto);
    let limits = ["--memory", "16m", "--memory-swap", "16m", "--"];
    // A child is killed, the container lives.
    let command = ["sh", "-c", "while :; do tail /dev/zero; sleep 0.5; done"];
    podman.run("oom", &[&limits, &command[..]].concat());
    agent.wait_row("oom", "kills", |row| row.values.get(Slot::OomEvents) > Some(1));
    assert_eq!(agent.get("oom", Slot::State), Some(1));
    // The whole container ends: as an inspection tells, which on some machines it does not.
    podman.run("dead", &[&limits, &["tail", "/dev/zero"][..]].concat());
    wait_counts(&agent, "dead", [0, 0, 0, 0, 1, 0]);
    agent.wait_slot("dead", Slot::ExitCode, Some(137));
    let told: bool = podman.expect(&["inspect", "--format", "{{.State.OOMKilled}}", "dead"]).parse().unwrap();
    agent.wait_slot("dead", Slot::OomKilled, Some(u64::from(told)));
    if told {
        agent.wait_slot("dead", Slot::OomEvents, Some(1));
    }
}

#[test]
fn health_checks_turn() {
    let podman = Podman::start();
    let agent = agent(&podman, SourceChoice::Auto);
    // Without systemd nobody makes the checks but we.
    let options = ["--health-cmd", "test -e /ok", "--health-interval", "disable", "--health-retries", "1"];
    podman.run("health", &options);
    agent.wait_slot("health", Slot::HealthStarting, Some(1));
    for (preparation, slot) in [
        (["touch", "/ok"].as_slice(), Slot::HealthHealthy),
        (&["rm", "/ok"], Slot::HealthUnhealthy),
        (&["touch", "/ok"], Slot::HealthHealthy),
    ] {
        podman.expect(&[&["exec", "health"], preparation].concat());
        wait_until(SOON, "its turn", || {
            podman.command(&["healthcheck", "run", "health"]);
            agent.newer();
            agent.get("health", slot) == Some(1)
        });
    }
}

#[test]
fn what_happens_without_the_service_is_made_up_for() {
    let mut podman = Podman::start();
    podman.run("web", POLITE);
    podman.run("gone", &[]);
    podman.run("idle", &[]);
    let agent = agent(&podman, SourceChoice::Auto);
    wait_measured(&agent, "web");
    for round in 1..=2 {
        podman.kill_service();
        agent.wait_up(false);
        for _ in 0..2 {
            podman.expect(&["restart", "--time", "10", "web"]);
        }
        podman.expect(&["kill", "web"]);
        podman.expect(&["start", "web"]);
        podman.command(&["rm", "--force", "--time=0", "gone"]);
        let late = format!("late{round}");
        podman.run(&late, &[]);
        podman.serve();
        agent.wait_up(true);
        wait_counts(&agent, "web", [3 * round, 0, 3 * round, 2 * round, round, 0]);
        agent.wait_gone("gone");
        wait_measured(&agent, &late);
        wait_counts(&agent, &late, [0; 6]);
    }
    assert_numbers(&agent, &podman, "web");
    // Nothing was told twice.
    wait_counts(&agent, "web", [6, 0, 6, 4, 2, 0]);
    wait_counts(&agent, "idle", [0; 6]);
}

#[test]
fn docker_and_podman_side_by_side() {
    if !docker::available() {
        return;
    }
    let podman = Podman::start();
    let name = docker::unique_name("both");
    podman.run(&name, &["--memory", "48m"]);
    let docked = docker::Container::run("both", &["--memory", "96m"], &["sleep", "1000"]);
    let found = |endpoint| Found { qualifier: String::new(), ..Found::new(endpoint, "a test") };
    let discovery = Discovery {
        found: vec![
            found(Endpoint::Unix("/var/run/docker.sock".into())),
            found(Endpoint::Unix(podman.socket())),
        ],
        problems: Vec::new(),
    };
    let filter = Filter::default().include_names(["plimsoll-test-*-both"]).unwrap();
    let setup = setup(Options { filter, ..Options::default() });
    let agent = Agent::of_engines(kernel(), Which::Named(discovery), setup);
    agent.wait_ready();
    for (name, engine, limit) in [(&*name, "podman", 48 * MIB), (docked.name(), "docker", 96 * MIB)] {
        wait_measured(&agent, name);
        agent.wait_slot(name, Slot::MemoryLimit, Some(limit));
        assert_eq!(&*agent.row(name).unwrap().container.engine, engine);
    }
    assert_numbers(&agent, &podman, &name);
    let snapshot = agent.newer();
    let engines = snapshot.agent.engines.iter().map(|engine| (&*engine.name, engine.is_up()));
    assert_eq!(engines.collect::<BTreeMap<_, _>>(), BTreeMap::from([("docker", true), ("podman", true)]));
    for name in [&*name, docked.name()] {
        agent.wait_row(name, "its traffic", |row| !row.interfaces.is_empty());
    }
    docked.docker(&["restart", "-t", "0"]);
    wait_counts(&agent, docked.name(), [1, 0, 1, 0, 1, 0]);
    wait_counts(&agent, &name, [0; 6]);
}

#[test]
fn numbers_from_podmans_own_statistics() {
    let podman = Podman::start();
    podman.run("idle", &["--memory", "64m"]);
    podman.run("busy", &[&["--cpus", "0.5"], BUSY].concat());
    let agent = agent(&podman, SourceChoice::Api);
    assert_eq!(agent.engine().source, Some(Source::Api));
    for name in ["idle", "busy"] {
        wait_measured(&agent, name);
    }
    agent.wait_slot("idle", Slot::MemoryLimit, Some(64 * MIB));
    agent.wait_slot("idle", Slot::Threads, Some(1));
    let memory = cgroup_file(&pid(&podman, "idle"), "memory.usage_in_bytes", "memory.current");
    wait_until(SOON, "the same memory", || {
        let before = number(&memory);
        let shown = agent.get("idle", Slot::MemoryUsage);
        number(&memory) == before && shown == Some(before)
    });
    // Half a core, or what a busy machine leaves of it; Podman's own percentage is over the whole life.
    agent.wait_row("busy", "up to 60 per cent", |row| {
        (5..=60).contains(&(row.values.get(Slot::CpuPercent).unwrap_or(0) / 1_000_000_000))
    });
    let row = agent.row("idle").unwrap();
    assert!(row.network_total(InterfaceSlot::RxBytes).is_some());
    assert_eq!(row.values.get(Slot::CpuLimit), None, "Podman's statistics do not tell it");
    podman.expect(&["stop", "--time", "0", "busy"]);
    wait_status(&agent, "busy", 0);
    assert_eq!(agent.get("busy", Slot::CpuUsage), None);
    assert!(agent.get("idle", Slot::CpuUsage).is_some());
}
