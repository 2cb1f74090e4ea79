//! What happened to a container between two of its rows, as far as its counters and times tell.

use plimsoll_model::{ContainerRow, Slot};

/// Something that happened to a container, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It started for the first time.
    Started,
    /// It ended. The exit code is that of the last end, where it is known.
    Exited {
        /// How often.
        count: u64,
        /// The exit code.
        code: Option<u64>,
    },
    /// Processes of it were killed for lack of memory.
    OomKilled {
        /// How many times.
        count: u64,
    },
    /// It started again.
    Restarted {
        /// How often.
        count: u64,
    },
}

impl Happening {
    /// Its word, as the history calls it too.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Exited { .. } => "exited",
            Self::OomKilled { .. } => "oom_killed",
            Self::Restarted { .. } => "restarted",
        }
    }

    /// How often it happened.
    #[must_use]
    pub const fn count(self) -> u64 {
        match self {
            Self::Started => 1,
            Self::Exited { count, .. } | Self::OomKilled { count } | Self::Restarted { count } => count,
        }
    }
}

/// What a row tells of a container's life. Times are in Unix nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    started: Option<u64>,
    finished: Option<u64>,
    /// Ends of all kinds; absent until they are counted.
    exits: Option<u64>,
    restarts: Option<u64>,
    ooms: Option<u64>,
}

/// A start that differs by less is the same one, told more exactly.
const SAME_START: u64 = 1_000_000_000;

impl Facts {
    /// A container that was made while somebody watched: all that its first row tells has just happened.
    #[must_use]
    pub fn of_new() -> Self {
        Self { exits: Some(0), restarts: Some(0), ooms: Some(0), ..Self::default() }
    }

    /// What this row tells.
    #[must_use]
    pub fn of(row: &ContainerRow) -> Self {
        let values = &row.values;
        let exits = [Slot::ExitsZero, Slot::ExitsSignal, Slot::ExitsError];
        Self {
            started: values.get(Slot::Started),
            finished: values.get(Slot::Finished),
            exits: exits.into_iter().filter_map(|slot| values.get(slot)).reduce(u64::saturating_add),
            restarts: values.get(Slot::Restarts),
            ooms: values.get(Slot::OomEvents),
        }
    }

    /// Takes over a later row, and tells what happened since the one before, in the order in which such things happen.
    pub fn update(&mut self, row: &ContainerRow, mut tell: impl FnMut(Happening)) {
        let (known, told) = (*self, Self::of(row));
        let now = Self {
            started: told.started.or(known.started),
            finished: told.finished.or(known.finished),
            exits: told.exits.or(known.exits),
            restarts: told.restarts.or(known.restarts),
            ooms: told.ooms.or(known.ooms),
        };
        if now == known {
            return;
        }
        *self = now;
        // What the first inspection of a known container tells is no news.
        if known.started.is_none() && now.started.is_some() && known.restarts.is_some() {
            tell(Happening::Started);
        }
        let ended_anew = known.finished.is_some() && now.finished > known.finished;
        let started_anew =
            known.started.zip(now.started).is_some_and(|(known, now)| now > known.saturating_add(SAME_START));
        let exits = grown(known.exits, now.exits, ended_anew);
        if exits > 0 {
            tell(Happening::Exited { count: exits, code: row.values.get(Slot::ExitCode) });
        }
        let ooms = grown(known.ooms, now.ooms, false);
        if ooms > 0 {
            tell(Happening::OomKilled { count: ooms });
        }
        let restarts = grown(known.restarts, now.restarts, started_anew);
        if restarts > 0 {
            tell(Happening::Restarted { count: restarts });
        }
    }
}

/// How much a counter grew. Where it was not counted, or fell because an agent began anew, it was once if `seen`.
fn grown(known: Option<u64>, now: Option<u64>, seen: bool) -> u64 {
    match (known, now) {
        (Some(known), Some(now)) if now >= known => now - known,
        _ => u64::from(seen),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_model::Container;

    use super::*;

    fn row(values: &[(Slot, u64)]) -> ContainerRow {
        let mut row = ContainerRow::new(Container::new("a", "docker".into()).into());
        values.iter().for_each(|(slot, value)| row.values.set(*slot, *value));
        row
    }

    #[test]
    fn counters_and_times_tell_what_happened() {
        const S: u64 = 1_000_000_000;
        use Happening::{Exited, OomKilled, Restarted, Started};
        use Slot::{ExitCode, ExitsError, ExitsSignal, Finished, OomEvents, Restarts};
        let life =
            [(Slot::Started, 10 * S), (ExitsSignal, 1), (ExitsError, 1), (Restarts, 2), (OomEvents, 0)];
        let before = row(&life);
        for (later, expected) in [
            (vec![], vec![]),
            (vec![(Slot::Started, 10 * S + 1)], vec![]),
            (vec![(ExitsError, 2), (ExitCode, 3)], vec![Exited { count: 1, code: Some(3) }]),
            (
                vec![(ExitsSignal, 3), (OomEvents, 2), (Restarts, 4), (Slot::Started, 20 * S)],
                vec![Exited { count: 2, code: None }, OomKilled { count: 2 }, Restarted { count: 2 }],
            ),
            // The counts of an agent that began anew.
            (
                vec![(ExitsSignal, 0), (ExitsError, 0), (Restarts, 0), (Slot::Started, 20 * S)],
                vec![Restarted { count: 1 }],
            ),
        ] {
            let mut now = before.clone();
            later.iter().for_each(|(slot, value)| now.values.set(*slot, *value));
            let (mut facts, mut told) = (Facts::of(&before), Vec::new());
            facts.update(&now, |what| told.push(what));
            assert_eq!(told, expected, "{later:?}");
            facts.update(&now, |what| panic!("{what:?} was told twice"));
        }
        let mut told = Vec::new();
        let ran = row(&[
            (Slot::Started, 10 * S),
            (Finished, 11 * S),
            (Slot::ExitsZero, 1),
            (Restarts, 0),
            (ExitCode, 0),
        ]);
        Facts::of_new().update(&ran, |what| told.push(what));
        assert_eq!(told, [Started, Exited { count: 1, code: Some(0) }]);
        // The first inspection of a container that was there before.
        Facts::of(&row(&[])).update(&before, |what| panic!("{what:?} is no news"));
        // A row without counts, as while the engine is away, forgets nothing.
        let mut facts = Facts::of(&before);
        facts.update(&row(&[]), |what| panic!("{what:?}"));
        facts.update(&before, |what| panic!("{what:?}"));
        assert_eq!(
            told.iter().map(|what| (what.word(), what.count())).collect::<Vec<_>>(),
            [("started", 1), ("exited", 1)]
        );
    }
}
