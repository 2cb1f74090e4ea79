//! Out-of-memory kills, counted once although two sources tell of them.
//!
//! The kernel counts kills in the container's cgroup, and forgets them when the cgroup goes. The engine
//! sends events, which can be fewer or late, and outlive the cgroup. Within one life of a container the
//! larger of the two is taken, and lives add up.

/// The out-of-memory kills of one container, over all of its lives.
///
/// ```
/// use plimsoll_model::oom::OomLedger;
///
/// let mut ledger = OomLedger::default();
/// ledger.kernel(2);
/// ledger.engine(1);
/// assert_eq!(ledger.total(), 2, "both tell of the same kills");
/// ledger.cgroup_gone();
/// ledger.next_life(1, false);
/// ledger.kernel(0);
/// assert_eq!(ledger.total(), 2, "a restart forgets nothing");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomLedger {
    /// Kills of the lives before this one.
    past: u64,
    /// Which life of the container the engine's count is about.
    life: u64,
    /// What the engine told of this life.
    engine: u64,
    /// Kills in cgroups of this life that are gone (the engine may not have noticed that they changed).
    kernel_gone: u64,
    /// Kills in the present cgroup.
    kernel_now: u64,
}

impl OomLedger {
    /// The kernel's count in the present cgroup.
    pub fn kernel(&mut self, kills: u64) {
        self.kernel_now = self.kernel_now.max(kills);
    }

    /// The present cgroup is gone; the next one starts at zero.
    pub fn cgroup_gone(&mut self) {
        self.kernel_gone += std::mem::take(&mut self.kernel_now);
    }

    /// The engine's count within the present life.
    pub fn engine(&mut self, kills: u64) {
        self.engine = self.engine.max(kills);
    }

    /// The engine tells of life number `life`; numbers only grow, and one that is known changes nothing.
    /// `cgroup_is_new` when the present cgroup was already found to belong to this new life, so that its
    /// count moves along instead of being closed with the old one.
    pub fn next_life(&mut self, life: u64, cgroup_is_new: bool) {
        if life <= self.life {
            return;
        }
        let carried = if cgroup_is_new { std::mem::take(&mut self.kernel_now) } else { 0 };
        *self = Self { past: self.total(), life, kernel_now: carried, ..Self::default() };
    }

    /// Everything it knows, to be kept while the agent is away.
    #[must_use]
    pub fn to_numbers(self) -> [u64; 5] {
        [self.past, self.life, self.engine, self.kernel_gone, self.kernel_now]
    }

    /// The ledger that was kept.
    #[must_use]
    pub fn from_numbers([past, life, engine, kernel_gone, kernel_now]: [u64; 5]) -> Self {
        Self { past, life, engine, kernel_gone, kernel_now }
    }

    /// Kills over all lives.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.past + self.engine.max(self.kernel_gone + self.kernel_now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Kernel(u64),
        Gone,
        Engine(u64),
        NextLife(bool),
    }

    proptest! {
        #[test]
        fn the_total_never_falls(steps in prop::collection::vec(prop_oneof![
            (0u64..5).prop_map(Step::Kernel), Just(Step::Gone), (0u64..5).prop_map(Step::Engine), any::<bool>().prop_map(Step::NextLife),
        ], 0..60)) {
            let (mut ledger, mut life, mut last) = (OomLedger::default(), 0, 0);
            for step in steps {
                match step {
                    Step::Kernel(n) => ledger.kernel(n),
                    Step::Gone => ledger.cgroup_gone(),
                    Step::Engine(n) => ledger.engine(n),
                    Step::NextLife(cgroup_is_new) => {
                        life += 1;
                        ledger.next_life(life, cgroup_is_new);
                    }
                }
                prop_assert!(ledger.total() >= last);
                last = ledger.total();
            }
        }
    }

    #[test]
    fn an_event_after_the_cgroup_went_is_not_counted_again() {
        let mut ledger = OomLedger::default();
        ledger.kernel(1);
        ledger.cgroup_gone();
        ledger.engine(1);
        assert_eq!(ledger.total(), 1);
    }

    #[test]
    fn a_cgroup_found_before_the_engine_spoke_is_counted_once() {
        let mut ledger = OomLedger::default();
        ledger.kernel(1);
        ledger.cgroup_gone();
        ledger.kernel(2);
        ledger.next_life(1, true);
        ledger.kernel(2);
        assert_eq!(ledger.total(), 3);
    }

    #[test]
    fn a_kill_that_only_the_engine_saw_counts() {
        let mut ledger = OomLedger::default();
        ledger.kernel(0);
        ledger.cgroup_gone();
        ledger.engine(1);
        ledger.next_life(1, false);
        ledger.kernel(0);
        assert_eq!(ledger.total(), 1);
    }
}
