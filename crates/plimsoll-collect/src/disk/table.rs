//! The containers whose disk is measured, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_engine::Sizes;
use plimsoll_kernel::monotonic;
use plimsoll_model::agent::CollectorReport;
use plimsoll_model::{Collector, Profile, Selection};

use super::numbers::{DiskNumbers, DiskWork, Seen, Told};
use super::subject::{DiskPace, Subject, Wanted};
use super::visit::{Found, PROBLEMS};
use crate::inbox::{Change, Inbox};
use crate::nanos;
use crate::source::Origin;

/// The least rest after a look at a container, as a multiple of how long it took: walks take no more than a tenth of the time.
const REST: u32 = 10;

/// The containers whose disk is measured. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pace: DiskPace,
    pub(crate) wanted: Wanted,
    pub(crate) stop: AtomicBool,
    inbox: Arc<Inbox>,
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// When each one is due.
    queue: BTreeSet<(Instant, String)>,
    /// Entries whose last look failed in part.
    failing: BTreeSet<String>,
    work: DiskWork,
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    told: Told,
    due: Instant,
    /// Whether the engine is counting.
    asked: bool,
    /// Before this it is not asked again.
    engine_due: Instant,
    /// Whether it was looked at once.
    looked_at: bool,
}

impl Disk {
    /// Measures what is selected, and tells the sampler through the inbox; `None` where nothing of it is selected. A
    /// [`DiskThread`] does the work.
    #[must_use]
    pub fn new(pace: DiskPace, selection: &Selection, inbox: Arc<Inbox>) -> Option<Self> {
        let has = |collector| selection.shows(collector, Profile::Default);
        let wanted = Wanted {
            layers: has(Collector::Disk),
            rootfs: has(Collector::Rootfs),
            volumes: has(Collector::Volumes),
            mounts: has(Collector::Mounts),
            images: has(Collector::Images),
        };
        (wanted != Wanted::default()).then(|| Self {
            shared: Arc::new(Shared {
                pace,
                wanted,
                stop: AtomicBool::new(false),
                inbox,
                table: Mutex::default(),
                changed: Condvar::new(),
            }),
        })
    }

    /// A container is new, or something about it changed.
    pub(crate) fn know(&self, subject: Subject) {
        if !subject.storage.is_known {
            return;
        }
        let mut table = self.shared.lock();
        let now = Instant::now();
        let Table { entries, queue, .. } = &mut *table;
        match entries.get_mut(&subject.id) {
            Some(entry) => {
                let is_elsewhere = entry.subject.storage != subject.storage;
                entry.subject = subject;
                if !is_elsewhere {
                    return;
                }
                entry.move_to(now, queue);
            }
            None => {
                let id = subject.id.clone();
                let entry = Entry {
                    subject,
                    told: Told::default(),
                    due: now,
                    asked: false,
                    engine_due: now,
                    looked_at: false,
                };
                entries.insert(id.clone(), entry);
                queue.insert((now, id));
            }
        }
        drop(table);
        self.shared.changed.notify_all();
    }

    /// A container is gone, or no longer to be measured.
    pub(crate) fn forget(&self, id: &str) {
        self.shared.lock().forget(id);
    }

    /// Whether every container that is known was looked at once, and no engine is counting any.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shared.lock().entries.values().all(|entry| entry.looked_at && !entry.asked)
    }

    /// An engine is gone, and its containers with it.
    pub(crate) fn forget_origin(&self, origin: &Arc<Origin>) {
        let mut table = self.shared.lock();
        let of_it = |entry: &&Entry| Arc::ptr_eq(&entry.subject.origin, origin);
        let gone: Vec<String> =
            table.entries.values().filter(of_it).map(|entry| entry.subject.id.clone()).collect();
        gone.iter().for_each(|id| table.forget(id));
    }

    /// The engine has counted, or could not.
    pub(crate) fn counted(&self, id: &str, sizes: Option<Sizes>) {
        let shared = &self.shared;
        let mut table = shared.lock();
        let Some(entry) = table.entries.get_mut(id) else { return };
        entry.asked = false;
        let Some(sizes) = sizes else { return };
        entry.told.rootfs = sizes.rootfs.or(entry.told.rootfs);
        // What was walked or is under a quota is exact, and not to be mixed with lengths of files.
        if entry.told.space.is_none() {
            entry.told.usage = sizes.rw.map(|bytes| (bytes, monotonic())).or(entry.told.usage);
        }
        let (numbers, _) = DiskNumbers::new(&entry.told, &entry.subject.storage, shared.wanted);
        drop(table);
        shared.tell(Change::Disk { id: id.to_owned(), numbers: Box::new(numbers) });
    }
}

