//! What is forgotten, and when: each tier after its time, then, where the file is still too large, the finest and oldest first.

use std::time::Duration;

use rusqlite::params;

use crate::error::{Error, writing};
use crate::file::{BlockHead, File};
use crate::{Millis, Tier};

/// How many blocks are looked at in one transaction: few enough to take some milliseconds.
const BATCH: usize = 500;

/// How many batches of each tier one run removes, at most. What is left waits for the next run. A clock that is wrong for a
/// moment so costs a part of the history and not all of it.
const MAX_BATCHES: usize = 8;

/// How many containers are looked at in one run for whether anything is left of them.
const CONTAINERS_A_RUN: i64 = 1_000;

/// The most events that are kept.
const MAX_EVENTS: i64 = 200_000;

/// Free pages beyond this many bytes are given back to the file system; less is kept to be written again.
const FREE_BYTES: u64 = 16 << 20;

/// How many pages are given back in one run.
const VACUUM_PAGES: u32 = 2_048;

/// What a block costs beside its bytes: its row in two trees, and what is empty at the end of its last page.
const OVERHEAD: u64 = 512;

const DAY: u64 = 24 * 3600;

/// How long each tier is kept. Events are kept as long as the hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// By [`Tier::ALL`]: samples, points for ten seconds, a minute, an hour.
    pub tiers: [Duration; 4],
}

impl Default for Retention {
    fn default() -> Self {
        Self { tiers: [DAY, 7 * DAY, 90 * DAY, 2 * 365 * DAY].map(Duration::from_secs) }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// Containers of which nothing is left.
    pub(crate) containers: Vec<u32>,
    /// Rows that were damaged, and are removed.
    pub(crate) damaged: u64,
    /// Bytes of pages that are in use.
    pub(crate) used: u64,
}

/// Runs again and again.
#[derive(Debug)]
pub(crate) struct Keeper {
    retention: Retention,
    max_bytes: u64,
    max_containers: usize,
    /// The container that was looked at last.
    cursor: i64,
}

impl Keeper {
    pub(crate) fn new(retention: Retention, max_bytes: u64, max_containers: usize) -> Self {
        Self { retention, max_bytes, max_containers, cursor: 0 }
    }

    /// Forgets what is too old at `now`, and what is too much. Containers that are there (`is_there`) are kept.
    pub(crate) fn run(
        &mut self,
        file: &File,
        now: Millis,
        is_there: &dyn Fn(u32) -> bool,
    ) -> Result<Forgotten, Error> {
        let mut forgotten = Forgotten::default();
        for (tier, keep) in Tier::ALL.into_iter().zip(self.retention.tiers) {
            let until = now.saturating_sub(Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX));
            for _ in 0..MAX_BATCHES {
                let removed = self.batch(file, tier, &mut forgotten, |head| head.last < until)?;
                if removed.looked < BATCH || removed.blocks == 0 {
                    break;
                }
            }
        }
        self.bound(file, &mut forgotten)?;
        self.events(file, now)?;
        self.containers(file, is_there, &mut forgotten)?;
        self.vacuum(file)?;
        forgotten.used = used(file)?;
        Ok(forgotten)
    }

    /// Removes, of the oldest blocks of a tier, those that are chosen.
    fn batch(
        &self,
        file: &File,
        tier: Tier,
        forgotten: &mut Forgotten,
        mut chosen: impl FnMut(&BlockHead) -> bool,
    ) -> Result<Removed, Error> {
        let (heads, left_out) = file.oldest_blocks(tier, BATCH)?;
        let mut removed =
            Removed { looked: heads.len() + usize::try_from(left_out).unwrap_or(0), ..Removed::default() };
        if left_out > 0 {
            forgotten.damaged += file.transaction(|| file.delete_damaged_blocks(tier, BATCH))?;
        }
        let chosen: Vec<_> = heads.iter().filter(|head| chosen(head)).collect();
        if chosen.is_empty() {
            return Ok(removed);
        }
        file.transaction(|| {
            for head in chosen {
                file.delete_block(head)?;
                removed.blocks += 1;
                removed.bytes += head.bytes + OVERHEAD;
            }
            Ok(())
        })?;
        Ok(removed)
    }

