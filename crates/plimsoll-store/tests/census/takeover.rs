//! Databases of Container Census are taken over in place, and it goes on with them.

use std::path::PathBuf;

use plimsoll_store::census::{CensusError, CensusStore, Ingested, Table};
use plimsoll_testkit::databases::Postgres;

use crate::common::{DAY, images, report, rows};

const OLDER: [&str; 3] = ["database-2025-10-10.sql", "database-2025-10-16.sql", "database-2025-10-23.sql"];

/// 21 November 2026, 03:00: an hour after the rows of the fixtures.
const LATER: i64 = 1_795_230_000_000;

/// What the first version does with a report: section 5 of its description.
const V1_FIND: &str = "SELECT id,timestamp FROM telemetry_reports WHERE installation_id='v1' AND timestamp >= NOW()-INTERVAL \
                       '7 days' ORDER BY timestamp DESC LIMIT 1";
const V1_INSERT: &str = "INSERT INTO telemetry_reports (installation_id, version, timestamp, host_count, agent_count, \
     total_containers, scan_interval, image_stats, agent_versions, containers_running, containers_stopped, \
     containers_paused, containers_other, avg_cpu_percent, avg_memory_bytes, total_memory_limit, avg_restarts, \
     high_restart_containers, total_image_size, unique_images, timezone, compose_project_count, containers_in_compose, \
     network_count, custom_network_count, shared_volume_count, containers_with_deps, total_dependencies, \
     avg_connections_per_container) VALUES ('v1', '1.6.0', NOW(), 1, 0, 7, 300, '[{\"image\":\"nginx\",\"count\":7}]', \
     '{}', 7, 0, 0, 0, 1.5, 1, 1, 0, 0, 1, 1, 'UTC', 0, 0, 0, 0, 0, 0, 0, 0)";
const V1_UPDATE: &str =
    "UPDATE telemetry_reports SET total_containers=8, timestamp=NOW() WHERE installation_id='v1'";
const V1_DELETE: &str =
    "DELETE FROM image_stats WHERE installation_id='v1' AND timestamp >= NOW()-INTERVAL '1 hour'";
const V1_IMAGE: &str = "INSERT INTO image_stats (installation_id, timestamp, image, count, size_bytes) \
                        VALUES ('v1', NOW(), 'nginx', 7, 0)";
const V1_EVENT: &str = "INSERT INTO submission_events (installation_id, event_type, timestamp, containers, hosts) \
                        VALUES ('v1', 'new', NOW(), 7, 1)";

pub(crate) fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/census-v1");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Rows of tables as they are, to be compared.
fn everything(postgres: &Postgres, url: &str, columns: &[(&str, String)]) -> Vec<String> {
    let select = |(table, columns): &(&str, String)| {
        postgres.run(url, &format!("SELECT {columns} FROM {table} ORDER BY id"))
    };
    columns.iter().map(select).collect()
}

fn columns(postgres: &Postgres, url: &str) -> Vec<(&'static str, String)> {
    let list = |table: &'static str| {
        let sql = format!(
            "SELECT string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) FROM \
             information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        );
        Some((table, postgres.run(url, &sql))).filter(|(_, columns)| !columns.is_empty())
    };
    Table::ALL.into_iter().filter_map(|table| list(table.name())).collect()
}

