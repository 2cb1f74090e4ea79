//! Bodies of remote write: what comes out is what went in, whatever it was, and parts of it stay what they were.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::collections::BTreeMap;

use plimsoll_model::Kind;
use plimsoll_wire::point::{Broken, Meta, Point, Tally, Value};
use plimsoll_wire::remote_write::messages::{MetricType, Request, WriteRequest};
use plimsoll_wire::remote_write::{Encoder, STALE, Version, retain, v2_to_v1};
use proptest::prelude::*;
use prost::Message;

const BOTH: [Version; 2] = [Version::V1, Version::V2];

/// Labels with the bits of values, times and starts, in the order of the body.
type Series = Vec<(Vec<(String, String)>, Vec<(u64, i64, i64)>)>;

fn read(version: Version, body: &[u8]) -> Series {
    match version {
        Version::V1 => WriteRequest::decode(body)
            .unwrap()
            .timeseries
            .into_iter()
            .map(|series| {
                let labels = series.labels.into_iter().map(|label| (label.name, label.value)).collect();
                (labels, series.samples)
            })
            .map(|(labels, samples)| (labels, bits(&samples)))
            .collect(),
        Version::V2 => {
            let request = Request::decode(body).unwrap();
            let text = |number: u32| request.symbols[number as usize].clone();
            request
                .timeseries
                .iter()
                .map(|series| {
                    let pairs = series.labels_refs.chunks(2);
                    (pairs.map(|pair| (text(pair[0]), text(pair[1]))).collect(), bits(&series.samples))
                })
                .collect()
        }
    }
}

fn bits(samples: &[plimsoll_wire::remote_write::messages::Sample]) -> Vec<(u64, i64, i64)> {
    samples.iter().map(|s| (s.value.to_bits(), s.timestamp, s.start_timestamp)).collect()
}

fn point(name: &str, time: i64, tags: &[(&str, &str)], value: Value<'_>) -> Point {
    let mut point = Point::default();
    point.begin(name, time);
    for (name, value) in tags {
        point.tag(name, value);
    }
    point.field("", value);
    point
}

fn encode(version: Version, points: &[Point]) -> (Vec<u8>, Tally) {
    let (mut encoder, mut tally) = (Encoder::new(version), Tally::default());
    for point in points {
        encoder.push(point, &mut tally);
    }
    let most = encoder.len();
    let body = encoder.take();
    assert!(body.len() <= most, "{} bytes, {most} at most", body.len());
    assert!(encoder.is_empty() && encoder.take().len() <= 2);
    (body, tally)
}

#[test]
fn values_are_what_they_were() {
    let cases = [
        (Value::Unsigned(u64::MAX), (u64::MAX as f64).to_bits()),
        (Value::Integer(-3), (-3.0_f64).to_bits()),
        (Value::Nano(1_500_000_000), 1.5_f64.to_bits()),
        (Value::Float(f64::INFINITY), f64::INFINITY.to_bits()),
        (Value::Float(-0.25), (-0.25_f64).to_bits()),
        (Value::Float(f64::NAN), f64::NAN.to_bits()),
        (Value::Float(f64::from_bits(STALE)), f64::NAN.to_bits()),
        (Value::Bool(true), 1.0_f64.to_bits()),
        (Value::Bool(false), 0),
        (Value::Stale, STALE),
    ];
    for version in BOTH {
        for (value, expected) in cases {
            let (body, tally) = encode(version, &[point("up", 1_999_999, &[], value)]);
            let labels = vec![("__name__".to_owned(), "up".to_owned())];
            assert_eq!(read(version, &body), [(labels, vec![(expected, 1, 0)])], "{value:?}");
            assert_eq!((tally.accepted, tally.refused.len()), (1, 0));
        }
        let (body, tally) = encode(version, &[point("up", 0, &[], Value::Text("yes"))]);
        assert_eq!((read(version, &body), tally.accepted), (Series::new(), 0));
        assert_eq!(tally.refused, BTreeMap::from([("text", 1)]));
        let (body, _) = encode(version, &[point("up", -1, &[], Value::Unsigned(1))]);
        assert_eq!(read(version, &body)[0].1[0].1, -1, "a time before 1970 is rounded down too");
    }
}

