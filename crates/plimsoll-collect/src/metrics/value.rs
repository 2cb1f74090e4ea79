//! One number as a collector tells it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a collector's metrics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Network traffic.
    Network,
    /// Block I/O.
    Disk,
    /// State, restarts, exit codes.
    Lifecycle,
    /// The machine.
    System,
    /// Anything else.
    Custom,
}

pub use plimsoll_model::custom::CustomKind as MetricKind;

/// A single metric: its name, its value, and what tells it from others of that name.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use plimsoll_collect::metrics::MetricValue;
///
/// let value = MetricValue::new("backup_age_seconds", 86_400.5)
///     .label("volume", "db \"primary\"")
///     .unit("seconds")
///     .at(UNIX_EPOCH + Duration::from_millis(1_640_995_200_000));
/// assert_eq!(
///     value.to_prometheus_format(),
///     r#"backup_age_seconds{volume="db \"primary\""} 86400.5 1640995200000"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// The name, by Prometheus' rules: letters, digits, `_` and `:`, and no digit first.
    pub name: Cow<'static, str>,
    /// The value, in `unit`.
    pub value: f64,
    /// When it was so.
    pub timestamp: SystemTime,
    /// What tells it from other values of its name.
    pub labels: BTreeMap<Cow<'static, str>, String>,
    /// The unit's word, such as `bytes`; empty where there is none.
    pub unit: Cow<'static, str>,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it means, in one sentence; may be empty.
    pub help: Cow<'static, str>,
}

impl MetricValue {
    /// A value of this moment. A name that ends in `_total` is taken for a counter's, every other for a gauge's.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        let name = name.into();
        let kind = if name.ends_with("_total") { MetricKind::Counter } else { MetricKind::Gauge };
        Self {
            name,
            value,
            timestamp: SystemTime::now(),
            labels: BTreeMap::new(),
            unit: Cow::Borrowed(""),
            kind,
            help: Cow::Borrowed(""),
        }
    }

    /// The same with a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// The same with a unit.
    #[must_use]
    pub fn unit(self, unit: impl Into<Cow<'static, str>>) -> Self {
        Self { unit: unit.into(), ..self }
    }

    /// The same as a counter or a gauge, whatever its name says.
    #[must_use]
    pub fn kind(self, kind: MetricKind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a sentence on what it means.
    #[must_use]
    pub fn help(self, help: impl Into<Cow<'static, str>>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// The same of another moment.
    #[must_use]
    pub fn at(self, timestamp: SystemTime) -> Self {
        Self { timestamp, ..self }
    }

    /// The line of Prometheus' text format 0.0.4, without its line feed, with the time in milliseconds.
    ///
    /// The line is valid whatever name and labels hold: what a name may not have becomes `_`, label values are
    /// escaped, and a label without a value is left out, which to Prometheus is the same.
    #[must_use]
    pub fn to_prometheus_format(&self) -> String {
        let mut line = String::with_capacity(96);
        push_name(&self.name, true, &mut line);
        let mut names: Vec<String> = Vec::new();
        for (name, value) in self.labels.iter().filter(|(_, value)| !value.is_empty()) {
            let mut clean = String::with_capacity(name.len());
            push_name(name, false, &mut clean);
            // Two names may be one once they are cleaned: the first stays.
            if names.contains(&clean) {
                continue;
            }
            line.push(if names.is_empty() { '{' } else { ',' });
            line.push_str(&clean);
            line.push_str("=\"");
            push_escaped(value, &mut line);
            line.push('"');
            names.push(clean);
        }
        if !names.is_empty() {
            line.push('}');
        }
        line.push(' ');
        push_number(self.value, &mut line);
        let millis =
            self.timestamp.duration_since(UNIX_EPOCH).map(|since| since.as_millis()).unwrap_or_default();
        let _ = write!(line, " {millis}");
        line
    }
}

/// Whether this is a name of a metric: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub(crate) fn is_metric_name(name: &str) -> bool {
    is_name(name, true)
}

/// Whether this is a name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, and not one of those that begin with two `_`, which
/// Prometheus keeps for itself.
#[must_use]
pub(crate) fn is_label_name(name: &str) -> bool {
    is_name(name, false) && !name.starts_with("__")
}

