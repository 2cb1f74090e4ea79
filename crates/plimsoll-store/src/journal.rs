//! The journal: what open chunks took since they were last written down, so that an agent that is killed loses seconds.
//!
//! A record is the rows of some seconds, of all subjects as they came, compressed like a block. Inside, as varints: the
//! record's number, and for each row: the subject, twice; odd where the row is the first of a chunk, and so in full; its time
//! as the folded difference to the row before (to 0 at the start); what changed against the subject's row before; a 0. A
//! change is the folded difference of its series to that of the change before, twice, odd where the series has no value any
//! more, plus one; and else the folded difference of the value to the one before.

use std::collections::HashMap;

use crate::block::{MAX_ROW, SeriesId};
use crate::chunk::Chunk;
use crate::frame::Damaged;
use crate::frame::{compress, open};
use crate::tier::Millis;
use crate::varint::{add, difference, put, take, unzigzag, zigzag};

/// The most subjects whose rows are kept while a journal is read.
pub(crate) const MAX_SUBJECTS: usize = 65_536;

/// Rows that are not written down yet.
#[derive(Debug)]
pub(crate) struct Journal {
    number: u64,
    buffer: Vec<u8>,
    /// The time of the row before, or 0.
    at: Millis,
    range: Option<(Millis, Millis)>,
}

/// Some seconds of rows of all containers, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The earliest time in it.
    pub(crate) first: Millis,
    /// The latest time in it.
    pub(crate) last: Millis,
    /// What is stored.
    pub(crate) bytes: Vec<u8>,
}

impl Journal {
    /// An empty journal. The number is the first record's, and goes up with each: it must be far from what an earlier agent
    /// wrote into the same file (the wall clock in milliseconds is).
    pub(crate) fn new(number: u64) -> Self {
        Self { number, buffer: Vec::new(), at: 0, range: None }
    }

    /// Pushes a row into the chunk of its subject ([`Chunk::push`]) and, if the chunk takes it, writes it down: in full where
    /// it is the chunk's first, else what changed. A chunk's rows all go through the same journal.
    pub(crate) fn push(
        &mut self,
        subject: u32,
        chunk: &mut Chunk,
        at: Millis,
        row: &[(SeriesId, u64)],
    ) -> bool {
        let before = self.buffer.len();
        put(&mut self.buffer, u64::from(subject) << 1 | u64::from(chunk.is_empty()));
        put(&mut self.buffer, zigzag(at.wrapping_sub(self.at)));
        let mut last = 0;
        let taken = chunk.push_and_tell(at, row, |SeriesId(series), then, now| {
            let step = zigzag(i64::from(series) - i64::from(last));
            put(&mut self.buffer, (step << 1 | u64::from(now.is_none())) + 1);
            if let Some(now) = now {
                put(&mut self.buffer, difference(then, now));
            }
            last = series;
        });
        if !taken {
            self.buffer.truncate(before);
            return false;
        }
        self.buffer.push(0);
        self.at = at;
        let (first, last) = self.range.unwrap_or((at, at));
        self.range = Some((first.min(at), last.max(at)));
        true
    }

    /// Takes what waits, compressed; `None` where nothing does.
    pub(crate) fn take(&mut self) -> Option<Record> {
        let (first, last) = self.range.take()?;
        let mut content = Vec::with_capacity(self.buffer.len() + 10);
        put(&mut content, self.number);
        content.append(&mut self.buffer);
        self.number = self.number.wrapping_add(1);
        self.at = 0;
        Some(Record { first, last, bytes: compress(&content) })
    }
}

/// What is known of the rows of records that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    number: Option<u64>,
    rows: HashMap<u32, Vec<(SeriesId, u64)>>,
}

impl Replay {
    /// Reads one record; records come in the order in which they were written. Each row is told in full, by series ascending:
    /// whose, when, what. Rows that only say what changed since a row that is lost are left out, until the next full one of
    /// the same subject.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes are not a record. What was told before that showed is right.
    pub(crate) fn record(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(u32, Millis, &[(SeriesId, u64)]),
    ) -> Result<(), Damaged> {
        let read = open(bytes).and_then(|content| self.read(&content, &mut each).ok_or(Damaged::Content));
        if read.is_err() {
            self.number = None;
            self.rows.clear();
        }
        read
    }

    fn read(&mut self, content: &[u8], each: &mut impl FnMut(u32, Millis, &[(SeriesId, u64)])) -> Option<()> {
        let mut rest = content;
        let number = take(&mut rest)?;
        if self.number.is_none_or(|before| before.wrapping_add(1) != number) {
            self.rows.clear();
        }
        self.number = Some(number);
        let mut at = 0_i64;
        while !rest.is_empty() {
            let head = take(&mut rest)?;
            let subject = u32::try_from(head >> 1).ok()?;
            at = at.wrapping_add(unzigzag(take(&mut rest)?));
            if head & 1 == 1 {
                if self.rows.len() >= MAX_SUBJECTS && !self.rows.contains_key(&subject) {
                    return None;
                }
                let row = self.rows.entry(subject).or_default();
                row.clear();
            }
            match self.rows.get_mut(&subject) {
                Some(row) => {
                    changes(&mut rest, |series, change| apply(row, series, change))?;
                    each(subject, at, row);
                }
                None => changes(&mut rest, |_, _| Some(()))?,
            }
        }
        Some(())
    }
}

/// Tells the changes of one row: of which series, and the difference of its value, if it still has one.
fn changes(rest: &mut &[u8], mut each: impl FnMut(SeriesId, Option<u64>) -> Option<()>) -> Option<()> {
    let mut series = 0;
    loop {
        let Some(token) = take(rest)?.checked_sub(1) else { return Some(()) };
        series = u32::try_from(i64::from(series).checked_add(unzigzag(token >> 1))?).ok()?;
        let change = if token & 1 == 0 { Some(take(rest)?) } else { None };
        each(SeriesId(series), change)?;
    }
}

