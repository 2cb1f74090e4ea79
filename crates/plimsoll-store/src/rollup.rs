//! Coarser tiers: points for ten seconds, a minute, an hour.
//!
//! A point stands for a *bucket*: the time from a multiple of the tier's step since 1970 to the next. Of each series it has
//! the last value, the least, the largest, the mean, how many there are; of a counter, how much it grew instead of least,
//! largest and mean. In a minute's or an hour's point all of that is exact, but for the mean, which is the mean of rounded
//! means.
//!
//! Two samples are *adjacent* where they follow each other and are not farther apart than [`gap`](crate::point::gap). What a counter grew by is
//! the sum over its adjacent samples of which the later is in the bucket: later less earlier or, after a fall, later, for a
//! reset counts from zero. Over a longer gap it is not known what a counter did, so nothing is counted. The time between
//! adjacent samples is *covered*; a rate is an increase divided by that.
//!
//! In a block, [`Stat::Last`] is the value itself, and the other columns are what is beyond the expected, so that a series
//! that does not change has nothing there: last less least, largest less last, mean less last (folded), the samples of the
//! row less those of the series, increase less what last is over the last before it in the block (folded; the first point of
//! a series in a block expects 0; one less than that before is expected to be a reset). [`SeriesId::ROW`] has the samples of the row and, folded, what is covered less the step.

use crate::block::{Block, ColumnKey, MAX_CELLS, MAX_COLUMNS, Sealed, SeriesId, Stat};
use crate::frame::Damaged;
use crate::open::OpenColumns;
use crate::point::{Coverage, Point, Rules, grown};
use crate::source::{Bucket, Source};
use crate::tier::{Millis, Tier};
use crate::varint::{difference, zigzag};

/// How many points a block of this tier has, at most: then a new one begins.
pub(crate) const fn points_of(tier: Tier) -> usize {
    match tier {
        Tier::Raw => crate::block::MAX_SAMPLES,
        Tier::TenSeconds => 360,
        Tier::Minute | Tier::Hour => 240,
    }
}

/// Rolls blocks of the finer tier up to `tier`. `source` is in order of time, without overlaps, and has (at least)
/// everything from `from` on; of what is earlier, the samples not longer than [`gap`](crate::point::gap) before `from` are looked at, too.
/// Buckets that begin at `from` or later and end at `until` or earlier are rolled up; one without samples has no point.
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
    let Some(step) = tier.step() else { return Ok(Vec::new()) };
    let mut block = match open {
        Some(bytes) => OpenColumns::resume(bytes)?,
        None => OpenColumns::new(step),
    };
    let from = block.times().last().map_or(from, |last| from.max(last.saturating_add(step)));
    let source = Source::new(tier, source, rules);
    let series = source.series();
    let mut sealed = Vec::new();
    let buckets = source.buckets(step, from, until);
    let is_full = |block: &OpenColumns| block.times().len() >= points_of(tier);
    let mut left = buckets.as_slice();
    while !left.is_empty() {
        let (now, later) = left.split_at(room(&block, series.len(), tier).min(left.len()));
        append(&mut block, &source, &series, now, step);
        left = later;
        if !left.is_empty() {
            sealed.push(block.seal_points(is_full(&block)));
            block = OpenColumns::new(step);
        }
    }
    if !buckets.is_empty() {
        sealed.push(block.seal_points(is_full(&block)));
    }
    Ok(sealed)
}

/// How many points can be appended to a block, of so many series that may be new in it.
fn room(block: &OpenColumns, series: usize, tier: Tier) -> usize {
    let columns = block.columns.len() + Stat::ALL.len() * (series + 1);
    let points = if columns > MAX_COLUMNS { 0 } else { points_of(tier).min(MAX_CELLS / columns) };
    let left = points.saturating_sub(block.times().len());
    // A new block takes at least one point of any row: MAX_ROW is that small.
    if block.times().is_empty() { left.max(1) } else { left }
}

