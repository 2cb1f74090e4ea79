//! The exposition under cAdvisor's names: a golden file, cAdvisor's own families as scraped from it, and hostile text.
//!
//! The golden file is written anew by `PLIMSOLL_BLESS=1 cargo test -p plimsoll-wire --test cadvisor`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::golden::golden;
use common::{hostile, strict};
use plimsoll_model::agent::{Agent, Build, Engine, EngineFacts, EngineState, Machine, MachineFacts};
use plimsoll_model::catalog::{CATALOG, HostField, Shape};
use plimsoll_model::container::LabelChoice;
use plimsoll_model::{
    Collector, Container, ContainerRow, DetailField, DetailRow, DeviceRow, DeviceSlot, Family, Host,
    HostParts, HostRow, InterfaceRow, InterfaceSlot, Naming, Profile, Selection, Slot, Snapshot, State,
    Values,
};
use plimsoll_wire::prometheus::protobuf::MetricFamily;
use plimsoll_wire::prometheus::{Format, encode};
use prost::Message;

const START: u64 = 1_795_223_743_000_000_000;

fn selection() -> Selection {
    Selection::of_profile(Profile::Default).named(Naming::Cadvisor)
}

fn render(format: Format, snapshot: &Snapshot, selection: &Selection) -> Vec<u8> {
    let mut out = Vec::new();
    encode(format, snapshot, selection, &mut out);
    out
}

fn container(name: &str, state: State, cgroup: Option<&str>) -> ContainerRow {
    let mut container = Container::new(&format!("{:0<64}", name.len()), "docker".into());
    container.name = name.to_owned();
    container.image = format!("{name}:1");
    container.state = state;
    let labels = [("com.docker.compose.project", "shop"), ("com.docker.compose.service", name)];
    let labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    container.set_labels(labels, &LabelChoice { all: true, keys: vec![] });
    let mut row = ContainerRow::new(Arc::new(container));
    row.cgroup = cgroup.map(Arc::from);
    (row.started, row.created) = (Some(START), Some(START - 1_000_000_000));
    row.seen = START;
    row
}

/// A machine with everything that any machine has: a container with every number, one whose cgroup is not known, and one that
/// has ended.
fn everything() -> Snapshot {
    let mut web = container("web", State::Running, Some("/system.slice/docker-3000.scope"));
    for (value, slot) in (1..).zip(Slot::ALL) {
        web.values.set(*slot, value * 1_000);
    }
    web.values.set(Slot::HealthHealthy, 1);
    let mut interface = Values::default();
    (1..).zip(InterfaceSlot::ALL).for_each(|(value, slot)| interface.set(*slot, value));
    web.interfaces =
        vec![InterfaceRow { name: "eth0".into(), network: "shop_default".into(), values: interface }];
    let mut device = Values::default();
    (1..).zip(DeviceSlot::ALL).for_each(|(value, slot)| device.set(*slot, value));
    web.devices = vec![DeviceRow { name: "/dev/vda".into(), number: Some((254, 0)), values: device }];
    let mut remote = container("remote", State::Running, None);
    remote.values.set(Slot::CpuUsage, 5);
    let mut ended = container("ended", State::Exited, None);
    ended.values.set(Slot::LastSeen, START);
    let facts = EngineFacts { version: "29.0.1".to_owned(), ..EngineFacts::default() };
    let engine = Engine {
        state: EngineState::Up,
        facts: Some(Arc::new(facts)),
        ..Engine::new("docker", "unix:///var/run/docker.sock")
    };
    let machine_facts = MachineFacts {
        boot_id: "4a0d".to_owned(),
        machine_id: "0123".to_owned(),
        system_uuid: "89ab".to_owned(),
        kernel_version: "6.18.5".to_owned(),
        os_version: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        physical_cores: Some(2),
        sockets: Some(1),
        books: Some(1),
        drawers: Some(1),
    };
    let agent = Agent {
        started: START,
        build: Build {
            version: "0.1.0",
            revision: "abc",
            rustc: "1.95.0",
            target: "x86_64-unknown-linux-musl",
        },
        engines: vec![engine],
        machine: Machine { cores: Some(4), memory: Some(1 << 33), swap: Some(1 << 30) },
        machine_facts: machine_facts.into(),
        ..Agent::default()
    };
    Snapshot {
        at: START,
        sequence: 1,
        containers: vec![web, remote, ended],
        agent,
        host: host(),
        custom: [].into(),
    }
}

