//! What is kept of lives while the agent is away, so that counters go on.

use std::collections::HashMap;

use super::{Inspection, Lifecycle};
use crate::oom::OomLedger;

/// A life as plain numbers: all that [`Lifecycle`] and [`OomLedger`] count, and what they need to tell whether something
/// that they hear later is news.
///
/// ```
/// use plimsoll_model::lifecycle::{Inspection, Lifecycle, Saved};
/// use plimsoll_model::oom::OomLedger;
///
/// let run = |started| Inspection { running: true, started: Some(started), restart_count: Some(0), ..Inspection::default() };
/// let mut life = Lifecycle::first_seen(100);
/// life.inspected(&run(50));
/// let saved = Saved::new(&life, &OomLedger::default());
/// let kept = Saved::from_numbers(&saved.to_numbers()).unwrap();
///
/// let mut later = Lifecycle::resumed(&kept);
/// later.inspected(&run(200));
/// assert_eq!(later.restarts(), 1, "it was restarted while the agent was away");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    seen: u64,
    created: Option<u64>,
    started: Option<u64>,
    finished: Option<u64>,
    exit_code: Option<u64>,
    oom_killed: Option<bool>,
    failing_streak: Option<u64>,
    restart_count: Option<u64>,
    running: bool,
    restarting: bool,
    was_inspected: bool,
    exits: [u64; 3],
    by_policy: u64,
    by_hand: u64,
    unexplained: u64,
    announced: u64,
    before: u64,
    life: u64,
    ooms: u64,
    last_start_event: Option<u64>,
    last_die_event: Option<u64>,
    last_event: Option<u64>,
    ledger: [u64; 5],
}

/// How many numbers a [`Saved`] is. More are added at the end, and fewer are read as if those were absent.
const NUMBERS: usize = 29;

impl Saved {
    /// What is to be kept of a life.
    #[must_use]
    pub fn new(life: &Lifecycle, ledger: &OomLedger) -> Self {
        let facts = &life.facts;
        Self {
            seen: life.seen,
            created: facts.created,
            started: facts.started,
            finished: facts.finished,
            exit_code: facts.exit_code,
            oom_killed: facts.oom_killed,
            failing_streak: facts.failing_streak,
            restart_count: facts.restart_count,
            running: facts.running,
            restarting: facts.restarting,
            was_inspected: life.was_inspected,
            exits: life.exits,
            by_policy: life.by_policy,
            by_hand: life.by_hand,
            unexplained: life.unexplained,
            announced: life.announced,
            before: life.before,
            life: life.life,
            ooms: life.ooms,
            last_start_event: life.last_start_event,
            last_die_event: life.last_die_event,
            last_event: life.last_event,
            ledger: ledger.to_numbers(),
        }
    }

    /// The out-of-memory kills.
    #[must_use]
    pub fn ledger(&self) -> OomLedger {
        OomLedger::from_numbers(self.ledger)
    }

    /// As numbers, for a file.
    #[must_use]
    pub fn to_numbers(&self) -> [Option<u64>; NUMBERS] {
        let [exits_zero, exits_signal, exits_error] = self.exits.map(Some);
        let [past, life, engine, gone, now] = self.ledger.map(Some);
        let told = |flag: bool| Some(u64::from(flag));
        [
            Some(self.seen),
            self.created,
            self.started,
            self.finished,
            self.exit_code,
            self.oom_killed.map(u64::from),
            self.failing_streak,
            self.restart_count,
            told(self.running),
            told(self.restarting),
            told(self.was_inspected),
            exits_zero,
            exits_signal,
            exits_error,
            Some(self.by_policy),
            Some(self.by_hand),
            Some(self.unexplained),
            Some(self.announced),
            Some(self.before),
            Some(self.life),
            Some(self.ooms),
            self.last_start_event,
            self.last_die_event,
            self.last_event,
            past,
            life,
            engine,
            gone,
            now,
        ]
    }

