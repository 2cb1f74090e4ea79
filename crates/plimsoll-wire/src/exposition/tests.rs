use plimsoll_model::{Selection, Snapshot};
use proptest::prelude::*;

use super::*;
use crate::line_protocol::MAX_LINE;
use crate::line_protocol::MAX_NAMES;
use crate::prometheus::{Format, encode};

/// The points of a text as lines, and its faults.
fn read(text: &[u8]) -> (Vec<String>, Vec<(u64, String)>) {
    let (mut points, mut faults) = (Vec::new(), Vec::new());
    parse(text, 7, &mut |line, read| match read {
        Ok(point) => {
            let field = point.fields().next().unwrap();
            assert_eq!((point.fields().len(), field.name), (1, ""));
            let Value::Float(value) = field.value else { panic!("{field:?}") };
            let tags: Vec<_> = point.tags().map(|(name, value)| format!("{name}={value:?}")).collect();
            let (kind, unit) = (field.meta.kind, field.meta.unit);
            points.push(format!(
                "{} {} {value} {} {kind:?}{unit}",
                point.measurement(),
                tags.join(","),
                point.time()
            ));
        }
        Err(error) => faults.push((line, error.to_string())),
    });
    (points, faults)
}

#[test]
fn lines_of_every_form() {
    for (line, expected) in [
        ("a 1", "a  1 7 Untyped"),
        ("  a\t1\r", "a  1 7 Untyped"),
        ("a:b_9 -1.5e3 7", "a:b_9  -1500 7000000 Untyped"),
        ("a -Inf -5", "a  -inf -5000000 Untyped"),
        ("a NaN", "a  NaN 7 Untyped"),
        ("a_total{} 1", "a_total  1 7 Counter"),
        ("a{ b = \"c\" , d=\"e\", } 1 5 ", "a b=\"c\",d=\"e\" 1 5000000 Untyped"),
        (r#"a{b="\\ \" \n \x }"} 1"#, r#"a b="\\ \" \n \\x }" 1 7 Untyped"#),
        ("a {b=\"\",c=\"🚢\"}1", "a c=\"🚢\" 1 7 Untyped"),
        ("{\"my.metric\",\"my.label\"=\"v\"} 1", "my.metric my.label=\"v\" 1 7 Untyped"),
        ("{\"my.metric\"} 1", "my.metric  1 7 Untyped"),
        ("a_bucket{le=\"1\"} 3 # {trace=\"x\"} 0.5 1.5", "a_bucket le=\"1\" 3 7 Untyped"),
        ("a 3 5 # {trace=\"x\"} 0.5", "a  3 5000000 Untyped"),
    ] {
        assert_eq!(read(line.as_bytes()), (vec![expected.to_owned()], vec![]), "{line}");
    }
}

#[test]
fn a_broken_line_costs_itself_alone() {
    let many: String = (0..=MAX_NAMES).map(|n| format!("l{n}=\"v\",")).collect();
    for (line, fault) in [
        ("a", "at byte 2: the value is no number"),
        ("9a 1", "at byte 1: it begins with no name of a metric"),
        ("{} 1", "at byte 1: it begins with no name"),
        ("{a=\"b\"} 1", "at byte 1: it begins with no name"),
        ("a 1,5", "at byte 3: the value is no number"),
        ("a{b=\"c\"}", "at byte 9: the value is no number"),
        ("a{b=\"c\" 1", "at byte 9: the labels do not end"),
        ("a{b=\"c\\\"} 1", "at byte 5: a text in quotation marks does not end"),
        ("a{b=c} 1", "at byte 5: a label's value is not in quotation marks"),
        ("a{b} 1", "at byte 4: a label has no '='"),
        ("a{\"b\"} 1", "at byte 6: a label has no '='"),
        ("a{,} 1", "at byte 3: a label has no name"),
        ("a{b=\"c\",b=\"d\"} 1", "at byte 14: it has a label twice"),
        ("a 1 1.5", "at byte 5: the time is none in Unix milliseconds"),
        ("a 1 9223372036854775", "at byte 5: the time is none"),
        ("a 1 2 3", "at byte 7: something follows the time"),
        (&format!("a{{{many}}} 1"), &format!("at byte {}: it has too many labels", many.len() + 2)),
    ] {
        let (points, faults) = read(format!("before 1\n{line}\n\nafter 2").as_bytes());
        let line = &line[..line.len().min(80)];
        assert_eq!((points.len(), faults.len(), faults[0].0), (2, 1, 2), "{line}");
        assert!(faults[0].1.starts_with(fault), "{line}: {}", faults[0].1);
    }
    let (points, faults) = read(b"a 1\nb{c=\"\xff\"} 1\n");
    assert_eq!((points.len(), &*faults[0].1), (1, "at byte 6: it is no UTF-8"));
    let long = vec![b'x'; MAX_LINE + 1];
    assert!(read(&long).1[0].1.contains("too long"));
}

#[test]
fn types_and_units_are_told_of_samples() {
    let text = "# HELP jobs Jobs.\n# TYPE jobs counter\n# UNIT jobs seconds\njobs_total 1\njobs_created 5\n\
                # TYPE wait histogram\nwait_bucket{le=\"1\"} 1\nwait_sum 2\nwait_created 5\n\
                # TYPE rpc summary\nrpc{quantile=\"0.9\"} 1\nrpc_count 2\n\
                # TYPE build info\nbuild_info 1\n# TYPE odd magnetism\nodd_total 1\nodd 2\n# TYPE held gaugehistogram\nheld_gsum 3\n# EOF\n";
    let (points, faults) = read(text.as_bytes());
    assert_eq!(faults, []);
    let expected = [
        "jobs_total  1 7 Counters",
        "wait_bucket le=\"1\" 1 7 Counter",
        "wait_sum  2 7 Counter",
        "rpc quantile=\"0.9\" 1 7 Gauge",
        "rpc_count  2 7 Counter",
        "build_info  1 7 Info",
        "odd_total  1 7 Counter",
        "odd  2 7 Untyped",
        "held_gsum  3 7 Gauge",
    ];
    assert_eq!(points, expected);
    // Only OpenMetrics has times of creation; elsewhere it is a name like others.
    let (points, _) = read(b"# TYPE jobs counter\njobs 1\njobs_created 5\n");
    assert_eq!(points, ["jobs  1 7 Counter", "jobs_created  5 7 Gauge"]);
    let mut reader = Reader::new(Dialect::Prometheus, 0);
    for n in 0..2 * MAX_FAMILIES {
        reader.line(format!("# TYPE n{n} counter").as_bytes(), &mut Point::default()).unwrap();
    }
    reader
        .line(format!("# TYPE {} counter", "n".repeat(MAX_FAMILY_NAME + 1)).as_bytes(), &mut Point::default())
        .unwrap();
    assert_eq!(reader.families.len(), MAX_FAMILIES);
}

#[test]
fn times_of_openmetrics_are_exact() {
    for (word, expected) in [
        ("1640995200.123456789", Some(1_640_995_200_123_456_789)),
        ("1640995200", Some(1_640_995_200_000_000_000)),
        ("1640995200.5", Some(1_640_995_200_500_000_000)),
        ("0.1234567899", Some(123_456_789)),
        ("-1.5", Some(-1_500_000_000)),
        ("1.5e3", Some(1_500_000_000_000)),
        ("9223372036.854775807", Some(i64::MAX)),
        ("9223372037", None),
        ("1e300", None),
        ("NaN", None),
        ("x", None),
        (".", None),
        ("", None),
    ] {
        assert_eq!(seconds(word), expected, "{word}");
    }
}

#[test]
fn what_the_agent_shows_can_be_read() {
    let snapshot = Snapshot { at: 1, ..Snapshot::default() };
    let mut counts = Vec::new();
    for format in
        [Format::Text, Format::OpenMetrics { created: false }, Format::OpenMetrics { created: true }]
    {
        let mut body = Vec::new();
        encode(format, &snapshot, &Selection::default(), &mut body);
        let (points, faults) = read(&body);
        assert_eq!(faults, []);
        assert!(points.iter().all(|point| !point.contains("Untyped")), "{points:?}");
        counts.push(points.len());
    }
    assert!(counts[0] > 0 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_panics(bytes: Vec<u8>, text in "[a{}\"\\\\=, 1#\n\téEOFUNIT_.-]{0,80}") {
        read(&bytes);
        read(text.as_bytes());
    }
}
