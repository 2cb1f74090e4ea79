use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::metrics::parse::MAX_READ;

fn parse(text: &str) -> Parsed {
    json(text.as_bytes(), "", UNIX_EPOCH).unwrap()
}

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.values.iter().map(MetricValue::to_prometheus_format).collect()
}

#[test]
fn objects_of_numbers() {
    for (text, expected) in [
        ("", &[][..]),
        (" {} ", &[]),
        (r#"{"a": 12.5, "b": 3, "c": -4}"#, &["a 12.5 0", "b 3 0", "c -4 0"]),
        (r#"{"a": true, "b": false, "c": null}"#, &["a 1 0", "b 0 0"]),
        (r#"{"a": {"b": {"c": 1}, "d": 2}}"#, &["a_b_c 1 0", "a_d 2 0"]),
        (r#"{"5 min": 1, "é.b-c": 2, "": 3}"#, &["_5_min 1 0", "__b_c 2 0", "_ 3 0"]),
        (r#"{"metrics": {"a": 1}}"#, &["metrics_a 1 0"]),
        (r#"{"metrics": 5}"#, &["metrics 5 0"]),
        (
            r#"{"a": 1e300, "b": 18446744073709551615}"#,
            &[&format!("a 1{} 0", "0".repeat(300)), "b 18446744073709552000 0"],
        ),
    ] {
        let parsed = parse(text);
        assert_eq!(
            (lines(&parsed), parsed.broken),
            (expected.iter().map(|line| (*line).to_owned()).collect(), 0)
        );
    }
    let parsed = json(br#"{"5m": 1, "load": {"jobs_total": 2}}"#, "load_", UNIX_EPOCH).unwrap();
    assert_eq!(lines(&parsed), ["load_5m 1 0", "load_load_jobs_total 2 0"]);
    assert_eq!(
        parsed.values.iter().map(|v| v.kind).collect::<Vec<_>>(),
        [MetricKind::Gauge, MetricKind::Counter]
    );
}

#[test]
fn lists_of_metrics() {
    let list = r#"[
        {"name": "jobs", "value": 3, "labels": {"queue": "a \"b\"", "no": 7, "id": 18446744073709551615,
         "half": 0.5, "on": true, "none": null, "a-b": "c"},
         "type": "counter", "unit": "seconds", "help": "Jobs.", "timestamp": 1640995200.5, "more": {"x": []}},
        {"value": true, "name": "is-up", "type": "untyped", "labels": null},
        {"name": "absent", "value": null}
    ]"#;
    for text in [list.to_owned(), format!("{{\"metrics\": {list}}}")] {
        let parsed = parse(&text);
        assert_eq!(parsed.broken, 0, "{:?}", parsed.first);
        let expected = [
            r#"jobs{a_b="c",half="0.5",id="18446744073709551615",no="7",on="true",queue="a \"b\""} 3 1640995200500"#,
            "is_up 1 0",
        ];
        assert_eq!(lines(&parsed), expected);
        let first = &parsed.values[0];
        assert_eq!((first.kind, &*first.unit, &*first.help), (MetricKind::Counter, "seconds", "Jobs."));
        assert_eq!(parsed.values[1].kind, MetricKind::Untyped);
    }
}

#[test]
fn what_is_broken_costs_itself_alone() {
    let long = "n".repeat(300);
    let deep = |depth| format!(r#""d": {}1{}"#, r#"{"d":"#.repeat(depth - 1), "}".repeat(depth - 1));
    assert_eq!(parse(&format!("{{{}}}", deep(MAX_DEPTH))).broken, 0);
    for (entry, fault) in [
        (r#""text": "5""#.to_owned(), r#""text": it is a text, and no number"#),
        (r#""o": {"p": "x"}"#.to_owned(), r#""o_p": it is a text, and no number"#),
        (r#""list": [1, {"a": [2]}]"#.to_owned(), r#""list": it is an array"#),
        (r#""o": {"metrics": [{"name": "a", "value": 1}]}"#.to_owned(), r#""o_metrics": it is an array"#),
        (format!("{long:?}: 1"), "the name is too long"),
        (format!(r#"{long:?}: {{"a": 1, "b": 2}}"#), "the name is too long"),
        (deep(MAX_DEPTH + 1), "it lies too deep in other objects"),
        (deep(100), "it lies too deep in other objects"),
    ] {
        let parsed = parse(&format!("{{\"before\": 1, {entry}, \"after\": 2}}"));
        assert_eq!(
            (lines(&parsed), parsed.broken),
            (vec!["before 1 0".into(), "after 2 0".into()], 1),
            "{entry}"
        );
        assert!(parsed.first.as_ref().unwrap().ends_with(fault), "{:?}", parsed.first);
        assert!(json(format!("{{{entry}}}").as_bytes(), "", UNIX_EPOCH).is_err());
    }
    let labels: Vec<_> = (0..=64).map(|n| format!("\"l{n}\": 1")).collect();
    for (element, fault) in [
        ("5", "it is no object"),
        ("[]", "it is no object"),
        ("{}", "it has no name"),
        (r#"{"name": "", "value": 1}"#, "it has no name"),
        (r#"{"name": 5, "value": 1}"#, "it has no name"),
        (&format!(r#"{{"name": {long:?}, "value": 1}}"#), "its name is too long"),
        (r#"{"name": "a", "value": "1"}"#, "its value is no number"),
        (r#"{"name": "a", "value": {}}"#, "its value is no number"),
        (r#"{"name": "a", "value": 1, "type": "histogram"}"#, "its type is none of counter, gauge, untyped"),
        (r#"{"name": "a", "value": 1, "type": 1}"#, "its type is no text"),
        (r#"{"name": "a", "value": 1, "timestamp": "now"}"#, "its time is none in Unix seconds"),
        (r#"{"name": "a", "value": 1, "timestamp": -1}"#, "its time is none in Unix seconds"),
        (r#"{"name": "a", "value": 1, "timestamp": 1640995200000}"#, "its time is none in Unix seconds"),
        (r#"{"name": "a", "value": 1, "unit": []}"#, "its unit is no text"),
        (r#"{"name": "a", "value": 1, "help": 5}"#, "its help is no text"),
        (r#"{"name": "a", "value": 1, "labels": "x"}"#, "its labels are no object"),
        (r#"{"name": "a", "value": 1, "labels": {"x": []}}"#, "the value of one of its labels is no text"),
        (
            &format!(r#"{{"name": "a", "value": 1, "labels": {{{}}}}}"#, labels.join(",")),
            "it has too many labels",
        ),
    ] {
        let parsed =
            parse(&format!(r#"[{{"name": "b", "value": 1}}, {element}, {{"name": "c", "value": 2}}]"#));
        assert_eq!((parsed.values.len(), parsed.broken), (2, 1), "{element}");
        assert_eq!(parsed.first, Some(format!("element 2 of the array: {fault}")));
    }
}

#[test]
fn what_is_no_json_is_an_error() {
    for (text, expected) in [
        (
            "{\"a\": 1",
            "it is no valid JSON: EOF while parsing an object at line 1 column 7; is something else printed, too?",
        ),
        (
            "{\"a\": 1} done",
            "it is no valid JSON: trailing characters at line 1 column 10; is something else printed, too?",
        ),
        (
            "{\"a\": 1e999}",
            "it is no valid JSON: number out of range at line 1 column 11; is something else printed, too?",
        ),
        ("5", "nothing in it is a metric; \"\": it is no object and no array"),
        ("\"a\"", "nothing in it is a metric; \"\": it is a text, and no number"),
        ("{\"a\": []}", "nothing in it is a metric; \"a\": it is an array"),
    ] {
        let error = json(text.as_bytes(), "", UNIX_EPOCH).unwrap_err();
        assert_eq!(error.problem, expected, "{text}");
        assert_eq!(error.format, "JSON");
    }
    let deep = "[".repeat(1_000_000);
    assert!(json(deep.as_bytes(), "", UNIX_EPOCH).is_err());
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(json(deep.as_bytes(), "", UNIX_EPOCH).is_err());
}

#[test]
fn a_list_without_end_is_bounded() {
    let element = r#"{"name":"a","value":1}"#;
    let text = format!("[{}]", vec![element; MAX_READ + 5].join(","));
    let parsed = parse(&text);
    assert_eq!((parsed.values.len(), parsed.surplus, parsed.broken), (MAX_READ, 5, 0));
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_panics(bytes: Vec<u8>, text in "[\\[\\]{}\":,1.etrufalsn -]{0,60}") {
        json(&bytes, "", UNIX_EPOCH).ok();
        json(text.as_bytes(), "p_", UNIX_EPOCH).ok();
    }

    #[test]
    fn what_is_in_a_list_is_read(name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}", value in -1e15f64..1e15, text: String, millis in 0i64..2_000_000_000_000) {
        let element = serde_json::json!({"name": name, "value": value, "labels": {"text": text}, "timestamp": millis as f64 / 1000.0});
        let parsed = parse(&serde_json::json!([element]).to_string());
        let read = &parsed.values[0];
        prop_assert_eq!(&read.name, &name);
        prop_assert!((read.value - value).abs() <= value.abs() * 1e-15);
        prop_assert_eq!(&read.labels["text"], &text);
        prop_assert_eq!(read.timestamp, UNIX_EPOCH + std::time::Duration::from_millis(millis.unsigned_abs()));
    }
}
