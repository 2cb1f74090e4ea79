//! Random numbers that a seed brings back.

use std::time::SystemTime;

/// A generator (`splitmix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// One from `PLIMSOLL_SEED`, or from the clock. The seed is printed.
    pub(crate) fn of_this_run(what: &str) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = crate::number("PLIMSOLL_SEED").unwrap_or(u64::from(now.subsec_nanos()));
        println!("{what}: PLIMSOLL_SEED={seed} does the same again");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Another generator, that does not depend on how far this one is taken.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
