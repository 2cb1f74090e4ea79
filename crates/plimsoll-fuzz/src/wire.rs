//! What scrapers ask for, and what they are given.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_model::container::LabelChoice;
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{
    Container, ContainerRow, DeviceRow, DeviceSlot, InterfaceRow, InterfaceSlot, Profile, Selection, Slot,
    Snapshot, State, Values,
};
use plimsoll_wire::prometheus::protobuf::MetricFamily;
use plimsoll_wire::prometheus::{Format, encode, negotiate};
use prost::Message;

#[expect(clippy::unwrap_used, reason = "a reader for tests")]
#[path = "../../plimsoll-wire/tests/common/strict.rs"]
mod strict;

/// Separates the texts of an input. It is no part of any UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// An `Accept` header: whatever it holds there is an answer, and what names no format has no say in it.
pub fn prometheus_accept(bytes: &[u8]) {
    let header = String::from_utf8_lossy(bytes);
    let format = negotiate(Some(&header));
    assert_eq!(negotiate(Some(&header)), format, "the same header, another answer");
    assert_ne!(format, Format::OpenMetrics { created: true }, "nobody can ask for this with a header");
    for foreign in [format!("{header},image/x-ship;q=1"), format!("image/x-ship;q=1,{header}")] {
        assert_eq!(negotiate(Some(&foreign)), format, "{foreign:?}");
    }
    if !header.to_ascii_lowercase().contains("application/") {
        assert_eq!(format, Format::Text, "{header:?}");
    }
}

/// Hostile names in every place that takes a name: what is written can be read again, strictly, and says the same in
/// every format.
pub fn label_escaping(bytes: &[u8]) {
    let snapshot = snapshot(bytes);
    let text = render(Format::Text, &snapshot);
    assert_eq!(render(Format::Text, &snapshot), text, "the same snapshot, another exposition");
    let families = strict::prometheus(&text).unwrap_or_else(|fault| broken(&fault, &text));
    for created in [false, true] {
        let body = render(Format::OpenMetrics { created }, &snapshot);
        let read = strict::openmetrics(&body).unwrap_or_else(|fault| broken(&fault, &body));
        assert_eq!(read.len(), families.len());
    }

    let mut protobuf = &*render(Format::Protobuf, &snapshot);
    for family in &families {
        let message = MetricFamily::decode_length_delimited(&mut protobuf).expect("a message a family");
        assert_eq!((message.name(), message.metric.len()), (&*family.name, family.samples.len()));
        for (metric, sample) in message.metric.iter().zip(&family.samples) {
            let labels = metric.label.iter().map(|label| (label.name(), label.value()));
            assert!(labels.eq(sample.labels.iter().map(|(key, value)| (&**key, &**value))), "{sample:?}");
            assert!(sample.labels.iter().all(|(_, value)| value.len() <= MAX_TEXT), "{sample:?}");
        }
    }
    assert!(protobuf.is_empty(), "a message without a family");

    let container = &snapshot.containers[0].container;
    let usage = families.iter().find(|family| family.name == "container_cpu_usage_seconds_total");
    let shown = usage.map(|family| family.samples[0].label("image"));
    // Nobody can tell containers without an id apart, so they are not shown.
    let expected = (!container.id.is_empty()).then(|| bounded(&container.image, MAX_TEXT));
    assert_eq!(shown, expected, "the image's name did not come back");
}

fn broken<T>(fault: &str, body: &[u8]) -> T {
    unreachable!("{fault}\n{}", String::from_utf8_lossy(body))
}

fn render(format: Format, snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    encode(format, snapshot, &Selection::of_profile(Profile::Full), &mut out);
    out
}

/// A container with its id, name, image, hostname and state from the bytes; the texts after them are labels,
/// interfaces with their networks, and devices.
fn snapshot(bytes: &[u8]) -> Snapshot {
    let mut texts =
        bytes.split(|byte| *byte == SEPARATOR).map(|text| String::from_utf8_lossy(text).into_owned());
    let mut text = || texts.next().unwrap_or_default();
    let mut container = Container::new(&text(), "docker".into());
    container.name = text();
    container.image = text();
    container.hostname = text();
    container.state = State::from_engine(&text());
    let (mut labels, mut interfaces, mut devices) = (BTreeMap::new(), Vec::new(), Vec::new());
    while let Some(name) = texts.next() {
        let mut numbers = Values::default();
        numbers.set(InterfaceSlot::RxBytes, 1);
        let network = texts.next().unwrap_or_default();
        interfaces.push(InterfaceRow { name: (*name).into(), network: (*network).into(), values: numbers });
        let mut numbers = Values::default();
        numbers.set(DeviceSlot::Reads, 1);
        devices.push(DeviceRow { name: (*name).into(), number: None, values: numbers });
        labels.insert(name, network);
    }
    container.set_labels(labels, &LabelChoice { all: true, keys: Vec::new() });
    let mut row = ContainerRow::new(Arc::new(container));
    row.values.set(Slot::CpuUsage, 1);
    row.values.set(Slot::State, 0);
    (row.interfaces, row.devices) = (interfaces, devices);
    Snapshot { containers: vec![row], ..Snapshot::default() }
}
