//! The machine's numbers beside those of the real node_exporter: the same names, types and labels, and the same values.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_kernel::{FilesystemReader, HostReader, Roots};
use plimsoll_model::{Collector, HostParts, Profile, Selection, Snapshot};
use plimsoll_testkit::wait_until;
use plimsoll_wire::prometheus::{Format, encode};

/// What node_exporter shows and we do not, by the beginning of its name, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("node_exporter_build_info", "it is about node_exporter"),
    ("node_scrape_collector_", "its account of its own work; ours is plimsoll_collector_*"),
    (
        "node_disk_info",
        "model, serial number and path are in the database of udev, which no agent in a container has",
    ),
    ("node_disk_filesystem_info", "from the database of udev"),
    ("node_disk_device_mapper_info", "from the database of udev"),
    ("node_disk_ata_", "from the database of udev"),
    (
        "node_network_receive_nohandler_total",
        "only netlink and /sys have it, and both answer for the agent's own network namespace",
    ),
    ("node_time_clocksource_", "the names of clock sources, which are no numbers"),
    ("node_time_zone_offset_seconds", "a setting of whoever asks, not of the machine"),
];

/// What we leave out on purpose, in node_exporter's own words. All else is as it is by default.
const SAME_AS_OURS: &[&str] = &[
    "--collector.netdev.device-exclude=^(lo|veth.*)$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
];

const COLLECTORS: &[&str] =
    &["cpu", "loadavg", "meminfo", "pressure", "diskstats", "netdev", "stat", "time", "filesystem", "vmstat"];

/// How long the machine may take until each gauge stood still for one comparison.
const QUIET: Duration = Duration::from_secs(90);

/// Counters of which the kernel takes some back now and then; both sides then keep the largest that they saw themselves.
const CORRECTED: &str = "node_cpu_seconds_total";

/// A running node_exporter. It ends with this value.
struct NodeExporter {
    child: Child,
    address: SocketAddr,
}

impl NodeExporter {
    fn start() -> Self {
        // The port is free now; whoever takes it before node_exporter does makes it end, which is noticed below.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address={address}"))
            .arg("--collector.disable-defaults")
            .args(COLLECTORS.iter().map(|collector| format!("--collector.{collector}")))
            .args(SAME_AS_OURS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run prometheus-node-exporter (Debian: apt install prometheus-node-exporter): {error}")
            });
        let mut exporter = Self { child, address };
        wait_until(Duration::from_secs(20), "node_exporter listens", || {
            let ended = exporter.child.try_wait().unwrap();
            assert!(ended.is_none(), "node_exporter has ended: {ended:?}");
            TcpStream::connect(address).is_ok()
        });
        exporter
    }

    fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        body.to_owned()
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ignored = self.child.kill();
        let _ignored = self.child.wait();
    }
}

/// A series: its name, and its labels in order.
type Key = (String, Vec<String>);

/// An exposition: types by name, values by series.
#[derive(Default)]
struct Exposition {
    types: BTreeMap<String, String>,
    values: BTreeMap<Key, f64>,
}

impl Exposition {
    /// Reads the families of the machine.
    fn parse(text: &str) -> Self {
        let mut exposition = Self::default();
        let is_ours = |name: &str| {
            name.starts_with("node_") && !EXCEPTIONS.iter().any(|(start, _)| name.starts_with(start))
        };
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                if is_ours(name) {
                    exposition.types.insert(name.to_owned(), kind.to_owned());
                }
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                if is_ours(name) {
                    let key = (name.to_owned(), labels_of(labels.strip_suffix('}').unwrap()));
                    let before = exposition.values.insert(key, value.parse().unwrap());
                    assert_eq!(before, None, "twice: {line}");
                }
            }
        }
        exposition
    }

    fn keys(&self) -> BTreeSet<&Key> {
        self.values.keys().collect()
    }
}

/// The labels `name="value"` in order of their names, without those that are empty.
fn labels_of(mut text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut escaped = false;
        let end = rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, rest) = rest.split_at(end.unwrap());
        if !value.is_empty() {
            labels.push(format!("{name}=\"{value}\""));
        }
        text = rest[1..].trim_start_matches(',');
    }
    labels.sort();
    labels
}

/// Our own exposition of the machine.
fn ours(host: &mut HostReader, filesystems: &FilesystemReader) -> Exposition {
    let host = HostParts {
        system: Some(Arc::new(host.read())),
        filesystem: Some(Arc::new(filesystems.read(Duration::from_secs(10)))),
    };
    let snapshot = Snapshot { host, ..Snapshot::default() };
    let selection =
        Selection::of_profile(Profile::Full).narrowed(&[Collector::Host, Collector::Filesystem], &[]);
    let mut body = Vec::new();
    encode(Format::Text, &snapshot, &selection, &mut body);
    Exposition::parse(&String::from_utf8(body).unwrap())
}

/// Whether a value lies between two others, but for the last digit of a floating-point number.
fn is_between(value: f64, one: f64, other: f64) -> bool {
    let slack = value.abs() * 1e-12;
    one.min(other) - slack <= value && value <= one.max(other) + slack
}

#[test]
fn the_machine_is_what_node_exporter_says() {
    let exporter = NodeExporter::start();
    let roots = Roots::default();
    let (mut host, filesystems) = (HostReader::open(&roots), FilesystemReader::open(&roots));
    let began = Instant::now();
    // What has agreed once; the machine goes on working, so not everything does in one comparison.
    let mut agreed: BTreeSet<Key> = BTreeSet::new();
    wait_until(QUIET * 2, "every number has agreed", || {
        let before = ours(&mut host, &filesystems);
        let theirs = Exposition::parse(&exporter.scrape());
        let after = ours(&mut host, &filesystems);
        let is_late = began.elapsed() > QUIET;
        // Mounts and network devices of other programs come and go.
        if before.keys() != after.keys() || theirs.keys() != before.keys() {
            if is_late {
                let (ours, theirs) = (before.keys(), theirs.keys());
                let only = |one: &BTreeSet<&Key>, other: &BTreeSet<&Key>| format!("{:#?}", one - other);
                panic!("only ours: {}\nonly node_exporter's: {}", only(&ours, &theirs), only(&theirs, &ours));
            }
            return false;
        }
        assert_eq!(before.types, theirs.types);
        let mut open = Vec::new();
        for (key, value) in &theirs.values {
            let (one, other) = (before.values[key], after.values[key]);
            if is_between(*value, one, other) {
                agreed.insert(key.clone());
            } else if theirs.types[&key.0] == "counter" && key.0 != CORRECTED {
                panic!("{key:?} is {value}, and was {one} before and {other} after");
            } else if !agreed.contains(key) {
                open.push((key, value, one, other));
            }
        }
        assert!(open.is_empty() || !is_late, "never between our readings before and after: {open:#?}");
        open.is_empty()
    });
    assert!(agreed.len() > 100, "{} series are not the whole machine", agreed.len());
}

#[test]
fn labels_are_understood() {
    assert_eq!(labels_of(""), Vec::<String>::new());
    assert_eq!(labels_of(r#"b="x,\"y\\",a="1",c="""#), [r#"a="1""#, r#"b="x,\"y\\""#]);
}
