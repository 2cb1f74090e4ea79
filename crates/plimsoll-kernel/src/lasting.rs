//! What stays true of a container's numbers between passes, and which files are due in the next: most containers sleep
//! most of the time, and what cannot have changed is not read again.

use std::hash::{Hash as _, Hasher as _};

use plimsoll_model::DeviceRow;

use crate::files::{File, PACE, Place, When};
use crate::parse::Numbers;
use crate::parse::block::DeviceNumbers;

/// For how long after the last sign of life everything is read. The kernel's own book-keeping for what
/// ran (an enforcement period, a batch of statistics) is over well before.
const WAKEFUL: u64 = 2_000_000_000;

/// The same for what grows while a task waits. The kernel brings pressure up to date every two seconds, so
/// a stall that began after the last sign of life may take that long to show.
const STALLING: u64 = 5_000_000_000;

/// Numbers that are not read in each pass, as they were last read, and what tells when they will be. Times are monotonic
/// nanoseconds.
#[derive(Debug)]
pub(crate) struct Lasting {
    pub(crate) numbers: Numbers,
    pub(crate) devices: Vec<DeviceRow>,
    active_at: u64,
    /// Whether it was active in the last pass, however long ago that was.
    was_active: bool,
    /// What was last told of its interfaces, the loopback included, as a hash; and when that last changed.
    traffic: Option<u64>,
    traffic_at: u64,
    /// Whether limits are to be read in the next pass.
    limits_are_due: bool,
    pace: Pace,
}

/// When what costs more than the rest is read.
#[derive(Debug)]
struct Pace {
    /// The container's own moment, in nanoseconds.
    phase: u64,
    /// Which turn the last pass was in; none before the first.
    turn: Option<u64>,
    /// Whether the pass is the first of a turn, …
    is_due: bool,
    /// … and if so, whether the container was active since the first of the turn before.
    was_active: bool,
    /// When the last turn began.
    began: u64,
}

impl Lasting {
    /// Of a container of which nothing was read. `phase` is its own moment of every ten seconds, in nanoseconds.
    pub(crate) fn new(phase: u64, now: u64) -> Self {
        Self {
            numbers: Numbers::default(),
            devices: Vec::new(),
            active_at: now,
            was_active: true,
            traffic: None,
            traffic_at: 0,
            limits_are_due: true,
            pace: Pace { phase, turn: None, is_due: true, was_active: true, began: 0 },
        }
    }

    /// A pass begins.
    pub(crate) fn begin(&mut self, now: u64) {
        self.pace.tick(now, self.active_at);
    }

    /// The pass that began at this moment ends.
    pub(crate) fn end(&mut self, began: u64) {
        self.was_active = self.active_at >= began;
        self.limits_are_due = false;
    }

    /// A sign of life: a number moved whose change is one, or nobody knows whether one did.
    pub(crate) fn stirred(&mut self, now: u64) {
        self.active_at = now;
    }

    /// The next pass reads every file, those of limits included.
    pub(crate) fn refresh(&mut self) {
        self.was_active = true;
        self.limits_are_due = true;
    }

    /// Whether a file may have changed since it was read.
    pub(crate) fn is_due(&self, file: &File, now: u64) -> bool {
        let is_within = |time, since| now.saturating_sub(since) < time;
        let is_active = |time| self.was_active || is_within(time, self.active_at);
        match file.when {
            When::Paced => self.pace.is_due,
            When::PacedActive => self.pace.is_due && self.pace.was_active,
            When::Pulse(_) | When::Always => true,
            When::Limit => self.limits_are_due,
            When::Active => is_active(WAKEFUL),
            When::Stalling(_) => is_active(STALLING),
            When::Restless(slots) => {
                self.pace.is_due
                    || is_active(WAKEFUL)
                    || (file.place == Place::Network && is_within(WAKEFUL, self.traffic_at))
                    || slots.iter().any(|slot| self.numbers.get(*slot) > Some(0))
            }
        }
    }

    /// The numbers whose change is a sign of life.
    pub(crate) fn watched(&self, when: When) -> [Option<u64>; 2] {
        match when {
            When::Pulse(slots) | When::Stalling(slots) | When::Restless(slots) => {
                [0, 1].map(|at| slots.get(at).and_then(|slot| self.numbers.get(*slot)))
            }
            When::Always | When::Active | When::Limit | When::Paced | When::PacedActive => [None; 2],
        }
    }

    /// Looks at `net/dev` for traffic.
    pub(crate) fn heard_traffic(&mut self, interfaces: &[u8], now: u64) {
        let mut hash = std::hash::DefaultHasher::new();
        interfaces.hash(&mut hash);
        let traffic = Some(hash.finish());
        if std::mem::replace(&mut self.traffic, traffic) != traffic {
            self.traffic_at = now;
        }
    }

    /// Forgets what a file said.
    pub(crate) fn forget(&mut self, (numbers, devices): &(Numbers, DeviceNumbers)) {
        self.numbers.forget(numbers);
        for row in &mut self.devices {
            row.values.forget(devices);
        }
        self.devices.retain(|row| !row.values.is_empty());
    }
}

impl Pace {
    fn tick(&mut self, now: u64, active_at: u64) {
        let turn = now.saturating_add(self.phase) / PACE;
        let is_first = self.turn.is_none();
        self.is_due = self.turn.replace(turn) != Some(turn);
        if self.is_due {
            self.was_active = is_first || active_at.saturating_add(WAKEFUL) >= self.began;
            self.began = now;
        }
    }
}
