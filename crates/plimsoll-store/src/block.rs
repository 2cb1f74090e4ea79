//! A block: the samples of one container over some minutes, as columns, in one piece of compressed bytes.
//!
//! The bytes are a format version and one zstd frame with a checksum of its content. Inside, as varints: the number of
//! samples, the interval, the first time, the column of the steps between times less the interval; the number of columns;
//! for each, in order of its key, what its key has over the key before, and the length of its bytes four times, plus 1
//! where they begin with a unit, plus 2 where the column is related to others; the bytes of all columns (see
//! [`crate::column`]).
//!
//! A related column (see [`crate::relate`]) begins with two distances, in columns back to ones that are not related, the
//! second perhaps 0 for none; behind them is the column of its values less those of the first plus those of the second.

use crate::column::{self, Kind};
use crate::frame::{Damaged, compress, open};
use crate::relate::Relations;
use crate::tier::Millis;
use crate::varint::{put, take, take_bytes, unzigzag, zigzag};

/// The most samples that one block has.
pub(crate) const MAX_SAMPLES: usize = 1_200;

/// The most columns that one block has.
pub(crate) const MAX_COLUMNS: usize = 65_536;

/// The most series that one row has: with all their statistics, they are still within [`MAX_COLUMNS`].
pub(crate) const MAX_ROW: usize = 8_192;

/// The most values (samples times columns) that one block has: what bounds the memory that reading one takes.
pub(crate) const MAX_CELLS: usize = 8 << 20;

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

impl Block {
    /// The column of this key.
    pub(crate) fn column(&self, key: ColumnKey) -> Option<&Column> {
        let found = self.columns.binary_search_by_key(&key, |column| column.key).ok()?;
        self.columns.get(found)
    }

    /// The block as it is stored. Its bounds ([`MAX_SAMPLES`], [`MAX_COLUMNS`], [`MAX_CELLS`]) are the caller's to keep:
    /// what is beyond them cannot be read again. Statistics that are 0 come back as absent.
    #[cfg(test)]
    pub(crate) fn encode(&self) -> Sealed {
        self.pack(Packed::for_good(self.times.len()))
    }

    #[cfg(test)]
    fn pack(&self, mut packed: Packed) -> Sealed {
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
    /// [`Damaged`] where the bytes are not a block. Whatever the bytes are, no more memory is taken than [`crate::frame::MAX_BYTES`] and
    /// [`MAX_CELLS`] values.
    pub(crate) fn decode(bytes: &[u8], wanted: impl Fn(ColumnKey) -> bool) -> Result<Self, Damaged> {
        let content = open(bytes)?;
        Self::read(&content, wanted).ok_or(Damaged::Content)
    }

    fn read(content: &[u8], wanted: impl Fn(ColumnKey) -> bool) -> Option<Self> {
        let mut rest = content;
        let head = Head::read(&mut rest)?;
        let mut bodies = Vec::with_capacity(head.columns.len());
        for column in &head.columns {
            bodies.push(take_bytes(&mut rest, column.length)?);
        }
        let mut columns = Vec::new();
        for (position, column) in head.columns.iter().enumerate().filter(|(_, column)| wanted(column.key)) {
            columns.push(Column { key: column.key, values: head.values(&bodies, position)? });
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
    pub(crate) is_related: bool,
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
            let (has_unit, is_related) = (length & 1 != 0, length & 2 != 0);
            columns.push(Packing { key, length: length >> 2, has_unit, is_related });
        }
        Some(Self { interval, times, columns })
    }
}

impl Head {
    /// The values of a column; `bodies` are the bytes of all.
    fn values(&self, bodies: &[&[u8]], position: usize) -> Option<Vec<Option<u64>>> {
        let (column, mut body) = (self.columns.get(position)?, *bodies.get(position)?);
        let list = |column: &Packing, body: &[u8]| {
            column::list(body, column.has_unit, kind_of(column.key.number()), self.times.len())
        };
        if !column.is_related {
            return list(column, body);
        }
        let (off, on) = (take(&mut body)?, take(&mut body)?);
        let mut values = list(column, body)?;
        for (distance, sign) in [(off, 1), (on, u64::MAX)].into_iter().filter(|(distance, _)| *distance > 0) {
            let other = position.checked_sub(usize::try_from(distance).ok()?)?;
            let packing = self.columns.get(other).filter(|other| !other.is_related)?;
            for (value, other) in values.iter_mut().zip(list(packing, bodies.get(other)?)?) {
                *value = Some((*value)?.wrapping_add(other?.wrapping_mul(sign)));
            }
        }
        Some(values)
    }
}

/// Columns on their way into a block.
#[derive(Default)]
pub(crate) struct Packed {
    /// Of each column its key, the length of its bytes, and what is special about them.
    columns: Vec<(u32, usize, u64)>,
    bytes: Vec<u8>,
    /// Where columns may be related: how many samples they have, too.
    relations: Option<(Relations, usize)>,
}

impl Packed {
    /// For a block of so many samples that does not grow any more: columns are told by each other. Without this, the block
    /// can be gone on with.
    pub(crate) fn for_good(samples: usize) -> Self {
        Self { relations: Some((Relations::default(), samples)), ..Self::default() }
    }

