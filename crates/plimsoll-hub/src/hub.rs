//! What requests and the background share.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use plimsoll_store::census::{CensusError, CensusStore};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};

use crate::Config;
use crate::census::Census;
use crate::failure::chain;
use crate::own::Own;
use crate::rate::Limiter;
use crate::writer::Job;

/// How long to wait for the first numbers.
pub(crate) const LOADING: Duration = Duration::from_secs(1);

/// For how long an answer of the database about itself holds.
const HEALTH: Duration = Duration::from_secs(1);

/// How long the database may take for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Questions that are computed at a time.
const TURNS: usize = 2;

/// The server, as each request sees it.
pub(crate) struct Hub {
    pub(crate) store: CensusStore,
    pub(crate) config: Config,
    pub(crate) own: Own,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// A report was kept.
    pub(crate) changed: Notify,
    pub(crate) turns: Semaphore,
    census: RwLock<Option<Arc<Census>>>,
    health: Mutex<Option<(Instant, bool)>>,
}

impl Hub {
    /// One that has no numbers yet.
    pub(crate) fn new(store: CensusStore, config: Config, jobs: mpsc::Sender<Job>) -> Self {
        Self {
            limiter: config.rate.map(Limiter::new),
            own: Own::default(),
            jobs,
            changed: Notify::new(),
            turns: Semaphore::new(TURNS),
            census: RwLock::new(None),
            health: Mutex::new(None),
            store,
            config,
        }
    }

    /// What questions are answered from, once there is something.
    pub(crate) fn census(&self) -> Option<Arc<Census>> {
        self.census.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn publish(&self, census: Census) {
        let census = Some(Arc::new(census));
        let before =
            std::mem::replace(&mut *self.census.write().unwrap_or_else(PoisonError::into_inner), census);
        // Outside the lock: it may be large.
        drop(before);
    }

    /// Remembers whether the database answered, and says so when that changes.
    pub(crate) fn store_is(&self, answer: Result<(), &CensusError>) {
        let is_news = self.own.store_up(answer.is_ok());
        match answer {
            Ok(()) if is_news => tracing::info!("the census database answers"),
            Err(error) if is_news => tracing::warn!("{}", chain(error)),
            _ => {}
        }
    }

    /// Whether the database answers now. Questions at the same time share one.
    pub(crate) async fn is_store_up(&self) -> bool {
        let mut health = self.health.lock().await;
        if let Some((at, is_up)) = *health
            && at.elapsed() < HEALTH
        {
            return is_up;
        }
        let is_up = match tokio::time::timeout(PATIENCE, self.store.ready()).await {
            Ok(answer) => {
                self.store_is(answer.as_ref().copied());
                answer.is_ok()
            }
            Err(_) => false,
        };
        *health = Some((Instant::now(), is_up));
        is_up
    }
}
