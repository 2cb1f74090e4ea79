//! Bodies of OTLP, read with OpenTelemetry's own definitions, which Plimsoll's share nothing with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint};
use plimsoll_model::Kind;
use plimsoll_wire::otlp::{Encoder, messages, parse_response, retain};
use plimsoll_wire::point::{Broken, Meta, Point, Tally, Value};
use proptest::prelude::*;
use prost::Message;

fn resource() -> Vec<(String, String)> {
    vec![("service.name".to_owned(), "plimsoll".to_owned()), ("host.name".to_owned(), "né".to_owned())]
}

fn encode(points: &[Point]) -> (Vec<u8>, Tally) {
    let (mut encoder, mut tally) = (Encoder::new(resource()), Tally::default());
    for point in points {
        encoder.push(point, &mut tally);
    }
    let most = encoder.len();
    let body = encoder.take();
    assert!(body.len() <= most, "{} bytes, {most} at most", body.len());
    assert!(encoder.is_empty() && encoder.take().is_empty());
    (body, tally)
}

fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => (attribute.key.clone(), text),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(text).collect()
}

/// The metrics of a body.
fn read(body: &[u8]) -> Vec<Metric> {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    // Read with our own messages, it is the same, to the byte and beyond.
    let ours = messages::ExportMetricsServiceRequest::decode(body).unwrap();
    assert_eq!(ExportMetricsServiceRequest::decode(&*ours.encode_to_vec()).unwrap(), request);
    if request.resource_metrics.is_empty() {
        return Vec::new();
    }
    let [of_resource] = &request.resource_metrics[..] else { panic!("{request:?}") };
    assert_eq!(pairs(&of_resource.resource.as_ref().unwrap().attributes), resource());
    let [of_scope] = &of_resource.scope_metrics[..] else { panic!("{request:?}") };
    let scope = InstrumentationScope {
        name: "plimsoll".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    assert_eq!(of_scope.scope, Some(scope));
    of_scope.metrics.clone()
}

fn data_points(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => &gauge.data_points,
        Data::Sum(sum) => {
            assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
            assert!(sum.is_monotonic);
            &sum.data_points
        }
        other => panic!("{other:?}"),
    }
}

