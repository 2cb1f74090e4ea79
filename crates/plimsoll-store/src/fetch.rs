//! Gathering the blocks of one container: sealed ones from the file, open ones from memory, of whichever tiers have the time
//! that is asked for.

use rusqlite::{Connection, params};

use crate::block::{Block, ColumnKey};
use crate::error::reading;
use crate::file::{BlockHead, File};
use crate::unsealed::Unsealed;
use crate::{Error, Millis, Range, Tier};

/// From where blocks are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    pub(crate) unsealed: &'a Unsealed,
}

/// What is wanted of blocks.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Which columns.
    pub(crate) columns: &'a dyn Fn(Tier, ColumnKey) -> bool,
    /// Whether the sample before the first is wanted, too: what a counter grew from.
    pub(crate) before: bool,
}

/// A block, and where it holds: elsewhere another one, written later, does.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) block: Block,
    pub(crate) holds: Vec<Range>,
}

/// Blocks of one tier that answer for a stretch of time.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) tier: Tier,
    pub(crate) asked: Range,
    /// In order of the time at which each first holds. Among samples there may be one from before `asked`: what the first
    /// sample's counters grew from.
    pub(crate) pieces: Vec<Piece>,
}

impl Stretch {
    /// What each block holds, in order of time.
    pub(crate) fn parts(&self) -> Vec<(Range, &Block)> {
        let parts =
            self.pieces.iter().flat_map(|piece| piece.holds.iter().map(|holds| (*holds, &piece.block)));
        let mut parts: Vec<_> = parts.collect();
        parts.sort_by_key(|(holds, _)| holds.from);
        parts
    }
}

/// A block before it is decoded.
struct Found {
    first: Millis,
    /// The last moment that it says something of.
    end: Millis,
    bytes: Bytes,
}

enum Bytes {
    Sealed(Vec<u8>),
    Open(Block),
}

/// How long a block of a tier usually is at most, in milliseconds. One that is longer (it has a gap) is still found, unless
/// the clock was also set back within it.
const fn usual_length(tier: Tier) -> Millis {
    match tier {
        Tier::Raw => 20 * 60_000,
        Tier::TenSeconds => 3_600_000,
        Tier::Minute => 240 * 60_000,
        Tier::Hour => 240 * 3_600_000,
    }
}

