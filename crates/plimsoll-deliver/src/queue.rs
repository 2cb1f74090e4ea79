//! The queue of a target: closed batches in their order, bounded in points, in bytes, on disk and in age.
//!
//! With a spool, a batch is on disk before it may be sent, and its body stays in memory only while there are few. Without one,
//! and while the disk takes nothing, bodies wait in memory, within a bound of their own. The queue knows neither targets nor
//! time: it is told.

mod thin;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::batch::Batch;
use crate::config::{Durability, WhenFull};
use crate::format::Format;
use crate::spool::{Row, RowFacts, Spool, disk_of};

/// Bodies that are on disk as well stay in memory up to so many bytes, so that what is delivered at once is not read again.
const CACHE: u64 = 4 * 1024 * 1024;
/// How often a disk that took nothing is tried again.
const TRY_DISK_AGAIN: Duration = Duration::from_secs(1);
/// How often what was written is made durable, with [`Durability::Interval`].
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Points.
    pub points: u64,
    /// Bytes in memory.
    pub memory: u64,
    /// The age at which a batch is given up, in nanoseconds; 0 for never.
    pub max_age: i64,
    /// What gives way.
    pub when_full: WhenFull,
    /// What survives what.
    pub durability: Durability,
    /// The time between two ticks that are taken, in nanoseconds.
    pub interval: i64,
}

/// A batch that waits.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the body is written in.
    pub format: Format,
    /// Points that are still to be delivered.
    pub points: u64,
    /// Points in the body.
    pub total: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// The earliest time in it, in Unix nanoseconds.
    pub first: i64,
    /// The latest time in it, in Unix nanoseconds.
    pub last: i64,
    /// The size of the body.
    pub bytes: u64,
    /// Attempts that failed.
    pub attempts: u32,
    /// Whether the target may have it already.
    pub maybe_sent: bool,
    /// Whether it is under way.
    pub in_flight: bool,
    /// Parts that are still to be delivered, the next one last, as positions in the body; empty for all of it.
    pub parts: Vec<(u64, u64)>,
    /// Points of it that were refused one by one, with none delivered.
    pub refused_in_a_row: u32,
    /// How often it was thinned.
    level: u32,
    body: Option<Vec<u8>>,
    on_disk: bool,
}

impl Entry {
    /// A batch of which nothing is known to be delivered. One that is found on the disk may have been sent by who wrote it.
    fn new(format: Format, points: u64, raw_bytes: u64, (first, last): (i64, i64), body: Body) -> Self {
        let (bytes, body) = match body {
            Body::Here(body) => (body.len() as u64, Some(body)),
            Body::OnDisk(bytes) => (bytes, None),
        };
        Self {
            format,
            points,
            total: points,
            raw_bytes,
            first,
            last,
            bytes,
            attempts: 0,
            maybe_sent: body.is_none(),
            in_flight: false,
            parts: Vec::new(),
            refused_in_a_row: 0,
            level: 0,
            on_disk: body.is_none(),
            body,
        }
    }
}

/// Where a body is, and how large it is there.
enum Body {
    Here(Vec<u8>),
    OnDisk(u64),
}

/// Points that were given up, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub points: u64,
}

/// Batches that wait.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    entries: BTreeMap<u64, Entry>,
    next: u64,
    points: u64,
    memory: u64,
    disk: u64,
    /// Points on disk.
    disk_points: u64,
    /// Batches that are in memory alone, and are to be on disk.
    unwritten: BTreeSet<u64>,
    /// Batches that are on disk and in memory.
    cached: BTreeSet<u64>,
    spool: Option<Spool>,
    /// When the disk is tried again, while it takes nothing.
    disk_trouble: Option<Instant>,
    disk_failures: u64,
    /// Whether something was written since the last time that all was made durable, and when that is due.
    sync_at: Option<Instant>,
}

