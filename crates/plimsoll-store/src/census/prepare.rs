//! A report as the columns of `telemetry_reports` take it.

use std::fmt::Write as _;

use plimsoll_model::census::{ImageUse, Report};

use super::CensusError;
use super::facts::DAY_MS;

/// The columns of type INTEGER, in the order of [`Prepared::whole`].
pub(super) const WHOLE: [&str; 17] = [
    "host_count",
    "agent_count",
    "total_containers",
    "scan_interval",
    "containers_running",
    "containers_stopped",
    "containers_paused",
    "containers_other",
    "high_restart_containers",
    "unique_images",
    "compose_project_count",
    "containers_in_compose",
    "network_count",
    "custom_network_count",
    "shared_volume_count",
    "containers_with_deps",
    "total_dependencies",
];

/// The columns of type BIGINT, in the order of [`Prepared::big`].
pub(super) const BIG: [&str; 3] = ["avg_memory_bytes", "total_memory_limit", "total_image_size"];

/// The columns of type REAL, in the order of [`Prepared::real`].
pub(super) const REAL: [&str; 3] = ["avg_cpu_percent", "avg_restarts", "avg_connections_per_container"];

/// The columns that are text, before those of numbers.
pub(super) const TEXT: [&str; 4] = ["version", "timezone", "image_stats", "agent_versions"];

/// How many characters v1's columns take.
const MAX_ID: usize = 255;
const MAX_VERSION: usize = 50;
const MAX_TIMEZONE: usize = 100;
const MAX_IMAGE: usize = 500;

/// How many days a report belongs to the one before.
pub(super) const WINDOW_MS: i64 = 7 * DAY_MS;

/// A report as columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prepared {
    pub(super) installation_id: String,
    /// In the order of [`TEXT`].
    pub(super) text: [String; 4],
    pub(super) whole: [i32; 17],
    pub(super) big: [i64; 3],
    pub(super) real: [f32; 3],
    /// What is kept as the report's time, in microseconds since the epoch: PostgreSQL has as many digits.
    pub(super) at_us: i64,
}

impl Prepared {
    /// A report that comes in now: its own time is kept if it is within a day of ours.
    pub(super) fn incoming(report: &Report, now_ms: i64) -> Result<Self, CensusError> {
        let at = report.timestamp_ms.filter(|at| at.abs_diff(now_ms) <= DAY_MS.unsigned_abs());
        Self::at(report, at.unwrap_or(now_ms))
    }

    /// A report with its time.
    fn at(report: &Report, timestamp_ms: i64) -> Result<Self, CensusError> {
        let id = &report.installation_id;
        if id.is_empty() || id.contains('\0') || id.chars().count() > MAX_ID {
            return Err(CensusError::BadReport {
                why: "its installation_id is empty, longer than 255 characters, or has a zero byte",
            });
        }
        let whole = [
            report.host_count,
            report.agent_count,
            report.total_containers,
            report.scan_interval_seconds,
            report.containers_running,
            report.containers_stopped,
            report.containers_paused,
            report.containers_other,
            report.high_restart_containers,
            report.unique_images,
            report.compose_project_count,
            report.containers_in_compose,
            report.network_count,
            report.custom_network_count,
            report.shared_volume_count,
            report.containers_with_deps,
            report.total_dependencies,
        ];
        let big = [report.avg_memory_bytes, report.total_memory_limit, report.total_image_size];
        let real = [report.avg_cpu_percent, report.avg_restarts, report.avg_connections_per_container];
        Ok(Self {
            installation_id: id.clone(),
            text: [
                clean(&report.version, MAX_VERSION),
                clean(&report.timezone, MAX_TIMEZONE),
                images_json(&report.images),
                versions_json(report),
            ],
            whole: whole.map(|number| i32::try_from(number).unwrap_or(i32::MAX)),
            big: big.map(|number| i64::try_from(number).unwrap_or(i64::MAX)),
            real: real.map(single),
            at_us: timestamp_ms.saturating_mul(1000),
        })
    }

    pub(super) fn hosts(&self) -> i32 {
        self.whole[0]
    }

    pub(super) fn containers(&self) -> i32 {
        self.whole[2]
    }

    pub(super) fn unique_images(&self) -> i32 {
        self.whole[9]
    }
}