/// A reading of the machine with one device of each kind in which every number is another one.
fn host() -> HostParts {
    let (mut system, mut filesystem) = (Vec::new(), Vec::new());
    for (index, family) in CATALOG.iter().enumerate() {
        let Shape::Host(field) = family.shape else { continue };
        let labels: &[&str] = match field {
            HostField::Processor(_) => &["0", "user"],
            HostField::Disk(_) => &["vda"],
            HostField::Interface(_) => &["eth0"],
            HostField::Mount(_) => &["/dev/vda1", "/", "ext4"],
            _ => &[],
        };
        let labels = labels.iter().map(|label| Box::from(*label)).collect();
        // By its place among the machine's, so that a new family of something else changes none.
        let value = (system.len() + filesystem.len() + 1) as u64 * 1_000_000;
        let row = HostRow { family: u16::try_from(index).unwrap(), labels, value };
        let part = if family.collector == Collector::Filesystem { &mut filesystem } else { &mut system };
        part.push(row);
    }
    let part = |rows| Some(Arc::new(Host::new(START, Some(START - 500_000_000_000), rows)));
    HostParts { system: part(system), filesystem: part(filesystem) }
}

#[test]
fn the_exposition_is_as_it_was() {
    let body = render(Format::Text, &everything(), &selection());
    strict::prometheus(&body).unwrap();
    golden("cadvisor.prom", &body);
}

/// What cAdvisor shows and this agent does not, and why.
const MISSING: [(&str, &str); 5] = [
    ("container_cpu_load_average_10s", "0 unless enable_load_reader is set, and then asked of each task"),
    ("container_cpu_load_d_average_10s", "the same"),
    ("container_tasks_state", "off unless switched on"),
    (
        "machine_nvm_avg_power_budget_watts",
        "only with Intel's library for persistent memory, which is no longer made",
    ),
    ("machine_nvm_capacity", "the same"),
];

#[test]
fn every_family_of_cadvisor_is_there_with_its_type_and_labels() {
    let families = strict::prometheus(&render(Format::Text, &everything(), &selection())).unwrap();
    let fixture = include_str!("../../../fixtures/cadvisor/families.txt");
    let mut seen = 0;
    for line in fixture.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (name, kind, labels) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        seen += 1;
        let found = families.iter().find(|family| family.name == name);
        if MISSING.iter().any(|(missing, _)| *missing == name) {
            assert!(found.is_none(), "{name} is not missing any more");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found.kind, kind, "{name}");
        let common =
            |label: &str| matches!(label, "id" | "image" | "name") || label.starts_with("container_label_");
        for sample in &found.samples {
            let mut own: Vec<&str> =
                sample.labels.iter().map(|(label, _)| &**label).filter(|label| !common(label)).collect();
            own.sort_unstable();
            let expected: Vec<&str> = labels.split(',').filter(|label| *label != "-").collect();
            assert_eq!(own, expected, "{name}");
        }
    }
    assert_eq!(seen, 83, "the fixture was read");
}

