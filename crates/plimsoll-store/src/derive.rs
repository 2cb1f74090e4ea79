//! From stored numbers to observations of a series: those that are stored themselves, and those that follow from others.
//!
//! A tier's points know less than samples. So in tiers
//! - a counter's least, largest and mean are those of the last values of the points;
//! - the working set by limit takes the last limit of a point for all of it;
//! - processor use in per cent is that of the whole point, whichever function is asked for;
//! - uptime and last seen are as at the end of the point's time (the least: at its beginning).

use plimsoll_model::rate::percent;

use crate::block::{Block, Column, ColumnKey, SeriesId};
use crate::grid::Observation;
use crate::point::{self, Coverage, Point};
use crate::{Millis, Range, Tier};

/// Nanoseconds in a millisecond.
const NANOS: u64 = 1_000_000;

/// The codes of `container_status` with which a container has processes: running and paused.
const WITH_PROCESSES: [u64; 2] = [1, 2];

/// Of which stored series something is made, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// The series itself.
    Stored { series: SeriesId, counter: bool },
    /// Memory use less inactive page cache.
    WorkingSet(WorkingSet),
    /// Working set by limit, in per cent.
    UsagePercent { part: WorkingSet, limit: SeriesId },
    /// Processor time's growth, in per cent.
    CpuPercent { usage: SeriesId },
    /// Time since the start.
    Uptime { started: SeriesId, status: Option<SeriesId> },
    /// The time itself.
    LastSeen,
}

/// The series that make the working set: the first two of samples, the last of tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkingSet {
    pub(crate) usage: Option<SeriesId>,
    pub(crate) inactive_file: Option<SeriesId>,
    pub(crate) own: Option<SeriesId>,
}

impl WorkingSet {
    /// As `ContainerRow::derive` has it.
    fn of(usage: Option<u64>, inactive: Option<u64>) -> Option<u64> {
        let (usage, inactive) = (usage?, inactive?);
        Some(if inactive < usage { usage - inactive } else { usage })
    }

    fn parts(&self, tier: Tier) -> [Option<SeriesId>; 2] {
        if tier == Tier::Raw { [self.usage, self.inactive_file] } else { [self.own, None] }
    }
}

/// A block that was read, and what of it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) tier: Tier,
    pub(crate) block: &'a Block,
    /// Where this block holds; elsewhere a later one does.
    pub(crate) holds: Range,
    /// What is asked for. Samples before it are only looked at for what a counter grew by.
    pub(crate) asked: Range,
}

/// The sample of a counter before the next.
pub(crate) type Trail = Option<(Millis, u64)>;

impl Recipe {
    /// The stored series that it takes from blocks of a tier.
    fn parts(&self, tier: Tier) -> [Option<SeriesId>; 3] {
        match self {
            Self::Stored { series, .. } | Self::CpuPercent { usage: series } => [Some(*series), None, None],
            Self::WorkingSet(part) => {
                let [one, other] = part.parts(tier);
                [one, other, None]
            }
            Self::UsagePercent { part, limit } => {
                let [one, other] = part.parts(tier);
                [one, other, Some(*limit)]
            }
            Self::Uptime { started, status } => [Some(*started), *status, None],
            Self::LastSeen => [None; 3],
        }
    }

    /// Whether a column has to be decoded for it.
    pub(crate) fn needs(&self, tier: Tier, key: ColumnKey) -> bool {
        if tier == Tier::Raw {
            return self.parts(tier).contains(&Some(key.series));
        }
        // Of a row of a tier, how many samples it has and what they cover is always of use.
        let series = self.parts(tier).into_iter().flatten();
        key.series == SeriesId::ROW || series.into_iter().any(|series| point::needs(key, series))
    }

    /// Whether the first of some samples says more with the one before.
    pub(crate) fn looks_back(&self) -> bool {
        matches!(self, Self::Stored { counter: true, .. } | Self::CpuPercent { .. })
    }

    /// Gives what a block says of it, in order of time.
    pub(crate) fn observe(&self, view: &View<'_>, trail: &mut Trail, mut give: impl FnMut(&Observation)) {
        match view.tier.step() {
            None => self.observe_samples(view, trail, &mut give),
            Some(step) => {
                // What a tier's point says of its end is no sample.
                *trail = None;
                self.observe_points(view, step, &mut give);
            }
        }
    }

