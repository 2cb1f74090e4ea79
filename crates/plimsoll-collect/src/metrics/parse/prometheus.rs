//! Prometheus' text: the format 0.0.4, and OpenMetrics.
//!
//! Line by line, and more lenient than a scraper of Prometheus: what one line gets wrong is that line's alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use plimsoll_model::text::{MAX_TEXT, bounded};

use super::{MAX_UNIT, ParseError, Parsed, time, time_of_seconds};
use crate::metrics::value::{MetricKind, MetricValue};

/// How much of a broken line is shown, in bytes.
const MAX_SHOWN: usize = 80;

/// The suffixes that series of a family of several have.
const SUFFIXES: [&str; 8] = ["_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];

/// Reads Prometheus' text 0.0.4 or OpenMetrics. It is OpenMetrics, with times in seconds, if a line of it is `# EOF` or
/// begins with `# UNIT`; else times are in milliseconds. Values without a time get `now`, and every name gets the prefix.
///
/// Histograms and summaries are their series, each of which knows what it is a part of. When a series was created (`_created`
/// in OpenMetrics) is left out, and so are exemplars. A name of which no `TYPE` is told is a counter's if
/// it ends in `_total`, and else untyped.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use plimsoll_collect::metrics::{MetricKind, parse};
///
/// let text = "# TYPE jobs counter\njobs{queue=\"a\\\"b\"} 3 1640995200000\nno number\n";
/// let parsed = parse::prometheus(text.as_bytes(), "", UNIX_EPOCH)?;
/// assert_eq!(parsed.values[0].to_prometheus_format(), "jobs{queue=\"a\\\"b\"} 3 1640995200000");
/// assert_eq!(parsed.values[0].kind, MetricKind::Counter);
/// assert_eq!(parsed.broken, 1);
/// assert_eq!(parsed.first.unwrap(), "line 3, \"no number\": its value is no number");
/// # Ok::<(), parse::ParseError>(())
/// ```
///
/// # Errors
/// If there are lines with something on them, and not one can be used.
pub fn prometheus(bytes: &[u8], prefix: &str, now: SystemTime) -> Result<Parsed, ParseError> {
    read(bytes, false, prefix, now)
}

/// The same, where somebody may have said that it is OpenMetrics.
pub(super) fn read(bytes: &[u8], is_open: bool, prefix: &str, now: SystemTime) -> Result<Parsed, ParseError> {
    let lines = || bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let tells = |line: &[u8]| line == b"# EOF" || line.starts_with(b"# UNIT ");
    let mut text = Text { families: HashMap::new(), is_open: is_open || lines().any(tells), prefix, now };
    let mut parsed = Parsed::default();
    for (number, line) in lines().enumerate() {
        match text.line(line) {
            Ok(value) => value.into_iter().for_each(|value| parsed.push(value)),
            Err(fault) => parsed.broken(|| {
                let shown = String::from_utf8_lossy(&line[..line.len().min(2 * MAX_SHOWN)]);
                format!("line {}, {:?}: {fault}", number + 1, bounded(&shown, MAX_SHOWN))
            }),
        }
    }
    parsed.unless_all_is_broken("Prometheus' text")
}

/// What is wrong with a line.
type Fault = &'static str;

struct Text<'a> {
    families: HashMap<&'a str, Family<'a>>,
    is_open: bool,
    prefix: &'a str,
    now: SystemTime,
}

/// What is told of a name.
#[derive(Default)]
struct Family<'a> {
    help: String,
    unit: &'a str,
    kind: Option<Type>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Counter,
    /// And every other that goes up and down.
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    Untyped,
}

impl Type {
    fn of(word: &str) -> Self {
        match word {
            "counter" => Self::Counter,
            "gauge" | "stateset" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            // A type of the future may be anything.
            _ => Self::Untyped,
        }
    }

    /// How a series of a family of this type behaves; `None` if such a family has none with this suffix.
    fn kind(self, suffix: &str) -> Option<MetricKind> {
        match (self, suffix) {
            (Self::Counter, "" | "_total" | "_created") => Some(MetricKind::Counter),
            (Self::Histogram, "_bucket" | "_count" | "_sum") => Some(MetricKind::Histogram),
            (Self::Summary, "" | "_count" | "_sum") => Some(MetricKind::Summary),
            (Self::Histogram | Self::Summary, "_created") => Some(MetricKind::Counter),
            (Self::Gauge | Self::GaugeHistogram | Self::Info, "") => Some(MetricKind::Gauge),
            (Self::GaugeHistogram, "_bucket" | "_gcount" | "_gsum" | "_created") => Some(MetricKind::Gauge),
            (Self::Info, "_info") => Some(MetricKind::Gauge),
            (Self::Untyped, "") => Some(MetricKind::Untyped),
            _ => None,
        }
    }
}