    /// Keeps to the bound in bytes: the finest tier's oldest blocks go first.
    fn bound(&self, file: &File, forgotten: &mut Forgotten) -> Result<(), Error> {
        for tier in Tier::ALL {
            for _ in 0..MAX_BATCHES {
                let mut excess = used(file)?.saturating_sub(self.max_bytes);
                if excess == 0 {
                    return Ok(());
                }
                let removed = self.batch(file, tier, forgotten, |head| {
                    let more = excess > 0;
                    excess = excess.saturating_sub(head.bytes + OVERHEAD);
                    more
                })?;
                if removed.blocks == 0 {
                    break;
                }
                // The log does not count what is free until it is brought in.
                file.checkpoint()?;
            }
        }
        Ok(())
    }

    fn events(&self, file: &File, now: Millis) -> Result<(), Error> {
        let keep = self.retention.tiers.iter().max().copied().unwrap_or_default();
        let until = now.saturating_sub(Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX));
        file.delete_events(until, MAX_EVENTS)
    }

    /// Forgets containers of which nothing is left, and the oldest ones where there are too many.
    fn containers(
        &mut self,
        file: &File,
        is_there: &dyn Fn(u32) -> bool,
        forgotten: &mut Forgotten,
    ) -> Result<(), Error> {
        let (empty, last) = file.empty_containers(self.cursor, CONTAINERS_A_RUN)?;
        self.cursor = last.unwrap_or(0);
        let count = usize::try_from(file.number("SELECT count(*) FROM containers")?).unwrap_or(0);
        // A little more than needed, so that a machine with many containers does not come here each time.
        let surplus = count.saturating_sub(self.max_containers - self.max_containers / 16);
        let oldest = if count > self.max_containers - self.max_containers / 32 {
            file.oldest_containers(surplus.min(BATCH * MAX_BATCHES))?
        } else {
            Vec::new()
        };
        let mut gone: Vec<u32> = empty.into_iter().chain(oldest).filter(|id| !is_there(*id)).collect();
        gone.sort_unstable();
        gone.dedup();
        if !gone.is_empty() {
            file.transaction(|| gone.iter().try_for_each(|id| file.delete_container(*id)))?;
            file.transaction(|| file.delete_unused())?;
        }
        forgotten.containers = gone;
        Ok(())
    }

    fn vacuum(&self, file: &File) -> Result<(), Error> {
        let (all, free) = file.page_bytes()?;
        if free > FREE_BYTES || (all > self.max_bytes && free > 0) {
            file.give_back(VACUUM_PAGES)?;
            // What was moved for that is in the log.
            file.checkpoint()?;
        }
        Ok(())
    }
}

/// What a batch removed.
#[derive(Clone, Copy, Debug, Default)]
struct Removed {
    looked: usize,
    blocks: usize,
    bytes: u64,
}

/// Bytes of pages that are in use, and of the log.
pub(crate) fn used(file: &File) -> Result<u64, Error> {
    let (all, free) = file.page_bytes()?;
    Ok(all - free.min(all) + file.log_bytes())
}

impl File {
    /// Removes rows of blocks whose checksum is wrong, among the oldest of a tier.
    fn delete_damaged_blocks(&self, tier: Tier, count: usize) -> Result<u64, Error> {
        let find = || -> rusqlite::Result<Vec<(i64, i64, i64)>> {
            let mut statement = self.connection().prepare_cached(
                "SELECT tier, container, first, last, samples, vals, bytes, data, mark FROM blocks \
                 WHERE tier = ?1 ORDER BY data LIMIT ?2",
            )?;
            let mut rows = statement.query(params![tier as u8, i64::try_from(count).unwrap_or(i64::MAX)])?;
            let mut damaged = Vec::new();
            while let Some(row) = rows.next()? {
                if BlockHead::read(row)?.is_none() {
                    damaged.push((row.get(1)?, row.get(2)?, row.get(7)?));
                }
            }
            Ok(damaged)
        };
        let damaged = find().map_err(writing(self.path()))?;
        for (container, first, data) in &damaged {
            self.run("DELETE FROM data WHERE id = ?1", params![data])?;
            self.run(
                "DELETE FROM blocks WHERE tier = ?1 AND container = ?2 AND first = ?3 AND data = ?4",
                params![tier as u8, container, first, data],
            )?;
        }
        Ok(damaged.len() as u64)
    }

