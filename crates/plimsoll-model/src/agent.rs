//! What the agent knows of engines, of the machine and of its own work.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use crate::catalog::{Collector, DeliveryField};
use crate::container::LabelLoss;

/// The program that was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The version, such as `0.1.0`.
    pub version: &'static str,
    /// The revision of the source; empty where the build did not know it.
    pub revision: &'static str,
    /// The compiler's version.
    pub rustc: &'static str,
    /// The target triple.
    pub target: &'static str,
}

/// One engine that the agent listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its name in labels, such as `docker`.
    pub name: Arc<str>,
    /// Where it was reached, such as `unix:///var/run/docker.sock`.
    pub endpoint: Arc<str>,
    /// Whether it answers, or what kind of trouble it has.
    pub state: EngineState,
    /// Where the numbers of its containers come from, once that is decided.
    pub source: Option<Source>,
    /// What it says of itself, once it has answered; kept while it is away.
    pub facts: Option<Arc<EngineFacts>>,
    /// Why it does not answer, in a sentence; empty while it does.
    pub trouble: Arc<str>,
    /// Requests made so far.
    pub requests: u64,
    /// Requests that failed, because the engine was away, late or wrong.
    pub failures: u64,
    /// Requests that timed out.
    pub timeouts: u64,
    /// Parts of replies that could not be understood.
    pub broken: u64,
    /// What it keeps on its disk beside containers.
    pub kept: EngineKept,
}

/// What an engine keeps beside containers. Absent is what it was not asked for, or did not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineKept {
    /// How many images.
    pub images: Option<u64>,
    /// Bytes of all images' layers, each counted once.
    pub images_bytes: Option<u64>,
    /// Bytes of the build cache.
    pub build_cache_bytes: Option<u64>,
    /// How many volumes.
    pub volumes: Option<u64>,
}

impl Engine {
    /// An engine that was not asked yet.
    #[must_use]
    pub fn new(name: &str, endpoint: &str) -> Self {
        Self {
            name: name.into(),
            endpoint: endpoint.into(),
            state: EngineState::Waiting,
            source: None,
            facts: None,
            trouble: "not asked yet".into(),
            requests: 0,
            failures: 0,
            timeouts: 0,
            broken: 0,
            kept: EngineKept::default(),
        }
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == EngineState::Up
    }
}

/// Whether an engine answers, or what kind of trouble it has. Its word is a label, so there are only these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineState {
    /// It was not asked yet.
    #[default]
    Waiting,
    /// It answers.
    Up,
    /// Nobody listens at its address.
    Unreachable,
    /// This user may not talk to it.
    Denied,
    /// It took too long.
    Timeout,
    /// There is no secure connection: a certificate is missing, expired or not trusted.
    Insecure,
    /// There is no version of the API that both sides speak.
    Unsupported,
    /// The setting, variable or context that should name it does not.
    Misconfigured,
    /// It is the same engine as another one in the list, which shows its containers.
    Duplicate,
    /// It answers something else than an engine would.
    Broken,
}

impl EngineState {
    /// The word in `plimsoll_engine_info{state}`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Insecure => "insecure",
            Self::Unsupported => "unsupported",
            Self::Misconfigured => "misconfigured",
            Self::Duplicate => "duplicate",
            Self::Broken => "broken",
        }
    }
}

/// Where numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The kernel of this machine.
    Kernel,
    /// The engine's API.
    Api,
}

impl Source {
    /// The word in `plimsoll_engine_info{source}`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Api => "api",
        }
    }
}

/// What an engine says of itself. Empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the engine's own words")]
pub struct EngineFacts {
    pub version: String,
    pub api_version: String,
    pub cgroup_version: String,
    pub cgroup_driver: String,
    pub storage_driver: String,
    pub rootless: bool,
}

/// The machine. Absent is what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processors that are online.
    pub cores: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Swap space in bytes.
    pub swap: Option<u64>,
}

/// What the machine is made of, and which one it is. It does not change while the machine runs. Empty and absent is what
/// could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFacts {
    /// The kernel's name of this boot, from `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The system's name of the machine, from `/etc/machine-id`.
    pub machine_id: String,
    /// The firmware's name of the machine, which root alone may read.
    pub system_uuid: String,
    /// The kernel's release, such as `6.18.5`.
    pub kernel_version: String,
    /// The system's name and version, `PRETTY_NAME` of its `os-release`.
    pub os_version: String,
    /// Cores, each counted once however many threads it has.
    pub physical_cores: Option<u64>,
    /// Processor packages.
    pub sockets: Option<u64>,
    /// Books of an IBM Z machine.
    pub books: Option<u64>,
    /// Drawers of an IBM Z machine.
    pub drawers: Option<u64>,
}

impl MachineFacts {
    /// The values of cAdvisor's labels `boot_id`, `machine_id` and `system_uuid`.
    #[must_use]
    pub fn labels(&self) -> [&str; 3] {
        [&self.boot_id, &self.machine_id, &self.system_uuid]
    }
}

