//! The one walk over catalog and snapshot. Whoever shows, stores or sends numbers is a [`Sink`].

mod cadvisor;
mod machine;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::agent::{Agent, Engine, EngineFacts, EngineKept, History, Source};
use crate::catalog::{
    AgentFamily, CATALOG, Cell, Collector, DeliveryField, Family, InfoFamily, MAX_DETAIL_LABELS,
    MAX_HOST_LABELS, Shape,
};
use crate::container::{Container, State};
use crate::custom::{CollectorState, CustomFamily, CustomSample};
use crate::detail::DetailRow;
use crate::selection::Selection;
use crate::snapshot::{ContainerRow, Snapshot};

/// Takes what a snapshot has to show, family by family, in the order of the catalog.
pub trait Sink {
    /// The samples that follow are of this family. Called once a family, and only if it has a sample.
    fn family(&mut self, family: &'static Family);

    /// The samples that follow carry these labels, beside `name`, `image` and `id` where they are about a
    /// container. Called at least once after [`Sink::family`].
    fn labels(&mut self, names: &[&str], values: &[&str]);

    /// A sample. `container` is the row in [`Snapshot::containers`] that it is about. `value` is on the
    /// family's [`crate::Scale`]. `start` is since when a counter counts, in Unix nanoseconds.
    fn sample(&mut self, container: Option<usize>, value: u64, start: Option<u64>);

    /// The custom samples that follow are of this name. Several collectors may tell values of one name; what the first of
    /// them says of it holds, and where that is a histogram or a summary, or it is not, others that say otherwise are left
    /// out. Whoever is about the catalog alone has nothing to do.
    fn custom_family(&mut self, _family: &CustomFamily) {}

    /// A custom sample. `container` is the row that it is about.
    fn custom_sample(&mut self, _container: Option<usize>, _sample: &CustomSample) {}
}

impl Snapshot {
    /// Hands everything that is selected and present to `sink`.
    pub fn visit(&self, selection: &Selection, sink: &mut impl Sink) {
        let mut walk = Walk { snapshot: self, sink, open: false, series: 0 };
        for (index, family) in CATALOG.iter().enumerate().filter(|(_, family)| selection.has(family)) {
            walk.open = false;
            match family.shape {
                Shape::Container(_) | Shape::Interface(_) | Shape::Device(_) | Shape::Detail(_) => {
                    walk.of_rows(family, self.containers.iter().enumerate());
                }
                Shape::Info(which) => walk.info(family, which),
                Shape::Agent(which) => {
                    // The last family counts all series, so what is not the catalog's comes before it.
                    if which == AgentFamily::Series && selection.has_collector(Collector::Custom) {
                        walk.custom();
                    }
                    walk.agent(family, which);
                }
                Shape::Host(_) => walk.host(index, family),
            }
        }
    }
}

/// The most labels that a family about targets has.
const MAX_DELIVERY_LABELS: usize = 3;

struct Walk<'a, S> {
    snapshot: &'a Snapshot,
    sink: &'a mut S,
    /// Whether the present family has been announced to the sink.
    open: bool,
    series: u64,
}