impl Source<'_> {
    /// Reads a container's history of a range: from a tier as far as that was rolled up, and from finer ones where a point
    /// of the tier would be partly outside, and behind what was rolled up.
    pub(crate) fn read(
        &self,
        tier: Tier,
        container: u32,
        range: Range,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Stretch>, Error> {
        // What is in memory first: the writer writes a block before it forgets it.
        let open = self.unsealed.blocks(container, around(range), |key| (wanted.columns)(Tier::Raw, key));
        let mut stretches = Vec::new();
        self.read_from(tier, container, range, &open, wanted, &mut stretches)?;
        Ok(stretches)
    }

    fn read_from(
        &self,
        tier: Tier,
        container: u32,
        range: Range,
        open: &[Block],
        wanted: Wanted<'_>,
        stretches: &mut Vec<Stretch>,
    ) -> Result<(), Error> {
        if range.from >= range.until {
            return Ok(());
        }
        let (Some(step), Some(finer)) = (tier.step(), tier.finer()) else {
            stretches.push(self.samples(container, range, open, wanted)?);
            return Ok(());
        };
        let begin = range.from.saturating_add(step - 1).div_euclid(step).saturating_mul(step);
        let end = range.until.div_euclid(step).saturating_mul(step);
        if begin >= end {
            return self.read_from(finer, container, range, open, wanted, stretches);
        }
        let head = Range { from: range.from, until: begin };
        self.read_from(finer, container, head, open, wanted, stretches)?;
        let found = self.sealed(tier, container, Range { from: begin, until: end }, 0)?;
        // What was written last ends where the tier ends.
        let rolled_up = found.last().map_or(begin, |last| last.end.saturating_add(1).clamp(begin, end));
        let asked = Range { from: begin, until: rolled_up };
        stretches.push(Stretch { tier, asked, pieces: decode(tier, found, wanted) });
        let rest = Range { from: rolled_up, until: range.until };
        self.read_from(finer, container, rest, open, wanted, stretches)
    }

    /// Reads a container's history of a range from one tier alone.
    pub(crate) fn only(
        &self,
        tier: Tier,
        container: u32,
        asked: Range,
        wanted: Wanted<'_>,
    ) -> Result<Stretch, Error> {
        if tier != Tier::Raw {
            let found = self.sealed(tier, container, asked, 0)?;
            return Ok(Stretch { tier, asked, pieces: decode(tier, found, wanted) });
        }
        let open = self.unsealed.blocks(container, around(asked), |key| (wanted.columns)(Tier::Raw, key));
        self.samples(container, asked, &open, wanted)
    }

    /// A stretch of samples.
    fn samples(
        &self,
        container: u32,
        asked: Range,
        open: &[Block],
        wanted: Wanted<'_>,
    ) -> Result<Stretch, Error> {
        let mut found = self.sealed(Tier::Raw, container, asked, usize::from(wanted.before))?;
        found.extend(open.iter().filter_map(|block| {
            let (first, end) = block.times.first().copied().zip(block.times.last().copied())?;
            let is_near = around(asked).touches(first, end);
            is_near.then(|| Found { first, end, bytes: Bytes::Open(block.clone()) })
        }));
        // The block before is of use only where no other has a sample from before.
        let has_before = found.iter().any(|found| found.first < asked.from && found.end >= asked.from);
        if has_before {
            found.retain(|found| found.end >= asked.from);
        }
        Ok(Stretch { tier: Tier::Raw, asked, pieces: decode(Tier::Raw, found, wanted) })
    }

    /// The first sample of a container in a tier, or where its first point's time begins.
    pub(crate) fn first(&self, tier: Tier, container: u32) -> Result<Option<Millis>, Error> {
        let read = || -> rusqlite::Result<Option<Millis>> {
            let connection = self.file.connection();
            connection
                .prepare_cached("SELECT min(first) FROM blocks WHERE tier = ?1 AND container = ?2")?
                .query_row(params![tier as u8, container], |row| row.get(0))
        };
        read().map_err(reading(self.file.path()))
    }

    /// From the first sample of a container in a tier to behind the last.
    pub(crate) fn extent(&self, tier: Tier, container: u32) -> Result<Range, Error> {
        let newest = self.unsealed.spans().remove(&container).filter(|_| tier == Tier::Raw);
        let firsts = self.first(tier, container)?.into_iter().chain(newest.map(|(first, _)| first));
        let lasts = self.file.last_time(tier, container)?.into_iter().chain(newest.map(|(_, last)| last));
        let until = lasts.max().map_or(0, |last| last.saturating_add(tier.step().unwrap_or(1)));
        Ok(Range { from: firsts.min().unwrap_or(until), until })
    }

    /// Sealed blocks of a tier that touch the range, in the order of their writing, and so many from before.
    fn sealed(&self, tier: Tier, container: u32, range: Range, before: usize) -> Result<Vec<Found>, Error> {
        let mut found: Vec<(i64, Found)> = Vec::new();
        let mut earlier = 0;
        let step = tier.step().unwrap_or(1);
        let connection: &Connection = self.file.connection();
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = connection.prepare_cached(
                "SELECT tier, container, first, last, samples, vals, blocks.bytes, data, mark, data.bytes \
                 FROM blocks JOIN data ON data.id = blocks.data \
                 WHERE tier = ?1 AND container = ?2 AND first < ?3 ORDER BY first DESC, data DESC",
            )?;
            let mut rows = statement.query(params![tier as u8, container, range.until])?;
            while let Some(row) = rows.next()? {
                // One that is not what was written is a gap; who opens the file for writing counts it.
                let Some(head) = BlockHead::read(row)? else { continue };
                let end = head.last.saturating_add(step - 1);
                if end < range.from {
                    earlier += 1;
                    if earlier > before && head.first < range.from.saturating_sub(usual_length(tier)) {
                        break;
                    }
                    if earlier > before {
                        continue;
                    }
                }
                let bytes = Bytes::Sealed(row.get_ref(9)?.as_blob()?.to_vec());
                found.push((head.data, Found { first: head.first, end, bytes }));
            }
            Ok(())
        };
        read().map_err(reading(self.file.path()))?;
        found.sort_by_key(|(data, _)| *data);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }
}

