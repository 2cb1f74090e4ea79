//! The markers that say that a series has ended. Files and InfluxDB have none; VictoriaMetrics shows them as samples without a
//! value.

use std::collections::BTreeSet;

use plimsoll_testkit::databases::compare::{Expected, Found, Place, Value};

use crate::compared::{Grey, Life, ticks};

/// How many wrong markers are told one by one.
const TOLD: usize = 10;

/// Takes the markers out of what was found.
pub(crate) fn taken_from(found: &mut Found) -> BTreeSet<Place> {
    let mut ends = BTreeSet::new();
    let is_marker = |value: &Value| matches!(value, Value::Float(value) if value.is_nan());
    for (series, points) in found.iter_mut() {
        points.retain(|time, values| {
            let before = values.len();
            values.retain(|value| !is_marker(value));
            if values.len() < before {
                ends.insert((series.clone(), *time));
            }
            !values.is_empty()
        });
    }
    found.retain(|_, points| !points.is_empty());
    ends
}

/// Where markers must be: at the tick after the last one that a series has, within a life.
fn of(truth: &Expected, lives: &[Life]) -> BTreeSet<Place> {
    let ticks: Vec<i64> = ticks(truth).into_iter().collect();
    let within_a_life = |pair: &&[i64]| lives.iter().any(|life| pair.iter().all(|time| life.has(*time)));
    let pairs: Vec<&[i64]> = ticks.windows(2).filter(within_a_life).collect();
    let mut ends = BTreeSet::new();
    for (series, points) in truth {
        let is_end = |pair: &&&[i64]| points.contains_key(&pair[0]) && !points.contains_key(&pair[1]);
        ends.extend(pairs.iter().filter(is_end).map(|pair| (series.clone(), pair[1])));
    }
    ends
}

/// Holds the markers that were found to the truth, and says what is wrong, if anything is.
pub(crate) fn held(truth: &Expected, found: &BTreeSet<Place>, lives: &[Life], grey: &Grey) -> Option<String> {
    let expected = of(truth, lives);
    let is_dark = |place: &&Place| !grey.has(place.1);
    let wrong: Vec<_> = expected.symmetric_difference(found).filter(is_dark).collect();
    let told = &wrong[..wrong.len().min(TOLD)];
    (!wrong.is_empty()).then(|| {
        format!(
            "{} markers, {} expected; only one side has {}: {told:?}\n",
            found.len(),
            expected.len(),
            wrong.len()
        )
    })
}
