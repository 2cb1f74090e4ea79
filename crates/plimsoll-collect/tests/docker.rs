//! Watcher and sampler against the real Docker and the real kernel of this machine, if it has them.
//!
//! All tests share one agent, which reaches the engine through a recording proxy, and run one after the other.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use plimsoll_collect::{Filter, Options, Pace};
use plimsoll_engine::{Endpoint, Timeouts};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::{ContainerRow, InterfaceSlot, Selection, Slot, Snapshot};
use plimsoll_testkit::docker::{Container, available, docker, try_docker, unique_name};
use plimsoll_testkit::proxy::Proxy;
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};
use common::number;

const SOCKET: &str = "/var/run/docker.sock";

struct Shared {
    agent: Agent,
    proxy: Proxy,
}

/// The agent, for one test at a time; `None` where there is no Docker.
fn shared() -> Option<MutexGuard<'static, Shared>> {
    static SHARED: OnceLock<Mutex<Shared>> = OnceLock::new();
    if !available() || !Path::new(SOCKET).exists() {
        return None;
    }
    let shared = SHARED.get_or_init(|| {
        let proxy = Proxy::start(Path::new(SOCKET));
        let filter = Filter::default().include_names(["plimsoll-test-*", "renamed-plimsoll-test-*"]).unwrap();
        let setup = Setup {
            options: Options { filter, ..Options::default() },
            pace: Pace::default(),
            timeouts: Timeouts::default(),
            interval: Duration::from_secs(1),
        };
        let kernel = Kernel::probe(Roots::default(), &Selection::default()).unwrap();
        let mut agent = Agent::start(kernel, Endpoint::Unix(proxy.socket().to_owned()), setup);
        agent.scrapes = true;
        wait_until(SOON, "a first look", || agent.samples.is_ready());
        Mutex::new(Shared { agent, proxy })
    });
    Some(shared.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Shared {
    /// A snapshot whose pass began after this call.
    fn after_now(&self) -> Arc<Snapshot> {
        let now = now();
        let mut snapshot = self.agent.fresh();
        wait_until(SOON, "a pass", || {
            snapshot = self.agent.fresh();
            snapshot.at >= now
        });
        snapshot
    }

    fn row_after_now(&self, container: &Container) -> ContainerRow {
        let snapshot = self.after_now();
        snapshot.containers.iter().find(|row| row.container.id == container.id()).unwrap().clone()
    }

    /// Waits until the container is measured, and inspected.
    #[track_caller]
    fn wait_measured(&self, container: &Container) {
        self.agent.wait_row(container.name(), "numbers", |row| {
            row.values.get(Slot::CpuUsage).is_some() && row.values.get(Slot::Restarts).is_some()
        });
    }

    fn get(&self, container: &Container, slot: Slot) -> Option<u64> {
        self.agent.get(container.name(), slot)
    }

    #[track_caller]
    fn wait_slot(&self, container: &Container, slot: Slot, value: u64) {
        self.agent.wait_slot(container.name(), slot, Some(value));
    }

    fn requests_about(&self, container: &Container) -> usize {
        self.proxy.requests().iter().filter(|(_, path)| path.contains(container.id())).count()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A file in the container's cgroup: by its v1 name, and by its v2 name.
fn cgroup_file(container: &Container, v1: &str, v2: &str) -> PathBuf {
    common::cgroup_file(&container.inspect("{{.State.Pid}}"), v1, v2)
}

/// Received and sent bytes of `eth0`, from `/proc`.
fn traffic(container: &Container) -> (u64, u64) {
    let pid = container.inspect("{{.State.Pid}}");
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    (numbers[0], numbers[8])
}

fn shown_traffic(row: &ContainerRow) -> (u64, u64) {
    let total = |slot| row.network_total(slot).unwrap();
    (total(InterfaceSlot::RxBytes), total(InterfaceSlot::TxBytes))
}

const SLEEP: &[&str] = &["sleep", "1000"];

#[test]
fn numbers_are_the_kernels() {
    let Some(shared) = shared() else { return };
    let container = Container::run("sleep", &["--memory", "64m"], SLEEP);
    shared.wait_measured(&container);
    let memory = cgroup_file(&container, "memory.usage_in_bytes", "memory.current");
    wait_until(SOON, "the same memory", || {
        let before = number(&memory);
        let row = shared.row_after_now(&container);
        row.values.get(Slot::MemoryUsage) == Some(before) && number(&memory) == before
    });
    let row = shared.row_after_now(&container);
    assert_eq!(row.values.get(Slot::MemoryLimit), Some(64 << 20));
    assert_eq!(row.values.get(Slot::Threads), Some(1));
    assert_eq!(row.values.get(Slot::Processes), Some(1));
    assert_eq!(row.values.get(Slot::Restarts), Some(0));
    let pid = container.inspect("{{.State.Pid}}");
    let processes = cgroup_file(&container, "pids.current", "pids.current").with_file_name("cgroup.procs");
    assert_eq!(std::fs::read_to_string(processes).unwrap().trim(), pid);

    let busy = Container::run("busy", &["--cpus", "0.5"], &["sh", "-c", "while :; do :; done"]);
    shared.wait_measured(&busy);
    let cpuacct = Path::new("/sys/fs/cgroup/cpuacct");
    if cpuacct.exists() {
        let usage = cgroup_file(&busy, "cpuacct.usage", "");
        for _ in 0..5 {
            let before = number(&usage);
            let row = shared.row_after_now(&busy);
            let after = number(&usage);
            let shown = row.values.get(Slot::CpuUsage).unwrap();
            assert!((before..=after).contains(&shown), "{before} {shown} {after}");
        }
    }
    shared.agent.wait_row(busy.name(), "40 to 60 per cent", |row| {
        let percent = row.values.get(Slot::CpuPercent).unwrap_or(0) / 1_000_000_000;
        assert!(percent <= 75, "{percent}");
        (40..=60).contains(&percent)
    });
    shared.wait_slot(&busy, Slot::CpuLimit, 500_000_000);
    shared.agent.wait_row(busy.name(), "throttling", |row| {
        row.values.get(Slot::CfsThrottledPeriods) > Some(0)
            && row.values.get(Slot::CfsThrottledTime) > Some(0)
    });
}

#[test]
fn traffic_is_counted_once_and_named() {
    let Some(shared) = shared() else { return };
    const SIZE: u64 = 3_000_000;
    let serve = format!("mkdir /w; head -c {SIZE} /dev/zero > /w/data; exec httpd -f -p 80 -h /w");
    let server = Container::run("server", &[], &["sh", "-c", &serve]);
    let peer = Container::run("peer", &["--network", &format!("container:{}", server.name())], SLEEP);
    let host = Container::run("host", &["--network", "host"], SLEEP);
    let none = Container::run("none", &["--network", "none"], SLEEP);
    let client = Container::run("client", &[], SLEEP);
    for container in [&server, &peer, &host, &none, &client] {
        shared.wait_measured(container);
    }
    let address = server.inspect("{{.NetworkSettings.IPAddress}}");
    wait_until(SOON, "a download", || {
        let url = format!("http://{address}/data");
        try_docker(&["exec", client.name(), "wget", "-q", "-O", "/dev/null", &url]).is_ok()
    });
    for container in [&server, &client] {
        wait_until(SOON, "the same traffic", || {
            let before = traffic(container);
            let row = shared.row_after_now(container);
            let shown = shown_traffic(&row);
            let bulk = shown.0.max(shown.1);
            assert!((SIZE..SIZE * 2).contains(&bulk), "{shown:?}");
            shown == before && traffic(container) == before
        });
        let row = shared.row_after_now(container);
        assert_eq!(row.interfaces.len(), 1);
        assert_eq!((&*row.interfaces[0].name, &*row.interfaces[0].network), ("eth0", "bridge"));
    }
    for container in [&peer, &host, &none] {
        assert!(shared.row_after_now(container).interfaces.is_empty(), "{}", container.name());
    }
    // When the one that speaks is gone, the other does. Docker takes the interface away with its owner; what
    // is left to speak for are sockets.
    assert!(shared.get(&server, Slot::SocketsTcp).is_some());
    assert_eq!(shared.get(&peer, Slot::SocketsTcp), None);
    server.docker(&["stop", "-t", "0"]);
    shared.wait_slot(&server, Slot::State, 0);
    shared.agent.wait_row(peer.name(), "sockets", |row| row.values.get(Slot::SocketsTcp).is_some());
    assert_eq!(shared.get(&server, Slot::SocketsTcp), None);
}

struct Network(String);

impl Network {
    fn create() -> Self {
        let name = unique_name("net");
        docker(&["network", "create", &name]);
        Self(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        try_docker(&["network", "rm", &self.0]).ok();
    }
}

#[test]
fn interfaces_carry_their_networks_names() {
    let Some(shared) = shared() else { return };
    let (first, second) = (Network::create(), Network::create());
    let container = Container::run("nets", &["--network", &first.0], SLEEP);
    let named = |row: &ContainerRow| -> Vec<String> {
        row.interfaces.iter().map(|found| found.network.to_string()).collect()
    };
    shared.agent.wait_row(container.name(), "one network", |row| named(row) == [first.0.clone()]);
    docker(&["network", "connect", &second.0, container.name()]);
    let both = [first.0.clone(), second.0.clone()];
    shared.agent.wait_row(container.name(), "both networks", |row| named(row) == both);
    docker(&["network", "disconnect", &second.0, container.name()]);
    shared.agent.wait_row(container.name(), "one network again", |row| named(row) == both[..1]);
    drop(container);
}

#[test]
fn a_life_by_hand() {
    let Some(shared) = shared() else { return };
    let container =
        Container::create("life", &[], &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]);
    shared.wait_slot(&container, Slot::Status, 4);
    assert_eq!(shared.get(&container, Slot::Uptime), None);
    container.docker(&["start"]);
    shared.wait_measured(&container);
    shared.wait_slot(&container, Slot::State, 1);
    shared.wait_slot(&container, Slot::Restarts, 0);

    let stopping = now();
    container.docker(&["kill"]);
    let returned = Instant::now();
    shared.wait_slot(&container, Slot::State, 0);
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());
    assert_eq!(shared.get(&container, Slot::ExitCode), Some(137));
    assert_eq!(shared.get(&container, Slot::ExitsSignal), Some(1));
    assert_eq!(shared.get(&container, Slot::MemoryUsage), None);
    let finished = shared.get(&container, Slot::Finished).unwrap();
    assert!((stopping..now()).contains(&finished));

    container.docker(&["start"]);
    shared.wait_slot(&container, Slot::Restarts, 1);
    shared.wait_slot(&container, Slot::StartsManual, 1);
    assert_eq!(shared.get(&container, Slot::StartsPolicy), Some(0));
    shared.wait_measured(&container);
    assert_eq!(shared.get(&container, Slot::ExitCode), Some(137), "that of its last run");

    container.docker(&["pause"]);
    shared.wait_slot(&container, Slot::Status, 2);
    assert!(shared.get(&container, Slot::MemoryUsage).is_some());
    container.docker(&["unpause"]);
    shared.wait_slot(&container, Slot::Status, 1);

    let renamed = format!("renamed-{}", container.name());
    docker(&["rename", container.name(), &renamed]);
    shared.agent.wait_row(&renamed, "the new name", |row| row.container.id == container.id());
    docker(&["rename", &renamed, container.name()]);
    shared.agent.wait_row(container.name(), "the old name", |_| true);

    assert_eq!(shared.get(&container, Slot::CpuLimit), None);
    container.docker(&["update", "--cpus", "1.5", "--memory", "96m", "--memory-swap", "96m"]);
    let returned = Instant::now();
    shared.wait_slot(&container, Slot::CpuLimit, 1_500_000_000);
    shared.wait_slot(&container, Slot::MemoryLimit, 96 << 20);
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());

    container.docker(&["stop", "-t", "10"]);
    shared.wait_slot(&container, Slot::State, 0);
    shared.wait_slot(&container, Slot::ExitCode, 0);
    shared.wait_slot(&container, Slot::ExitsZero, 1);
    container.docker(&["rm"]);
    shared.agent.wait_gone(container.name());
}

#[test]
fn restarts_by_policy() {
    let Some(shared) = shared() else { return };
    let container = Container::run("policy", &["--restart", "on-failure:2"], &["sh", "-c", "exit 3"]);
    shared.wait_slot(&container, Slot::ExitsError, 3);
    shared.wait_slot(&container, Slot::Restarts, 2);
    shared.wait_slot(&container, Slot::StartsPolicy, 2);
    shared.wait_slot(&container, Slot::Status, 0);
    assert_eq!(shared.get(&container, Slot::StartsManual), Some(0));
    assert_eq!(shared.get(&container, Slot::ExitCode), Some(3));
    // By hand, with the engine's count begun anew.
    container.docker(&["start"]);
    shared.wait_slot(&container, Slot::ExitsError, 6);
    shared.wait_slot(&container, Slot::Restarts, 5);
    shared.wait_slot(&container, Slot::StartsManual, 1);
    assert_eq!(shared.get(&container, Slot::StartsPolicy), Some(4));
}

#[test]
fn thirty_quick_restarts_are_thirty() {
    let Some(shared) = shared() else { return };
    let container = Container::run("quick", &[], SLEEP);
    shared.wait_measured(&container);
    for _ in 0..30 {
        container.docker(&["restart", "-t", "0"]);
    }
    shared.wait_slot(&container, Slot::Restarts, 30);
    shared.wait_slot(&container, Slot::ExitsSignal, 30);
    shared.wait_slot(&container, Slot::State, 1);
    shared.wait_measured(&container);
    // Nothing comes after.
    let requests = shared.requests_about(&container);
    container.docker(&["pause"]);
    shared.wait_slot(&container, Slot::Status, 2);
    wait_until(SOON, "another inspection", || shared.requests_about(&container) > requests);
    shared.after_now();
    assert_eq!(shared.get(&container, Slot::Restarts), Some(30));
    assert_eq!(shared.get(&container, Slot::StartsManual), Some(30));
    assert_eq!(shared.get(&container, Slot::ExitsSignal), Some(30));
    assert_eq!(shared.get(&container, Slot::ExitsZero), Some(0));
    container.docker(&["unpause"]);
}

#[test]
fn quick_ends_by_policy_are_counted_exactly() {
    let Some(shared) = shared() else { return };
    let container = Container::run("flaky", &["--restart", "on-failure:6"], &["false"]);
    shared.wait_slot(&container, Slot::ExitsError, 7);
    shared.wait_slot(&container, Slot::Status, 0);
    let count: u64 = container.inspect("{{.RestartCount}}").parse().unwrap();
    assert_eq!(count, 6);
    shared.wait_slot(&container, Slot::Restarts, count);
    shared.wait_slot(&container, Slot::StartsPolicy, count);
    assert_eq!(shared.get(&container, Slot::ExitsError), Some(7));
}

#[test]
fn kills_for_lack_of_memory() {
    let Some(shared) = shared() else { return };
    let limits = ["--memory", "16m", "--memory-swap", "16m"];
    // A child is killed, the container lives: the kernel counts.
    let container =
        Container::run("oom", &limits, &["sh", "-c", "while :; do tail /dev/zero; sleep 0.5; done"]);
    shared.wait_measured(&container);
    shared.agent.wait_row(container.name(), "kills", |row| row.values.get(Slot::OomEvents) > Some(1));
    let before = shared.get(&container, Slot::OomEvents).unwrap();
    container.docker(&["restart", "-t", "0"]);
    shared.wait_slot(&container, Slot::Restarts, 1);
    assert!(shared.get(&container, Slot::OomEvents).unwrap() >= before, "a restart forgets nothing");
    shared.agent.wait_row(container.name(), "more kills", |row| {
        let (total, now) = (row.values.get(Slot::OomEvents), row.values.get(Slot::MemoryEventOomKill));
        total > Some(before) && now > Some(0)
    });
    drop(container);

    // The whole container ends: as the engine tells, which on some machines it does not always.
    let container = Container::run("dead", &limits, &["tail", "/dev/zero"]);
    shared.wait_slot(&container, Slot::State, 0);
    shared.wait_slot(&container, Slot::ExitCode, 137);
    let told: bool = container.inspect("{{.State.OOMKilled}}").parse().unwrap();
    shared.wait_slot(&container, Slot::OomKilled, u64::from(told));
    if told {
        shared.wait_slot(&container, Slot::OomEvents, 1);
    }
}

#[test]
fn health_checks_turn() {
    let Some(shared) = shared() else { return };
    let options = ["--health-cmd", "test -e /ok", "--health-interval", "500ms", "--health-retries", "1"];
    let container = Container::run("health", &options, &["sh", "-c", "touch /ok; exec sleep 1000"]);
    shared.wait_slot(&container, Slot::HealthHealthy, 1);
    container.exec(&["rm", "/ok"]);
    shared.wait_slot(&container, Slot::HealthUnhealthy, 1);
    shared
        .agent
        .wait_row(container.name(), "a streak", |row| row.values.get(Slot::HealthFailingStreak) > Some(0));
    assert_eq!(shared.get(&container, Slot::HealthHealthy), Some(0));
    container.exec(&["touch", "/ok"]);
    shared.wait_slot(&container, Slot::HealthHealthy, 1);
}

#[test]
fn execs_cause_no_requests() {
    let Some(shared) = shared() else { return };
    let container = Container::run("execs", &[], SLEEP);
    shared.wait_measured(&container);
    // Everything that its start caused was asked.
    let mut requests = 0;
    wait_until(SOON, "an inspection", || {
        let before = std::mem::replace(&mut requests, shared.requests_about(&container));
        shared.after_now();
        requests > 0 && requests == before
    });
    for _ in 0..20 {
        container.exec(&["true"]);
    }
    container.docker(&["pause"]);
    shared.wait_slot(&container, Slot::Status, 2);
    wait_until(SOON, "the inspection for the pause", || shared.requests_about(&container) > requests);
    assert_eq!(shared.requests_about(&container), requests + 1);
    container.docker(&["unpause"]);
    assert!(shared.proxy.requests().iter().all(|(method, _)| method == "GET"));
}
