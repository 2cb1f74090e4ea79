//! Hostile points go into a real InfluxDB 1.6, and what it has then is what was written, point by point.
//!
//! `PLIMSOLL_SOAK_POINTS=N` sends so many (`make soak`: a million).

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/expected.rs"]
mod expected;
#[path = "common/hostile_points.rs"]
mod hostile_points;

use std::collections::BTreeMap;

use plimsoll_testkit::databases::Influx;
use plimsoll_wire::line_protocol::{Encoder, Precision};
use plimsoll_wire::point::{Field, Point, Tally};
use serde_json::Value;

use crate::expected::{Expected, Read, expected};
use crate::hostile_points::hostile_point;

/// Points in one database, and questions in one request.
const TOGETHER: u64 = 500;

/// The hostile point of this seed, in a measurement of its own: what one point calls a number, the next calls a text, and a
/// database takes only one of them.
fn alone(seed: u64, made: &mut Point, point: &mut Point) {
    hostile_point(seed, made);
    let measurement = match made.measurement() {
        "" => String::new(),
        name => format!("{seed}{name}"),
    };
    point.begin(&measurement, made.time());
    made.tags().for_each(|(name, value)| point.tag(name, value));
    made.fields().for_each(|Field { name, value, .. }| point.field(name, value));
}

/// Asks for each measurement by itself: asked for all at once, the database leaves out fields that are numbers here and texts
/// there.
fn everything<'a>(measurements: impl Iterator<Item = &'a String>) -> String {
    let quoted = |name: &String| name.replace('\\', "\\\\").replace('"', "\\\"");
    measurements.map(|name| format!("SELECT * FROM \"{}\" GROUP BY *;", quoted(name))).collect()
}

/// What the database has, in the order of the questions.
fn read(answer: &Value) -> Vec<Expected> {
    let series = |result: &Value| match result["series"].as_array().map(Vec::as_slice) {
        Some([series]) => line(series),
        _ => panic!("not one series: {result}"),
    };
    answer["results"].as_array().unwrap().iter().map(series).collect()
}

fn line(series: &Value) -> Expected {
    let tags = series["tags"].as_object().into_iter().flatten();
    let columns = series["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let [values] = &series["values"].as_array().unwrap()[..] else { panic!("not one point: {series}") };
    let mut cells = columns.zip(values.as_array().unwrap());
    let (time, at) = cells.next().unwrap();
    assert_eq!(time, "time");
    Expected {
        measurement: series["name"].as_str().unwrap().to_owned(),
        tags: tags.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        fields: cells.map(|(name, value)| (name.to_owned(), by_json(value))).collect(),
        time: at.as_i64().unwrap(),
    }
}

/// JSON has one kind of number.
fn by_json(value: &Value) -> Read {
    match value {
        Value::Bool(value) => Read::Bool(*value),
        Value::String(text) => Read::Text(text.clone()),
        number => {
            number.as_i64().map_or_else(|| Read::Float(number.as_f64().unwrap().to_bits()), Read::Integer)
        }
    }
}

/// Whether a number may come back as another: an integer for a decimal without a fraction, and the last bit of a decimal,
/// which the reader of JSON does not keep.
fn is_same(written: &Read, found: &Read) -> bool {
    let decimal = |read: &Read| match read {
        Read::Float(bits) => Some(f64::from_bits(*bits)),
        Read::Integer(value) => Some(*value as f64),
        _ => None,
    };
    match (written, found) {
        (Read::Float(_), Read::Float(_) | Read::Integer(_)) => {
            let (written, found) = (decimal(written).unwrap(), decimal(found).unwrap());
            (written - found).abs() <= written.abs() * f64::EPSILON
        }
        _ => written == found,
    }
}

fn sorted(mut line: Expected) -> Expected {
    line.tags.sort();
    line.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    line
}

#[test]
fn a_real_influx_has_what_was_written() {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test and no setting of the program")]
    let points =
        std::env::var("PLIMSOLL_SOAK_POINTS").ok().and_then(|count| count.parse().ok()).unwrap_or(5_000);
    let influx = Influx::start();
    let (mut made, mut point, mut compared) = (Point::default(), Point::default(), 0);
    for first in (0..points).step_by(usize::try_from(TOGETHER).unwrap()) {
        influx.create_database("hostile");
        let (mut encoder, mut tally) = (Encoder::new(Precision::Nanoseconds), Tally::default());
        let mut written = BTreeMap::new();
        for seed in first..points.min(first + TOGETHER) {
            alone(seed, &mut made, &mut point);
            encoder.push(&point, &mut tally);
            if let Some(line) = expected(&point, Precision::Nanoseconds) {
                written.insert(line.measurement.clone(), sorted(line));
            }
        }
        assert_eq!(tally.accepted, written.len() as u64, "points have a measurement of their own");
        influx.write("hostile", &String::from_utf8(encoder.take()).unwrap());
        let found = read(&influx.query("hostile", &everything(written.keys())));
        assert_eq!(found.len(), written.len());
        for (line, there) in written.values().zip(found.into_iter().map(sorted)) {
            let same = |(one, other): (&(String, Read), &(String, Read))| {
                one.0 == other.0 && is_same(&one.1, &other.1)
            };
            assert!(
                (&line.measurement, &line.tags, line.time) == (&there.measurement, &there.tags, there.time)
                    && line.fields.len() == there.fields.len()
                    && line.fields.iter().zip(&there.fields).all(same),
                "written {line:?}\nfound {there:?}"
            );
        }
        compared += written.len();
        influx.query("", "DROP DATABASE hostile");
    }
    println!("{points} hostile points: {compared} written, all of them equal");
    assert!(compared as u64 > points / 4);
}
