//! Schemas on whole snapshots: golden files, and what must hold for any: no series comes twice, types stay, nothing that is
//! written is refused, and a quiet tick allocates nothing.
//!
//! The golden files in `fixtures/golden` are written anew by `PLIMSOLL_BLESS=1 cargo test -p plimsoll-wire`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

#[path = "common/golden.rs"]
mod golden;
#[path = "common/hostile.rs"]
mod hostile;
#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};

use golden::golden;
use plimsoll_model::{Container, Profile, Slot, Snapshot};
use plimsoll_wire::line_protocol::{Encoder, Precision};
use plimsoll_wire::point::{Point, Tally, Value};
use plimsoll_wire::schema::default::DefaultSchema;
use plimsoll_wire::schema::telegraf::TelegrafDocker;

/// A schema, whichever it is.
type Points = Box<dyn FnMut(&Snapshot, &mut dyn FnMut(&mut Point))>;

const ANY: fn(&Container) -> bool = |_| true;

fn schemas() -> [(&'static str, Points); 2] {
    let (mut default, mut telegraf) = (DefaultSchema::new(Profile::Full), TelegrafDocker::new("node1"));
    [
        ("default", Box::new(move |snapshot, out| default.points(snapshot, &ANY, out))),
        ("telegraf-docker", Box::new(move |snapshot, out| telegraf.points(snapshot, &ANY, out))),
    ]
}

/// The snapshot ten seconds later, in which the containers have used half a core.
fn later(snapshot: &Snapshot) -> Snapshot {
    let mut later = Snapshot { at: snapshot.at + 10_000_000_000, ..snapshot.clone() };
    for row in &mut later.containers {
        let usage = row.values.get(Slot::CpuUsage).unwrap_or(0);
        row.values.set(Slot::CpuUsage, usage + 5_000_000_000);
        let restarts = row.values.get(Slot::Restarts).unwrap_or(0);
        row.values.set(Slot::Restarts, restarts + 1);
    }
    later
}

#[test]
fn golden_files() {
    let first = synthetic::snapshot(1);
    let second = later(&first);
    for (name, mut points) in schemas() {
        let (mut encoder, mut tally) = (Encoder::new(Precision::Nanoseconds), Tally::default());
        points(&first, &mut |_| {});
        points(&second, &mut |point| encoder.push(point, &mut tally));
        golden(&format!("schema_{name}.lp"), &encoder.take());
    }
}

#[test]
fn series_are_told_apart_and_keep_their_types() {
    let first = hostile::snapshot();
    let second = later(&first);
    for (name, mut points) in schemas() {
        let mut types: HashMap<(String, String), Discriminant<Value<'_>>> = HashMap::new();
        let (mut encoder, mut tally) = (Encoder::new(Precision::Milliseconds), Tally::default());
        for snapshot in [&first, &second, &synthetic::snapshot(3)] {
            let mut series = HashSet::new();
            points(snapshot, &mut |point| {
                point.sort_tags();
                let tags: Vec<_> = point.tags().collect();
                assert!(
                    series.insert(format!("{}{tags:?}", point.measurement())),
                    "{name}: {point:?} comes twice"
                );
                assert!(point.time() == i64::try_from(snapshot.at).unwrap() && point.fields().len() > 0);
                for field in point.fields() {
                    let kind = match field.value {
                        Value::Text(_) => discriminant(&Value::Text("")),
                        Value::Unsigned(_) => discriminant(&Value::Unsigned(0)),
                        Value::Nano(_) => discriminant(&Value::Nano(0)),
                        Value::Bool(_) => discriminant(&Value::Bool(true)),
                        other => panic!("{name}: {} is {other:?}", field.name),
                    };
                    let key = (point.measurement().to_owned(), field.name.to_owned());
                    assert_eq!(
                        *types.entry(key).or_insert(kind),
                        kind,
                        "{name}: {} changes its type",
                        field.name
                    );
                }
                encoder.push(point, &mut tally);
            });
            assert!(series.len() > 5);
        }
        assert!(tally.refused.is_empty(), "{name}: {tally:?}");
        assert!(tally.fields_refused <= 12, "numbers beyond i64 alone: {tally:?}");
    }
}

#[test]
fn a_quiet_tick_allocates_nothing() {
    let snapshot = synthetic::snapshot(50);
    let mut later = later(&snapshot);
    for (name, mut points) in schemas() {
        let mut count = 0;
        points(&snapshot, &mut |_| {});
        points(&later, &mut |_| count += 1);
        later.at += 10_000_000_000;
        let mut again = 0;
        let counted = allocation_counter::measure(|| points(&later, &mut |_| again += 1));
        assert_eq!(counted.count_total, 0, "{name}");
        assert!(
            again > 50 * 5 && count - again == if name == "default" { 50 } else { 0 },
            "{name}: restarts are told once"
        );
    }
}
