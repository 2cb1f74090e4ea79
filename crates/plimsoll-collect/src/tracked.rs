//! A container that is measured: where its numbers come from, and what follows from more than one reading.

use std::sync::Arc;

use plimsoll_kernel::{Kept, Kernel, Reader, Target};
use plimsoll_model::lifecycle::Saved;
use plimsoll_model::oom::OomLedger;
use plimsoll_model::rate::Rate;
use plimsoll_model::{Container, ContainerRow, DetailField, Details, Lifecycle, Slot};

use crate::disk::DiskNumbers;
use crate::inbox::Whereabouts;
use crate::numbers::{self, Numbers};
use crate::source::Origin;

/// A container whose cgroup was not found is looked for in every pass for this long, then seldom.
const EAGER_SEARCH: u32 = 10;

/// Every how many passes it is looked for after that.
const SEARCH_EVERY: u32 = 10;

/// The kernel tells a process's start in hundredths of a second.
const START_SLACK: u64 = 20_000_000;

/// A container that is measured.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) origin: Arc<Origin>,
    /// The last numbers from the engine's API.
    pub(crate) told: Option<Box<Numbers>>,
    /// What it was last found to take on disk.
    pub(crate) disk: Option<Box<DiskNumbers>>,
    pub(crate) container: Arc<Container>,
    pub(crate) life: Box<Lifecycle>,
    pub(crate) whereabouts: Whereabouts,
    /// It is gone, and is taken out of the list when all changes were taken in.
    pub(crate) removed: bool,
    pub(crate) reader: Option<Reader>,
    /// What the reader before this one counted, while the files of the same cgroup are opened anew.
    pub(crate) kept: Kept,
    /// What the engine told, if that is shown.
    events: Option<Details>,
    /// When the reader was made, in Unix nanoseconds.
    pub(crate) attached: u64,
    /// The life in which the kernel removed the container's cgroup, if it did so before the engine told.
    pub(crate) ended_life: Option<u64>,
    /// Passes in which its cgroup was looked for in vain.
    pub(crate) searched: u32,
    pub(crate) limits_read: u64,
    pub(crate) shows_network: bool,
    pub(crate) oom: OomLedger,
    pub(crate) cpu: Rate,
    pub(crate) cpu_percent: Option<u64>,
}

impl Tracked {
    pub(crate) fn new(
        container: Arc<Container>,
        life: Box<Lifecycle>,
        whereabouts: Whereabouts,
        origin: Arc<Origin>,
        oom: OomLedger,
    ) -> Self {
        Self {
            origin,
            told: None,
            disk: None,
            container,
            life,
            whereabouts,
            removed: false,
            reader: None,
            kept: Kept::default(),
            events: None,
            attached: 0,
            ended_life: None,
            searched: 0,
            limits_read: 0,
            shows_network: true,
            oom,
            cpu: Rate::default(),
            cpu_percent: None,
        }
    }

    /// Starts a row with what the container's life tells.
    pub(crate) fn begin(&self, row: &mut ContainerRow, now: u64) {
        if !Arc::ptr_eq(&row.container, &self.container) {
            row.container = Arc::clone(&self.container);
        }
        row.values.clear();
        row.interfaces.clear();
        row.devices.clear();
        row.details.clear();
        row.cgroup = None;
        self.life.fill(&self.container.state, self.container.health, now, &mut row.values);
        if let Some(started) = self.untold_start(row.values.get(Slot::Started)) {
            row.values.set(Slot::Started, started);
        }
        row.started = row.values.get(Slot::Started);
        row.created = self.life.created_at();
        row.seen = self.life.seen_at();
    }

    /// The start of the run that is read, if the engine has not told of it. A process is made before its engine
    /// writes down that it was started, so one that is younger is of another run; and so is a cgroup that was found
    /// after the one before was removed.
    fn untold_start(&self, told: Option<u64>) -> Option<u64> {
        let process = self.reader.as_ref()?.process_started();
        let is_younger =
            |told: u64| process.is_some_and(|process| process > told.saturating_add(START_SLACK));
        let is_told = told.is_some_and(|told| !is_younger(told)) && self.ended_life != Some(self.life.life());
        if is_told { None } else { process.or(self.ended_life.map(|_| self.attached)) }
    }

