//! An open chunk: the newest samples of one container in memory, as columns that are written as the samples come.
//!
//! A number that did not change costs a comparison and no memory. Only columns that ever changed have bytes of their own.

use crate::block::{Block, ColumnKey, MAX_ROW, Sealed, SeriesId};
use crate::column::Cursor;
use crate::open::{OpenColumn, OpenColumns};
use crate::tier::Millis;

/// The newest samples of one container.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    open: OpenColumns,
    /// How many of the columns have a value in the last sample.
    present: usize,
    /// How many values all samples have.
    values: u64,
}

impl Chunk {
    /// A chunk without samples. The interval is the usual time from one sample to the next.
    pub(crate) fn new(interval: Millis) -> Self {
        Self { open: OpenColumns::new(interval), present: 0, values: 0 }
    }

    /// Takes a row, and says whether it did: not where it is no later than the last one, not where the chunk is full for such
    /// a row (a new chunk takes it, if it has no more than [`MAX_ROW`] values).
    ///
    /// The row is by series, ascending, each once. One in another order is put in order first, which takes time; of a
    /// series that is there twice, the first value counts.
    pub(crate) fn push(&mut self, at: Millis, row: &[(SeriesId, u64)]) -> bool {
        self.push_and_tell(at, row, |_, _, _| {})
    }

    /// As [`Chunk::push`], and tells what changed against the row before: the series, its value then (0 where it had none), its
    /// value now, if any. Of the first row, everything is told. By series, ascending; those that are gone come last.
    #[inline]
    pub(crate) fn push_and_tell(
        &mut self,
        at: Millis,
        row: &[(SeriesId, u64)],
        changed: impl FnMut(SeriesId, u64, Option<u64>),
    ) -> bool {
        if self.last_time().is_some_and(|last| at <= last) {
            return false;
        }
        if row.is_sorted_by(|one, next| one.0 < next.0) {
            return self.push_sorted(at, row, changed);
        }
        let mut sorted = row.to_vec();
        sorted.sort_by_key(|(series, _)| *series);
        sorted.dedup_by_key(|(series, _)| *series);
        self.push_sorted(at, &sorted, changed)
    }

    fn push_sorted(
        &mut self,
        at: Millis,
        row: &[(SeriesId, u64)],
        mut changed: impl FnMut(SeriesId, u64, Option<u64>),
    ) -> bool {
        if !self.has_room(row) {
            return false;
        }
        let sample = self.open.next();
        let OpenColumns { columns, bodies, .. } = &mut self.open;
        let mut position = 0;
        // Columns with a value in the row before and in this one.
        let mut seen = 0;
        for &(series, value) in row {
            let key = ColumnKey::last(series).number();
            while columns.get(position).is_some_and(|column| column.key < key) {
                position += 1;
            }
            if columns.get(position).is_none_or(|column| column.key != key) {
                columns.insert(position, OpenColumn::new(key, sample, value));
                if sample == 0 {
                    changed(series, 0, Some(value));
                }
            }
            let Some(column) = columns.get_mut(position) else { continue };
            position += 1;
            let Cursor { last, present, .. } = column.cursor;
            seen += usize::from(present && sample > 0);
            if present && last == value {
                continue;
            }
            changed(series, if present { last } else { 0 }, Some(value));
            let (cursor, bytes) = column.writer(bodies);
            cursor.step(bytes, sample, value);
        }
        if seen < self.present {
            self.mark_absent(sample, row, &mut changed);
        }
        self.present = row.len();
        self.values += row.len() as u64;
        self.open.push_time(at);
        true
    }

    /// Whether the chunk would be within a block's bounds with this row.
    fn has_room(&self, row: &[(SeriesId, u64)]) -> bool {
        // Of a usual row all columns are there already, which need not be known as long as there is room for twice as many.
        let fits = |new: usize| self.open.columns.len() + new <= MAX_ROW && self.open.fits(new);
        let is_new =
            |(series, _): &&(SeriesId, u64)| self.open.find(ColumnKey::last(*series).number()).is_err();
        fits(row.len()) || fits(row.iter().filter(is_new).count())
    }

    /// Ends the runs of columns that the row says nothing of.
    fn mark_absent(
        &mut self,
        sample: u16,
        row: &[(SeriesId, u64)],
        changed: &mut impl FnMut(SeriesId, u64, Option<u64>),
    ) {
        let mut rest = row;
        let OpenColumns { columns, bodies, .. } = &mut self.open;
        for column in columns {
            let series = SeriesId(column.key >> 3);
            match rest.split_first() {
                Some(((next, _), others)) if *next == series => rest = others,
                _ if column.cursor.present => {
                    changed(series, column.cursor.last, None);
                    let (cursor, bytes) = column.writer(bodies);
                    cursor.absent(bytes, sample);
                }
                _ => {}
            }
        }
    }

    /// Whether no further row can be taken, however small.
    pub(crate) fn is_full(&self) -> bool {
        !self.open.fits(0)
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.open.times().len()
    }

