//! What another census has is imported, from its database or from a dump in either form.

use std::process::Command;

use plimsoll_store::census::{CensusStore, Facts, Imported, Table};
use plimsoll_testkit::databases::Postgres;

use crate::common::{content, images, rows};
use crate::takeover::fixture;

const LATER: i64 = 1_795_230_000_000;

/// What an import left behind, without numbers that a database gave.
async fn found(store: &CensusStore) -> (Vec<String>, Vec<(String, String, i64)>, usize) {
    store.refresh_days(LATER).await.unwrap();
    let facts: Facts = store.facts(LATER, 30).await.unwrap();
    (content(&facts), images(store).await, rows(store, Table::Events).await.len())
}

#[tokio::test]
async fn every_way_in_leaves_the_same_and_a_second_time_changes_nothing() {
    let (source, target) = (Postgres::start(), Postgres::start());
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in ["database-2025-10-10.sql", "database-2025-10-16.sql", "database-2025-10-23.sql"]
        .into_iter()
        .enumerate()
    {
        let dump = fixture(name);
        let url = source.create_database();
        source.run(&url, &dump);
        // pg_dump's default form.
        let copied = Command::new("pg_dump").arg("--no-owner").arg(&url).output().unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let copied = String::from_utf8(copied.stdout).unwrap();
        assert!(copied.contains("\nCOPY public.telemetry_reports"));

        let mut all = Vec::new();
        for place in 0..2 {
            for way in 0..3 {
                let store = if place == 0 {
                    let path = folder.path().join(format!("{number}-{way}.db"));
                    CensusStore::open_sqlite(&path).await.unwrap()
                } else {
                    CensusStore::open_postgres(&target.create_database()).unwrap()
                };
                let mut told = Imported::default();
                let mut import = async || match way {
                    0 => store.import_dump(dump.as_bytes(), |done| told = *done).await.unwrap(),
                    1 => store.import_dump(copied.as_bytes(), |done| told = *done).await.unwrap(),
                    _ => store.import_postgres(&url, |done| told = *done).await.unwrap(),
                };
                let first = import().await;
                let again = import().await;
                let events = if number == 2 { 3 } else { 0 };
                assert_eq!((first.reports, first.events, first.skipped), (3, events, 0), "{name} {way}");
                assert_eq!((again.reports, again.events, again.read), (0, 0, first.read), "{name} {way}");
                assert!(first.bytes > 0 && told == again);
                all.push(found(&store).await);
            }
        }
        assert_eq!(all[0].1.len(), 6);
        for other in &all {
            assert_eq!(*other, all[0], "{name}");
        }
    }
}
