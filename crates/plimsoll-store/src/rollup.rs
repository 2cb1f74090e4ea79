//! Coarser tiers: points for ten seconds, a minute, an hour.

use crate::block::{Block, ColumnKey, Damaged, Sealed, SeriesId};
use crate::tier::{Millis, Tier};

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

/// How many points a block of this tier has, at most: then a new one begins.
pub(crate) const fn points_of(tier: Tier) -> usize {
    match tier {
        Tier::Raw => crate::block::MAX_SAMPLES,
        Tier::TenSeconds => 360,
        Tier::Minute | Tier::Hour => 240,
    }
}

/// The farthest that two samples may be apart to be adjacent: what a counter grew by between them is known.
pub(crate) const fn gap(interval: Millis) -> Millis {
    let gap = interval.saturating_mul(5) / 2;
    if gap < 2_000 { 2_000 } else { gap }
}

/// Rolls blocks of the finer tier up to `tier`. `source` is in order of time, and has (at least) everything from `from` on;
/// of what is earlier, the last sample is used as the one before. Buckets that begin at `from` or later and end at `until` or
/// earlier are rolled up; a bucket without samples has no point.
///
/// `open` is the stored block that the points are to be appended to, if it has fewer than [`points_of`] points. The first
/// block that is given takes its place; further ones are new. Nothing is given where there is no new point.
///
/// # Errors
///
/// [`Damaged`] where `open` is; then call again without it.
pub(crate) fn roll_up(
    tier: Tier,
    open: Option<&[u8]>,
    source: &[Block],
    from: Millis,
    until: Millis,
    rules: &Rules<'_>,
) -> Result<Vec<Sealed>, Damaged> {
    let _ = (tier, open, source, from, until, rules);
    Ok(Vec::new())
}

/// Which columns of a rolled-up block have to be decoded for a series: its own and the row's.
pub(crate) fn needs(key: ColumnKey, series: SeriesId) -> bool {
    key.series == series || key.series == SeriesId::ROW
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

/// The points of a series in a decoded block of a rolled-up tier, one for each of its times.
pub(crate) fn points(block: &Block, series: SeriesId, counter: bool) -> Vec<Option<Point>> {
    let _ = (series, counter);
    vec![None; block.times.len()]
}

/// What holds for all series of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// How many samples it has.
    pub(crate) samples: u64,
    /// How many milliseconds lie between adjacent samples of which the later is in the bucket: what an increase is divided
    /// by for a rate.
    pub(crate) covered: Millis,
}

/// The coverage of each bucket of a decoded block of a rolled-up tier.
pub(crate) fn coverage(block: &Block, tier: Tier) -> Vec<Coverage> {
    let _ = tier;
    vec![Coverage { samples: 0, covered: 0 }; block.times.len()]
}
