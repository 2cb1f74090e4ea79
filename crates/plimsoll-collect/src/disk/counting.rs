//! Has an engine count what is not seen from here, and tell what it keeps: one question at a time, with long pauses, on a
//! connection with more patience than the watcher's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_engine::{Client, Error, Timeouts};
use plimsoll_model::agent::EngineKept;
use tokio::sync::mpsc;
use tokio::time::{Instant as Moment, sleep, sleep_until};

use super::table::Disk;
use crate::lost::chain;
use crate::source::Origin;

/// How long the engine may count. Afterwards it goes on, for nobody.
const PATIENCE: Duration = Duration::from_secs(120);

/// After a question in vain, what an engine keeps is asked for again after this time, doubled at each failure.
const AGAIN: Duration = Duration::from_secs(5);

/// An engine is left in peace for so many times as long as its answer took.
const REST: u32 = 10;

/// Asks one engine.
#[derive(Debug)]
pub(crate) struct Counting {
    client: Client,
    disk: Disk,
    origin: Arc<Origin>,
    questions: mpsc::Receiver<String>,
}

impl Counting {
    pub(crate) fn new(
        client: &Client,
        disk: Disk,
        origin: Arc<Origin>,
        questions: mpsc::Receiver<String>,
    ) -> Self {
        let timeouts = Timeouts { request: PATIENCE, ..Timeouts::default() };
        Self { client: Client::with_timeouts(client.endpoint().clone(), timeouts), disk, origin, questions }
    }

    /// Asks for as long as it is let.
    pub(crate) async fn run(mut self) {
        let pace = self.disk.shared.pace;
        let wants_kept = self.disk.shared.wanted.images;
        let (mut next, mut wait) = (Moment::now(), AGAIN);
        loop {
            tokio::select! {
                question = self.questions.recv() => {
                    let Some(id) = question else { return };
                    self.count(&id).await;
                }
                () = sleep_until(next), if wants_kept => {
                    if self.ask_for_kept().await {
                        (next, wait) = (Moment::now() + pace.engine, AGAIN);
                    } else {
                        next = Moment::now() + wait;
                        wait = (wait * 2).min(pace.engine);
                    }
                }
            }
        }
    }

    async fn count(&self, id: &str) {
        self.origin.asked();
        let began = Instant::now();
        let sizes = match self.client.sizes(id).await {
            Ok(sizes) => Some(sizes),
            Err(error) => {
                self.failed(&error);
                None
            }
        };
        self.disk.counted(id, sizes);
        sleep(began.elapsed() * REST).await;
    }

    async fn ask_for_kept(&self) -> bool {
        // The connection may be to another engine than the last time.
        let asked = async {
            self.client.version().await?;
            let kept = self.client.kept().await?;
            Ok::<_, Error>((kept, self.client.volumes().await?))
        };
        self.origin.asked();
        let began = Instant::now();
        let outcome = asked.await;
        let is_told = outcome.is_ok();
        match outcome {
            Ok((kept, volumes)) => self.origin.set_kept(EngineKept {
                images: kept.images,
                images_bytes: kept.images_bytes,
                build_cache_bytes: kept.build_cache_bytes,
                volumes,
            }),
            Err(error) => self.failed(&error),
        }
        sleep(began.elapsed() * REST).await;
        is_told
    }

    fn failed(&self, error: &Error) {
        tracing::debug!("{}", chain(error));
        if !error.is_not_found() && !error.is_refusal() {
            self.origin.failed(error.is_timeout());
        }
    }
}
