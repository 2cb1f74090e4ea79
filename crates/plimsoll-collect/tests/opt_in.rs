//! The collectors that have to be switched on, against a real Docker and the real kernel, if there is one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use plimsoll_collect::{Filter, Options};
use plimsoll_engine::Endpoint;
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::{Collector, ContainerRow, DetailField, Selection, Slot};
use plimsoll_testkit::docker::{Container, available, docker};
use plimsoll_testkit::wait_until;

use common::agent::{Agent, SOON, Setup};

/// A server with a listener, a logger that sends to another machine, a connection of the server to itself, and an open file.
const BUSY: &str = "busybox httpd -p 127.0.0.1:8080; busybox syslogd -R 127.0.0.1:5514; \
    until [ -S /dev/log ]; do sleep 0.1; done; busybox logger told; \
    (sleep 1000 | busybox nc 127.0.0.1 8080 &); exec 3</bin/busybox; exec sleep 1000";

const SOCKET: &str = "/var/run/docker.sock";

fn get(row: &ContainerRow, field: DetailField, labels: &[&str]) -> Option<u64> {
    let is_it = |detail: &&plimsoll_model::DetailRow| {
        detail.field == field && detail.labels.iter().map(|label| &**label).eq(labels.iter().copied())
    };
    row.details.iter().find(is_it).map(|detail| detail.value)
}

/// Descriptors of all processes of the container, and how many of them are sockets, as this test counts them.
fn descriptors(container: &Container) -> (u64, u64) {
    let listed = docker(&["top", container.id(), "-eo", "pid"]);
    let (mut all, mut sockets) = (0, 0);
    for process in listed.lines().skip(1) {
        for entry in std::fs::read_dir(format!("/proc/{}/fd", process.trim())).unwrap() {
            all += 1;
            let link = std::fs::read_link(entry.unwrap().path()).unwrap();
            sockets += u64::from(link.to_str().unwrap().starts_with("socket:"));
        }
    }
    (all, sockets)
}

#[test]
fn what_a_container_opens_is_counted() {
    if !available() || !Path::new(SOCKET).exists() {
        return;
    }
    let options = ["--ulimit", "nofile=777:999", "--network", "none"];
    let busy = Container::run("opt-in", &options, &["sh", "-c", BUSY]);
    let netstat = || docker(&["exec", busy.id(), "busybox", "netstat", "-an"]);
    wait_until(SOON, "its sockets", || {
        let shown = netstat();
        shown.matches("ESTABLISHED").count() == 2 && shown.contains("LISTEN") && shown.contains("udp")
    });
    let host = Container::run("opt-in-host", &["--network", "host"], &["sleep", "1000"]);
    let mut selection = Selection::default();
    for collector in [
        Collector::Schedstat,
        Collector::Tasks,
        Collector::Descriptors,
        Collector::Ulimits,
        Collector::Tcp,
        Collector::TcpStats,
        Collector::Udp,
        Collector::Events,
    ] {
        selection.switch(collector, true);
    }
    let kernel = Kernel::probe(Roots::default(), &selection).unwrap();
    let filter = Filter::default().include_names([busy.name(), host.name()]).unwrap();
    let options = Options { filter, selection, ..Options::default() };
    let mut agent =
        Agent::start(kernel, Endpoint::Unix(SOCKET.into()), Setup { options, ..Setup::default() });
    agent.scrapes = true;
    agent.wait_ready();

    let expected = descriptors(&busy);
    let of = |row: &ContainerRow, field| get(row, field, &[]);
    agent.wait_row(busy.name(), "its descriptors", |row| {
        let found = of(row, DetailField::FileDescriptors).zip(of(row, DetailField::Sockets));
        found == Some(expected)
    });
    assert!(expected.1 >= 4, "a listener, two ends and a UDP socket: {expected:?}");
    agent.wait_row(busy.name(), "its connections", |row| {
        let tcp = |state| get(row, DetailField::TcpConnections, &["ipv4", state]);
        tcp("established") == Some(2) && tcp("listen") == Some(1) && tcp("timewait") == Some(0)
    });
    agent.wait_row(busy.name(), "its UDP sockets", |row| {
        let sockets =
            ["ipv4", "ipv6"].map(|family| get(row, DetailField::UdpSockets, &[family]).unwrap_or(0));
        sockets.iter().sum::<u64>() == 1
    });
    agent.wait_row(busy.name(), "the counters of TCP", |row| {
        of(row, DetailField::TcpActiveOpens) >= Some(1)
            && of(row, DetailField::TcpPassiveOpens) >= Some(1)
            && of(row, DetailField::ListenDrops).is_some()
    });
    agent.wait_row(busy.name(), "its tasks", |row| {
        let state = |state| get(row, DetailField::TasksState, &[state]);
        let known = ["sleeping", "running", "stopped", "uninterruptible"].map(|one| state(one).unwrap_or(0));
        row.values.get(Slot::Threads) == Some(known.iter().sum()) && state("sleeping") >= Some(3)
    });
    agent.wait_row(busy.name(), "what the scheduler counted", |row| {
        of(row, DetailField::SchedRun) > Some(0) && of(row, DetailField::SchedPeriods) > Some(0)
    });
    docker(&["kill", "--signal", "CONT", busy.id()]);
    agent.wait_row(busy.name(), "the event of the signal", |row| {
        get(row, DetailField::Events, &["kill"]) == Some(1)
    });
    let row = agent.row(busy.name()).unwrap();
    assert_eq!(get(&row, DetailField::Ulimit, &["max_open_files"]), Some(777));
    assert_eq!(get(&row, DetailField::Events, &["oom"]), Some(0));

    // In the host's network, what belongs to processes is there, and nothing of the network.
    let row = agent.row(host.name()).unwrap();
    assert!(get(&row, DetailField::Ulimit, &["max_open_files"]).is_some());
    assert!(of(&row, DetailField::FileDescriptors) > Some(0) && of(&row, DetailField::SchedRun) > Some(0));
    assert!(row.details.iter().all(|detail| !detail.field.is_of_network()), "{:?}", row.details);
}
