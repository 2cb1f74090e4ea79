//! The real databases are what the tests of delivery take them for.

use std::time::Duration;

use plimsoll_testkit::databases::compare::{self, Expected, Value};
use plimsoll_testkit::databases::{Influx, Nats, Postgres, Prometheus, Victoria};
use plimsoll_testkit::wait_until;

/// How long members of a cluster may take to agree.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two containers with two fields at two times, in Unix nanoseconds.
fn points() -> (String, Expected) {
    let (mut lines, mut expected) = (String::new(), Expected::new());
    for (name, bytes) in [("web", 1 << 40), ("db", 7)] {
        for time in [1_700_000_000_000_000_000, 1_700_000_010_123_000_000] {
            lines += &format!(
                "memory,container_name={name} usage_bytes={bytes}i,usage_percent=12.345678901 {time}\n"
            );
            for (field, value) in
                [("usage_bytes", Value::Number(bytes)), ("usage_percent", Value::Float(12.345_678_901))]
            {
                let series = compare::series(&format!("memory_{field}"), [("container_name", name)]);
                expected.entry(series).or_default().insert(time, value);
            }
        }
    }
    (lines, expected)
}

#[test]
fn influx_keeps_what_it_took_when_it_is_killed() {
    let (lines, expected) = points();
    let mut influx = Influx::start();
    let missing = influx.try_write("metrics", &lines);
    assert_eq!(missing.status, 404, "{}", missing.text());
    influx.create_database("metrics");
    influx.write("metrics", &lines);
    // What is written again overwrites.
    influx.write("metrics", &lines);
    let url = influx.url();
    influx.kill();
    assert!(!influx.is_up());
    influx.restart();
    assert_eq!(influx.url(), url);

    let found = compare::influx(&influx.everything("metrics"), &[]).unwrap();
    let differences = compare::compare(&expected, &found, 0.0);
    assert!(differences.is_empty(), "{differences}");

    let refused = influx.try_write("metrics", "memory,container_name=web usage_bytes=1.5 1\nnonsense\n");
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("nonsense"), "{}", refused.text());
}

#[test]
fn postgres_keeps_what_it_took_when_it_is_killed() {
    let mut postgres = Postgres::start();
    let (url, other) = (postgres.create_database(), postgres.create_database());
    postgres.run(&url, "CREATE TABLE containers(name text); INSERT INTO containers VALUES ('web'), ('db')");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!((postgres.run(&url, tables), postgres.run(&other, tables)), ("1".to_owned(), "0".to_owned()));
    for _ in 0..3 {
        postgres.kill();
        assert_eq!(postgres.pid(), None);
        postgres.restart();
    }
    assert_eq!(postgres.run(&url, "SELECT name FROM containers ORDER BY name"), "db\nweb");
    postgres.stop();
    postgres.restart();
    assert_eq!(postgres.run(&url, tables), "1");
}

#[test]
fn victoria_has_what_was_persisted_and_everything_twice() {
    let (lines, expected) = points();
    let mut victoria = Victoria::start();
    victoria.write(&lines);
    victoria.persist();
    victoria.kill();
    assert!(!victoria.is_up());
    victoria.restart();
    let export = || compare::victoria(&victoria.export("{__name__!=\"\"}"), &[]).unwrap();
    let differences = compare::compare(&expected, &export(), 1e-12);
    assert!(differences.is_empty(), "{differences}");

    let value = victoria.query("memory_usage_bytes{container_name=\"db\"}", 1_700_000_010_123);
    assert_eq!(value["data"]["result"][0]["value"][1], "7", "{value}");
    let range = victoria.query_range("count(memory_usage_bytes)", 1_700_000_000_000, 1_700_000_001_000, 1000);
    assert_eq!(range["data"]["result"][0]["values"].as_array().map(Vec::len), Some(2), "{range}");

    victoria.write("memory,container_name=db usage_bytes=7i 1700000000000000000\n");
    let differences = compare::compare(&expected, &export(), 1e-12);
    let place = ("memory_usage_bytes{container_name=\"db\"}".to_owned(), 1_700_000_000_000_000_000);
    assert_eq!(differences.duplicate, [(place, vec![Value::Number(7), Value::Number(7)])], "{differences}");
}

#[test]
fn prometheus_starts_again() {
    let mut prometheus = Prometheus::start();
    for _ in 0..2 {
        let answer = prometheus.query("up", 1_700_000_000_000);
        assert_eq!(compare::prometheus(&answer, &[]), Ok(compare::Found::new()));
        let range = prometheus.query_range("vector(1)", 0, 1500, 500);
        assert_eq!(range["data"]["result"][0]["values"].as_array().map(Vec::len), Some(4), "{range}");
        assert_eq!((prometheus.appended(), prometheus.out_of_order(), prometheus.too_old()), (0.0, 0.0, 0.0));
        prometheus.kill();
        assert!(!prometheus.is_up());
        prometheus.restart();
    }
    // It listens for remote writes: what it says to one that is none.
    let refused = prometheus.client().post("/api/v1/write", &[], b"nonsense").unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn nats_is_a_cluster_with_jetstream() {
    let mut members = Nats::start_cluster();
    for member in &members {
        assert!(member.is_up() && member.url().starts_with("nats://127.0.0.1:"));
        assert!(member.jetstream()["config"]["max_storage"].as_u64() > Some(0), "{}", member.jetstream());
    }
    assert_eq!(members[0].messages("metrics"), None);
    let nobody = members[0].request("metrics.cpu", b"lost").unwrap_err();
    assert!(nobody.to_string().contains("nobody answers to metrics.cpu"), "{nobody}");
    members[0].create_stream("metrics", &["metrics.>"], 3);
    let payloads = [&b"first"[..], b"\xff\x00", b""];
    for (member, payload) in members.iter().zip(payloads) {
        let mut answer = Vec::new();
        wait_until(PATIENCE, "the member knows of the stream", || {
            member.request("metrics.cpu", payload).map(|bytes| answer = bytes).is_ok()
        });
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("\"stream\":\"metrics\""), "{answer}");
    }

    // Two of three are enough, and the third learns what it missed.
    members[2].kill();
    assert!(!members[2].is_up() && members[0].is_up());
    let kept = |nats: &Nats| -> Vec<_> {
        nats.read("metrics").into_iter().map(|m| (m.sequence, m.payload)).collect()
    };
    let expected: Vec<_> = (1..).zip(payloads.map(<[u8]>::to_vec)).collect();
    wait_until(PATIENCE, "the others have all messages", || kept(&members[0]) == expected);
    members[2].restart();
    assert_eq!(kept(&members[2]), expected);
    wait_until(PATIENCE, "the third member has it all", || members[2].messages("metrics") == Some(3));
}

#[test]
fn a_server_hangs_and_is_gone_when_dropped() {
    let nats = Nats::start();
    nats.create_stream("empty", &["empty"], 1);
    assert_eq!((nats.messages("empty"), nats.read("empty")), (Some(0), Vec::new()));
    nats.hang();
    assert!(!nats.is_up());
    nats.resume();
    assert!(nats.is_up());
    let (dir, process) = (nats.dir().to_owned(), format!("/proc/{}", nats.pid().unwrap()));
    nats.hang();
    let panicked = std::panic::catch_unwind(move || {
        let _nats = nats;
        panic!("as a test does");
    });
    assert!(panicked.is_err());
    assert!(!dir.exists() && !std::path::Path::new(&process).exists());
}