impl Queue {
    /// A queue over a spool and what was found in it, or without one. What was found may have been sent before.
    #[must_use]
    pub fn new(limits: Limits, spool: Option<(Spool, Vec<RowFacts>)>) -> (Self, Vec<Lost>) {
        let mut queue = Self {
            limits,
            entries: BTreeMap::new(),
            next: 1,
            points: 0,
            memory: 0,
            disk: 0,
            disk_points: 0,
            unwritten: BTreeSet::new(),
            cached: BTreeSet::new(),
            spool: None,
            disk_trouble: None,
            disk_failures: 0,
            sync_at: None,
        };
        let mut lost = Vec::new();
        let Some((mut spool, rows)) = spool else { return (queue, lost) };
        let mut unknown = Vec::new();
        for row in rows {
            queue.next = queue.next.max(row.seq + 1);
            let Some(format) = Format::by_name(&row.format) else {
                unknown.push(row.seq);
                lost.push(Lost { reason: "damaged", points: row.points });
                continue;
            };
            queue.points += row.points;
            queue.disk_points += row.points;
            queue.disk += row.disk();
            let entry =
                Entry::new(format, row.points, row.raw_bytes, (row.first, row.last), Body::OnDisk(row.bytes));
            queue.entries.insert(row.seq, entry);
        }
        let _ = spool.remove(&unknown);
        queue.spool = Some(spool);
        (queue, lost)
    }

    /// Batches that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Points that wait.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Bytes of bodies in memory.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes on disk, about.
    #[must_use]
    pub fn disk(&self) -> u64 {
        self.disk
    }

    /// Points that are on disk.
    #[must_use]
    pub fn points_on_disk(&self) -> u64 {
        self.disk_points
    }

