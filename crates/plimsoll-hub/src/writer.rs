//! Reports that come at the same time go into the database together: one commit for all of them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_model::census::Report;
use plimsoll_store::census::{CensusError, CensusStore, Ingested};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::failure::chain;

/// The most reports of one transaction.
const MOST: usize = 64;

/// The most reports that wait for one.
pub(crate) const WAITING: usize = 512;

/// What became of a report. Those of one transaction share its error.
pub(crate) type Outcome = Result<Ingested, Arc<CensusError>>;

/// A report that wants to be kept, and who waits for it.
pub(crate) struct Job {
    pub(crate) report: Report,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// Writes what comes, until the channel is closed and empty. Others may take from it, too: each what waits at its turn.
pub(crate) async fn write(store: CensusStore, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut waiting = Vec::with_capacity(MOST);
    loop {
        // The lock is not held while they are written.
        let taken = jobs.lock().await.recv_many(&mut waiting, MOST).await;
        if taken == 0 {
            return;
        }
        let (reports, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|job| (job.report, job.reply)).unzip();
        let outcomes = match store.ingest(&reports, now_ms()).await {
            Ok(ingested) => ingested.into_iter().map(Ok).collect(),
            // One that cannot be kept must not cost the others.
            Err(error) if reports.len() > 1 && !error.is_unavailable() => {
                tracing::debug!("reports are tried one by one: {}", chain(&error));
                one_by_one(&store, &reports).await
            }
            Err(error) => vec![Err(Arc::new(error)); reports.len()],
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // Whoever sent it may have gone.
            let _ = reply.send(outcome);
        }
    }
}

async fn one_by_one(store: &CensusStore, reports: &[Report]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(reports.len());
    for report in reports {
        match store.ingest(std::slice::from_ref(report), now_ms()).await {
            Ok(ingested) => outcomes.extend(ingested.into_iter().map(Ok)),
            Err(error) => outcomes.push(Err(Arc::new(error))),
        }
    }
    outcomes
}

/// The time, in milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
