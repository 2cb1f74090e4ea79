//! A report as v1's JSON.

use std::fmt::Write;

use plimsoll_model::census::{ImageUse, Report};

use super::keys::{KEYS, Slot};
use super::{MAX_COUNT, time};

/// Appends the report on one line, without a line feed: Go's keys in Go's order, those with `omitempty` left out where
/// they are zero or empty, times in UTC.
///
/// What the format cannot say is said as well as it can: a number that is not finite or is negative as 0, one beyond
/// Go's largest as that.
pub fn encode(report: &Report, out: &mut String) {
    Writer { out, indent: None, is_first: true }.report(report);
}

/// Appends the same for people: a key a line, indented by two spaces.
pub fn encode_pretty(report: &Report, out: &mut String) {
    Writer { out, indent: Some(0), is_first: true }.report(report);
}

/// Writes values, and between them what JSON wants there.
struct Writer<'a> {
    out: &'a mut String,
    /// How many brackets are open, where lines are broken.
    indent: Option<usize>,
    /// Whether nothing stands yet between the innermost brackets.
    is_first: bool,
}

impl Writer<'_> {
    fn report(&mut self, report: &Report) {
        self.open('{');
        for key in &KEYS {
            match key.slot {
                Slot::Text { get, .. } => {
                    let text = get(report);
                    if !(key.omit && text.is_empty()) {
                        self.text_under(key.name, text);
                    }
                }
                Slot::Count { get, .. } => self.count_under(key.name, key.omit, get(report)),
                Slot::Decimal { get, .. } => {
                    let value = get(report);
                    let value = if value.is_finite() && value > 0.0 { value } else { 0.0 };
                    if !(key.omit && value == 0.0) {
                        self.key(key.name);
                        decimal(value, self.out);
                    }
                }
                Slot::Timestamp => {
                    self.key(key.name);
                    let _ = write!(self.out, "\"{}\"", time::format(report.timestamp_ms));
                }
                Slot::Images => {
                    self.key(key.name);
                    self.images(&report.images);
                }
                Slot::AgentVersions => {
                    self.key(key.name);
                    self.open('{');
                    for (version, count) in &report.agent_versions {
                        self.count_under(version, false, *count);
                    }
                    self.close('}');
                }
            }
        }
        self.close('}');
    }

    fn images(&mut self, images: &[ImageUse]) {
        self.open('[');
        for image in images {
            self.next();
            self.open('{');
            self.text_under("image", &image.image);
            self.count_under("count", false, image.containers);
            self.count_under("size_bytes", true, image.size_bytes);
            self.close('}');
        }
        self.close(']');
    }

    fn text_under(&mut self, name: &str, text: &str) {
        self.key(name);
        string(text, self.out);
    }

    fn count_under(&mut self, name: &str, omit: bool, count: u64) {
        if !(omit && count == 0) {
            self.key(name);
            self.out.push_str(itoa::Buffer::new().format(count.min(MAX_COUNT)));
        }
    }

    fn key(&mut self, name: &str) {
        self.next();
        string(name, self.out);
        self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
    }

    /// Another member or element.
    fn next(&mut self) {
        if !self.is_first {
            self.out.push(',');
        }
        self.is_first = false;
        self.line();
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.indent = self.indent.map(|depth| depth + 1);
        self.is_first = true;
    }

    fn close(&mut self, bracket: char) {
        self.indent = self.indent.map(|depth| depth.saturating_sub(1));
        if !self.is_first {
            self.line();
        }
        self.out.push(bracket);
        self.is_first = false;
    }

    fn line(&mut self) {
        if let Some(depth) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }
}

/// Go's shortest form, which has an exponent only where the number is far from one.
fn decimal(value: f64, out: &mut String) {
    let _ = if value == 0.0 || (1e-6..1e21).contains(&value) {
        write!(out, "{value}")
    } else if value < 1.0 {
        write!(out, "{value:e}")
    } else {
        // Rust writes no sign before an exponent that has none.
        write!(out, "{}", format_args!("{value:e}").to_string().replace('e', "e+"))
    };
}

fn string(text: &str, out: &mut String) {
    let is_plain = |byte| !matches!(byte, b'"' | b'\\' | 0..0x20);
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn encoded(report: &Report) -> String {
        let mut out = String::new();
        encode(report, &mut out);
        out
    }

    #[test]
    fn what_is_zero_is_left_out_where_go_leaves_it_out() {
        let expected = concat!(
            r#"{"installation_id":"","version":"","timestamp":"0001-01-01T00:00:00Z","host_count":0,"agent_count":0,"#,
            r#""total_containers":0,"scan_interval_seconds":0,"image_stats":[],"agent_versions":{},"containers_running":0,"#,
            r#""containers_stopped":0,"containers_paused":0,"containers_other":0}"#
        );
        assert_eq!(encoded(&Report::default()), expected);
    }

    #[test]
    fn what_json_cannot_say_is_said_as_well_as_it_can() {
        let mut report =
            Report { avg_cpu_percent: f64::NAN, avg_restarts: f64::INFINITY, ..Report::default() };
        report.avg_connections_per_container = -0.0;
        report.network_count = u64::MAX;
        report.images =
            vec![ImageUse { image: "a\"\\\n\u{1}\u{e9}".to_owned(), containers: 0, size_bytes: 0 }];
        let text = encoded(&report);
        assert!(text.contains(r#""network_count":9223372036854775807}"#), "{text}");
        assert!(text.contains(r#""image_stats":[{"image":"a\"\\\n\u0001é","count":0}]"#), "{text}");
        assert!(!text.contains("avg_"), "{text}");
    }

    #[test]
    fn decimals_look_as_go_writes_them() {
        let table = [
            (0.48, "0.48"),
            (20.0, "20"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (123_456_789.125, "123456789.125"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
        ];
        for (value, expected) in table {
            let mut out = String::new();
            decimal(value, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn people_get_lines() {
        let mut report = Report { installation_id: "a".to_owned(), ..Report::default() };
        report.images = vec![ImageUse { image: "x".to_owned(), containers: 2, size_bytes: 3 }];
        report.agent_versions = BTreeMap::from([("1".to_owned(), 1)]);
        let mut pretty = String::new();
        encode_pretty(&report, &mut pretty);
        assert!(pretty.starts_with("{\n  \"installation_id\": \"a\",\n  \"version\": \"\",\n"), "{pretty}");
        let images = "  \"image_stats\": [\n    {\n      \"image\": \"x\",\n      \"count\": 2,\n      \"size_bytes\": 3\n    }\n  ],\n";
        assert!(pretty.contains(images), "{pretty}");
        assert!(pretty.contains("  \"agent_versions\": {\n    \"1\": 1\n  },\n"), "{pretty}");
        assert!(pretty.ends_with("\"containers_other\": 0\n}"), "{pretty}");

        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&pretty), value(&encoded(&report)));
        let mut empty = String::new();
        encode_pretty(&Report::default(), &mut empty);
        assert!(empty.contains("\"image_stats\": [],\n  \"agent_versions\": {},\n"), "{empty}");
    }
}
