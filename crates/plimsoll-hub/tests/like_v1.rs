//! The answers beside those that a real collector of Container Census gave to the same 14 reports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod common;

use std::path::Path;

use plimsoll_model::census::{ImageUse, Report};
use serde_json::Value;

use crate::common::{Server, with_key};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/census-v1").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The names as they were reported, of what v1 shows.
fn reported(shown: &str) -> String {
    match shown.split('/').next().unwrap() {
        "prometheus" => format!("quay.io/{shown}"),
        "home-assistant" => format!("ghcr.io/{shown}"),
        "library" => format!("docker.io/{shown}"),
        _ => shown.to_owned(),
    }
}

/// Reports of which v1's answers are true.
fn reports() -> Vec<Report> {
    let mut events = fixture("recent-events.json").as_array().unwrap().clone();
    events.retain(|event| event["event_type"] == "new");
    events.reverse();
    let number = |value: &Value| value.as_u64().unwrap();
    let spread = |answer: &str, key: &str| -> Vec<Value> {
        let rows = fixture(answer);
        let rows = rows.as_array().unwrap().iter();
        rows.flat_map(|row| vec![row[key].clone(); number(&row["installations"]) as usize]).collect()
    };
    let versions = spread("versions.json", "version");
    let intervals = spread("scan-intervals.json", "interval");
    let zones = spread("geography.json", "timezone");
    let mut reports: Vec<Report> = events
        .iter()
        .enumerate()
        .map(|(at, event)| Report {
            installation_id: event["installation_id"].as_str().unwrap().to_owned(),
            version: versions[at].as_str().unwrap().to_owned(),
            scan_interval_seconds: number(&intervals[at]),
            timezone: zones[at].as_str().unwrap().to_owned(),
            host_count: number(&event["hosts"]),
            total_containers: number(&event["containers"]),
            agent_count: u64::from(at < 12),
            ..Report::default()
        })
        .collect();
    // One of them is from a version that did not yet have these.
    for (at, report) in reports.iter_mut().take(13).enumerate() {
        report.compose_project_count = 2;
        report.containers_in_compose = if at == 0 { 10 } else { 7 };
        report.network_count = 4;
        report.custom_network_count = 2;
        report.shared_volume_count = 1;
        report.containers_with_deps = 1;
        report.total_dependencies = 2;
        report.avg_connections_per_container = 1.5;
    }
    for (start, row) in fixture("image-details.json")["images"].as_array().unwrap().iter().enumerate() {
        let (count, installations) = (number(&row["count"]), number(&row["installation_count"]));
        for at in 0..installations {
            let containers = count / installations + u64::from(at < count % installations);
            let image = reported(row["image"].as_str().unwrap());
            let len = reports.len();
            let report = &mut reports[(start * 3 + at as usize) % len];
            report.images.push(ImageUse { image, containers, size_bytes: start as u64 * 1000 });
        }
    }
    reports
}

/// Whether two values have the same keys and types, lists by their first items.
fn same_shape(one: &Value, other: &Value, place: &str) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = |object: &serde_json::Map<String, Value>| {
                let mut keys: Vec<_> = object.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(one), keys(other), "{place}");
            for (key, value) in one {
                same_shape(value, &other[key], &format!("{place}.{key}"));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if let (Some(one), Some(other)) = (one.first(), other.first()) {
                same_shape(one, other, &format!("{place}[]"));
            }
        }
        _ => {
            let kind = |value: &Value| match value {
                Value::Null => "null",
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "text",
                Value::Array(_) => "list",
                Value::Object(_) => "object",
            };
            assert_eq!(kind(one), kind(other), "{place}: {one} and {other}");
        }
    }
}

