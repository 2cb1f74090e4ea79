use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::metrics::parse::MAX_READ;

const NOW: SystemTime = UNIX_EPOCH;

fn parse(text: &str) -> Parsed {
    prometheus(text.as_bytes(), "", NOW).unwrap()
}

/// A line and its kind.
fn told(parsed: &Parsed) -> Vec<(String, MetricKind)> {
    parsed.values.iter().map(|value| (value.to_prometheus_format(), value.kind)).collect()
}

#[test]
fn lines_of_every_form() {
    for (line, expected) in [
        ("a 1", "a 1 0"),
        ("  a\t1", "a 1 0"),
        ("a 1\r", "a 1 0"),
        ("a:b_9 -1.5e3 7", "a:b_9 -1500 7"),
        ("a +Inf", "a +Inf 0"),
        ("a -Inf", "a -Inf 0"),
        ("a Inf", "a +Inf 0"),
        ("a NaN", "a NaN 0"),
        ("a{} 1", "a 1 0"),
        ("a {b=\"c\"}1", "a{b=\"c\"} 1 0"),
        ("a{ b = \"c\" , d=\"e\", } 1 5 ", "a{b=\"c\",d=\"e\"} 1 5"),
        (r#"a{b="\\ \" \n \x }"} 1"#, r#"a{b="\\ \" \n \\x }"} 1 0"#),
        ("a{b=\"é🚢\"} 1", "a{b=\"é🚢\"} 1 0"),
        ("a{b=\"\",b=\"c\"} 1", "a{b=\"c\"} 1 0"),
        ("a_bucket{le=\"1\"} 3 # {trace=\"x\"} 0.5 1.5", "a_bucket{le=\"1\"} 3 0"),
        ("a 3 5 # {trace=\"x\"} 0.5", "a 3 5"),
    ] {
        let parsed = parse(line);
        assert_eq!(parsed.broken, 0, "{line}: {:?}", parsed.first);
        assert_eq!(parsed.values[0].to_prometheus_format(), expected, "{line}");
    }
}

#[test]
fn a_broken_line_costs_itself_alone() {
    for (line, fault) in [
        ("a", "its name is no name of a metric, or has no value"),
        ("a-b 1", "its name is no name of a metric, or has no value"),
        ("9a 1", "it begins with no name of a metric"),
        ("{\"a.b\"} 1", "it begins with no name of a metric"),
        ("é 1", "it begins with no name of a metric"),
        ("a ", "its value is no number"),
        ("a 1,5", "its value is no number"),
        ("a 0x10", "its value is no number"),
        ("a{b=\"c\"}", "its value is no number"),
        ("a{b=\"c\" 1", "its labels do not end"),
        ("a{b=\"c\"d=\"e\"} 1", "its labels do not end"),
        ("a{b=\"c\\\"} 1", "a label's value does not end"),
        ("a{b=c} 1", "a label has no '\"'"),
        ("a{b} 1", "a label has no '='"),
        ("a{b:c=\"d\"} 1", "a label has no '='"),
        ("a{,} 1", "one of its labels has no name"),
        ("a{b=\"c\",b=\"d\"} 1", "it has a label twice"),
        ("a 1 1.5", "its time is none in Unix milliseconds"),
        ("a 1 -1", "its time is none in Unix milliseconds"),
        ("a 1 253402300800000", "its time is none in Unix milliseconds"),
        ("a 1 99999999999999999999", "its time is none in Unix milliseconds"),
        ("a 1 2 3", "something follows its time"),
    ] {
        let parsed = parse(&format!("before 1\n{line}\n\n{line}\nafter 2"));
        assert_eq!((parsed.values.len(), parsed.broken), (2, 2), "{line}");
        assert_eq!(parsed.first, Some(format!("line 2, {line:?}: {fault}")));
        let error = prometheus(line.as_bytes(), "", NOW).unwrap_err().to_string();
        assert!(
            error.starts_with("reading it as Prometheus' text: nothing in it is a metric; line 1"),
            "{error}"
        );
    }
    let parsed = prometheus(b"a 1\nb{c=\"\xff\"} 1\n", "", NOW).unwrap();
    assert_eq!(parsed.first.unwrap(), "line 2, \"b{c=\\\"\u{fffd}\\\"} 1\": it is no UTF-8");
    let long = format!("a 1\n{} {}", "b".repeat(1000), "\u{e9}".repeat(1000));
    assert!(parse(&long).first.unwrap().len() < 200);
}

#[test]
fn types_help_and_units() {
    let text = r"# a comment, and # TYPE a counter
# HELP jobs_total Jobs \\ done\nso far.
# TYPE jobs_total counter
jobs_total 3
# TYPE size_bytes gauge
size_bytes 5
#TYPE wait_seconds histogram
wait_seconds_bucket{le=1} 1
wait_seconds_bucket{le=+Inf} 2
wait_seconds_sum 4.5
wait_seconds_count 2
wait_seconds_created 1640995200
# TYPE rpc_seconds summary
rpc_seconds{quantile=0.9} 0.2
rpc_seconds_sum 8
rpc_seconds_count 9
# TYPE odd untyped
odd 1
# TYPE odd_total untyped
odd_total 1
# TYPE new magnetism
new 1
nobody_said 1
nobody_said_total 1
nobody_said_count 1
# TYPE
# HELP
# UNIT";
    // The labels are quoted here, so that the text above can be read.
    let text = text.replace("=1}", "=\"1\"}").replace("=+Inf}", "=\"+Inf\"}").replace("=0.9}", "=\"0.9\"}");
    let parsed = parse(&text);
    assert_eq!(parsed.broken, 0, "{:?}", parsed.first);
    let kinds: Vec<_> = parsed.values.iter().map(|value| (&*value.name, value.kind)).collect();
    use MetricKind::{Counter, Gauge, Histogram, Summary, Untyped};
    let expected = [
        ("jobs_total", Counter),
        ("size_bytes", Gauge),
        ("wait_seconds_bucket", Histogram),
        ("wait_seconds_bucket", Histogram),
        ("wait_seconds_sum", Histogram),
        ("wait_seconds_count", Histogram),
        ("wait_seconds_created", Counter),
        ("rpc_seconds", Summary),
        ("rpc_seconds_sum", Summary),
        ("rpc_seconds_count", Summary),
        ("odd", Untyped),
        ("odd_total", Untyped),
        ("new", Untyped),
        ("nobody_said", Untyped),
        ("nobody_said_total", Counter),
        ("nobody_said_count", Untyped),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(parsed.values[0].help, "Jobs \\ done\nso far.");
    assert_eq!(parsed.values[1].help, "");
}

#[test]
fn openmetrics() {
    let text = "# TYPE jobs counter\n# HELP jobs Jobs \\\"done\\\".\n# UNIT jobs seconds\n\
                jobs_total{a=\"b\"} 3 1640995200.5 # {id=\"x\"} 1\njobs_created{a=\"b\"} 1640995000.5\n\
                # TYPE state stateset\nstate{state=\"on\"} 1\n# TYPE build info\nbuild_info{v=\"1\"} 1\n\
                # TYPE held gaugehistogram\nheld_bucket{le=\"+Inf\"} 2\nheld_gcount 2\nheld_gsum -1\n\
                # TYPE x_created gauge\nx_created 5\n# TYPE wait histogram\nwait_count 1\nwait_created 9\n# EOF\n";
    let parsed = parse(text);
    assert_eq!(parsed.broken, 0, "{:?}", parsed.first);
    use MetricKind::{Counter, Gauge, Histogram};
    let expected = [
        ("jobs_total{a=\"b\"} 3 1640995200500", Counter),
        ("state{state=\"on\"} 1 0", Gauge),
        ("build_info{v=\"1\"} 1 0", Gauge),
        ("held_bucket{le=\"+Inf\"} 2 0", Gauge),
        ("held_gcount 2 0", Gauge),
        ("held_gsum -1 0", Gauge),
        ("x_created 5 0", Gauge),
        ("wait_count 1 0", Histogram),
    ];
    assert_eq!(told(&parsed), expected.map(|(line, kind)| (line.to_owned(), kind)));
    assert_eq!((&*parsed.values[0].help, &*parsed.values[0].unit), ("Jobs \"done\".", "seconds"));
    let parsed = parse("a 1\nb 1 NaN\nc 1 1e300\n# EOF");
    assert_eq!((parsed.values.len(), parsed.broken), (1, 2));
    assert!(parsed.first.unwrap().ends_with("its time is none in Unix seconds"));
    let only_created = parse("# TYPE a counter\na_created 5\n# EOF\n");
    assert_eq!(only_created, Parsed::default(), "nothing, and nothing wrong");
}

#[test]
fn names_get_the_prefix_and_nothing_else_does() {
    let parsed = prometheus(b"# TYPE jobs counter\njobs{a=\"b\"} 1", "mine_", NOW).unwrap();
    assert_eq!(told(&parsed), [("mine_jobs{a=\"b\"} 1 0".to_owned(), MetricKind::Counter)]);
}

#[test]
fn a_text_without_end_is_bounded() {
    let text = format!("# HELP a {}\n{}", "x".repeat(10 * MAX_TEXT), "a 1\n".repeat(MAX_READ + 5));
    let parsed = parse(&text);
    assert_eq!((parsed.values.len(), parsed.surplus, parsed.broken), (MAX_READ, 5, 0));
    assert!(parsed.values.iter().all(|value| value.help.len() == MAX_TEXT));
}

prop_compose! {
    fn any_value()(
        name: String,
        value: f64,
        millis in 0u64..253_402_300_799_999,
        labels in prop::collection::vec((any::<String>(), any::<String>()), 0..5),
    ) -> MetricValue {
        let value = MetricValue::new(name, value).at(UNIX_EPOCH + Duration::from_millis(millis));
        labels.into_iter().fold(value, |value, (name, text)| value.label(name, text))
    }
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_panics(bytes: Vec<u8>, text in "[a{}\"\\\\=, 1#\n\tEOFUNIT_.-]{0,60}") {
        prometheus(&bytes, "", NOW).ok();
        prometheus(text.as_bytes(), "p_", NOW).ok();
    }

    #[test]
    fn what_is_written_is_read(values in prop::collection::vec(any_value(), 1..4)) {
        let lines: Vec<_> = values.iter().map(MetricValue::to_prometheus_format).collect();
        let parsed = parse(&lines.join("\n"));
        prop_assert_eq!(parsed.broken, 0, "{:?}", parsed.first);
        // What is no number is not equal to itself, but its text is.
        let again: Vec<_> = parsed.values.iter().map(MetricValue::to_prometheus_format).collect();
        prop_assert_eq!(told(&parse(&again.join("\n"))), told(&parsed));
        for (read, written) in parsed.values.iter().zip(&values) {
            prop_assert!(read.value == written.value || (read.value.is_nan() && written.value.is_nan()));
            prop_assert_eq!(read.timestamp, written.timestamp);
        }
    }

    #[test]
    fn good_names_and_labels_come_back_as_they_were(name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}", label in "[a-zA-Z_][a-zA-Z0-9_]{0,9}", text in ".{1,20}") {
        let value = MetricValue::new(name, 1.0).label(label, text).at(UNIX_EPOCH);
        let parsed = parse(&value.to_prometheus_format());
        prop_assert_eq!(&parsed.values[0].name, &value.name);
        prop_assert_eq!(&parsed.values[0].labels, &value.labels);
    }
}