/// Appends the points of these buckets. There is [`room`] for them.
fn append(
    block: &mut OpenColumns,
    source: &Source<'_>,
    series: &[SeriesId],
    buckets: &[Bucket],
    step: Millis,
) {
    let from = block.next();
    let rows: Vec<Coverage> = buckets.iter().map(|bucket| source.coverage(bucket)).collect();
    for bucket in buckets {
        block.push_time(bucket.start);
    }
    let row = |stat| ColumnKey { series: SeriesId::ROW, stat };
    block.append(row(Stat::Count), from, rows.iter().map(|row| Some(row.samples)));
    block.append(row(Stat::Covered), from, rows.iter().map(|row| Some(zigzag(row.covered - step))));
    // Series that are only in the block have no value any more.
    block.end_all_but(series, from);
    for &series in series {
        let column = |stat| ColumnKey { series, stat };
        let points = source.points(series, buckets);
        let mut before = block.last_of(column(Stat::Last));
        block.append(column(Stat::Last), from, points.iter().map(|point| Some(point.as_ref()?.last)));
        let mut append = |stat, of: &mut dyn FnMut(&Point, &Coverage) -> u64| {
            let points = points.iter().zip(&rows);
            let values = points.map(|(point, row)| Some(of(point.as_ref()?, row)));
            block.append(column(stat), from, values);
        };
        append(Stat::Count, &mut |point, row| row.samples.wrapping_sub(point.count));
        if source.is_counter(series) {
            append(Stat::Increase, &mut |point, _| {
                let expected = before.map_or(0, |before| grown(before, point.last));
                before = Some(point.last);
                difference(expected, point.increase)
            });
        } else {
            append(Stat::Min, &mut |point, _| point.last.wrapping_sub(point.min));
            append(Stat::Max, &mut |point, _| point.max.wrapping_sub(point.last));
            append(Stat::Mean, &mut |point, _| difference(point.last, point.mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::chunk::Chunk;
    use crate::point::{WorkingSet, coverage, points};

    const GAUGE: SeriesId = SeriesId(1);
    const COUNTER: SeriesId = SeriesId(2);
    const USAGE: SeriesId = SeriesId(3);
    const INACTIVE: SeriesId = SeriesId(4);
    const WORKING_SET: SeriesId = SeriesId(9);
    const STORED: [SeriesId; 4] = [GAUGE, COUNTER, USAGE, INACTIVE];

    type Values = BTreeMap<SeriesId, u64>;

    fn rules() -> Rules<'static> {
        let working_set = WorkingSet { series: WORKING_SET, usage: USAGE, inactive_file: INACTIVE };
        Rules { counter: &|series| series == COUNTER, working_set: Some(working_set) }
    }

    /// Samples of a container: as a rule a second apart, sometimes with gaps around the one that still counts as adjacent, or
    /// long ones; with series that come and go, and counters that grow, stand and fall.
    fn samples() -> impl Strategy<Value = Vec<(Millis, Values)>> {
        let step = prop_oneof![
            20 => 995_i64..1005,
            2 => 2490_i64..2510,
            2 => Just(10_000_i64),
            1 => 1_i64..4_000_000,
        ];
        let value = |small: u64| prop_oneof![4 => Just(None), 30 => (0..small).prop_map(Some), 1 => any::<u64>().prop_map(Some)];
        // A growth as large as this is a reset in most cases.
        let reset = Just(Some(u64::MAX));
        let growth = prop_oneof![3 => Just(Some(0)), 9 => value(20), 1 => reset];
        let row = (value(5), growth, value(50), value(60));
        let row = row.prop_map(|(gauge, growth, usage, inactive)| [gauge, growth, usage, inactive]);
        (any::<u32>(), proptest::collection::vec((step, row), 1..150)).prop_map(|(at, rows)| {
            let mut at = Millis::from(at) - 1_000_000_000;
            let mut counter = 0_u64;
            let mut samples = Vec::new();
            for (step, mut row) in rows {
                at += step;
                // What would grow beyond its range begins anew.
                row[1] = row[1].map(|growth| {
                    counter = counter.checked_add(growth).unwrap_or(growth % 7);
                    counter
                });
                let values = STORED.into_iter().zip(row).filter_map(|(series, value)| Some((series, value?)));
                samples.push((at, values.collect()));
            }
            samples
        })
    }

    /// What a bucket is, straight from the samples: coverage, and the point of each series.
    fn expected(
        samples: &[(Millis, Values)],
        start: Millis,
        step: Millis,
    ) -> (Coverage, BTreeMap<SeriesId, Point>) {
        let inside = |at: Millis| (start..start + step).contains(&at);
        let mut row = Coverage::default();
        let mut points = BTreeMap::new();
        for (number, (at, _)) in samples.iter().enumerate().filter(|(_, (at, _))| inside(*at)) {
            row.samples += 1;
            let before = number.checked_sub(1).map(|before| samples[before].0);
            row.covered += before.map(|before| at - before).filter(|time| *time <= 2500).unwrap_or(0);
        }
        for series in STORED.into_iter().chain([WORKING_SET]) {
            let value = |values: &Values| {
                if series == WORKING_SET {
                    let (usage, inactive) = (*values.get(&USAGE)?, *values.get(&INACTIVE)?);
                    return Some(if inactive < usage { usage - inactive } else { usage });
                }
                values.get(&series).copied()
            };
            let all: Vec<(Millis, u64)> =
                samples.iter().filter_map(|(at, values)| Some((*at, value(values)?))).collect();
            let here: Vec<u64> = all.iter().filter(|(at, _)| inside(*at)).map(|(_, value)| *value).collect();
            let Some(&last) = here.last() else { continue };
            let grown = |pair: &[(Millis, u64)]| {
                let [(then, before), (now, after)] = [pair[0], pair[1]];
                match inside(now) && now - then <= 2500 {
                    true if after >= before => after - before,
                    true => after,
                    false => 0,
                }
            };
            let count = here.len() as u64;
            let total: u128 = here.iter().copied().map(u128::from).sum();
            let mean = u64::try_from((total + u128::from(count) / 2) / u128::from(count)).unwrap();
            let (min, max) = (here.iter().copied().min().unwrap(), here.iter().copied().max().unwrap());
            let increase = all.windows(2).map(grown).fold(0_u64, u64::wrapping_add);
            let point = match series {
                COUNTER => Point { last, min: last, max: last, mean: last, count, increase },
                _ => Point { last, min, max, mean, count, increase: 0 },
            };
            points.insert(series, point);
        }
        (row, points)
    }

    /// Blocks of a tier as they are stored, with what is rolled up of them.
    struct Stored {
        tier: Tier,
        blocks: Vec<Sealed>,
    }

    impl Stored {
        /// As the writer does it.
        fn roll_up(&mut self, source: &[Block], until: Millis) {
            let open = self.blocks.last().filter(|block| (block.samples as usize) < points_of(self.tier));
            let is_open = open.is_some();
            let from = self.blocks.last().map_or(Millis::MIN, |block| block.last + self.tier.step().unwrap());
            let open = open.map(|block| block.bytes.as_slice());
            let rolled = roll_up(self.tier, open, source, from, until, &rules()).unwrap();
            if is_open && !rolled.is_empty() {
                self.blocks.pop();
            }
            self.blocks.extend(rolled);
        }

        fn read(&self) -> Vec<Block> {
            self.blocks.iter().map(|block| Block::decode(&block.bytes, |_| true).unwrap()).collect()
        }
    }

    /// How far two means may differ: by half for each time one was rounded.
    fn check(
        tier: &Stored,
        samples: &[(Millis, Values)],
        until: Millis,
        rounding: u64,
    ) -> Result<(), TestCaseError> {
        let step = tier.tier.step().unwrap();
        let mut starts: Vec<Millis> = samples.iter().map(|(at, _)| at - at.rem_euclid(step)).collect();
        starts.dedup();
        starts.retain(|start| start + step <= until);
        let blocks = tier.read();
        let times: Vec<Millis> = blocks.iter().flat_map(|block| block.times.clone()).collect();
        prop_assert_eq!(&times, &starts);
        for block in &blocks {
            prop_assert!(block.times.len() <= points_of(tier.tier));
            let rows = coverage(block, tier.tier);
            for series in STORED.into_iter().chain([WORKING_SET]) {
                let found = points(block, series, series == COUNTER);
                for (at, start) in block.times.iter().enumerate() {
                    let (row, mut wanted) = expected(samples, *start, step);
                    prop_assert_eq!(rows[at], row);
                    let mut found = found[at];
                    if let (Some(found), Some(wanted)) = (&mut found, wanted.get(&series)) {
                        prop_assert!(found.mean.abs_diff(wanted.mean) <= rounding);
                        found.mean = wanted.mean;
                    }
                    prop_assert_eq!(found, wanted.remove(&series), "series {:?} at {}", series, start);
                }
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn points_are_what_the_samples_were(samples in samples(), cuts in proptest::collection::vec(1_usize..60, 150)) {
            let mut tiers = Tier::ALL[1..].iter().map(|&tier| Stored { tier, blocks: Vec::new() }).collect::<Vec<_>>();
            let mut raw = Vec::new();
            let mut left = samples.as_slice();
            let mut until = 0;
            for cut in cuts {
                if left.is_empty() {
                    break;
                }
                let (now, later) = left.split_at(cut.min(left.len()));
                left = later;
                let mut chunk = Chunk::new(1000);
                for (at, values) in now {
                    let row: Vec<(SeriesId, u64)> = values.iter().map(|(series, value)| (*series, *value)).collect();
                    prop_assert!(chunk.push(*at, &row));
                }
                raw.push(chunk.read(|_| true));
                until = now.last().map_or(until, |(at, _)| *at);
                let mut source = raw.clone();
                for tier in &mut tiers {
                    tier.roll_up(&source, until);
                    source = tier.read();
                }
            }
            for (tier, rounding) in tiers.iter().zip([0, 1, 2]) {
                check(tier, &samples, until, rounding)?;
            }
        }
    }

    #[test]
    fn a_block_that_is_full_is_followed_by_another() {
        let mut chunk = Chunk::new(10_000);
        for (at, value) in (0..10_000_000).step_by(10_000).zip([0, 1, 2].into_iter().cycle()) {
            assert!(chunk.push(at, &[(GAUGE, value)]));
        }
        let source = [chunk.read(|_| true)];
        let first = roll_up(Tier::TenSeconds, None, &source, 0, 5_000_000, &rules()).unwrap();
        assert_eq!(first.iter().map(|block| block.samples).collect::<Vec<_>>(), [360, 140]);
        let open = Some(first[1].bytes.as_slice());
        let next = roll_up(Tier::TenSeconds, open, &source, 0, 10_000_000, &rules()).unwrap();
        assert_eq!(next.iter().map(|block| block.samples).collect::<Vec<_>>(), [360, 280]);
        assert_eq!((next[0].first, next[0].last, next[0].values), (3_600_000, 7_190_000, 360));
        assert_eq!(roll_up(Tier::TenSeconds, open, &source, 0, 5_000_000, &rules()).unwrap(), []);
    }

    #[test]
    fn a_series_that_does_not_change_costs_nothing() {
        let mut chunk = Chunk::new(1000);
        let row: Vec<(SeriesId, u64)> =
            (1..100).map(|series| (SeriesId(series), u64::from(series % 3))).collect();
        for n in 0..1200 {
            assert!(chunk.push(n * 1000, &row));
        }
        let source = [chunk.read(|_| true)];
        let rolled = roll_up(Tier::TenSeconds, None, &source, 0, 1_200_000, &rules()).unwrap();
        let columns = Block::columns_of(&rolled[0].bytes).unwrap();
        assert!(
            columns.iter().all(|(key, _)| key.stat == Stat::Last || key.series == SeriesId::ROW),
            "{columns:?}"
        );
        assert!(rolled[0].bytes.len() < 400, "{} bytes", rolled[0].bytes.len());
    }
}
