//! Points out of the text that Prometheus scrapes: its format 0.0.4, and OpenMetrics.
//!
//! Each sample is a point: the measurement is its name, the tags its labels, and the one field, without a name, its value.
//! What `# TYPE` and `# UNIT` say of it stands in the field's [`Meta`]. Line by line, and more lenient than a scraper: what one
//! line gets wrong is that line's alone. When a series was created (`_created` in OpenMetrics) is left out, and so are
//! exemplars.
//!
//! ```
//! use plimsoll_wire::exposition::parse;
//!
//! let text = b"# TYPE jobs counter\njobs_total{queue=\"a\"} 3 1640995200.5\nno number\n# EOF\n";
//! let (mut points, mut faults) = (Vec::new(), Vec::new());
//! parse(text, 0, &mut |line, read| match read {
//!     Ok(point) => points.push((point.measurement().to_owned(), point.time())),
//!     Err(error) => faults.push(format!("line {line}: {error}")),
//! });
//! assert_eq!(points, [("jobs_total".to_owned(), 1_640_995_200_500_000_000)]);
//! assert_eq!(faults, ["line 3: at byte 4: the value is no number"]);
//! ```

mod cursor;

use std::collections::HashMap;

use plimsoll_model::Kind;

use crate::line_protocol::{Each, ParseError, text_of};
use crate::point::{Meta, Point, Value};

use cursor::Cursor;

/// The most names whose types are remembered. Others are as if nothing was said of them.
const MAX_FAMILIES: usize = 65_536;

/// The longest name whose type is remembered, in bytes.
const MAX_FAMILY_NAME: usize = 1024;

/// Which of the two formats. They differ in times: milliseconds, or seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' text 0.0.4.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl Dialect {
    /// The dialect of a text: OpenMetrics if a line of it is `# EOF`, or tells a unit. The end of a text is enough to know.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let tells = |line: &[u8]| line.trim_ascii_end() == b"# EOF" || line.starts_with(b"# UNIT ");
        // The end is where it usually stands.
        if text.split(|byte| *byte == b'\n').rev().any(tells) { Self::OpenMetrics } else { Self::Prometheus }
    }
}

/// Reads a whole text. `each` is told each point with the number of its line, from 1, and each line that is none. Samples
/// without a time get `now`, in Unix nanoseconds.
pub fn parse(text: &[u8], now: i64, each: &mut Each<'_>) {
    let mut reader = Reader::new(Dialect::of(text), now);
    let mut point = Point::default();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        match reader.line(line, &mut point) {
            Ok(true) => each(number, Ok(&mut point)),
            Ok(false) => {}
            Err(error) => each(number, Err(error)),
        }
    }
}

/// Reads lines one after the other, and remembers what is said of names.
#[derive(Clone, Debug)]
pub struct Reader {
    dialect: Dialect,
    now: i64,
    families: HashMap<Box<str>, Family>,
}

/// What is told of a name.
#[derive(Clone, Copy, Debug, Default)]
struct Family {
    kind: Option<Type>,
    unit: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What a sample is in a family of each type.
type KindOf = &'static [(Type, Option<Kind>)];

/// The suffixes that samples of a family have, and what they are in which type; `None` for what is left out.
const SUFFIXES: [(&str, KindOf); 8] = {
    use Type::{Counter, GaugeHistogram, Histogram, Info, Summary};
    const COUNTER: Option<Kind> = Some(Kind::Counter);
    const GAUGE: Option<Kind> = Some(Kind::Gauge);
    [
        ("_total", &[(Counter, COUNTER)]),
        ("_created", &[(Counter, None), (Histogram, None), (Summary, None), (GaugeHistogram, None)]),
        ("_bucket", &[(Histogram, COUNTER), (GaugeHistogram, GAUGE)]),
        ("_count", &[(Histogram, COUNTER), (Summary, COUNTER)]),
        ("_sum", &[(Histogram, COUNTER), (Summary, COUNTER)]),
        ("_gcount", &[(GaugeHistogram, GAUGE)]),
        ("_gsum", &[(GaugeHistogram, GAUGE)]),
        ("_info", &[(Info, Some(Kind::Info))]),
    ]
};

impl Reader {
    /// A reader that has not been told anything yet. Samples without a time get `now`, in Unix nanoseconds.
    #[must_use]
    pub fn new(dialect: Dialect, now: i64) -> Self {
        Self { dialect, now, families: HashMap::new() }
    }

    /// Reads one line, without its line feed, into `point`. Gives `false` for what is no sample.
    ///
    /// # Errors
    /// If it is neither a sample nor a comment. What `point` holds then is of no use.
    pub fn line(&mut self, line: &[u8], point: &mut Point) -> Result<bool, ParseError> {
        let mut cursor = Cursor { text: text_of(line)?, at: 0 };
        cursor.skip_blanks();
        match cursor.peek() {
            None => Ok(false),
            Some(b'#') => {
                self.comment(&cursor.text[cursor.at + 1..]);
                Ok(false)
            }
            Some(_) => self.sample(cursor, point),
        }
    }

