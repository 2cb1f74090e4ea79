//! Is what a database has what it should have?
//!
//! Points are put into one form, whatever database they come from: the series, the time in Unix nanoseconds, the value. A
//! series is written as Prometheus does it, with the labels sorted; a field of InfluxDB is a series of its own whose name
//! is `measurement_field`, as VictoriaMetrics has it.
//!
//! ```
//! use plimsoll_testkit::databases::compare::{self, Expected, Value};
//!
//! let mut expected = Expected::new();
//! let series = compare::series("memory_usage_bytes", [("container_name", "web")]);
//! assert_eq!(series, r#"memory_usage_bytes{container_name="web"}"#);
//! expected.entry(series).or_default().extend([(5_000_000, Value::Number(4096)), (6_000_000, Value::Number(1))]);
//!
//! let export = r#"{"metric":{"__name__":"memory_usage_bytes","container_name":"web"},"values":[4096],"timestamps":[5]}"#;
//! let found = compare::victoria(export, &[]).unwrap();
//! let differences = compare::compare(&expected, &found, 0.0);
//! assert_eq!(differences.missing.len(), 1);
//! assert!(differences.extra.is_empty() && differences.different.is_empty() && differences.duplicate.is_empty());
//! ```

mod parse;

use std::collections::BTreeMap;
use std::fmt;

pub use parse::{influx, prometheus, victoria};

/// How many differences of a kind are told one by one.
const TOLD: usize = 10;

/// The value of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number, exact.
    Number(i128),
    /// A decimal. Databases write decimals that are whole without a fraction, so it is compared with whole numbers too.
    Float(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

/// What a database should have: by series and by time in Unix nanoseconds.
pub type Expected = BTreeMap<String, BTreeMap<i64, Value>>;

/// What a database has. One that keeps everything may have several values for one time.
pub type Found = BTreeMap<String, BTreeMap<i64, Vec<Value>>>;

/// A series at a time.
pub type Place = (String, i64);

/// How a series is written here: `name{a="1",b="2"}`, with the labels sorted and those without a value left out.
pub fn series<'a>(name: &str, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let labels: BTreeMap<&str, &str> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// The same points with times in whole milliseconds, which is all that Prometheus keeps. Of several points within one
/// millisecond the last one stays.
#[must_use]
pub fn in_milliseconds(expected: &Expected) -> Expected {
    let whole = |time: i64| time - time.rem_euclid(1_000_000);
    let points = |points: &BTreeMap<i64, Value>| points.iter().map(|(t, v)| (whole(*t), v.clone())).collect();
    expected.iter().map(|(series, of_series)| (series.clone(), points(of_series))).collect()
}

/// Where a database differs from what it should have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    /// What it should have and has not.
    pub missing: Vec<(Place, Value)>,
    /// What it has and should not have.
    pub extra: Vec<(Place, Value)>,
    /// Where it has another value: the right one, and its own.
    pub different: Vec<(Place, Value, Value)>,
    /// Where it has more than one value, and all of them. Only the first one is compared.
    pub duplicate: Vec<(Place, Vec<Value>)>,
}

impl Differences {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, extra, different, duplicate } = self;
        writeln!(
            f,
            "{} missing, {} extra, {} different, {} duplicate",
            missing.len(),
            extra.len(),
            different.len(),
            duplicate.len()
        )?;
        for ((series, time), value) in missing.iter().take(TOLD) {
            writeln!(f, "missing: {series} at {time}: {value:?}")?;
        }
        for ((series, time), value) in extra.iter().take(TOLD) {
            writeln!(f, "extra: {series} at {time}: {value:?}")?;
        }
        for ((series, time), right, found) in different.iter().take(TOLD) {
            writeln!(f, "different: {series} at {time}: {found:?} and not {right:?}")?;
        }
        for ((series, time), values) in duplicate.iter().take(TOLD) {
            writeln!(f, "duplicate: {series} at {time}: {values:?}")?;
        }
        Ok(())
    }
}

/// Lists the differences. Decimals may differ by `tolerance`, relative to the larger one: 0 where the database keeps the
/// bits, 1e-12 for VictoriaMetrics, which does not.
#[must_use]
pub fn compare(expected: &Expected, found: &Found, tolerance: f64) -> Differences {
    let mut differences = Differences::default();
    let nothing = BTreeMap::new();
    for (series, right) in expected {
        let there = found.get(series).unwrap_or(&nothing);
        for (time, right) in right {
            let place = || (series.clone(), *time);
            match there.get(time).and_then(|values| values.first()) {
                None => differences.missing.push((place(), right.clone())),
                Some(value) if is_same(right, value, tolerance) => {}
                Some(value) => differences.different.push((place(), right.clone(), value.clone())),
            }
        }
    }
    for (series, there) in found {
        let right = expected.get(series);
        for (time, values) in there {
            let place = || (series.clone(), *time);
            if values.len() > 1 {
                differences.duplicate.push((place(), values.clone()));
            }
            let is_expected = right.is_some_and(|right| right.contains_key(time));
            if let (false, Some(value)) = (is_expected, values.first()) {
                differences.extra.push((place(), value.clone()));
            }
        }
    }
    differences
}