    /// Whether there is no sample.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.times().is_empty()
    }

    /// How many values all samples have.
    pub(crate) fn values(&self) -> u64 {
        self.values
    }

    /// The time of the first sample.
    pub(crate) fn first_time(&self) -> Option<Millis> {
        self.open.times().first().copied()
    }

    /// The time of the last sample.
    pub(crate) fn last_time(&self) -> Option<Millis> {
        self.open.times().last().copied()
    }

    /// The last sample, by series, ascending.
    pub(crate) fn last_row(&self) -> impl Iterator<Item = (SeriesId, u64)> + '_ {
        let present = self.open.columns.iter().filter(|column| column.cursor.present);
        present.map(|column| (SeriesId(column.key >> 3), column.cursor.last))
    }

    /// The samples as they are stored. The chunk stays as it is.
    pub(crate) fn seal(&self) -> Sealed {
        self.open.seal_for_good(self.values)
    }

    /// The samples: their times, and those of the columns that are wanted.
    pub(crate) fn read(&self, wanted: impl Fn(ColumnKey) -> bool) -> Block {
        self.open.read(wanted)
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.open.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::MAX_SAMPLES;

    /// Rows of up to six series that come and go, with the time between them.
    fn rows() -> impl Strategy<Value = Vec<(Millis, Vec<(SeriesId, u64)>)>> {
        let value =
            prop_oneof![4 => Just(None), 12 => (0_u64..3).prop_map(Some), 1 => any::<u64>().prop_map(Some)];
        let row = proptest::collection::vec(value, 6).prop_map(|values| {
            (1_u32..).zip(values).filter_map(|(series, value)| Some((SeriesId(series), value?))).collect()
        });
        proptest::collection::vec((-20_i64..3000, row), 0..60)
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_read_open_and_sealed(rows in rows()) {
            let mut chunk = Chunk::new(1000);
            let mut at = -10_000;
            let mut taken: Vec<(Millis, Vec<(SeriesId, u64)>)> = Vec::new();
            for (step, row) in rows {
                at += step;
                let later = taken.last().is_none_or(|(last, _)| at > *last);
                prop_assert_eq!(chunk.push(at, &row), later);
                if later {
                    taken.push((at, row));
                }
            }
            let open = chunk.read(|_| true);
            prop_assert_eq!(&rows_of(&open), &taken);
            let last = taken.last().map(|(_, row)| row.clone()).unwrap_or_default();
            prop_assert_eq!(chunk.last_row().collect::<Vec<_>>(), last);

            let sealed = chunk.seal();
            let block = Block::decode(&sealed.bytes, |_| true).unwrap();
            prop_assert_eq!(&block, &open);
            prop_assert_eq!(block.encode(), sealed.clone());
            prop_assert_eq!(sealed.samples as usize, taken.len());
            prop_assert_eq!(sealed.values as usize, taken.iter().map(|(_, row)| row.len()).sum::<usize>());
        }
    }

    fn rows_of(block: &Block) -> Vec<(Millis, Vec<(SeriesId, u64)>)> {
        let row = |at: usize| {
            let columns = block.columns.iter();
            columns.filter_map(|column| Some((column.key.series, column.values[at]?))).collect()
        };
        block.times.iter().enumerate().map(|(at, time)| (*time, row(at))).collect()
    }

    #[test]
    fn numbers_that_go_together_are_told_by_each_other() {
        let (mut together, mut apart) = (Chunk::new(1000), Chunk::new(1000));
        let mut sums = [0_u64; 3];
        for at in 0..300_u64 {
            let noise =
                |salt: u64| (at + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % 1_000_003;
            sums[1] += noise(1);
            sums[2] += noise(1000);
            sums[0] = sums[1] + sums[2] + at % 2;
            let row = [
                (SeriesId(1), sums[0]),
                (SeriesId(2), sums[1]),
                (SeriesId(3), sums[2]),
                (SeriesId(4), sums[2] + at % 3),
            ];
            assert!(together.push(at.cast_signed() * 1000, &row));
            assert!(apart.push(at.cast_signed() * 1000, &row[1..3]));
        }
        let (sealed, apart) = (together.seal(), apart.seal());
        assert!(sealed.bytes.len() < apart.bytes.len() + 300, "{} {}", sealed.bytes.len(), apart.bytes.len());
        assert_eq!(Block::decode(&sealed.bytes, |_| true), Ok(together.read(|_| true)));
        let key = ColumnKey::last(SeriesId(3));
        assert_eq!(
            Block::decode(&sealed.bytes, |asked| asked == key),
            Ok(together.read(|asked| asked == key))
        );
    }

    #[test]
    fn a_row_out_of_order_is_put_in_order() {
        let mut chunk = Chunk::new(1000);
        assert!(chunk.push(1, &[(SeriesId(3), 30), (SeriesId(1), 10), (SeriesId(3), 31)]));
        assert_eq!(chunk.last_row().collect::<Vec<_>>(), [(SeriesId(1), 10), (SeriesId(3), 30)]);
    }

    #[test]
    fn numbers_that_do_not_change_have_no_memory_of_their_own() {
        let mut chunk = Chunk::new(1000);
        let row: Vec<_> = (1..=100).map(|series| (SeriesId(series), u64::from(series))).collect();
        for at in 0..300 {
            assert!(chunk.push(at * 1000, &row));
        }
        assert!(chunk.memory_bytes() < 8_000, "{} bytes", chunk.memory_bytes());
        assert!(chunk.seal().bytes.len() < 500, "{} bytes", chunk.seal().bytes.len());
    }

    #[test]
    fn a_full_chunk_takes_no_more() {
        let mut chunk = Chunk::new(1);
        let mut at = 0;
        while !chunk.is_full() {
            assert!(chunk.push(at, &[(SeriesId(1), 5)]));
            at += 1;
        }
        assert_eq!(chunk.len(), MAX_SAMPLES);
        assert!(!chunk.push(at, &[(SeriesId(1), 5)]));
        let wide: Vec<_> = (1..=MAX_ROW as u32 + 1).map(|series| (SeriesId(series), 1)).collect();
        assert!(!Chunk::new(1).push(0, &wide));
    }
}
