//! A fixed set of numbers, each either read or absent.

use crate::catalog::SlotIndex;

/// The numbers of one subject (a container, an interface, a device): a value and a presence bit for each
/// slot of `S`. Fixed in size, so that a sample costs no allocation.
///
/// ```
/// use plimsoll_model::{Slot, Values};
///
/// let mut values = Values::<Slot, { Slot::COUNT }>::default();
/// values.set(Slot::MemoryUsage, 4096);
/// assert_eq!(values.get(Slot::MemoryUsage), Some(4096));
/// assert_eq!(values.get(Slot::MemoryCache), None, "what was not read is absent, not 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values<S, const N: usize> {
    values: [u64; N],
    present: [u64; WORDS],
    slots: std::marker::PhantomData<S>,
}

/// Words of the presence bitmap; enough for [`crate::Slot`], the largest slot set.
const WORDS: usize = 3;

impl<S, const N: usize> Default for Values<S, N> {
    fn default() -> Self {
        const { assert!(N <= WORDS * 64, "the presence bitmap is too small for this slot set") };
        Self { values: [0; N], present: [0; WORDS], slots: std::marker::PhantomData }
    }
}

impl<S: SlotIndex, const N: usize> Values<S, N> {
    /// Stores what was read.
    #[inline]
    pub fn set(&mut self, slot: S, value: u64) {
        let index = slot.index();
        self.values[index] = value;
        self.present[index / 64] |= 1 << (index % 64);
    }

    /// Stores what was read, or nothing where nothing was.
    #[inline]
    pub fn set_option(&mut self, slot: S, value: Option<u64>) {
        if let Some(value) = value {
            self.set(slot, value);
        }
    }

    /// The value, if it was read.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: S) -> Option<u64> {
        let index = slot.index();
        (self.present[index / 64] & (1 << (index % 64)) != 0).then(|| self.values[index])
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.present = [0; WORDS];
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present == [0; WORDS]
    }

    /// Forgets every value that `other` has too.
    pub fn forget(&mut self, other: &Self) {
        for (word, theirs) in self.present.iter_mut().zip(other.present) {
            *word &= !theirs;
        }
    }

    /// Takes over every value that `other` has, in place of its own.
    pub fn merge(&mut self, other: &Self) {
        for (word, theirs) in other.present.iter().copied().enumerate() {
            let mut left = theirs;
            while left != 0 {
                let index = word * 64 + left.trailing_zeros() as usize;
                self.values[index] = other.values[index];
                left &= left - 1;
            }
            self.present[word] |= theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;

    type Row = Values<Slot, { Slot::COUNT }>;

    #[test]
    fn every_slot_is_independent() {
        let mut row = Row::default();
        assert!(row.is_empty());
        for (n, slot) in Slot::ALL.iter().enumerate() {
            assert_eq!(row.get(*slot), None);
            row.set(*slot, n as u64);
        }
        for (n, slot) in Slot::ALL.iter().enumerate() {
            assert_eq!(row.get(*slot), Some(n as u64));
        }
        row.clear();
        assert!(row.is_empty());
    }

    #[test]
    fn merging_keeps_what_the_other_lacks() {
        let (mut a, mut b) = (Row::default(), Row::default());
        a.set(Slot::CpuUsage, 1);
        a.set(Slot::MemoryUsage, 2);
        b.set(Slot::MemoryUsage, 3);
        b.set(Slot::Processes, 0);
        a.merge(&b);
        assert_eq!(a.get(Slot::CpuUsage), Some(1));
        assert_eq!(a.get(Slot::MemoryUsage), Some(3));
        assert_eq!(a.get(Slot::Processes), Some(0));
        assert_eq!(a.get(Slot::Threads), None);
        a.forget(&b);
        assert_eq!(
            (a.get(Slot::CpuUsage), a.get(Slot::MemoryUsage), a.get(Slot::Processes)),
            (Some(1), None, None)
        );
    }
}
