//! Rolling up: when and from which blocks the coarser tiers of a container grow. How points are made is `rollup.rs`'s.

use std::collections::HashMap;

use crate::block::{Block, Column, SeriesId};
use crate::error::Error;
use crate::file::{BlockHead, File};
use crate::hot::SEAL_EVERY;
use crate::point::{Rules, WorkingSet, gap};
use crate::rollup::{points_of, roll_up};
use crate::{Millis, Range, Tier};

/// How far the minutes stay behind: they are rolled up from several blocks of samples at once, which spares rewriting.
const MINUTE_BEHIND: Millis = 4 * SEAL_EVERY;

/// Samples that begin so much before the end of what was rolled up were taken after the clock was set back: their points are
/// made anew. Of smaller steps only the samples are kept.
const STEP_BACK: Millis = 60_000;

/// Rolls up, and remembers where each tier ends.
#[derive(Debug, Default)]
pub(crate) struct Roller {
    ends: HashMap<(u32, Tier), End>,
    pub(crate) counters: Vec<bool>,
    pub(crate) working_set: Option<WorkingSet>,
    /// What was written since somebody last asked.
    pub(crate) written: Written,
}

/// Counts of writing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) damaged: u64,
}

/// Where a tier of a container ends.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The block that grows.
    head: Option<BlockHead>,
    /// Until when it is rolled up; `None` where nothing is.
    until: Option<Millis>,
}

impl Roller {
    /// Forgets what it remembers: after a transaction that failed, it may be wrong.
    pub(crate) fn forget(&mut self) {
        self.ends.clear();
    }

    /// Forgets one container's.
    pub(crate) fn forget_container(&mut self, container: u32) {
        self.ends.retain(|(of, _), _| *of != container);
    }

    /// Rolls up what a new block of samples completes. `first` is its first sample; until `until`, no sample is missing.
    pub(crate) fn sealed(
        &mut self,
        file: &File,
        interval: Millis,
        container: u32,
        first: Millis,
        until: Millis,
    ) -> Result<(), Error> {
        self.tier(file, interval, container, Tier::TenSeconds, first, floor(until, Tier::TenSeconds))?;
        let ten = self.until(file, container, Tier::TenSeconds)?.unwrap_or(Millis::MIN);
        let minute = self.until(file, container, Tier::Minute)?.unwrap_or(Millis::MIN);
        let stepped_back = minute.saturating_sub(ten) > STEP_BACK;
        if stepped_back || ten.saturating_sub(minute) >= MINUTE_BEHIND {
            self.coarser(file, interval, container, floor(ten, Tier::Minute), |minute| {
                floor(minute, Tier::Hour)
            })?;
        }
        Ok(())
    }

    /// Rolls up all that there is of a container that will not have any more samples.
    pub(crate) fn finish(&mut self, file: &File, interval: Millis, container: u32) -> Result<(), Error> {
        let Some(last) = file.last_time(Tier::Raw, container)? else { return Ok(()) };
        let next = |tier: Tier| floor(last, tier).saturating_add(tier.step().unwrap_or(0));
        self.tier(file, interval, container, Tier::TenSeconds, last, next(Tier::TenSeconds))?;
        self.coarser(file, interval, container, next(Tier::Minute), |_| next(Tier::Hour))?;
        self.forget_container(container);
        Ok(())
    }

    fn coarser(
        &mut self,
        file: &File,
        interval: Millis,
        container: u32,
        until: Millis,
        hour: impl Fn(Millis) -> Millis,
    ) -> Result<(), Error> {
        let first = |head: Option<BlockHead>| head.map_or(Millis::MAX, |head| head.first);
        let ten = first(self.end(file, container, Tier::TenSeconds)?.head);
        self.tier(file, interval, container, Tier::Minute, ten, until)?;
        let minute = self.end(file, container, Tier::Minute)?;
        let until = hour(minute.until.unwrap_or(Millis::MIN));
        self.tier(file, interval, container, Tier::Hour, first(minute.head), until)
    }

