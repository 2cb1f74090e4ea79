//! What happened to a container between two of its rows, in the words of points.

use plimsoll_model::happened::Told;
use plimsoll_model::{ContainerRow, Slot};

/// Something that happened to a container, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
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
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Exited { .. } => "exited",
            Self::OomKilled { .. } => "oom_killed",
            Self::Restarted { .. } => "restarted",
        }
    }

    /// How often it happened.
    pub(super) const fn count(self) -> u64 {
        match self {
            Self::Started => 1,
            Self::Exited { count, .. } | Self::OomKilled { count } | Self::Restarted { count } => count,
        }
    }
}

/// Takes over a later row, and tells what happened since the one before, in the order in which such things happen.
pub(super) fn update(known: &mut Told, row: &ContainerRow, mut tell: impl FnMut(Happening)) {
    let now = Told::of(row).after(known);
    let happened = now.since(known);
    *known = now;
    if happened.started {
        tell(Happening::Started);
    }
    if happened.exits > 0 {
        tell(Happening::Exited { count: happened.exits, code: row.values.get(Slot::ExitCode) });
    }
    if happened.ooms > 0 {
        tell(Happening::OomKilled { count: happened.ooms });
    }
    if happened.restarts > 0 {
        tell(Happening::Restarted { count: happened.restarts });
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
            let (mut known, mut told) = (Told::of(&before), Vec::new());
            update(&mut known, &now, |what| told.push(what));
            assert_eq!(told, expected, "{later:?}");
            update(&mut known, &now, |what| panic!("{what:?} was told twice"));
        }
        let mut told = Vec::new();
        let ran = row(&[
            (Slot::Started, 10 * S),
            (Finished, 11 * S),
            (Slot::ExitsZero, 1),
            (Restarts, 0),
            (ExitCode, 0),
        ]);
        update(&mut Told::of_new(), &ran, |what| told.push(what));
        assert_eq!(told, [Started, Exited { count: 1, code: Some(0) }]);
        // The first inspection of a container that was there before.
        update(&mut Told::of(&row(&[])), &before, |what| panic!("{what:?} is no news"));
        // A row without counts, as while the engine is away, forgets nothing.
        let mut known = Told::of(&before);
        update(&mut known, &row(&[]), |what| panic!("{what:?}"));
        update(&mut known, &before, |what| panic!("{what:?}"));
        assert_eq!(
            told.iter().map(|what| (what.word(), what.count())).collect::<Vec<_>>(),
            [("started", 1), ("exited", 1)]
        );
    }
}
