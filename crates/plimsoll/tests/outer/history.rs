//! The history on the command line: what there is, the past as a table, and files that others take.
//!
//! The history is made by the store itself, of snapshots whose numbers follow from the time alone.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_model::{Container, ContainerRow, InterfaceRow, InterfaceSlot, Slot, Snapshot, State, Values};
use plimsoll_store::{Options, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::{can_run_as_nobody, says};
use crate::process::{COMMAND_MAX, Done, Lines, Running, command, command_of_nobody, finish, run};

/// How many seconds the history holds; the container `web` is made anew half way.
const SECONDS: i64 = 600;

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// Ids of the first and the second container of the name `web`, and of `db`.
const IDS: [&str; 3] = [
    "aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111aaaa1111",
    "bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222bbbb2222",
    "cccc3333cccc3333cccc3333cccc3333cccc3333cccc3333cccc3333cccc3333",
];

const CPU: &str = "container_cpu_usage_seconds_total";
const RECEIVED: &str = "container_network_receive_bytes_total";

/// A history of ten minutes that ended some minutes ago.
struct Past {
    folder: TempDir,
    /// The first sample, in Unix milliseconds: a whole second.
    start: i64,
}

impl Past {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let start = (i64::try_from(now).unwrap() - SECONDS - 120) * 1000;
        let past = Self { folder, start };
        let store = Store::open(Options::new(past.file())).unwrap();
        for second in 0..SECONDS {
            store.append(&past.snapshot(second));
        }
        store.close();
        past
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    /// Everything as it was so many seconds after the start.
    fn snapshot(&self, second: i64) -> Snapshot {
        let at = (self.start + second * 1000).unsigned_abs() * 1_000_000;
        let since = self.start.unsigned_abs() * 1_000_000;
        let web = if second < SECONDS / 2 { IDS[0] } else { IDS[1] };
        let containers = vec![
            row(web, "web", "nginx:1.29", second.unsigned_abs(), since),
            row(IDS[2], "db", "postgres:18", second.unsigned_abs(), since),
        ];
        let mut snapshot =
            Snapshot { at, sequence: second.unsigned_abs() + 1, containers, ..Snapshot::default() };
        snapshot.agent.machine.memory = Some(1 << 34);
        snapshot.agent.started = since;
        snapshot
    }

    /// A moment of it, as flags take it.
    fn moment(&self, second: i64) -> String {
        (self.start + second * 1000).to_string()
    }

    /// Runs a command on it.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Done {
        finish(command(&self.on(arguments)))
    }

    fn on(&self, arguments: &[&str]) -> Vec<String> {
        let file = self.file();
        let flags = ["--history", file.to_str().unwrap()];
        arguments.iter().chain(&flags).map(|word| (*word).to_owned()).collect()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(arguments).ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// Processor time grows by a quarter of a second each second.
fn cpu(second: u64) -> u64 {
    second * SECOND / 4 + 123_456_789
}

fn memory(second: u64) -> u64 {
    100 * MIB + second * 4096
}

fn received(second: u64, interface: u64) -> u64 {
    second * (1000 + interface) + 7
}

fn row(id: &str, name: &str, image: &str, second: u64, started: u64) -> ContainerRow {
    let mut container = Container::new(id, "docker".into());
    container.name = name.to_owned();
    container.image = image.to_owned();
    container.state = State::Running;
    let mut row = ContainerRow::new(Arc::new(container));
    row.started = Some(started);
    row.seen = started;
    for (slot, value) in [
        (Slot::State, 1),
        (Slot::Status, 1),
        (Slot::Started, started),
        (Slot::CpuUsage, cpu(second)),
        (Slot::MemoryUsage, memory(second)),
        (Slot::MemoryInactiveFile, 10 * MIB),
        (Slot::MemoryLimit, 256 * MIB),
        (Slot::Threads, 5),
        (Slot::Restarts, 2 + second / 300),
    ] {
        row.values.set(slot, value);
    }
    for (index, interface) in [(0, "eth0"), (1, "eth1")] {
        let mut values = Values::default();
        values.set(InterfaceSlot::RxBytes, received(second, index));
        values.set(InterfaceSlot::TxBytes, 1);
        row.interfaces.push(InterfaceRow { name: interface.into(), network: "".into(), values });
    }
    row.derive();
    row
}

#[test]
fn what_there_is() {
    let past = Past::new();
    let text = past.run(&["history"]).ok();
    for part in ["history.db", "history_size is 1GiB", "3 (in 2 lines)", "TIER", "BYTES / VALUE", "raw"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let summary = past.json(&["history", "--format", "json"]);
    assert_eq!((&summary["containers"], &summary["lines"]), (&3.into(), &2.into()), "{summary}");
    assert_eq!(summary["tiers"][0]["tier"], "raw");
    assert!(summary["tiers"][0]["values"].as_u64().unwrap() > 10_000, "{summary}");

    let lines = past.json(&["history", "--containers", "--format", "json"]);
    let ids = |line: &Value| {
        let members = line["containers"].as_array().unwrap();
        members.iter().map(|member| member["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines[0]["name"], "db");
    assert_eq!(ids(&lines[1]), [IDS[0], IDS[1]], "the second web goes on in the line of the first");
    let text = past.run(&["history", "web"]).ok();
    assert!(text.contains("then web") && text.contains("bbbb2222bbbb ") && !text.contains("db "), "{text}");

    let events = past.json(&["history", "--events", "web", "--format", "json"]);
    assert!(events.as_array().unwrap().iter().any(|event| event["event"] == "removed"), "{events}");
    let none = past.json(&["history", "--events", "--since", "1m", "--format", "json"]);
    assert_eq!(none.as_array().unwrap().len(), 0, "{none}");
    assert!(past.run(&["history", "--events"]).ok().contains("restarted"));

    let costs = past.json(&["history", "--costs", "web", "--format", "json"]);
    let costs = costs.as_array().unwrap();
    assert!(costs.iter().any(|cost| cost["metric"] == CPU), "{costs:?}");
    assert!(costs.is_sorted_by_key(|cost| std::cmp::Reverse(cost["bytes"].as_u64())), "{costs:?}");
}

#[test]
fn the_table_of_a_moment() {
    let past = Past::new();
    let done = past.run(&["stats", "--at", &past.moment(450), "--format", "json", "web", "db"]);
    assert!(done.err.contains("as it was at"), "{}", done.err);
    let out = done.ok();
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{out}");
    for (key, expected) in [
        ("Name", "web"),
        ("ID", &IDS[1][..12]),
        ("CPUPerc", "25.00%"),
        ("MemUsage", "91.76MiB / 256MiB"),
        ("MemPerc", "35.84%"),
        ("NetIO", "900kB / 2B"),
        ("PIDs", "5"),
    ] {
        assert_eq!(rows[0][key], expected, "{key}: {out}");
    }
    let all = past.run(&["stats", "--at", &past.moment(100)]).ok();
    assert!(
        all.starts_with("CONTAINER ID") && all.contains("aaaa1111aaaa") && all.lines().count() == 3,
        "{all}"
    );

    let message = past.run(&["stats", "--at", "10 years ago"]).failed(1);
    says(&message, &["there is no history of", "choose a moment from"]);
    let message = past.run(&["stats", "--at", &past.moment(100), "cache"]).failed(1);
    says(&message, &["no such container at", "`cache`", "--containers"]);
    let message = past.run(&["stats", "--at", "once upon a time"]).failed(2);
    says(&message, &["--at", "`once upon a time`", "10 minutes ago"]);
}

#[test]
fn the_summary_of_a_container() {
    let past = Past::new();
    let document = past.json(&["export", "web"]);
    assert_eq!((&document["container_id"], &document["container_name"]), (&IDS[1].into(), &"web".into()));
    assert_eq!((&document["restart_count"], &document["uptime_secs"]), (&3.into(), &(SECONDS - 1).into()));
    let points = document["data_points"].as_array().unwrap();
    assert_eq!(points.len(), 100);
    let last = &points[99];
    let second = u64::try_from(SECONDS - 1).unwrap();
    for (key, expected) in [
        ("timestamp", Value::from(past.start + (SECONDS - 1) * 1000)),
        ("cpu_percent", 25.0.into()),
        ("memory_mb", ((memory(second) - 10 * MIB + MIB / 2) / MIB).into()),
        ("memory_limit_mb", 256.into()),
        ("network_rx_bytes", (received(second, 0) + received(second, 1)).into()),
        ("network_tx_bytes", 2.into()),
        ("uptime_secs", second.into()),
    ] {
        assert_eq!(last[key], expected, "{key}: {last}");
    }
    let minutes = &document["aggregates"]["last_5_minutes"];
    assert_eq!(minutes["avg_cpu_percent"], 25.0, "{minutes}");
    assert_eq!(minutes["peak_memory_mb"], last["memory_mb"], "{minutes}");
    assert!(document["aggregates"]["last_60_minutes"]["sample_count"].as_u64() > Some(290), "{document}");

    let several = past.json(&["export", "--all"]);
    assert_eq!(several.as_array().unwrap().len(), 2, "{several}");
    let before = past.json(&["export", "web", "--until", &past.moment(200)]);
    assert_eq!(before["container_id"], IDS[0], "who it was then: {before}");
}

#[test]
fn samples_as_csv_and_json_lines() {
    let past = Past::new();
    let range = [past.moment(290), past.moment(310)];
    let narrowed = ["--from", &range[0], "--until", &range[1], "--metric", CPU, "--metric", RECEIVED];
    let csv = past.run(&[&["export", "web", "--format", "csv"][..], &narrowed].concat()).ok();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("time,container,image,id,metric,interface,value,unit"));
    let first = lines.clone().find(|line| line.contains(CPU)).unwrap();
    let time = jiff::Timestamp::from_millisecond(past.start + 290_000).unwrap();
    assert_eq!(first, format!("{time},web,nginx:1.29,aaaa1111aaaa,{CPU},,72.623456789,seconds"));
    assert_eq!(lines.count(), 20 * 3);

    // Two words that mean the same are told once, and a pattern means more than one container.
    let words = ["export", "web", "w*", "d?", "--format", "jsonl"];
    let jsonl = past.run(&[&words[..], &narrowed].concat()).ok();
    let samples: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 2 * 20 * 3);
    let sample = |id: &str, label: Option<&str>| {
        samples
            .iter()
            .find(|found| found["id"] == id && found["labels"]["interface"].as_str() == label)
            .unwrap()
    };
    assert_eq!(sample(IDS[1], Some("eth1"))["value"], received(300, 1));
    assert_eq!(sample(IDS[2], None)["value"], 72.623_456_789);

    let tier = ["export", "db", "--format", "csv", "--tier", "10s", "--metric", CPU];
    let points = past.run(&tier).ok();
    assert!(points.starts_with("time,container,image,id,metric,value,unit,min,max,mean,count,increase\n"));
    let whole = points.lines().filter(|line| line.ends_with(",10,2.5")).count();
    assert!(whole > 50, "each of ten samples, grown by 2.5 seconds:\n{points}");

    let host = past.run(&["export", "--host", "--format", "csv", "--metric", "machine_memory_bytes"]).ok();
    assert!(host.contains(",,,,machine_memory_bytes,"), "{host}");
    let everything =
        past.run(&["export", "--all", "--format", "csv", "--from", &range[0], "--until", &range[1]]).ok();
    assert!(everything.contains("container_memory_working_set_bytes"), "{everything}");

    let file = past.folder.path().join("web.csv");
    let words = ["export", "web", "--format", "csv", "-o", file.to_str().unwrap()];
    assert_eq!(past.run(&[&words[..], &narrowed].concat()).ok(), "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), csv);
}

/// Prometheus makes blocks of an export, and has the same numbers in them.
#[test]
fn prometheus_takes_the_past() {
    let past = Past::new();
    let export = past.folder.path().join("history.om");
    past.run(&["export", "--all", "--format", "openmetrics", "-o", export.to_str().unwrap()]).ok();
    let promtool = |arguments: &[&str]| {
        let output = Command::new("promtool")
            .arg("tsdb")
            .args(arguments)
            .current_dir(past.folder.path())
            .output()
            .unwrap_or_else(|error| {
                panic!("promtool: {error}; it comes with Prometheus (Debian: prometheus)")
            });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    promtool(&["create-blocks-from", "openmetrics", "history.om", "blocks"]);
    // promtool wants a write-ahead log beside the blocks.
    std::fs::create_dir(past.folder.path().join("blocks/wal")).unwrap();
    let dump = promtool(&["dump", "blocks"]);
    let series = |parts: &[&str]| -> BTreeMap<i64, f64> {
        let lines = dump.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        let samples = lines.map(|line| {
            let mut words = line.rsplit(' ');
            let at = words.next().unwrap().parse().unwrap();
            (at, words.next().unwrap().parse().unwrap())
        });
        samples.collect()
    };
    let expected = |seconds: std::ops::Range<i64>, value: &dyn Fn(u64) -> f64| -> BTreeMap<i64, f64> {
        seconds.map(|second| (past.start + second * 1000, value(second.unsigned_abs()))).collect()
    };
    let half = SECONDS / 2;
    let of_cpu = |second: u64| cpu(second) as f64 / SECOND as f64;
    assert!(series(&[CPU, "aaaa1111aaaa"]) == expected(0..half, &of_cpu), "the first web");
    assert!(series(&[CPU, "bbbb2222bbbb"]) == expected(half..SECONDS, &of_cpu), "the second web");
    let of_eth1 = |second: u64| received(second, 1) as f64;
    assert!(series(&[RECEIVED, "\"db\"", "eth1"]) == expected(0..SECONDS, &of_eth1), "an interface");
    let working_set = |second: u64| (memory(second) - 10 * MIB) as f64;
    let name = "container_memory_working_set_bytes";
    assert!(series(&[name, "\"db\""]) == expected(0..SECONDS, &working_set), "what follows from others");

    // In the file the samples of a series stand together, as OpenMetrics demands.
    let text = std::fs::read_to_string(&export).unwrap();
    let names =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split("} ").next().unwrap());
    let mut known = std::collections::HashSet::new();
    let mut last = "";
    for name in names {
        assert!(name == last || known.insert(name), "{name} comes again");
        last = name;
    }
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn questions_that_have_no_answer() {
    let past = Past::new();
    let message = past.run(&["export", "webb"]).failed(1);
    says(&message, &["no container \"webb\"", "perhaps `web`"]);
    let message = past.run(&["export", "x*"]).failed(1);
    says(&message, &["`x*`", "--containers"]);
    let message =
        past.run(&["export", "web", "--format", "csv", "--metric", "container_cpu_usage_seconds"]).failed(2);
    says(&message, &["container_cpu_usage_seconds", &format!("`{CPU}`")]);
    let message = past.run(&["export", "web", "--metric", CPU]).failed(2);
    says(&message, &["--metric", "--format jsonl"]);
    let message = past.run(&["history", "--events", "--since", "-1m", "--until", "-1h"]).failed(2);
    says(&message, &["--since is not before --until"]);
    // What is asked wrongly leaves no file behind.
    let file = past.folder.path().join("x.csv");
    let words = ["export", "web", "--format", "csv", "--metric", "nothing", "-o", file.to_str().unwrap()];
    past.run(&words).failed(2);
    assert!(!file.exists());
    let done = past.run(&["export", "web", "--format", "csv", "--from", "1s ago"]);
    assert!(done.err.contains("there are no such samples; raw goes from"), "{}", done.err);
    assert_eq!(done.ok().lines().count(), 1, "the headings alone");
}

#[test]
fn a_history_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let nowhere = path("nowhere.db");
    for words in [&["history"][..], &["export", "web"], &["stats", "--at", "now"]] {
        let message = run(&[words, &["--history", &nowhere]].concat()).failed(1);
        says(&message, &["there is no history at", &nowhere, "plimsoll agent", "--history"]);
    }
    let message = run(&["history", "--history", "off"]).failed(2);
    says(&message, &["the history is off", "--history FILE"]);
    std::fs::write(path("text"), "this is no history, and it is longer than a header").unwrap();
    let message = run(&["history", "--history", &path("text")]).failed(1);
    says(&message, &[&path("text")]);

    if can_run_as_nobody() {
        let past = Past::new();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(past.folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let message = finish(command_of_nobody(&past.on(&["history"]))).failed(1);
        says(&message, &["cannot read the history", "ermission denied", "sudo"]);
    }
}

#[test]
fn a_reader_of_an_export_that_goes_away() {
    let past = Past::new();
    let mut export = Running(command(&past.on(&["export", "--all", "--format", "jsonl"])).spawn().unwrap());
    let told = Lines::of(export.0.stderr.take().unwrap());
    let mut first = String::new();
    BufReader::with_capacity(16, export.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"time\":"), "{first}");
    assert_eq!(export.wait(COMMAND_MAX).code(), Some(0), "{}", told.all());
    assert_eq!(told.all(), "");
}