impl<S: Sink> Walk<'_, S> {
    fn announce(&mut self, family: &'static Family) {
        if !self.open {
            self.sink.family(family);
            self.open = true;
        }
    }

    /// What stands in rows where the family's shape says.
    fn of_rows<'r>(
        &mut self,
        family: &'static Family,
        rows: impl Iterator<Item = (usize, &'r ContainerRow)> + Clone,
    ) {
        match family.shape {
            Shape::Container(cells) => {
                for cell in cells {
                    self.cell(family, cell, rows.clone());
                }
            }
            Shape::Interface(slot) => {
                for (index, row) in rows {
                    for interface in &row.interfaces {
                        if let Some(value) = interface.values.get(slot) {
                            self.of_row(family, &[&interface.name], (index, row), value);
                        }
                    }
                }
            }
            Shape::Device(slot) => {
                for (index, row) in rows {
                    for device in &row.devices {
                        if let Some(value) = device.values.get(slot) {
                            self.of_row(family, &[&device.name], (index, row), value);
                        }
                    }
                }
            }
            Shape::Detail(field) => {
                for (index, row) in rows {
                    for detail in row.details_of(field) {
                        self.detail(family, (index, row), detail);
                    }
                }
            }
            Shape::Info(_) | Shape::Agent(_) | Shape::Host(_) => {}
        }
    }

    /// One number of each row. The labels are the same for all of them, and told once.
    fn cell<'r>(
        &mut self,
        family: &'static Family,
        cell: &Cell,
        rows: impl Iterator<Item = (usize, &'r ContainerRow)>,
    ) {
        let mut labels_told = false;
        for (index, row) in rows {
            let Some(value) = row.values.get(cell.slot) else { continue };
            if !labels_told {
                self.announce(family);
                self.sink.labels(family.labels, cell.values);
                labels_told = true;
            }
            self.series += 1;
            self.sink.sample(Some(index), value, row.since(family.start, self.snapshot.agent.started));
        }
    }

    /// A number with labels of its own.
    fn detail(&mut self, family: &'static Family, row: (usize, &ContainerRow), detail: &DetailRow) {
        let values = texts::<MAX_DETAIL_LABELS>(&detail.labels);
        self.of_row(family, &values[..family.labels.len()], row, detail.value);
    }

    /// What the last reading of the machine has of the family at this position of the catalog.
    fn host(&mut self, index: usize, family: &'static Family) {
        let Some(host) = self.snapshot.host.of(family.collector) else { return };
        for row in host.rows_of(index) {
            let values = texts::<MAX_HOST_LABELS>(&row.labels);
            self.sample(family, &values[..family.labels.len()], None, row.value, host.boot);
        }
    }

    /// One sample of a container, with all of the family's labels.
    fn of_row(
        &mut self,
        family: &'static Family,
        values: &[&str],
        (index, row): (usize, &ContainerRow),
        value: u64,
    ) {
        let start = row.since(family.start, self.snapshot.agent.started);
        self.sample(family, values, Some(index), value, start);
    }

    /// One sample with all of the family's labels.
    fn sample(
        &mut self,
        family: &'static Family,
        values: &[&str],
        container: Option<usize>,
        value: u64,
        start: Option<u64>,
    ) {
        self.announce(family);
        self.sink.labels(family.labels, values);
        self.series += 1;
        self.sink.sample(container, value, start);
    }

    fn info(&mut self, family: &'static Family, which: InfoFamily) {
        let snapshot = self.snapshot;
        for (index, row) in snapshot.containers.iter().enumerate() {
            let container = &*row.container;
            let label = |key| container.label(key);
            match which {
                InfoFamily::Container => {
                    let cgroup = row.cgroup.as_deref().unwrap_or("");
                    let values = [
                        &*container.image_id,
                        &container.runtime,
                        &container.engine,
                        &container.pod,
                        &container.pod_id,
                        &container.hostname,
                        &container.network_mode,
                        cgroup,
                        &container.restart_policy,
                    ];
                    self.told(family, &values, (index, row));
                }
                InfoFamily::Labels => self.shown_labels(family, container, index),
                InfoFamily::Compose => self.told(family, &compose(container), (index, row)),
                InfoFamily::Swarm => {
                    let values = [
                        label("com.docker.swarm.service.name"),
                        label("com.docker.swarm.service.id"),
                        label("com.docker.swarm.task.name"),
                        label("com.docker.swarm.task.id"),
                        label("com.docker.swarm.node.id"),
                        label("com.docker.stack.namespace"),
                    ];
                    self.told(family, &values, (index, row));
                }
                InfoFamily::Kubernetes => {
                    let values = [
                        label("io.kubernetes.pod.namespace"),
                        label("io.kubernetes.pod.name"),
                        label("io.kubernetes.container.name"),
                        label("io.kubernetes.pod.uid"),
                    ];
                    self.told(family, &values, (index, row));
                }
                InfoFamily::Image => {
                    if let Some(facts) = &container.image_facts {
                        let values = [&*facts.digest, &facts.version, &facts.revision, &facts.created];
                        self.told(family, &values, (index, row));
                    }
                }
                InfoFamily::LifecycleState => self.told(family, &[container.state.word()], (index, row)),
                InfoFamily::NetworkInterface => {
                    for interface in row.interfaces.iter().filter(|interface| !interface.network.is_empty()) {
                        self.told(family, &[&interface.name, &interface.network], (index, row));
                    }
                }
            }
        }
    }

    /// An info sample, unless it would say nothing.
    fn told(&mut self, family: &'static Family, values: &[&str], row: (usize, &ContainerRow)) {
        if values.iter().any(|value| !value.is_empty()) {
            self.of_row(family, values, row, 1);
        }
    }

    fn shown_labels(&mut self, family: &'static Family, container: &Container, index: usize) {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, value) in container.shown_labels.iter().filter(|(_, value)| !value.is_empty()) {
            names.push(&**name);
            values.push(&**value);
        }
        if !names.is_empty() {
            self.announce(family);
            self.sink.labels(&names, &values);
            self.series += 1;
            self.sink.sample(Some(index), 1, None);
        }
    }

    fn own(&mut self, family: &'static Family, labels: &[&str], value: Option<u64>) {
        if let Some(value) = value {
            let agent = self.snapshot.agent.started;
            self.sample(family, labels, None, value, Some(agent));
        }
    }

    /// What each engine keeps.
    fn kept(&mut self, family: &'static Family, get: fn(&EngineKept) -> Option<u64>) {
        for engine in &self.snapshot.agent.engines {
            self.own(family, &[&engine.name], get(&engine.kept));
        }
    }

    fn agent(&mut self, family: &'static Family, which: AgentFamily) {
        let agent = &self.snapshot.agent;
        match which {
            AgentFamily::EngineUp => {
                for engine in &agent.engines {
                    self.own(family, &[&engine.name, &engine.endpoint], Some(u64::from(engine.is_up())));
                }
            }
            AgentFamily::EngineInfo => {
                for engine in &agent.engines {
                    let facts = engine.facts.as_deref();
                    let said = |get: fn(&EngineFacts) -> &str| facts.map_or("", get);
                    let values = [
                        &*engine.name,
                        &engine.endpoint,
                        said(|facts| &facts.version),
                        said(|facts| &facts.api_version),
                        said(|facts| &facts.cgroup_version),
                        said(|facts| &facts.cgroup_driver),
                        said(|facts| &facts.storage_driver),
                        said(|facts| if facts.rootless { "true" } else { "false" }),
                        engine.source.map_or("", Source::word),
                        engine.state.word(),
                    ];
                    self.own(family, &values, Some(1));
                }
            }
            AgentFamily::Containers => {
                for engine in &agent.engines {
                    for (state, count) in count_states(self.snapshot, engine) {
                        self.own(family, &[&engine.name, state.word()], Some(count));
                    }
                }
            }
            AgentFamily::Images => self.kept(family, |kept| kept.images),
            AgentFamily::ImagesBytes => self.kept(family, |kept| kept.images_bytes),
            AgentFamily::BuildCacheBytes => self.kept(family, |kept| kept.build_cache_bytes),
            AgentFamily::Volumes => self.kept(family, |kept| kept.volumes),
            AgentFamily::MachineCores => self.own(family, &[], agent.machine.cores),
            AgentFamily::MachineMemory => self.own(family, &[], agent.machine.memory),
            AgentFamily::MachineSwap => self.own(family, &[], agent.machine.swap),
            AgentFamily::ProcessCpu => self.own(family, &[], agent.process.cpu),
            AgentFamily::ProcessResident => self.own(family, &[], agent.process.resident),
            AgentFamily::ProcessVirtual => self.own(family, &[], agent.process.virtual_memory),
            AgentFamily::ProcessOpenFds => self.own(family, &[], agent.process.open_fds),
            AgentFamily::ProcessMaxFds => self.own(family, &[], agent.process.max_fds),
            AgentFamily::ProcessStart => self.own(family, &[], Some(agent.started)),
            AgentFamily::BuildInfo => {
                let build = &agent.build;
                self.own(family, &[build.version, build.revision, build.rustc, build.target], Some(1));
            }
            AgentFamily::CollectorDuration => {
                self.reports(family, |report| report.duration);
                self.states(family, |state| state.duration);
            }
            AgentFamily::CollectorSuccess => {
                self.reports(family, |report| report.success.map(u64::from));
                self.states(family, |state| state.success.map(u64::from));
            }
            AgentFamily::CollectorTimeouts => {
                self.reports(family, |report| report.timeouts);
                self.states(family, |state| {
                    state.failures.iter().find(|(reason, _)| *reason == "timeout").map(|(_, count)| *count)
                });
            }
            AgentFamily::CollectorHealthy => self.states(family, |state| Some(u64::from(state.healthy))),
            AgentFamily::CollectorRuns => self.states(family, |state| Some(state.runs)),
            AgentFamily::CollectorFailures => self.counts(family, |state| &state.failures),
            AgentFamily::CollectorSkipped => self.states(family, |state| Some(state.skipped)),
            AgentFamily::CollectorValues => self.states(family, |state| state.values),
            AgentFamily::CollectorDropped => self.counts(family, |state| &state.left_out),
            AgentFamily::CollectorLastSuccess => self.states(family, |state| state.last_success),
            AgentFamily::Capability => {
                for capability in &*agent.capabilities {
                    self.own(family, &[capability.feature], Some(u64::from(capability.available)));
                }
            }
            AgentFamily::Ticks => self.own(family, &[], Some(agent.ticks)),
            AgentFamily::TicksMissed => self.own(family, &[], Some(agent.ticks_missed)),
            AgentFamily::EngineRequests => {
                for engine in &agent.engines {
                    self.own(family, &[&engine.name], Some(engine.requests));
                }
            }
            AgentFamily::EngineBroken => {
                for engine in &agent.engines {
                    self.own(family, &[&engine.name], Some(engine.broken));
                }
            }
            AgentFamily::LabelsDropped => {
                let loss = &agent.label_loss;
                self.own(family, &["collision"], Some(loss.collision));
                self.own(family, &["too_many"], Some(loss.too_many));
                self.own(family, &["long_key"], Some(loss.long_key));
                self.own(family, &["long_value"], Some(loss.long_value));
                let rows = loss.rows.saturating_add(self.snapshot.host.left_out());
                self.own(family, &["too_many_rows"], Some(rows));
            }
            AgentFamily::ReadErrors => {
                for (file, count) in &agent.read_errors {
                    self.own(family, &[file], Some(*count));
                }
            }
            AgentFamily::ScrapeDuration => self.own(family, &[], agent.pass_duration),
            AgentFamily::ContainersScraped => self.own(family, &[], Some(agent.containers_read)),
            AgentFamily::ScrapeErrors => {
                let (reads, requests) = error_totals(agent);
                self.own(family, &["kernel"], Some(reads));
                self.own(family, &["engine"], Some(requests));
            }
            AgentFamily::HistoryUp => self.history(family, |history| Some(u64::from(history.up))),
            AgentFamily::HistoryBytes => self.history(family, |history| history.bytes),
            AgentFamily::HistoryValues => self.history(family, |history| Some(history.values)),
            AgentFamily::HistoryWritten => self.history(family, |history| Some(history.written)),
            AgentFamily::HistoryFlush => self.history(family, |history| history.flush),
            AgentFamily::HistoryLost => {
                if let Some(history) = &agent.history {
                    self.own(family, &["disk"], Some(history.lost_disk));
                    self.own(family, &["names"], Some(history.lost_names));
                    self.own(family, &["ticks"], Some(history.lost_ticks));
                }
            }
            AgentFamily::HistoryDamaged => {
                if let Some(history) = &agent.history {
                    self.own(family, &["part"], Some(history.damaged));
                    self.own(family, &["file"], Some(history.set_aside));
                }
            }
            AgentFamily::Delivery(field) => self.delivery(family, field),
            // The last family: it counts itself, and all that came before it.
            AgentFamily::Series => self.own(family, &[], Some(self.series + 1)),
        }
    }

    fn delivery(&mut self, family: &'static Family, field: DeliveryField) {
        for target in self.snapshot.agent.targets.iter() {
            for figure in target.figures.iter().filter(|figure| figure.field == field) {
                let mut values = [""; MAX_DELIVERY_LABELS];
                values[0] = &target.name;
                for (value, label) in values[1..].iter_mut().zip(&figure.labels) {
                    *value = label;
                }
                self.own(family, &values[..family.labels.len()], Some(figure.value));
            }
        }
    }

    fn history(&mut self, family: &'static Family, get: impl Fn(&History) -> Option<u64>) {
        self.own(family, &[], self.snapshot.agent.history.as_ref().and_then(get));
    }

    fn reports(
        &mut self,
        family: &'static Family,
        get: impl Fn(&crate::agent::CollectorReport) -> Option<u64>,
    ) {
        for collector in Collector::ALL {
            let value = get(&self.snapshot.agent.collectors[*collector]);
            self.own(family, &[collector.name()], value);
        }
    }
}

