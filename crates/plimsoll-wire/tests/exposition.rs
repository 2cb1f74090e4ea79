//! Whole expositions: golden files, a strict parser, promtool, and hostile text.
//!
//! The golden files in `fixtures/golden` are written anew by `PLIMSOLL_BLESS=1 cargo test -p plimsoll-wire`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::golden::golden;
use common::{hostile, strict};
use plimsoll_model::catalog::CATALOG;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{
    Collector, Container, ContainerRow, DeviceRow, DeviceSlot, Host, HostParts, HostRow, InterfaceRow,
    InterfaceSlot, Profile, Selection, Slot, Snapshot, Values,
};
use plimsoll_wire::prometheus::protobuf::{MetricFamily, MetricType};
use plimsoll_wire::prometheus::{Format, encode};
use proptest::prelude::*;
use prost::Message;

fn render(format: Format, snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    encode(format, snapshot, &Selection::of_profile(Profile::Full), &mut out);
    out
}

#[test]
fn text_is_as_it_was() {
    let body = render(Format::Text, &hostile::snapshot());
    strict::prometheus(&body).unwrap();
    golden("exposition.prom", &body);
}

#[test]
fn openmetrics_is_as_it_was() {
    let body = render(Format::OpenMetrics { created: false }, &hostile::snapshot());
    strict::openmetrics(&body).unwrap();
    golden("exposition.openmetrics", &body);
}

#[test]
fn openmetrics_with_creation_times_is_as_it_was() {
    let body = render(Format::OpenMetrics { created: true }, &hostile::snapshot());
    strict::openmetrics(&body).unwrap();
    golden("exposition-created.openmetrics", &body);
}

fn families_of(mut body: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !body.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut body).unwrap());
    }
    families
}

/// One line: labels sorted by name, the value as floating point.
fn line_of(name: &str, labels: &[(String, String)], value: f64) -> String {
    let mut labels = labels.to_vec();
    labels.sort();
    let mut line = name.to_owned();
    for (name, value) in labels {
        write!(line, " {name}={value:?}").unwrap();
    }
    format!("{line} {value:e}")
}

/// The lines of a text exposition that say the same as the messages, values as floating point.
fn lines_of(families: &[MetricFamily]) -> Vec<String> {
    let mut lines = Vec::new();
    for family in families {
        let kind = match family.r#type() {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Untyped => "untyped",
            MetricType::Histogram => "histogram",
            MetricType::Summary => "summary",
        };
        let name = family.name();
        lines.push(format!("# HELP {name} {}", family.help()));
        lines.push(format!("# TYPE {name} {kind}"));
        for metric in &family.metric {
            let labels = metric.label.iter().map(|label| (label.name().to_owned(), label.value().to_owned()));
            let labels: Vec<_> = labels.collect();
            let with = |label: &str, bound: f64| {
                let bound = if bound.is_infinite() { "+Inf".to_owned() } else { bound.to_string() };
                [&labels[..], &[(label.to_owned(), bound)]].concat()
            };
            let mut told = |suffix: &str, labels: &[(String, String)], value: f64| {
                lines.push(line_of(&format!("{name}{suffix}"), labels, value));
            };
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let number = |count: u64| count as f64;
            match (metric.gauge, metric.counter, metric.untyped, &metric.histogram, &metric.summary) {
                (Some(gauge), None, None, None, None) => told("", &labels, gauge.value()),
                (None, Some(counter), None, None, None) => told("", &labels, counter.value()),
                (None, None, Some(untyped), None, None) => told("", &labels, untyped.value()),
                (None, None, None, Some(histogram), None) => {
                    for bucket in &histogram.bucket {
                        let labels = with("le", bucket.upper_bound());
                        told("_bucket", &labels, number(bucket.cumulative_count()));
                    }
                    told("_sum", &labels, histogram.sample_sum());
                    told("_count", &labels, number(histogram.sample_count()));
                }
                (None, None, None, None, Some(summary)) => {
                    for quantile in &summary.quantile {
                        told("", &with("quantile", quantile.quantile()), quantile.value());
                    }
                    told("_sum", &labels, summary.sample_sum());
                    told("_count", &labels, number(summary.sample_count()));
                }
                other => panic!("one value each, not {other:?}"),
            }
        }
    }
    lines
}

