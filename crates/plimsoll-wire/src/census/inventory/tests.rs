use plimsoll_model::census::{ImageUse, Report};

use super::*;
use crate::census::images::Naming;
use crate::census::{MAX_IMAGES, decode, encode};

const NOW: i64 = 1_760_644_800_000;

fn container(image: &str, state: &str) -> ContainerInventory {
    ContainerInventory { image: image.to_owned(), state: state.to_owned(), ..ContainerInventory::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn who() -> Identity {
    Identity {
        installation_id: "a1b2".to_owned(),
        version: "0.1.0".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        scan_interval_seconds: 300,
    }
}

fn of(containers: Vec<ContainerInventory>) -> Report {
    let host = HostInventory { containers, ..HostInventory::default() };
    Inventory { hosts: vec![host] }.report(&who(), &Naming::Plain, NOW)
}

fn image(image: &str, containers: u64, size_bytes: u64) -> ImageUse {
    ImageUse { image: image.to_owned(), containers, size_bytes }
}

#[test]
fn a_whole_scan_is_counted() {
    let web = ContainerInventory {
        image_size: Some(142),
        restart_count: Some(11),
        networks: names(&["bridge", "shop", "shop"]),
        volumes: names(&["data", "logs"]),
        compose_project: Some("shop".to_owned()),
        depends_on: names(&["db", "cache"]),
        cpu_percent: Some(150.0),
        memory_bytes: Some(100),
        memory_limit: Some(1000),
        ..container("nginx:1", "running")
    };
    let db = ContainerInventory {
        restart_count: Some(10),
        networks: names(&["shop"]),
        volumes: names(&["data"]),
        compose_project: Some("shop".to_owned()),
        cpu_percent: Some(50.0),
        memory_bytes: Some(301),
        ..container("postgres:15", "running")
    };
    let old = ContainerInventory { restart_count: Some(0), ..container("nginx:1", "exited") };
    let first = HostInventory {
        name: "one".to_owned(),
        containers: vec![web, db, old],
        images: BTreeMap::from([
            ("postgres:15".to_owned(), 238),
            ("nginx:1".to_owned(), 1),
            ("unused".to_owned(), 5),
        ]),
        networks: names(&["bridge", "host", "none", "idle"]),
        volumes: names(&["unused"]),
        ..HostInventory::default()
    };
    let far = ContainerInventory {
        networks: names(&["shop"]),
        volumes: names(&["data"]),
        compose_project: Some("shop".to_owned()),
        ..container("nginx:1", "paused")
    };
    let second = HostInventory {
        via: Via::Agent,
        agent_version: Some("1.6.0".to_owned()),
        containers: vec![far, container("nginx:1", "created")],
        images: BTreeMap::from([("nginx:1".to_owned(), 150)]),
        ..HostInventory::default()
    };
    let third = HostInventory { via: Via::Agent, ..HostInventory::default() };

    let report = Inventory { hosts: vec![first, second, third] }.report(&who(), &Naming::Plain, NOW);
    let expected = Report {
        installation_id: "a1b2".to_owned(),
        version: "0.1.0".to_owned(),
        timestamp_ms: Some(NOW),
        host_count: 3,
        agent_count: 2,
        total_containers: 5,
        scan_interval_seconds: 300,
        images: vec![image("nginx:1", 4, 150), image("postgres:15", 1, 238)],
        agent_versions: BTreeMap::from([("1.6.0".to_owned(), 1)]),
        containers_running: 2,
        containers_stopped: 1,
        containers_paused: 1,
        containers_other: 1,
        avg_cpu_percent: 100.0,
        avg_memory_bytes: 201,
        total_memory_limit: 1000,
        avg_restarts: 7.0,
        high_restart_containers: 1,
        total_image_size: 388,
        unique_images: 2,
        timezone: "Europe/Berlin".to_owned(),
        compose_project_count: 1,
        containers_in_compose: 3,
        network_count: 5,
        custom_network_count: 2,
        shared_volume_count: 1,
        containers_with_deps: 1,
        total_dependencies: 2,
        avg_connections_per_container: 1.6,
    };
    assert_eq!(report, expected);
}

#[test]
fn means_are_over_what_is_known() {
    let with = |state: &str, cpu_percent, memory_bytes| ContainerInventory {
        cpu_percent,
        memory_bytes,
        ..container("x", state)
    };
    let table: [(&str, Vec<ContainerInventory>, f64, u64); 8] = [
        ("nothing", vec![], 0.0, 0),
        ("no figures", vec![with("running", None, None)], 0.0, 0),
        (
            "idle is not busy",
            vec![with("running", Some(0.0), Some(0)), with("running", Some(4.0), Some(6))],
            4.0,
            6,
        ),
        (
            "one figure is enough",
            vec![with("running", Some(0.0), Some(6)), with("running", Some(4.0), None)],
            2.0,
            6,
        ),
        (
            "only what runs",
            vec![with("exited", Some(9.0), Some(9)), with("paused", Some(9.0), Some(9))],
            0.0,
            0,
        ),
        ("rounded", vec![with("running", None, Some(1)), with("running", None, Some(2))], 0.0, 2),
        (
            "hostile",
            vec![with("running", Some(f64::NAN), Some(1)), with("running", Some(f64::INFINITY), Some(1))],
            0.0,
            1,
        ),
        (
            "huge",
            vec![with("running", None, Some(u64::MAX)), with("running", None, Some(u64::MAX))],
            0.0,
            i64::MAX as u64,
        ),
    ];
    for (what, containers, cpu, memory) in table {
        let report = of(containers);
        assert_eq!((report.avg_cpu_percent, report.avg_memory_bytes), (cpu, memory), "{what}");
    }
    let limits = [Some(u64::MAX), Some(1), None]
        .map(|memory_limit| ContainerInventory { memory_limit, ..container("x", "running") });
    assert_eq!(of(limits.to_vec()).total_memory_limit, i64::MAX as u64);
}

#[test]
fn states_add_up() {
    let states = ["running", "exited", "paused", "created", "restarting", "removing", "dead", "", "Running"];
    let report = of(states.iter().map(|state| container("x", state)).collect());
    let of_states = [
        report.containers_running,
        report.containers_stopped,
        report.containers_paused,
        report.containers_other,
    ];
    assert_eq!(of_states, [1, 1, 1, 6]);
    assert_eq!(report.total_containers, 9);
}

#[test]
fn what_podman_makes_itself_is_not_custom() {
    let all = ["bridge", "host", "none", "podman", "own"];
    let report = of(vec![ContainerInventory { networks: names(&all), ..container("x", "running") }]);
    assert_eq!((report.network_count, report.custom_network_count), (5, 1));
}

#[test]
fn images_are_called_as_it_was_said() {
    let images = ["ghcr.io/a/b:1", "a/b:1", "a/b:1", "z", ""];
    let host = HostInventory {
        containers: images.map(|image| container(image, "running")).to_vec(),
        ..HostInventory::default()
    };
    let inventory = Inventory { hosts: vec![host] };
    let listed = |naming: &Naming| {
        let report = inventory.report(&who(), naming, NOW);
        assert_eq!((report.unique_images, report.total_containers), (3, 5), "numbers stay what they are");
        report.images.into_iter().map(|image| (image.image, image.containers)).collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, u64)]| {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>()
    };
    assert_eq!(listed(&Naming::Plain), pairs(&[("a/b:1", 2), ("ghcr.io/a/b:1", 1), ("z", 1)]));
    assert_eq!(listed(&Naming::Normalised), pairs(&[("a/b:1", 3), ("z", 1)]));
    assert_eq!(listed(&Naming::Omitted), pairs(&[]));
    let hashed = listed(&Naming::Hashed(b"salt".to_vec()));
    assert_eq!(hashed.iter().map(|(_, count)| count).sum::<u64>(), 4);
    assert!(hashed.iter().all(|(name, _)| name.starts_with("sha256:")), "{hashed:?}");
}

#[test]
fn whatever_was_found_makes_a_report_that_is_taken() {
    let mut containers: Vec<_> =
        (0..MAX_IMAGES + 5).map(|n| container(&format!("i{n:04}"), "running")).collect();
    containers.push(container("i1999", "running"));
    containers.push(container(&"a".repeat(501), "running"));
    containers.push(container("a\0b", "running"));
    let agents = ["1\0", "", &"v".repeat(51), "1.6"];
    let agents = agents.map(|version| HostInventory {
        via: Via::Agent,
        agent_version: Some(version.to_owned()),
        ..HostInventory::default()
    });
    let mut hosts = agents.to_vec();
    hosts.push(HostInventory { containers, ..HostInventory::default() });
    let report = Inventory { hosts }.report(&who(), &Naming::Plain, NOW);
    assert_eq!(report.images.len(), MAX_IMAGES);
    assert_eq!(report.images[0], image("i1999", 2, 0), "the most used are listed");
    assert_eq!(report.unique_images, MAX_IMAGES as u64 + 7);
    assert_eq!(report.agent_versions, BTreeMap::from([("1.6".to_owned(), 1)]));
    let mut body = String::new();
    encode(&report, &mut body);
    assert_eq!(decode(body.as_bytes()), Ok(report));
}

#[test]
fn compose_says_what_depends_on_what() {
    let table: [(&str, &[&str]); 6] = [
        ("", &[]),
        ("db", &["db"]),
        ("db:service_healthy:true,cache:service_started:false", &["db", "cache"]),
        (" db , cache ", &["db", "cache"]),
        (",,:service_started", &[]),
        ("db:service_healthy:true,db", &["db"]),
    ];
    for (label, expected) in table {
        assert_eq!(depends_on(label), expected, "{label}");
    }
}