/// A row's labels, as many as it has; the rest is empty.
fn texts<const MOST: usize>(labels: &[Box<str>]) -> [&str; MOST] {
    let mut texts = [""; MOST];
    for (text, label) in texts.iter_mut().zip(labels) {
        *text = label;
    }
    texts
}

type Counts = Vec<(&'static str, u64)>;

impl<S: Sink> Walk<'_, S> {
    /// A sample of each collector on the framework.
    fn states(&mut self, family: &'static Family, get: impl Fn(&CollectorState) -> Option<u64>) {
        for collector in self.snapshot.custom.iter() {
            self.own(family, &[&collector.state.name], get(&collector.state));
        }
    }

    /// The same, where there are several with a reason each.
    fn counts(&mut self, family: &'static Family, get: impl Fn(&CollectorState) -> &Counts) {
        for collector in self.snapshot.custom.iter() {
            for (reason, count) in get(&collector.state) {
                self.own(family, &[&collector.state.name, reason], Some(*count));
            }
        }
    }

    /// What custom collectors tell, by name.
    fn custom(&mut self) {
        let snapshot = self.snapshot;
        let mut by_name: BTreeMap<&str, Vec<&CustomFamily>> = BTreeMap::new();
        for family in snapshot.custom.iter().flat_map(|collector| &*collector.families) {
            let known = by_name.entry(&family.name).or_default();
            // A name is not a histogram for one collector and a gauge for another.
            if known.first().is_none_or(|first| has_same_parts(first, family)) {
                known.push(family);
            }
        }
        let with_parts: HashSet<&str> = by_name
            .iter()
            .filter(|(_, families)| families[0].kind.has_parts())
            .map(|(name, _)| *name)
            .collect();
        let is_a_part = |name: &str| {
            PARTS.iter().any(|part| name.strip_suffix(part).is_some_and(|base| with_parts.contains(base)))
        };
        by_name.retain(|name, _| with_parts.is_empty() || !is_a_part(name));
        if by_name.is_empty() {
            return;
        }
        // Of two rows of one id, the first is the one that is shown.
        let rows = snapshot.containers.iter().enumerate().rev();
        let rows: HashMap<&str, usize> = rows.map(|(index, row)| (&*row.container.id, index)).collect();
        for families in by_name.values() {
            self.sink.custom_family(families[0]);
            for sample in families.iter().flat_map(|family| &family.samples) {
                let row = sample.container.as_deref().map(|id| rows.get(id).copied());
                // A container that is gone since has no labels any more by which to tell whose the value was.
                if row == Some(None) {
                    continue;
                }
                self.series += 1;
                self.sink.custom_sample(row.flatten(), sample);
            }
        }
    }
}