#[test]
fn protobuf_says_what_text_says() {
    let snapshot = hostile::snapshot();
    let families = families_of(&render(Format::Protobuf, &snapshot));
    let text = strict::prometheus(&render(Format::Text, &snapshot)).unwrap();
    let mut expected = Vec::new();
    for family in &text {
        expected.push(format!("# HELP {} {}", family.name, family.help));
        expected.push(format!("# TYPE {} {}", family.name, family.kind));
        for sample in &family.samples {
            expected.push(line_of(&sample.name, &sample.labels, sample.value.parse().unwrap()));
        }
    }
    assert_eq!(lines_of(&families), expected);
}

#[test]
fn protobuf_tells_units_and_when_counters_began() {
    let body = render(Format::Protobuf, &hostile::snapshot());
    let families = families_of(&body);
    let written: Vec<u8> = families.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
    assert!(written == body, "what was put together by hand is what prost would write");
    let find = |name: &str| families.iter().find(|family| family.name() == name).unwrap();
    let usage = find("container_cpu_usage_seconds_total");
    assert_eq!(usage.unit(), "seconds");
    let created = usage.metric[0].counter.unwrap().created_timestamp.unwrap();
    assert_eq!((created.seconds, created.nanos), (1_795_223_743, 3_874_862));
    assert_eq!(
        usage.metric[1].counter.unwrap().created_timestamp,
        None,
        "a start that is not known is absent"
    );
    assert_eq!(find("container_memory_rss").unit, None);
}

#[test]
fn rows_that_are_the_same_once_cut_are_shown_once() {
    let families = strict::prometheus(&render(Format::Text, &hostile::snapshot())).unwrap();
    let family = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    let of = |name: &str, id: &str| {
        family(name).samples.iter().filter(|sample| sample.label("id") == id).cloned().collect::<Vec<_>>()
    };
    let enormous = of("container_network_receive_bytes_total", "cccccccccccc");
    assert_eq!(enormous.len(), 1);
    assert_eq!(enormous[0].value, "1", "the first is kept");
    assert!(enormous[0].labels.iter().all(|(_, value)| value.len() <= MAX_TEXT));
    assert_eq!(of("container_fs_reads_bytes_total", "cccccccccccc").len(), 2);
    assert_eq!(of("container_cpu_usage_seconds_total", "0a1b2c3d4e5f").len(), 1, "a twin is not shown");
    assert_eq!(family("plimsoll_engine_up").samples.len(), 1);
}

/// The hostile snapshot with every family in it.
fn everything() -> Snapshot {
    let mut snapshot = hostile::snapshot();
    let row = &mut snapshot.containers[0];
    for slot in Slot::ALL {
        row.values.set(*slot, 1);
    }
    for slot in InterfaceSlot::ALL {
        row.interfaces[0].values.set(*slot, 1);
    }
    for slot in DeviceSlot::ALL {
        row.devices[0].values.set(*slot, 1);
    }
    let (mut system, mut filesystem) = (Vec::new(), Vec::new());
    for (index, family) in CATALOG.iter().enumerate() {
        let labels = family.labels.iter().map(|label| Box::from(*label)).collect();
        let row = HostRow { family: u16::try_from(index).unwrap(), labels, value: 1 };
        let part = if family.collector == Collector::Filesystem { &mut filesystem } else { &mut system };
        part.push(row);
    }
    let part = |rows| Some(Arc::new(Host::new(1, Some(1), rows)));
    snapshot.host = HostParts { system: part(system), filesystem: part(filesystem) };
    snapshot
}