fn is_name(name: &str, colons: bool) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && name.bytes().all(may)
}

/// Writes a name with `_` for everything that a name may not have; `colons` for a metric's.
pub(super) fn push_name(name: &str, colons: bool, out: &mut String) {
    if name.chars().next().is_none_or(|first| first.is_ascii_digit()) {
        out.push('_');
    }
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':') { c } else { '_' };
    out.extend(name.chars().map(clean));
}

fn push_escaped(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

fn push_number(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{value}");
    }
}

/// What was collected of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerMetrics {
    /// The container as it was asked for: its id, the beginning of that, or its name.
    pub container_id: String,
    /// When the collection began.
    pub timestamp: SystemTime,
    /// The values, by collector and in its order.
    pub metrics: Vec<MetricValue>,
}

impl ContainerMetrics {
    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&MetricValue> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// All values as lines of Prometheus' text format, each with its line feed.
    #[must_use]
    pub fn to_prometheus_format(&self) -> String {
        self.metrics.iter().map(|metric| metric.to_prometheus_format() + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn line(value: MetricValue) -> String {
        value.at(UNIX_EPOCH + Duration::from_millis(1_640_995_200_000)).to_prometheus_format()
    }

    #[test]
    fn the_documents_lines() {
        let labelled = |name: &'static str, value| {
            MetricValue::new(name, value)
                .label("container_id", "abc123")
                .label("container_name", "web-server")
                .label("image", "nginx:latest")
        };
        let labels = r#"{container_id="abc123",container_name="web-server",image="nginx:latest"}"#;
        assert_eq!(line(labelled("cpu_percent", 45.2)), format!("cpu_percent{labels} 45.2 1640995200000"));
        assert_eq!(
            line(labelled("memory_bytes", 134_217_728.0)),
            format!("memory_bytes{labels} 134217728 1640995200000")
        );
    }

    #[test]
    fn whatever_a_value_holds_the_line_is_valid() {
        for (value, expected) in [
            (MetricValue::new("m", f64::NAN), "m NaN 1640995200000"),
            (MetricValue::new("m", f64::INFINITY), "m +Inf 1640995200000"),
            (MetricValue::new("m", f64::NEG_INFINITY), "m -Inf 1640995200000"),
            (MetricValue::new("", 1.0), "_ 1 1640995200000"),
            (MetricValue::new("9 lives{", 9.0), "_9_lives_ 9 1640995200000"),
            (
                MetricValue::new("m", 0.5).label("a\"b", "c\\d\n\"e"),
                "m{a_b=\"c\\\\d\\n\\\"e\"} 0.5 1640995200000",
            ),
            (MetricValue::new("m", 1.0).label("a b", "x").label("a-b", "y"), "m{a_b=\"x\"} 1 1640995200000"),
            (MetricValue::new("m", 1.0).label("a", ""), "m 1 1640995200000"),
        ] {
            assert_eq!(line(value), expected);
        }
        let before = MetricValue::new("m", 1.0).at(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.to_prometheus_format(), "m 1 0");
    }

    proptest! {
        #[test]
        fn no_label_gets_out_of_its_quotes(name: String, label: String, text: String) {
            let line = line(MetricValue::new(name, 1.0).label("a", text.clone()).label("b", "1"));
            prop_assert!(!line.contains('\n'));
            prop_assert!(line.ends_with(r#"b="1"} 1 1640995200000"#), "{line}");
            let name_ends = line.find('{').unwrap();
            prop_assert!(is_metric_name(&line[..name_ends]));
            let line = super::tests::line(MetricValue::new("m", 1.0).label(label, "x"));
            let name = line.strip_prefix("m{").unwrap().strip_suffix(r#"="x"} 1 1640995200000"#).unwrap();
            prop_assert!(is_name(name, false), "{line}");
        }
    }

    #[test]
    fn names() {
        for (name, metric, label) in [
            ("a", true, true),
            ("_a:b9", true, false),
            ("__a", true, false),
            ("9a", false, false),
            ("", false, false),
            ("a-b", false, false),
            ("é", false, false),
        ] {
            assert_eq!((is_metric_name(name), is_label_name(name)), (metric, label), "{name}");
        }
    }
}