fn point(name: &str, time: i64, fields: &[(&str, Value<'_>)], meta: Meta) -> Point {
    let mut point = Point::default();
    point.begin(name, time);
    point.tag("container.name", "web");
    for (name, value) in fields {
        point.field_with(name, *value, meta);
    }
    point
}

#[test]
fn values_are_what_they_were() {
    const LARGEST: u64 = i64::MAX as u64;
    for (value, expected) in [
        (Value::Unsigned(LARGEST), Some(Number::AsInt(i64::MAX))),
        (Value::Unsigned(LARGEST + 1), Some(Number::AsDouble(9_223_372_036_854_775_808.0))),
        (Value::Unsigned(0), Some(Number::AsInt(0))),
        (Value::Integer(i64::MIN), Some(Number::AsInt(i64::MIN))),
        (Value::Nano(2_000_000_000), Some(Number::AsDouble(2.0))),
        (Value::Float(0.0), Some(Number::AsDouble(0.0))),
        (Value::Float(f64::NEG_INFINITY), Some(Number::AsDouble(f64::NEG_INFINITY))),
        (Value::Bool(true), Some(Number::AsInt(1))),
        (Value::Stale, None),
    ] {
        let (body, tally) = encode(&[point("up", 7, &[("", value)], Meta::UNKNOWN)]);
        let metrics = read(&body);
        let [found] = data_points(&metrics[0]) else { panic!("{metrics:?}") };
        assert_eq!((found.value, found.flags), (expected, u32::from(expected.is_none())), "{value:?}");
        assert_eq!((found.time_unix_nano, found.start_time_unix_nano), (7, 0));
        assert_eq!(pairs(&found.attributes), [("container.name".to_owned(), "web".to_owned())]);
        assert_eq!((tally.accepted, tally.refused.len()), (1, 0));
    }
    let (body, tally) = encode(&[
        point("up", 7, &[("", Value::Text("yes"))], Meta::UNKNOWN),
        point("up", -1, &[("", Value::Unsigned(1))], Meta::UNKNOWN),
    ]);
    assert_eq!((read(&body), tally.accepted), (Vec::new(), 0));
    assert_eq!(tally.refused, BTreeMap::from([("text", 1), ("time", 1)]));
}

#[test]
fn points_of_a_metric_stand_together() {
    let meta = |kind, start| Meta { kind, unit: "By", help: "What it is.", start };
    let (counter, gauge) = (meta(Kind::Counter, Some(5)), meta(Kind::Gauge, Some(5)));
    let (body, tally) = encode(&[
        point("io", 10, &[("read", Value::Unsigned(1)), ("write", Value::Unsigned(2))], counter),
        point("use", 10, &[("", Value::Unsigned(3))], gauge),
        point("io", 20, &[("read", Value::Unsigned(4)), ("write", Value::Unsigned(5))], counter),
        point("io", 4, &[("read", Value::Unsigned(6))], counter),
    ]);
    let metrics = read(&body);
    let found: Vec<_> = metrics
        .iter()
        .map(|metric| {
            assert_eq!((&*metric.unit, &*metric.description), ("By", "What it is."));
            let points = data_points(metric).iter();
            let points = points.map(|point| (point.start_time_unix_nano, point.time_unix_nano));
            let is_sum = matches!(metric.data, Some(Data::Sum(_)));
            (&*metric.name, is_sum, points.collect::<Vec<_>>())
        })
        .collect();
    let expected = [
        ("io.read", true, vec![(5, 10), (5, 20), (0, 4)]),
        ("io.write", true, vec![(5, 10), (5, 20)]),
        ("use", false, vec![(0, 10)]),
    ];
    assert_eq!(found, expected);
    assert_eq!(tally.accepted, 6);
}

#[test]
fn answers_are_understood() {
    let answer = |rejected_data_points, error_message: &str| {
        let error_message = error_message.to_owned();
        let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
        ExportMetricsServiceResponse { partial_success }.encode_to_vec()
    };
    for (body, expected) in [
        (answer(3, "too old"), Some((3, "too old".to_owned()))),
        (answer(0, "deprecated"), Some((0, "deprecated".to_owned()))),
        (answer(-3, "odd"), Some((0, "odd".to_owned()))),
        (answer(1, &"é".repeat(10_000)), Some((1, "é".repeat(512)))),
        (answer(0, ""), None),
        (Vec::new(), None),
        (b"<html>".to_vec(), None),
    ] {
        assert_eq!(parse_response(&body), expected);
    }
}

#[test]
fn what_is_no_body_is_broken() {
    let (body, _) = encode(&[point("up", 7, &[("", Value::Unsigned(1))], Meta::UNKNOWN)]);
    assert_eq!(retain(&body[..body.len() - 1], &mut |_, _| true), Err(Broken));
    assert_eq!(retain(b"\xff", &mut |_, _| true), Err(Broken));
}

prop_compose! {
    fn made()(
        name in "[a-c]{0,1}|\\PC{0,3}",
        tags in prop::collection::vec(("\\PC{0,3}", any::<String>()), 0..4),
        time in 0..100_i64,
        fields in prop::collection::vec(("[x-z]{0,2}|\\PC{0,3}", any::<i64>(), any::<bool>()), 0..3),
    ) -> Point {
        let mut point = Point::default();
        point.begin(&name, time);
        for (name, value) in &tags {
            point.tag(name, value);
        }
        for (name, value, counts) in &fields {
            let kind = if *counts { Kind::Counter } else { Kind::Gauge };
            point.field_with(name, Value::Integer(*value), Meta { kind, ..Meta::UNKNOWN });
        }
        point
    }
}

/// Every data point: whose it is, whether it is a sum, its attributes, time and value.
type All = Vec<(String, bool, Vec<(String, String)>, u64, i64)>;

fn all(metrics: &[Metric]) -> All {
    let each = metrics.iter().flat_map(|metric| {
        data_points(metric).iter().map(move |point| {
            let Some(Number::AsInt(value)) = point.value else { panic!("{point:?}") };
            let is_sum = matches!(metric.data, Some(Data::Sum(_)));
            (metric.name.clone(), is_sum, pairs(&point.attributes), point.time_unix_nano, value)
        })
    });
    each.collect()
}

proptest! {
    #[test]
    fn points_come_out_as_they_went_in(points in prop::collection::vec(made(), 0..20)) {
        let (body, tally) = encode(&points);
        let metrics = read(&body);
        let mut names: Vec<_> = metrics.iter().map(|m| (&m.name, matches!(m.data, Some(Data::Sum(_))))).collect();
        names.sort();
        prop_assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a metric comes twice");
        let mut expected = All::new();
        for point in &points {
            let tags: Vec<_> = point.tags().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            for field in point.fields() {
                let dot = if field.name.is_empty() { "" } else { "." };
                let name = format!("{}{dot}{}", point.measurement(), field.name);
                let Value::Integer(value) = field.value else { panic!("{field:?}") };
                let is_sum = field.meta.kind == Kind::Counter;
                expected.push((name, is_sum, tags.clone(), u64::try_from(point.time()).unwrap(), value));
            }
        }
        prop_assert_eq!(tally.accepted, expected.len() as u64);
        let mut found = all(&metrics);
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn exactly_what_is_chosen_is_kept(points in prop::collection::vec(made(), 0..20), choice: u32) {
        let (body, tally) = encode(&points);
        let before = all(&read(&body));
        let chosen = |index: u64| choice >> (index % 32) & 1 == 1;
        let mut asked = Vec::new();
        let kept = retain(&body, &mut |index, time| {
            asked.push((index, time));
            chosen(index)
        });
        let kept = kept.unwrap();
        let expected: Vec<_> = (0_u64..).zip(&before).map(|(n, all)| (n, i64::try_from(all.3).unwrap())).collect();
        prop_assert_eq!(asked, expected);
        let expected: All = (0..).zip(before).filter(|(n, _)| chosen(*n)).map(|(_, all)| all).collect();
        prop_assert_eq!((kept.points, kept.points + kept.removed), (expected.len() as u64, tally.accepted));
        prop_assert_eq!(all(&read(&kept.body)), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = retain(&bytes, &mut |_, _| true);
        let _ = parse_response(&bytes);
    }
}
