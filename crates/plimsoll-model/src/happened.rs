//! What happened to a container between two of its rows, as far as its counters and times tell.
//!
//! ```
//! use std::sync::Arc;
//! use plimsoll_model::happened::{Happened, Told};
//! use plimsoll_model::{Container, ContainerRow, Slot};
//!
//! let mut row = ContainerRow::new(Arc::new(Container::new("0123456789abcdef", "docker".into())));
//! row.values.set(Slot::ExitsError, 1);
//! let known = Told::of(&row);
//!
//! row.values.set(Slot::ExitsError, 3);
//! let now = Told::of(&row).after(&known);
//! assert_eq!(now.since(&known), Happened { exits: 2, ..Happened::default() });
//! ```

use crate::catalog::Slot;
use crate::snapshot::ContainerRow;

/// What a row tells of a container's life. Times are in Unix nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The last start.
    pub started: Option<u64>,
    /// The last end.
    pub finished: Option<u64>,
    /// Ends of all kinds; absent until they are counted.
    pub exits: Option<u64>,
    /// Starts but the first; absent until they are counted.
    pub restarts: Option<u64>,
    /// Kills for lack of memory; absent until they are counted.
    pub ooms: Option<u64>,
}

/// What lies between two rows of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Whether it started for the first time.
    pub started: bool,
    /// How often it ended.
    pub exits: u64,
    /// How many times processes of it were killed for lack of memory.
    pub ooms: u64,
    /// How often it started again.
    pub restarts: u64,
    /// Whether the later row tells of a later end, also where the one before told of none.
    pub finished_anew: bool,
    /// Whether the later row tells of a later start than the one before, which told of one.
    pub started_anew: bool,
}

/// A start that differs by less is the same one, told more exactly.
const SAME_START: u64 = 1_000_000_000;

impl Told {
    /// Of a container that was made while somebody watched: all that its first row tells has just happened.
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

    /// What is known once this was told. A row that tells nothing, as while the engine is away, makes nothing forgotten.
    #[must_use]
    pub fn after(self, known: &Self) -> Self {
        Self {
            started: self.started.or(known.started),
            finished: self.finished.or(known.finished),
            exits: self.exits.or(known.exits),
            restarts: self.restarts.or(known.restarts),
            ooms: self.ooms.or(known.ooms),
        }
    }

    /// What happened since `known`; this is what was known [after](Self::after) it.
    #[must_use]
    pub fn since(self, known: &Self) -> Happened {
        let finished_anew = self.finished > known.finished;
        let started_anew = known
            .started
            .zip(self.started)
            .is_some_and(|(known, now)| now > known.saturating_add(SAME_START));
        Happened {
            // What the first inspection of a known container tells is no news.
            started: known.started.is_none() && self.started.is_some() && known.restarts.is_some(),
            exits: grown(known.exits, self.exits, finished_anew && known.finished.is_some()),
            ooms: grown(known.ooms, self.ooms, false),
            restarts: grown(known.restarts, self.restarts, started_anew),
            finished_anew,
            started_anew,
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
    use super::*;
    use crate::container::Container;

    const S: u64 = 1_000_000_000;

    fn row(values: &[(Slot, u64)]) -> ContainerRow {
        let mut row = ContainerRow::new(Container::new("a", "docker".into()).into());
        values.iter().for_each(|(slot, value)| row.values.set(*slot, *value));
        row
    }

    #[test]
    fn a_row_tells_what_its_slots_hold() {
        assert_eq!(Told::of(&row(&[])), Told::default());
        let all = row(&[
            (Slot::Started, 1),
            (Slot::Finished, 2),
            (Slot::ExitsZero, 3),
            (Slot::ExitsSignal, 4),
            (Slot::ExitsError, 5),
            (Slot::Restarts, 6),
            (Slot::OomEvents, 7),
        ]);
        let told = Told::of(&all);
        let expected =
            Told { started: Some(1), finished: Some(2), exits: Some(12), restarts: Some(6), ooms: Some(7) };
        assert_eq!(told, expected);
        assert_eq!(Told::of(&row(&[(Slot::ExitsError, 1)])).exits, Some(1), "the others are not counted yet");
        assert_eq!(Told::of(&row(&[])).after(&told), told, "nothing is forgotten");
        assert_eq!(told.after(&Told::of_new()), told);
        assert_eq!(Told::default().after(&Told::of_new()), Told::of_new());
    }

    #[test]
    fn counters_that_are_known_say_how_often() {
        let known = Told { exits: Some(2), restarts: Some(1), ooms: Some(0), ..Told::default() };
        assert_eq!(known.since(&known), Happened::default());
        let now = Told { exits: Some(4), restarts: Some(3), ooms: Some(5), ..known };
        assert_eq!(now.since(&known), Happened { exits: 2, restarts: 2, ooms: 5, ..Happened::default() });
    }

    #[test]
    fn where_counters_fell_or_are_not_known_times_tell_of_one() {
        let known = Told {
            started: Some(10 * S),
            finished: Some(11 * S),
            exits: Some(2),
            restarts: Some(2),
            ooms: Some(2),
        };
        let began_anew = Told { exits: Some(0), restarts: Some(0), ooms: Some(0), ..known };
        assert_eq!(began_anew.since(&known), Happened::default());
        let later = Told { started: Some(20 * S), finished: Some(21 * S), ..began_anew };
        let once = Happened {
            exits: 1,
            restarts: 1,
            finished_anew: true,
            started_anew: true,
            ..Happened::default()
        };
        assert_eq!(later.since(&known), once);
        let uncounted = |told: Told| Told { exits: None, restarts: None, ooms: None, ..told };
        assert_eq!(uncounted(later).since(&uncounted(known)), once);
    }

    #[test]
    fn a_start_that_is_told_more_exactly_is_the_same_one() {
        let at = |started| Told { started: Some(started), ..Told::default() };
        assert_eq!(at(11 * S).since(&at(10 * S)), Happened::default());
        assert_eq!(at(9 * S).since(&at(10 * S)), Happened::default());
        let anew = Happened { restarts: 1, started_anew: true, ..Happened::default() };
        assert_eq!(at(11 * S + 1).since(&at(10 * S)), anew);
        assert_eq!(at(u64::MAX).since(&at(u64::MAX - 1)), Happened::default());
    }

    #[test]
    fn the_first_row_of_a_new_container_is_news_and_the_first_inspection_of_a_known_one_is_none() {
        let told = Told {
            started: Some(10 * S),
            finished: Some(11 * S),
            exits: Some(1),
            restarts: Some(0),
            ooms: Some(0),
        };
        let news = Happened { started: true, exits: 1, finished_anew: true, ..Happened::default() };
        assert_eq!(told.since(&Told::of_new()), news);
        let told = told.since(&Told::default());
        assert_eq!(told, Happened { finished_anew: true, ..Happened::default() }, "when, and not how often");
    }
}
