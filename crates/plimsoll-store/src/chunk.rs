//! An open chunk: the newest samples of one container in memory, as columns that are written as the samples come.
//!
//! A number that did not change costs a comparison and no memory. Only columns that ever changed have bytes of their own.

use crate::block::{Block, Column, ColumnKey, MAX_CELLS, MAX_COLUMNS, MAX_SAMPLES, Sealed, SeriesId, seal};
use crate::column::{self, Cursor};
use crate::tier::Millis;

/// The newest samples of one container.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    interval: Millis,
    times: Vec<Millis>,
    /// By series, ascending.
    columns: Vec<Open>,
    /// The bytes of those columns that have any: of each, at its `body`.
    bodies: Vec<Vec<u8>>,
    /// How many of the columns have a value in the last sample.
    present: usize,
    /// How many values all samples have.
    values: u64,
}

/// A column that is being written.
#[derive(Clone, Copy, Debug)]
struct Open {
    cursor: Cursor,
    series: SeriesId,
    /// Where its bytes are: a position in [`Chunk::bodies`].
    body: u32,
}

impl Chunk {
    /// A chunk without samples. The interval is the usual time from one sample to the next.
    pub(crate) fn new(interval: Millis) -> Self {
        Self { interval, times: Vec::new(), columns: Vec::new(), bodies: Vec::new(), present: 0, values: 0 }
    }

    /// Takes a row, and says whether it did: not where it is no later than the last one, and not where the chunk is full
    /// ([`Chunk::is_full`]; or the row is wider than any block may be).
    ///
    /// The row is by series, ascending, each once. One in another order is put in order first, which takes time; of a
    /// series that is there twice, the first value counts.
    pub(crate) fn push(&mut self, at: Millis, row: &[(SeriesId, u64)]) -> bool {
        if self.times.last().is_some_and(|last| at <= *last) || self.is_full() {
            return false;
        }
        if row.is_sorted_by(|one, next| one.0 < next.0) {
            return self.push_sorted(at, row);
        }
        let mut sorted = row.to_vec();
        sorted.sort_by_key(|(series, _)| *series);
        sorted.dedup_by_key(|(series, _)| *series);
        self.push_sorted(at, &sorted)
    }

    fn push_sorted(&mut self, at: Millis, row: &[(SeriesId, u64)]) -> bool {
        // What the columns could come to, if every series of the row were new.
        if !self.fits(row.len()) && !self.fits(self.new_columns(row)) {
            return false;
        }
        // Bounded by MAX_SAMPLES.
        let sample = self.times.len() as u16;
        let mut position = 0;
        let mut seen = 0;
        for &(series, value) in row {
            while self.columns.get(position).is_some_and(|column| column.series < series) {
                position += 1;
            }
            if self.columns.get(position).is_none_or(|column| column.series != series) {
                self.columns.insert(position, Open::new(series, sample, value));
            }
            let Some(column) = self.columns.get_mut(position) else { continue };
            position += 1;
            if column.cursor.present {
                seen += usize::from(sample > 0);
                if column.cursor.last == value {
                    continue;
                }
            }
            let Open { cursor, body, .. } = column;
            let bytes = bytes_of(&mut self.bodies, body, cursor);
            cursor.value(bytes, sample, value);
        }
        if seen < self.present {
            self.mark_absent(sample, row);
        }
        self.present = row.len();
        self.values += row.len() as u64;
        self.times.push(at);
        true
    }

    /// Whether so many more columns would still be within a block's bounds at its full length.
    fn fits(&self, more: usize) -> bool {
        let columns = self.columns.len() + more;
        columns <= MAX_COLUMNS && columns.saturating_mul(self.times.len() + 1) <= MAX_CELLS
    }

    fn new_columns(&self, row: &[(SeriesId, u64)]) -> usize {
        row.iter().filter(|(series, _)| self.find(*series).is_err()).count()
    }

    fn find(&self, series: SeriesId) -> Result<usize, usize> {
        self.columns.binary_search_by_key(&series, |column| column.series)
    }