impl Entry {
    /// Its turn is then, and no other.
    fn move_to(&mut self, due: Instant, queue: &mut BTreeSet<(Instant, String)>) {
        queue.remove(&(self.due, self.subject.id.clone()));
        self.due = due;
        queue.insert((due, self.subject.id.clone()));
    }
}

impl Table {
    fn forget(&mut self, id: &str) {
        if let Some(entry) = self.entries.remove(id) {
            self.queue.remove(&(entry.due, entry.subject.id));
            self.failing.remove(id);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for the next container whose turn it is; `None` at the end.
    pub(crate) fn next(&self) -> Option<Subject> {
        let mut table = self.lock();
        loop {
            if self.is_stopped() {
                return None;
            }
            let now = Instant::now();
            let wait = match table.queue.first() {
                Some((due, _)) if *due <= now => {
                    let Table { entries, queue, .. } = &mut *table;
                    let Some((_, id)) = queue.pop_first() else { continue };
                    let Some(entry) = entries.get_mut(&id) else { continue };
                    // Whatever becomes of this turn, there is another one.
                    entry.move_to(now + self.pace.interval, queue);
                    return Some(entry.subject.clone());
                }
                Some((due, _)) => *due - now,
                None => self.pace.interval,
            };
            table = self.changed.wait_timeout(table, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in what a look at a container found, and tells it. `None`: it has not come back.
    pub(crate) fn found(&self, id: &str, found: Option<Found>, took: Duration) {
        let mut table = self.lock();
        let Table { entries, queue, failing, work } = &mut *table;
        let problems = found.as_ref().map_or([1, 0, 0], |found| found.problems);
        for ((entry, more), what) in work.errors.iter_mut().zip(problems).zip(PROBLEMS) {
            *entry = (what, entry.1 + more);
        }
        let late = found.as_ref().map_or(1, |found| found.late);
        let Some(entry) = entries.get_mut(id) else { return };
        entry.looked_at = true;
        let is_fine = problems == [0; 3] && late == 0;
        if is_fine {
            failing.remove(id)
        } else {
            failing.insert(id.to_owned())
        };
        let has_layer = found.as_ref().is_some_and(|found| found.layer.is_some());
        if let Some(found) = found {
            found.merge_into(&mut entry.told);
            match (found.unseen, &work.seen) {
                (Some(place), Seen::Unknown | Seen::All) => work.seen = Seen::Not(place.into()),
                (None, Seen::Unknown) if has_layer => work.seen = Seen::All,
                // One that was not seen may have been on its way out.
                (None, Seen::Not(_)) if has_layer => work.seen = Seen::All,
                _ => {}
            }
        }
        // A walk that is long is made seldom.
        entry.move_to(Instant::now() + self.pace.interval.max(took * REST), queue);
        let needs_count = (self.wanted.layers && !has_layer) || self.wanted.rootfs;
        if needs_count && !entry.asked && entry.engine_due <= Instant::now() {
            // Where too many wait already, this one has another turn.
            entry.asked = entry.subject.ask.try_send(id.to_owned()).is_ok();
            if entry.asked {
                entry.engine_due = Instant::now() + self.pace.engine;
            }
        }
        let (numbers, left_out) = DiskNumbers::new(&entry.told, &entry.subject.storage, self.wanted);
        work.left_out += left_out;
        work.report = CollectorReport {
            duration: Some(nanos(took)),
            success: Some(failing.is_empty()),
            timeouts: Some(work.report.timeouts.unwrap_or(0) + late),
        };
        let work = Box::new(work.clone());
        drop(table);
        self.tell(Change::Disk { id: id.to_owned(), numbers: Box::new(numbers) });
        self.tell(Change::DiskWork { work });
    }

    /// Where the inbox is full, it is emptied soon, and what does not fit is told at the next turn.
    fn tell(&self, change: Change) {
        let _ignored = self.inbox.put(change);
    }
}