fn is_same(right: &Value, found: &Value, tolerance: f64) -> bool {
    match (right, found) {
        (Value::Number(right), Value::Number(found)) if tolerance == 0.0 => right == found,
        (Value::Number(_) | Value::Float(_), Value::Number(_) | Value::Float(_)) => {
            let (right, found) = (number(right), number(found));
            let bound = tolerance * right.abs().max(found.abs());
            right == found || (right.is_nan() && found.is_nan()) || (right - found).abs() <= bound
        }
        _ => right == found,
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Text(_) | Value::Bool(_) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(points: &[(&str, i64, &[Value])]) -> Found {
        let mut found = Found::new();
        for (series, time, values) in points {
            found.entry((*series).to_owned()).or_default().insert(*time, values.to_vec());
        }
        found
    }

    fn expected(points: &[(&str, i64, Value)]) -> Expected {
        let mut expected = Expected::new();
        for (series, time, value) in points {
            expected.entry((*series).to_owned()).or_default().insert(*time, value.clone());
        }
        expected
    }

    #[test]
    fn every_kind_of_difference_is_listed() {
        use Value::Number;
        let right = expected(&[
            ("a", 1, Number(1)),
            ("a", 2, Number(2)),
            ("b", 1, Number(3)),
            ("gone", 1, Number(4)),
        ]);
        assert!(compare(&right, &right_as_found(&right), 0.0).is_empty());

        let there = found(&[
            ("a", 1, &[Number(1), Number(1)]),
            ("a", 3, &[Number(9)]),
            ("b", 1, &[Number(8)]),
            ("new", 1, &[Number(5)]),
        ]);
        let place = |series: &str, time| (series.to_owned(), time);
        let differences = compare(&right, &there, 0.0);
        let all = Differences {
            missing: vec![(place("a", 2), Number(2)), (place("gone", 1), Number(4))],
            extra: vec![(place("a", 3), Number(9)), (place("new", 1), Number(5))],
            different: vec![(place("b", 1), Number(3), Number(8))],
            duplicate: vec![(place("a", 1), vec![Number(1), Number(1)])],
        };
        assert_eq!(differences, all);
        assert!(!differences.is_empty());
        let told = differences.to_string();
        assert!(told.starts_with("2 missing, 2 extra, 1 different, 1 duplicate\n"), "{told}");
        assert!(told.contains("different: b at 1: Number(8) and not Number(3)\n"), "{told}");
    }

    fn right_as_found(right: &Expected) -> Found {
        let points =
            |of_series: &BTreeMap<i64, Value>| of_series.iter().map(|(t, v)| (*t, vec![v.clone()])).collect();
        right.iter().map(|(series, of_series)| (series.clone(), points(of_series))).collect()
    }

    #[test]
    fn values_are_the_same_within_the_tolerance() {
        use Value::{Bool, Float, Number, Text};
        let large = i128::from(u64::MAX);
        for (right, there, tolerance, same) in [
            (Number(4096), Float(4096.0), 0.0, true),
            (Float(2.0), Number(2), 0.0, true),
            (Number(large), Number(large - 1), 0.0, false),
            (Number(large), Number(large - 1), 1e-12, true),
            (Float(1.0), Float(1.0 + f64::EPSILON), 0.0, false),
            (Float(1.0), Float(1.0 + f64::EPSILON), 1e-12, true),
            (Float(-1.0), Float(-1.1), 1e-12, false),
            (Float(0.0), Float(1e-300), 1e-12, false),
            (Float(f64::NAN), Float(f64::NAN), 0.0, true),
            (Float(f64::INFINITY), Float(f64::INFINITY), 0.0, true),
            (Float(f64::NAN), Number(0), 1e-12, false),
            (Text("1".to_owned()), Number(1), 1e-12, false),
            (Text("a".to_owned()), Text("a".to_owned()), 0.0, true),
            (Bool(true), Bool(false), 1.0, false),
        ] {
            assert_eq!(is_same(&right, &there, tolerance), same, "{right:?} {there:?} {tolerance}");
        }
    }

    #[test]
    fn series_and_times_have_one_form() {
        assert_eq!(
            series("cpu", [("b", "2"), ("empty", ""), ("a", "say \"x\"")]),
            r#"cpu{a="say \"x\"",b="2"}"#
        );
        assert_eq!(series("up", []), "up{}");
        let times = expected(&[("a", 1_999_999, Value::Number(1)), ("a", -1, Value::Number(2))]);
        let whole = expected(&[("a", 1_000_000, Value::Number(1)), ("a", -1_000_000, Value::Number(2))]);
        assert_eq!(in_milliseconds(&times), whole);
    }
}