/// What a histogram or summary may put behind its name.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Whether the series of both families have names that fit under one header.
fn has_same_parts(one: &CustomFamily, other: &CustomFamily) -> bool {
    one.kind == other.kind || !(one.kind.has_parts() || other.kind.has_parts())
}

fn compose(container: &Container) -> [&str; 5] {
    let either = |docker, podman| {
        let value = container.label(docker);
        if value.is_empty() { container.label(podman) } else { value }
    };
    [
        either("com.docker.compose.project", "io.podman.compose.project"),
        either("com.docker.compose.service", "io.podman.compose.service"),
        either("com.docker.compose.container-number", "io.podman.compose.container-number"),
        either("com.docker.compose.oneoff", "io.podman.compose.oneoff"),
        either("com.docker.compose.config-hash", "io.podman.compose.config-hash"),
    ]
}

/// The known states, each with its count, also where it is 0; then states that occur and are not known.
fn count_states(snapshot: &Snapshot, engine: &Engine) -> Vec<(State, u64)> {
    let mut counts: Vec<_> = State::KNOWN.into_iter().map(|state| (state, 0)).collect();
    for row in snapshot.containers.iter().filter(|row| row.container.engine == engine.name) {
        match counts.iter_mut().find(|(state, _)| *state == row.container.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.container.state.clone(), 1)),
        }
    }
    counts
}

fn error_totals(agent: &Agent) -> (u64, u64) {
    let reads = agent.read_errors.iter().map(|(_, count)| count).sum();
    let requests = agent.engines.iter().map(|engine| engine.failures + engine.broken).sum();
    (reads, requests)
}
