//! One column of numbers as bytes, written as the numbers come.
//!
//! A column is a sequence of tokens, each a varint. A 0 begins a run: the varint behind it is twice the length less one, and
//! odd where the run is of samples without a value; else it is of values like the one before. Anything else is a value: in a
//! column of steps, the folded difference to the value before it (to 0 at the start); in a plain column, the value itself.
//! What is missing at the end is a run, too: of values like the last in a column of steps, of none in a plain one. So numbers
//! that never change are one token, and a plain column that is always 0, which is the same as absent there, is none at all.
//!
//! What is stored is *packed*: many numbers are multiples of something (memory of pages, times of microseconds or of the
//! kernel's ticks), and then the tokens are divided by that unit.

use crate::varint::{add, difference, put, take, unzigzag, zigzag};

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As steps from value to value: for what goes on from where it was.
    Steps,
    /// Each value itself, and 0 as absent: for what is near 0 and nearly always 0.
    Plain,
    /// As plain, of values that are folded signed ones.
    Folded,
}

impl Kind {
    /// How far from 0 is what a token says.
    fn magnitude(self, token: u64) -> u64 {
        if self == Self::Plain { token } else { unzigzag(token).unsigned_abs() }
    }

    /// The token for what this one says, divided by a unit that divides it.
    fn divided(self, token: u64, unit: i64) -> u64 {
        if self == Self::Plain { token / unit.unsigned_abs() } else { zigzag(unzigzag(token) / unit) }
    }

    /// What [`Kind::divided`] divided.
    #[inline]
    fn multiplied(self, token: u64, unit: i64) -> u64 {
        if self == Self::Plain {
            token.wrapping_mul(unit.unsigned_abs())
        } else {
            zigzag(unzigzag(token).wrapping_mul(unit))
        }
    }
}

/// What a writer knows of a column between two samples. The bytes are kept apart: most columns hardly ever have any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// The last value that was written.
    pub(crate) last: u64,
    /// How many samples the bytes tell of. Later ones are a run that is still open.
    written: u16,
    /// Whether that run has values (like the last) or none. Never of a plain column.
    pub(crate) present: bool,
}

impl Cursor {
    /// A column of one value since the first sample; [`Cursor::begin`] is still to be called.
    pub(crate) fn constant(value: u64) -> Self {
        Self { last: value, written: 0, present: true }
    }

    /// Writes the value of a [`Cursor::constant`], before anything else.
    pub(crate) fn begin(&mut self, bytes: &mut Vec<u8>) {
        if self.present && self.last != 0 {
            put(bytes, difference(0, self.last));
            self.written = 1;
        }
    }

    /// Takes the value of sample number `at` of a column of steps. Those between the last one told of and this are part of
    /// the open run.
    #[inline]
    pub(crate) fn step(&mut self, bytes: &mut Vec<u8>, at: u16, value: u64) {
        if self.present && value == self.last {
            return;
        }
        self.close_run(bytes, at);
        self.present = true;
        if value != self.last {
            put(bytes, difference(self.last, value));
            self.last = value;
            self.written = at + 1;
        }
    }

    /// Takes the value of sample number `at` of a plain column.
    #[inline]
    pub(crate) fn plain(&mut self, bytes: &mut Vec<u8>, at: u16, value: u64) {
        if value != 0 {
            self.close_run(bytes, at);
            put(bytes, value);
            self.written = at + 1;
        }
    }

    /// Takes that sample number `at` of a column of steps has no value.
    pub(crate) fn absent(&mut self, bytes: &mut Vec<u8>, at: u16) {
        if self.present {
            self.close_run(bytes, at);
            self.present = false;
        }
    }

    /// Writes the open run, which ends before sample number `at`.
    fn close_run(&mut self, bytes: &mut Vec<u8>, at: u16) {
        if at > self.written {
            put(bytes, 0);
            put(bytes, u64::from(at - self.written - 1) << 1 | u64::from(!self.present));
            self.written = at;
        }
    }

    /// Writes what the end of a column of so many samples would not say by itself.
    pub(crate) fn finish(mut self, bytes: &mut Vec<u8>, kind: Kind, samples: u16) {
        if kind == Kind::Steps && !self.present {
            self.close_run(bytes, samples);
        }
    }

