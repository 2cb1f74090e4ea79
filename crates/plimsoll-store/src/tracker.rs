//! Who is there: gives containers their numbers, finds events, and notes what the file has to learn.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use plimsoll_model::lifecycle::Saved;
use plimsoll_model::{Container, ContainerRow, Slot, Snapshot};

use crate::Millis;
use crate::events::Watch;
use crate::file::{EventRecord, SeriesRecord};
use crate::lives::Life;
use crate::query::Happening;
use crate::row::RowBuffer;
use crate::series::Dictionary;

/// The most containers of one file, those of the past included. Retention forgets the oldest ones beyond.
pub(crate) const MAX_CONTAINERS: usize = 65_536;

/// A container that its engine does not name any more for this long is removed. Shorter absences are an engine that comes back.
const GONE_AFTER: Millis = 10_000;

/// The most events that wait to be written.
const MAX_EVENTS_WAITING: usize = 10_000;

const MILLI: u64 = 1_000_000;

/// What the agent knows of containers.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) dictionary: Dictionary,
    pub(crate) rows: Option<RowBuffer>,
    /// The numbers of all containers in the file, by [`key`].
    ids: HashMap<u64, u32>,
    next_id: u32,
    /// Those that are there, or were when the agent ended, by [`key`].
    pub(crate) tracked: HashMap<u64, Tracked>,
    /// The keys of the last snapshot's containers, in its order.
    pub(crate) order: Vec<u64>,
    /// Counts snapshots.
    pub(crate) round: u64,
    /// The first snapshot's time: what is older, nobody watched.
    pub(crate) watched_since: Option<Millis>,
    /// The last snapshot's time.
    pub(crate) now: Option<Millis>,
    notes: Notes,
    pub(crate) counts: Counts,
}

#[derive(Debug)]
pub(crate) struct Tracked {
    id: u32,
    container: Arc<Container>,
    watch: Watch,
    life: Option<Saved>,
    /// The last snapshot that had it.
    round: u64,
    absent_since: Option<Millis>,
    /// Whether the file has to learn of its life.
    dirty: bool,
}

/// Counts of what was taken in and what was not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) samples: u64,
    pub(crate) values: u64,
    pub(crate) lost_time: u64,
    pub(crate) lost_wide: u64,
    pub(crate) lost_containers: u64,
    pub(crate) lost_events: u64,
}

/// What the file has to learn.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) series: Vec<SeriesRecord>,
    pub(crate) containers: Vec<Found>,
    pub(crate) events: Vec<EventRecord>,
    /// Lives by container: JSON of the counters and of the facts; `None` for a container that was removed.
    pub(crate) lives: HashMap<u32, Option<(Option<String>, String)>>,
    /// Containers that were removed.
    pub(crate) gone: Vec<u32>,
}

/// A container as it was found to be.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: u32,
    pub(crate) container: Arc<Container>,
    pub(crate) created: Option<Millis>,
    pub(crate) at: Millis,
}

impl Notes {
    /// Whether there is something that a question should soon see.
    pub(crate) fn is_urgent(&self) -> bool {
        !(self.series.is_empty() && self.containers.is_empty() && self.events.is_empty())
    }

    /// Adds later notes; gives how many events were dropped because too many wait.
    pub(crate) fn absorb(&mut self, mut later: Self) -> u64 {
        self.series.append(&mut later.series);
        // Only the last state of a container counts, so this stays as small as there are containers.
        self.containers.retain(|found| later.containers.iter().all(|newer| newer.id != found.id));
        self.containers.append(&mut later.containers);
        self.lives.extend(later.lives);
        self.gone.append(&mut later.gone);
        self.events.append(&mut later.events);
        let surplus = self.events.len().saturating_sub(MAX_EVENTS_WAITING);
        self.events.drain(..surplus);
        surplus as u64
    }
}

/// A container by what never changes: its engine and id.
pub(crate) fn key(engine: &str, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (engine, id).hash(&mut hasher);
    hasher.finish()
}

