//! What is written in line protocol is what every InfluxDB reads: hostile points, against InfluxDB 3's own parser, the rules
//! of InfluxDB 1 and 2, and the reader for imports.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/expected.rs"]
mod expected;
#[path = "common/go_reader.rs"]
mod go_reader;
#[path = "common/hostile_points.rs"]
mod hostile_points;

use influxdb_line_protocol::{FieldValue, ParsedLine};
use plimsoll_wire::line_protocol::{Encoder, MAX_STRING, Precision, REASONS, parse_line, retain};
use plimsoll_wire::point::{Point, Tally, Value};
use proptest::prelude::*;

use crate::expected::{Expected, Read, expected};
use crate::hostile_points::hostile_point;

/// As InfluxDB 3 reads it.
fn by_version_3(line: &ParsedLine<'_>) -> Expected {
    let tags = line.series.tag_set.iter().flatten();
    Expected {
        measurement: line.series.measurement.to_string(),
        tags: tags.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        fields: line
            .field_set
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    FieldValue::I64(value) => Read::Integer(*value),
                    FieldValue::F64(value) => Read::Float(value.to_bits()),
                    FieldValue::Boolean(value) => Read::Bool(*value),
                    FieldValue::String(text) => Read::Text(text.to_string()),
                    FieldValue::U64(value) => panic!("InfluxDB 1 has no {value}u"),
                };
                (name.to_string(), value)
            })
            .collect(),
        time: line.timestamp.unwrap(),
    }
}

/// As InfluxDB 1 and 2 read it.
fn by_version_1(line: go_reader::Line) -> Expected {
    let value = |value: String| match &*value {
        "true" | "false" => Read::Bool(value == "true"),
        text if text.starts_with('"') => Read::Text(go_reader::text(text).unwrap()),
        number => match number.strip_suffix('i') {
            Some(digits) => Read::Integer(digits.parse().unwrap()),
            None => Read::Float(number.parse::<f64>().unwrap().to_bits()),
        },
    };
    let fields = line.fields.into_iter().map(|(name, told)| (name, value(told))).collect();
    Expected { measurement: line.measurement, tags: line.tags, fields, time: line.time }
}

/// As an import reads it.
fn by_import(point: &Point, precision: Precision) -> Expected {
    let value = |value: Value<'_>| match value {
        Value::Integer(value) => Read::Integer(value),
        Value::Float(value) => Read::Float(value.to_bits()),
        Value::Bool(value) => Read::Bool(value),
        Value::Text(text) => Read::Text(text.to_owned()),
        other => panic!("{other:?} was written"),
    };
    Expected {
        measurement: point.measurement().to_owned(),
        tags: point.tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        fields: point.fields().map(|field| (field.name.to_owned(), value(field.value))).collect(),
        time: point.time() / precision.nanoseconds(),
    }
}

/// Writes the points in one batch, and holds every reader to it.
fn check(points: &[Point], precision: Precision) -> Result<u64, TestCaseError> {
    let (mut encoder, mut tally) = (Encoder::new(precision), Tally::default());
    points.iter().for_each(|point| encoder.push(point, &mut tally));
    let body = String::from_utf8(encoder.take()).unwrap();
    let all: Vec<_> = points.iter().filter_map(|point| expected(point, precision)).collect();
    let refused: u64 = tally.refused.values().sum();
    prop_assert_eq!((tally.accepted, refused), (all.len() as u64, (points.len() - all.len()) as u64));
    prop_assert!(tally.refused.keys().all(|reason| REASONS.contains(reason)));

    let version_1 = go_reader::lines(&body);
    prop_assert_eq!(version_1.len(), all.len());
    let mut version_3 = influxdb_line_protocol::parse_lines(&body);
    let mut point = Point::default();
    for (line, expected) in version_1.into_iter().zip(&all) {
        let read =
            version_3.next().unwrap().map_err(|error| TestCaseError::fail(format!("{line:?}: {error}")))?;
        prop_assert_eq!(&by_version_3(&read), expected, "InfluxDB 3, {:?}", line);
        let read =
            go_reader::read(line).map_err(|error| TestCaseError::fail(format!("{line:?}: {error}")))?;
        prop_assert_eq!(&by_version_1(read), expected, "InfluxDB 1, {:?}", line);
        prop_assert_eq!(parse_line(line.as_bytes(), precision, 0, &mut point), Ok(true), "{:?}", line);
        prop_assert_eq!(&by_import(&point, precision), expected, "import, {:?}", line);
    }
    prop_assert!(version_3.next().is_none());

    let mut index = 0;
    let times: Vec<_> = all.iter().map(|expected| expected.time * precision.nanoseconds()).collect();
    let kept = retain(body.as_bytes(), precision, &mut |at, time| {
        index += 1;
        at + 1 == index && times[usize::try_from(at).unwrap()] == time
    });
    prop_assert_eq!(kept.map(|kept| (kept.body == body.as_bytes(), kept.removed)), Ok((true, 0)));
    Ok(tally.accepted)
}

#[test]
fn hostile_points_are_read_as_documented_or_refused() {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test and no setting of the program")]
    let cases =
        std::env::var("PLIMSOLL_SOAK_POINTS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(20_000);
    let mut points = vec![Point::default(); 100];
    let mut accepted = 0;
    for batch in 0..cases / 100 {
        for (point, seed) in points.iter_mut().zip(batch * 100..) {
            hostile_point(seed, point);
        }
        let precision = Precision::ALL[usize::try_from(batch % 4).unwrap()];
        accepted += check(&points, precision).unwrap_or_else(|error| panic!("batch {batch}: {error}"));
    }
    assert!((cases / 4..cases).contains(&accepted), "{accepted} of {cases} points were accepted");
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<u64>().prop_map(Value::Unsigned),
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Nano),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
    ]
}

prop_compose! {
    fn any_point()(
        measurement: String,
        time: i64,
        tags in prop::collection::vec((any::<String>(), any::<String>()), 0..6),
        texts in prop::collection::vec((any::<String>(), any::<String>()), 0..4),
        values in prop::collection::vec((any::<String>(), any_value()), 0..4),
    ) -> Point {
        let mut point = Point::default();
        point.begin(&measurement, time);
        tags.iter().for_each(|(name, value)| point.tag(name, value));
        texts.iter().for_each(|(name, text)| point.field(name, Value::Text(text)));
        values.into_iter().for_each(|(name, value)| point.field(&name, value));
        point
    }
}

proptest! {
    #[test]
    fn any_points_are_read_as_documented_or_refused(points in prop::collection::vec(any_point(), 1..4), precision in 0usize..4) {
        check(&points, Precision::ALL[precision])?;
    }
}

#[test]
fn nothing_is_allocated_for_a_point() {
    let mut points = vec![Point::default(); 500];
    for (point, seed) in points.iter_mut().zip(0..) {
        hostile_point(seed, point);
    }
    points[0].begin("m", 0);
    points[0].field("long", Value::Text(&"\"".repeat(MAX_STRING)));
    let (mut encoder, mut tally) = (Encoder::new(Precision::Nanoseconds), Tally::default());
    let mut batch = |encoder: &mut Encoder| points.iter().for_each(|point| encoder.push(point, &mut tally));
    batch(&mut encoder);
    let first = encoder.take();
    let counted = allocation_counter::measure(|| batch(&mut encoder));
    assert_eq!(encoder.take(), first);
    assert_eq!(counted.count_total, 0);
    assert!(first.len() > 10_000 && !tally.refused.is_empty());
}
