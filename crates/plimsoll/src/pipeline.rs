//! Engines, kernel and sampler, put together as the settings say. Every command that needs numbers starts
//! one of these.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_collect::{
    Ages, Disk, DiskThread, Engines, Filter, Inbox, MAX_AGE, Options, Recogniser, Sampler, SamplerThread,
    Samples, SourceChoice, Which,
};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::{Build, Engine, Source};
use plimsoll_model::container::LabelChoice;
use plimsoll_model::lifecycle::Past;
use plimsoll_model::{Collector, ContainerRow, Naming, Profile, Selection, Slot, Snapshot, State};
use tokio::task::JoinHandle;

use crate::engines;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::value::Shown;

/// The program that was built.
pub(crate) const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("PLIMSOLL_BUILD_REVISION"),
    rustc: env!("PLIMSOLL_BUILD_RUSTC"),
    target: env!("PLIMSOLL_BUILD_TARGET"),
};

/// How long a command that prints once waits for the engine before it says that there is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long such a command waits for numbers after that. That an engine's containers are not in this kernel shows after
/// three passes, and an engine's API sends a sample a second.
const UNTIL_NUMBERS: Duration = Duration::from_secs(6);

/// How long such a command waits for the first look at containers' disks.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// A running pipeline. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) samples: Samples,
    /// Where the sampler is told of changes.
    pub(crate) inbox: Arc<Inbox>,
    /// Where cgroups were found, and of which kind.
    pub(crate) cgroups: String,
    /// Whether no engine is wanted.
    without_engine: bool,
    thread: Option<SamplerThread>,
    disk: Option<(Disk, DiskThread)>,
    engines: JoinHandle<()>,
}

/// Where the kernel's files are.
pub(crate) fn roots(settings: &Settings) -> Roots {
    Roots {
        cgroup: settings.cgroup_root.clone(),
        procfs: settings.procfs.clone(),
        sysfs: settings.sysfs.clone(),
    }
}

/// There is no kernel to read, and nobody else to ask.
fn no_kernel(settings: &Settings, error: Option<plimsoll_kernel::Error>) -> Failure {
    let root = &settings.cgroup_root;
    // That the folder cannot be listed says more than that nothing was found in it.
    match (std::fs::read_dir(root), error) {
        (Err(cause), _) => Failure::world(format!("cannot read the cgroups under {}", root.display()))
            .remedy("let this user read that folder, or name the place of the cgroups with --cgroup-root")
            .because(cause),
        (Ok(_), Some(error)) => Failure::world("cannot measure containers").because(error),
        (Ok(_), None) => Failure::world("cannot measure containers"),
    }
}

/// The families that the settings leave.
pub(crate) fn selection(settings: &Settings) -> Selection {
    let mut selection = match settings.profile {
        Shown::Catalog(profile) => Selection::of_profile(profile),
        Shown::Cadvisor => Selection::of_profile(Profile::Default).named(Naming::Cadvisor),
    };
    for (name, on) in &settings.collectors {
        if let Some(collector) = Collector::by_name(name) {
            selection.switch(collector, *on);
        }
    }
    selection
}

fn options(settings: &Settings, selection: Selection, past: Past) -> anyhow::Result<Options> {
    let filter = Filter::default()
        .include_names(&settings.include_name)?
        .include_images(&settings.include_image)?
        .include_labels(&settings.include_label)?
        .exclude_names(&settings.exclude_name)?
        .exclude_images(&settings.exclude_image)?
        .exclude_labels(&settings.exclude_label)?;
    let labels =
        LabelChoice { all: settings.labels.iter().any(|key| key == "*"), keys: settings.labels.clone() };
    let past = Arc::new(past);
    Ok(Options { source: settings.source, selection, filter, labels, build: BUILD, past, disk: None })
}

impl Pipeline {
    /// Starts to listen and to sample. Needs a tokio runtime.
    pub(crate) fn start(settings: &Settings, selection: Selection) -> anyhow::Result<Self> {
        Self::start_after(settings, selection, Past::default())
    }

    /// The same, where something is known of containers' lives before.
    pub(crate) fn start_after(settings: &Settings, selection: Selection, past: Past) -> anyhow::Result<Self> {
        Self::begin(settings, selection, past, engines::which(settings))
    }

    /// Starts to listen to these engines and no others.
    pub(crate) fn start_on(settings: &Settings, selection: Selection, which: Which) -> anyhow::Result<Self> {
        Self::begin(settings, selection, Past::default(), which)
    }