    /// Ends the runs of columns that the row says nothing of.
    fn mark_absent(&mut self, sample: u16, row: &[(SeriesId, u64)]) {
        let mut rest = row;
        for column in &mut self.columns {
            match rest.split_first() {
                Some(((series, _), others)) if *series == column.series => rest = others,
                _ if column.cursor.present => {
                    let Open { cursor, body, .. } = column;
                    let bytes = bytes_of(&mut self.bodies, body, cursor);
                    cursor.absent(bytes, sample);
                }
                _ => {}
            }
        }
    }

    /// Whether no further row can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.times.len() >= MAX_SAMPLES || !self.fits(0)
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no sample.
    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How many values all samples have.
    pub(crate) fn values(&self) -> u64 {
        self.values
    }

    /// The time of the first sample.
    pub(crate) fn first_time(&self) -> Option<Millis> {
        self.times.first().copied()
    }

    /// The time of the last sample.
    pub(crate) fn last_time(&self) -> Option<Millis> {
        self.times.last().copied()
    }

    /// The last sample, by series, ascending.
    pub(crate) fn last_row(&self) -> impl Iterator<Item = (SeriesId, u64)> + '_ {
        self.columns
            .iter()
            .filter(|column| column.cursor.present)
            .map(|column| (column.series, column.cursor.last))
    }

    /// The samples as they are stored. The chunk stays as it is.
    pub(crate) fn seal(&self) -> Sealed {
        let mut bytes =
            Vec::with_capacity(self.bodies.iter().map(Vec::len).sum::<usize>() + self.columns.len());
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let from = bytes.len();
            self.write(column, &mut bytes);
            columns.push((ColumnKey::last(column.series), bytes.len() - from));
        }
        seal(self.interval, &self.times, &columns, &bytes, self.values)
    }

    /// The samples: their times, and those of the columns that are wanted.
    pub(crate) fn read(&self, wanted: impl Fn(ColumnKey) -> bool) -> Block {
        let samples = self.times.len();
        let mut columns = Vec::new();
        let mut bytes = Vec::new();
        for column in self.columns.iter().filter(|column| wanted(ColumnKey::last(column.series))) {
            bytes.clear();
            self.write(column, &mut bytes);
            if let Some(values) = column::list(&bytes, samples) {
                columns.push(Column { key: ColumnKey::last(column.series), values });
            }
        }
        Block { interval: self.interval, times: self.times.clone(), columns }
    }

    /// Appends a column as far as it has come.
    fn write(&self, column: &Open, bytes: &mut Vec<u8>) {
        let mut cursor = column.cursor;
        match self.bodies.get(column.body as usize) {
            Some(body) => bytes.extend_from_slice(body),
            None => cursor.begin(bytes),
        }
        cursor.finish(bytes, self.times.len() as u16);
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.times.capacity() * size_of::<Millis>()
            + self.columns.capacity() * size_of::<Open>()
            + self.bodies.capacity() * size_of::<Vec<u8>>()
            + self.bodies.iter().map(Vec::capacity).sum::<usize>()
    }
}

/// Instead of a position: the column has had the same value since the first sample, and has no bytes yet.
const NO_BODY: u32 = u32::MAX;

impl Open {
    fn new(series: SeriesId, sample: u16, value: u64) -> Self {
        // A column that begins later than the chunk is one that changed.
        let cursor = if sample == 0 { Cursor::constant(value) } else { Cursor::default() };
        Self { cursor, series, body: NO_BODY }
    }
}

/// The bytes of a column, begun where there are none yet.
fn bytes_of<'a>(bodies: &'a mut Vec<Vec<u8>>, position: &mut u32, cursor: &mut Cursor) -> &'a mut Vec<u8> {
    if *position == NO_BODY {
        // Bounded by MAX_COLUMNS.
        *position = bodies.len() as u32;
        let mut bytes = Vec::new();
        cursor.begin(&mut bytes);
        bodies.push(bytes);
    }
    &mut bodies[*position as usize]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let wide: Vec<_> = (0..=MAX_COLUMNS as u32).map(|series| (SeriesId(series), 1)).collect();
        assert!(!Chunk::new(1).push(0, &wide));
    }
}
