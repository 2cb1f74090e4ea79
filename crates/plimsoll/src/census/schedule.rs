//! Reports of a running agent: the first some minutes after its start, then at the interval.
//!
//! Numbers come from the agent's own snapshot, so a scan costs each engine two requests. All of it runs on the async side,
//! where nothing can delay a tick. An endpoint that fails is left alone for five minutes, and longer each time.

use std::time::Duration;

use plimsoll_collect::Samples;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{report, send, snapshot};
use crate::failure::{self, Failure};
use crate::settings::Settings;
use crate::settings::census::Endpoint;

/// How long after its start an agent reports for the first time, as v1 has it.
const FIRST: Duration = Duration::from_secs(300);

/// Agents that start together, as after a power cut, report within this time of each other.
const SPREAD: Duration = Duration::from_secs(120);

/// How long an endpoint that failed is left alone; doubled each time.
const BREAK: Duration = Duration::from_secs(300);

/// How long a scan may take.
const WITHIN: Duration = Duration::from_secs(30);

/// An endpoint, and when it is reported to next.
struct Due<'a> {
    endpoint: &'a Endpoint,
    at: Instant,
    failures: u32,
}

impl Due<'_> {
    /// What follows on an attempt.
    fn next(&mut self, is_sent: bool, now: Instant, interval: Duration) {
        if is_sent {
            self.failures = 0;
            self.at = now + interval;
        } else {
            self.at = now + BREAK.saturating_mul(1 << self.failures.min(16)).min(interval);
            self.failures += 1;
        }
    }
}

/// Reports for as long as it is let, if the settings want that.
pub(crate) async fn run(settings: &Settings, samples: Samples) {
    if !settings.census.on {
        return std::future::pending().await;
    }
    match report::may_send(settings) {
        Ok(()) => info!(
            "reports to a census every {:?}, to {} endpoints; `plimsoll census report` shows what that is",
            settings.census.interval,
            settings.census.endpoints.len()
        ),
        Err(why) => {
            warn!("census is on, but {}", failure::in_one_line(&why.into()));
            return std::future::pending().await;
        }
    }
    let first = Instant::now() + FIRST + super::part(SPREAD);
    let endpoints = settings.census.endpoints.iter();
    let mut due: Vec<Due<'_>> = endpoints.map(|endpoint| Due { endpoint, at: first, failures: 0 }).collect();
    while let Some(at) = due.iter().map(|due| due.at).min() {
        tokio::time::sleep_until(at).await;
        let now = Instant::now();
        let (these, endpoints): (Vec<usize>, Vec<Endpoint>) = due
            .iter()
            .enumerate()
            .filter(|(_, due)| due.at <= now)
            .map(|(index, due)| (index, due.endpoint.clone()))
            .unzip();
        let sent = match body(settings, &samples).await {
            Ok(body) => send::send(&endpoints, &body).await,
            Err(why) => {
                warn!("no report to a census was made: {}", failure::in_one_line(&why.into()));
                Vec::new()
            }
        };
        for sent in &sent {
            if sent.outcome.is_ok() { info!("{}", sent.told()) } else { warn!("{}", sent.told()) }
        }
        for (position, index) in these.into_iter().enumerate() {
            let is_sent = sent.get(position).is_some_and(|sent| sent.outcome.is_ok());
            due[index].next(is_sent, Instant::now(), settings.census.interval);
        }
    }
}

async fn body(settings: &Settings, samples: &Samples) -> Result<String, Failure> {
    let snapshot = samples.fresh().await;
    let scanning = snapshot::inventory(settings, &snapshot);
    let inventory = tokio::time::timeout(WITHIN, scanning)
        .await
        .map_err(|_| Failure::world(format!("no engine answered within {WITHIN:?}")))??;
    Ok(report::body(&report::make(settings, &inventory)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_is_left_alone_for_longer_each_time() {
        let endpoint = Endpoint { url: "http://c".to_owned(), key: None, ca: None };
        let now = Instant::now();
        let mut due = Due { endpoint: &endpoint, at: now, failures: 0 };
        let interval = Duration::from_secs(3600);
        let mut waits = Vec::new();
        for is_sent in [false, false, false, false, false, true, false] {
            due.next(is_sent, now, interval);
            waits.push((due.at - now).as_secs() / 60);
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 5]);
    }
}
