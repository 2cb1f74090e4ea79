//! The census beside what a real Container Census collector and its agent said, and reports of every kind there and back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plimsoll_model::census::{ImageUse, Report};
use plimsoll_wire::census::agent::{self, Container, Health, Image, Info, Telemetry};
use plimsoll_wire::census::images::{normalise, registry};
use plimsoll_wire::census::zones::region;
use plimsoll_wire::census::{DecodeError, MAX_BODY, MAX_IMAGES, decode, encode, encode_pretty};
use proptest::collection::{btree_map, hash_map, vec};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/census-v1");
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rows(name: &str) -> Vec<Value> {
    serde_json::from_str(&fixture(name)).unwrap()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap()
}

fn encoded(report: &Report) -> String {
    let mut body = String::new();
    encode(report, &mut body);
    body
}

/// The report that Container Census' own documentation shows.
const EXAMPLE: &str = r#"{"installation_id":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","version":"0.6.0","timestamp":"2025-10-16T20:00:00Z","host_count":3,"agent_count":2,"total_containers":25,"scan_interval_seconds":300,"containers_running":20,"containers_stopped":4,"containers_paused":1,"containers_other":0,"avg_cpu_percent":0.0,"avg_memory_bytes":0,"total_memory_limit":0,"avg_restarts":0.48,"high_restart_containers":2,"total_image_size":5368709120,"unique_images":15,"timezone":"America/New_York","image_stats":[{"image":"nginx:latest","count":5,"size_bytes":142000000},{"image":"postgres:15-alpine","count":3,"size_bytes":238000000}],"agent_versions":{"0.5.0":1,"0.6.0":1}}"#;

#[test]
fn the_documented_report_is_read_and_written() {
    let image =
        |image: &str, containers, size_bytes| ImageUse { image: image.to_owned(), containers, size_bytes };
    let expected = Report {
        installation_id: "a1b2c3d4-e5f6-7890-abcd-ef1234567890".to_owned(),
        version: "0.6.0".to_owned(),
        timestamp_ms: Some(1_760_644_800_000),
        host_count: 3,
        agent_count: 2,
        total_containers: 25,
        scan_interval_seconds: 300,
        images: vec![image("nginx:latest", 5, 142_000_000), image("postgres:15-alpine", 3, 238_000_000)],
        agent_versions: BTreeMap::from([("0.5.0".to_owned(), 1), ("0.6.0".to_owned(), 1)]),
        containers_running: 20,
        containers_stopped: 4,
        containers_paused: 1,
        avg_restarts: 0.48,
        high_restart_containers: 2,
        total_image_size: 5_368_709_120,
        unique_images: 15,
        timezone: "America/New_York".to_owned(),
        ..Report::default()
    };
    let report = decode(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(report, expected);

    // Go writes them in the order of its structure, and the zeros with `omitempty` not at all.
    let written = r#"{"installation_id":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","version":"0.6.0","timestamp":"2025-10-16T20:00:00Z","host_count":3,"agent_count":2,"total_containers":25,"scan_interval_seconds":300,"image_stats":[{"image":"nginx:latest","count":5,"size_bytes":142000000},{"image":"postgres:15-alpine","count":3,"size_bytes":238000000}],"agent_versions":{"0.5.0":1,"0.6.0":1},"containers_running":20,"containers_stopped":4,"containers_paused":1,"containers_other":0,"avg_restarts":0.48,"high_restart_containers":2,"total_image_size":5368709120,"unique_images":15,"timezone":"America/New_York"}"#;
    assert_eq!(encoded(&report), written);
}

#[test]
fn odd_bodies_are_answered_as_the_collector_answered() {
    let mut answers = 0;
    for line in fixture("ingest-answers.tsv").lines() {
        let (body, answer) = line.split_once('\t').unwrap();
        let (answer, status) = answer.rsplit_once(' ').unwrap();
        let answer: Value = serde_json::from_str(answer).unwrap();
        let (ours, our_status) = match decode(body.as_bytes()) {
            Ok(_) => (json!({"status": "success", "message": "Telemetry received"}), 201),
            Err(error) => (json!({"error": error.to_string()}), error.status()),
        };
        assert_eq!((ours, our_status.to_string().as_str()), (answer, status), "{body}");
        answers += 1;
    }
    assert_eq!(answers, 9);
}

#[test]
fn regions_are_the_collectors() {
    for row in rows("geography.json") {
        assert_eq!(region(text(&row, "timezone")), text(&row, "region"), "{row}");
    }
}

#[test]
fn names_of_images_are_the_collectors() {
    let given = [
        "docker.io/library/busybox",
        "quay.io/prometheus/prometheus:v3.1.0",
        "ghcr.io/home-assistant/home-assistant:stable",
        "lscr.io/linuxserver/plex:latest",
        "localhost:5000/x:dev",
        "registry.mycorp.example/team/app:1.2",
        "postgres:15-alpine",
        "nginx:latest",
        "redis:7",
        "traefik:v3",
    ];
    let mut ours: Vec<_> = given.iter().map(|name| normalise(name)).collect();
    let top = rows("top-images.json");
    let mut theirs: Vec<_> = top.iter().map(|row| text(row, "image")).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);

    let details: Value = serde_json::from_str(&fixture("image-details.json")).unwrap();
    for row in details["images"].as_array().unwrap() {
        let name = given.iter().find(|name| normalise(name) == text(row, "image")).unwrap();
        // What the collector took for Docker Hub although the name says otherwise.
        let expected = match *name {
            "lscr.io/linuxserver/plex:latest" => "lscr.io",
            "localhost:5000/x:dev" => "localhost:5000",
            "registry.mycorp.example/team/app:1.2" => "registry.mycorp.example",
            _ => text(row, "registry"),
        };
        assert_eq!(registry(name).short(), expected, "{name}");
    }
    let titles: Vec<_> = given.iter().map(|name| registry(name).title).collect();
    for row in rows("registries.json") {
        assert!(titles.contains(&text(&row, "registry")), "{row}");
    }
}

