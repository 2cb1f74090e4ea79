//! Schemas: the points of a hostile snapshot beside its exposition, and what a point costs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

#[allow(dead_code, reason = "other tests use more of it")]
mod common;
#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

use std::collections::{BTreeMap, HashSet};

use common::{hostile, strict};
use plimsoll_model::text::MAX_TEXT;
use plimsoll_model::{Container, Kind, Profile, Selection, Snapshot};
use plimsoll_wire::point::Value;
use plimsoll_wire::prometheus::{Format, encode};
use plimsoll_wire::remote_write::{Encoder, Version};
use plimsoll_wire::schema::prometheus::Prometheus;
use plimsoll_wire::schema::semconv::Semconv;

fn full() -> Selection {
    Selection::of_profile(Profile::Full)
}

fn decimal(nano: u64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn the_points_are_those_of_the_exposition() {
    let snapshot = hostile::snapshot();
    let mut body = Vec::new();
    encode(Format::Text, &snapshot, &full(), &mut body);
    let mut expected = BTreeMap::new();
    for sample in strict::prometheus(&body).unwrap().into_iter().flat_map(|family| family.samples) {
        let mut labels = sample.labels;
        labels.sort();
        expected.insert((sample.name, labels), sample.value);
    }
    let mut prometheus = Prometheus::default();
    for _ in 0..2 {
        let mut left = expected.clone();
        prometheus.points(&snapshot, &full(), &|_| true, &mut |point| {
            let tags: Vec<_> =
                point.tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert!(tags.is_sorted(), "{tags:?}");
            assert_eq!(point.time(), i64::try_from(snapshot.at).unwrap());
            let fields: Vec<_> = point.fields().collect();
            let [field] = fields[..] else { panic!("{point:?}") };
            let key = (point.measurement().to_owned(), tags);
            let shown = left.remove(&key).unwrap_or_else(|| panic!("{key:?} is not in the exposition"));
            match field.value {
                Value::Unsigned(value) => assert_eq!(shown, value.to_string(), "{key:?}"),
                Value::Nano(value) => assert_eq!(shown, decimal(value), "{key:?}"),
                Value::Float(value) => assert_eq!(shown.parse::<f64>(), Ok(value), "{key:?}"),
                other => panic!("{key:?} {other:?}"),
            }
            assert!(field.meta.start.is_none() || field.meta.kind == Kind::Counter, "{key:?}");
        });
        assert_eq!(left, BTreeMap::new(), "in the exposition alone");
    }
}

#[test]
fn a_container_that_is_not_chosen_has_no_points() {
    let snapshot = hostile::snapshot();
    let mut names = HashSet::new();
    let mut others = 0;
    let chosen = |container: &Container| container.image == "nginx:1.29";
    Prometheus::default().points(&snapshot, &full(), &chosen, &mut |point| match point.tag_value("id") {
        "" => others += 1,
        id => drop(names.insert((id.to_owned(), point.tag_value("image").to_owned()))),
    });
    assert_eq!(names.into_iter().map(|(_, image)| image).collect::<Vec<_>>(), ["nginx:1.29"]);
    assert!(others > 50, "the agent and the machine are no containers: {others}");
}

#[test]
fn the_conventions_lose_no_sample_and_confuse_none() {
    let snapshot = hostile::snapshot();
    let mut expected = 0;
    Prometheus::default().points(&snapshot, &full(), &|_| true, &mut |_| expected += 1);
    let mut series = HashSet::new();
    let mut points = 0;
    Semconv::default().points(&snapshot, &full(), &|_| true, &mut |point| {
        points += 1;
        let tags: Vec<_> = point.tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert!(tags.is_sorted(), "{tags:?}");
        assert!(tags.iter().all(|(_, value)| value.len() <= MAX_TEXT));
        let key = format!("{} {tags:?}", point.measurement());
        assert!(series.insert(key.clone()), "{key} comes twice");
    });
    assert_eq!(points, expected);
}

#[test]
fn the_conventions_are_kept() {
    let snapshot = hostile::snapshot();
    let mut found = Vec::new();
    Semconv::default().points(&snapshot, &full(), &|_| true, &mut |point| {
        if matches!(point.tag_value("container.image.name"), "nginx:1.29")
            || !point.tag_value("cpu.mode").is_empty()
        {
            let field = point.fields().next().unwrap();
            let tags: Vec<_> = point
                .tags()
                .filter(|(name, _)| !name.starts_with("container."))
                .map(|(name, value)| format!(" {name}={value}"))
                .collect();
            found.push(format!(
                "{}{} {:?} {} {:?}",
                point.measurement(),
                tags.concat(),
                field.value,
                field.meta.unit,
                field.meta.kind
            ));
        }
    });
    for expected in [
        "container.cpu.time cpu.mode=user Nano(1000000001) s Counter",
        "container.cpu.usage_time Nano(1500000000) s Counter",
        "container.cpu.usage Nano(0) {cpu} Gauge",
        "container.cpu.limit Nano(500000000) {cpu} Gauge",
        "container.memory.usage Unsigned(4096) By Gauge",
        "container.network.io network.interface.name=eth0 network.io.direction=receive Unsigned(1) By Counter",
        "container.disk.io disk.io.direction=read system.device=/dev/vda Unsigned(1) By Counter",
        "container.restarts Unsigned(3) {restart} Counter",
        "system.cpu.time cpu.logical_number=0 cpu.mode=user Nano(396770000000) s Counter",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected} is not in {found:#?}");
    }
}

/// How many points of many containers, and how many allocations until they are encoded.
fn costs(snapshot: &Snapshot) -> (u64, u64) {
    let (mut prometheus, mut encoder) = (Prometheus::default(), Encoder::new(Version::V2));
    let mut tally = plimsoll_wire::point::Tally::default();
    let mut pass = |tally: &mut _| {
        prometheus
            .points(snapshot, &Selection::default(), &|_| true, &mut |point| encoder.push(point, tally));
        encoder.take().len()
    };
    pass(&mut tally);
    tally.accepted = 0;
    let info = allocation_counter::measure(|| {
        pass(&mut tally);
    });
    (tally.accepted, info.count_total)
}

#[test]
fn a_point_costs_no_allocation() {
    let (points, allocations) = costs(&synthetic::snapshot(500));
    assert!(points > 20_000, "{points}");
    // The walk itself makes a few for each family of labels that a container has.
    assert!(allocations < 500, "{allocations} for {points} points");
}
