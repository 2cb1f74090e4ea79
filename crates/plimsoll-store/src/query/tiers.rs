//! Which tier answers a question.

use crate::fetch::Source;
use crate::query::select::{Chosen, Newest};
use crate::query::{MAX_POINTS, Rank};
use crate::{Error, Millis, Range, Tier};

/// How many samples and points are read for the figures of a window, over all lines, before a coarser tier is taken.
const WINDOW_POINTS: Millis = 500_000;

/// The fewest points of a tier that a window is ranked by, where one tier has so many.
const RANK_POINTS: Millis = 100;

/// The coarsest tier whose points fit into a step.
pub(crate) fn of_step(step: Millis) -> Tier {
    let fits = |tier: &Tier| tier.step().is_none_or(|points| step % points == 0);
    Tier::ALL.into_iter().rev().find(fits).unwrap_or(Tier::Raw)
}

/// The finest tier that does not have too many points in a window.
pub(crate) fn of_window(window: Range, interval: Millis, lines: usize) -> Tier {
    let lines = Millis::try_from(lines).unwrap_or(Millis::MAX).max(1);
    let most = (WINDOW_POINTS / lines).min(Millis::try_from(MAX_POINTS).unwrap_or(Millis::MAX));
    let fits = |tier: &Tier| window.length() / tier.step().unwrap_or(interval.max(1)) <= most;
    Tier::ALL.into_iter().find(fits).unwrap_or(Tier::Hour)
}

/// The coarsest tier that has enough points in a window to rank by it. A percentile wants them as fine as they can be had.
pub(crate) fn of_rank(rank: Rank, window: Range, interval: Millis, lines: usize) -> Tier {
    if rank == Rank::P95 {
        return of_window(window, interval, lines);
    }
    let is_enough = |tier: &Tier| tier.step().is_none_or(|step| window.length() / step >= RANK_POINTS);
    Tier::ALL.into_iter().rev().find(is_enough).unwrap_or(Tier::Raw)
}

/// The same tier, or the next coarser one that reaches further back within the range, for any of the containers.
pub(crate) fn reaching_back(
    source: Source<'_>,
    newest: &Newest,
    chosen: &[Chosen],
    range: Range,
    tier: Tier,
) -> Result<Tier, Error> {
    let mut taken = tier;
    for member in chosen.iter().flat_map(|chosen| &chosen.members) {
        let asked_from = range.from.max(member.range.from);
        // Where begins what is taken, finer tiers included: they stand in for what is not rolled up.
        let mut begin = newest.get(&member.container).map(|(first, _)| *first);
        for candidate in Tier::ALL {
            if candidate > taken && begin.is_some_and(|begin| begin <= asked_from) {
                break;
            }
            let first = source.first(candidate, member.container)?;
            let Some(first) = first.filter(|first| *first < range.until) else { continue };
            let step = candidate.step().unwrap_or(1);
            // A point begins before the samples in it; that alone is no further back.
            let is_further = begin.is_none_or(|begin| first < begin.div_euclid(step).saturating_mul(step));
            if candidate <= taken {
                begin = Some(begin.map_or(first, |begin| begin.min(first)));
            } else if is_further {
                taken = candidate;
                begin = Some(first);
            }
        }
    }
    Ok(taken)
}

/// A step that a tier's points fit into: the one that is asked for, or the next longer.
pub(crate) fn raised(step: Millis, tier: Tier) -> Millis {
    let points = tier.step().unwrap_or(1);
    step.saturating_add(points - 1).div_euclid(points).saturating_mul(points)
}