    /// Where the writer of a finished column of so many samples stands; `None` where the bytes are not such a column.
    pub(crate) fn resume(mut bytes: &[u8], kind: Kind, samples: u16) -> Option<Self> {
        let mut cursor = Self { present: kind == Kind::Steps, ..Self::default() };
        while !bytes.is_empty() {
            let token = take(&mut bytes)?;
            let length = match token {
                0 => {
                    let run = take(&mut bytes)?;
                    cursor.present = kind == Kind::Steps && run & 1 == 0;
                    u16::try_from(run >> 1).ok()?.checked_add(1)?
                }
                _ => {
                    if kind == Kind::Steps {
                        cursor.last = add(cursor.last, token);
                        cursor.present = true;
                    }
                    1
                }
            };
            cursor.written = cursor.written.checked_add(length).filter(|written| *written <= samples)?;
        }
        if cursor.written < samples {
            cursor.present = kind == Kind::Steps;
        }
        Some(cursor)
    }
}

/// The largest number that divides all that the tokens of a column say; 1 where that is not worth the trouble.
pub(crate) fn unit(mut bytes: &[u8], kind: Kind) -> i64 {
    let mut unit = 0_u64;
    let mut count = 0;
    while let Some(token) = take(&mut bytes) {
        if token == 0 {
            take(&mut bytes);
            continue;
        }
        count += 1;
        let magnitude = kind.magnitude(token);
        if !magnitude.is_multiple_of(unit) {
            unit = greatest_divisor(magnitude, unit);
            if unit == 1 {
                return 1;
            }
        }
    }
    if count < 2 { 1 } else { i64::try_from(unit).unwrap_or(1) }
}

fn greatest_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// Appends a finished column as it is stored, and says whether it begins with a unit.
pub(crate) fn pack(out: &mut Vec<u8>, column: &[u8], kind: Kind) -> bool {
    let unit = unit(column, kind);
    if unit == 1 {
        out.extend_from_slice(column);
        return false;
    }
    put(out, unit.unsigned_abs());
    let mut rest = column;
    while let Some(token) = take(&mut rest) {
        match token {
            0 => {
                out.push(0);
                put(out, take(&mut rest).unwrap_or(0));
            }
            _ => put(out, kind.divided(token, unit)),
        }
    }
    true
}

/// The column that was packed; `None` where that makes no sense.
pub(crate) fn unpack(packed: &[u8], has_unit: bool, kind: Kind) -> Option<Vec<u8>> {
    let (unit, mut rest) = unit_and_rest(packed, has_unit)?;
    if unit == 1 {
        return Some(rest.to_vec());
    }
    let mut out = Vec::with_capacity(2 * rest.len());
    while !rest.is_empty() {
        match take(&mut rest)? {
            0 => {
                out.push(0);
                put(&mut out, take(&mut rest)?);
            }
            // Around the end of the range something can become 0, which would be a run.
            token => put(&mut out, Some(kind.multiplied(token, unit)).filter(|token| *token != 0)?),
        }
    }
    Some(out)
}

fn unit_and_rest(packed: &[u8], has_unit: bool) -> Option<(i64, &[u8])> {
    let mut rest = packed;
    let unit = if has_unit { i64::try_from(take(&mut rest)?).ok()? } else { 1 };
    Some((unit, rest))
}

/// The values of a packed column of so many samples, in order, each with how many times it is there; `None` where the bytes
/// are not such a column. Never more values than samples are told to `each`.
pub(crate) fn read(
    packed: &[u8],
    has_unit: bool,
    kind: Kind,
    samples: usize,
    mut each: impl FnMut(Option<u64>, usize),
) -> Option<()> {
    let (unit, mut bytes) = unit_and_rest(packed, has_unit)?;
    let mut last = 0;
    let mut left = samples;
    while !bytes.is_empty() {
        let token = take(&mut bytes)?;
        if token == 0 {
            let run = take(&mut bytes)?;
            let length = usize::try_from(run >> 1).ok()?.checked_add(1)?;
            left = left.checked_sub(length)?;
            each((run & 1 == 0).then_some(last), length);
        } else {
            left = left.checked_sub(1)?;
            let token = kind.multiplied(token, unit);
            last = if kind == Kind::Steps { add(last, token) } else { token };
            each(Some(last), 1);
        }
    }
    if left > 0 {
        each((kind == Kind::Steps).then_some(last), left);
    }
    Some(())
}

/// The values of a packed column, in a list.
pub(crate) fn list(packed: &[u8], has_unit: bool, kind: Kind, samples: usize) -> Option<Vec<Option<u64>>> {
    let mut values = Vec::with_capacity(samples);
    read(packed, has_unit, kind, samples, |value, count| {
        if count == 1 {
            values.push(value);
        } else {
            values.resize(values.len() + count, value);
        }
    })?;
    Some(values)
}