impl<'a> Text<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<Option<MetricValue>, Fault> {
        let line = std::str::from_utf8(line).map_err(|_| "it is no UTF-8")?.trim_start_matches(is_blank);
        if let Some(comment) = line.strip_prefix('#') {
            self.comment(comment);
            return Ok(None);
        }
        if line.is_empty() { Ok(None) } else { self.sample(line) }
    }

    /// `HELP`, `TYPE` and `UNIT`. Everything else behind `#` is for people.
    fn comment(&mut self, comment: &'a str) {
        let (word, rest) = cut(comment);
        let (name, rest) = cut(rest);
        if name.is_empty() || !matches!(word, "HELP" | "TYPE" | "UNIT") {
            return;
        }
        let family = self.families.entry(name).or_default();
        match word {
            "HELP" => {
                let help = rest.trim_start_matches(is_blank);
                // Twice as much has room for what becomes shorter.
                family.help = bounded(&unescaped(bounded(help, 2 * MAX_TEXT)), MAX_TEXT).to_owned();
            }
            "TYPE" => family.kind = Some(Type::of(rest.trim_matches(is_blank))),
            _ => family.unit = bounded(rest.trim_matches(is_blank), MAX_UNIT),
        }
    }

    fn sample(&self, line: &str) -> Result<Option<MetricValue>, Fault> {
        let (name, mut rest) = name(line, true).ok_or("it begins with no name of a metric")?;
        let mut labels = BTreeMap::new();
        let behind = rest.trim_start_matches(is_blank);
        if let Some(inside) = behind.strip_prefix('{') {
            (labels, rest) = read_labels(inside)?;
        } else if behind.len() == rest.len() {
            return Err("its name is no name of a metric, or has no value");
        }
        let (value, rest) = cut(rest);
        let value: f64 = value.parse().map_err(|_| "its value is no number")?;
        let (timestamp, rest) = cut(rest);
        // In OpenMetrics, an exemplar may follow.
        let timestamp = match timestamp {
            "" => self.now,
            exemplar if exemplar.starts_with('#') => self.now,
            told if cut(rest).0.is_empty() || cut(rest).0.starts_with('#') => self.time(told)?,
            _ => return Err("something follows its time"),
        };
        let family = self.family(name);
        if family.is_some_and(|(_, suffix)| suffix == "_created") && self.is_open {
            return Ok(None);
        }
        let told = family.and_then(|(family, suffix)| family.kind?.kind(suffix));
        let by_name = if name.ends_with("_total") { MetricKind::Counter } else { MetricKind::Untyped };
        let (help, unit) =
            family.map(|(family, _)| (family.help.clone(), family.unit.to_owned())).unwrap_or_default();
        Ok(Some(MetricValue {
            name: Cow::Owned(format!("{}{name}", self.prefix)),
            value,
            timestamp,
            labels,
            unit: Cow::Owned(unit),
            kind: told.unwrap_or(by_name),
            help: Cow::Owned(help),
        }))
    }

    fn time(&self, told: &str) -> Result<SystemTime, Fault> {
        let read = if self.is_open {
            told.parse().ok().and_then(time_of_seconds)
        } else {
            told.parse().ok().and_then(time)
        };
        read.ok_or(if self.is_open {
            "its time is none in Unix seconds"
        } else {
            "its time is none in Unix milliseconds"
        })
    }

    /// The family that a series belongs to, and the suffix that it has there.
    fn family(&self, name: &str) -> Option<(&Family<'a>, &'static str)> {
        if let Some(family) = self.families.get(name) {
            return Some((family, ""));
        }
        SUFFIXES.iter().find_map(|suffix| {
            let family = self.families.get(name.strip_suffix(suffix)?)?;
            family.kind?.kind(suffix).map(|_| (family, *suffix))
        })
    }
}

type Labels = BTreeMap<Cow<'static, str>, String>;

/// Reads labels behind their `{`, and gives what follows their `}`.
fn read_labels(mut rest: &str) -> Result<(Labels, &str), Fault> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches(is_blank);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (key, after) = name(rest, false).ok_or("one of its labels has no name")?;
        let after = after.trim_start_matches(is_blank).strip_prefix('=').ok_or("a label has no '='")?;
        let text = after.trim_start_matches(is_blank).strip_prefix('"').ok_or("a label has no '\"'")?;
        let end = end_of_quoted(text).ok_or("a label's value does not end")?;
        // A label without a value is as good as none.
        if end > 0 && labels.insert(Cow::Owned(key.to_owned()), unescaped(&text[..end])).is_some() {
            return Err("it has a label twice");
        }
        rest = text[end + 1..].trim_start_matches(is_blank);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("its labels do not end"),
        }
    }
}

/// Where the text ends that began behind a quotation mark.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

/// A text without its escapes. What only looks like one stays, as Prometheus does it.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some(same @ ('\\' | '"')) => plain.push(same),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// The name that a text begins with, and the rest of it.
fn name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    let end = text.bytes().position(|byte| !may(byte)).unwrap_or(text.len());
    let begins = text.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    (end > 0 && begins).then(|| text.split_at(end))
}

/// The first word of a text, and what follows it.
fn cut(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(is_blank);
    text.split_once(is_blank).unwrap_or((text, ""))
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests;