    /// `TYPE` and `UNIT`. Everything else behind `#` is for people.
    fn comment(&mut self, comment: &str) {
        let mut words = comment.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(keyword @ ("TYPE" | "UNIT")), Some(name), Some(word)) =
            (words.next(), words.next(), words.next())
        else {
            return;
        };
        let name = name.trim_matches('"');
        if !self.families.contains_key(name) {
            if self.families.len() >= MAX_FAMILIES || name.len() > MAX_FAMILY_NAME {
                return;
            }
            self.families.insert(name.into(), Family::default());
        }
        let Some(family) = self.families.get_mut(name) else { return };
        if keyword == "UNIT" {
            family.unit = match word {
                "seconds" => "s",
                "bytes" => "By",
                "ratio" => "1",
                "percent" => "%",
                _ => "",
            };
            return;
        }
        family.kind = Some(match word {
            "counter" => Type::Counter,
            "gauge" | "stateset" => Type::Gauge,
            "histogram" => Type::Histogram,
            "gaugehistogram" => Type::GaugeHistogram,
            "summary" => Type::Summary,
            "info" => Type::Info,
            // A type of the future may be anything.
            _ => Type::Untyped,
        });
    }

    fn sample(&self, mut cursor: Cursor<'_>, point: &mut Point) -> Result<bool, ParseError> {
        let start = cursor.at;
        let name = cursor.name(true);
        point.begin(name, self.now);
        cursor.skip_blanks();
        if cursor.peek() == Some(b'{') {
            cursor.at += 1;
            cursor.labels(name.is_empty(), self.now, point)?;
        }
        if point.measurement().is_empty() {
            return Err(ParseError { at: start, what: "it begins with no name of a metric" });
        }
        cursor.skip_blanks();
        let (at, word) = cursor.word();
        let value: f64 = word.parse().map_err(|_| ParseError { at, what: "the value is no number" })?;
        let (at, word) = cursor.word();
        // In OpenMetrics, an exemplar may follow.
        if !word.is_empty() && !word.starts_with('#') {
            let (time, what) = match self.dialect {
                Dialect::Prometheus => (milliseconds(word), "the time is none in Unix milliseconds"),
                Dialect::OpenMetrics => (seconds(word), "the time is none in Unix seconds"),
            };
            point.set_time(time.ok_or(ParseError { at, what })?);
            let (at, rest) = cursor.word();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(ParseError { at, what: "something follows the time" });
            }
        }
        let Some(meta) = self.meta(point.measurement()) else { return Ok(false) };
        point.field_with("", Value::Float(value), meta);
        Ok(true)
    }

    /// What is known of a sample with this name; `None` where it is to be left out.
    fn meta(&self, name: &str) -> Option<Meta> {
        if let Some(family) = self.families.get(name) {
            let kind = match family.kind {
                // The series of a histogram without a suffix are those of a native one.
                Some(Type::Counter | Type::Histogram) => Kind::Counter,
                Some(Type::Gauge | Type::GaugeHistogram | Type::Summary) => Kind::Gauge,
                Some(Type::Info) => Kind::Info,
                Some(Type::Untyped) => Kind::Untyped,
                None => by_name(name),
            };
            return Some(Meta { kind, unit: family.unit, ..Meta::UNKNOWN });
        }
        for (suffix, kinds) in SUFFIXES {
            let family = name.strip_suffix(suffix).and_then(|base| self.families.get(base));
            let Some((family, told)) = family.and_then(|family| Some((family, family.kind?))) else {
                continue;
            };
            if let Some((_, kind)) = kinds.iter().find(|(kind, _)| *kind == told) {
                return match kind {
                    Some(kind) => Some(Meta { kind: *kind, unit: family.unit, ..Meta::UNKNOWN }),
                    None if self.dialect == Dialect::OpenMetrics => None,
                    None => Some(Meta { kind: Kind::Gauge, ..Meta::UNKNOWN }),
                };
            }
        }
        Some(Meta { kind: by_name(name), ..Meta::UNKNOWN })
    }
}

fn by_name(name: &str) -> Kind {
    if name.ends_with("_total") { Kind::Counter } else { Kind::Untyped }
}

fn milliseconds(word: &str) -> Option<i64> {
    word.parse::<i64>().ok()?.checked_mul(1_000_000)
}

/// Decimal seconds in nanoseconds: exactly where they are written plainly.
fn seconds(word: &str) -> Option<i64> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !whole.is_empty() && is_plain(whole) && is_plain(fraction) {
        let nanoseconds: i64 = format!("{fraction:0<9}")[..9].parse().ok()?;
        return whole
            .parse::<i64>()
            .ok()?
            .checked_mul(1_000_000_000)?
            .checked_add(nanoseconds)
            .map(|n| sign * n);
    }
    let seconds: f64 = word.parse().ok()?;
    // So far, a decimal has room for the nanoseconds of a time.
    #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
    if seconds.abs() < 9.2e9 { Some((seconds * 1e9) as i64) } else { None }
}

#[cfg(test)]
mod tests;