/// For each report whether another one of the same installation follows.
pub(super) fn is_last(reports: &[Prepared]) -> Vec<bool> {
    let mut seen = std::collections::HashSet::new();
    let mut last: Vec<bool> =
        reports.iter().rev().map(|report| seen.insert(report.installation_id.as_str())).collect();
    last.reverse();
    last
}

/// Text without what PostgreSQL does not take, and no longer than a column.
fn clean(text: &str, longest: usize) -> String {
    text.chars().filter(|char| *char != '\0').take(longest).collect()
}

/// As a single-precision number, which is what v1 has.
fn single(number: f64) -> f32 {
    let number = if number.is_finite() { number.max(0.0) } else { 0.0 };
    (number as f32).min(f32::MAX)
}

/// The list of images as v1 writes it.
fn images_json(images: &[ImageUse]) -> String {
    let mut json = String::with_capacity(images.len() * 64 + 2);
    json.push('[');
    for (index, image) in images.iter().enumerate() {
        json.push_str(if index > 0 { ", {\"count\": " } else { "{\"count\": " });
        let containers = i32::try_from(image.containers).unwrap_or(i32::MAX);
        // Writing to a text cannot fail.
        let _ = write!(json, "{containers}, \"image\": ");
        push_text(&mut json, &image.image, MAX_IMAGE);
        if image.size_bytes > 0 {
            let _ = write!(json, ", \"size_bytes\": {}", i64::try_from(image.size_bytes).unwrap_or(i64::MAX));
        }
        json.push('}');
    }
    json.push(']');
    json
}

fn versions_json(report: &Report) -> String {
    let mut json = String::from("{");
    for (index, (version, agents)) in report.agent_versions.iter().enumerate() {
        if index > 0 {
            json.push_str(", ");
        }
        push_text(&mut json, version, MAX_VERSION);
        let _ = write!(json, ": {}", i32::try_from(*agents).unwrap_or(i32::MAX));
    }
    json.push('}');
    json
}

fn push_text(json: &mut String, text: &str, longest: usize) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.len() <= longest && text.bytes().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(clean(text, longest)).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_columns_cannot_hold_is_made_to_fit() {
        let image =
            |name: &str, containers, size_bytes| ImageUse { image: name.to_owned(), containers, size_bytes };
        let report = Report {
            installation_id: "x".to_owned(),
            version: "v".repeat(60),
            timezone: "a\0b".to_owned(),
            images: vec![image("a\"b\0\u{1}", u64::MAX, 0), image("nginx", 2, 7)],
            agent_versions: [("1.0".to_owned(), 3)].into(),
            host_count: 1 << 40,
            avg_memory_bytes: u64::MAX,
            avg_cpu_percent: 1e300,
            avg_restarts: f64::NAN,
            ..Report::default()
        };
        let prepared = Prepared::incoming(&report, 5).unwrap();
        let images = "[{\"count\": 2147483647, \"image\": \"a\\\"b\\u0001\"}, \
                      {\"count\": 2, \"image\": \"nginx\", \"size_bytes\": 7}]";
        assert_eq!(prepared.text, ["v".repeat(50).as_str(), "ab", images, "{\"1.0\": 3}"]);
        assert_eq!((prepared.whole[0], prepared.big[0]), (i32::MAX, i64::MAX));
        assert_eq!(prepared.real, [f32::MAX, 0.0, 0.0]);
        for id in ["", "a\0", &"i".repeat(256)] {
            let report = Report { installation_id: id.to_owned(), ..Report::default() };
            assert!(matches!(Prepared::incoming(&report, 5), Err(CensusError::BadReport { .. })), "{id:?}");
        }
    }

    #[test]
    fn a_time_of_its_own_counts_within_a_day() {
        let now = 1_763_700_000_000;
        let year_one = -62_135_596_800_000;
        for (said, kept) in [
            (None, now),
            (Some(now - DAY_MS), now - DAY_MS),
            (Some(now + DAY_MS), now + DAY_MS),
            (Some(now - DAY_MS - 1), now),
            (Some(now + DAY_MS + 1), now),
            (Some(year_one), now),
            (Some(i64::MAX), now),
            (Some(i64::MIN), now),
        ] {
            let report = Report { installation_id: "x".to_owned(), timestamp_ms: said, ..Report::default() };
            assert_eq!(Prepared::incoming(&report, now).unwrap().at_us, kept * 1000, "{said:?}");
        }
    }
}
