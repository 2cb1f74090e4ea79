//! The census on both databases: the same behaviours, takeover of older schemas, imports, and a database that is killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is the purpose of a test")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod behaviours;
mod common;
mod crash;
mod import;
mod takeover;

use plimsoll_store::census::{CensusError, CensusStore};
use plimsoll_testkit::databases::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_behaves() {
    for (name, behaviour) in behaviours::ALL {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        behaviour(CensusStore::open_sqlite(&folder.path().join("census.db")).await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_behaves() {
    let postgres = Postgres::start();
    for (name, behaviour) in behaviours::ALL {
        println!("{name}");
        behaviour(CensusStore::open_postgres(&postgres.create_database()).unwrap()).await;
    }
}

#[tokio::test]
async fn a_file_of_another_program_or_a_newer_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = CensusStore::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, CensusError::UnknownSchema { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("census.db");
    drop(CensusStore::open_sqlite(&path).await.unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = CensusStore::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, CensusError::NewerVersion { version: 99, known: 1, .. }), "{error}");
}
