//! Watcher and sampler together, as the binary runs them.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use plimsoll_collect::{
    Engines, Inbox, Naming, Options, Pace, Sampler, SamplerThread, Samples, Watcher, Which,
};
use plimsoll_engine::{Client, Endpoint, Timeouts};
use plimsoll_kernel::Kernel;
use plimsoll_model::agent::Engine;
use plimsoll_model::{ContainerRow, Slot, Snapshot};
use plimsoll_testkit::wait_until;
use tokio::runtime::Runtime;

/// How long a test waits for what should happen soon, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An agent without a web server. It ends when it is dropped.
pub(crate) struct Agent {
    pub(crate) samples: Samples,
    /// Whether to look as a scrape does, instead of at the last tick.
    pub(crate) scrapes: bool,
    _thread: SamplerThread,
    runtime: Option<Runtime>,
}

/// How the agent is run.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) pace: Pace,
    pub(crate) timeouts: Timeouts,
    pub(crate) interval: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            options: Options::default(),
            pace: Pace {
                check: Duration::from_secs(600),
                retry_first: millis(10),
                retry_most: millis(100),
                settle: millis(1000),
                inspect_again: millis(50),
                ..Pace::default()
            },
            timeouts: Timeouts { connect: millis(1000), request: millis(1000) },
            interval: millis(40),
        }
    }
}

impl Agent {
    pub(crate) fn start(kernel: Kernel, endpoint: Endpoint, setup: Setup) -> Self {
        let Setup { options, pace, timeouts, interval } = setup;
        Self::with(kernel, options, interval, |options, inbox| {
            let client = Client::with_timeouts(endpoint, timeouts);
            Watcher::new(client, Naming::default(), options, inbox).with_pace(pace).run()
        })
    }

    /// An agent that listens to several engines.
    pub(crate) fn of_engines(kernel: Kernel, which: Which, setup: Setup) -> Self {
        let Setup { options, pace, interval, .. } = setup;
        Self::with(kernel, options, interval, |options, inbox| {
            Engines::new(which, None, options, inbox).with_pace(pace).run()
        })
    }

    fn with<T: Future<Output = ()> + Send + 'static>(
        kernel: Kernel,
        options: Options,
        interval: Duration,
        listen: impl FnOnce(Options, Arc<Inbox>) -> T,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inbox = Arc::new(Inbox::default());
        let sampler = Sampler::new(Ok(kernel), options.clone(), Arc::clone(&inbox));
        let (thread, samples) = SamplerThread::start(sampler, interval).unwrap();
        runtime.spawn(listen(options, inbox));
        Self { samples, scrapes: false, _thread: thread, runtime: Some(runtime) }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// A snapshot as a scrape gets it.
    pub(crate) fn fresh(&self) -> Arc<Snapshot> {
        self.runtime().block_on(self.samples.fresh())
    }

    /// A snapshot made after this call.
    pub(crate) fn newer(&self) -> Arc<Snapshot> {
        let before = self.samples.latest().sequence;
        // One pass may be under way already.
        wait_until(SOON, "two passes", || self.samples.latest().sequence > before + 1);
        self.samples.latest()
    }

    pub(crate) fn engine(&self) -> Engine {
        let snapshot = self.samples.latest();
        snapshot.agent.engines.first().expect("the watcher has told of its engine").clone()
    }

    /// Waits until the engine's side has told everything, and every container was looked for.
    pub(crate) fn wait_ready(&self) {
        wait_until(SOON, "a first look", || self.samples.is_ready());
        self.newer();
    }

    pub(crate) fn row(&self, name: &str) -> Option<ContainerRow> {
        let snapshot = if self.scrapes { self.fresh() } else { self.samples.latest() };
        snapshot.containers.iter().find(|row| row.container.name == name).cloned()
    }

    pub(crate) fn get(&self, name: &str, slot: Slot) -> Option<u64> {
        self.row(name)?.values.get(slot)
    }

    /// Waits until a container's row is as wanted.
    #[track_caller]
    pub(crate) fn wait_row(&self, name: &str, what: &str, mut wanted: impl FnMut(&ContainerRow) -> bool) {
        let start = std::time::Instant::now();
        while !self.row(name).is_some_and(|row| wanted(&row)) {
            assert!(start.elapsed() < SOON, "{name}: waited in vain: {what}\n{:?}", self.row(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a slot has this value.
    #[track_caller]
    pub(crate) fn wait_slot(&self, name: &str, slot: Slot, value: Option<u64>) {
        self.wait_row(name, &format!("{slot:?} = {value:?}"), |row| row.values.get(slot) == value);
    }

    #[track_caller]
    pub(crate) fn wait_gone(&self, name: &str) {
        wait_until(SOON, &format!("{name} to go"), || self.row(name).is_none());
    }

    #[track_caller]
    pub(crate) fn wait_up(&self, up: bool) {
        wait_until(SOON, &format!("engine up: {up}"), || {
            self.samples.latest().agent.engines.first().is_some_and(|engine| engine.is_up() == up)
        });
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