    /// Takes a finished column. Columns come by key, ascending.
    pub(crate) fn push(&mut self, key: u32, column: &[u8]) {
        let kind = kind_of(key);
        let position = self.columns.len();
        let relations = self.relations.as_mut().filter(|_| kind == Kind::Steps);
        let related = relations.and_then(|(relations, samples)| relations.find(position, column, *samples));
        let from = self.bytes.len();
        let special = match related {
            Some(related) => {
                put(&mut self.bytes, related.off as u64);
                put(&mut self.bytes, related.on as u64);
                2 | u64::from(column::pack(&mut self.bytes, &related.column, kind))
            }
            None => u64::from(column::pack(&mut self.bytes, column, kind)),
        };
        self.columns.push((key, self.bytes.len() - from, special));
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
        for &(key, length, special) in &self.columns {
            put(&mut content, u64::from(key.wrapping_sub(number)));
            put(&mut content, (length as u64) << 2 | special);
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

/// A block that is the same for ever: what a stored file of each format version is made of in tests.
#[cfg(test)]
pub(crate) fn sample() -> Block {
    const SAMPLES: u64 = 300;
    let times =
        (0..SAMPLES).map(|n| 1_700_000_000_000 + n.cast_signed() * 1000 + i64::from(n % 7 == 3)).collect();
    let column = |series, stat, value: &dyn Fn(u64) -> Option<u64>| Column {
        key: ColumnKey { series: SeriesId(series), stat },
        values: (0..SAMPLES).map(value).collect(),
    };
    let columns = vec![
        column(1, Stat::Last, &|_| Some(7)),
        column(2, Stat::Last, &|n| Some(n * n % 91 * 4096)),
        column(2, Stat::Max, &|n| (n % 50 == 9).then_some(n * 4096)),
        column(2, Stat::Mean, &|n| (n % 3 == 1).then_some(n % 17 + 1)),
        column(3, Stat::Last, &|n| (n % 100 < 60).then_some(u64::MAX - n)),
        column(4, Stat::Last, &|n| Some(n * (n + n.rotate_right(7) % 1_000_003) * 1000)),
        column(5, Stat::Last, &|n| Some(n * (n + n.rotate_right(7) % 1_000_003) * 1000 + n % 2 * 1000)),
        column(70_000, Stat::Last, &|n| (n > 250).then_some(1_000_000 * n)),
    ];
    Block { interval: 1000, times, columns }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::MAX_BYTES;

    #[test]
    fn a_block_comes_back_whole_or_in_part() {
        let block = sample();
        let sealed = block.encode();
        assert_eq!((sealed.first, sealed.last, sealed.samples), (block.times[0], block.times[299], 300));
        assert_eq!(Block::decode(&sealed.bytes, |_| true), Ok(block.clone()));
        let key = ColumnKey::last(SeriesId(2));
        let part = Block::decode(&sealed.bytes, |asked| asked == key).unwrap();
        assert_eq!((part.columns.len(), part.column(key)), (1, block.column(key)));
        let keys: Vec<_> =
            Block::columns_of(&sealed.bytes).unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, block.columns.iter().map(|column| column.key).collect::<Vec<_>>());
        let head = open(&sealed.bytes).map(|content| Head::read(&mut content.as_slice()).unwrap()).unwrap();
        assert_eq!(head.columns.iter().filter(|column| column.is_related).count(), 1);
        // The step of one value, and no unit.
        assert_eq!(Block::columns_of(&sealed.bytes).unwrap()[0].1, 1);
    }

    #[test]
    fn a_block_of_each_version_is_read_for_good() {
        let stored = include_bytes!("../tests/fixtures/block-v1.bin");
        assert_eq!(Block::decode(stored, |_| true), Ok(sample()));
    }

    #[test]
    fn a_block_of_nothing_is_a_block() {
        let block = Block { interval: 1000, ..Block::default() };
        assert_eq!(Block::decode(&block.encode().bytes, |_| true), Ok(block));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = sample().encode().bytes;
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Block::decode(&flipped, |_| true);
            // Zstandard has bits that mean nothing; then what is read is what was written.
            assert!(read.is_err() || read == Ok(sample()), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Block::decode(&bytes[..length], |_| true).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut bytes = sample().encode().bytes;
        bytes[0] = 2;
        assert_eq!(Block::decode(&bytes, |_| true), Err(Damaged::Version(2)));
        assert_eq!(Block::decode(&[], |_| true), Err(Damaged::Frame));
    }

    #[test]
    fn what_claims_to_be_large_is_refused() {
        let content = |numbers: &[u64]| {
            let mut content = Vec::new();
            for number in numbers {
                put(&mut content, *number);
            }
            compress(&content)
        };
        let samples = MAX_SAMPLES as u64;
        for (what, bytes) in [
            ("samples", content(&[samples + 1, 2, 2, 0, 0])),
            ("columns", content(&[1, 2, 2, 0, MAX_COLUMNS as u64 + 1])),
            ("values", content(&[samples, 2, 2, 0, MAX_COLUMNS as u64])),
            ("a column's length", content(&[1, 2, 2, 0, 1, 8, u64::MAX])),
            ("the times' length", content(&[1, 2, 2, u64::MAX])),
            ("a key", content(&[1, 2, 2, 0, 1, u64::MAX, 0])),
            ("a statistic", content(&[1, 2, 2, 0, 1, 7, 0])),
            ("the same key again", content(&[1, 2, 2, 0, 2, 8, 0, 0, 0])),
        ] {
            assert_eq!(Block::decode(&bytes, |_| true), Err(Damaged::Content), "{what}");
        }
        assert_eq!(Block::decode(&compress(&vec![0; MAX_BYTES + 1]), |_| true), Err(Damaged::Frame));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, content in proptest::collection::vec(0_u8..20, 0..200)) {
            for bytes in [bytes, compress(&content)] {
                let _ = Block::decode(&bytes, |_| true);
                let _ = Block::columns_of(&bytes);
                let _ = crate::open::OpenColumns::resume(&bytes);
            }
        }

        /// What a checksum would have noticed, if somebody had not made a right one.
        #[test]
        fn a_block_with_other_bytes_is_read_or_refused(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for packed in [Packed::default(), Packed::for_good(300)] {
                let mut content = open(&sample().pack(packed).bytes).unwrap();
                for (index, byte) in &changes {
                    *index.get_mut(&mut content) = *byte;
                }
                let bytes = compress(&content);
                if let Ok(block) = Block::decode(&bytes, |_| true) {
                    prop_assert!(block.columns.iter().all(|column| column.values.len() == block.times.len()));
                }
                let _ = crate::open::OpenColumns::resume(&bytes);
            }
        }
    }
}
