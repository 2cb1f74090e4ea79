//! A target whose feeder can wait: nothing is dropped because points come faster than they are taken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use plimsoll_deliver::config::{Durability, TargetConfig, TargetKind};
use plimsoll_deliver::verdict::{Answer, Fault};
use plimsoll_deliver::{Common, Figures, Intake, Target, Transport};
use plimsoll_wire::point::{Point, Value};
use tokio::sync::mpsc;

const POINTS: u64 = 20_000;

fn points() -> Vec<Intake> {
    let mut chunks = Vec::new();
    for chunk in 0..POINTS / 500 {
        let point = |index: u64| {
            let mut point = Point::default();
            point.begin("m", i64::try_from(chunk * 500 + index + 1).unwrap() * 1_000_000);
            point.field("value", Value::Unsigned(index));
            point
        };
        chunks.push(Intake::Points((0..500).map(point).collect()));
    }
    chunks
}

/// Feeds a target whose queue is far smaller than what comes, and whose requests take this long.
async fn feed(is_patient: bool, each: Duration, drain: Duration) -> (Figures, u64) {
    let mut config = TargetConfig::new("slow", TargetKind::InfluxV2);
    config.durability = Durability::None;
    config.max_points = 100;
    config.queue_points = 1500;
    config.max_in_flight = 1;
    let largest = Arc::new(AtomicU64::new(0));
    let transport = Transport::Custom(Box::new(move |_| {
        async move {
            tokio::time::sleep(each).await;
            Ok::<_, Fault>(Answer { status: 204, ..Answer::default() })
        }
        .boxed()
    }));
    let target = Target::new(config, &Common::default(), None, Duration::from_secs(1), transport).unwrap();
    let target = if is_patient { target.patiently() } else { target };
    let figures = target.figures();
    let seen = Arc::clone(&largest);
    let intake = stream::iter(points()).inspect(move |_| {
        seen.fetch_max(figures.lock().unwrap().account.queued(), Ordering::Relaxed);
    });
    let (_commands, obeyed) = mpsc::channel(1);
    drop(_commands);
    let figures = target.run(Box::pin(intake), obeyed, drain).await;
    (figures, largest.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn who_can_wait_loses_nothing() {
    let (figures, largest) = feed(true, Duration::from_millis(50), Duration::from_secs(1)).await;
    let account = &figures.account;
    assert_eq!((account.collected(), account.delivered(), account.dropped()), (POINTS, POINTS, 0));
    assert!(largest <= 1500 + 100, "{largest} waited");
    // A target that everybody else feeds never makes anybody wait.
    let (figures, _) = feed(false, Duration::from_millis(50), Duration::from_secs(1)).await;
    let account = &figures.account;
    assert_eq!(account.collected(), POINTS);
    assert!(account.dropped() > 0 && account.delivered() < POINTS, "{account:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_to_drain_bounds_a_standstill() {
    // Each request takes longer than half of it, and all of them many times as long.
    let (figures, _) = feed(true, Duration::from_millis(600), Duration::from_secs(1)).await;
    assert_eq!(figures.account.delivered(), POINTS);
    let (figures, _) = feed(true, Duration::from_secs(9), Duration::from_secs(1)).await;
    let account = &figures.account;
    assert!(account.queued() > 0, "{account:?}");
    assert_eq!(account.collected(), account.delivered() + account.queued());
}

/// What comes together is written together, also where all of it has to be on the disk before it is sent.
#[tokio::test(start_paused = true)]
async fn who_wants_everything_on_disk_does_not_get_a_batch_for_each_point() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = TargetConfig::new("careful", TargetKind::InfluxV2);
    config.durability = Durability::Always;
    config.max_points = 100;
    let requests = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&requests);
    let transport = Transport::Custom(Box::new(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, Fault>(Answer { status: 204, ..Answer::default() })).boxed()
    }));
    let interval = Duration::from_secs(1);
    let target = Target::new(config, &Common::default(), Some(folder.path()), interval, transport)
        .unwrap()
        .patiently();
    let chunks = points().into_iter().take(3);
    let (_, obeyed) = mpsc::channel(1);
    let figures = target.run(stream::iter(chunks), obeyed, Duration::from_secs(1)).await;
    assert_eq!((figures.account.delivered(), figures.account.queued()), (1500, 0));
    assert_eq!(requests.load(Ordering::Relaxed), 15);
}
