//! What commands and servers say, read as values.
//!
//! Two formats are understood: Prometheus' text, in both its dialects, and JSON. Both readers are functions of bytes. They
//! take what they can: a line or an element that is broken costs itself alone, is counted, and the first one is described.

mod json;
mod prometheus;

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::check::MAX_VALUES;
use super::value::MetricValue;

pub use json::{MAX_DEPTH, json};
pub use prometheus::prometheus;

/// The most values that are read of one text: one more than a collection may have, so that it shows there that it had too
/// many.
pub const MAX_READ: usize = MAX_VALUES + 1;

/// The longest unit that is kept, in bytes.
const MAX_UNIT: usize = 64;

/// The last moment of the year 9999, in Unix milliseconds. What is later is no time but a mistake.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// What came of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The values, in the order of the text.
    pub values: Vec<MetricValue>,
    /// Lines or elements that could not be used.
    pub broken: u64,
    /// Values beyond [`MAX_READ`].
    pub surplus: u64,
    /// What is wrong with the first that is broken, and where it is.
    pub first: Option<String>,
}

impl Parsed {
    fn push(&mut self, value: MetricValue) {
        if self.values.len() < MAX_READ {
            self.values.push(value);
        } else {
            self.surplus += 1;
        }
    }

    fn broken(&mut self, describe: impl FnOnce() -> String) {
        self.broken += 1;
        if self.first.is_none() {
            self.first = Some(describe());
        }
    }

    /// A text of which nothing could be used is most likely no such text at all.
    fn unless_all_is_broken(self, format: &'static str) -> Result<Self, ParseError> {
        match self.first {
            Some(first) if self.values.is_empty() => {
                Err(ParseError::new(format, format!("nothing in it is a metric; {first}")))
            }
            _ => Ok(self),
        }
    }
}

/// Why a text gives no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading it as {format}: {problem}")]
pub struct ParseError {
    /// What it was taken for.
    pub format: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl ParseError {
    fn new(format: &'static str, problem: impl Into<String>) -> Self {
        Self { format, problem: problem.into() }
    }
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As it looks: JSON if its content type says so or its first character is `{` or `[`, else Prometheus' text.
    #[default]
    Auto,
    /// Prometheus' text 0.0.4, or OpenMetrics.
    Prometheus,
    /// JSON.
    Json,
}

/// There is no such format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format {0:?}; there are auto, prometheus, json")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        match word {
            "auto" => Ok(Self::Auto),
            "prometheus" => Ok(Self::Prometheus),
            "json" => Ok(Self::Json),
            other => Err(UnknownFormat(plimsoll_model::text::bounded(other, 64).to_owned())),
        }
    }
}

impl Format {
    /// Reads a text. `content_type` is what its sender says that it is, `prefix` is put before every name, and `now` is the
    /// time of values that have none of their own.
    ///
    /// # Errors
    /// If nothing in it can be used. A text with nothing in it is no error.
    pub fn read(
        self,
        bytes: &[u8],
        content_type: Option<&str>,
        prefix: &str,
        now: SystemTime,
    ) -> Result<Parsed, ParseError> {
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        let media_type = media_type.trim().to_ascii_lowercase();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let is_json = || {
            media_type.ends_with("/json")
                || media_type.ends_with("+json")
                || matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        };
        match self {
            Self::Auto if media_type == "text/html" => {
                Err(ParseError::new("metrics", "it is a page for people, not metrics; ask for another path"))
            }
            Self::Auto if is_json() => json(bytes, prefix, now),
            Self::Json => json(bytes, prefix, now),
            Self::Auto | Self::Prometheus => {
                prometheus::read(bytes, media_type == "application/openmetrics-text", prefix, now)
            }
        }
    }
}

/// A time by its Unix milliseconds; `None` for what is no time of 1970 to 9999.
fn time(milliseconds: i64) -> Option<SystemTime> {
    if milliseconds > LAST_MILLISECOND {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(milliseconds).ok()?))
}

/// A time by its Unix seconds, to the millisecond: nobody sends more than that exactly.
fn time_of_seconds(seconds: f64) -> Option<SystemTime> {
    // A cast of a decimal stays at the ends of the integers, and what is no number becomes 0.
    seconds.is_finite().then(|| time((seconds * 1000.0).round() as i64)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS: &[u8] = b"\xef\xbb\xbf# TYPE a gauge\na 1\n";
    const JSON: &[u8] = b"\xef\xbb\xbf \n{\"a\": 1}";

    #[test]
    fn formats_are_told_apart() {
        let prometheus = "Prometheus' text";
        for (format, bytes, content_type, expected) in [
            ("auto", PROMETHEUS, None, Ok(1)),
            ("auto", JSON, None, Ok(1)),
            ("auto", JSON, Some("text/plain"), Ok(1)),
            ("auto", JSON, Some("application/problem+json; charset=utf-8"), Ok(1)),
            ("auto", PROMETHEUS, Some("Application/JSON"), Err("JSON")),
            ("auto", PROMETHEUS, Some("text/html; charset=utf-8"), Err("metrics")),
            ("auto", b"<html>", None, Err(prometheus)),
            ("auto", b"", None, Ok(0)),
            ("prometheus", PROMETHEUS, Some("text/html"), Ok(1)),
            ("prometheus", JSON, None, Err(prometheus)),
            ("json", PROMETHEUS, None, Err("JSON")),
            ("json", JSON, None, Ok(1)),
        ] {
            let format: Format = format.parse().unwrap();
            let read = format.read(bytes, content_type, "", UNIX_EPOCH);
            let read = read.as_ref().map(|parsed| parsed.values.len()).map_err(|error| error.format);
            assert_eq!(read, expected, "{format:?} {content_type:?}");
        }
        let error = "xml".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "there is no format \"xml\"; there are auto, prometheus, json");
    }

    #[test]
    fn openmetrics_may_be_known_by_its_content_type_alone() {
        let at = |content_type, text: &str| {
            let parsed = Format::Auto.read(text.as_bytes(), content_type, "", UNIX_EPOCH).unwrap();
            parsed.values[0].timestamp.duration_since(UNIX_EPOCH).unwrap()
        };
        let openmetrics = Some("application/openmetrics-text; version=1.0.0");
        assert_eq!(at(openmetrics, "a 1 1640995200.123\n"), Duration::from_millis(1_640_995_200_123));
        assert_eq!(at(Some("text/plain"), "a 1 1640995200123\n"), Duration::from_millis(1_640_995_200_123));
    }
}
