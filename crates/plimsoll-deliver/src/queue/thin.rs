//! A queue that is full can become coarser before it becomes shorter: of its older half, every other tick goes, then every
//! other of those that are left. A counter loses nothing by that, a gauge some of its detail.

use crate::batch::Batch;
use crate::spool::disk_of;

use super::{Lost, Queue};

/// How often a batch is thinned at most: one tick of 64 is left.
const MAX_LEVEL: u32 = 6;

impl Queue {
    /// Thins the older half until there is room, or nothing is left to thin.
    pub(super) fn thin(&mut self, batch: &Batch, lost: &mut Vec<Lost>) {
        for level in 1..=MAX_LEVEL {
            let half = self.entries.len().div_ceil(2);
            let candidates: Vec<u64> = self
                .entries
                .iter()
                .take(half)
                .filter(|(_, entry)| !entry.in_flight && entry.level < level && entry.parts.is_empty())
                .filter(|(_, entry)| entry.format.content == batch.format.content)
                .map(|(seq, _)| *seq)
                .collect();
            for seq in candidates {
                if self.fits(batch) {
                    return;
                }
                lost.extend(self.thin_one(seq, level));
            }
        }
    }

    fn thin_one(&mut self, seq: u64, level: u32) -> Option<Lost> {
        let interval = self.limits.interval.max(1);
        let body = self.body(seq);
        let entry = self.entries.get_mut(&seq)?;
        entry.level = level;
        let keep = &mut |_: u64, time: i64| time.div_euclid(interval) % (1 << level) == 0;
        let Some(retained) = body.and_then(|body| entry.format.retain(&body, keep).ok()) else {
            return self.give_up(&[seq], "damaged");
        };
        let points = entry.points.saturating_sub(retained.points);
        if retained.points == 0 {
            return self.give_up(&[seq], "thinned");
        }
        if points == 0 {
            return None;
        }
        // The row on disk is overwritten with the same number: at no time is neither of the two there.
        if std::mem::take(&mut entry.on_disk) {
            self.disk -= disk_of(entry.bytes);
            self.disk_points -= entry.points;
        }
        self.cached.remove(&seq);
        if self.spool.is_some() {
            self.unwritten.insert(seq);
        }
        if entry.body.is_some() {
            self.memory -= entry.bytes;
        }
        entry.bytes = retained.body.len() as u64;
        entry.raw_bytes = entry.raw_bytes * retained.points / entry.total.max(1);
        (entry.points, entry.total) = (retained.points, retained.points);
        entry.body = Some(retained.body);
        self.memory += entry.bytes;
        self.points -= points;
        if self.disk_trouble.is_none() {
            self.write_to_disk(tokio::time::Instant::now());
        }
        Some(Lost { reason: "thinned", points })
    }
}
