//! What becomes of the values that a collector hands over: nonsense is left out and counted, the rest goes on.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use plimsoll_model::text::{MAX_TEXT, bounded};

use super::value::{MetricKind, MetricValue, is_label_name, is_metric_name};

/// The most values of one collection. What a collector hands over beyond is left out.
pub const MAX_VALUES: usize = 10_000;

/// The most values that a collector on a schedule tells of all containers together.
pub const MAX_OF_ALL: usize = 50_000;

/// The most labels of one value, those of the container and of the configuration included.
pub const MAX_LABELS_OF_VALUE: usize = 64;

/// The longest name of a metric or label, in bytes.
pub const MAX_METRIC_NAME: usize = 256;

/// The most containers of which the last counters are remembered. Of others it does not show when one falls.
pub(crate) const MAX_REMEMBERED: usize = 4096;

/// The most counters that are remembered, those of all containers together.
pub(crate) const MAX_COUNTERS: usize = 100_000;

/// Why a value was left out, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nonsense {
    /// It is no number, or infinite.
    NotFinite,
    /// Its name is no name of a metric, or what was read for it cannot be understood at all.
    BadName,
    /// One of its labels has a name that is none, there are too many, or the bound of a bucket or a quantile is missing.
    BadLabel,
    /// The collection has a value of the same name and labels already.
    Duplicate,
    /// It is a counter, and less than the last time. The next value counts from there.
    CounterFell,
    /// It came after as many others as there may be: [`MAX_VALUES`] of one collection, [`MAX_OF_ALL`] of all containers.
    TooMany,
    /// Its name is one of the catalog's.
    Reserved,
}

impl Nonsense {
    /// Every kind, in the order of the counts.
    pub const ALL: [Self; 7] = [
        Self::NotFinite,
        Self::BadName,
        Self::BadLabel,
        Self::Duplicate,
        Self::CounterFell,
        Self::TooMany,
        Self::Reserved,
    ];

    /// The word in labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::BadName => "bad_name",
            Self::BadLabel => "bad_label",
            Self::Duplicate => "duplicate",
            Self::CounterFell => "counter_fell",
            Self::TooMany => "too_many",
            Self::Reserved => "reserved_name",
        }
    }
}

/// How many values were left out, by [`Nonsense`].
pub(crate) type LeftOut = [u64; Nonsense::ALL.len()];

/// Checks the collections of one collector.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// By container, the counters of the last collection by what they are.
    counters: HashMap<String, HashMap<u64, f64>>,
    /// How many these are.
    remembered: usize,
    /// Names that are not to be used.
    reserved: Vec<fn(&str) -> bool>,
}

impl Check {
    /// More names that are not to be used from now on.
    pub(crate) fn reserve(&mut self, is_reserved: fn(&str) -> bool) {
        self.reserved.push(is_reserved);
    }

    /// Takes out what is nonsense, and counts it.
    pub(crate) fn clean(&mut self, subject: &str, values: &mut Vec<MetricValue>) -> LeftOut {
        let mut left_out = LeftOut::default();
        let surplus = values.len().saturating_sub(MAX_VALUES);
        left_out[Nonsense::TooMany as usize] += surplus as u64;
        values.truncate(MAX_VALUES);
        let before = self.counters.remove(subject).unwrap_or_default();
        self.remembered -= before.len();
        let mut counters = HashMap::new();
        let mut seen = HashSet::with_capacity(values.len());
        values.retain_mut(|value| {
            let verdict = self.verdict(value).and_then(|()| {
                let series = series(value);
                if !seen.insert(series) {
                    return Err(Nonsense::Duplicate);
                }
                if value.kind == MetricKind::Counter {
                    counters.insert(series, value.value);
                    if before.get(&series).is_some_and(|before| value.value < *before) {
                        return Err(Nonsense::CounterFell);
                    }
                }
                Ok(())
            });
            if let Err(nonsense) = verdict {
                left_out[nonsense as usize] += 1;
            }
            verdict.is_ok()
        });
        let is_room =
            self.counters.len() < MAX_REMEMBERED && self.remembered + counters.len() <= MAX_COUNTERS;
        if !counters.is_empty() && is_room {
            self.remembered += counters.len();
            self.counters.insert(subject.to_owned(), counters);
        }
        left_out
    }

    /// Forgets what is not one of these subjects.
    pub(crate) fn keep_only(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.counters.retain(|subject, _| is_kept(subject));
        self.remembered = self.counters.values().map(HashMap::len).sum();
    }