/// The answer, with numbers as decimals and times cut to milliseconds.
fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => json!(time.as_millisecond()),
            Err(_) => Value::String(text),
        },
        Value::Array(values) => values.into_iter().map(canonical).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, canonical(value))).collect(),
        value => value,
    }
}

fn check_answer<T: Serialize>(name: &str, read: &T) {
    let theirs = canonical(serde_json::from_str(&fixture(name)).unwrap());
    let ours = canonical(serde_json::from_str(&agent::encode(read)).unwrap());
    assert_eq!(ours, theirs, "{name}");
}

fn object<T: DeserializeOwned>(name: &str) -> T {
    agent::object(fixture(name).as_bytes()).unwrap()
}

#[test]
fn answers_of_an_agent_are_read_and_written_key_by_key() {
    let containers = agent::list::<Container>(fixture("agent-api-containers-stats.json").as_bytes()).unwrap();
    assert_eq!((containers.items.len(), containers.skipped), (3, 0));
    assert_eq!(containers.items[0].cpu_percent, Some(1.574_336_387_665_198_3));
    assert_eq!(containers.items[2].cpu_percent, Some(0.0));
    assert_eq!(containers.items[0].inventory().memory_limit, None, "it is the host's memory");
    check_answer("agent-api-containers-stats.json", &containers.items);

    let images = agent::list::<Image>(fixture("agent-api-images.json").as_bytes()).unwrap();
    assert_eq!(agent::sizes(&images.items).get("busybox:local"), Some(&1_982_333));
    check_answer("agent-api-images.json", &images.items);

    check_answer("agent-info.json", &object::<Info>("agent-info.json"));
    check_answer("agent-health.json", &object::<Health>("agent-health.json"));
    check_answer("agent-api-telemetry.json", &object::<Telemetry>("agent-api-telemetry.json"));
}