#[tokio::test]
async fn older_databases_keep_every_row_and_the_old_program_goes_on() {
    let postgres = Postgres::start();
    let rows_of_newest = fixture(OLDER[2]);
    let newest: String =
        rows_of_newest.lines().filter(|line| line.starts_with("INSERT")).collect::<Vec<_>>().join("\n");
    let dumps = OLDER.map(fixture).into_iter().chain([format!("{}\n{newest}", fixture("schema.sql"))]);
    for dump in dumps.chain([String::new()]) {
        let url = postgres.create_database();
        // The newest schema has its rows with their ids, and its sequences are behind them.
        let sequences = "SELECT setval(oid::regclass, 100) FROM pg_class WHERE relkind = 'S'";
        postgres.run(&url, &dump);
        if !dump.is_empty() {
            postgres.run(&url, &format!("SET search_path = public; {sequences}"));
        }
        let had = columns(&postgres, &url);
        let before = everything(&postgres, &url, &had);
        let store = CensusStore::open_postgres(&url).unwrap();
        store.ready().await.unwrap();
        assert_eq!(everything(&postgres, &url, &had), before);
        let known = if dump.is_empty() { 0 } else { 3 };
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.installations, counts.reports, counts.history), (known, known, known));
        store.refresh_days(LATER).await.unwrap();
        let facts = store.facts(LATER, 30).await.unwrap();
        assert_eq!(facts.installations.len() as u64, known);
        assert_eq!(facts.growth.iter().map(|day| day.installations).sum::<u64>(), known);
        if known > 0 {
            let mut containers: Vec<_> = facts.installations.iter().map(|row| row.containers).collect();
            containers.sort_unstable();
            assert_eq!(containers, [10, 11, 12]);
            let first = facts.first_seen.iter().map(|(image, _)| facts.trends.get(*image));
            assert_eq!(first.collect::<std::collections::BTreeSet<_>>(), ["nginx", "redis"].into());
            // Its rows are updated as if it had gone on.
            let one = report("00000000-0000-4000-8000-000000000000", &[("caddy", 1)]);
            assert_eq!(store.ingest(&[one], LATER).await.unwrap(), [Ingested::Update]);
            store.follow_images(10).await.unwrap();
            assert_eq!(images(&store).await.len(), 5);
        }
        // The old program inserts, finds, updates and deletes beside us.
        let reports = store.counts().await.unwrap().reports;
        assert_eq!(postgres.run(&url, V1_FIND), "");
        for statement in [V1_INSERT, V1_IMAGE, V1_EVENT, V1_UPDATE, V1_DELETE, V1_IMAGE] {
            postgres.run(&url, statement);
        }
        assert_ne!(postgres.run(&url, V1_FIND), "");
        let now: i64 =
            postgres.run(&url, "SELECT (extract(epoch FROM now()) * 1000)::bigint").parse().unwrap();
        store.refresh_days(now).await.unwrap();
        let facts = store.facts(now, 1).await.unwrap();
        assert!(facts.installations.iter().any(|row| row.containers == 8));
        assert!(facts.growth.iter().any(|day| i64::from(day.day) == now / DAY && day.installations >= 1));
        assert_eq!(store.ingest(&[report("v1", &[("nginx", 9)])], now).await.unwrap(), [Ingested::Update]);
        assert_eq!(store.counts().await.unwrap().reports, reports + 1);
        assert_ne!(postgres.run(&url, V1_FIND), "");
        // A second program finds everything done.
        let second = CensusStore::open_postgres(&url).unwrap();
        second.ready().await.unwrap();
        assert_eq!(rows(&second, Table::Reports).await, rows(&store, Table::Reports).await);
    }
}

#[tokio::test]
async fn a_row_of_the_old_program_in_the_future_is_not_recent_for_ever() {
    let postgres = Postgres::start();
    let url = postgres.create_database();
    postgres.run(&url, &fixture(OLDER[2]));
    let far = "INSERT INTO telemetry_reports(id, installation_id, timestamp, total_containers) VALUES \
               (50, 'future', '3000-01-01', 5), (51, 'past', '0001-01-01', 5), (52, 'never', 'infinity', 5)";
    postgres.run(&url, far);
    let store = CensusStore::open_postgres(&url).unwrap();
    store.refresh_days(LATER).await.unwrap();
    assert_eq!(store.facts(LATER, 30).await.unwrap().installations.len(), 3);
    for (id, expected) in [("future", Ingested::Update), ("past", Ingested::New), ("never", Ingested::Update)]
    {
        assert_eq!(store.ingest(&[report(id, &[])], LATER).await.unwrap(), [expected], "{id}");
    }
    assert_eq!(store.facts(LATER, 30).await.unwrap().installations.len(), 6);
}

#[tokio::test]
async fn a_schema_that_is_not_known_is_left_untouched() {
    let postgres = Postgres::start();
    let good = fixture(OLDER[2]);
    for (change, why) in [
        ("ALTER TABLE telemetry_reports DROP COLUMN image_stats", "no column image_stats"),
        ("ALTER TABLE telemetry_reports ALTER COLUMN timestamp TYPE text", "timestamp has the type text"),
        (
            "ALTER TABLE telemetry_reports ALTER COLUMN avg_restarts TYPE text",
            "avg_restarts has the type text",
        ),
        (
            "ALTER TABLE image_stats RENAME TO x; CREATE VIEW image_stats AS SELECT * FROM x",
            "no ordinary table",
        ),
        ("CREATE TABLE census_days(x int)", "census_days was made by another program"),
        (
            "CREATE TABLE census_meta(key text, value text); INSERT INTO census_meta VALUES ('version', '99')",
            "99",
        ),
    ] {
        let url = postgres.create_database();
        postgres.run(&url, &format!("{good}; SET search_path = public; {change}"));
        let catalog =
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
        let before = (postgres.run(&url, catalog), columns(&postgres, &url));
        let store = CensusStore::open_postgres(&url).unwrap();
        let error = store.ready().await.unwrap_err();
        assert!(
            matches!(error, CensusError::UnknownSchema { .. } | CensusError::NewerVersion { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{error}");
        assert!(store.ingest(&[report("a", &[])], LATER).await.is_err());
        assert_eq!((postgres.run(&url, catalog), columns(&postgres, &url)), before, "{change}");
    }
}