/// Brings a row up to date; `None` where that makes no sense.
fn apply(row: &mut Vec<(SeriesId, u64)>, series: SeriesId, change: Option<u64>) -> Option<()> {
    let position = match row.last() {
        // A full row comes in order.
        Some((last, _)) if *last < series => Err(row.len()),
        _ => row.binary_search_by_key(&series, |(series, _)| *series),
    };
    match (position, change) {
        (Ok(position), Some(change)) => {
            let (_, value) = row.get_mut(position)?;
            *value = add(*value, change);
        }
        (Ok(position), None) => drop(row.remove(position)),
        (Err(position), Some(change)) if row.len() < MAX_ROW => {
            row.insert(position, (series, add(0, change)));
        }
        (Err(_), _) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    type Row = Vec<(SeriesId, u64)>;

    /// A row, whose it is, when it is from, and whether it is written in full.
    type Written = (u32, Millis, bool, Row);

    /// What happens to subjects one after the other.
    #[derive(Clone, Debug)]
    enum Event {
        /// A row of one of three subjects, some milliseconds after the one before.
        Row(u32, Millis, Row),
        /// A subject's chunk is sealed.
        Seal(u32),
        /// The journal is written down, and the record may be lost.
        Flush { lost: bool },
        /// The agent is started anew.
        Restart,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let value =
            prop_oneof![2 => Just(None), 6 => (0_u64..3).prop_map(Some), 1 => any::<u64>().prop_map(Some)];
        let row = proptest::collection::vec(value, 5).prop_map(|values| {
            (1..)
                .map(|n| SeriesId(n * n))
                .zip(values)
                .filter_map(|(series, value)| Some((series, value?)))
                .collect()
        });
        let event = prop_oneof![
            12 => (0_u32..3, -5_i64..2000, row).prop_map(|(subject, step, row)| Event::Row(subject, step, row)),
            1 => (0_u32..3).prop_map(Event::Seal),
            3 => any::<bool>().prop_map(|lost| Event::Flush { lost }),
            1 => Just(Event::Restart),
        ];
        proptest::collection::vec(event, 0..120)
    }

    proptest! {
        #[test]
        fn chunks_come_back_but_for_what_is_lost(events in events()) {
            let mut journal = Journal::new(1_000_000);
            let mut chunks: BTreeMap<u32, Chunk> = BTreeMap::new();
            let mut restarts = 0;
            let mut at = 50;
            // Records with the rows in them.
            let mut records: Vec<(Option<Record>, Vec<Written>)> = Vec::new();
            let mut waiting = Vec::new();
            for event in events {
                match event {
                    Event::Row(subject, step, row) => {
                        at += step;
                        let chunk = chunks.entry(subject).or_insert_with(|| Chunk::new(1000));
                        let is_full = chunk.is_empty();
                        if journal.push(subject, chunk, at, &row) {
                            waiting.push((subject, at, is_full, row));
                        }
                    }
                    Event::Seal(subject) => drop(chunks.remove(&subject)),
                    Event::Flush { lost } => {
                        let record = journal.take();
                        prop_assert_eq!(record.is_some(), !waiting.is_empty());
                        if let Some(record) = record {
                            let times = || waiting.iter().map(|(_, at, _, _)| *at);
                            prop_assert_eq!((Some(record.first), Some(record.last)), (times().min(), times().max()));
                            records.push(((!lost).then_some(record), std::mem::take(&mut waiting)));
                        }
                    }
                    Event::Restart => {
                        restarts += 1;
                        journal = Journal::new(1_000_000 * (restarts + 1));
                        chunks.clear();
                        waiting.clear();
                    }
                }
            }
            let mut known: BTreeSet<u32> = BTreeSet::new();
            let mut expected = Vec::new();
            let mut told = Vec::new();
            let mut replay = Replay::default();
            for (record, rows) in records {
                let Some(record) = record else {
                    known.clear();
                    continue;
                };
                for (subject, at, is_full, row) in rows {
                    if is_full {
                        known.insert(subject);
                    }
                    if known.contains(&subject) {
                        expected.push((subject, at, row));
                    }
                }
                replay.record(&record.bytes, |subject, at, row| told.push((subject, at, row.to_vec()))).unwrap();
            }
            // After a start every row stands on one of the same agent, so nothing of what an earlier one knew shows.
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, content: Vec<u8>) {
            let mut replay = Replay::default();
            let _ = replay.record(&bytes, |_, _, _| {});
            let _ = replay.record(&compress(&content), |_, _, _| {});
        }
    }

    #[test]
    fn a_damaged_record_is_noticed_and_takes_what_stands_on_it() {
        let mut journal = Journal::new(1);
        let mut chunk = Chunk::new(1000);
        let mut record = |at, value| {
            assert!(journal.push(7, &mut chunk, at, &[(SeriesId(1), value)]));
            journal.take().unwrap().bytes
        };
        let (first, mut second, third) = (record(1000, 1), record(2000, 2), record(3000, 3));
        *second.last_mut().unwrap() ^= 1;
        let mut told = Vec::new();
        let mut replay = Replay::default();
        assert_eq!(replay.record(&first, |_, at, _| told.push(at)), Ok(()));
        assert_eq!(replay.record(&second, |_, at, _| told.push(at)), Err(Damaged::Frame));
        assert_eq!(replay.record(&third, |_, at, _| told.push(at)), Ok(()));
        assert_eq!(told, [1000]);
    }
}
