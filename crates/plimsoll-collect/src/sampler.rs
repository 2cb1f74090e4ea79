//! One pass after the other over all containers.

mod namespaces;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_kernel::{Kernel, OwnProcess, Reader, Reading, Spent, Target, monotonic};
use plimsoll_model::agent::{Agent, Capability, CollectorReport, Engine, Source};
use plimsoll_model::container::LabelLoss;
use plimsoll_model::oom::OomLedger;
use plimsoll_model::rate::Rate;
use plimsoll_model::{Collector, Container, ContainerRow, Lifecycle, Slot, Snapshot};

use crate::inbox::{Change, Inbox, Whereabouts};
use crate::numbers::{self, Numbers};
use crate::source::Origin;
use crate::{Options, nanos, unix_now};

/// After which time what changes seldom is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Limits of a container.
    pub limits: Duration,
    /// The machine's size and the agent's descriptors.
    pub machine: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self { limits: Duration::from_secs(30), machine: Duration::from_secs(30) }
    }
}

/// A container whose cgroup was not found is looked for in every pass for this long, then seldom.
const EAGER_SEARCH: u32 = 10;

/// Every how many passes it is looked for after that.
const SEARCH_EVERY: u32 = 10;

/// The kernel tells a process's start in hundredths of a second.
const START_SLACK: u64 = 20_000_000;

/// Snapshots that are reused in turn: the last one and the last tick, one before them that is still being
/// read, and one to write to.
const BUFFERS: usize = 4;

/// Reads all containers into snapshots.
#[derive(Debug)]
pub struct Sampler {
    /// Absent where this machine has no cgroups to read.
    kernel: Option<Kernel>,
    /// Why it is absent.
    no_kernel: String,
    engines: Vec<Listened>,
    options: Options,
    inbox: Arc<Inbox>,
    /// An emptied list of changes, to be exchanged for a full one.
    spare: Vec<Change>,
    tracked: Vec<Tracked>,
    /// Positions in `tracked`, by id.
    positions: HashMap<String, usize>,
    buffers: Vec<Arc<Snapshot>>,
    agent: Agent,
    process: OwnProcess,
    ages: Ages,
    machine_read: Option<u64>,
    sequence: u64,
    synchronised: bool,
    /// Whether another container may now be the one to show a shared network namespace.
    namespaces_changed: bool,
}

/// An engine that is listened to, as it was last told of.
#[derive(Debug)]
struct Listened {
    engine: Engine,
    origin: Arc<Origin>,
    label_loss: LabelLoss,
    duration: Option<u64>,
}

/// A container that is measured.
#[derive(Debug)]
struct Tracked {
    origin: Arc<Origin>,
    /// The last numbers from the engine's API.
    told: Option<Box<Numbers>>,
    container: Arc<Container>,
    life: Box<Lifecycle>,
    whereabouts: Whereabouts,
    /// It is gone, and is taken out of the list when all changes were taken in.
    removed: bool,
    reader: Option<Reader>,
    /// Passes in which its cgroup was looked for in vain.
    searched: u32,
    limits_read: u64,
    shows_network: bool,
    oom: OomLedger,
    cpu: Rate,
    cpu_percent: Option<u64>,
}

impl Sampler {
    /// A sampler that knows no container yet; they come through the inbox. Without a kernel to read, numbers
    /// come from engines' APIs alone.
    #[must_use]
    pub fn new(kernel: Result<Kernel, plimsoll_kernel::Error>, options: Options, inbox: Arc<Inbox>) -> Self {
        let no_kernel = kernel.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let mut kernel = kernel.ok();
        let agent = Agent {
            started: unix_now(),
            build: options.build,
            machine: kernel.as_mut().map(Kernel::machine).unwrap_or_default(),
            ..Agent::default()
        };
        let mut sampler = Self {
            kernel,
            no_kernel,
            engines: Vec::new(),
            options,
            inbox,
            spare: Vec::new(),
            tracked: Vec::new(),
            positions: HashMap::new(),
            buffers: Vec::new(),
            agent,
            process: OwnProcess::open(),
            ages: Ages::default(),
            machine_read: None,
            sequence: 0,
            synchronised: false,
            namespaces_changed: false,
        };
        sampler.set_capabilities();
        sampler
    }