    fn begin(settings: &Settings, selection: Selection, past: Past, which: Which) -> anyhow::Result<Self> {
        let without_engine = matches!(which, Which::None);
        let kernel = Kernel::probe(roots(settings), &selection);
        let (cgroups, recogniser) = match &kernel {
            Ok(kernel) => {
                let layout = kernel.layout().clone();
                let cgroups = format!("cgroup {} under {}", layout.version, settings.cgroup_root.display());
                (cgroups, Some(Recogniser::new(layout, engines::state_files())))
            }
            // An engine's API is enough, unless it is not to be asked.
            Err(_) if !without_engine && settings.source != SourceChoice::Kernel => {
                (format!("no cgroups under {}", settings.cgroup_root.display()), None)
            }
            Err(_) => return Err(no_kernel(settings, kernel.err()).into()),
        };
        if let Err(error) = &kernel {
            tracing::warn!("{error}; numbers come from the engines' API alone, which knows fewer of them");
        }
        let inbox = Arc::new(Inbox::default());
        let disk = Disk::new(settings.disk, &selection, Arc::clone(&inbox));
        let disk = disk.map(|disk| {
            let thread =
                DiskThread::start(&disk, &roots(settings)).context("cannot start the disk's thread")?;
            anyhow::Ok((disk, thread))
        });
        let disk = disk.transpose()?;
        let mut options = options(settings, selection, past)?;
        options.disk = disk.as_ref().map(|(disk, _)| disk.clone());
        let ages = Ages { host: Ages::default().host.max(settings.interval * 3), ..Ages::default() };
        let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox)).with_ages(ages);
        let (thread, samples) =
            SamplerThread::start(sampler, settings.interval).context("cannot start the sampler's thread")?;
        let engines = Engines::new(which, recogniser, options, Arc::clone(&inbox));
        let engines = tokio::spawn(engines.run());
        Ok(Self { samples, inbox, cgroups, without_engine, thread: Some(thread), disk, engines })
    }

    /// Waits for the first complete sample, and insists that somebody told what is in it: an engine, or the cgroups
    /// themselves.
    pub(crate) async fn with_engine(&self) -> Result<Arc<Snapshot>, Failure> {
        let snapshot = tokio::time::timeout(PATIENCE, self.samples.ready()).await;
        let snapshot = snapshot.unwrap_or_else(|_| self.samples.latest());
        let is_told = snapshot.agent.engines.iter().any(Engine::is_up) || !snapshot.containers.is_empty();
        if is_told || self.without_engine {
            Ok(self.with_numbers(snapshot).await)
        } else {
            Err(engines::nobody(&snapshot))
        }
    }

    /// Waits until the disk of every container was looked at once, as far as there is time.
    pub(crate) async fn first_look_at_disks(&self) {
        let Some((disk, _)) = &self.disk else { return };
        let until = tokio::time::Instant::now() + FIRST_LOOK;
        while !disk.is_settled() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What was told last is in the next pass, and a snapshot that is not older than this may do without one.
        tokio::time::sleep(MAX_AGE).await;
    }

    /// Waits until it is decided where numbers come from, and the API has given some where it is asked for them.
    async fn with_numbers(&self, mut snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let mut samples = self.samples.clone();
        let until = tokio::time::Instant::now() + UNTIL_NUMBERS;
        while lacks_numbers(&snapshot)
            && let Ok(next) = tokio::time::timeout_at(until, samples.tick()).await
        {
            snapshot = next;
        }
        snapshot
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.engines.abort();
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
        if let Some((_, thread)) = self.disk.take() {
            thread.stop();
        }
    }
}

/// Whether an engine's running containers have no numbers that they may get yet.
fn lacks_numbers(snapshot: &Snapshot) -> bool {
    let may_come = |engine: &&Engine| engine.is_up() && engine.source != Some(Source::Kernel);
    let has_none = |engine: &Engine| {
        let mut running = snapshot.containers.iter().filter(|row| {
            row.container.engine == engine.name
                && matches!(row.container.state, State::Running | State::Paused)
        });
        let is_read = |row: &ContainerRow| row.values.get(Slot::CpuUsage).is_some();
        running.clone().next().is_some() && !running.any(is_read)
    };
    snapshot.agent.engines.iter().filter(may_come).any(has_none)
}

/// Besides what the server reads: looking for cgroups, resolving names, checking a password, looking at its files.
const OTHERS_THAT_BLOCK: usize = 4;

/// A runtime for everything but sampling, which has a thread of its own: one thread is enough for a few
/// sockets, and what takes long goes to threads that end when they are idle.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // One for everything that may block at a time: a long export must not hold up a scrape.
    let limits = plimsoll_web::Limits::default();
    let blocking = limits.encoders + limits.questions + limits.exports + OTHERS_THAT_BLOCK;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(blocking)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
        .context("cannot start the runtime")
}
