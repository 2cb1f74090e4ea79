//! What a coarser tier is made of: samples, or points of the tier before, of one container, one after the other.

use std::ops::Range;

use crate::block::{Block, Column, ColumnKey, SeriesId, Stat};
use crate::point::{Coverage, Point, Rules, gap, grown, points_from};
use crate::tier::{Millis, Tier};

/// Blocks in order of time.
pub(crate) struct Source<'a> {
    /// Whether the blocks have samples, not points.
    is_raw: bool,
    blocks: &'a [Block],
    rules: &'a Rules<'a>,
    samples: Vec<Sample>,
}

/// One time of one of the blocks.
struct Sample {
    at: Millis,
    block: usize,
    /// Which of the block's times.
    position: usize,
    /// What is known of the row.
    row: Coverage,
}

/// The samples of one bucket.
pub(crate) struct Bucket {
    /// When it begins.
    pub(crate) start: Millis,
    samples: Range<usize>,
}

impl<'a> Source<'a> {
    /// What points of this tier are made of.
    pub(crate) fn new(tier: Tier, blocks: &'a [Block], rules: &'a Rules<'a>) -> Self {
        let finer = tier.finer().unwrap_or(Tier::Raw);
        let is_raw = finer == Tier::Raw;
        let mut samples: Vec<Sample> = Vec::with_capacity(blocks.iter().map(|block| block.times.len()).sum());
        for (number, block) in blocks.iter().enumerate() {
            let rows = if is_raw { Vec::new() } else { crate::point::coverage(block, finer) };
            for (position, &at) in block.times.iter().enumerate() {
                let before = samples.last().map(|sample| sample.at);
                // Blocks that overlap are the caller's mistake; nothing is counted twice.
                if before.is_some_and(|before| at <= before) {
                    continue;
                }
                let adjacent = before.filter(|before| at.saturating_sub(*before) <= gap(block.interval));
                let row = match rows.get(position) {
                    Some(row) => *row,
                    None => Coverage { samples: 1, covered: adjacent.map_or(0, |before| at - before) },
                };
                samples.push(Sample { at, block: number, position, row });
            }
        }
        Self { is_raw, blocks, rules, samples }
    }

    /// Every series that has a point, ascending.
    pub(crate) fn series(&self) -> Vec<SeriesId> {
        let columns = self.blocks.iter().flat_map(|block| &block.columns);
        let mut series: Vec<SeriesId> = columns
            .filter(|column| column.key.stat == Stat::Last && column.key.series != SeriesId::ROW)
            .map(|column| column.key.series)
            .collect();
        if let Some(working_set) = self.rules.working_set.filter(|_| self.is_raw) {
            series.push(working_set.series);
        }
        series.sort_unstable();
        series.dedup();
        series
    }

    pub(crate) fn is_counter(&self, series: SeriesId) -> bool {
        (self.rules.counter)(series)
    }

