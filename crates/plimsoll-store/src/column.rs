//! One column of numbers as bytes, written as the numbers come.
//!
//! A column is a sequence of tokens, each a varint. A 0 begins a run: the varint behind it is twice the length less one, and
//! odd where the run is of samples without a value; else it is of values like the one before. Anything else is a value: in a
//! column of steps, the folded difference to the value before it (to 0 at the start); in a plain column, the value itself.
//! What is missing at the end is a run, too: of values like the last in a column of steps, of none in a plain one. So numbers
//! that never change are one token, and a plain column that is always 0, which is the same as absent there, is none at all.

use crate::varint::{add, difference, put, take};

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As steps from value to value: for what goes on from where it was.
    Steps,
    /// Each value itself, and 0 as absent: for what is near 0 and nearly always 0.
    Plain,
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

/// The values of a column of so many samples, in order, each with how many times it is there; `None` where the bytes are not
/// such a column. Never more values than samples are told to `each`.
pub(crate) fn read(
    mut bytes: &[u8],
    kind: Kind,
    samples: usize,
    mut each: impl FnMut(Option<u64>, usize),
) -> Option<()> {
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
            last = if kind == Kind::Steps { add(last, token) } else { token };
            each(Some(last), 1);
        }
    }
    if left > 0 {
        each((kind == Kind::Steps).then_some(last), left);
    }
    Some(())
}

/// The values of a column, in a list.
pub(crate) fn list(bytes: &[u8], kind: Kind, samples: usize) -> Option<Vec<Option<u64>>> {
    let mut values = Vec::with_capacity(samples);
    read(bytes, kind, samples, |value, count| {
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
            (Some(value), Kind::Plain) => cursor.plain(bytes, at, *value),
            (None, Kind::Steps) => cursor.absent(bytes, at),
            (None, Kind::Plain) => {}
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

    proptest! {
        #[test]
        fn what_goes_in_comes_out(values in values()) {
            let mut bytes = Vec::new();
            write(&mut bytes, Kind::Steps, &values);
            prop_assert_eq!(list(&bytes, Kind::Steps, values.len()), Some(values.clone()));
            bytes.clear();
            write(&mut bytes, Kind::Plain, &values);
            let without_zeros = values.iter().map(|value| value.filter(|value| *value != 0)).collect();
            prop_assert_eq!(list(&bytes, Kind::Plain, values.len()), Some(without_zeros));
        }

        #[test]
        fn a_column_goes_on_where_it_ended(values in values(), more in values(), steps: bool) {
            let kind = if steps { Kind::Steps } else { Kind::Plain };
            let mut bytes = Vec::new();
            write(&mut bytes, kind, &values);
            let mut cursor = Cursor::resume(&bytes, kind, values.len() as u16).unwrap();
            let mut at = values.len() as u16;
            for value in &more {
                match (value, kind) {
                    (Some(value), Kind::Steps) => cursor.step(&mut bytes, at, *value),
                    (Some(value), Kind::Plain) => cursor.plain(&mut bytes, at, *value),
                    (None, Kind::Steps) => cursor.absent(&mut bytes, at),
                    (None, Kind::Plain) => {}
                }
                at += 1;
            }
            cursor.finish(&mut bytes, kind, at);
            let whole = [values, more].concat();
            let mut expected = Vec::new();
            write(&mut expected, kind, &whole);
            prop_assert_eq!(list(&bytes, kind, whole.len()), list(&expected, kind, whole.len()));
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, samples in 0_u16..1200, steps: bool) {
            let kind = if steps { Kind::Steps } else { Kind::Plain };
            let values = list(&bytes, kind, samples.into());
            prop_assert_eq!(Cursor::resume(&bytes, kind, samples).is_some(), values.is_some());
            if let Some(values) = values {
                prop_assert_eq!(values.len(), usize::from(samples));
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
}
