//! Columns that are being written, and their times: what an open chunk and a growing block of a coarser tier have in common.

use crate::block::{
    Block, Column, ColumnKey, Head, MAX_CELLS, MAX_COLUMNS, MAX_SAMPLES, Packed, Sealed, SeriesId, Stat,
    kind_of,
};
use crate::column::{self, Cursor, Kind};
use crate::frame::Damaged;
use crate::frame::open;
use crate::tier::Millis;
use crate::varint::take_bytes;

/// Times, and columns by key.
#[derive(Clone, Debug)]
pub(crate) struct OpenColumns {
    interval: Millis,
    times: Vec<Millis>,
    /// By key, ascending.
    pub(crate) columns: Vec<OpenColumn>,
    /// The bytes of those columns that have any.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// A column that is being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenColumn {
    pub(crate) cursor: Cursor,
    /// The number of its [`ColumnKey`].
    pub(crate) key: u32,
    /// Where its bytes are: a position in the bodies, or [`NO_BODY`].
    body: u32,
}

/// Instead of a position: the column has had the same value since the first sample, and has no bytes yet.
const NO_BODY: u32 = u32::MAX;

impl OpenColumn {
    /// A column whose first value is that of this sample, which is still to be told to its cursor.
    pub(crate) fn new(key: u32, sample: u16, value: u64) -> Self {
        // One that begins later than the others is one that changed.
        let is_constant = sample == 0 && kind_of(key) == Kind::Steps;
        Self {
            cursor: if is_constant { Cursor::constant(value) } else { Cursor::default() },
            key,
            body: NO_BODY,
        }
    }

    /// Its cursor and its bytes, which are begun where there are none yet.
    #[inline]
    pub(crate) fn writer<'a>(
        &'a mut self,
        bodies: &'a mut Vec<Vec<u8>>,
    ) -> (&'a mut Cursor, &'a mut Vec<u8>) {
        if self.body == NO_BODY {
            // Bounded by MAX_COLUMNS.
            self.body = bodies.len() as u32;
            let mut bytes = Vec::new();
            self.cursor.begin(&mut bytes);
            bodies.push(bytes);
        }
        (&mut self.cursor, &mut bodies[self.body as usize])
    }
}

impl OpenColumns {
    pub(crate) fn new(interval: Millis) -> Self {
        Self { interval, times: Vec::new(), columns: Vec::new(), bodies: Vec::new() }
    }

    /// What was stored, to be gone on with.
    pub(crate) fn resume(bytes: &[u8]) -> Result<Self, Damaged> {
        Self::resume_content(&open(bytes)?).ok_or(Damaged::Content)
    }

    fn resume_content(content: &[u8]) -> Option<Self> {
        let mut rest = content;
        let head = Head::read(&mut rest)?;
        // Bounded by MAX_SAMPLES.
        let samples = head.times.len() as u16;
        let mut columns = Vec::with_capacity(head.columns.len());
        let mut bodies = Vec::with_capacity(head.columns.len());
        for column in head.columns {
            if column.is_related {
                return None;
            }
            let key = column.key.number();
            let body = column::unpack(take_bytes(&mut rest, column.length)?, column.has_unit, kind_of(key))?;
            let cursor = Cursor::resume(&body, kind_of(key), samples)?;
            columns.push(OpenColumn { cursor, key, body: bodies.len() as u32 });
            bodies.push(body);
        }
        Some(Self { interval: head.interval, times: head.times, columns, bodies })
    }

    pub(crate) fn times(&self) -> &[Millis] {
        &self.times
    }

    /// The number of the next sample.
    pub(crate) fn next(&self) -> u16 {
        // Bounded by MAX_SAMPLES.
        self.times.len() as u16
    }

    pub(crate) fn push_time(&mut self, at: Millis) {
        self.times.push(at);
    }

    /// Whether one more sample, and so many more columns, would still be within a block's bounds.
    pub(crate) fn fits(&self, more_columns: usize) -> bool {
        let columns = self.columns.len().saturating_add(more_columns);
        self.times.len() < MAX_SAMPLES
            && columns <= MAX_COLUMNS
            && columns.saturating_mul(self.times.len() + 1) <= MAX_CELLS
    }

    /// Where the column with this key is, or belongs.
    pub(crate) fn find(&self, key: u32) -> Result<usize, usize> {
        self.columns.binary_search_by_key(&key, |column| column.key)
    }

