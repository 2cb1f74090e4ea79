//! A database that is killed, or not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plimsoll_store::census::{CensusError, CensusStore};
use plimsoll_testkit::databases::Postgres;
use plimsoll_testkit::wait_until_async;

use crate::common::{NOW, report};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_there_after_the_database_was_killed() {
    let mut postgres = Postgres::start();
    let url = postgres.create_database();
    let store = CensusStore::open_postgres(&url).unwrap();
    let (stop, kept, refused) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            let (kept, refused) = (Arc::clone(&kept), Arc::clone(&refused));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let slice: Vec<_> = (0..4)
                        .map(|part| report(&format!("{writer}-{number}-{part}"), &[("nginx", 1)]))
                        .collect();
                    match store.ingest(&slice, NOW).await {
                        Ok(_) => {
                            acknowledged.extend(slice.into_iter().map(|report| report.installation_id));
                            kept.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(CensusError::Unavailable { .. }) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    for _ in 0..3 {
        let before = kept.load(Ordering::Relaxed);
        wait_until_async(PATIENCE, "reports are kept", async || kept.load(Ordering::Relaxed) > before + 20)
            .await;
        let failed = refused.load(Ordering::Relaxed);
        tokio::task::block_in_place(|| postgres.kill());
        wait_until_async(PATIENCE, "reports are refused", async || refused.load(Ordering::Relaxed) > failed)
            .await;
        tokio::task::block_in_place(|| postgres.restart());
    }
    let before = kept.load(Ordering::Relaxed);
    wait_until_async(PATIENCE, "reports are kept again", async || kept.load(Ordering::Relaxed) > before)
        .await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(!acknowledged.is_empty());
    let there = postgres.run(&url, "SELECT installation_id FROM telemetry_reports");
    let there: std::collections::HashSet<_> = there.lines().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_late_is_found() {
    let mut postgres = Postgres::start();
    let url = postgres.create_database();
    postgres.stop();
    let store = CensusStore::open_postgres(&url.replace("postgres@", "postgres:s3cret@")).unwrap();
    let error = store.ingest(&[report("a", &[])], NOW).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(!format!("{error:?} {store:?}").contains("s3cret"));
    assert!(store.ready().await.unwrap_err().is_unavailable());
    tokio::task::block_in_place(|| postgres.restart());
    let one = [report("a", &[])];
    wait_until_async(PATIENCE, "the database is found", async || store.ingest(&one, NOW).await.is_ok()).await;
    assert_eq!(store.counts().await.unwrap().installations, 1);
}