impl Tracker {
    /// `identities` are the containers of the file: number, engine, full id. Those that have a life were there when the agent
    /// ended.
    pub(crate) fn new(
        dictionary: Dictionary,
        identities: Vec<(u32, String, String)>,
        mut lives: HashMap<u32, Life>,
    ) -> Self {
        let mut ids = HashMap::with_capacity(identities.len());
        let mut tracked = HashMap::new();
        let mut next_id = 1;
        for (id, engine, full_id) in identities {
            let key = key(&engine, &full_id);
            ids.insert(key, id);
            next_id = next_id.max(id.saturating_add(1));
            let Some(life) = lives.remove(&id) else { continue };
            let mut container = Container::new(&full_id, engine.into());
            container.name.clone_from(&life.facts.name);
            tracked.insert(
                key,
                Tracked {
                    id,
                    container: Arc::new(container),
                    watch: Watch::resumed(life.facts),
                    life: life.saved,
                    round: 0,
                    absent_since: None,
                    dirty: false,
                },
            );
        }
        Self {
            dictionary,
            rows: None,
            ids,
            next_id,
            tracked,
            order: Vec::new(),
            round: 0,
            watched_since: None,
            now: None,
            notes: Notes::default(),
            counts: Counts::default(),
        }
    }

    /// Takes what the file has to learn.
    pub(crate) fn take_notes(&mut self) -> Notes {
        self.notes.series = self.dictionary.take_unsaved();
        for tracked in self.tracked.values_mut().filter(|tracked| tracked.dirty) {
            tracked.dirty = false;
            self.notes.lives.insert(tracked.id, Some(tracked.life_text()));
        }
        std::mem::take(&mut self.notes)
    }

    /// Whether there is something that a question should soon see.
    pub(crate) fn is_urgent(&self) -> bool {
        self.notes.is_urgent() || self.dictionary.has_unsaved()
    }

    /// What a new file has to learn that takes the place of a damaged one. Containers of the past are gone with it.
    pub(crate) fn tell_again(&mut self) -> Notes {
        let at = self.now.unwrap_or(0);
        let there: HashMap<u64, u32> = self.tracked.iter().map(|(key, tracked)| (*key, tracked.id)).collect();
        self.ids = there;
        let mut notes = self.take_notes();
        notes.series = self.dictionary.every_name();
        notes.containers.clear();
        for tracked in self.tracked.values() {
            let container = Arc::clone(&tracked.container);
            notes.containers.push(Found { id: tracked.id, container, created: None, at });
            notes.lives.insert(tracked.id, Some(tracked.life_text()));
        }
        notes
    }

    /// Forgets containers that the file has forgotten.
    pub(crate) fn forget(&mut self, forgotten: &[u32]) {
        if !forgotten.is_empty() {
            let mut forgotten = forgotten.to_vec();
            forgotten.sort_unstable();
            self.ids.retain(|_, id| forgotten.binary_search(id).is_err());
        }
    }

    /// The numbers of the containers that are there.
    pub(crate) fn there(&self) -> HashSet<u32> {
        self.tracked.values().map(|tracked| tracked.id).collect()
    }