    /// As [`Sampler::new`], looking at what changes seldom at other intervals.
    #[must_use]
    pub fn with_ages(self, ages: Ages) -> Self {
        Self { ages, ..self }
    }

    /// Where changes come from.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Whether the engine's side has told all that it found at start, so that a pass is complete.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.synchronised
    }

    /// Counts periodic passes that were left out.
    pub fn missed(&mut self, ticks: u64) {
        self.agent.ticks_missed += ticks;
    }

    /// Reads everything once. Percentages are over the time between two periodic passes; one in between,
    /// for a scrape, shows those of the last.
    pub fn pass(&mut self, periodic: bool) -> Arc<Snapshot> {
        let began = monotonic();
        self.take_changes();
        let mut snapshot = self.free_buffer();
        let now = unix_now();
        self.sequence += 1;
        self.agent.ticks += u64::from(periodic);
        if let Some(target) = Arc::get_mut(&mut snapshot) {
            target.at = now;
            target.sequence = self.sequence;
            self.read_containers(target, now, began, periodic);
            self.report(began);
            target.agent.clone_from(&self.agent);
        }
        self.buffers.push(Arc::clone(&snapshot));
        snapshot
    }

    /// A snapshot that nobody reads any more, or a new one.
    fn free_buffer(&mut self) -> Arc<Snapshot> {
        match self.buffers.iter().position(|buffer| Arc::strong_count(buffer) == 1) {
            Some(position) => self.buffers.swap_remove(position),
            None => {
                // Readers that hold a snapshot for long keep theirs; only so many are kept for them.
                if self.buffers.len() >= BUFFERS {
                    self.buffers.remove(0);
                }
                Arc::default()
            }
        }
    }

    fn read_containers(&mut self, snapshot: &mut Snapshot, now: u64, mono: u64, periodic: bool) {
        let mut spent = Spent::default();
        let mut read = 0;
        let limits_age = nanos(self.ages.limits);
        if self.namespaces_changed {
            self.share_namespaces();
        }
        for (position, tracked) in self.tracked.iter_mut().enumerate() {
            if snapshot.containers.len() == position {
                snapshot.containers.push(ContainerRow::new(Arc::clone(&tracked.container)));
            }
            let row = &mut snapshot.containers[position];
            tracked.begin(row, now);
            let kernel = match (tracked.origin.decided(), &mut self.kernel) {
                (Some(Source::Api), _) => {
                    read += u64::from(tracked.fill_told(row, mono));
                    tracked.count_kills(row);
                    continue;
                }
                (_, None) => {
                    tracked.origin.is_elsewhere();
                    tracked.count_kills(row);
                    continue;
                }
                (_, Some(kernel)) => kernel,
            };
            if tracked.reader.is_none() && tracked.search(kernel, mono, limits_age) {
                self.namespaces_changed = true;
            }
            let Some(reader) = &mut tracked.reader else {
                tracked.count_kills(row);
                continue;
            };
            if mono.saturating_sub(tracked.limits_read) >= limits_age {
                kernel.refresh(reader);
                tracked.limits_read = mono;
            }
            match kernel.read(reader, row, &mut spent) {
                Reading::Done { at } => {
                    read += 1;
                    tracked.finish(row, at, periodic);
                }
                Reading::Gone => {
                    tracked.lose(Some(kernel));
                    tracked.begin(row, now);
                    self.namespaces_changed = true;
                }
            }
            tracked.count_kills(row);
        }
        if periodic {
            self.decide_sources();
        }
        snapshot.containers.truncate(self.tracked.len());
        if self.namespaces_changed && self.share_namespaces() {
            // A container that another one speaks for must not be counted in this very pass either.
            for (tracked, row) in self.tracked.iter().zip(&mut snapshot.containers) {
                if !tracked.shows_network {
                    row.interfaces.clear();
                }
            }
        }
        self.agent.containers_read = read;
        // What is left of the pass went into identities and life cycles.
        let all = monotonic() - mono;
        spent.nanos[Collector::Container as usize] = all.saturating_sub(spent.nanos.iter().sum()).max(1);
        for collector in Collector::ALL {
            let index = *collector as usize;
            if self.options.selection.has_collector(*collector) && spent.nanos[index] > 0 {
                let success = spent.failures[index] == 0;
                let duration = Some(spent.nanos[index]);
                self.agent.collectors[index] =
                    CollectorReport { duration, success: Some(success), timeouts: None };
            }
        }
    }

    /// Where no container of an engine is found in this kernel, its API is asked.
    fn decide_sources(&self) {
        for listened in &self.engines {
            if listened.origin.pass_ended() {
                tracing::info!(
                    "the containers of {} at {} are not in this kernel: their numbers come from the engine's API",
                    listened.engine.name,
                    listened.engine.endpoint
                );
            }
        }
    }

    /// What the agent tells of itself.
    fn report(&mut self, began: u64) {
        let start = monotonic();
        if self.machine_read.is_none_or(|at| began.saturating_sub(at) >= nanos(self.ages.machine)) {
            self.machine_read = Some(began);
            self.agent.machine = self.kernel.as_mut().map(Kernel::machine).unwrap_or_default();
            self.process.count_descriptors();
            let known = self.agent.capabilities.iter().find(|capability| capability.feature == "descriptors");
            let had_enough = self.kernel.as_ref().is_none_or(Kernel::had_enough_descriptors);
            if known.is_some_and(|known| known.available) && !had_enough {
                self.set_capabilities();
            }
        }
        let machine_done = monotonic();
        self.agent.process = self.process.usage();
        for (collector, nanos) in
            [(Collector::Machine, machine_done - start), (Collector::Process, monotonic() - machine_done)]
        {
            if self.options.selection.has_collector(collector) {
                let (duration, success) = (Some(nanos), Some(true));
                self.agent.collectors[collector as usize] =
                    CollectorReport { duration, success, timeouts: None };
            }
        }
        self.agent.read_errors.clear();
        if let Some(kernel) = &self.kernel {
            self.agent.read_errors.extend_from_slice(kernel.read_errors());
            self.agent.label_loss.rows = kernel.rows_dropped();
        }
        for (engine, listened) in self.agent.engines.iter_mut().zip(&self.engines) {
            engine.source = listened.origin.decided();
            let asked = listened.origin.counts();
            engine.requests = listened.engine.requests + asked.requests;
            engine.failures = listened.engine.failures + asked.failures;
            engine.timeouts = listened.engine.timeouts + asked.timeouts;
            engine.broken = listened.engine.broken + asked.broken;
        }
        self.agent.pass_duration = Some(monotonic() - began);
    }

    fn set_capabilities(&mut self) {
        let mut capabilities = match &self.kernel {
            Some(kernel) => kernel.capabilities().to_vec(),
            None => vec![Capability {
                feature: "cgroups",
                available: false,
                reason: self.no_kernel.clone(),
                remedy:
                    "numbers come from the engine's API alone, which knows fewer of them; name the place of \
                         the cgroups with --cgroup-root"
                        .into(),
            }],
        };
        capabilities.extend(sockets(&self.agent.engines));
        self.agent.capabilities = capabilities.into();
    }

    fn take_changes(&mut self) {
        let mut changes = self.inbox.take(std::mem::take(&mut self.spare));
        let mut removed = false;
        for change in changes.drain(..) {
            match change {
                Change::Container { container, life, whereabouts, origin, limits_changed } => {
                    self.update(container, life, whereabouts, origin, limits_changed);
                }
                Change::Removed { id } => {
                    if let Some(position) = self.positions.remove(&id) {
                        self.tracked[position].lose(self.kernel.as_mut());
                        self.tracked[position].removed = true;
                        self.namespaces_changed = true;
                        removed = true;
                    }
                }
                Change::Numbers { id, numbers } => {
                    if let Some(position) = self.positions.get(&id) {
                        self.tracked[*position].told = Some(numbers);
                    }
                }
                Change::Engine { engine, origin, label_loss, duration } => {
                    self.listen(Listened { engine, origin, label_loss, duration });
                }
                Change::OriginGone { origin } => {
                    for tracked in &mut self.tracked {
                        if Arc::ptr_eq(&tracked.origin, &origin) {
                            self.positions.remove(&tracked.container.id);
                            tracked.lose(self.kernel.as_mut());
                            tracked.removed = true;
                            removed = true;
                        }
                    }
                    self.namespaces_changed = true;
                    self.engines.retain(|listened| !Arc::ptr_eq(&listened.origin, &origin));
                    self.engines_changed();
                }
                Change::Synchronised => self.synchronised = true,
            }
        }
        self.spare = changes;
        if removed {
            self.tracked.retain(|tracked| !tracked.removed);
            let ids = self.tracked.iter().enumerate();
            self.positions =
                ids.map(|(position, tracked)| (tracked.container.id.clone(), position)).collect();
        }
    }

    fn listen(&mut self, told: Listened) {
        let known = self.engines.iter_mut().find(|known| known.engine.endpoint == told.engine.endpoint);
        match known {
            Some(known) => *known = told,
            None => self.engines.push(told),
        }
        self.engines_changed();
    }

    /// Renews what is told of all engines together.
    fn engines_changed(&mut self) {
        self.agent.engines.clear();
        self.agent.engines.extend(self.engines.iter().map(|listened| listened.engine.clone()));
        self.agent.label_loss = LabelLoss::default();
        for listened in &self.engines {
            self.agent.label_loss += listened.label_loss;
        }
        let engines = &self.engines;
        self.agent.collectors[Collector::Engine as usize] = CollectorReport {
            duration: engines.iter().filter_map(|listened| listened.duration).max(),
            success: (!engines.is_empty()).then(|| engines.iter().all(|listened| listened.engine.is_up())),
            timeouts: engines.iter().map(|listened| listened.engine.timeouts).reduce(|a, b| a + b),
        };
        self.set_capabilities();
    }

    /// Names are an engine's own, so two engines may use the same: worth a word, as a name is what people
    /// ask by.
    fn mention_namesake(&self, container: &Container) {
        if self.engines.len() < 2 || container.name.is_empty() {
            return;
        }
        let namesake = self
            .tracked
            .iter()
            .map(|tracked| &tracked.container)
            .find(|other| other.name == container.name && other.engine != container.engine);
        if let Some(other) = namesake {
            tracing::warn!(
                "{} and {} both have a container named {:?}; their series differ by id, and by engine on container_info",
                other.engine,
                container.engine,
                container.name
            );
        }
    }

    fn update(
        &mut self,
        container: Arc<Container>,
        life: Box<Lifecycle>,
        whereabouts: Whereabouts,
        origin: Arc<Origin>,
        limits_changed: bool,
    ) {
        let position = match self.positions.get(&container.id) {
            Some(position) => *position,
            None => {
                self.mention_namesake(&container);
                self.namespaces_changed = true;
                let position = self.tracked.len();
                self.positions.insert(container.id.clone(), position);
                let (container, life) = (Arc::clone(&container), life.clone());
                self.tracked.push(Tracked::new(container, life, whereabouts.clone(), Arc::clone(&origin)));
                position
            }
        };
        let tracked = &mut self.tracked[position];
        tracked.origin = origin;
        self.namespaces_changed |= tracked.container.network_mode != container.network_mode
            || tracked.container.state.may_have_processes() != container.state.may_have_processes();
        let told = whereabouts.pid;
        let found = tracked.reader.as_ref().and_then(Reader::pid);
        let same_process = told.is_some() && told == found;
        let another_life = life.life() > tracked.life.life();
        let another_process = told.is_some() && !same_process && tracked.whereabouts.pid != told;
        if (another_life && !same_process)
            || (another_process && tracked.whereabouts.pid.is_some())
            || !container.state.may_have_processes()
        {
            tracked.lose(self.kernel.as_mut());
            self.namespaces_changed = true;
            tracked.searched = 0;
        } else if another_process {
            // Now that the engine names the process, the same cgroup is found with its network. Nothing is
            // counted anew.
            if let (Some(reader), Some(kernel)) = (tracked.reader.take(), &mut self.kernel) {
                kernel.detach(reader);
                self.namespaces_changed = true;
            }
            tracked.searched = 0;
        }
        tracked.oom.next_life(life.life(), same_process);
        tracked.oom.engine(life.ooms_in_life());
        // A cgroup may be found before the runtime has written its limits.
        let is_confirmed = same_process && (another_life || tracked.whereabouts.pid != told);
        if let (Some(reader), Some(kernel)) = (&mut tracked.reader, &mut self.kernel) {
            if container.networks != tracked.container.networks {
                kernel.set_networks(reader, &container.networks);
            }
            if limits_changed || is_confirmed {
                kernel.refresh(reader);
            }
        }
        tracked.container = container;
        tracked.life = life;
        tracked.whereabouts = whereabouts;
    }
}