#[test]
fn the_kernel_may_behave_as_nobody_says() {
    let header = |format, start: &str| {
        let body = String::from_utf8(render(format, &hostile::snapshot())).unwrap();
        body.lines().find(|line| line.starts_with(start)).map(str::to_owned)
    };
    let start = "# TYPE node_vmstat_pgfault ";
    assert_eq!(header(Format::Text, start), Some(format!("{start}untyped")));
    assert_eq!(header(Format::OpenMetrics { created: false }, start), Some(format!("{start}unknown")));
    let families = families_of(&render(Format::Protobuf, &hostile::snapshot()));
    let family = families.iter().find(|family| family.name() == "node_vmstat_pgfault").unwrap();
    assert_eq!(
        (family.r#type(), family.metric[0].untyped.unwrap().value()),
        (MetricType::Untyped, 21_223_873.0)
    );
    let reads = families.iter().find(|family| family.name() == "node_disk_read_bytes_total").unwrap();
    let created = reads.metric[0].counter.unwrap().created_timestamp.unwrap();
    assert_eq!(created.seconds, 1_795_222_999, "since the boot");
}

/// What promtool finds fault with in names that cAdvisor, node_exporter and others fixed long ago, and that dashboards rely on:
/// the kernel's own words. Where such a name lacks its unit, promtool does not miss it.
fn expected_complaints() -> Vec<String> {
    let is_camel_case = |name: &&str| {
        name.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
    };
    let names = CATALOG.iter().map(|family| family.name).filter(|name| name.starts_with("node_memory_"));
    let mut complaints: Vec<String> = names
        .filter(is_camel_case)
        .map(|name| format!("{name} metric names should be written in 'snake_case' not 'camelCase'"))
        .collect();
    complaints.sort();
    complaints
}

#[test]
fn promtool_finds_nothing_but_what_is_expected() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run promtool (Debian: apt install prometheus): {error}"));
    // Promtool reads all of them before it writes.
    promtool.stdin.take().unwrap().write_all(&render(Format::Text, &everything())).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    let complaints: Vec<&str> = complaints.lines().collect();
    assert_eq!(complaints, expected_complaints(), "promtool: {}", output.status);
}

/// Text as an attacker would choose it.
fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("} 1\n".to_owned()),
        Just(",a=\"".to_owned()),
        Just("é🚢".repeat(200)),
        any::<String>(),
    ];
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_comes_back_as_it_was(
        containers in prop::collection::vec((hostile_text(), hostile_text(), hostile_text()), 1..4),
        rows in prop::collection::vec((hostile_text(), hostile_text()), 0..40),
    ) {
        let mut snapshot = Snapshot::default();
        for (id, name, image) in &containers {
            let mut container = Container::new(id, "docker".into());
            container.name.clone_from(name);
            container.image.clone_from(image);
            container.hostname.clone_from(image);
            let mut row = ContainerRow::new(Arc::new(container));
            row.values.set(Slot::CpuUsage, 1);
            for (interface, network) in &rows {
                let mut values = Values::default();
                values.set(InterfaceSlot::RxBytes, 1);
                row.interfaces.push(InterfaceRow { name: (**interface).into(), network: (**network).into(), values });
                let mut values = Values::default();
                values.set(DeviceSlot::Reads, 1);
                row.devices.push(DeviceRow { name: (**interface).into(), number: None, values });
            }
            snapshot.containers.push(row);
        }
        let text = strict::prometheus(&render(Format::Text, &snapshot)).map_err(TestCaseError::fail)?;
        for created in [false, true] {
            let body = render(Format::OpenMetrics { created }, &snapshot);
            let families = strict::openmetrics(&body).map_err(TestCaseError::fail)?;
            prop_assert_eq!(families.len(), text.len());
        }
        let families = families_of(&render(Format::Protobuf, &snapshot));
        prop_assert_eq!(families.len(), text.len());
        for (family, expected) in families.iter().zip(&text) {
            prop_assert_eq!(family.metric.len(), expected.samples.len());
            for (metric, sample) in family.metric.iter().zip(&expected.samples) {
                let labels: Vec<_> =
                    metric.label.iter().map(|l| (l.name().to_owned(), l.value().to_owned())).collect();
                prop_assert_eq!(&labels, &sample.labels);
            }
        }
        let (id, name, image) = &containers[0];
        let usage = text.iter().find(|family| family.name == "container_cpu_usage_seconds_total");
        if let Some(usage) = usage.filter(|_| !id.is_empty()) {
            let first = &usage.samples[0];
            prop_assert_eq!(first.label("id"), bounded(id, 12));
            let shown = if name.is_empty() { bounded(id, 12) } else { bounded(name, MAX_TEXT) };
            prop_assert_eq!(first.label("name"), shown);
            prop_assert_eq!(first.label("image"), bounded(image, MAX_TEXT));
        }
    }
}