/// A list of values as a column; its length is within [`crate::block::MAX_SAMPLES`].
pub(crate) fn write(bytes: &mut Vec<u8>, kind: Kind, values: &[Option<u64>]) {
    let mut cursor = Cursor::default();
    let mut at = 0;
    for value in values {
        match (value, kind) {
            (Some(value), Kind::Steps) => cursor.step(bytes, at, *value),
            (Some(value), Kind::Plain | Kind::Folded) => cursor.plain(bytes, at, *value),
            (None, Kind::Steps) => cursor.absent(bytes, at),
            (None, Kind::Plain | Kind::Folded) => {}
        }
        at += 1;
    }
    cursor.finish(bytes, kind, at);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values as they are: long runs, small steps, sometimes anything.
    fn values() -> impl Strategy<Value = Vec<Option<u64>>> {
        let value = prop_oneof![
            2 => Just(None),
            3 => (0_u64..4).prop_map(Some),
            1 => prop_oneof![Just(u64::MAX), Just(1 << 63), any::<u64>()].prop_map(Some),
        ];
        proptest::collection::vec((value, 1_usize..20), 0..40).prop_map(|runs| {
            runs.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect()
        })
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Steps), Just(Kind::Plain), Just(Kind::Folded)]
    }

    /// What comes back of values: in a plain column, 0 is absent.
    fn kept(kind: Kind, values: &[Option<u64>]) -> Vec<Option<u64>> {
        values.iter().map(|value| value.filter(|value| kind == Kind::Steps || *value != 0)).collect()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(values in values(), kind in kinds(), unit in prop_oneof![Just(1), 2_u64..10_000]) {
            let values: Vec<_> = values.into_iter().map(|value| Some(value?.wrapping_mul(unit))).collect();
            let mut bytes = Vec::new();
            write(&mut bytes, kind, &values);
            prop_assert_eq!(list(&bytes, false, kind, values.len()), Some(kept(kind, &values)));
            let mut packed = Vec::new();
            let has_unit = pack(&mut packed, &bytes, kind);
            prop_assert_eq!(list(&packed, has_unit, kind, values.len()), Some(kept(kind, &values)));
            prop_assert_eq!(unpack(&packed, has_unit, kind), Some(bytes));
        }

        #[test]
        fn a_column_goes_on_where_it_ended(values in values(), more in values(), kind in kinds()) {
            let mut bytes = Vec::new();
            write(&mut bytes, kind, &values);
            let mut cursor = Cursor::resume(&bytes, kind, values.len() as u16).unwrap();
            let mut at = values.len() as u16;
            for value in &more {
                match (value, kind) {
                    (Some(value), Kind::Steps) => cursor.step(&mut bytes, at, *value),
                    (Some(value), _) => cursor.plain(&mut bytes, at, *value),
                    (None, Kind::Steps) => cursor.absent(&mut bytes, at),
                    (None, _) => {}
                }
                at += 1;
            }
            cursor.finish(&mut bytes, kind, at);
            let whole = [values, more].concat();
            prop_assert_eq!(list(&bytes, false, kind, whole.len()), Some(kept(kind, &whole)));
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, has_unit: bool, samples in 0_u16..1200, kind in kinds()) {
            if let Some(values) = list(&bytes, has_unit, kind, samples.into()) {
                prop_assert_eq!(values.len(), usize::from(samples));
            }
            if let Some(column) = unpack(&bytes, has_unit, kind) {
                let resumed = Cursor::resume(&column, kind, samples);
                prop_assert_eq!(resumed.is_some(), list(&column, false, kind, samples.into()).is_some());
            }
        }
    }

    #[test]
    fn what_never_changes_costs_nothing() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Steps, &[Some(0); 1000]);
        write(&mut bytes, Kind::Plain, &[Some(0); 1000]);
        assert!(bytes.is_empty(), "{bytes:?}");
        write(&mut bytes, Kind::Steps, &[Some(7); 1000]);
        assert_eq!(bytes, [14]);
    }

    #[test]
    fn multiples_of_pages_are_pages() {
        let (mut bytes, mut packed) = (Vec::new(), Vec::new());
        write(&mut bytes, Kind::Steps, &[Some(8192), Some(4096), Some(12288)]);
        assert!(pack(&mut packed, &bytes, Kind::Steps));
        assert_eq!(packed, [0x80, 0x20, 4, 1, 4]);
    }
}
