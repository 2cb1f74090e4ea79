//! Points at multiples of a step, and what the samples of a step come to.

use crate::query::{Function, MAX_POINTS, USUAL_POINTS};
use crate::{Error, Millis, Range};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// The steps that are taken where none is asked for. From a minute on they are multiples of one, so that the minute tier
/// answers them; all below divide a minute.
const USUAL_STEPS: [Millis; 27] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    3 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
    30 * DAY,
    100 * DAY,
];

/// The points of an answer: `points` of them, the first at `from`, each for the time until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) from: Millis,
    pub(crate) step: Millis,
    pub(crate) points: usize,
}

impl Grid {
    /// The points whose time shares a moment with the range.
    ///
    /// # Errors
    /// [`Error::UpsideDown`], [`Error::NoStep`], [`Error::TooManyPoints`].
    pub(crate) fn new(range: Range, step: Millis) -> Result<Self, Error> {
        check(range)?;
        if step <= 0 {
            return Err(Error::NoStep(step));
        }
        let from = range.from.div_euclid(step).saturating_mul(step);
        // In 128 bits: a range may be as long as time is.
        let length = i128::from(range.until) - i128::from(from);
        let step_wide = i128::from(step);
        let points = (length + step_wide - 1).div_euclid(step_wide).max(0);
        if points > MAX_POINTS as i128 {
            return Err(Error::TooManyPoints { points: u64::try_from(points).unwrap_or(u64::MAX) });
        }
        Ok(Self { from, step, points: usize::try_from(points).unwrap_or(0) })
    }

    /// The finest usual step with at most [`USUAL_POINTS`] points.
    pub(crate) fn usual_step(range: Range) -> Millis {
        // A range that begins within a point's time has one more.
        let points = |step: Millis| range.length() / step + 2;
        let fits =
            |step: &&Millis| usize::try_from(points(**step)).is_ok_and(|points| points <= USUAL_POINTS);
        let longest = || range.length() / Millis::try_from(USUAL_POINTS - 2).unwrap_or(1) + 1;
        USUAL_STEPS.iter().find(fits).copied().unwrap_or_else(longest)
    }

    /// The time that all points together stand for.
    pub(crate) fn range(&self) -> Range {
        let length = self.step.saturating_mul(Millis::try_from(self.points).unwrap_or(Millis::MAX));
        Range { from: self.from, until: self.from.saturating_add(length) }
    }

    /// The point that stands for a moment.
    pub(crate) fn point(&self, at: Millis) -> Option<usize> {
        let offset = at.checked_sub(self.from).filter(|offset| *offset >= 0)?;
        usize::try_from(offset / self.step).ok().filter(|point| *point < self.points)
    }
}

/// A range must not end before it begins.
pub(crate) fn check(range: Range) -> Result<(), Error> {
    if range.until < range.from { Err(Error::UpsideDown { range }) } else { Ok(()) }
}

/// What is known of one series from one sample, or from one point of a tier. Numbers are on the family's scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) at: Millis,
    pub(crate) last: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sum: u128,
    pub(crate) count: u64,
    /// How much a counter grew, in `covered` milliseconds; not known where those are 0.
    pub(crate) increase: u64,
    pub(crate) covered: u64,
}

impl Observation {
    /// A sample.
    pub(crate) fn sample(at: Millis, value: u64) -> Self {
        Self { at, last: value, min: value, max: value, sum: value.into(), count: 1, increase: 0, covered: 0 }
    }

    /// Adds what another series says of the same time.
    pub(crate) fn join(&mut self, other: &Self) {
        self.last = self.last.saturating_add(other.last);
        self.min = self.min.saturating_add(other.min);
        self.max = self.max.saturating_add(other.max);
        self.sum += other.sum;
        self.count = self.count.max(other.count);
        self.increase = self.increase.saturating_add(other.increase);
        self.covered = self.covered.max(other.covered);
    }

    /// Growth a second, on the family's scale.
    pub(crate) fn rate(&self) -> Option<f64> {
        (self.covered > 0).then(|| self.increase as f64 * 1e3 / self.covered as f64)
    }
}

/// Observations that come together in one step. They arrive in order of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    last: u64,
    min: u64,
    max: u64,
    sum: u128,
    count: u64,
    increase: u128,
    covered: u64,
}

