//! The markers that say that a series has ended. Files and InfluxDB have none; VictoriaMetrics shows them as samples without a
//! value.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use plimsoll_testkit::databases::compare::{Expected, Found, Place, Value};
use plimsoll_testkit::docker::Container;
use plimsoll_testkit::wait_until;

use crate::compared::{Grey, Life, ticks};

/// How many wrong markers are told one by one.
const TOLD: usize = 10;

/// How soon a series that has ended is over in Prometheus: a tick, the wait of a batch, and time for a machine that may be very
/// busy. Without a marker it takes five minutes.
const STALE_WITHIN: Duration = Duration::from_secs(60);

/// How soon a new container is in Prometheus, on a machine that may be very busy.
const THERE_WITHIN: Duration = Duration::from_secs(60);

/// A container that is removed has no series in Prometheus any more, as soon as the agent could say so. `alive` says how many
/// series of a container with this name are alive, in the Prometheus that has least of them or most.
#[track_caller]
pub(crate) fn a_removed_container_is_stale(alive: impl Fn(&str) -> (usize, usize)) {
    let gone = Container::run("gone", &["--network", "none"], &["sleep", "100000"]);
    let name = gone.name().to_owned();
    wait_until(THERE_WITHIN, "Prometheus has the container", || alive(&name).0 > 10);
    drop(gone);
    let began = Instant::now();
    wait_until(STALE_WITHIN, "all its series are stale", || alive(&name).1 == 0);
    println!("a removed container was stale in Prometheus after {:?}", began.elapsed());
}

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
pub(crate) fn of(truth: &Expected, lives: &[Life]) -> BTreeSet<Place> {
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