const COUNT: std::ops::RangeInclusive<u64> = 0..=i64::MAX.unsigned_abs();

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..200_u64, COUNT]
}

fn decimal() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        0.0..200.0_f64,
        (0..=u64::MAX)
            .prop_map(f64::from_bits)
            .prop_filter("what JSON can say", |value| { value.is_finite() && value.is_sign_positive() }),
    ]
}

fn name(most: usize) -> impl Strategy<Value = String> {
    let any = vec(any::<char>().prop_filter("no control characters", |c| !c.is_control()), 1..=most.min(40));
    prop_oneof!["[a-z0-9./:@-]{1,40}", any.prop_map(String::from_iter)]
}

fn images() -> impl Strategy<Value = Vec<ImageUse>> {
    let images = hash_map(name(500), (number(), number()), 0..60);
    images.prop_map(|images| {
        let image = |(image, (containers, size_bytes))| ImageUse { image, containers, size_bytes };
        images.into_iter().map(image).collect()
    })
}

prop_compose! {
    fn report()(
        (installation_id, version, timezone) in (name(255), name(50), prop_oneof![Just(String::new()), name(100)]),
        timestamp_ms in prop_oneof![Just(None), (-62_167_219_200_000..=253_402_207_200_000_i64).prop_map(Some)],
        images in images(),
        agent_versions in btree_map(name(50), number(), 0..5),
        n in vec(number(), 19),
        f in vec(decimal(), 3),
    ) -> Report {
        Report {
            installation_id, version, timezone, images, agent_versions,
            // Go's time that is none comes back as none.
            timestamp_ms: timestamp_ms.filter(|moment| *moment != -62_135_596_800_000),
            host_count: n[0], agent_count: n[1], total_containers: n[2], scan_interval_seconds: n[3],
            containers_running: n[4], containers_stopped: n[5], containers_paused: n[6], containers_other: n[7],
            avg_memory_bytes: n[8], total_memory_limit: n[9], high_restart_containers: n[10], total_image_size: n[11],
            unique_images: n[12], compose_project_count: n[13], containers_in_compose: n[14], network_count: n[15],
            custom_network_count: n[16], shared_volume_count: n[17], containers_with_deps: n[18],
            total_dependencies: n[0],
            avg_cpu_percent: f[0], avg_restarts: f[1], avg_connections_per_container: f[2],
        }
    }
}

proptest! {
    #[test]
    fn reports_come_back_as_they_were(report in report()) {
        let body = encoded(&report);
        prop_assert_eq!(decode(body.as_bytes()), Ok(report.clone()), "{}", body);
        let mut pretty = String::new();
        encode_pretty(&report, &mut pretty);
        prop_assert_eq!(decode(pretty.as_bytes()), Ok(report));
    }

    #[test]
    fn damaged_bodies_are_read_within_bounds_or_refused(
        report in report(),
        places in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..8),
    ) {
        let mut body = encoded(&report).into_bytes();
        for (place, byte, what) in places {
            let at = place.index(body.len());
            match what {
                0 => body[at] = byte,
                1 => body.insert(at, b"[]{}\",:\\-e0"[usize::from(byte) % 11]),
                _ => body.truncate(at.max(1)),
            }
        }
        prop_assume!(body.len() <= MAX_BODY);
        match decode(&body) {
            Ok(read) => {
                prop_assert!(!read.installation_id.is_empty() && read.images.len() <= MAX_IMAGES);
                prop_assert_eq!(decode(encoded(&read).as_bytes()), Ok(read));
            }
            Err(error) => {
                prop_assert!(matches!(error.status(), 400 | 413));
                let text = error.to_string();
                prop_assert!(text.len() <= DecodeError::MAX_TEXT && !text.contains(char::is_control), "{}", text);
            }
        }
    }
}
