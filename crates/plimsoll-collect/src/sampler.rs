//! One pass after the other over all containers.

mod namespaces;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_kernel::{Kernel, OwnProcess, Reader, Reading, Spent, monotonic};
use plimsoll_model::agent::{Agent, Capability, CollectorReport, Source};
use plimsoll_model::container::LabelLoss;
use plimsoll_model::custom::CustomCollector;
use plimsoll_model::lifecycle::Saved;
use plimsoll_model::{Collector, Container, ContainerRow, HostParts, Lifecycle, Snapshot};

use crate::disk::DiskWork;
use crate::inbox::{Change, Inbox, Whereabouts};
use crate::listened::{self, Listened};
use crate::source::Origin;
use crate::tracked::Tracked;
use crate::{Options, nanos, unix_now};

/// After which time what changes seldom is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Limits of a container.
    pub limits: Duration,
    /// The machine's size and the agent's descriptors.
    pub machine: Duration,
    /// A reading of the machine that is not renewed is not shown any more after this time. An interval that is longer
    /// needs a longer one.
    pub host: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            limits: Duration::from_secs(30),
            machine: Duration::from_secs(30),
            host: Duration::from_secs(30),
        }
    }
}

/// Snapshots that are reused in turn: the last one and the last tick, one before them that is still being
/// read, and one to write to.
const BUFFERS: usize = 4;

/// Reads all containers into snapshots.
#[derive(Debug)]
pub struct Sampler {
    /// Absent where this machine has no cgroups to read.
    kernel: Option<Kernel>,
    /// What the kernel lets the agent read, or that there is none to read. Engines come and go, this seldom changes.
    readable: Arc<[Capability]>,
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
    custom: Arc<[Arc<CustomCollector>]>,
    host: HostParts,
    process: OwnProcess,
    disk: Option<DiskWork>,
    ages: Ages,
    machine_read: Option<u64>,
    sequence: u64,
    synchronised: bool,
    /// Whether another container may now be the one to show a shared network namespace.
    namespaces_changed: bool,
}

impl Sampler {
    /// A sampler that knows no container yet; they come through the inbox. Without a kernel to read, numbers
    /// come from engines' APIs alone.
    #[must_use]
    pub fn new(kernel: Result<Kernel, plimsoll_kernel::Error>, options: Options, inbox: Arc<Inbox>) -> Self {
        let readable = match &kernel {
            Ok(kernel) => kernel.capabilities(),
            Err(error) => without_kernel(error),
        };
        let mut kernel = kernel.ok();
        let agent = Agent {
            started: unix_now(),
            build: options.build,
            machine: kernel.as_mut().map(Kernel::machine).unwrap_or_default(),
            machine_facts: kernel.as_ref().map(Kernel::machine_facts).unwrap_or_default().into(),
            ..Agent::default()
        };
        let mut sampler = Self {
            kernel,
            readable,
            engines: Vec::new(),
            options,
            inbox,
            spare: Vec::new(),
            tracked: Vec::new(),
            positions: HashMap::new(),
            buffers: Vec::new(),
            agent,
            custom: Arc::default(),
            host: HostParts::default(),
            process: OwnProcess::open(),
            disk: None,
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
            target.custom = Arc::clone(&self.custom);
            self.forget_old_host(now);
            target.host.clone_from(&self.host);
        }
        self.buffers.push(Arc::clone(&snapshot));
        snapshot
    }