    fn verdict(&self, value: &mut MetricValue) -> Result<(), Nonsense> {
        if !value.value.is_finite() {
            return Err(Nonsense::NotFinite);
        }
        if value.name.len() > MAX_METRIC_NAME || !is_metric_name(&value.name) {
            return Err(Nonsense::BadName);
        }
        let is_label = |name: &str| name.len() <= MAX_METRIC_NAME && is_label_name(name);
        if value.labels.len() > MAX_LABELS_OF_VALUE || !value.labels.keys().all(|name| is_label(name)) {
            return Err(Nonsense::BadLabel);
        }
        let Some(part) = value.kind.part(&value.name, value.labels.contains_key("quantile")) else {
            return Err(Nonsense::BadName);
        };
        let bound = match (value.kind, part) {
            (MetricKind::Histogram, "_bucket") => Some("le"),
            (MetricKind::Summary, "") => Some("quantile"),
            _ => None,
        };
        let is_number = |text: &String| text.parse().is_ok_and(|bound: f64| !bound.is_nan());
        if bound.is_some_and(|bound| !value.labels.get(bound).is_some_and(is_number)) {
            return Err(Nonsense::BadLabel);
        }
        let family = &value.name[..value.name.len() - part.len()];
        if self.reserved.iter().any(|is_reserved| is_reserved(&value.name) || is_reserved(family)) {
            return Err(Nonsense::Reserved);
        }
        for text in value.labels.values_mut().filter(|text| text.len() > MAX_TEXT) {
            text.truncate(bounded(text, MAX_TEXT).len());
        }
        Ok(())
    }
}

/// What tells one series of a collector from another, in 64 bits: two of ten thousand are mistaken for one another once in
/// several hundred billion collections.
fn series(value: &MetricValue) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.name.hash(&mut hasher);
    for (name, text) in value.labels.iter().filter(|(_, text)| !text.is_empty()) {
        name.hash(&mut hasher);
        text.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was kept, and how much was left out of what.
    type Cleaned = (Vec<(String, f64)>, Vec<(Nonsense, u64)>);

    fn cleaned(check: &mut Check, mut values: Vec<MetricValue>) -> Cleaned {
        let left_out = check.clean("c", &mut values);
        let counted = Nonsense::ALL.into_iter().zip(left_out).filter(|(_, count)| *count > 0).collect();
        (values.iter().map(|value| (value.name.to_string(), value.value)).collect(), counted)
    }

    #[test]
    fn nonsense_takes_no_neighbour_along() {
        let long = "x".repeat(MAX_TEXT + 10);
        let many = (0..=MAX_LABELS_OF_VALUE)
            .fold(MetricValue::new("m", 1.0), |value, n| value.label(format!("l{n}"), "x"));
        for (value, expected) in [
            (MetricValue::new("m", f64::NAN), Nonsense::NotFinite),
            (MetricValue::new("m", f64::NEG_INFINITY), Nonsense::NotFinite),
            (MetricValue::new("no name", 1.0), Nonsense::BadName),
            (MetricValue::new("n".repeat(MAX_METRIC_NAME + 1), 1.0), Nonsense::BadName),
            (MetricValue::new("m", 1.0).label("__name__", "x"), Nonsense::BadLabel),
            (MetricValue::new("m", 1.0).label("", "x"), Nonsense::BadLabel),
            (many, Nonsense::BadLabel),
            (MetricValue::new("good", 2.0).label("empty", ""), Nonsense::Duplicate),
            (MetricValue::new("ours_m", 2.0), Nonsense::Reserved),
            (MetricValue::new("h", 2.0).kind(MetricKind::Histogram).label("le", "1"), Nonsense::BadName),
            (MetricValue::new("h_bucket", 2.0).kind(MetricKind::Histogram), Nonsense::BadLabel),
            (
                MetricValue::new("h_bucket", 2.0).kind(MetricKind::Histogram).label("le", "NaN"),
                Nonsense::BadLabel,
            ),
            (
                MetricValue::new("s", 2.0).kind(MetricKind::Summary).label("quantile", "most"),
                Nonsense::BadLabel,
            ),
            (MetricValue::new("ours_h_sum", 2.0).kind(MetricKind::Histogram), Nonsense::Reserved),
        ] {
            let mut check = Check::default();
            check.reserve(|name| name.starts_with("ours_"));
            let values =
                vec![MetricValue::new("good", 1.0), value, MetricValue::new("last", 3.0).label("l", &long)];
            let (kept, left_out) = cleaned(&mut check, values);
            assert_eq!(kept, [("good".to_owned(), 1.0), ("last".to_owned(), 3.0)]);
            assert_eq!(left_out, [(expected, 1)]);
        }
    }

    #[test]
    fn a_million_values_are_ten_thousand() {
        let values = (0..1_000_000).map(|n| MetricValue::new("m", 1.0).label("n", n.to_string())).collect();
        let (kept, left_out) = cleaned(&mut Check::default(), values);
        assert_eq!(kept.len(), MAX_VALUES);
        assert_eq!(left_out, [(Nonsense::TooMany, 990_000)]);
    }

    #[test]
    fn a_counter_that_falls_is_left_out_once() {
        let mut check = Check::default();
        for (value, is_kept) in
            [(5.0, true), (5.0, true), (7.0, true), (3.0, false), (3.0, true), (4.0, true), (1.0, false)]
        {
            let (kept, _) = cleaned(&mut check, vec![MetricValue::new("m_total", value)]);
            assert_eq!(!kept.is_empty(), is_kept, "{value}");
        }
        let (kept, _) = cleaned(&mut check, vec![MetricValue::new("gauge", 9.0)]);
        assert_eq!(kept.len(), 1);
        let (kept, _) =
            cleaned(&mut check, vec![MetricValue::new("gauge", 2.0), MetricValue::new("m_total", 0.0)]);
        assert_eq!(kept.len(), 2, "who was away has no last value");
    }
}