    fn target(&self) -> Target<'_> {
        Target {
            id: &self.container.id,
            pid: self.whereabouts.pid,
            cgroup_parent: &self.whereabouts.cgroup_parent,
            network_mode: &self.container.network_mode,
        }
    }

    /// Looks for the container's cgroup, if it may have one and it is time to. Returns whether it was
    /// found.
    pub(crate) fn search(&mut self, kernel: &mut Kernel, mono: u64, limits_age: u64) -> bool {
        if !self.container.state.may_have_processes() {
            return false;
        }
        self.searched = self.searched.saturating_add(1);
        if self.searched > EAGER_SEARCH && !self.searched.is_multiple_of(SEARCH_EVERY) {
            return false;
        }
        self.open(kernel);
        // Each container has its own moment, so that no pass has to read the limits of all.
        self.limits_read = mono.saturating_sub(moment(&self.container.id, limits_age));
        if self.reader.is_some() {
            self.shows_network = true;
            self.origin.found();
        } else if self.whereabouts.pid.is_some() {
            self.origin.missed();
        }
        self.reader.is_some()
    }

    /// Fills a row with what the engine's API told, unless that is too old, or of the run before this one.
    /// Returns whether there was anything.
    pub(crate) fn fill_told(&mut self, row: &mut ContainerRow, mono: u64) -> bool {
        let runs = self.container.state.may_have_processes();
        let started = self.life.started_at();
        let is_stale = |told: &mut Box<Numbers>| {
            let before = matches!((told.taken, started), (Some(taken), Some(started)) if taken < started);
            !runs || before || mono.saturating_sub(told.at) > numbers::MAX_AGE
        };
        drop(self.told.take_if(is_stale));
        let Some(told) = &self.told else { return false };
        told.fill(row);
        // Engines tell the traffic of the namespace that a container is in, whoever's it is.
        if !self.shows_network || matches!(&*self.container.network_mode, "host" | "none") {
            row.interfaces.clear();
        }
        true
    }

    pub(crate) fn open(&mut self, kernel: &mut Kernel) {
        if let Ok(mut reader) = kernel.attach(&self.target()) {
            kernel.set_networks(&mut reader, &self.container.networks);
            reader.resume(std::mem::take(&mut self.kept));
            self.reader = Some(reader);
            self.attached = crate::unix_now();
            self.searched = 0;
        }
    }

    /// The cgroup is gone, and with it its counters.
    pub(crate) fn lose(&mut self, kernel: Option<&mut Kernel>) {
        if let (Some(reader), Some(kernel)) = (self.reader.take(), kernel) {
            kernel.detach(reader);
        }
        self.kept = Kept::default();
        self.told = None;
        self.oom.cgroup_gone();
        self.cpu.reset();
        self.cpu_percent = None;
        self.shows_network = true;
    }

    /// Adds what follows from more than one reading.
    pub(crate) fn finish(&mut self, row: &mut ContainerRow, at: u64, periodic: bool) {
        if periodic && let Some(usage) = row.values.get(Slot::CpuUsage) {
            // Nanoseconds a nanosecond are cores; a hundred per cent are one core.
            self.cpu_percent = self.cpu.update(at, usage).and_then(|cores| cores.checked_mul(100));
        }
        row.values.set_option(Slot::CpuPercent, self.cpu_percent);
        if let Some(kills) = row.values.get(Slot::MemoryEventOomKill) {
            self.oom.kernel(kills);
        }
    }

    /// Takes the reader away; the same cgroup's files will be opened anew.
    pub(crate) fn close(&mut self, kernel: &mut Kernel) {
        if let Some(reader) = self.reader.take() {
            self.kept = kernel.detach(reader);
        }
    }

    /// Lists what the engine told, to be shown in each row.
    pub(crate) fn list_events(&mut self) {
        let mut pass = self.events.get_or_insert_default().refill();
        for (action, count) in self.life.told().iter() {
            pass.set(DetailField::Events, &[action], count);
        }
    }

    /// Completes a row with what does not come from the reading itself. `mono` is when the pass began.
    pub(crate) fn complete(&mut self, row: &mut ContainerRow, mono: u64) {
        if let Some(disk) = &mut self.disk {
            row.add_details(disk.rows_at(mono));
        }
        if let Some(events) = &self.events {
            row.add_details(events.rows());
        }
        row.values.set(Slot::OomEvents, self.oom.total());
        row.life = Some(Saved::new(&self.life, &self.oom));
    }
}

/// A time below `age` that follows from the id.
fn moment(id: &str, age: u64) -> u64 {
    let mixed = id.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % age.max(1)
}