#[test]
fn containers_carry_what_cadvisor_tells_of_them() {
    let families = strict::prometheus(&render(Format::Text, &everything(), &selection())).unwrap();
    let family = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    let usage = &family("container_cpu_usage_seconds_total").samples;
    let ids: Vec<&str> = usage.iter().map(|sample| sample.label("id")).collect();
    assert_eq!(ids[0], "/system.slice/docker-3000.scope");
    assert_eq!(ids[1], format!("/docker/{:0<64}", 6), "a path that is not known is the usual one");
    assert_eq!(ids[2..], ["/"], "and the machine comes last");
    assert_eq!(usage[0].label("cpu"), "total");
    assert_eq!(usage[0].label("container_label_com_docker_compose_service"), "web");
    assert_eq!((usage[0].label("name"), usage[0].label("image")), ("web", "web:1"));
    assert_eq!(usage[2].labels.len(), 2, "the machine has no name and no image: {:?}", usage[2].labels);
    let seen = &family("container_last_seen").samples;
    assert!(seen.iter().all(|sample| sample.label("name") != "ended"), "what has ended is forgotten");
    assert!(families.iter().all(|family| !family.name.starts_with("node_")));
    assert!(families.iter().all(|family| family.name != "container_state"), "cAdvisor has no such name");
    assert!(families.iter().any(|family| family.name == "plimsoll_engine_up"), "the agent tells of itself");
    let labels = |name: &str| family(name).samples[0].labels.clone();
    assert_eq!(labels("machine_cpu_cores").len(), 3);
    assert!(labels("cadvisor_version_info").contains(&("dockerVersion".to_owned(), "29.0.1".to_owned())));
    // A disk is the machine's, so no container has its waiting times; what a container read is its own.
    let of = |name: &str| family(name).samples.iter().map(|sample| sample.label("id")).collect::<Vec<_>>();
    assert_eq!(of("container_fs_io_time_seconds_total"), ["/"]);
    assert_eq!(of("container_fs_reads_total").len(), 2);
}

#[test]
fn processor_time_is_by_processor_where_it_is_read_so() {
    let mut snapshot = everything();
    let labels = |cpu: &str| [Box::from(cpu)].into();
    let detail = |cpu, value| DetailRow { field: DetailField::CpuUsage, labels: labels(cpu), value };
    snapshot.containers[0].add_details(&[detail("cpu00", 1_000), detail("cpu03", 2_000)]);
    let mut by_processor = selection();
    by_processor.switch(Collector::Percpu, true);
    let series = |selection: &Selection| {
        let text = String::from_utf8(render(Format::Text, &snapshot, selection)).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("container_cpu_usage_seconds_total{"));
        let told = lines.map(|line| {
            let label = |name: &str| line.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest);
            let first = |text: &str| text.split('"').next().unwrap().to_owned();
            (first(label("{name")), first(label("cpu")))
        });
        told.collect::<Vec<_>>()
    };
    let pair = |name: &str, cpu: &str| (name.to_owned(), cpu.to_owned());
    let rest = [pair("remote", "total"), pair("", "total")];
    assert_eq!(series(&selection())[0], pair("web", "total"));
    assert_eq!(series(&selection())[1..], rest, "who does not ask for it gets sums");
    assert_eq!(series(&by_processor)[..2], [pair("web", "cpu00"), pair("web", "cpu03")]);
    assert_eq!(series(&by_processor)[2..], rest, "what is not known by processor is still there");
}

