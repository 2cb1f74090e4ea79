//! A block: the samples of one container over some minutes, as columns, in one piece of compressed bytes.
//!
//! The bytes are a format version and one zstd frame with a checksum of its content. Inside, as varints: the number of
//! samples, the interval, the first time, the column of the steps between times less the interval; the number of columns;
//! for each, in order of its key, what its key has over the key before, and the length of its bytes, twice, odd where they
//! begin with a unit; the bytes of all columns (see [`crate::column`]).

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use crate::column::{self, Kind};
use crate::tier::Millis;
use crate::varint::{put, take, take_bytes, unzigzag, zigzag};

/// The first byte of a block. Another means another format.
pub(crate) const VERSION: u8 = 1;

/// The most samples that one block has.
pub(crate) const MAX_SAMPLES: usize = 1_200;

/// The most columns that one block has.
pub(crate) const MAX_COLUMNS: usize = 65_536;

/// The most series that one row has: with all their statistics, they are still within [`MAX_COLUMNS`].
pub(crate) const MAX_ROW: usize = 8_192;

/// The most values (samples times columns) that one block has: what bounds the memory that reading one takes.
pub(crate) const MAX_CELLS: usize = 8 << 20;

/// The most bytes that a block has before compression.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// How hard zstd tries.
const LEVEL: i32 = 3;

/// A series' number in this file's dictionary: a metric's name and labels. 0 is the row itself. Less than 2^29.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeriesId(pub(crate) u32);

impl SeriesId {
    /// The row itself: how many samples are in a bucket, and how much of its time they cover.
    pub(crate) const ROW: Self = Self(0);
}

/// What the numbers of a column are. Blocks of raw samples have only [`Stat::Last`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Stat {
    /// The value, or the last one of a bucket.
    Last = 0,
    /// The least of a bucket.
    Min = 1,
    /// The largest of a bucket.
    Max = 2,
    /// The mean of a bucket.
    Mean = 3,
    /// How many values are in a bucket.
    Count = 4,
    /// How much a counter grew in a bucket.
    Increase = 5,
    /// How many milliseconds of a bucket lie between adjacent samples.
    Covered = 6,
}

impl Stat {
    /// Every one.
    pub(crate) const ALL: [Self; 7] =
        [Self::Last, Self::Min, Self::Max, Self::Mean, Self::Count, Self::Increase, Self::Covered];
}

/// What a column is of. Columns of a block are in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ColumnKey {
    /// The series.
    pub(crate) series: SeriesId,
    /// Which of its numbers.
    pub(crate) stat: Stat,
}

impl ColumnKey {
    /// The values of a series themselves.
    pub(crate) const fn last(series: SeriesId) -> Self {
        Self { series, stat: Stat::Last }
    }

    /// The key as one number, in the order of keys.
    pub(crate) const fn number(self) -> u32 {
        self.series.0 << 3 | self.stat as u32
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        let stat = *Stat::ALL.get((number & 7) as usize)?;
        Some(Self { series: SeriesId(number >> 3), stat })
    }
}

/// How the column with a key of this number is written. Statistics are told as what they are beyond what is expected of
/// them, which is nearly always nothing (see [`crate::rollup`]).
pub(crate) const fn kind_of(number: u32) -> Kind {
    const MEAN: u32 = Stat::Mean as u32;
    const INCREASE: u32 = Stat::Increase as u32;
    const COVERED: u32 = Stat::Covered as u32;
    match number & 7 {
        0 => Kind::Steps,
        _ if number >> 3 == SeriesId::ROW.0 => Kind::Steps,
        MEAN | INCREASE | COVERED => Kind::Folded,
        _ => Kind::Plain,
    }
}

/// Numbers of one kind at the times of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// What they are.
    pub(crate) key: ColumnKey,
    /// One for each time of the block; `None` where there is none.
    pub(crate) values: Vec<Option<u64>>,
}

/// Samples, or points of a tier, of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The usual time from one sample to the next; only how small the block becomes depends on it.
    pub(crate) interval: Millis,
    /// When the samples are from, ascending.
    pub(crate) times: Vec<Millis>,
    /// The columns, in order of their keys, each as long as `times`.
    pub(crate) columns: Vec<Column>,
}

