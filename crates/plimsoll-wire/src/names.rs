//! Which names a point has already: encoders write none twice.

use std::ops::Range;

/// The names of one point, as they are written.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ranges: Vec<Range<usize>>,
    /// A bit for what each of them looks like, so that they are seldom compared.
    looks: u64,
}

impl Names {
    /// Another point begins.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
        self.looks = 0;
    }

    /// Whether the name at this place of `out` is one of them.
    #[inline]
    pub(crate) fn has(&self, out: &[u8], name: &Range<usize>) -> bool {
        self.looks & look(&out[name.clone()]) != 0
            && self.ranges.iter().any(|known| out[known.clone()] == out[name.clone()])
    }

    /// The name at this place of `out` is one of them from now on.
    #[inline]
    pub(crate) fn add(&mut self, out: &[u8], name: Range<usize>) {
        self.looks |= look(&out[name.clone()]);
        self.ranges.push(name);
    }

    /// Adds the name at this place of `out`, unless it is one of them.
    #[inline]
    pub(crate) fn is_new(&mut self, out: &[u8], name: Range<usize>) -> bool {
        let is_new = !self.has(out, &name);
        if is_new {
            self.add(out, name);
        }
        is_new
    }
}

#[inline]
fn look(name: &[u8]) -> u64 {
    let [first, .., last] = name else { return 1 };
    let middle = name[name.len() / 2];
    let mixed =
        name.len() ^ (usize::from(*first) << 1) ^ (usize::from(middle) * 5) ^ (usize::from(*last) * 3);
    1 << (mixed & 63)
}