#[test]
fn samples_of_a_series_stand_together_in_the_order_of_time() {
    const MS: i64 = 1_000_000;
    let at = |time: i64, job, value| point("up", time * MS + 5, &[("job", job)], Value::Unsigned(value));
    let points = [at(3, "a", 1), at(1, "b", 2), at(1, "a", 3), at(2, "a", 4), at(2, "a", 5), at(9, "b", 6)];
    for version in BOTH {
        let (body, tally) = encode(version, &points);
        let found: Vec<_> = read(version, &body)
            .into_iter()
            .map(|(labels, samples)| {
                let samples = samples.into_iter().map(|(value, time, _)| (f64::from_bits(value), time));
                (labels[1].1.clone(), samples.collect::<Vec<_>>())
            })
            .collect();
        let expected = [
            ("a".to_owned(), vec![(3.0, 1), (4.0, 2), (1.0, 3)]),
            ("b".to_owned(), vec![(2.0, 1), (6.0, 9)]),
        ];
        assert_eq!(found, expected);
        assert_eq!((tally.accepted, tally.refused), (5, BTreeMap::from([("duplicate", 1)])));
    }
}

#[test]
fn what_is_known_of_a_series_stands_in_2_0() {
    let mut points = Vec::new();
    for (name, kind, unit, start) in [
        ("cpu_seconds_total", Kind::Counter, "s", Some(7_000_001_u64)),
        ("memory_rss", Kind::Gauge, "By", None),
        ("build_info", Kind::Info, "1", None),
        ("odd", Kind::Untyped, "", None),
    ] {
        let mut point = Point::default();
        point.begin(name, 8_000_000);
        point.field_with("", Value::Unsigned(1), Meta { kind, unit, help: "What it is.", start });
        points.push(point);
    }
    let (body, _) = encode(Version::V2, &points);
    let request = Request::decode(&*body).unwrap();
    assert_eq!(request.symbols[0], "");
    let found: Vec<_> = request
        .timeseries
        .iter()
        .map(|series| {
            let metadata = series.metadata.unwrap();
            let text = |number: u32| &*request.symbols[number as usize];
            assert_eq!(text(metadata.help_ref), "What it is.");
            (metadata.r#type(), text(metadata.unit_ref), series.samples[0].start_timestamp)
        })
        .collect();
    let expected = [
        (MetricType::Counter, "seconds", 7),
        (MetricType::Gauge, "", 0),
        (MetricType::Info, "", 0),
        (MetricType::Unspecified, "", 0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_body_is_broken() {
    let (body, _) = encode(Version::V2, &[point("up", 0, &[("job", "a")], Value::Unsigned(1))]);
    let request = Request::decode(&*body).unwrap();
    let broken = |change: fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        request.encode_to_vec()
    };
    for (what, body) in [
        ("cut off", body[..body.len() - 1].to_vec()),
        ("a number without a symbol", broken(|request| request.timeseries[0].labels_refs[0] = 99)),
        ("a name without a value", broken(|request| request.timeseries[0].labels_refs.truncate(3))),
        ("no empty symbol", broken(|request| request.symbols[0] = "x".to_owned())),
        (
            "a help without a symbol",
            broken(|request| {
                request.timeseries[0].metadata.as_mut().unwrap().help_ref = u32::MAX;
            }),
        ),
    ] {
        assert_eq!(retain(Version::V2, &body, &mut |_, _| true), Err(Broken), "{what}");
        assert_eq!(v2_to_v1(&body), Err(Broken), "{what}");
    }
    assert_eq!(retain(Version::V1, b"\xff", &mut |_, _| true), Err(Broken));
}

#[test]
fn a_body_that_would_grow_without_bound_is_broken() {
    let request = Request {
        symbols: vec![String::new(), "x".repeat(1 << 20)],
        timeseries: vec![plimsoll_wire::remote_write::messages::SymbolSeries {
            labels_refs: vec![1; 1 << 20],
            ..Default::default()
        }],
    };
    assert_eq!(v2_to_v1(&request.encode_to_vec()), Err(Broken));
}

/// A point as it is made up: name, tags, time, fields.
type Made = (String, Vec<(String, String)>, i64, Vec<(String, f64)>);

fn made() -> impl Strategy<Value = Vec<Made>> {
    let name = || prop_oneof!["[a-c]", "[a-z_:.0-9é]{0,4}", any::<String>()];
    let tags = prop::collection::vec((name(), "[ab;\"\n]{0,2}"), 0..4);
    let fields = prop::collection::vec((name(), any::<f64>()), 1..3);
    prop::collection::vec((name(), tags, -5_000_000..5_000_000_i64, fields), 0..20)
}

fn points(made: &[Made]) -> Vec<Point> {
    made.iter()
        .map(|(name, tags, time, fields)| {
            let mut point = Point::default();
            point.begin(name, *time);
            for (name, value) in tags {
                point.set_tag(name, value);
            }
            for (name, value) in fields {
                point.field(name, Value::Float(*value));
            }
            point
        })
        .collect()
}

fn is_name(text: &str, colon: bool) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (colon && c == ':');
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

proptest! {
    #[test]
    fn every_sample_comes_out_once_and_labels_are_as_receivers_want_them(made in made()) {
        let points = points(&made);
        let sent: u64 = points.iter().map(|point| point.fields().len() as u64).sum();
        let mut seen = Vec::new();
        for version in BOTH {
            let (body, tally) = encode(version, &points);
            let series = read(version, &body);
            let samples: usize = series.iter().map(|(_, samples)| samples.len()).sum();
            prop_assert_eq!(samples as u64, tally.accepted);
            prop_assert_eq!(tally.accepted + tally.refused.get("duplicate").copied().unwrap_or(0), sent);
            let mut all: Vec<_> = series.iter().map(|(labels, _)| labels).collect();
            all.sort();
            prop_assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "a series comes twice");
            for (labels, samples) in &series {
                prop_assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0), "{:?}", labels);
                prop_assert!(labels.iter().all(|(_, value)| !value.is_empty()), "{:?}", labels);
                prop_assert!(labels.iter().all(|(name, _)| is_name(name, false)), "{:?}", labels);
                let name = labels.iter().find(|(name, _)| name == "__name__").unwrap();
                prop_assert!(is_name(&name.1, true), "{:?}", labels);
                prop_assert!(samples.windows(2).all(|pair| pair[0].1 < pair[1].1), "{:?}", samples);
            }
            seen.push(series);
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }

    #[test]
    fn plain_points_come_out_as_they_went_in(
        made in prop::collection::btree_map(("[a-c]{1,2}", "[x-z]{0,2}", 0..3_i64), any::<u32>(), 0..30),
    ) {
        let points: Vec<_> = made
            .iter()
            .map(|((name, job, ms), value)| {
                point(name, ms * 1_000_000, &[("job", job)], Value::Unsigned(u64::from(*value)))
            })
            .collect();
        for version in BOTH {
            let mut found = BTreeMap::new();
            for (labels, samples) in read(version, &encode(version, &points).0) {
                let label = |wanted| {
                    let found = labels.iter().find(|(name, _)| name == wanted);
                    found.map_or(String::new(), |(_, value)| value.clone())
                };
                for (value, time, _) in samples {
                    found.insert((label("__name__"), label("job"), time), f64::from_bits(value));
                }
            }
            let expected: BTreeMap<_, _> =
                made.iter().map(|(key, value)| (key.clone(), f64::from(*value))).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn exactly_what_is_chosen_is_kept(made in made(), choice: u32) {
        for version in BOTH {
            let (body, _) = encode(version, &points(&made));
            let chosen = |index: u64| choice >> (index % 32) & 1 == 1;
            let mut expected = Series::new();
            let (mut index, mut times) = (0, Vec::new());
            for (labels, samples) in read(version, &body) {
                let mut kept = Vec::new();
                for sample in samples {
                    times.push(sample.1 * 1_000_000);
                    if chosen(index) {
                        kept.push(sample);
                    }
                    index += 1;
                }
                if !kept.is_empty() {
                    expected.push((labels, kept));
                }
            }
            let mut asked = Vec::new();
            let kept = retain(version, &body, &mut |index, time| {
                assert_eq!(index, asked.len() as u64);
                asked.push(time);
                chosen(index)
            });
            let kept = kept.unwrap();
            prop_assert_eq!(asked, times);
            let count: usize = expected.iter().map(|(_, samples)| samples.len()).sum();
            prop_assert_eq!((kept.points, kept.removed), (count as u64, index - count as u64));
            prop_assert!(kept.body.len() <= body.len());
            prop_assert_eq!(read(version, &kept.body), expected);
        }
    }

    #[test]
    fn two_becomes_one(made in made()) {
        let points = points(&made);
        let (body, _) = encode(Version::V2, &points);
        let (expected, _) = encode(Version::V1, &points);
        prop_assert_eq!(v2_to_v1(&body).unwrap(), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        for version in BOTH {
            let _ = retain(version, &bytes, &mut |_, _| true);
        }
        let _ = v2_to_v1(&bytes);
    }
}