/// A block as it is stored, and what its row in the file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The time of the first sample; 0 where there is none.
    pub(crate) first: Millis,
    /// The time of the last sample.
    pub(crate) last: Millis,
    /// How many samples.
    pub(crate) samples: u32,
    /// How many values in all.
    pub(crate) values: u64,
    /// What is stored.
    pub(crate) bytes: Vec<u8>,
}

/// Bytes that are not a block (or a journal's record) of this format, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damaged {
    /// The first byte is not a version that this program knows.
    #[error("it is of format version {0}, which this program does not know")]
    Version(u8),
    /// The frame does not decompress, or its checksum is wrong.
    #[error("its bytes are damaged")]
    Frame,
    /// The content makes no sense, or is larger than anything that is ever written.
    #[error("its content is not what a version {VERSION} has")]
    Content,
}

impl Block {
    /// The column of this key.
    pub(crate) fn column(&self, key: ColumnKey) -> Option<&Column> {
        let found = self.columns.binary_search_by_key(&key, |column| column.key).ok()?;
        self.columns.get(found)
    }

    /// The block as it is stored. Its bounds ([`MAX_SAMPLES`], [`MAX_COLUMNS`], [`MAX_CELLS`]) are the caller's to keep:
    /// what is beyond them cannot be read again. Statistics that are 0 come back as absent.
    pub(crate) fn encode(&self) -> Sealed {
        let mut packed = Packed::default();
        let mut bytes = Vec::new();
        let mut values = 0;
        for column in &self.columns {
            let key = column.key.number();
            bytes.clear();
            column::write(&mut bytes, kind_of(key), &column.values);
            packed.push(key, &bytes);
            values += column.values.iter().flatten().count() as u64;
        }
        packed.seal(self.interval, &self.times, values)
    }

    /// Reads a stored block: its times, and those of its columns that are wanted.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes are not a block. Whatever the bytes are, no more memory is taken than [`MAX_BYTES`] and
    /// [`MAX_CELLS`] values.
    pub(crate) fn decode(bytes: &[u8], wanted: impl Fn(ColumnKey) -> bool) -> Result<Self, Damaged> {
        let content = open(bytes)?;
        Self::read(&content, wanted).ok_or(Damaged::Content)
    }

    fn read(content: &[u8], wanted: impl Fn(ColumnKey) -> bool) -> Option<Self> {
        let mut rest = content;
        let head = Head::read(&mut rest)?;
        let mut columns = Vec::new();
        for &Packing { key, length, has_unit } in &head.columns {
            let body = take_bytes(&mut rest, length)?;
            if wanted(key) {
                let values = column::list(body, has_unit, kind_of(key.number()), head.times.len())?;
                columns.push(Column { key, values });
            }
        }
        Some(Self { interval: head.interval, times: head.times, columns })
    }

    /// The keys of a stored block's columns, each with its size in bytes before compression.
    ///
    /// # Errors
    ///
    /// As [`Block::decode`].
    pub(crate) fn columns_of(bytes: &[u8]) -> Result<Vec<(ColumnKey, u64)>, Damaged> {
        let content = open(bytes)?;
        let head = Head::read(&mut content.as_slice()).ok_or(Damaged::Content)?;
        Ok(head.columns.into_iter().map(|column| (column.key, column.length)).collect())
    }
}

/// What stands before the bytes of the columns.
pub(crate) struct Head {
    pub(crate) interval: Millis,
    pub(crate) times: Vec<Millis>,
    pub(crate) columns: Vec<Packing>,
}

/// Where a column is among the bytes: behind the column before it.
pub(crate) struct Packing {
    pub(crate) key: ColumnKey,
    pub(crate) length: u64,
    pub(crate) has_unit: bool,
}

impl Head {
    pub(crate) fn read(rest: &mut &[u8]) -> Option<Self> {
        let samples = usize::try_from(take(rest)?).ok().filter(|samples| *samples <= MAX_SAMPLES)?;
        let interval = unzigzag(take(rest)?);
        let first = unzigzag(take(rest)?);
        let length = take(rest)?;
        let steps = take_bytes(rest, length)?;
        let mut times = Vec::with_capacity(samples);
        let mut at = first;
        for step in column::list(steps, false, Kind::Steps, samples)? {
            at = at.wrapping_add(interval).wrapping_add(unzigzag(step?));
            times.push(at);
        }
        let count = usize::try_from(take(rest)?).ok().filter(|count| *count <= MAX_COLUMNS)?;
        if count * samples > MAX_CELLS {
            return None;
        }
        let mut columns = Vec::with_capacity(count);
        let mut number = 0_u32;
        for _ in 0..count {
            let over = u32::try_from(take(rest)?).ok()?;
            // The keys ascend, so that a key is found by halving.
            if over == 0 && !columns.is_empty() {
                return None;
            }
            number = number.checked_add(over)?;
            let length = take(rest)?;
            let key = ColumnKey::from_number(number)?;
            columns.push(Packing { key, length: length >> 1, has_unit: length & 1 == 1 });
        }
        Some(Self { interval, times, columns })
    }
}