/// A list without its order, where v1 has none among equals.
fn sorted(value: &Value) -> Vec<String> {
    let mut rows: Vec<_> = value.as_array().unwrap().iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

#[test]
fn the_same_reports_are_answered_the_same() {
    let server = Server::start(with_key());
    for report in reports() {
        assert_eq!(server.report(&report).status, 201);
    }
    server.wait_for(14);
    for path in ["top-images", "versions", "scan-intervals", "geography"] {
        let (ours, theirs) = (server.whole(&format!("/api/stats/{path}")), fixture(&format!("{path}.json")));
        assert_eq!(sorted(&ours), sorted(&theirs), "{path}");
    }
    for path in ["installations", "connection-metrics", "summary"] {
        let (ours, mut theirs) =
            (server.whole(&format!("/api/stats/{path}")), fixture(&format!("{path}.json")));
        if path == "connection-metrics" {
            // 10 and 12 times 7.
            assert_eq!(theirs["containers_in_compose"], 94);
            theirs["containers_in_compose"] = 94.into();
        }
        assert_eq!(ours, theirs, "{path}");
    }
    let (ours, theirs) = (server.whole("/api/stats/image-details"), fixture("image-details.json"));
    same_shape(&ours, &theirs, "image-details");
    assert_eq!(ours["pagination"], theirs["pagination"]);
    let without_registry = |details: &Value| {
        let mut rows = details["images"].clone();
        for row in rows.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("registry");
        }
        sorted(&rows)
    };
    assert_eq!(without_registry(&ours), without_registry(&theirs));
    let registry_of = |image: &str| {
        let rows = ours["images"].as_array().unwrap();
        rows.iter().find(|row| row["image"] == image).unwrap()["registry"].clone()
    };
    // v1 says Docker Hub for all of these but the last.
    for (image, registry) in [
        ("lscr.io/linuxserver/plex:latest", "lscr.io"),
        ("localhost:5000/x:dev", "localhost:5000"),
        ("registry.mycorp.example/team/app:1.2", "registry.mycorp.example"),
        ("library/busybox", "Docker Hub"),
        ("prometheus/prometheus:v3.1.0", "quay.io"),
    ] {
        assert_eq!(registry_of(image), registry, "{image}");
    }
    for path in ["growth", "activity-heatmap", "registries", "recent-events", "recent-events?since=3"] {
        let name = path.split('?').next().unwrap();
        let ours = server.whole(&format!("/api/stats/{path}"));
        assert!(!ours.as_array().unwrap().is_empty(), "{path}");
        same_shape(&ours, &fixture(&format!("{name}.json")), path);
    }
    let view = server.whole("/api/stats/database-view?table=telemetry_reports&limit=2");
    let theirs = fixture("database-view-table-telemetry_reports-limit-2.json");
    same_shape(&view["pagination"], &theirs["pagination"], "database-view");
    assert_eq!((&view["table"], &view["pagination"]["total"]), (&theirs["table"], &14.into()));
    let keys = |view: &Value| view["records"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&view), keys(&theirs));

    let by_size = server.whole("/api/stats/image-details?sort_by=size&limit=1&offset=1");
    assert_eq!(by_size["images"][0]["image"], fixture("image-details.json")["images"][8]["image"]);
    let page = server.whole("/api/stats/image-details?search=PLEX&sort_order=asc&sort_by=name");
    assert_eq!(page["pagination"]["total"], 1);
    assert_eq!(page["images"][0]["image"], "lscr.io/linuxserver/plex:latest");

    let hottest = server.whole("/api/stats/hottest?limit=2");
    let keys = ["by_adoption", "by_containers", "period_days", "total_installations"];
    assert_eq!(hottest.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    assert_eq!(hottest["by_containers"][1]["rank"], 2);
    assert_eq!(hottest["by_containers"][0]["image"], "linuxserver/plex");
    assert_eq!(hottest["period_days"], 7);
    let one = server.whole("/api/stats/hottest?metric=adoption");
    assert!(one.get("by_containers").is_none() && one["by_adoption"][0]["installation_count"] == 10);
    let new = server.whole("/api/stats/new-entries?min_installations=7");
    assert_eq!(new["total_new_images"], 6, "{new}");
    assert_eq!(new["new_images"][0]["days_since_first_seen"], 0);
    let movers = server.whole("/api/stats/movers?weeks=9");
    assert_eq!((&movers["comparison_weeks"], &movers["min_installations"]), (&4.into(), &10.into()));
    assert_eq!(movers["risers"], Value::Array(Vec::new()));
}

#[test]
fn without_key_the_same_reports_show_nobody() {
    let server = Server::start(with_key());
    for report in reports() {
        assert_eq!(server.report(&report).status, 201);
    }
    server.wait_for(14);
    for (path, list, key) in [
        ("top-images", "", "installation_count"),
        ("image-details?days=1", "/images", "installation_count"),
        ("versions", "", "installations"),
        ("geography", "", "installations"),
        ("scan-intervals", "", "installations"),
        ("activity-heatmap", "", "report_count"),
        ("new-entries?min_installations=0", "/new_images", "installation_count"),
    ] {
        let answer = server.get(&format!("/api/stats/{path}"));
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let rows = answer.pointer(list).unwrap().as_array().unwrap();
        assert!(rows.iter().all(|row| row[key].as_u64().unwrap() >= 10), "{path}: {answer}");
    }
    let details = server.get("/api/stats/image-details").text();
    assert!(details.contains("linuxserver/plex") && !details.contains("mycorp"), "{details}");
    // The window is the same for everybody.
    let window = server.get("/api/stats/installations?days=1").text();
    assert_eq!(window, r#"{"total_installations":14,"period_days":30}"#);
}
