//! What somebody's own commands and servers say.

use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_collect::metrics::MetricValue;
use plimsoll_collect::metrics::parse::{Format, MAX_READ, ParseError, Parsed, json, prometheus};

const NOW: SystemTime = UNIX_EPOCH;

/// A metric that is put behind the input.
const NEIGHBOUR: &str = "\nneighbour_of_whatever_that_was 1\n";

/// Metrics as text and as JSON: what is read is valid and is read again as it was, what is broken is counted and leaves its
/// neighbours alone, and bounds are kept.
pub fn custom(bytes: &[u8]) {
    let read = prometheus(bytes, "", NOW);
    check(&read, bytes.split(|byte| *byte == b'\n').count());
    assert_eq!(lines(&prometheus(bytes, "", NOW)), lines(&read), "the same bytes, other values");
    if let Ok(parsed) = &read {
        for (value, line) in parsed.values.iter().zip(lines(&read)) {
            let again = prometheus(line.as_bytes(), "", NOW);
            let again = again.unwrap_or_else(|error| unreachable!("{line}: {error}"));
            assert_eq!((again.values.len(), again.broken), (1, 0), "{line}");
            assert_eq!(again.values[0].name, value.name);
            assert_eq!(again.values[0].labels, value.labels, "{line}");
            assert_eq!(again.values[0].timestamp, value.timestamp);
        }
    }
    let beside = prometheus(&[bytes, NEIGHBOUR.as_bytes()].concat(), "", NOW).expect("a neighbour is left");
    let count = |parsed: &Parsed| parsed.values.len() as u64 + parsed.surplus;
    assert_eq!(count(&beside), read.as_ref().map_or(0, count) + 1, "a neighbour was lost");

    let read = json(bytes, "", NOW);
    check(&read, bytes.len());
    assert_eq!(lines(&json(bytes, "", NOW)), lines(&read), "the same bytes, other values");
    check(&json(bytes, "prefix_", NOW), bytes.len());

    for content_type in [None, Some("application/json"), Some("application/openmetrics-text")] {
        check(&Format::Auto.read(bytes, content_type, "", NOW), bytes.len() + 1);
    }
}

fn check(read: &Result<Parsed, ParseError>, most: usize) {
    match read {
        Ok(parsed) => {
            assert!(parsed.values.len() <= MAX_READ);
            assert!(
                parsed.values.len() as u64 + parsed.surplus + parsed.broken <= most as u64,
                "more than there was"
            );
            assert_eq!(parsed.first.is_some(), parsed.broken > 0);
            assert!(parsed.first.as_ref().is_none_or(|first| first.len() < 4096));
            parsed.values.iter().for_each(check_value);
        }
        Err(error) => {
            assert!(error.to_string().len() < 4096, "an error of {} bytes", error.to_string().len());
        }
    }
}

fn check_value(value: &MetricValue) {
    let is_name = |name: &str, colons| {
        let may = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(may)
    };
    assert!(is_name(&value.name, true), "{:?}", value.name);
    for name in value.labels.keys() {
        assert!(is_name(name, false), "{name:?}");
    }
    assert!(value.help.len() <= 1024 && value.unit.len() <= 1024, "{value:?}");
}

fn lines(read: &Result<Parsed, ParseError>) -> Vec<String> {
    read.iter().flat_map(|parsed| &parsed.values).map(MetricValue::to_prometheus_format).collect()
}