impl File {
    /// The usual time between samples, as any of the sealed blocks tells it.
    pub(crate) fn any_interval(&self) -> Result<Option<Millis>, Error> {
        let read = || -> rusqlite::Result<Option<Millis>> {
            let mut statement = self.connection().prepare_cached(
                "SELECT data.bytes FROM blocks JOIN data ON data.id = blocks.data WHERE tier = ?1 LIMIT 1",
            )?;
            let mut rows = statement.query([Tier::Raw as u8])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(Block::decode(row.get_ref(0)?.as_blob()?, |_| false).ok().map(|block| block.interval))
        };
        read().map_err(reading(self.path()))
    }
}

/// A range and a little time before, for the sample that counters grew from.
fn around(range: Range) -> Range {
    Range { from: range.from.saturating_sub(usual_length(Tier::Raw)), until: range.until }
}

/// Decodes blocks that are in the order of their writing. One that is damaged is a gap, in which the others hold.
fn decode(tier: Tier, found: Vec<Found>, wanted: Wanted<'_>) -> Vec<Piece> {
    let mut spans = Vec::with_capacity(found.len());
    let mut blocks = Vec::with_capacity(found.len());
    for Found { first, end, bytes } in found {
        let block = match bytes {
            Bytes::Open(block) => block,
            Bytes::Sealed(bytes) => match Block::decode(&bytes, |key| (wanted.columns)(tier, key)) {
                Ok(block) => block,
                Err(error) => {
                    tracing::warn!(%error, tier = tier.name(), "a block of the history is damaged and left out");
                    continue;
                }
            },
        };
        spans.push((first, end));
        blocks.push(block);
    }
    let mut pieces: Vec<Piece> =
        blocks.into_iter().zip(holding(&spans)).map(|(block, holds)| Piece { block, holds }).collect();
    pieces.retain(|piece| !piece.holds.is_empty());
    pieces
}

/// Where each of some blocks holds, given the first and the last moment of each in the order of their writing: where none
/// that was written later says something.
fn holding(spans: &[(Millis, Millis)]) -> Vec<Vec<Range>> {
    let whole = |&(first, end): &(Millis, Millis)| Range { from: first, until: end.saturating_add(1) };
    if spans.is_sorted_by(|one, next| one.1 < next.0) {
        return spans.iter().map(|span| vec![whole(span)]).collect();
    }
    let mut taken: Vec<Range> = Vec::new();
    let mut all: Vec<Vec<Range>> = Vec::with_capacity(spans.len());
    for span in spans.iter().rev() {
        let mut free = vec![whole(span)];
        for later in &taken {
            free = free.into_iter().flat_map(|range| without(range, *later)).collect();
        }
        taken.push(whole(span));
        all.push(free);
    }
    all.reverse();
    all
}

/// A range without the moments of another.
fn without(range: Range, other: Range) -> impl Iterator<Item = Range> {
    let before = Range { from: range.from, until: range.until.min(other.from) };
    let after = Range { from: range.from.max(other.until), until: range.until };
    [before, after].into_iter().filter(|part| part.from < part.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_blocks_that_overlap_the_later_written_holds(
            spans in prop::collection::vec((0i64..60, 0i64..20), 1..12)
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(first, length)| (first, first + length)).collect();
            let holds = holding(&spans);
            for moment in 0..90 {
                let expected = spans.iter().rposition(|(first, end)| (*first..=*end).contains(&moment));
                let holders: Vec<_> = (0..spans.len())
                    .filter(|index| holds[*index].iter().any(|range| range.contains(moment)))
                    .collect();
                prop_assert_eq!(holders, Vec::from_iter(expected), "at {}", moment);
            }
        }
    }
}
