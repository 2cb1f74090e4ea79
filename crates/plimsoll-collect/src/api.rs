//! Numbers from an engine's API, for containers whose kernel is not ours.
//!
//! Docker is asked for one stream a container, Podman for one stream of all. Each stream has its own task:
//! one that hangs, breaks or talks nonsense is opened anew after a while, and concerns no other. The tasks end
//! with whoever started them, and when the decision is for the kernel after all.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Client, Error, Flavour, SampleStream};
use plimsoll_kernel::monotonic;
use plimsoll_model::Slot;
use plimsoll_model::rate::Rate;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

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
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The containers whose numbers are wanted, and what is needed to understand them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) flavour: Flavour,
    /// The memory of the engine's host, in bytes.
    pub(crate) host_memory: Option<u64>,
    pub(crate) containers: BTreeSet<String>,
}

/// The ids of those containers whose numbers are worth a request.
pub type Chosen = watch::Receiver<BTreeSet<String>>;

/// Asks one engine's API for numbers, while it is decided that they come from there.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) measured: watch::Receiver<Measured>,
    /// Of those containers, the ones to ask for; all of them where nobody chooses.
    pub(crate) chosen: Option<Chosen>,
    /// How many streams there may be: [`MAX_STREAMS`].
    pub(crate) most: usize,
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
        let mut streams: HashMap<String, AbortHandle> = HashMap::new();
        let mut was_full = false;
        loop {
            let is_full = self.open_and_close(&mut tasks, &mut streams);
            if is_full && !was_full {
                tracing::warn!(
                    "{} runs more than {} containers; the API is asked for the numbers of so many, the others have none",
                    self.client.endpoint(),
                    self.most
                );
            }
            was_full = is_full;
            // Tasks that were aborted.
            while tasks.try_join_next().is_some() {}
            let chosen = async {
                match &mut self.chosen {
                    Some(chosen) => chosen.changed().await,
                    None => std::future::pending().await,
                }
            };
            let changed = tokio::select! {
                changed = self.measured.changed() => changed,
                changed = chosen => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Closes streams of which nobody wants to know any more, and opens those that are missing, as far as there
    /// is room: who has a stream keeps it. Returns whether there was not room for all.
    fn open_and_close(
        &mut self,
        tasks: &mut JoinSet<()>,
        streams: &mut HashMap<String, AbortHandle>,
    ) -> bool {
        let measured = self.measured.clone();
        let wanted = self.measured.borrow_and_update();
        let for_all = BTreeSet::from([String::new()]);
        let of_these = self.chosen.as_mut().map(|chosen| &wanted.containers & &chosen.borrow_and_update());
        let containers = of_these.as_ref().unwrap_or(&wanted.containers);
        let names = match wanted.flavour {
            Flavour::Podman if !containers.is_empty() => &for_all,
            _ => containers,
        };
        streams.retain(|name, task| {
            let stays = names.contains(name);
            if !stays {
                task.abort();
            }
            stays
        });
        for name in names {
            if streams.len() >= self.most {
                break;
            }
            if !streams.contains_key(name) {
                let stream = Stream {
                    client: self.client.clone(),
                    inbox: Arc::clone(&self.inbox),
                    origin: Arc::clone(&self.origin),
                    measured: measured.clone(),
                    id: name.clone(),
                };
                streams.insert(name.clone(), tasks.spawn(stream.run()));
            }
        }
        names.len() > streams.len()
    }
}

/// One stream of samples.
struct Stream {
    client: Client,
    inbox: Arc<Inbox>,
    origin: Arc<Origin>,
    /// For what is known of the host by then: an engine that comes back may be on a larger one.
    measured: watch::Receiver<Measured>,
    /// The container; empty for all of a Podman.
    id: String,
}

impl Stream {
    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            self.origin.asked();
            let began = Instant::now();
            let outcome = if self.id.is_empty() { self.podman().await } else { self.docker().await };
            if let Err(error) = outcome {
                self.origin.failed(error.is_timeout());
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
        let stream = self.client.stats(&self.id).await?;
        self.follow(stream, |stats| {
            if stats.is_running() {
                self.put(&self.id, Numbers::from_docker(&stats, self.host_memory(), monotonic()));
            }
        })
        .await
    }

    async fn podman(&self) -> Result<(), Error> {
        let mut rates: HashMap<String, Rate> = HashMap::new();
        let stream = self.client.libpod_stats(1).await?;
        self.follow(stream, |sample| {
            self.origin.not_understood(sample.dropped as u64);
            if sample.failed {
                self.origin.failed(false);
            }
            rates.retain(|id, _| sample.containers.iter().any(|stats| stats.id == *id));
            for stats in &sample.containers {
                let mut numbers = Numbers::from_podman(stats, self.host_memory(), monotonic());
                if let (Some(at), Some(cpu)) = (stats.read, stats.cpu) {
                    let rate = rates.entry(stats.id.clone()).or_default();
                    let percent = rate.update(at, cpu).and_then(|cores| cores.checked_mul(100));
                    numbers.values.set_option(Slot::CpuPercent, percent);
                }
                self.put(&stats.id, numbers);
            }
        })
        .await
    }

    /// Hands on what a stream says, until it ends or falls silent. Lines that are no samples are silence.
    async fn follow<T>(&self, mut stream: SampleStream<T>, mut take: impl FnMut(T)) -> Result<(), Error> {
        let mut skipped = 0;
        loop {
            let next = timeout(SILENCE, stream.next()).await;
            self.origin.not_understood(stream.skipped() - skipped);
            skipped = stream.skipped();
            match next {
                Ok(Ok(Some(sample))) => take(sample),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    self.origin.failed(true);
                    tracing::debug!("no numbers of {:?} for {SILENCE:?}; they are asked for anew", self.id);
                    return Ok(());
                }
            }
        }
    }

    fn host_memory(&self) -> Option<u64> {
        self.measured.borrow().host_memory
    }

    /// Numbers for which there is no room are as good as late: the next ones come in a second.
    fn put(&self, id: &str, numbers: Numbers) {
        drop(self.inbox.put(Change::Numbers { id: id.to_owned(), numbers: Box::new(numbers) }));
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_engine::Endpoint;
    use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine, SOON};
    use plimsoll_testkit::wait_until_async;

    use super::*;
    use crate::SourceChoice;

    struct Setup {
        engine: FakeEngine,
        inbox: Arc<Inbox>,
        origin: Arc<Origin>,
        measured: watch::Sender<Measured>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Setup {
        fn start(most: usize) -> Self {
            Self::choosing(None, most)
        }

        fn choosing(chosen: Option<Chosen>, most: usize) -> Self {
            let engine = FakeEngine::start();
            let client = Client::new(Endpoint::Unix(engine.socket().to_owned()));
            let (inbox, origin) = (Arc::default(), Arc::new(Origin::new(SourceChoice::Api)));
            let measured = watch::Sender::default();
            let asker = Asker {
                client,
                inbox: Arc::clone(&inbox),
                origin: Arc::clone(&origin),
                measured: measured.subscribe(),
                chosen,
                most,
            };
            let task = tokio::spawn(asker.run());
            Self { engine, inbox, origin, measured, task }
        }

        fn put(&self, name: &str) -> String {
            let id = self.engine.put(FakeContainer::new(name));
            self.measured.send_if_modified(|measured| measured.containers.insert(id.clone()));
            id
        }

        fn remove(&self, id: &str) {
            self.measured.send_if_modified(|measured| measured.containers.remove(id));
        }

        /// Waits until these and no others have streams, beside the asker itself.
        async fn wait_streams(&self, expected: &[&String]) {
            let expected: BTreeSet<_> = expected.iter().copied().cloned().collect();
            wait_until_async(SOON, "the streams", async || {
                let streams = Arc::strong_count(&self.inbox) - 2;
                self.inbox.take(Vec::new());
                tokio::time::sleep(Duration::from_millis(200)).await;
                let told: BTreeSet<_> = self
                    .inbox
                    .take(Vec::new())
                    .into_iter()
                    .filter_map(|change| match change {
                        Change::Numbers { id, .. } => Some(id),
                        _ => None,
                    })
                    .collect();
                streams == expected.len() && told == expected
            })
            .await;
        }
    }

    #[tokio::test]
    async fn who_has_a_stream_keeps_it_and_who_waits_gets_the_next() {
        let setup = Setup::start(2);
        let (a, b) = (setup.put("a"), setup.put("b"));
        setup.wait_streams(&[&a, &b]).await;
        let more: Vec<_> = ["c", "d", "e"].iter().map(|name| setup.put(name)).collect();
        setup.wait_streams(&[&a, &b]).await;
        more.iter().for_each(|id| setup.remove(id));
        let late = setup.put("late");
        setup.remove(&a);
        setup.wait_streams(&[&b, &late]).await;
        assert_eq!(setup.origin.counts().requests, 3);
    }

    #[tokio::test]
    async fn only_those_that_were_chosen_are_asked_for() {
        let chosen = watch::Sender::default();
        let setup = Setup::choosing(Some(chosen.subscribe()), MAX_STREAMS);
        let (a, b) = (setup.put("a"), setup.put("b"));
        chosen.send_replace(BTreeSet::from([b.clone(), "no container".to_owned()]));
        setup.wait_streams(&[&b]).await;
        chosen.send_replace(BTreeSet::from([a.clone()]));
        setup.wait_streams(&[&a]).await;
        chosen.send_replace(BTreeSet::new());
        setup.wait_streams(&[]).await;
    }

    #[tokio::test]
    async fn streams_end_with_the_decision_and_with_the_asker() {
        let setup = Setup::start(MAX_STREAMS);
        let a = setup.put("a");
        setup.wait_streams(&[&a]).await;
        setup.origin.set_for_test(false);
        setup.wait_streams(&[]).await;
        setup.origin.set_for_test(true);
        setup.wait_streams(&[&a]).await;
        setup.task.abort();
        wait_until_async(SOON, "the end", async || Arc::strong_count(&setup.inbox) == 1).await;
    }
}
