//! Stored samples as files: CSV, JSON lines, and OpenMetrics with timestamps.
//!
//! Samples come one by one and are appended to a buffer of the caller's, so that a file of any length takes the memory of
//! what was not written yet. What is written is exact: no number goes through floating point.
//!
//! **CSV** is for spreadsheets: quoted as RFC 4180 has it, with a line feed at the end of each line, and text that a
//! spreadsheet would take for a formula has an apostrophe in front. **JSON lines** are for programs: an object a line,
//! with what is absent left out. **OpenMetrics** is for `promtool tsdb create-blocks-from openmetrics` and others that
//! fill in the past.
//!
//! ```
//! use plimsoll_model::Family;
//! use plimsoll_wire::export::{Encoder, Format, Identity, Sample};
//!
//! let family = Family::by_name("container_cpu_usage_seconds_total").unwrap();
//! let (mut encoder, mut out) = (Encoder::new(Format::OpenMetrics, &[family], false), Vec::new());
//! encoder.begin(&mut out);
//! encoder.sample(
//!     &Sample {
//!         container: Some(Identity { name: "web", image: "nginx:1.29", id: "0123456789abcdef" }),
//!         family,
//!         labels: &[],
//!         at: 1_763_700_000_123,
//!         value: 1_500_000_000,
//!         start: None,
//!         statistics: None,
//!     },
//!     &mut out,
//! );
//! encoder.end(&mut out);
//! assert!(String::from_utf8(out).unwrap().ends_with(
//!     "\ncontainer_cpu_usage_seconds_total{name=\"web\",image=\"nginx:1.29\",id=\"0123456789ab\"} 1.5 1763700000.123\n# EOF\n"
//! ));
//! ```

mod csv;
mod jsonl;
mod openmetrics;

use plimsoll_model::Family;
use plimsoll_model::text::{MAX_TEXT, bounded};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A table with a line of headings. Its columns for labels are those of the families it is made for.
    Csv,
    /// A JSON object a line.
    JsonLines,
    /// OpenMetrics 1.0 with a timestamp on each sample. Who gives the samples keeps the order that it demands: family by
    /// family, in it series by series, in it by time. A sample that is not later than the one before it of its series is
    /// left out.
    OpenMetrics,
}

impl Format {
    /// The value of a `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A stored sample, or a point of a coarser tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// Whose it is; absent for what is no container's.
    pub container: Option<Identity<'a>>,
    /// Which metric.
    pub family: &'static Family,
    /// Labels beyond the container's, in the order of [`Family::labels`].
    pub labels: &'a [(String, String)],
    /// When, in Unix milliseconds; of a tier's point, where its time begins.
    pub at: i64,
    /// The number, on the family's [`plimsoll_model::Scale`]; of a tier's point, the last.
    pub value: u64,
    /// Of a counter: since when it counts, in Unix nanoseconds. JSON lines have it.
    pub start: Option<u64>,
    /// What else a tier's point says. OpenMetrics has no place for it.
    pub statistics: Option<Statistics>,
}

/// Who a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The name.
    pub name: &'a str,
    /// The image, as it was asked for.
    pub image: &'a str,
    /// The full id.
    pub id: &'a str,
}

impl<'a> Identity<'a> {
    /// The name, bounded; the short id where there is none.
    fn shown_name(&self) -> &'a str {
        if self.name.is_empty() { self.short_id() } else { bounded(self.name, MAX_TEXT) }
    }

    fn short_id(&self) -> &'a str {
        bounded(self.id, 12)
    }
}

/// What a tier's point says of its samples beside the last, on the family's [`plimsoll_model::Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// How long the point's time is, in milliseconds.
    pub length: i64,
    /// The least.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// The mean, to the nearest integer.
    pub mean: u64,
    /// How many there are.
    pub count: u64,
    /// Of a counter: how much it grew.
    pub increase: Option<u64>,
}

/// Writes samples in one of the formats.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    csv: csv::Columns,
    time: Time,
    series: openmetrics::Series,
}

impl Encoder {
    /// An encoder of samples of these families; `points` if they are points of a tier. What is not said here beforehand
    /// has no column in CSV; the other formats do not need it.
    #[must_use]
    pub fn new(format: Format, families: &[&'static Family], points: bool) -> Self {
        let csv = csv::Columns::new(families, points);
        Self { format, csv, time: Time::default(), series: openmetrics::Series::default() }
    }

    /// Writes what stands before the first sample.
    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            self.csv.headings(out);
        }
    }

    /// Writes a sample.
    pub fn sample(&mut self, sample: &Sample<'_>, out: &mut Vec<u8>) {
        match self.format {
            Format::Csv => self.csv.sample(sample, &mut self.time, out),
            Format::JsonLines => jsonl::sample(sample, &mut self.time, out),
            Format::OpenMetrics => self.series.sample(sample, out),
        }
    }

    /// Writes what stands after the last sample.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }
}

/// The last time that was written, as text: many samples in a row have the same.
#[derive(Debug, Default)]
struct Time {
    at: Option<i64>,
    text: String,
}

impl Time {
    /// RFC 3339 in UTC; empty for a time that no calendar has.
    fn text(&mut self, at: i64) -> &str {
        if self.at != Some(at) {
            self.at = Some(at);
            self.text = rfc3339(at);
        }
        &self.text
    }
}

fn rfc3339(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map(|time| time.to_string()).unwrap_or_default()
}