    /// What is stored of a block that does not grow any more: smaller, and cannot be resumed.
    pub(crate) fn seal_for_good(&self, values: u64) -> Sealed {
        self.seal(Packed::for_good(self.times.len()), values)
    }

    fn seal(&self, mut packed: Packed, values: u64) -> Sealed {
        let mut bytes = Vec::new();
        for column in &self.columns {
            bytes.clear();
            self.write(column, &mut bytes);
            packed.push(column.key, &bytes);
        }
        packed.seal(self.interval, &self.times, values)
    }

    /// What is stored of a block of points: one that can be resumed, unless it is full.
    pub(crate) fn seal_points(&self, is_full: bool) -> Sealed {
        let values = self.count();
        if is_full { self.seal_for_good(values) } else { self.seal(Packed::default(), values) }
    }

    /// How many values series have, without statistics.
    fn count(&self) -> u64 {
        let mut values = 0;
        let mut bytes = Vec::new();
        for column in self.columns.iter().filter(|column| column.key & 7 == Stat::Last as u32) {
            bytes.clear();
            self.write(column, &mut bytes);
            let count =
                |value: Option<u64>, count: usize| values += if value.is_some() { count as u64 } else { 0 };
            // What was just written is a column.
            let _ = column::read(&bytes, false, kind_of(column.key), self.times.len(), count);
        }
        values
    }

    /// The last value that a column has or had, if it ever had one.
    pub(crate) fn last_of(&self, key: ColumnKey) -> Option<u64> {
        let found = self.find(key.number()).ok()?;
        self.columns.get(found).map(|column| column.cursor.last)
    }

    /// Appends values to a column, of samples from this number on, whose times are there already. The column is begun when
    /// there is something to write.
    pub(crate) fn append(&mut self, key: ColumnKey, from: u16, values: impl Iterator<Item = Option<u64>>) {
        let key = key.number();
        let kind = kind_of(key);
        let mut position = self.find(key);
        for (sample, value) in (from..).zip(values) {
            let is_nothing = value.is_none() || kind != Kind::Steps && value == Some(0);
            let at = match position {
                Ok(at) => at,
                Err(_) if is_nothing => continue,
                Err(at) => {
                    self.columns.insert(at, OpenColumn { cursor: Cursor::default(), key, body: NO_BODY });
                    position = Ok(at);
                    at
                }
            };
            let Some(column) = self.columns.get_mut(at) else { continue };
            let (cursor, bytes) = column.writer(&mut self.bodies);
            match (kind, value) {
                (Kind::Steps, Some(value)) => cursor.step(bytes, sample, value),
                (Kind::Steps, None) => cursor.absent(bytes, sample),
                (Kind::Plain | Kind::Folded, value) => cursor.plain(bytes, sample, value.unwrap_or(0)),
            }
        }
    }

    /// Columns of other series (ascending) than these have no value from this sample on.
    pub(crate) fn end_all_but(&mut self, series: &[SeriesId], from: u16) {
        for column in &mut self.columns {
            let of = SeriesId(column.key >> 3);
            if of != SeriesId::ROW && column.cursor.present && series.binary_search(&of).is_err() {
                let (cursor, bytes) = column.writer(&mut self.bodies);
                cursor.absent(bytes, from);
            }
        }
    }

    /// The times, and those of the columns that are wanted.
    pub(crate) fn read(&self, wanted: impl Fn(ColumnKey) -> bool) -> Block {
        let mut columns = Vec::new();
        let mut bytes = Vec::new();
        for column in &self.columns {
            let Some(key) = ColumnKey::from_number(column.key).filter(|key| wanted(*key)) else { continue };
            bytes.clear();
            self.write(column, &mut bytes);
            if let Some(values) = column::list(&bytes, false, kind_of(column.key), self.times.len()) {
                columns.push(Column { key, values });
            }
        }
        Block { interval: self.interval, times: self.times.clone(), columns }
    }

    /// Appends a column as far as it has come.
    fn write(&self, column: &OpenColumn, bytes: &mut Vec<u8>) {
        let mut cursor = column.cursor;
        match self.bodies.get(column.body as usize) {
            Some(body) => bytes.extend_from_slice(body),
            None => cursor.begin(bytes),
        }
        cursor.finish(bytes, kind_of(column.key), self.next());
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.times.capacity() * size_of::<Millis>()
            + self.columns.capacity() * size_of::<OpenColumn>()
            + self.bodies.capacity() * size_of::<Vec<u8>>()
            + self.bodies.iter().map(Vec::capacity).sum::<usize>()
    }
}
