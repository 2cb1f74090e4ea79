//! Engine, kernel and sampler, put together as the settings say. Every command that needs numbers starts
//! one of these.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plimsoll_collect::{
    Filter, Inbox, Naming, Options, Sampler, SamplerThread, Samples, SourceChoice, Watcher,
};
use plimsoll_engine::{Client, Endpoint};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::Build;
use plimsoll_model::container::LabelChoice;
use plimsoll_model::{Collector, Selection, Snapshot};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::settings::Settings;

/// The program that was built.
pub(crate) const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("PLIMSOLL_BUILD_REVISION"),
    rustc: env!("PLIMSOLL_BUILD_RUSTC"),
    target: env!("PLIMSOLL_BUILD_TARGET"),
};

/// How long a command that prints once waits for the engine before it says that there is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running pipeline. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) samples: Samples,
    /// Where cgroups were found, and of which kind.
    pub(crate) cgroups: String,
    thread: Option<SamplerThread>,
    watcher: JoinHandle<()>,
}

/// The kernel, ready to be read.
fn kernel(settings: &Settings, selection: &Selection) -> Result<Kernel, Failure> {
    let roots = Roots {
        cgroup: settings.cgroup_root.clone(),
        procfs: settings.procfs.clone(),
        sysfs: settings.sysfs.clone(),
    };
    Kernel::probe(roots, selection).map_err(|error| {
        // That the folder cannot be listed says more than that nothing was found in it.
        match std::fs::read_dir(&settings.cgroup_root) {
            Ok(_) => Failure::world("cannot measure containers").because(error),
            Err(cause) => {
                Failure::world(format!("cannot read the cgroups under {}", settings.cgroup_root.display()))
                    .remedy(
                        "let this user read that folder, or name the place of the cgroups with --cgroup-root",
                    )
                    .because(cause)
            }
        }
    })
}

/// The engine's client.
fn client(settings: &Settings) -> anyhow::Result<Client> {
    let endpoint: Endpoint = settings.engine.parse().map_err(|error| {
        Failure::caller(format!(
            "the engine's address {} cannot be used",
            crate::text::quoted(&settings.engine)
        ))
        .because(error)
    })?;
    Ok(Client::new(endpoint))
}

/// The families that the settings leave.
pub(crate) fn selection(settings: &Settings) -> Selection {
    let mut selection = Selection::of_profile(settings.profile);
    for (name, on) in &settings.collectors {
        if let Some(collector) = Collector::by_name(name) {
            selection.switch(collector, *on);
        }
    }
    selection
}

fn options(settings: &Settings, selection: Selection) -> anyhow::Result<Options> {
    let filter = Filter::default()
        .include_names(&settings.include_name)?
        .include_images(&settings.include_image)?
        .include_labels(&settings.include_label)?
        .exclude_names(&settings.exclude_name)?
        .exclude_images(&settings.exclude_image)?
        .exclude_labels(&settings.exclude_label)?;
    let labels =
        LabelChoice { all: settings.labels.iter().any(|key| key == "*"), keys: settings.labels.clone() };
    Ok(Options { source: SourceChoice::Auto, selection, filter, labels, build: BUILD })
}

impl Pipeline {
    /// Starts to listen and to sample. Needs a tokio runtime.
    pub(crate) fn start(settings: &Settings, selection: Selection) -> anyhow::Result<Self> {
        let kernel = kernel(settings, &selection)?;
        let cgroups = format!("cgroup {} under {}", kernel.layout().version, settings.cgroup_root.display());
        let options = options(settings, selection)?;
        let client = client(settings)?;
        let inbox = Arc::new(Inbox::default());
        let sampler = Sampler::new(Ok(kernel), options.clone(), Arc::clone(&inbox));
        let (thread, samples) =
            SamplerThread::start(sampler, settings.interval).context("cannot start the sampler's thread")?;
        let watcher = tokio::spawn(Watcher::new(client, Naming::default(), options, inbox).run());
        Ok(Self { samples, cgroups, thread: Some(thread), watcher })
    }

    /// Waits for the first complete sample, and insists that the engine told what is in it.
    pub(crate) async fn with_engine(&self) -> Result<Arc<Snapshot>, Failure> {
        let snapshot = tokio::time::timeout(PATIENCE, self.samples.ready()).await;
        let snapshot = snapshot.unwrap_or_else(|_| self.samples.latest());
        match snapshot.agent.engines.first() {
            Some(engine) if engine.is_up() => Ok(snapshot),
            engine => {
                let trouble = engine.map_or("it was not asked", |engine| &engine.trouble);
                Err(Failure::world(format!("the container engine does not answer: {trouble}"))
                    .remedy("start the engine, let this user use it, or name another address with --engine"))
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.watcher.abort();
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
    }
}

/// A runtime for everything but sampling, which has a thread of its own: one thread is enough for a few
/// sockets, and what takes long goes to threads that end when they are idle.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
        .context("cannot start the runtime")
}

/// Waits for the signal to end: Ctrl-C, or SIGTERM where there is one.
pub(crate) async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