/// The agent's own process. Absent is what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Processor time, in nanoseconds.
    pub cpu: Option<u64>,
    /// Resident memory in bytes.
    pub resident: Option<u64>,
    /// Virtual memory in bytes.
    pub virtual_memory: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// Most descriptors that may be open.
    pub max_fds: Option<u64>,
}

/// What one collector did in the last pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectorReport {
    /// How long it took, in nanoseconds; absent where it did not run.
    pub duration: Option<u64>,
    /// Whether it read all that it should.
    pub success: Option<bool>,
    /// Its requests that timed out; absent for collectors that make none.
    pub timeouts: Option<u64>,
}

/// A report of each collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorReports([CollectorReport; Collector::COUNT]);

impl Default for CollectorReports {
    fn default() -> Self {
        Self([CollectorReport::default(); Collector::COUNT])
    }
}

impl Index<Collector> for CollectorReports {
    type Output = CollectorReport;

    fn index(&self, collector: Collector) -> &CollectorReport {
        &self.0[collector as usize]
    }
}

impl IndexMut<Collector> for CollectorReports {
    fn index_mut(&mut self, collector: Collector) -> &mut CollectorReport {
        &mut self.0[collector as usize]
    }
}

/// What the agent tells of its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Whether it is being written.
    pub up: bool,
    /// The size of its file with the side files, in bytes.
    pub bytes: Option<u64>,
    /// Numbers taken in.
    pub values: u64,
    /// Bytes written to the file.
    pub written: u64,
    /// How long the last writing took, in nanoseconds.
    pub flush: Option<u64>,
    /// Samples of a container that were not kept because the disk did not take them.
    pub lost_disk: u64,
    /// Numbers that were not kept because there are too many names of series.
    pub lost_names: u64,
    /// Ticks that the history came too late to see.
    pub lost_ticks: u64,
    /// Blocks and other parts of the file that were damaged and left out.
    pub damaged: u64,
    /// Files that could not be used at all and were set aside.
    pub set_aside: u64,
}

/// A target of deliveries, as it tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its type, such as `influxdb-v2`.
    pub type_name: &'static str,
    /// Where it is, without anything secret.
    pub address: String,
    /// How it does, in a word.
    pub state: &'static str,
    /// What is wrong; empty while nothing is.
    pub trouble: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// A figure about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which one.
    pub field: DeliveryField,
    /// The values of the family's labels after `target`, in their order.
    pub labels: Vec<String>,
    /// The value, on the family's scale.
    pub value: u64,
}

impl Target {
    /// The value of a figure with these labels.
    #[must_use]
    pub fn figure(&self, field: DeliveryField, labels: &[&str]) -> Option<u64> {
        let found = self.figures.iter().find(|figure| figure.field == field && figure.labels == labels);
        found.map(|figure| figure.value)
    }
}

/// Something that a machine may or may not let the agent read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The name in `plimsoll_capability{feature}`.
    pub feature: &'static str,
    /// Whether it is there.
    pub available: bool,
    /// Why not, or where it was found.
    pub reason: String,
    /// What to do about it; empty where nothing is missing or nothing helps.
    pub remedy: String,
}

/// The agent's account of engines, machine and itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// When the agent started, in Unix nanoseconds.
    pub started: u64,
    /// The program.
    pub build: Build,
    /// The engines.
    pub engines: Vec<Engine>,
    /// The machine.
    pub machine: Machine,
    /// What the machine is made of.
    pub machine_facts: Arc<MachineFacts>,
    /// The agent's process.
    pub process: Process,
    /// What each collector did.
    pub collectors: CollectorReports,
    /// What this machine lets the agent read.
    pub capabilities: Arc<[Capability]>,
    /// Periodic passes so far.
    pub ticks: u64,
    /// Periodic passes that were left out.
    pub ticks_missed: u64,
    /// How long the last pass over all containers took, in nanoseconds.
    pub pass_duration: Option<u64>,
    /// Containers whose resources were read in the last pass.
    pub containers_read: u64,
    /// Labels that were left out or cut.
    pub label_loss: LabelLoss,
    /// Failed reads by kernel file.
    pub read_errors: Vec<(&'static str, u64)>,
    /// The history, where there is to be one.
    pub history: Option<History>,
    /// The targets that points are delivered to.
    pub targets: Arc<[Target]>,
}

impl Clone for Agent {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    /// Reuses the lists of `self`, so that a tick copies without allocating.
    fn clone_from(&mut self, other: &Self) {
        let Self { engines, capabilities, read_errors, .. } = self;
        let (mut engines, mut read_errors) = (std::mem::take(engines), std::mem::take(read_errors));
        engines.clone_from(&other.engines);
        read_errors.clone_from(&other.read_errors);
        capabilities.clone_from(&other.capabilities);
        *self = Self {
            engines,
            read_errors,
            capabilities: Arc::clone(capabilities),
            started: other.started,
            build: other.build,
            machine: other.machine,
            machine_facts: Arc::clone(&other.machine_facts),
            process: other.process,
            collectors: other.collectors,
            ticks: other.ticks,
            ticks_missed: other.ticks_missed,
            pass_duration: other.pass_duration,
            containers_read: other.containers_read,
            label_loss: other.label_loss,
            history: other.history,
            targets: Arc::clone(&other.targets),
        };
    }
}
