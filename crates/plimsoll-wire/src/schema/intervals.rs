//! What a schema remembers of containers from one snapshot to the next.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use plimsoll_model::happened::Told;
use plimsoll_model::rate::Rate;
use plimsoll_model::{ContainerRow, Slot};

/// A container that was not in so many snapshots is forgotten; shorter absences are an engine that comes back.
const GONE_AFTER: u64 = 8;

/// The processor's counters of which percentages are made.
const PROCESSOR: [Slot; 3] = [Slot::CpuUsage, Slot::CpuSystem, Slot::CpuUser];

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals {
    past: HashMap<u64, Past>,
    /// Counts snapshots.
    round: u64,
    /// The times of this snapshot and the one before, in Unix nanoseconds.
    at: u64,
    before: Option<u64>,
}

/// One container as its last row showed it.
#[derive(Clone, Debug)]
pub(super) struct Past {
    round: u64,
    started: Option<u64>,
    rates: [Rate; PROCESSOR.len()],
    /// Its life so far, to be updated with each row.
    pub(super) life: Told,
}

impl Intervals {
    /// A snapshot of this time begins.
    pub(super) fn begin(&mut self, at: u64) {
        self.before = (self.round > 0).then_some(self.at);
        self.at = at;
        self.round += 1;
    }

    /// Forgets containers that are not there any more.
    pub(super) fn end(&mut self) {
        let round = self.round;
        self.past.retain(|_, past| round - past.round < GONE_AFTER);
    }

    /// What is remembered of the row's container, and its percentages of one core since its last row: all, in the kernel, in
    /// user mode. `None` for a container that cannot be told from one before it in the same snapshot.
    pub(super) fn meet(&mut self, row: &ContainerRow) -> Option<(&mut Past, [Option<u64>; PROCESSOR.len()])> {
        let container = &row.container;
        if container.id.is_empty() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (&*container.engine, &container.id).hash(&mut hasher);
        let (round, at) = (self.round, self.at);
        let past = match self.past.entry(hasher.finish()) {
            Entry::Occupied(known) => {
                let past = known.into_mut();
                if past.round == round {
                    return None;
                }
                past
            }
            Entry::Vacant(place) => {
                let made = self.before.is_some() && row.values.get(Slot::Created) >= self.before;
                let life = if made { Told::of_new() } else { Told::of(row) };
                place.insert(Past { round, started: row.started, rates: Default::default(), life })
            }
        };
        past.round = round;
        if past.started != row.started {
            // The counters of another life: even where they are larger than before, no rate lies between.
            past.started = row.started;
            past.rates = Default::default();
        }
        let mut percent = [None; PROCESSOR.len()];
        for ((percent, rate), slot) in percent.iter_mut().zip(&mut past.rates).zip(PROCESSOR) {
            match row.values.get(slot) {
                Some(value) => *percent = rate.update(at, value).and_then(|rate| rate.checked_mul(100)),
                None => rate.reset(),
            }
        }
        Some((past, percent))
    }
}
