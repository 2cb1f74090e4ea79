//! Points of coarser tiers: what they are made of, and how they are read.
//!
//! How they are stored is told in [`crate::rollup`].

use crate::block::{Block, ColumnKey, SeriesId, Stat};
use crate::tier::{Millis, Tier};
use crate::varint::{add, unzigzag};

/// What a roll-up has to know of series.
pub(crate) struct Rules<'a> {
    /// Whether a series is a counter: those have increases, and no least, largest or mean.
    pub(crate) counter: &'a dyn Fn(SeriesId) -> bool,
    /// The working set, which is not sampled but has points of its own.
    pub(crate) working_set: Option<WorkingSet>,
}

/// Of which series the working set is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkingSet {
    /// The series that the points are of.
    pub(crate) series: SeriesId,
    /// Memory usage.
    pub(crate) usage: SeriesId,
    /// What is taken from it (inactive file pages); without it there is no working set.
    pub(crate) inactive_file: SeriesId,
}

/// The farthest that two samples may be apart to be adjacent: two and a half intervals, and two seconds at least.
pub(crate) const fn gap(interval: Millis) -> Millis {
    let gap = interval.saturating_mul(5) / 2;
    if gap < 2_000 { 2_000 } else { gap }
}

/// A point of a series: what it was in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// The last value.
    pub(crate) last: u64,
    /// The least; of a counter, the same as `last`.
    pub(crate) min: u64,
    /// The largest; of a counter, the same as `last`.
    pub(crate) max: u64,
    /// The mean, rounded; of a counter, the same as `last`.
    pub(crate) mean: u64,
    /// How many samples have a value.
    pub(crate) count: u64,
    /// Of a counter: how much it grew between adjacent samples of which the later is in the bucket. Of anything else, 0.
    pub(crate) increase: u64,
}

/// What holds for all series of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// How many samples it has.
    pub(crate) samples: u64,
    /// How many milliseconds lie between adjacent samples of which the later is in the bucket: what an increase is divided
    /// by for a rate.
    pub(crate) covered: Millis,
}

/// Which columns of a rolled-up block have to be decoded for a series: its own and the row's.
pub(crate) fn needs(key: ColumnKey, series: SeriesId) -> bool {
    key.series == series || key.series == SeriesId::ROW
}

/// The points of a series in a decoded block of a rolled-up tier, one for each of its times.
pub(crate) fn points(block: &Block, series: SeriesId, counter: bool) -> Vec<Option<Point>> {
    points_from(block, series, counter, 0)
}

/// As [`points`], from this position on.
pub(crate) fn points_from(block: &Block, series: SeriesId, counter: bool, from: usize) -> Vec<Option<Point>> {
    let column =
        |series, stat| block.column(ColumnKey { series, stat }).map(|column| column.values.as_slice());
    let [last, min, max, mean, count, increase] =
        [Stat::Last, Stat::Min, Stat::Max, Stat::Mean, Stat::Count, Stat::Increase]
            .map(|stat| column(series, stat));
    let samples = column(SeriesId::ROW, Stat::Count);
    let earlier = last.and_then(|values| values.get(..from));
    let mut before = earlier.and_then(|values| values.iter().rev().copied().flatten().next());
    let point = |at| {
        let last = value(last, at)?;
        let beyond = |column| value(column, at).unwrap_or(0);
        let expected = before.map_or(0, |before| grown(before, last));
        before = Some(last);
        Some(Point {
            last,
            min: last.wrapping_sub(beyond(min)),
            max: last.wrapping_add(beyond(max)),
            mean: add(last, beyond(mean)),
            count: beyond(samples).wrapping_sub(beyond(count)),
            increase: if counter { add(expected, beyond(increase)) } else { 0 },
        })
    };
    (from..block.times.len()).map(point).collect()
}

/// The coverage of each bucket of a decoded block of a rolled-up tier.
pub(crate) fn coverage(block: &Block, tier: Tier) -> Vec<Coverage> {
    let column = |stat| {
        let column = block.column(ColumnKey { series: SeriesId::ROW, stat });
        column.map(|column| column.values.as_slice())
    };
    let (samples, covered) = (column(Stat::Count), column(Stat::Covered));
    let step = tier.step().unwrap_or_default();
    let of = |at| Coverage {
        samples: value(samples, at).unwrap_or(0),
        covered: step.wrapping_add(unzigzag(value(covered, at).unwrap_or(0))),
    };
    (0..block.times.len()).map(of).collect()
}

fn value(column: Option<&[Option<u64>]>, at: usize) -> Option<u64> {
    column.and_then(|values| *values.get(at)?)
}

/// What a counter grew by from one value to the next.
pub(crate) fn grown(before: u64, after: u64) -> u64 {
    if after >= before { after - before } else { after }
}