    /// The earliest time that waits, in Unix nanoseconds.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        self.entries.values().next().map(|entry| entry.first)
    }

    /// Whether one of the batches up to this one still waits.
    #[must_use]
    pub fn holds_up_to(&self, seq: u64) -> bool {
        self.entries.first_key_value().is_some_and(|(first, _)| *first <= seq)
    }

    /// Points of the batches up to this one that still wait.
    #[must_use]
    pub fn points_up_to(&self, seq: u64) -> u64 {
        self.entries.range(..=seq).map(|(_, entry)| entry.points).sum()
    }

    /// The number of the latest batch that was added; 0 while there was none.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.next - 1
    }

    /// Bytes that could still wait, on disk where there is one that takes them.
    #[must_use]
    pub fn room(&self) -> u64 {
        match self.disk_in_use() {
            Some(spool) => spool.usable().saturating_sub(self.disk),
            None => self.limits.memory.saturating_sub(self.memory),
        }
    }

    /// The disk, while it takes batches.
    fn disk_in_use(&self) -> Option<&Spool> {
        self.spool.as_ref().filter(|_| self.disk_trouble.is_none())
    }

    /// Whether there is room for a batch.
    fn fits(&self, batch: &Batch) -> bool {
        let bytes = batch.body.len() as u64;
        let needed = if self.disk_in_use().is_some() { disk_of(bytes) } else { bytes };
        needed <= self.room() && batch.points <= self.room_points()
    }

    /// Points that could still wait.
    #[must_use]
    pub fn room_points(&self) -> u64 {
        self.limits.points.saturating_sub(self.points)
    }

    /// The spool, if there is one.
    #[must_use]
    pub fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Whether the disk takes nothing at the moment.
    #[must_use]
    pub fn is_without_disk(&self) -> bool {
        self.disk_trouble.is_some()
    }

    /// How often the disk took nothing.
    #[must_use]
    pub fn disk_failures(&self) -> u64 {
        self.disk_failures
    }

    /// A batch that waits.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// A batch that waits, to note what became of it. Points are taken with [`Queue::settle`].
    pub fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&seq)
    }

    /// Adds batches, and makes room for them as the policy says. They come to the disk together. Returns what was given up.
    pub fn push(&mut self, batches: impl IntoIterator<Item = Batch>, now: Instant) -> Vec<Lost> {
        let mut lost = Vec::new();
        let mut unwritten_bytes = 0;
        for batch in batches {
            unwritten_bytes += batch.body.len() as u64;
            self.add(batch, &mut lost);
            // Memory is not to hold more than it may because the disk is waited for.
            if unwritten_bytes > CACHE && self.disk_trouble.is_none() {
                self.write_to_disk(now);
                unwritten_bytes = 0;
            }
        }
        if self.disk_trouble.is_none() {
            self.write_to_disk(now);
        }
        lost
    }

    fn add(&mut self, batch: Batch, lost: &mut Vec<Lost>) {
        if !self.make_room(&batch, lost) {
            lost.push(Lost { reason: "queue_full", points: batch.points });
            return;
        }
        let seq = self.next;
        self.next += 1;
        self.points += batch.points;
        self.memory += batch.body.len() as u64;
        let times = (batch.first, batch.last);
        let entry = Entry::new(batch.format, batch.points, batch.raw_bytes, times, Body::Here(batch.body));
        self.entries.insert(seq, entry);
        if self.spool.is_some() {
            self.unwritten.insert(seq);
        }
    }

    /// The next batch to send: the oldest that is not under way, or the newest. While the disk takes batches, those that are
    /// not on it yet wait for it.
    #[must_use]
    pub fn next(&self, newest: bool) -> Option<u64> {
        let must_be_on_disk = self.disk_in_use().is_some();
        let free = |(_, entry): &(&u64, &Entry)| !entry.in_flight && (entry.on_disk || !must_be_on_disk);
        let found =
            if newest { self.entries.iter().rev().find(free) } else { self.entries.iter().find(free) };
        found.map(|(seq, _)| *seq)
    }

    /// The body of a batch; `None` where the disk does not give it back as it was.
    pub fn body(&mut self, seq: u64) -> Option<Vec<u8>> {
        let entry = self.entries.get(&seq)?;
        if let Some(body) = &entry.body {
            return Some(body.clone());
        }
        match self.spool.as_ref()?.load(seq) {
            Ok(row) => row.map(|row| row.body),
            Err(error) => {
                warn!("a batch of {} points is lost: {error}", entry.points);
                None
            }
        }
    }

    /// Takes points off a batch: something became of them. With the last of them it is gone.
    pub fn settle(&mut self, seq: u64, points: u64) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let points = points.min(entry.points);
        entry.points -= points;
        self.points -= points;
        if entry.on_disk {
            self.disk_points -= points;
        }
        if entry.points == 0 {
            self.remove(&[seq]);
        }
    }

    /// Gives up batches that are too old. `wall` is the time in Unix nanoseconds.
    pub fn expire(&mut self, wall: i64) -> Option<Lost> {
        if self.limits.max_age == 0 {
            return None;
        }
        let oldest = wall.saturating_sub(self.limits.max_age);
        let expired: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.last < oldest && !entry.in_flight)
            .map(|(seq, _)| *seq)
            .collect();
        self.give_up(&expired, "expired")
    }

    /// Gives up these batches.
    pub fn give_up(&mut self, seqs: &[u64], reason: &'static str) -> Option<Lost> {
        let points = self.remove(seqs);
        (points > 0).then_some(Lost { reason, points })
    }

    /// When [`Queue::tend`] has something to do.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        [self.disk_trouble, self.sync_at].into_iter().flatten().min()
    }

    /// Tries a disk again that took nothing, and makes durable what is due.
    pub fn tend(&mut self, now: Instant) {
        if self.disk_trouble.is_some_and(|at| at <= now) {
            self.write_to_disk(now);
        }
        if self.sync_at.is_some_and(|at| at <= now) {
            self.sync_at = None;
            if let Some(spool) = &mut self.spool
                && let Err(error) = spool.sync()
            {
                self.trouble(&error.to_string(), now);
            }
        }
    }

    /// Writes to disk what is in memory alone, and makes all durable: the end.
    pub fn close(&mut self, now: Instant) {
        self.write_to_disk(now);
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.sync()
        {
            self.trouble(&error.to_string(), now);
        }
    }

    /// Gives room for a batch; `false` where it has to be given up itself.
    fn make_room(&mut self, batch: &Batch, lost: &mut Vec<Lost>) -> bool {
        if !self.fits(batch) && self.limits.when_full == WhenFull::Thin {
            self.thin(batch, lost);
        }
        while !self.fits(batch) {
            // Those under way cannot be taken back.
            let oldest = self.entries.iter().find(|(_, entry)| !entry.in_flight && self.gives_room(entry));
            match (self.limits.when_full, oldest.map(|(seq, _)| *seq)) {
                (WhenFull::DropNewest, _) | (_, None) => return false,
                (_, Some(seq)) => lost.extend(self.give_up(&[seq], "queue_full")),
            }
        }
        true
    }

    /// Whether giving up a batch helps: while the disk takes nothing, memory is what is short.
    fn gives_room(&self, entry: &Entry) -> bool {
        entry.body.is_some() || self.disk_trouble.is_none() || self.points >= self.limits.points
    }

    /// Writes what is in memory alone, in as few transactions as memory allows.
    fn write_to_disk(&mut self, now: Instant) {
        let Some(spool) = &mut self.spool else { return };
        let durable = self.limits.durability == Durability::Always;
        let mut failure = None;
        while failure.is_none() && !self.unwritten.is_empty() {
            let mut rows = Vec::new();
            let mut bytes = 0;
            for seq in &self.unwritten {
                let Some(entry) = self.entries.get(seq) else { continue };
                let Some(body) = &entry.body else { continue };
                if !rows.is_empty() && bytes + entry.bytes > CACHE {
                    break;
                }
                bytes += entry.bytes;
                rows.push(Row {
                    seq: *seq,
                    format: entry.format.name(),
                    points: entry.total,
                    raw_bytes: entry.raw_bytes,
                    first: entry.first,
                    last: entry.last,
                    body: body.clone(),
                });
            }
            let mut written = rows.len();
            if let Err(error) = spool.insert(&rows, durable) {
                failure = Some(error.to_string());
                // What does not fit as a whole may fit in part.
                let fits =
                    |row: &&Row| rows.len() > 1 && spool.insert(std::slice::from_ref(*row), durable).is_ok();
                written = rows.iter().take_while(fits).count();
            }
            for row in &rows[..written] {
                self.unwritten.remove(&row.seq);
                self.cached.insert(row.seq);
                if let Some(entry) = self.entries.get_mut(&row.seq) {
                    entry.on_disk = true;
                    self.disk += disk_of(entry.bytes);
                    self.disk_points += entry.points;
                }
            }
        }
        match failure {
            Some(reason) => self.trouble(&reason, now),
            None => {
                if self.disk_trouble.take().is_some() {
                    info!("the disk takes batches again");
                }
                if !durable {
                    self.sync_at.get_or_insert(now + SYNC_EVERY);
                }
            }
        }
        self.evict();
    }

    fn trouble(&mut self, reason: &str, now: Instant) {
        self.disk_failures += 1;
        if self.disk_trouble.replace(now + TRY_DISK_AGAIN).is_none() {
            warn!("{reason}; batches wait in memory, and the disk is tried again every second");
        }
    }

    /// Forgets bodies that are on disk, the oldest first: they are read again when it is their turn.
    fn evict(&mut self) {
        while self.memory > CACHE.min(self.limits.memory) {
            let Some(seq) = self.cached.pop_first() else { return };
            if let Some(entry) = self.entries.get_mut(&seq)
                && entry.body.take().is_some()
            {
                self.memory -= entry.bytes;
            }
        }
    }

    /// Removes batches, and gives the points that still waited in them.
    fn remove(&mut self, seqs: &[u64]) -> u64 {
        let (mut on_disk, mut points) = (Vec::new(), 0);
        for seq in seqs {
            let Some(entry) = self.entries.remove(seq) else { continue };
            points += entry.points;
            self.unwritten.remove(seq);
            self.cached.remove(seq);
            if entry.body.is_some() {
                self.memory -= entry.bytes;
            }
            if entry.on_disk {
                self.disk -= disk_of(entry.bytes);
                self.disk_points -= entry.points;
                on_disk.push(*seq);
            }
        }
        self.points -= points;
        // A batch that stays on disk is sent once more after a restart, which changes nothing at the target.
        if let (false, Some(spool)) = (on_disk.is_empty(), &mut self.spool)
            && let Err(error) = spool.remove(&on_disk)
        {
            warn!("{error}; these batches may be sent once more");
        }
        points
    }
}

#[cfg(test)]
mod tests;
