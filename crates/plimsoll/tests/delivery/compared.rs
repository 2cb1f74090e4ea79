//! Whether a database has the truth.
//!
//! Truth and database are written by two targets, each of which takes every tick of the agent for itself. In the middle of a
//! life both have taken the same ticks. At its edges they may not have: targets begin one after the other, and when the agent
//! is killed one may have committed the last tick and the other one not. So the first tick of each life, and the last one of a
//! life that was cut off, are grey: what differs there is counted and no failure. Percentages and happenings are told since the
//! tick before, so that after a tick that only one side has the next one is grey as well.
//!
//! A target that comes too late for a tick counts it as missed. Such a tick is grey like that, too, but only as many as were
//! counted.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_testkit::databases::compare::{Differences, Expected, Found, compare};

/// From when to when an agent lived, in Unix nanoseconds, and whether it was killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) was_killed: bool,
}

/// What came of a comparison.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Samples of the truth.
    pub(crate) samples: usize,
    /// Ticks of the truth.
    pub(crate) ticks: usize,
    /// Samples that one of both does not have, in grey ticks, and those ticks.
    pub(crate) grey: usize,
    pub(crate) grey_ticks: BTreeSet<i64>,
    /// Samples that are there more than once, all the same.
    pub(crate) repeated: usize,
    /// What is wrong.
    pub(crate) wrong: Differences,
}

/// Compares. `keeps_all` is said of a database that keeps a sample twice when it gets it twice.
pub(crate) fn held(truth: &Expected, found: &Found, tolerance: f64, grey: &Grey, keeps_all: bool) -> Outcome {
    let mut wrong = compare(truth, found, tolerance);
    let (mut counted, mut grey_ticks) = (0, BTreeSet::new());
    let mut is_dark = |time: i64| {
        let is_grey = grey.has(time);
        counted += usize::from(is_grey);
        grey_ticks.extend(is_grey.then_some(time));
        !is_grey
    };
    wrong.missing.retain(|((_, time), _)| is_dark(*time));
    wrong.extra.retain(|((_, time), _)| is_dark(*time));
    // What both have is the same, wherever it is; only what is told since the tick before may differ after a gap.
    wrong.different.retain(|((_, time), ..)| !grey.after_a_gap.contains(time));
    let all = wrong.duplicate.len();
    wrong.duplicate.retain(|(_, values)| !keeps_all || values.iter().any(|value| *value != values[0]));
    Outcome {
        samples: truth.values().map(BTreeMap::len).sum(),
        ticks: ticks(truth).len(),
        grey: counted,
        grey_ticks,
        repeated: all - wrong.duplicate.len(),
        wrong,
    }
}

/// All times of samples.
pub(crate) fn ticks<V>(samples: &BTreeMap<String, BTreeMap<i64, V>>) -> BTreeSet<i64> {
    samples.values().flat_map(BTreeMap::keys).copied().collect()
}

/// The ticks of which both sides need not have the same.
#[derive(Debug, Default)]
pub(crate) struct Grey {
    edges: BTreeSet<i64>,
    after_a_gap: BTreeSet<i64>,
}

impl Grey {
    /// Those of what a database has. `missed` is how many ticks either side says that it missed.
    pub(crate) fn of(truth: &Expected, found: &Found, lives: &[Life], missed: usize) -> Self {
        let (truth, found) = (ticks(truth), ticks(found));
        let mut grey = Self::default();
        let mut left = missed;
        for life in lives {
            let of_life: Vec<i64> = truth.union(&found).copied().filter(|time| life.has(*time)).collect();
            grey.edges.extend(of_life.first());
            grey.edges.extend(of_life.last().filter(|_| life.was_killed));
            for (at, time) in of_life.iter().enumerate() {
                if truth.contains(time) && found.contains(time) {
                    continue;
                }
                let is_edge = grey.edges.contains(time);
                if !is_edge && left == 0 {
                    continue;
                }
                left -= usize::from(!is_edge);
                grey.edges.insert(*time);
                grey.after_a_gap.extend(of_life.get(at + 1));
            }
        }
        grey
    }

    /// Whether a tick is one of them.
    pub(crate) fn has(&self, time: i64) -> bool {
        self.edges.contains(&time) || self.after_a_gap.contains(&time)
    }
}

impl Life {
    pub(crate) fn has(&self, time: i64) -> bool {
        (self.from..=self.to).contains(&time)
    }
}

/// What a check cannot be wrong about is shown here: a difference within a life is a failure, one at its edge is not.
#[test]
fn only_edges_are_grey() {
    use plimsoll_testkit::databases::compare::Value::{Float, Number};

    let lives = [Life { from: 0, to: 50, was_killed: true }, Life { from: 51, to: 100, was_killed: false }];
    let times = [10, 20, 30, 40, 60, 70, 80, 90];
    let truth: Expected = [("a".to_owned(), times.iter().map(|time| (*time, Number(1))).collect())].into();
    let check = |missing: &[i64], missed, different: Option<i64>, repeated: Option<i64>| {
        let points = times.iter().filter(|time| !missing.contains(time)).map(|time| {
            let value = if different == Some(*time) { Float(2.0) } else { Number(1) };
            let count = if repeated == Some(*time) { 2 } else { 1 };
            (*time, vec![value; count])
        });
        let found: Found = [("a".to_owned(), points.collect())].into();
        let [once, all] = [false, true]
            .map(|keeps_all| held(&truth, &found, 0.0, &Grey::of(&truth, &found, &lives, missed), keeps_all));
        assert_eq!((once.samples, once.ticks), (8, 8));
        (once.wrong.is_empty(), all.wrong.is_empty(), once.grey)
    };
    for (missing, missed, different, repeated, expected) in [
        (&[][..], 0, None, None, (true, true, 0)),
        // The edges: the first tick of a life, and the last one before a death.
        (&[10, 40, 60], 0, None, None, (true, true, 3)),
        (&[20], 0, None, None, (false, false, 0)),
        (&[30], 0, None, None, (false, false, 0)),
        (&[30, 40], 0, None, None, (false, false, 1)),
        // The end of the last life was in order.
        (&[90], 0, None, None, (false, false, 0)),
        (&[30], 1, None, None, (true, true, 1)),
        (&[30, 80], 1, None, None, (false, false, 1)),
        (&[], 0, Some(40), None, (false, false, 0)),
        (&[], 0, Some(80), None, (false, false, 0)),
        (&[60], 0, Some(70), None, (true, true, 1)),
        (&[], 0, None, Some(30), (false, true, 0)),
    ] {
        assert_eq!(check(missing, missed, different, repeated), expected, "{missing:?} {different:?}");
    }
}