    /// Rolls the finer tier up to `tier` until a moment. `first` is where the newest block of the finer tier begins.
    fn tier(
        &mut self,
        file: &File,
        interval: Millis,
        container: u32,
        tier: Tier,
        first: Millis,
        until: Millis,
    ) -> Result<(), Error> {
        let Some(finer) = tier.finer() else { return Ok(()) };
        let mut end = self.end(file, container, tier)?;
        if end.until.is_some_and(|end| end.saturating_sub(until) > STEP_BACK) {
            end = End { head: None, until: Some(floor(first, tier)) };
        }
        let from = end.until.unwrap_or(Millis::MIN);
        if until <= from {
            return Ok(());
        }
        let mut source = Vec::new();
        let mut damaged = Vec::new();
        // With the sample before the first bucket, which its counters grew from.
        let range = Range { from: from.saturating_sub(gap(interval)), until };
        self.written.damaged +=
            file.blocks(finer, container, range, |head, bytes| match Block::decode(bytes, |_| true) {
                Ok(block) => source.push(block),
                Err(_) => damaged.push(*head),
            })?;
        for head in &damaged {
            file.delete_block(head)?;
            self.written.damaged += 1;
        }
        let source = in_order(source);
        let Some(earliest) = source.first().and_then(|block| block.times.first()) else { return Ok(()) };
        let from = from.max(floor(*earliest, tier));
        let mut open = match end.head.filter(|head| (head.samples as usize) < points_of(tier)) {
            Some(head) => file.block_bytes(head.data)?.map(|bytes| (head, bytes)),
            None => None,
        };
        let counter = |series: SeriesId| {
            usize::try_from(series.0)
                .ok()
                .and_then(|index| self.counters.get(index))
                .copied()
                .unwrap_or(false)
        };
        let rules = Rules { counter: &counter, working_set: self.working_set };
        let grown = roll_up(tier, open.as_ref().map(|(_, bytes)| &**bytes), &source, from, until, &rules);
        let sealed = match grown {
            Ok(sealed) => sealed,
            Err(_) => {
                if let Some((head, _)) = open.take() {
                    file.delete_block(&head)?;
                    self.written.damaged += 1;
                }
                roll_up(tier, None, &source, from, until, &rules).unwrap_or_default()
            }
        };
        let mut open = open.map(|(head, _)| head);
        for sealed in &sealed {
            self.written.bytes += sealed.bytes.len() as u64;
            let head = match open.take() {
                Some(head) => file.replace_block(&head, sealed)?,
                None => file.put_block(tier, container, sealed)?,
            };
            end.head = Some(head);
        }
        end.until = Some(until);
        self.ends.insert((container, tier), end);
        Ok(())
    }

    fn until(&mut self, file: &File, container: u32, tier: Tier) -> Result<Option<Millis>, Error> {
        Ok(self.end(file, container, tier)?.until)
    }

    fn end(&mut self, file: &File, container: u32, tier: Tier) -> Result<End, Error> {
        if let Some(end) = self.ends.get(&(container, tier)) {
            return Ok(*end);
        }
        let head = file.last_block(tier, container)?.map(|(head, _)| head);
        let until = head.map(|head| head.last.saturating_add(tier.step().unwrap_or(0)));
        let end = End { head, until };
        self.ends.insert((container, tier), end);
        Ok(end)
    }
}

/// Where the point of a tier begins that has this moment.
fn floor(at: Millis, tier: Tier) -> Millis {
    let step = tier.step().unwrap_or(1);
    at.saturating_sub(at.rem_euclid(step))
}

/// Blocks in the order of their writing as blocks in order of time: where two overlap, the later written holds.
fn in_order(blocks: Vec<Block>) -> Vec<Block> {
    let ends = |block: &Block| block.times.first().copied().zip(block.times.last().copied());
    let overlap = |(_, last): (Millis, Millis), next: (Millis, Millis)| last < next.0;
    if blocks
        .iter()
        .map(ends)
        .collect::<Option<Vec<_>>>()
        .is_some_and(|spans| spans.is_sorted_by(|a, b| overlap(*a, *b)))
    {
        return blocks;
    }
    let mut pieces = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let later: Vec<_> = blocks.iter().skip(index + 1).filter_map(ends).collect();
        let holds = |at: Millis| !later.iter().any(|(first, last)| (*first..=*last).contains(&at));
        let mut from = 0;
        while from < block.times.len() {
            let rest = block.times.get(from..).unwrap_or_default();
            let length = rest.iter().take_while(|at| holds(**at)).count();
            if length > 0 {
                pieces.push(slice(block, from..from + length));
            }
            from += length.max(1);
        }
    }
    pieces.sort_by_key(|block| block.times.first().copied());
    pieces
}

fn slice(block: &Block, range: std::ops::Range<usize>) -> Block {
    let column = |column: &Column| Column {
        key: column.key,
        values: column.values.get(range.clone()).unwrap_or_default().to_vec(),
    };
    Block {
        interval: block.interval,
        times: block.times.get(range.clone()).unwrap_or_default().to_vec(),
        columns: block.columns.iter().map(column).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_blocks_that_overlap_the_later_written_holds() {
        let block = |times: &[Millis]| Block { times: times.to_vec(), ..Block::default() };
        let times = |blocks: Vec<Block>| blocks.into_iter().map(|block| block.times).collect::<Vec<_>>();
        assert_eq!(times(in_order(vec![block(&[1, 2]), block(&[3, 4])])), [[1, 2], [3, 4]]);
        let got = times(in_order(vec![block(&[1, 2, 3, 4, 9]), block(&[3, 5])]));
        assert_eq!(got, [vec![1, 2], vec![3, 5], vec![9]]);
        assert_eq!(times(in_order(vec![block(&[10, 11]), block(&[1, 2])])), [[1, 2], [10, 11]]);
    }
}
