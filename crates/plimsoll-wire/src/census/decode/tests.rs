use std::collections::BTreeMap;

use plimsoll_model::census::ImageUse;

use super::*;
use crate::census::{MAX_AGENT_VERSIONS, MAX_COUNT, MAX_IMAGES};

fn read(body: &str) -> Report {
    decode(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// What the members behind an identifier are read as.
fn with(members: &str) -> Result<Report, DecodeError> {
    decode(format!(r#"{{"installation_id":"x",{members}}}"#).as_bytes())
}

fn image(image: &str, containers: u64, size_bytes: u64) -> ImageUse {
    ImageUse { image: image.to_owned(), containers, size_bytes }
}

#[test]
fn keys_are_taken_as_go_takes_them() {
    let report =
        read(r#"{"INSTALLATION_ID":"case","Host_Count":3,"foreign":{"a":[1e400,{}]},"host_counts":9}"#);
    assert_eq!(report, Report { installation_id: "case".to_owned(), host_count: 3, ..Report::default() });

    let twice =
        with(r#""host_count":1,"HOST_COUNT":2,"host_count":null,"version":"1","version":"2""#).unwrap();
    assert_eq!((twice.host_count, twice.version.as_str()), (2, "2"));
    let twice = with(r#""agent_versions":{"a":1,"b":2},"agent_versions":{"b":3,"c":null}"#).unwrap();
    let expected = [("a", 1), ("b", 3), ("c", 0)].map(|(version, count)| (version.to_owned(), count));
    assert_eq!(twice.agent_versions, BTreeMap::from(expected));
    let emptied =
        r#""agent_versions":{"a":1},"agent_versions":null,"image_stats":[{"image":"a"}],"image_stats":null"#;
    assert_eq!(with(emptied), with(r#""version":null"#));
}

#[test]
fn null_is_nothing() {
    let members = KEYS.iter().skip(1).map(|key| format!("\"{}\":null", key.name)).collect::<Vec<_>>();
    let expected = Report { installation_id: "x".to_owned(), ..Report::default() };
    assert_eq!(with(&members.join(",")), Ok(expected.clone()));
    assert_eq!(with(r#""image_stats":[null,{"image":null,"count":null,"size_bytes":null}]"#), Ok(expected));
    assert_eq!(decode(b"null"), Err(DecodeError::MissingInstallationId));
    assert_eq!(decode(br#"{"installation_id":null}"#), Err(DecodeError::MissingInstallationId));
    assert_eq!(decode(br#"{"installation_id":""}"#), Err(DecodeError::MissingInstallationId));
}

#[test]
fn numbers_are_finite_and_not_negative() {
    let table: [(&str, u64, f64); 7] = [
        (r#""host_count":-5,"avg_restarts":-0.5"#, 0, 0.0),
        (r#""host_count":-0,"avg_restarts":-0"#, 0, 0.0),
        (r#""host_count":-9223372036854775808,"avg_restarts":-1e308"#, 0, 0.0),
        (r#""host_count":9223372036854775807,"avg_restarts":1e308"#, MAX_COUNT, 1e308),
        (r#""host_count": 7 ,"avg_restarts":7"#, 7, 7.0),
        (r#""host_count":1,"avg_restarts":1e-400"#, 1, 0.0),
        // Where a parser in a hurry is off by one bit.
        (r#""host_count":1,"avg_restarts":1.3928571428571428e1"#, 1, 13.928_571_428_571_428),
    ];
    for (members, count, decimal) in table {
        let report = with(members).unwrap();
        assert_eq!((report.host_count, report.avg_restarts), (count, decimal), "{members}");
        assert!(report.avg_restarts.is_sign_positive(), "{members}");
    }
}

#[test]
fn images_are_put_together() {
    let images = r#""image_stats":[
        {"image":"a","count":2,"size_bytes":5},{"Image":"b","COUNT":1,"Size_Bytes":1,"tags":["x"]},
        {"image":"a","count":3,"size_bytes":4},{"image":"","count":9},{"count":9},null,
        {"image":"c","count":9223372036854775807},{"image":"c","count":9223372036854775807}]"#;
    let expected = [image("a", 5, 5), image("b", 1, 1), image("c", MAX_COUNT, 0)];
    assert_eq!(with(images).unwrap().images, expected);
}

#[test]
fn what_is_no_report_is_refused_with_the_reason() {
    let field = "json: cannot unmarshal";
    let table = [
        (
            r#""host_count":1.5"#,
            format!("{field} number 1.5 into Go struct field TelemetryReport.host_count of type int"),
        ),
        (
            r#""host_count":1e2"#,
            format!("{field} number 1e2 into Go struct field TelemetryReport.host_count of type int"),
        ),
        (
            r#""host_count":true"#,
            format!("{field} bool into Go struct field TelemetryReport.host_count of type int"),
        ),
        (
            r#""host_count":[[]]"#,
            format!("{field} array into Go struct field TelemetryReport.host_count of type int"),
        ),
        (
            r#""avg_memory_bytes":9223372036854775808"#,
            format!(
                "{field} number 9223372036854775808 into Go struct field TelemetryReport.avg_memory_bytes of type int64"
            ),
        ),
        (
            r#""avg_cpu_percent":{}"#,
            format!("{field} object into Go struct field TelemetryReport.avg_cpu_percent of type float64"),
        ),
        (
            r#""version":{"a":1}"#,
            format!("{field} object into Go struct field TelemetryReport.version of type string"),
        ),
        (
            r#""timezone":false"#,
            format!("{field} bool into Go struct field TelemetryReport.timezone of type string"),
        ),
        (
            r#""image_stats":{}"#,
            format!(
                "{field} object into Go struct field TelemetryReport.image_stats of type []models.ImageStat"
            ),
        ),
        (
            r#""image_stats":["nginx"]"#,
            format!(
                "{field} string into Go struct field TelemetryReport.image_stats of type models.ImageStat"
            ),
        ),
        (
            r#""image_stats":[{"count":"1"}]"#,
            format!("{field} string into Go struct field TelemetryReport.image_stats.count of type int"),
        ),
        (
            r#""agent_versions":[]"#,
            format!(
                "{field} array into Go struct field TelemetryReport.agent_versions of type map[string]int"
            ),
        ),
        (
            r#""agent_versions":{"1":"2"}"#,
            format!("{field} string into Go struct field TelemetryReport.agent_versions of type int"),
        ),
        (r#""timestamp":5"#, "Time.UnmarshalJSON: input is not a JSON string".to_owned()),
        (r#""timestamp":{}"#, "Time.UnmarshalJSON: input is not a JSON string".to_owned()),
        (
            r#""timestamp":"\u0000<now>""#,
            r#"parsing time "\0<now>" as "2006-01-02T15:04:05Z07:00": it is no such time"#.to_owned(),
        ),
        (r#""host_count":NaN"#, "expected value at line 1 column 37".to_owned()),
        (r#""host_count":01"#, "invalid number at line 1 column 38".to_owned()),
        (r#""version":"\ud800""#, "unexpected end of hex escape at line 1 column 41".to_owned()),
    ];
    for (members, expected) in table {
        let error = with(members).unwrap_err();
        assert_eq!(error.to_string(), format!("Invalid request body: {expected}"), "{members}");
        assert_eq!(error.status(), 400);
    }
    let table: [(&[u8], &str); 8] = [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b"[", "json: cannot unmarshal array into Go value of type models.TelemetryReport"),
        (b"\"x\"", "json: cannot unmarshal string into Go value of type models.TelemetryReport"),
        (b"{\"installation_id\":\"x\"", "unexpected EOF"),
        (b"{\"installation_id\":\"x\"} {}", "trailing characters at line 1 column 25"),
        (b"{\"installation_id\":\"\xff\"}", "invalid UTF-8 at byte 21"),
        (b"\xef\xbb\xbf{\"installation_id\":\"x\"}", "expected value at line 1 column 1"),
    ];
    for (body, expected) in table {
        let error = decode(body).unwrap_err();
        assert_eq!(error.to_string(), format!("Invalid request body: {expected}"), "{}", body.escape_ascii());
    }
}

#[test]
fn texts_are_bounded_and_have_no_control_characters() {
    let table = [("installation_id", 255), ("version", 50), ("timezone", 100)];
    for (key, most) in table {
        for filler in ["a", "\u{e9}", "\u{1f6a2}"] {
            let body = |count| with(&format!(r#""{key}":"{}""#, filler.repeat(count)));
            assert!(body(most).is_ok(), "{key}");
            let error = body(most + 1).unwrap_err();
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(&format!("at most {most}")), "{error}");
        }
        for hostile in ["\\u0000", "a\\nb", "\\u001b[2J", "\u{7f}", "\u{85}"] {
            let error = with(&format!(r#""{key}":"{hostile}""#)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Invalid request body: {key} has a text with control characters")
            );
        }
    }
    let named =
        |name: &str| with(&format!(r#""image_stats":[{{"image":"{name}"}}],"agent_versions":{{"1":1}}"#));
    assert!(named(&"\u{e9}".repeat(500)).is_ok());
    assert!(named(&"a".repeat(501)).is_err());
    assert!(named("a\\u0000").is_err());
    assert!(named("<script>alert('1')</script>").is_ok(), "showing it is the business of who shows it");
    assert!(with(r#""agent_versions":{"a\u0000":1}"#).is_err());
    assert!(with(&format!(r#""agent_versions":{{"{}":1}}"#, "a".repeat(51))).is_err());
}

#[test]
fn counts_are_bounded() {
    let list = |count| (0..count).map(|n| format!(r#"{{"image":"i{n}"}}"#)).collect::<Vec<_>>().join(",");
    let images = |count| with(&format!(r#""image_stats":[{}]"#, list(count)));
    assert_eq!(images(MAX_IMAGES).unwrap().images.len(), MAX_IMAGES);
    assert_eq!(images(MAX_IMAGES + 1).unwrap_err().status(), 413);
    let nulls = vec!["null"; MAX_IMAGES + 1].join(",");
    assert_eq!(with(&format!(r#""image_stats":[{nulls}]"#)).unwrap_err().status(), 413);

    let list = |count| (0..count).map(|n| format!(r#""{n}":1"#)).collect::<Vec<_>>().join(",");
    let versions = |count| with(&format!(r#""agent_versions":{{{}}}"#, list(count)));
    assert_eq!(versions(MAX_AGENT_VERSIONS).unwrap().agent_versions.len(), MAX_AGENT_VERSIONS);
    assert_eq!(versions(MAX_AGENT_VERSIONS + 1).unwrap_err().status(), 413);

    let body = |length: usize| {
        let start = r#"{"installation_id":"x"}"#;
        decode(format!("{start}{}", " ".repeat(length - start.len())).as_bytes())
    };
    assert!(body(MAX_BODY).is_ok());
    let error = body(MAX_BODY + 1).unwrap_err();
    assert_eq!(error.status(), 413);
    assert_eq!(error.to_string(), "Invalid request body: it has 262145 bytes; at most 262144 are read");
}

#[test]
fn deep_bodies_are_refused() {
    let deep = |depth: usize| with(&format!(r#""x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(deep(MAX_DEPTH - 1).is_ok());
    for depth in [MAX_DEPTH, 100_000] {
        assert_eq!(deep(depth), Err(DecodeError::Invalid("exceeded max depth".to_owned())));
    }
    assert!(with(&format!(r#""x":"{}""#, "[\\\"".repeat(1000))).is_ok(), "these are no brackets");
    let anywhere = ["version", "host_count", "avg_restarts", "timestamp", "image_stats", "agent_versions"];
    for key in anywhere {
        for open in ["[", "{\"a\":"] {
            assert_eq!(with(&format!(r#""{key}":{}"#, open.repeat(40_000))).unwrap_err().status(), 400);
        }
    }
    assert_eq!(decode(&vec![b'['; MAX_BODY]).unwrap_err().status(), 400);
}

#[test]
fn times_are_kept_however_far_they_are() {
    let table = [
        ("2025-10-16T20:00:00Z", Some(1_760_644_800_000)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:01Z", Some(-62_135_596_799_000)),
        ("9999-12-31T23:59:59Z", Some(253_402_207_200_000)),
    ];
    for (text, expected) in table {
        assert_eq!(with(&format!(r#""timestamp":"{text}""#)).unwrap().timestamp_ms, expected, "{text}");
    }
}

#[test]
fn messages_are_bounded() {
    let long = "9".repeat(100_000);
    let table = [
        format!(r#""host_count":{long}"#),
        format!(r#""avg_restarts":1e{long}"#),
        format!(r#""timestamp":"{}""#, "\u{1f6a2}\\u0007".repeat(10_000)),
        format!(r#""version":"{long}""#),
        format!(r#""{long}":tru"#),
    ];
    for members in table {
        let text = with(&members).unwrap_err().to_string();
        assert!(text.len() <= DecodeError::MAX_TEXT && !text.contains(char::is_control), "{text}");
    }
}
