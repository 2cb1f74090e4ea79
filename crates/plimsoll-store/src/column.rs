//! One column of numbers as bytes, written as the numbers come.
//!
//! A column is a sequence of tokens, each a varint. One above 0 is the folded difference of a value to the value before it
//! (to 0 at the start). A 0 begins a run: the varint behind it is twice the length less one, and odd where the run is of
//! samples without a value; else it is of values like the one before. What is missing at the end is a run, too: values like
//! the last. So a column that never changes is its first value, and one that is always 0 is nothing at all.

use crate::varint::{add, difference, put, take};

/// What a writer knows of a column between two samples. The bytes are kept apart: most columns hardly ever have any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// The last value that was written.
    pub(crate) last: u64,
    /// How many samples the bytes tell of. Later ones are a run that is still open.
    pub(crate) written: u16,
    /// Whether that run has values (like the last) or none.
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

    /// Takes the value of sample number `at`. Those between the last one told of and this are part of the open run.
    #[inline]
    pub(crate) fn value(&mut self, bytes: &mut Vec<u8>, at: u16, value: u64) {
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

    /// Takes that sample number `at` has no value.
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
    pub(crate) fn finish(mut self, bytes: &mut Vec<u8>, samples: u16) {
        if !self.present {
            self.close_run(bytes, samples);
        }
    }
}

/// The values of a column of so many samples, in order; `None` where the bytes are not such a column. Never more values
/// than samples are told to `each`.
pub(crate) fn read(mut bytes: &[u8], samples: usize, mut each: impl FnMut(Option<u64>, usize)) -> Option<()> {
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
            last = add(last, token);
            each(Some(last), 1);
        }
    }
    if left > 0 {
        each(Some(last), left);
    }
    Some(())
}

/// The values of a column, in a list.
pub(crate) fn list(bytes: &[u8], samples: usize) -> Option<Vec<Option<u64>>> {
    let mut values = Vec::with_capacity(samples);
    read(bytes, samples, |value, count| {
        if count == 1 {
            values.push(value);
        } else {
            values.resize(values.len() + count, value);
        }
    })?;
    Some(values)
}

/// A list of values as a column.
pub(crate) fn write(bytes: &mut Vec<u8>, values: &[Option<u64>]) {
    let mut cursor = Cursor::default();
    let mut at = 0;
    for value in values {
        match value {
            Some(value) => cursor.value(bytes, at, *value),
            None => cursor.absent(bytes, at),
        }
        at += 1;
    }
    cursor.finish(bytes, at);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values as they are: long runs, small steps, sometimes anything.
    pub(crate) fn values() -> impl Strategy<Value = Vec<Option<u64>>> {
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
            write(&mut bytes, &values);
            prop_assert_eq!(list(&bytes, values.len()), Some(values));
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, samples in 0_usize..2000) {
            if let Some(values) = list(&bytes, samples) {
                prop_assert_eq!(values.len(), samples);
            }
        }
    }

    #[test]
    fn what_never_changes_costs_nothing() {
        let mut bytes = Vec::new();
        write(&mut bytes, &[Some(0); 1000]);
        assert!(bytes.is_empty(), "{bytes:?}");
        write(&mut bytes, &[Some(7); 1000]);
        assert_eq!(bytes, [14]);
    }
}
