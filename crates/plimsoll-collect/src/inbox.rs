//! What the engine's side tells the sampler.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plimsoll_model::agent::{Engine, History, Target};
use plimsoll_model::container::LabelLoss;
use plimsoll_model::custom::CustomCollector;
use plimsoll_model::{Collector, Container, Host, Lifecycle};

use crate::disk::{DiskNumbers, DiskWork, Storage};
use crate::numbers::Numbers;
use crate::source::Origin;

/// A change in what is known of the engine and its containers.
#[derive(Clone, Debug)]
pub enum Change {
    /// A container is new, or something about it changed.
    Container {
        /// Who it is now.
        container: Arc<Container>,
        /// Its life so far.
        life: Box<Lifecycle>,
        /// Where it is.
        whereabouts: Whereabouts,
        /// Its engine's decision on where numbers come from.
        origin: Arc<Origin>,
        /// Whether its limits may have changed.
        limits_changed: bool,
    },
    /// A container is gone, or no longer to be measured.
    Removed {
        /// Its full id.
        id: String,
    },
    /// What an engine's API says of a container's resources.
    Numbers {
        /// The container's full id.
        id: String,
        /// The numbers.
        numbers: Box<Numbers>,
    },
    /// What a container takes on disk.
    Disk {
        /// The container's full id.
        id: String,
        /// The numbers.
        numbers: Box<DiskNumbers>,
    },
    /// How it goes with measuring what containers take on disk.
    DiskWork {
        /// The account.
        work: Box<DiskWork>,
    },
    /// An engine's own state.
    Engine {
        /// The engine; its endpoint tells it from others.
        engine: Engine,
        /// Where the numbers of its containers come from.
        origin: Arc<Origin>,
        /// Labels that were left out or cut so far.
        label_loss: LabelLoss,
        /// How long the last full look at the engine took, in nanoseconds.
        duration: Option<u64>,
    },
    /// An engine is not listened to any more: it and its containers are forgotten.
    OriginGone {
        /// What they have in common.
        origin: Arc<Origin>,
    },
    /// What the history tells of itself.
    History {
        /// The report.
        report: History,
    },
    /// What the targets of deliveries tell of themselves.
    Targets {
        /// All of them, in the order of the configuration.
        targets: Arc<[Target]>,
    },
    /// What collectors tell that are not the sampler's own.
    Collectors {
        /// All of them, by name.
        collectors: Arc<[Arc<CustomCollector>]>,
    },
    /// What one of the collectors of the machine read.
    Host {
        /// Which one.
        group: Collector,
        /// Its reading.
        host: Arc<Host>,
    },
    /// The first full look at all engines has ended, with or without success.
    Synchronised,
}

/// Where a container's processes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// The cgroup that it was asked to be under.
    pub cgroup_parent: String,
    /// Where it is on disk, as the engine tells.
    pub storage: Arc<Storage>,
}

/// The most changes that wait. The sampler empties the inbox in each pass; where it cannot keep up, the
/// writer waits for it.
const MAX_WAITING: usize = 65_536;

/// What waits for the sampler: changes from the engine's side, and the wish for a pass before the next
/// tick.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<Change>,
    pass_wanted: bool,
    stop: bool,
}

/// Why the sampler woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The time came.
    Deadline,
    /// Somebody wants a pass now.
    PassWanted,
    Stop,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a change in. Gives it back when the inbox is full.
    ///
    /// # Errors
    /// The change that did not fit.
    pub fn put(&self, change: Change) -> Result<(), Box<Change>> {
        let mut waiting = self.lock();
        if waiting.changes.len() >= MAX_WAITING {
            return Err(Box::new(change));
        }
        waiting.changes.push(change);
        Ok(())
    }

    /// Puts a change in, and waits for the sampler where the inbox is full.
    pub(crate) async fn put_patiently(&self, mut change: Change) {
        while let Err(unsent) = self.put(change) {
            change = *unsent;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The first look at all engines has ended; what it found stands before this.
    pub(crate) fn synchronised(&self) {
        self.lock().changes.push(Change::Synchronised);
    }

    /// Asks for a pass before the next tick.
    pub(crate) fn want_pass(&self) {
        self.lock().pass_wanted = true;
        self.woken.notify_all();
    }

    /// Asks the sampler to end.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.woken.notify_all();
    }

    /// Takes everything out, in order, in exchange for an empty list, whose space is used again.
    pub(crate) fn take(&self, empty: Vec<Change>) -> Vec<Change> {
        let mut waiting = self.lock();
        waiting.pass_wanted = false;
        std::mem::replace(&mut waiting.changes, empty)
    }

    /// Waits until somebody wants a pass, or `timeout` is over.
    pub(crate) fn wait(&self, timeout: Duration) -> Wake {
        let idle = |waiting: &mut Waiting| !waiting.pass_wanted && !waiting.stop;
        let (waiting, _) =
            self.woken.wait_timeout_while(self.lock(), timeout, idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.stop {
            Wake::Stop
        } else if waiting.pass_wanted {
            Wake::PassWanted
        } else {
            Wake::Deadline
        }
    }
}