    /// Removes events that are older, and the oldest beyond a number.
    fn delete_events(&self, until: Millis, most: i64) -> Result<(), Error> {
        self.run(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 LIMIT 1000)",
            params![until],
        )?;
        let surplus = self.number("SELECT count(*) FROM events")?.saturating_sub(most);
        if surplus > 0 {
            self.run(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY at LIMIT ?1)",
                params![surplus],
            )?;
        }
        Ok(())
    }

    /// Of so many containers after a number, those of which nothing is left; and the last one that was looked at, unless it was
    /// the last of all.
    fn empty_containers(&self, after: i64, count: i64) -> Result<(Vec<u32>, Option<i64>), Error> {
        let read = || -> rusqlite::Result<(Vec<u32>, Option<i64>)> {
            let mut statement = self.connection().prepare_cached(
                "SELECT id, \
                 EXISTS(SELECT 1 FROM blocks WHERE tier = 0 AND container = containers.id) \
                 OR EXISTS(SELECT 1 FROM blocks WHERE tier = 1 AND container = containers.id) \
                 OR EXISTS(SELECT 1 FROM blocks WHERE tier = 2 AND container = containers.id) \
                 OR EXISTS(SELECT 1 FROM blocks WHERE tier = 3 AND container = containers.id) \
                 OR EXISTS(SELECT 1 FROM lives WHERE container = containers.id) \
                 OR EXISTS(SELECT 1 FROM events WHERE container = containers.id) \
                 FROM containers WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after, count])?;
            let (mut empty, mut last, mut looked) = (Vec::new(), None, 0);
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                (last, looked) = (Some(id), looked + 1);
                if !row.get::<_, bool>(1)? {
                    empty.extend(u32::try_from(id));
                }
            }
            Ok((empty, last.filter(|_| looked == count)))
        };
        read().map_err(writing(self.path()))
    }

    /// The containers that were not seen for longest.
    fn oldest_containers(&self, count: usize) -> Result<Vec<u32>, Error> {
        let read = || -> rusqlite::Result<Vec<u32>> {
            let mut statement =
                self.connection().prepare_cached("SELECT id FROM containers ORDER BY last_seen LIMIT ?1")?;
            let ids =
                statement.query_map(params![i64::try_from(count).unwrap_or(i64::MAX)], |row| row.get(0))?;
            ids.collect()
        };
        read().map_err(writing(self.path()))
    }

    /// Removes a container with all that is left of it.
    fn delete_container(&self, id: u32) -> Result<(), Error> {
        for tier in Tier::ALL {
            self.run(
                "DELETE FROM data WHERE id IN (SELECT data FROM blocks WHERE tier = ?1 AND container = ?2)",
                params![tier as u8, id],
            )?;
            self.run("DELETE FROM blocks WHERE tier = ?1 AND container = ?2", params![tier as u8, id])?;
        }
        for sql in [
            "DELETE FROM containers WHERE id = ?1",
            "DELETE FROM spans WHERE container = ?1",
            "DELETE FROM events WHERE container = ?1",
            "DELETE FROM lives WHERE container = ?1",
        ] {
            self.run(sql, params![id])?;
        }
        Ok(())
    }

    /// Removes lines and sets of labels that no container has any more.
    fn delete_unused(&self) -> Result<(), Error> {
        self.run("DELETE FROM lines WHERE NOT EXISTS (SELECT 1 FROM spans WHERE line = lines.id)", [])?;
        self.run(
            "DELETE FROM label_sets WHERE NOT EXISTS (SELECT 1 FROM containers WHERE labels = label_sets.id)",
            [],
        )?;
        Ok(())
    }
}