/// What the agent may do with the sockets of engines: one capability a family, as several engines of one
/// family share it.
fn sockets(engines: &[Engine]) -> Vec<Capability> {
    let of = |feature: &'static str, family: &str| {
        let engines: Vec<_> = engines.iter().filter(|engine| engine.name.starts_with(family)).collect();
        let down = engines.iter().find(|engine| !engine.is_up());
        let reason = match down {
            Some(engine) => engine.trouble.to_string(),
            None => engines.iter().map(|engine| &*engine.endpoint).collect::<Vec<_>>().join(", "),
        };
        let remedy = match down {
            Some(_) => "start the engine, let this user use it, or name another address with --engine",
            None => "",
        };
        (!engines.is_empty()).then(|| Capability {
            feature,
            available: down.is_none(),
            reason,
            remedy: remedy.into(),
        })
    };
    [of("docker_socket", "docker"), of("podman_socket", "podman")].into_iter().flatten().collect()
}

/// A time below `age` that follows from the id.
fn moment(id: &str, age: u64) -> u64 {
    let mixed = id.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % age.max(1)
}

impl Tracked {
    fn new(
        container: Arc<Container>,
        life: Box<Lifecycle>,
        whereabouts: Whereabouts,
        origin: Arc<Origin>,
    ) -> Self {
        Self {
            origin,
            told: None,
            container,
            life,
            whereabouts,
            removed: false,
            reader: None,
            searched: 0,
            limits_read: 0,
            shows_network: true,
            oom: OomLedger::default(),
            cpu: Rate::default(),
            cpu_percent: None,
        }
    }