    fn observe_samples(&self, view: &View<'_>, trail: &mut Trail, give: &mut impl FnMut(&Observation)) {
        let column = |series: Option<SeriesId>| series.and_then(|id| view.block.column(ColumnKey::last(id)));
        let [one, other, third] = self.parts(Tier::Raw).map(column);
        let (first, rows) = view.rows();
        let times = view.block.times.get(rows.clone()).unwrap_or_default();
        let value =
            |of: Option<&Column>, row: usize| of.and_then(|column| column.values.get(row).copied().flatten());
        let farthest = point::gap(view.block.interval);
        for (row, &at) in rows.zip(times) {
            let seen = match self {
                Self::Stored { counter: false, .. } => {
                    value(one, row).map(|value| Observation::sample(at, value))
                }
                Self::Stored { counter: true, .. } => value(one, row).map(|value| {
                    let mut seen = Observation::sample(at, value);
                    if let Some((increase, covered)) = grown(trail, at, value, farthest) {
                        (seen.increase, seen.covered) = (increase, covered);
                    }
                    seen
                }),
                Self::CpuPercent { .. } => value(one, row)
                    .and_then(|value| grown(trail, at, value, farthest))
                    .and_then(|(increase, covered)| percent(increase, covered.saturating_mul(NANOS)))
                    .map(|value| Observation::sample(at, value)),
                Self::WorkingSet(_) => WorkingSet::of(value(one, row), value(other, row))
                    .map(|value| Observation::sample(at, value)),
                Self::UsagePercent { .. } => WorkingSet::of(value(one, row), value(other, row))
                    .zip(value(third, row))
                    .and_then(|(part, limit)| percent(part, limit))
                    .map(|value| Observation::sample(at, value)),
                Self::Uptime { .. } => value(one, row)
                    .filter(|_| value(other, row).is_some_and(|status| WITH_PROCESSES.contains(&status)))
                    .map(|started| Observation::sample(at, nanos(at).saturating_sub(started))),
                Self::LastSeen => Some(Observation::sample(at, nanos(at))),
            };
            if let Some(seen) = seen.filter(|_| row >= first) {
                give(&seen);
            }
        }
    }

    fn observe_points(&self, view: &View<'_>, step: Millis, give: &mut impl FnMut(&Observation)) {
        let counter = matches!(self, Self::Stored { counter: true, .. } | Self::CpuPercent { .. });
        let read = |series: Option<SeriesId>| -> Vec<Option<Point>> {
            series.map(|id| point::points(view.block, id, counter)).unwrap_or_default()
        };
        let [one, other, third] = self.parts(view.tier).map(read);
        let coverage = point::coverage(view.block, view.tier);
        let (first, rows) = view.rows();
        for row in rows.skip_while(|row| *row < first) {
            let Some(&at) = view.block.times.get(row) else { return };
            let point = |of: &[Option<Point>]| of.get(row).copied().flatten();
            let of_row = coverage.get(row).copied().unwrap_or(Coverage { samples: 0, covered: 0 });
            let covered = u64::try_from(of_row.covered).unwrap_or(0);
            let seen = match self {
                Self::Stored { counter: true, .. } => point(&one).map(|point| Observation {
                    increase: point.increase,
                    covered,
                    ..observation(at, &point)
                }),
                Self::Stored { .. } | Self::WorkingSet(_) => point(&one).map(|point| observation(at, &point)),
                Self::CpuPercent { .. } => point(&one)
                    .and_then(|point| Some((point, percent(point.increase, covered.saturating_mul(NANOS))?)))
                    .map(|(point, value)| same(at, value, point.count)),
                Self::UsagePercent { .. } => point(&one).zip(point(&third)).and_then(|(part, limit)| {
                    let of_limit = |part| percent(part, limit.last);
                    let mean = of_limit(part.mean)?;
                    Some(Observation {
                        last: of_limit(part.last)?,
                        min: of_limit(part.min)?,
                        max: of_limit(part.max)?,
                        ..same(at, mean, part.count)
                    })
                }),
                Self::Uptime { .. } => point(&one)
                    .filter(|_| point(&other).is_some_and(|status| WITH_PROCESSES.contains(&status.last)))
                    .map(|started| span(at, step, started.last, started.count)),
                Self::LastSeen => Some(span(at, step, 0, of_row.samples)),
            };
            if let Some(seen) = seen {
                give(&seen);
            }
        }
    }
}

impl View<'_> {
    /// The rows that hold and are not later than what is asked for, and the first of them that is asked for.
    fn rows(&self) -> (usize, std::ops::Range<usize>) {
        let times = &self.block.times;
        let before = |moment: Millis| times.partition_point(|at| *at < moment);
        let end = before(self.holds.until.min(self.asked.until));
        let begin = before(self.holds.from).min(end);
        (before(self.asked.from), begin..end)
    }
}

/// How much a counter grew since the sample before, and in how many milliseconds, where they are adjacent. A counter that
/// fell counts from zero.
fn grown(trail: &mut Trail, at: Millis, value: u64, farthest: Millis) -> Option<(u64, u64)> {
    let (before, earlier) = trail.replace((at, value))?;
    let apart = at.checked_sub(before).filter(|apart| *apart > 0 && *apart <= farthest)?;
    Some((value.checked_sub(earlier).unwrap_or(value), apart.unsigned_abs()))
}

fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(NANOS)
}

fn observation(at: Millis, point: &Point) -> Observation {
    Observation { last: point.last, min: point.min, max: point.max, ..same(at, point.mean, point.count) }
}

/// So many samples of the same value.
fn same(at: Millis, value: u64, count: u64) -> Observation {
    Observation { sum: u128::from(value) * u128::from(count), count, ..Observation::sample(at, value) }
}

/// A time that runs, since `since` nanoseconds, through a point's time.
fn span(at: Millis, step: Millis, since: u64, count: u64) -> Observation {
    let (min, last) = (nanos(at).saturating_sub(since), nanos(at + step).saturating_sub(since));
    Observation { min, max: last, last, ..same(at, min.midpoint(last), count) }
}