    /// Finds or begins to track the container of a row; gives its key.
    pub(crate) fn meet(&mut self, position: usize, row: &ContainerRow, at: Millis) -> Option<u64> {
        // Nearly always, a row is of the same container as the row at its place before.
        if let Some(key) = self.order.get(position)
            && let Some(tracked) = self.tracked.get_mut(key)
            && Arc::ptr_eq(&tracked.container, &row.container)
        {
            tracked.round = self.round;
            return Some(*key);
        }
        let key = key(&row.container.engine, &row.container.id);
        let created = row.values.get(Slot::Created).and_then(|at| Millis::try_from(at / MILLI).ok());
        if let Some(tracked) = self.tracked.get_mut(&key) {
            let is_new_to_file = tracked.round == 0;
            tracked.round = self.round;
            if !Arc::ptr_eq(&tracked.container, &row.container) {
                let before = std::mem::replace(&mut tracked.container, Arc::clone(&row.container));
                if is_new_to_file || is_another(&before, &row.container) {
                    self.notes.containers.push(Found {
                        id: tracked.id,
                        container: Arc::clone(&row.container),
                        created,
                        at,
                    });
                }
            }
        } else {
            let known = self.ids.get(&key).copied();
            let id = match known {
                Some(id) => id,
                None if self.ids.len() >= MAX_CONTAINERS => return None,
                None => self.next_id,
            };
            let since = self.watched_since.filter(|since| *since < at);
            let made_under_watch =
                known.is_none() && created.is_some() && since.is_some() && created >= since;
            if known.is_none() {
                self.ids.insert(key, id);
                self.next_id += 1;
                let when = created.filter(|created| made_under_watch && *created <= at).unwrap_or(at);
                self.notes.tell(&mut self.counts, when, id, &row.container, Happening::Created);
            }
            self.notes.containers.push(Found { id, container: Arc::clone(&row.container), created, at });
            let tracked = Tracked {
                id,
                container: Arc::clone(&row.container),
                watch: Watch::new(row, made_under_watch),
                life: row.life,
                round: self.round,
                absent_since: None,
                dirty: true,
            };
            self.tracked.insert(key, tracked);
        }
        match self.order.get_mut(position) {
            Some(place) => *place = key,
            None => self.order.push(key),
        }
        Some(key)
    }

    /// Finds what happened to a container, and gives its number.
    pub(crate) fn watch(&mut self, key: u64, row: &ContainerRow, at: Millis) -> Option<u32> {
        let Self { tracked, notes, counts, .. } = self;
        let tracked = tracked.get_mut(&key)?;
        tracked.absent_since = None;
        let (id, container) = (tracked.id, &tracked.container);
        let mut tell = |when, what| notes.tell(counts, when, id, container, what);
        let changed = tracked.watch.update(row, at, &mut tell);
        if changed || (row.life.is_some() && row.life != tracked.life) {
            tracked.life = row.life.or(tracked.life);
            tracked.dirty = true;
        }
        Some(id)
    }

    /// Finds containers that are not there any more; gives the numbers of those whose chunks are to be sealed.
    pub(crate) fn miss(&mut self, snapshot: &Snapshot, at: Millis) -> Vec<u32> {
        let Self { tracked, notes, counts, round, .. } = self;
        let mut ended = Vec::new();
        tracked.retain(|_, tracked| {
            if tracked.round == *round {
                return true;
            }
            let since = *tracked.absent_since.get_or_insert(at);
            tracked.absent_since = Some(since.min(at));
            if at.saturating_sub(since) < GONE_AFTER {
                return true;
            }
            ended.push(tracked.id);
            // An engine that does not answer has not said that it is gone.
            let engine = snapshot.agent.engines.iter().find(|engine| engine.name == tracked.container.engine);
            if engine.is_some_and(|engine| !engine.is_up()) {
                return true;
            }
            notes.tell(counts, since, tracked.id, &tracked.container, Happening::Removed);
            notes.lives.insert(tracked.id, None);
            notes.gone.push(tracked.id);
            false
        });
        ended
    }
}

impl Notes {
    fn tell(&mut self, counts: &mut Counts, at: Millis, id: u32, container: &Container, what: Happening) {
        if self.events.len() >= MAX_EVENTS_WAITING {
            counts.lost_events += 1;
            return;
        }
        let name = container.display_name().to_owned();
        self.events.push(EventRecord { at, container: id, name, what });
    }
}

impl Tracked {
    fn life_text(&self) -> (Option<String>, String) {
        (self.life.as_ref().map(crate::lives::write), self.watch.facts.to_json())
    }
}

/// Whether anything that the file keeps of a container differs.
fn is_another(before: &Container, now: &Container) -> bool {
    before.name != now.name
        || before.image != now.image
        || before.image_id != now.image_id
        || before.labels != now.labels
}
