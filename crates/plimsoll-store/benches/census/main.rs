//! What a census costs on both databases: reports a second, a load of months, and what facts take.
//!
//! `cargo bench -p plimsoll-store --features census --bench census [-- INSTALLATIONS DAYS]`
//!
//! The figures to compare with others are those of 100,000 installations and 90 days.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod fleet;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use plimsoll_model::census::Report;
use plimsoll_store::census::{CensusStore, DatabaseView, Facts, Table};
use plimsoll_testkit::databases::Postgres;

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_763_553_600_000;

/// As many reports as the server gathers into one transaction.
const SLICE: usize = 64;

/// Reports in the first part, of 50 images each.
const REPORTS: u64 = 6400;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let installations = numbers.next().unwrap_or(2000);
    let days = numbers.next().unwrap_or(30);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    println!("{installations} installations, {days} days");
    runtime.block_on(async {
        let path = folder.path().join("census.db");
        let store = CensusStore::open_sqlite(&path).await.unwrap();
        ingest("SQLite", &store).await;
        let store = CensusStore::open_sqlite(&folder.path().join("months.db")).await.unwrap();
        let began = Instant::now();
        latest(&store, installations).await;
        let file = rusqlite::Connection::open(folder.path().join("months.db")).unwrap();
        for day in 0..days {
            file.execute_batch("BEGIN").unwrap();
            let mut insert =
                file.prepare_cached("INSERT OR IGNORE INTO census_history VALUES (?, ?, ?, 1, 1)").unwrap();
            for (day, id, containers) in history(installations, day) {
                insert.execute((day, id, containers)).unwrap();
            }
            file.execute_batch("COMMIT").unwrap();
        }
        months("SQLite", &store, began).await;

        let store = CensusStore::open_postgres(&postgres.create_database()).unwrap();
        ingest("PostgreSQL", &store).await;
        let url = postgres.create_database();
        let store = CensusStore::open_postgres(&url).unwrap();
        let began = Instant::now();
        latest(&store, installations).await;
        for day in 0..days {
            let mut copy = String::from(
                "CREATE TEMP TABLE h AS SELECT * FROM census_history LIMIT 0;\nCOPY h FROM stdin;\n",
            );
            for (day, id, containers) in history(installations, day) {
                writeln!(copy, "{}\t{id}\t{containers}\t1\t1", date(day)).unwrap();
            }
            copy.push_str("\\.\nINSERT INTO census_history SELECT * FROM h ON CONFLICT DO NOTHING;\n");
            postgres.run(&url, &copy);
        }
        postgres.run(&url, "VACUUM ANALYZE");
        months("PostgreSQL", &store, began).await;
    });
}

fn date(day: i64) -> String {
    jiff::Timestamp::from_second(day * 86_400).unwrap().strftime("%Y-%m-%d").to_string()
}

/// Who reported on a day, counted back from the last: day, installation, containers.
fn history(installations: u64, back: u64) -> impl Iterator<Item = (i64, String, i64)> {
    let day = NOW / DAY - back as i64;
    (0..installations)
        .filter(move |one| fleet::is_daily(*one) || one % 7 == back % 7)
        .map(move |one| (day, fleet::id(one), 5 + (one % 56) as i64))
}

async fn ingest(name: &str, store: &CensusStore) {
    let reports: Vec<Report> = (0..REPORTS).map(|one| fleet::report(one, Some(50))).collect();
    store.ingest(&reports[..1], NOW - 30 * DAY).await.unwrap();
    for (what, now) in [("new", NOW), ("update", NOW + DAY), ("update", NOW + 2 * DAY)] {
        let began = Instant::now();
        let mut times = Vec::new();
        for slice in reports.chunks(SLICE) {
            let began = Instant::now();
            store.ingest(slice, now).await.unwrap();
            times.push(began.elapsed());
        }
        let all = began.elapsed();
        times.sort_unstable();
        println!(
            "{name:<10}  ingest, {what:<6}  {:>7.0} reports/s, slices of {SLICE}: median {:.1} ms, p99 {:.1} ms",
            REPORTS as f64 / all.as_secs_f64(),
            milliseconds(times[times.len() / 2]),
            milliseconds(times[times.len() * 99 / 100]),
        );
    }
    let began = Instant::now();
    while store.follow_images(SLICE).await.unwrap() == SLICE {}
    println!("{name:<10}  images follow   {:>7.0} reports/s", REPORTS as f64 / began.elapsed().as_secs_f64());
}

/// The last report of each installation.
async fn latest(store: &CensusStore, installations: u64) {
    let all: Vec<u64> = (0..installations).collect();
    for slice in all.chunks(1000) {
        let at = |one: u64| if fleet::is_daily(one) { NOW } else { NOW - (one % 7) as i64 * DAY };
        // Each day's reports come in at their time.
        for back in 0..7 {
            let now = NOW - back * DAY;
            let reports: Vec<Report> =
                slice.iter().filter(|one| at(**one) == now).map(|one| fleet::report(*one, None)).collect();
            store.ingest(&reports, now).await.unwrap();
        }
    }
}

async fn months(name: &str, store: &CensusStore, began: Instant) {
    println!("{name:<10}  loaded in       {:>7.1} s", began.elapsed().as_secs_f64());
    for what in ["the first time", "again"] {
        let began = Instant::now();
        store.refresh_days(NOW).await.unwrap();
        println!("{name:<10}  days and weeks  {:>7.2} s {what}", began.elapsed().as_secs_f64());
    }
    for _ in 0..2 {
        let before = resident();
        let began = Instant::now();
        let facts: Facts = store.facts(NOW, 30).await.unwrap();
        println!(
            "{name:<10}  facts           {:>7.2} s, {} installations, {} uses, {} images: {} MiB, process +{} MiB",
            began.elapsed().as_secs_f64(),
            facts.installations.len(),
            facts.uses.len(),
            facts.images.len(),
            facts.bytes() >> 20,
            resident().saturating_sub(before) >> 20,
        );
    }
    for table in Table::ALL {
        let began = Instant::now();
        let page = store.database_view(&DatabaseView::of(table)).await.unwrap();
        println!(
            "{name:<10}  {:<18} {:>5.1} ms, {} rows",
            table.name(),
            milliseconds(began.elapsed()),
            page.total
        );
    }
    let began = Instant::now();
    store.recent_events(50, 0).await.unwrap();
    println!("{name:<10}  recent events      {:>5.1} ms", milliseconds(began.elapsed()));
    let counts = store.counts().await.unwrap();
    println!("{name:<10}  {counts:?}");
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