impl Cell {
    pub(crate) fn add(&mut self, seen: &Observation) {
        if seen.count > 0 {
            self.min = if self.count == 0 { seen.min } else { self.min.min(seen.min) };
            self.max = self.max.max(seen.max);
            self.last = seen.last;
            self.sum += seen.sum;
            self.count += seen.count;
        }
        self.increase += u128::from(seen.increase);
        self.covered += seen.covered;
    }

    /// What the function makes of it, on the family's scale; `None` where there is no sample, or no growth is known.
    pub(crate) fn value(&self, function: Function) -> Option<f64> {
        let any = |value: f64| (self.count > 0).then_some(value);
        let known = |value: f64| (self.covered > 0).then_some(value);
        match function {
            Function::Last => any(self.last as f64),
            Function::Min => any(self.min as f64),
            Function::Max => any(self.max as f64),
            Function::Mean => any(self.sum as f64 / self.count.max(1) as f64),
            Function::Count => any(self.count as f64),
            Function::Rate => known(self.increase as f64 * 1e3 / self.covered.max(1) as f64),
            Function::Increase => known(self.increase as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Millis, until: Millis) -> Range {
        Range { from, until }
    }

    #[test]
    fn points_lie_at_multiples_of_the_step() {
        for (from, until, step, first, points) in [
            (0, 10_000, 1_000, 0, 10),
            (1, 10_001, 1_000, 0, 11),
            (999, 1_001, 1_000, 0, 2),
            (5_000, 5_000, 1_000, 5_000, 0),
            (5_001, 5_001, 1_000, 5_000, 1),
            (-1, 1, 10, -10, 2),
        ] {
            let grid = Grid::new(range(from, until), step).unwrap();
            assert_eq!((grid.from, grid.points), (first, points), "{from}..{until} by {step}");
        }
        let grid = Grid::new(range(1_500, 3_500), 1_000).unwrap();
        let points: Vec<_> = [999, 1_000, 1_999, 3_999, 4_000].map(|at| grid.point(at)).into();
        assert_eq!(points, [None, Some(0), Some(0), Some(2), None]);
        assert_eq!(grid.range(), range(1_000, 4_000));
    }

    #[test]
    fn ranges_and_steps_that_make_no_sense_are_refused() {
        let ask = |from, until, step| Grid::new(range(from, until), step);
        assert!(matches!(ask(2, 1, 1), Err(Error::UpsideDown { .. })));
        assert!(matches!(ask(0, 1, 0), Err(Error::NoStep(0))));
        assert!(matches!(ask(0, 1, -5), Err(Error::NoStep(-5))));
        assert!(matches!(ask(0, 11_001, 1), Err(Error::TooManyPoints { points: 11_001, .. })));
        assert!(ask(0, 11_000, 1).is_ok());
        assert!(matches!(ask(Millis::MIN, Millis::MAX, 1), Err(Error::TooManyPoints { .. })));
        assert!(matches!(ask(Millis::MIN, Millis::MAX, Millis::MAX), Ok(Grid { points: 3, .. })));
    }

    #[test]
    fn usual_steps_give_a_picture() {
        for (length, step) in [
            (0, SECOND),
            (60 * SECOND, SECOND),
            (10 * MINUTE, 2 * SECOND),
            (HOUR, 10 * SECOND),
            (DAY, 3 * MINUTE),
            (7 * DAY, 30 * MINUTE),
            (730 * DAY, 2 * DAY),
        ] {
            assert_eq!(Grid::usual_step(range(0, length)), step, "{length}");
            assert!(Grid::new(range(0, length), step).unwrap().points <= USUAL_POINTS);
        }
        let forever = range(Millis::MIN, Millis::MAX);
        assert!(Grid::new(forever, Grid::usual_step(forever)).is_ok());
    }

    #[test]
    fn a_step_without_samples_has_no_value() {
        let mut cell = Cell::default();
        assert_eq!(cell.value(Function::Count), None);
        cell.add(&Observation::sample(0, 7));
        assert_eq!(cell.value(Function::Mean), Some(7.0));
        assert_eq!(cell.value(Function::Rate), None, "one sample has no rate");
        cell.add(&Observation { increase: 5, covered: 500, ..Observation::sample(500, 12) });
        assert_eq!(cell.value(Function::Rate), Some(10.0));
        assert_eq!(cell.value(Function::Mean), Some(9.5));
        assert_eq!(cell.value(Function::Min), Some(7.0));
    }
}
