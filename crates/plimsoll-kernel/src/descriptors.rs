//! The agent's budget of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::files::Keep;

/// Descriptors that are left for sockets, the engine and the rest of the program.
const RESERVE: u64 = 256;

/// Where the kernel names no limit.
const PLENTY: u64 = 1 << 20;

/// How many descriptors may be kept open, and how many are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: u64,
    refused: bool,
}

impl Budget {
    /// Raises the soft limit to the hard one and takes what is there, less a reserve.
    pub(crate) fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let limit = if raised { maximum } else { current }.unwrap_or(PLENTY);
        Self::new(limit.saturating_sub(RESERVE))
    }

    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, refused: false }
    }

    /// Whether a file of this worth may be kept open; if so, it counts as open.
    ///
    /// Whoever comes first must not take what is worth more to those who come later: with two thousand
    /// containers and twenty thousand descriptors, nearly all keep what they read in every pass.
    pub(crate) fn take(&mut self, keep: Keep) -> bool {
        let allowed = match keep {
            Keep::First => self.limit,
            Keep::Always => self.limit / 10 * 9,
            Keep::IfPlenty => self.limit / 10 * 4,
            Keep::IfAbundant => self.limit / 10 * 3,
            Keep::Never => return false,
        };
        let fits = self.used < allowed;
        self.used += u64::from(fits);
        self.refused |= !fits;
        fits
    }

    pub(crate) fn give_back(&mut self, count: u64) {
        self.used = self.used.saturating_sub(count);
    }

    /// Whether every file so far could be kept open.
    pub(crate) fn was_enough(&self) -> bool {
        !self.refused
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

/// The most descriptors that this process may open.
#[must_use]
pub(crate) fn maximum() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_valuable_files_go_first() {
        let mut budget = Budget::new(10);
        for (keep, fits) in [(Keep::IfAbundant, 3), (Keep::IfPlenty, 1), (Keep::Always, 5), (Keep::First, 1)]
        {
            assert_eq!((0..20).filter(|_| budget.take(keep)).count(), fits, "{keep:?}");
        }
        assert!(!budget.was_enough());
        let mut budget = Budget::new(10);
        assert!(!budget.take(Keep::Never) && budget.was_enough(), "what is not to be kept is not missed");
        assert!((0..10).all(|_| budget.take(Keep::First)));
        budget.give_back(10);
        assert!(budget.take(Keep::IfAbundant));
    }
}