    /// Reads what [`Saved::to_numbers`] wrote, in this version or another; `None` where that cannot be.
    #[must_use]
    pub fn from_numbers(numbers: &[Option<u64>]) -> Option<Self> {
        let told = |index: usize| numbers.get(index).copied().flatten();
        let count = |index: usize| told(index).unwrap_or(0);
        Some(Self {
            seen: told(0)?,
            created: told(1),
            started: told(2),
            finished: told(3),
            exit_code: told(4),
            oom_killed: told(5).map(|flag| flag != 0),
            failing_streak: told(6),
            restart_count: told(7),
            running: count(8) != 0,
            restarting: count(9) != 0,
            was_inspected: count(10) != 0,
            exits: [count(11), count(12), count(13)],
            by_policy: count(14),
            by_hand: count(15),
            unexplained: count(16),
            announced: count(17),
            before: count(18),
            life: count(19),
            ooms: count(20),
            last_start_event: told(21),
            last_die_event: told(22),
            last_event: told(23),
            ledger: [count(24), count(25), count(26), count(27), count(28)],
        })
    }
}

/// What was known when the agent ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Until when it was known, in Unix nanoseconds: what happened later is news. Absent where nothing was kept.
    pub until: Option<u64>,
    /// The lives of containers, by full id.
    pub lives: HashMap<String, Saved>,
}

impl Lifecycle {
    /// The life of a container that was known before the agent was away. What it hears next tells what happened in
    /// between: events, as far as the engine remembers them, and an inspection.
    #[must_use]
    pub fn resumed(saved: &Saved) -> Self {
        let facts = Inspection {
            running: saved.running,
            restarting: saved.restarting,
            created: saved.created,
            started: saved.started,
            finished: saved.finished,
            exit_code: saved.exit_code,
            oom_killed: saved.oom_killed,
            failing_streak: saved.failing_streak,
            restart_count: saved.restart_count,
        };
        Self {
            seen: saved.seen,
            facts,
            was_inspected: saved.was_inspected,
            exits: saved.exits,
            by_policy: saved.by_policy,
            by_hand: saved.by_hand,
            unexplained: saved.unexplained,
            announced: saved.announced,
            before: saved.before,
            life: saved.life,
            ooms: saved.ooms,
            last_start_event: saved.last_start_event,
            last_die_event: saved.last_die_event,
            last_event: saved.last_event,
            resumed_after: saved.last_event,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(started: u64, restart_count: u64) -> Inspection {
        Inspection {
            running: true,
            started: Some(started),
            restart_count: Some(restart_count),
            ..Inspection::default()
        }
    }

    fn kept(life: &Lifecycle) -> Lifecycle {
        let numbers = Saved::new(life, &OomLedger::default()).to_numbers();
        Lifecycle::resumed(&Saved::from_numbers(&numbers).unwrap())
    }

    #[test]
    fn numbers_come_back() {
        let mut ledger = OomLedger::default();
        ledger.kernel(3);
        let mut life = Lifecycle::first_seen(7);
        life.inspected(&run(10, 2));
        life.died(20, Some(137));
        life.started(30);
        let saved = Saved::new(&life, &ledger);
        assert_eq!(Saved::from_numbers(&saved.to_numbers()), Some(saved));
        assert_eq!(saved.ledger(), ledger);
        assert_eq!(Saved::from_numbers(&[]), None);
        assert!(Saved::from_numbers(&[Some(1)]).is_some(), "of an older version, which knew less");
    }

    #[test]
    fn what_happened_meanwhile_is_counted_once() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&run(10, 0));
        life.died(20, Some(1));
        life.started(30);
        life.inspected(&run(29, 1));
        // What was heard before is told again, and what was not is news.
        let mut later = kept(&life);
        later.died(20, Some(1));
        later.started(30);
        later.died(40, Some(0));
        later.started(50);
        later.inspected(&run(49, 2));
        assert_eq!((later.restarts(), later.exits), (2, [1, 0, 1]));
        // Without the events, an inspection tells of the start.
        let mut later = kept(&life);
        later.heard_since(60);
        later.inspected(&run(49, 2));
        assert_eq!((later.restarts(), later.exits), (2, [0, 0, 1]));
        // And nothing is told where nothing happened.
        let mut later = kept(&life);
        later.heard_since(60);
        later.inspected(&run(29, 1));
        assert_eq!((later.restarts(), later.exits), (1, [0, 0, 1]));
    }
}