/// Columns on their way into a block.
#[derive(Default)]
pub(crate) struct Packed {
    /// Of each column its key, the length of its bytes, and whether they begin with a unit.
    columns: Vec<(u32, usize, bool)>,
    bytes: Vec<u8>,
}

impl Packed {
    /// Takes a finished column. Columns come by key, ascending.
    pub(crate) fn push(&mut self, key: u32, column: &[u8]) {
        let from = self.bytes.len();
        let has_unit = column::pack(&mut self.bytes, column, kind_of(key));
        self.columns.push((key, self.bytes.len() - from, has_unit));
    }

    /// Puts the block together.
    pub(crate) fn seal(&self, interval: Millis, times: &[Millis], values: u64) -> Sealed {
        let first = times.first().copied().unwrap_or_default();
        let mut content =
            Vec::with_capacity(self.bytes.len() + 4 * self.columns.len() + 2 * times.len() + 32);
        put(&mut content, times.len() as u64);
        put(&mut content, zigzag(interval));
        // The first step is an interval, too.
        put(&mut content, zigzag(first.wrapping_sub(interval)));
        let mut before = first.wrapping_sub(interval);
        let mut steps = Vec::with_capacity(times.len());
        for &at in times {
            steps.push(Some(zigzag(at.wrapping_sub(before).wrapping_sub(interval))));
            before = at;
        }
        let mut bytes = Vec::with_capacity(2 * times.len());
        column::write(&mut bytes, Kind::Steps, &steps);
        put(&mut content, bytes.len() as u64);
        content.extend_from_slice(&bytes);
        put(&mut content, self.columns.len() as u64);
        let mut number = 0;
        for &(key, length, has_unit) in &self.columns {
            put(&mut content, u64::from(key.wrapping_sub(number)));
            put(&mut content, (length as u64) << 1 | u64::from(has_unit));
            number = key;
        }
        content.extend_from_slice(&self.bytes);
        Sealed {
            first,
            last: times.last().copied().unwrap_or_default(),
            samples: u32::try_from(times.len()).unwrap_or(u32::MAX),
            values,
            bytes: compress(&content),
        }
    }
}

thread_local! {
    // Making one takes longer than compressing a block does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The format version and one zstd frame with a checksum. Empty where zstd has no memory: then nothing is stored, and
/// reading it says that it is damaged.
pub(crate) fn compress(content: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let frame = (|| {
            if kept.is_none() {
                let mut compressor = Compressor::new(LEVEL)?;
                compressor.include_checksum(true)?;
                *kept = Some(compressor);
            }
            match kept {
                Some(compressor) => compressor.compress(content),
                None => Ok(Vec::new()),
            }
        })();
        match frame {
            Ok(frame) => {
                let mut bytes = Vec::with_capacity(1 + frame.len());
                bytes.push(VERSION);
                bytes.extend_from_slice(&frame);
                bytes
            }
            Err(_) => Vec::new(),
        }
    })
}

/// What [`compress`] compressed.
pub(crate) fn open(bytes: &[u8]) -> Result<Vec<u8>, Damaged> {
    match bytes.split_first() {
        None => Err(Damaged::Frame),
        Some((&VERSION, frame)) => DECOMPRESSOR.with_borrow_mut(|kept| {
            if kept.is_none() {
                *kept = Some(Decompressor::new().map_err(|_| Damaged::Frame)?);
            }
            let Some(decompressor) = kept else { return Err(Damaged::Frame) };
            decompressor.decompress(frame, MAX_BYTES).map_err(|_| Damaged::Frame)
        }),
        Some((&version, _)) => Err(Damaged::Version(version)),
    }
}