    /// Starts a row with what the container's life tells.
    fn begin(&self, row: &mut ContainerRow, now: u64) {
        if !Arc::ptr_eq(&row.container, &self.container) {
            row.container = Arc::clone(&self.container);
        }
        row.values.clear();
        row.interfaces.clear();
        row.devices.clear();
        row.cgroup = None;
        self.life.fill(&self.container.state, self.container.health, now, &mut row.values);
        if let Some(started) = self.reader.as_ref().and_then(Reader::process_started) {
            // A process is made before its engine writes down that it was started. One that is younger is of
            // a run that the engine has not told of yet.
            let told = row.values.get(Slot::Started);
            if told.is_none_or(|told| started > told.saturating_add(START_SLACK)) {
                row.values.set(Slot::Started, started);
            }
        }
        row.started = row.values.get(Slot::Started);
        row.created = self.life.created_at();
        row.seen = self.life.seen_at();
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
    fn search(&mut self, kernel: &mut Kernel, mono: u64, limits_age: u64) -> bool {
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
    fn fill_told(&mut self, row: &mut ContainerRow, mono: u64) -> bool {
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

    fn open(&mut self, kernel: &mut Kernel) {
        if let Ok(mut reader) = kernel.attach(&self.target()) {
            kernel.set_networks(&mut reader, &self.container.networks);
            self.reader = Some(reader);
            self.searched = 0;
        }
    }

    /// The cgroup is gone, and with it its counters.
    fn lose(&mut self, kernel: Option<&mut Kernel>) {
        if let (Some(reader), Some(kernel)) = (self.reader.take(), kernel) {
            kernel.detach(reader);
        }
        self.told = None;
        self.oom.cgroup_gone();
        self.cpu.reset();
        self.cpu_percent = None;
        self.shows_network = true;
    }

    /// Adds what follows from more than one reading.
    fn finish(&mut self, row: &mut ContainerRow, at: u64, periodic: bool) {
        if periodic && let Some(usage) = row.values.get(Slot::CpuUsage) {
            // Nanoseconds a nanosecond are cores; a hundred per cent are one core.
            self.cpu_percent = self.cpu.update(at, usage).and_then(|cores| cores.checked_mul(100));
        }
        row.values.set_option(Slot::CpuPercent, self.cpu_percent);
        if let Some(kills) = row.values.get(Slot::MemoryEventOomKill) {
            self.oom.kernel(kills);
        }
    }

    fn count_kills(&self, row: &mut ContainerRow) {
        row.values.set(Slot::OomEvents, self.oom.total());
    }
}
