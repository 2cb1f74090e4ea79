//! What is done beside requests: loading facts, bringing derived tables up to date, removing what is old.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plimsoll_store::census::CensusError;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answers::{DEFAULT_DAYS, MOST_DAYS};
use crate::census::Census;
use crate::failure::chain;
use crate::hub::Hub;
use crate::writer::now_ms;

/// The shortest time from one load to the next.
const SHORTEST: Duration = Duration::from_secs(1);

/// A load, and what is made of it, takes at most this part of the time.
const SHARE: u32 = 20;

/// The longest time from one load to the next: the window moves, and another program may write to the database.
const LONGEST: Duration = Duration::from_secs(60);

/// The longest time between two tries while the database does not answer.
const BACK_OFF: Duration = Duration::from_secs(8);

/// Installations whose images are followed up at a time.
const FOLLOWED: usize = 64;

/// How long to wait for the next ones while there is none to follow, or much else to do.
const FOLLOW_PAUSE: Duration = Duration::from_secs(2);

/// More reports in that time are much else to do.
const BUSY: u64 = 100;

/// While there is, a few are followed so seldom all the same.
const BUSY_PAUSES: u32 = 5;

/// From one removal of what is old to the next.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Starts everything. It ends when the set is dropped.
pub(crate) fn start(hub: &Arc<Hub>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    // Weak ones: the writers end when no request can send them a report any more.
    tasks.spawn(load(Arc::downgrade(hub)));
    tasks.spawn(follow(Arc::downgrade(hub)));
    if let Some(days) = hub.config.keep_days {
        tasks.spawn(retain(Arc::downgrade(hub), days));
    }
    tasks
}

/// Loads facts whenever something changed, as often as the load allows.
async fn load(hub: Weak<Hub>) {
    let mut back_off = SHORTEST;
    while let Some(hub) = hub.upgrade() {
        let since = Instant::now();
        match load_once(&hub).await {
            Ok(()) => {
                back_off = SHORTEST;
                let took = since.elapsed();
                sleep((took * SHARE).max(SHORTEST)).await;
                let _ = timeout(LONGEST, hub.changed.notified()).await;
            }
            Err(error) => {
                hub.store_is(Err(&error));
                sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF);
            }
        }
    }
}

async fn load_once(hub: &Hub) -> Result<(), CensusError> {
    let since = Instant::now();
    let now = now_ms();
    hub.store.refresh_days(now).await?;
    let facts = hub.store.facts(now, MOST_DAYS).await?;
    hub.store_is(Ok(()));
    let k = hub.config.min_installations;
    // Everything is looked through.
    let is_whole_shown = hub.config.api_key.is_some() || hub.config.basic.is_some();
    let compute = move || {
        let census = Census::new(facts, k);
        if is_whole_shown {
            census.prepare(&DEFAULT_DAYS);
        }
        census
    };
    let Ok(census) = tokio::task::spawn_blocking(compute).await else {
        tracing::error!("what was loaded from the census database cannot be added up");
        return Ok(());
    };
    hub.own.loaded(now, census.installations(), since.elapsed());
    hub.publish(census);
    Ok(())
}

/// Brings v1's table of images up to the reports, when there is little else to do.
async fn follow(hub: Weak<Hub>) {
    let (mut seen, mut pauses) = (0, 0);
    while let Some(hub) = hub.upgrade() {
        let kept = hub.own.reports();
        let is_busy = kept - seen > BUSY && pauses < BUSY_PAUSES;
        pauses = if is_busy { pauses + 1 } else { 0 };
        seen = kept;
        let followed = if is_busy { Ok(0) } else { hub.store.follow_images(FOLLOWED).await };
        let is_done = match followed {
            Ok(followed) => followed < FOLLOWED,
            Err(error) => {
                tracing::debug!("images are not followed up: {}", chain(&error));
                true
            }
        };
        drop(hub);
        if is_done {
            sleep(FOLLOW_PAUSE).await;
        }
    }
}

/// Removes what is old, now and every day.
async fn retain(hub: Weak<Hub>, days: u32) {
    let mut back_off = SHORTEST;
    while let Some(hub) = hub.upgrade() {
        let pause = match hub.store.retain(now_ms(), days).await {
            Ok(0) => DAY,
            Ok(rows) => {
                tracing::info!("removed {rows} rows that were older than {days} days");
                hub.changed.notify_one();
                DAY
            }
            Err(error) => {
                tracing::debug!("old reports are not removed: {}", chain(&error));
                back_off = (back_off * 2).min(LONGEST);
                back_off
            }
        };
        drop(hub);
        sleep(pause).await;
    }
}