    /// The buckets that have samples and lie between these times.
    pub(crate) fn buckets(&self, step: Millis, from: Millis, until: Millis) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for (number, sample) in self.samples.iter().enumerate() {
            let start = sample.at.saturating_sub(sample.at.rem_euclid(step));
            if start < from || start.saturating_add(step) > until {
                continue;
            }
            match buckets.last_mut() {
                Some(bucket) if bucket.start == start => bucket.samples.end = number + 1,
                _ => buckets.push(Bucket { start, samples: number..number + 1 }),
            }
        }
        buckets
    }

    /// What is known of the rows of a bucket.
    pub(crate) fn coverage(&self, bucket: &Bucket) -> Coverage {
        let mut sum = Coverage::default();
        for sample in self.samples.get(bucket.samples.clone()).unwrap_or_default() {
            sum.samples = sum.samples.saturating_add(sample.row.samples);
            sum.covered = sum.covered.saturating_add(sample.row.covered);
        }
        sum
    }

    /// The points of a series in these buckets, which follow each other.
    pub(crate) fn points(&self, series: SeriesId, buckets: &[Bucket]) -> Vec<Option<Point>> {
        if self.is_raw {
            self.points_of_samples(series, buckets)
        } else {
            self.points_of_points(series, buckets)
        }
    }

    fn points_of_points(&self, series: SeriesId, buckets: &[Bucket]) -> Vec<Option<Point>> {
        let is_counter = self.is_counter(series);
        // The first that is needed; those before it are not worked out.
        let first = buckets.first().and_then(|bucket| self.samples.get(bucket.samples.start));
        let start = |number| match first {
            Some(first) if first.block == number => first.position,
            Some(first) if first.block < number => 0,
            _ => usize::MAX,
        };
        let blocks = self.blocks.iter().enumerate();
        let points: Vec<_> =
            blocks.map(|(number, block)| points_from(block, series, is_counter, start(number))).collect();
        let point = |sample: &Sample| {
            let position = sample.position.checked_sub(start(sample.block))?;
            *points.get(sample.block)?.get(position)?
        };
        let of = |bucket: &Bucket| {
            let samples = self.samples.get(bucket.samples.clone()).unwrap_or_default();
            samples.iter().filter_map(point).map(Sum::of).reduce(Sum::and).map(Sum::point)
        };
        buckets.iter().map(of).collect()
    }

    fn points_of_samples(&self, series: SeriesId, buckets: &[Bucket]) -> Vec<Option<Point>> {
        let is_counter = self.is_counter(series);
        let values = self.values(series);
        let value =
            |sample: &Sample| values.get(sample.block).and_then(|values| values.value(sample.position));
        let mut before: Option<(Millis, u64)> = None;
        if let Some(first) = buckets.first().filter(|_| is_counter) {
            let earlier = self.samples.get(..first.samples.start).unwrap_or_default();
            let mut near =
                earlier.iter().rev().take_while(|sample| first.start - sample.at <= self.gap(sample));
            before = near.find_map(|sample| Some((sample.at, value(sample)?)));
        }
        let of = |bucket: &Bucket| {
            let samples = self.samples.get(bucket.samples.clone()).unwrap_or_default();
            // Most numbers do not change, and then there is nothing to add up.
            let same = samples.first().zip(samples.last()).and_then(|(first, last)| {
                let values = values.get(first.block).filter(|_| first.block == last.block)?;
                Some((values.same(first.position..last.position + 1)?, last.at))
            });
            match same {
                Some((None, _)) => return None,
                Some((Some(value), at)) if before.is_none_or(|(_, then)| then == value) => {
                    before = is_counter.then_some((at, value));
                    let count = samples.len() as u64;
                    return Some(Point {
                        last: value,
                        min: value,
                        max: value,
                        mean: value,
                        count,
                        increase: 0,
                    });
                }
                _ => {}
            }
            let mut sum: Option<Sum> = None;
            for sample in samples {
                let Some(value) = value(sample) else { continue };
                let mut increase = 0;
                if is_counter {
                    let adjacent = before.filter(|(at, _)| sample.at.saturating_sub(*at) <= self.gap(sample));
                    increase = adjacent.map_or(0, |(_, then)| grown(then, value));
                    before = Some((sample.at, value));
                }
                let next =
                    Sum::of(Point { last: value, min: value, max: value, mean: value, count: 1, increase });
                sum = Some(sum.map_or(next, |sum| sum.and(next)));
            }
            sum.map(Sum::point)
        };
        buckets.iter().map(of).collect()
    }

    /// How far the sample before may be away.
    fn gap(&self, sample: &Sample) -> Millis {
        self.blocks.get(sample.block).map_or(0, |block| gap(block.interval))
    }

    /// Of each block, the values of a series.
    fn values(&self, series: SeriesId) -> Vec<Values<'a>> {
        let column = |block: &'a Block, series| block.column(ColumnKey::last(series)).map(values_of);
        let working_set = self.rules.working_set.filter(|working_set| working_set.series == series);
        let of = |block: &'a Block| match working_set {
            Some(set) => {
                Values { column: column(block, set.usage), less: Some(column(block, set.inactive_file)) }
            }
            None => Values { column: column(block, series), less: None },
        };
        self.blocks.iter().map(of).collect()
    }
}

/// The values of a series in a block: a column, perhaps less another.
struct Values<'a> {
    column: Option<&'a [Option<u64>]>,
    less: Option<Option<&'a [Option<u64>]>>,
}

fn values_of(column: &Column) -> &[Option<u64>] {
    &column.values
}

impl Values<'_> {
    /// The value at all of these positions, if it is the same. Not looked for in differences.
    fn same(&self, positions: Range<usize>) -> Option<Option<u64>> {
        let Some(column) = self.column else { return Some(None) };
        let (first, others) = column.get(positions).filter(|_| self.less.is_none())?.split_first()?;
        others.iter().all(|value| value == first).then_some(*first)
    }

    #[inline]
    fn value(&self, at: usize) -> Option<u64> {
        let value = *self.column?.get(at)?;
        match self.less {
            None => value,
            // As `ContainerRow::derive` has it: a cache that seems larger than all is not believed.
            Some(less) => {
                let (value, less) = (value?, (*less?.get(at)?)?);
                Some(if less < value { value - less } else { value })
            }
        }
    }
}

/// A point that is being added up.
#[derive(Clone, Copy)]
struct Sum {
    point: Point,
    /// The means, each as often as it has samples.
    total: u128,
}

impl Sum {
    fn of(point: Point) -> Self {
        Self { point, total: u128::from(point.mean) * u128::from(point.count) }
    }

    /// The two together; `next` is later.
    fn and(self, next: Self) -> Self {
        let (one, two) = (self.point, next.point);
        let point = Point {
            last: two.last,
            min: one.min.min(two.min),
            max: one.max.max(two.max),
            mean: two.mean,
            count: one.count.saturating_add(two.count),
            increase: one.increase.wrapping_add(two.increase),
        };
        Self { point, total: self.total.saturating_add(next.total) }
    }

    fn point(self) -> Point {
        let point = self.point;
        if point.min == point.max || point.count == 0 {
            return point;
        }
        let count = u128::from(point.count);
        let rounded = self.total.saturating_add(count / 2);
        // Dividing 64 bits is much faster, and nearly always enough.
        let mean = match u64::try_from(rounded) {
            Ok(rounded) => rounded / point.count,
            Err(_) => u64::try_from(rounded / count).unwrap_or(u64::MAX),
        };
        Point { mean, ..point }
    }
}
