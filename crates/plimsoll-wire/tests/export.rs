//! Files of stored samples: golden files, and Prometheus' own tool, which takes them.
//!
//! The golden files in `fixtures/golden` are written anew by `PLIMSOLL_BLESS=1 cargo test -p plimsoll-wire`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

#[path = "common/golden.rs"]
mod golden;

use std::process::Command;

use golden::golden;
use plimsoll_model::Family;
use plimsoll_wire::export::{Encoder, Format, Identity, Sample, Statistics};

const START: i64 = 1_795_223_743_003;

const WEB: Identity<'_> = Identity { name: "web", image: "nginx:1.29", id: "0a1b2c3d4e5f0a1b2c3d4e5f" };
const HOSTILE: Identity<'_> =
    Identity { name: "=cmd|' /C calc'!A0,\"x\"\n} 1 2", image: "", id: "ffffffffffff0000" };

fn labels(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn family(name: &str) -> &'static Family {
    Family::by_name(name).unwrap()
}

/// Samples as a history gives them, family by family and series by series, encoded.
fn written(format: Format, points: bool) -> Vec<u8> {
    let usage = family("container_cpu_usage_seconds_total");
    let memory = family("container_memory_usage_bytes");
    let traffic = family("container_network_receive_bytes_total");
    let host = family("machine_memory_bytes");
    let mut encoder = Encoder::new(format, &[usage, memory, traffic, host], points);
    let mut out = Vec::new();
    encoder.begin(&mut out);
    let [none, eth0, other] =
        [&[][..], &[("interface", "eth0")], &[("interface", "+e,\"h\\\n1")]].map(labels);
    let series = [
        (Some(WEB), usage, &none, Some(1_795_223_000_000_000_000)),
        (Some(HOSTILE), usage, &none, None),
        (Some(WEB), memory, &none, None),
        (Some(WEB), traffic, &eth0, None),
        (Some(WEB), traffic, &other, None),
        (None, host, &none, None),
    ];
    for (container, family, labels, start) in series {
        for step in [0, 1, 1, 3] {
            let value = 1_500_000_000 + step * 1_000_000_001;
            let statistics = points.then(|| Statistics {
                length: 1000,
                min: value - 7,
                max: value,
                mean: value - 3,
                count: 10,
                increase: (family.kind == plimsoll_model::Kind::Counter).then_some(step),
            });
            let at = START + 1000 * i64::try_from(step).unwrap();
            encoder.sample(&Sample { container, family, labels, at, value, start, statistics }, &mut out);
        }
    }
    encoder.end(&mut out);
    out
}

#[test]
fn files_are_as_they_were() {
    for (format, end) in
        [(Format::Csv, "csv"), (Format::JsonLines, "jsonl"), (Format::OpenMetrics, "openmetrics")]
    {
        golden(&format!("export.{end}"), &written(format, false));
        golden(&format!("export-points.{end}"), &written(format, true));
    }
}

#[test]
fn every_line_of_json_lines_is_json() {
    let text = String::from_utf8(written(Format::JsonLines, true)).unwrap();
    for line in text.lines() {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(read["value"].is_number() && read["time"].is_string(), "{line}");
    }
    let hostile: serde_json::Value = serde_json::from_str(text.lines().nth(4).unwrap()).unwrap();
    assert_eq!(hostile["container"], HOSTILE.name);
}

/// Prometheus makes blocks of it, and reads the same numbers from them.
#[test]
fn prometheus_takes_it_and_has_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let promtool = |arguments: &[&str]| {
        let output = Command::new("promtool")
            .arg("tsdb")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap_or_else(|error| panic!("cannot run promtool (Debian: apt install prometheus): {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let body = written(Format::OpenMetrics, false);
    std::fs::write(folder.path().join("export.om"), &body).unwrap();
    promtool(&["create-blocks-from", "openmetrics", "export.om", "blocks"]);
    // promtool wants a write-ahead log beside the blocks.
    std::fs::create_dir(folder.path().join("blocks/wal")).unwrap();
    let mut dumped: Vec<(i64, f64)> = promtool(&["dump", "blocks"])
        .lines()
        .filter(|line| line.contains("container_cpu_usage_seconds_total") && line.contains("\"web\""))
        .map(|line| {
            let mut words = line.rsplit(' ');
            let at = words.next().unwrap().parse().unwrap();
            (at, words.next().unwrap().parse().unwrap())
        })
        .collect();
    dumped.sort_by_key(|(at, _)| *at);
    let expected = [(START, 1.5), (START + 1000, 2.500_000_001), (START + 3000, 4.500_000_003)];
    assert_eq!(dumped, expected);
}