    /// A collector of the machine that hangs leaves its last reading behind, which is not true for ever.
    fn forget_old_host(&mut self, now: u64) {
        for part in [&mut self.host.system, &mut self.host.filesystem] {
            drop(part.take_if(|host| now.saturating_sub(host.at) > nanos(self.ages.host)));
        }
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
                    tracked.complete(row, mono);
                    continue;
                }
                (_, None) => {
                    tracked.origin.is_elsewhere();
                    tracked.complete(row, mono);
                    continue;
                }
                (_, Some(kernel)) => kernel,
            };
            if tracked.reader.is_none() && tracked.search(kernel, mono, limits_age) {
                self.namespaces_changed = true;
                // What was found may be of another run than the engine has told of.
                tracked.begin(row, now);
            }
            let Some(reader) = &mut tracked.reader else {
                tracked.complete(row, mono);
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
                    tracked.ended_life = Some(tracked.life.life());
                    tracked.begin(row, now);
                    self.namespaces_changed = true;
                }
            }
            tracked.complete(row, mono);
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
                    row.details.retain(|detail| !detail.field.is_of_network());
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
                self.agent.collectors[*collector] =
                    CollectorReport { duration, success: Some(success), timeouts: None };
            }
        }
    }

    /// Where no container of an engine is found in this kernel, its API is asked.
    fn decide_sources(&self) {
        for listened in &self.engines {
            if listened.origin.pass_ended() {
                tracing::info!(
                    "no cgroup of the running containers of {} at {} was found here: their numbers come from the engine's API",
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
            let was_available = known.is_some_and(|known| known.available);
            let short_of = |kernel: &&Kernel| was_available && !kernel.had_enough_descriptors();
            if let Some(kernel) = self.kernel.as_ref().filter(short_of) {
                self.readable = kernel.capabilities();
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
                self.agent.collectors[collector] = CollectorReport { duration, success, timeouts: None };
            }
        }
        self.agent.read_errors.clear();
        if let Some(kernel) = &self.kernel {
            self.agent.read_errors.extend_from_slice(kernel.read_errors());
            self.agent.label_loss.rows = kernel.rows_dropped();
        }
        if let Some(disk) = &self.disk {
            self.agent.read_errors.extend(disk.errors.iter().filter(|(_, count)| *count > 0));
            self.agent.label_loss.rows += disk.left_out;
        }
        for (engine, listened) in self.agent.engines.iter_mut().zip(&self.engines) {
            engine.source = listened.origin.decided();
            let asked = listened.origin.counts();
            engine.requests = listened.engine.requests + asked.requests;
            engine.failures = listened.engine.failures + asked.failures;
            engine.timeouts = listened.engine.timeouts + asked.timeouts;
            engine.broken = listened.engine.broken + asked.broken;
            engine.kept = listened.origin.kept();
        }
        self.agent.pass_duration = Some(monotonic() - began);
    }

    fn set_capabilities(&mut self) {
        let mut capabilities = self.readable.to_vec();
        capabilities.extend(listened::sockets(&self.agent.engines));
        capabilities.extend(self.disk.as_ref().and_then(DiskWork::capability));
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
                Change::Disk { id, numbers } => {
                    if let Some(position) = self.positions.get(&id) {
                        self.tracked[*position].disk = Some(numbers);
                    }
                }
                Change::DiskWork { work } => self.disk_worked(*work),
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
                Change::Targets { targets } => self.agent.targets = targets,
                Change::History { report } => self.agent.history = Some(report),
                Change::Collectors { collectors } => self.custom = collectors,
                Change::Host { group: Collector::Filesystem, host } => self.host.filesystem = Some(host),
                Change::Host { host, .. } => self.host.system = Some(host),
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

    fn disk_worked(&mut self, work: DiskWork) {
        self.agent.collectors[Collector::Disk] = work.report;
        let is_news = self.disk.as_ref().is_none_or(|known| known.seen != work.seen);
        self.disk = Some(work);
        if is_news {
            self.set_capabilities();
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
        self.agent.collectors[Collector::Engine] = listened::report(&self.engines);
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
                let oom = self.options.past.lives.get(&container.id).map(Saved::ledger).unwrap_or_default();
                let whereabouts = whereabouts.clone();
                self.tracked.push(Tracked::new(container, life, whereabouts, Arc::clone(&origin), oom));
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
        } else if another_process || container.network_mode != tracked.container.network_mode {
            // Now that the engine names the process, or says whose network it uses (Podman's listing does not),
            // the same cgroup is found with the right network. Nothing is counted anew.
            if let (Some(_), Some(kernel)) = (&tracked.reader, &mut self.kernel) {
                tracked.close(kernel);
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
        if self.options.selection.has_collector(Collector::Events) {
            tracked.list_events();
        }
    }
}

/// What stands in the place of the kernel's capabilities where there is no kernel to read.
fn without_kernel(error: &plimsoll_kernel::Error) -> Arc<[Capability]> {
    let remedy = "numbers come from the engine's API alone, which knows fewer of them; name the place of the cgroups \
                  with --cgroup-root";
    let missing =
        Capability { feature: "cgroups", available: false, reason: error.to_string(), remedy: remedy.into() };
    Arc::from([missing])
}
