//! Numbers from an engine's API, for containers whose kernel is not ours.
//!
//! Docker is asked for one stream a container, Podman for one stream of all. Each stream has its own task:
//! one that hangs, breaks or talks nonsense is opened anew after a while, and concerns no other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Client, Error, Flavour};
use plimsoll_kernel::monotonic;
use plimsoll_model::Slot;
use plimsoll_model::rate::Rate;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::inbox::{Change, Inbox};
use crate::lost::chain;
use crate::numbers::Numbers;
use crate::source::Origin;

/// The most containers of one engine whose numbers are asked for: each takes a connection.
pub(crate) const MAX_STREAMS: usize = 512;

/// How long a stream may be silent before it is opened anew. Engines send a sample a second; Docker goes on
/// sending, without numbers, for a container that has stopped.
const SILENCE: Duration = Duration::from_secs(10);

/// The waits before a stream is opened anew.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// The containers whose numbers are wanted, and what is needed to understand them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) flavour: Flavour,
    /// The memory of the engine's host, in bytes.
    pub(crate) host_memory: Option<u64>,
    pub(crate) containers: BTreeSet<String>,
}

/// Asks one engine's API for numbers, while it is decided that they come from there.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) measured: watch::Receiver<Measured>,
}

impl Asker {
    /// Asks for as long as it is let.
    pub(crate) async fn run(mut self) {
        let origin = Arc::clone(&self.origin);
        loop {
            origin.until(true).await;
            tokio::select! {
                () = origin.until(false) => {}
                () = self.ask() => return,
            }
        }
    }

    /// Keeps the streams that are wanted open. Ends when nobody can want one any more.
    async fn ask(&mut self) {
        let mut tasks = JoinSet::new();
        let mut streams = HashMap::new();
        let mut was_full = false;
        loop {
            let wanted = self.measured.borrow_and_update().clone();
            let names = match wanted.flavour {
                Flavour::Podman => BTreeSet::from([String::new()]),
                Flavour::Docker => wanted.containers.iter().take(MAX_STREAMS).cloned().collect(),
            };
            let is_full = wanted.containers.len() > names.len() && wanted.flavour == Flavour::Docker;
            if is_full && !was_full {
                tracing::warn!(
                    "{} runs {} containers; the API is asked for the numbers of {MAX_STREAMS} of them, the others have none",
                    self.client.endpoint(),
                    wanted.containers.len()
                );
            }
            was_full = is_full;
            streams.retain(|name, task: &mut tokio::task::AbortHandle| {
                let stays = names.contains(name);
                if !stays {
                    task.abort();
                }
                stays
            });
            for name in names {
                streams.entry(name).or_insert_with_key(|name| {
                    let stream = Stream {
                        client: self.client.clone(),
                        inbox: Arc::clone(&self.inbox),
                        origin: Arc::clone(&self.origin),
                        host_memory: wanted.host_memory,
                        id: name.clone(),
                    };
                    tasks.spawn(stream.run())
                });
            }
            // Tasks that were aborted.
            while tasks.try_join_next().is_some() {}
            if self.measured.changed().await.is_err() {
                return;
            }
        }
    }
}

/// One stream of samples.
struct Stream {
    client: Client,
    inbox: Arc<Inbox>,
    origin: Arc<Origin>,
    host_memory: Option<u64>,
    /// The container; empty for all of a Podman.
    id: String,
}

impl Stream {
    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            self.origin.asked();
            let began = tokio::time::Instant::now();
            let outcome = if self.id.is_empty() { self.podman().await } else { self.docker().await };
            if let Err(error) = outcome {
                self.origin.failed();
                tracing::debug!("{}", chain(&error));
            }
            if began.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn docker(&self) -> Result<(), Error> {
        let mut stream = self.client.stats(&self.id).await?;
        while let Ok(sample) = timeout(SILENCE, stream.next()).await {
            let Some(stats) = sample? else { break };
            if stats.is_running() {
                self.put(&self.id, Numbers::from_docker(&stats, self.host_memory, monotonic()));
            }
        }
        Ok(())
    }

    async fn podman(&self) -> Result<(), Error> {
        let mut rates: HashMap<String, Rate> = HashMap::new();
        let mut stream = self.client.libpod_stats(1).await?;
        while let Ok(sample) = timeout(SILENCE, stream.next()).await {
            let Some(sample) = sample? else { break };
            rates.retain(|id, _| sample.containers.iter().any(|stats| stats.id == *id));
            for stats in &sample.containers {
                let mut numbers = Numbers::from_podman(stats, self.host_memory, monotonic());
                if let (Some(at), Some(cpu)) = (stats.read, stats.cpu) {
                    let rate = rates.entry(stats.id.clone()).or_default();
                    let percent = rate.update(at, cpu).and_then(|cores| cores.checked_mul(100));
                    numbers.values.set_option(Slot::CpuPercent, percent);
                }
                self.put(&stats.id, numbers);
            }
        }
        Ok(())
    }

    /// Numbers for which there is no room are as good as late: the next ones come in a second.
    fn put(&self, id: &str, numbers: Numbers) {
        drop(self.inbox.put(Change::Numbers { id: id.to_owned(), numbers: Box::new(numbers) }));
    }
}