#[test]
fn what_has_to_be_switched_on_has_cadvisors_names_and_labels() {
    use DetailField as F;
    const ON: [Collector; 7] = [
        Collector::Schedstat,
        Collector::Tasks,
        Collector::Descriptors,
        Collector::Ulimits,
        Collector::Tcp,
        Collector::TcpStats,
        Collector::Udp,
    ];
    let told: [(F, &[&str]); 13] = [
        (F::SchedRun, &[]),
        (F::TasksState, &["sleeping"]),
        (F::FileDescriptors, &[]),
        (F::Ulimit, &["max_open_files"]),
        (F::Ulimit, &["max_processes"]),
        (F::TcpConnections, &["ipv4", "listen"]),
        (F::TcpConnections, &["ipv6", "timewait"]),
        (F::TcpRetransmits, &[]),
        (F::TcpCounter, &["retranssegs"]),
        (F::TcpExtCounter, &["listendrops"]),
        (F::UdpSockets, &["ipv4"]),
        (F::UdpReceived, &["ipv6"]),
        (F::UdpSending, &["ipv4"]),
    ];
    let row = |(index, (field, labels)): (usize, &(F, &[&str]))| plimsoll_model::DetailRow {
        field: *field,
        labels: labels.iter().map(|label| Box::from(*label)).collect(),
        value: index as u64 + 1,
    };
    let mut snapshot = everything();
    let rows: Vec<_> = told.iter().enumerate().map(row).collect();
    snapshot.containers[0].add_details(&rows);
    let mut chosen = selection();
    ON.iter().for_each(|collector| chosen.switch(*collector, true));
    let text = String::from_utf8(render(Format::Text, &snapshot, &chosen)).unwrap();
    let expected = [
        ("container_cpu_schedstat_run_seconds_total", "", "0.000000001"),
        ("container_tasks_state", ",state=\"sleeping\"", "2"),
        ("container_file_descriptors", "", "3"),
        ("container_ulimits_soft", ",ulimit=\"max_open_files\"", "4"),
        ("container_network_tcp_usage_total", ",tcp_state=\"listen\"", "6"),
        ("container_network_tcp6_usage_total", ",tcp_state=\"timewait\"", "7"),
        ("container_network_advance_tcp_stats_total", ",tcp_state=\"retranssegs\"", "9"),
        ("container_network_advance_tcp_stats_total", ",tcp_state=\"listendrops\"", "10"),
        ("container_network_udp_usage_total", ",udp_state=\"listen\"", "11"),
        ("container_network_udp6_usage_total", ",udp_state=\"rxqueued\"", "12"),
        ("container_network_udp_usage_total", ",udp_state=\"txqueued\"", "13"),
    ];
    for (name, label, value) in expected {
        let is_it = |line: &str| {
            line.starts_with(&format!("{name}{{")) && line.ends_with(&format!("{label}}} {value}"))
        };
        assert!(text.lines().any(is_it), "{name}{label} {value}: {text}");
    }
    assert!(!text.contains("max_processes") && !text.contains("tcp_retransmits"), "cAdvisor has neither");
    let text = String::from_utf8(render(Format::Text, &snapshot, &selection())).unwrap();
    assert!(
        expected.iter().all(|(name, ..)| !text.contains(&format!("{name}{{"))),
        "they are off by default"
    );
}

#[test]
fn an_agent_without_the_machines_collectors_shows_no_root() {
    let mut chosen = selection();
    chosen.switch(Collector::Network, false);
    let snapshot = Snapshot { host: HostParts::default(), ..everything() };
    let text = String::from_utf8(render(Format::Text, &snapshot, &chosen)).unwrap();
    assert!(!text.contains("id=\"/\""), "{text}");
    assert!(!text.contains("container_network_"), "a collector that is off is off here, too");
    assert!(text.contains("container_cpu_usage_seconds_total{"));
}

#[test]
fn the_other_formats_say_the_same() {
    for snapshot in [everything(), hostile::snapshot()] {
        let text = strict::prometheus(&render(Format::Text, &snapshot, &selection())).unwrap();
        for created in [false, true] {
            let body = render(Format::OpenMetrics { created }, &snapshot, &selection());
            let families = strict::openmetrics(&body).unwrap();
            assert_eq!(families.len(), text.len());
        }
        let body = render(Format::Protobuf, &snapshot, &selection());
        let mut rest = &body[..];
        let mut families = Vec::new();
        while !rest.is_empty() {
            families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
        }
        assert_eq!(families.len(), text.len());
        for (family, expected) in families.iter().zip(&text) {
            assert_eq!(family.name(), expected.name);
            let labels = family.metric.iter().map(|metric| {
                metric.label.iter().map(|l| (l.name().to_owned(), l.value().to_owned())).collect::<Vec<_>>()
            });
            let has_parts = matches!(&*expected.kind, "histogram" | "summary");
            let mut told: Vec<_> = expected.samples.iter().map(|sample| sample.labels.clone()).collect();
            if has_parts {
                // The message is one for all of its series.
                let is_bound = |name: &str| matches!(name, "le" | "quantile");
                told.iter_mut().for_each(|labels| labels.retain(|(name, _)| !is_bound(name)));
                told.dedup();
            }
            assert!(labels.eq(told), "{}", expected.name);
        }
    }
}

#[test]
fn the_catalogs_own_exposition_does_not_know_of_it() {
    let text = String::from_utf8(render(Format::Text, &everything(), &Selection::default())).unwrap();
    assert!(!text.contains("id=\"/\"") && !text.contains("container_label_") && !text.contains("cadvisor"));
    assert!(Family::by_name("container_spec_memory_limit_bytes").is_none());
}
