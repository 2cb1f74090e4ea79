//! A snapshot is taken in: each container's row into its chunk, and what it tells of the container to the tracker.

use plimsoll_model::Snapshot;

use crate::Millis;
use crate::hot::{Hot, Taken};
use crate::row::RowBuffer;
use crate::tracker::Counts;

const MILLI: u64 = 1_000_000;

impl Hot {
    /// Takes a snapshot in.
    pub(crate) fn append(&mut self, snapshot: &Snapshot, interval: Millis) {
        let at = Millis::try_from(snapshot.at / MILLI).unwrap_or(Millis::MAX);
        let mut rows = self.tracker.rows.take().unwrap_or_else(RowBuffer::new);
        self.tracker.round += 1;
        self.tracker.watched_since.get_or_insert(at);
        self.tracker.now = Some(at);
        for (position, row) in snapshot.containers.iter().enumerate() {
            let key = self.tracker.meet(position, row, at);
            let Some(id) = key.and_then(|key| self.tracker.watch(key, row, at)) else {
                self.tracker.counts.lost_containers += 1;
                continue;
            };
            let row = rows.container(row, &mut self.tracker.dictionary);
            let taken = self.push(id, interval, at, row);
            self.tracker.counts.took(taken, row.len());
        }
        self.tracker.order.truncate(snapshot.containers.len());
        let row = rows.host(snapshot, &mut self.tracker.dictionary);
        let taken = self.push(0, interval, at, row);
        self.tracker.counts.took(taken, row.len());
        self.tracker.rows = Some(rows);
        if self.tracker.tracked.len() > snapshot.containers.len() {
            for id in self.tracker.miss(snapshot, at) {
                self.seal(id, None);
            }
        }
    }
}

impl Counts {
    fn took(&mut self, taken: Taken, values: usize) {
        match taken {
            Taken::Yes => {
                self.samples += 1;
                self.values += values as u64;
            }
            Taken::SameTime => self.lost_time += 1,
            Taken::TooWide => self.lost_wide += 1,
        }
    }
}
