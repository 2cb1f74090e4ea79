//! What the census server takes, and how fast it answers.
//!
//! `cargo bench -p plimsoll-hub --bench ingest -- [postgres|sqlite] [INSTALLATIONS]`
//!
//! 32 clients on open connections send reports of 50 images, each of another installation, for some seconds: reports a second,
//! and the time from the first byte sent to the answer. Then the database is filled up to so many installations (100,000),
//! and each question is asked at its defaults.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints figures"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use plimsoll_hub::{Config, serve};
use plimsoll_model::census::{ImageUse, Report};
use plimsoll_store::census::CensusStore;
use plimsoll_testkit::client::Client;
use plimsoll_testkit::databases::Postgres;
use plimsoll_wire::census::encode;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const CLIENTS: usize = 32;
const TIME: Duration = Duration::from_secs(10);
const IMAGES: usize = 50;
const KEY: &str = "key";

/// A report by rule: a few images are nearly everywhere, most are rare, one is its own.
fn report(number: usize) -> Report {
    let mut rng = Rng::with_seed(number as u64);
    let mut images: Vec<ImageUse> = (1..IMAGES)
        .map(|_| {
            // The smaller of three: low numbers come often.
            let image = (0..3).map(|_| rng.usize(..20_000)).min().unwrap();
            let registry = ["", "", "ghcr.io/", "quay.io/", "lscr.io/"][image % 5];
            let image = format!("{registry}team{}/application-{image}:1.{}", image % 97, image % 7);
            ImageUse { image, containers: rng.u64(1..4), size_bytes: rng.u64(1_000_000..900_000_000) }
        })
        .collect();
    let image = format!("registry.corp-{number}.example/own/service:{number}");
    images.push(ImageUse { image, containers: 1, size_bytes: 0 });
    images.sort();
    images.dedup_by(|one, other| one.image == other.image);
    let total_containers = images.iter().map(|image| image.containers).sum();
    let zones = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"];
    Report {
        installation_id: format!("{number:08x}-0000-4000-8000-000000000000"),
        version: format!("1.{}.0", rng.u32(..12)),
        host_count: rng.u64(1..5),
        total_containers,
        containers_running: total_containers,
        scan_interval_seconds: 300,
        timezone: zones[rng.usize(..4)].to_owned(),
        images,
        ..Report::default()
    }
}

fn request(number: usize) -> Vec<u8> {
    let mut body = String::new();
    encode(&report(number), &mut body);
    let head = "POST /api/ingest HTTP/1.1\r\nHost: census\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Sends a request on an open connection and waits for its answer, whose body is one object.
fn send(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).unwrap();
    let (mut answer, mut filled) = ([0; 4096], 0);
    while filled == 0 || answer[filled - 1] != b'}' {
        let read = stream.read(&mut answer[filled..]).unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer[..filled]));
}

/// How many reports were sent.
fn load(address: SocketAddr) -> usize {
    // Bodies are made before the clock starts, and used again with other ids after.
    let requests: Vec<Vec<u8>> = (0..2_000).map(request).collect();
    let id = b"installation_id\":\"";
    let at = |request: &[u8]| request.windows(id.len()).position(|part| part == id).unwrap() + id.len();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let client = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut times = Vec::new();
        while start.elapsed() < TIME {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let mut request = requests[number % requests.len()].clone();
            let at = at(&request);
            request[at..at + 8].copy_from_slice(format!("{number:08x}").as_bytes());
            let begin = Instant::now();
            send(&mut stream, &request);
            times.push(begin.elapsed());
        }
        times
    };
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let part = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "ingest: {rate:.0} reports/s, p50 {:.1?}, p99 {:.1?}, worst {:.1?}",
        part(50),
        part(99),
        part(100)
    );
    times.len()
}

fn fill(runtime: &Runtime, store: &CensusStore, from: usize, to: usize) {
    let start = Instant::now();
    for begin in (from..to).step_by(1000) {
        let reports: Vec<Report> = (begin..(begin + 1000).min(to)).map(report).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        runtime.block_on(store.ingest(&reports, now)).unwrap();
    }
    println!("filled up from {from} to {to} installations in {:.1?}", start.elapsed());
}

fn questions(client: Client, installations: usize) {
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let start = Instant::now();
        let answer = client.request("GET", path, headers, b"").unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        (start.elapsed(), answer)
    };
    let key = [("x-api-key", KEY)];
    let wanted = format!("\"total_installations\":{installations},");
    while !ask("/api/stats/installations", &key).1.text().contains(&wanted) {
        std::thread::sleep(Duration::from_millis(100));
    }
    for path in [
        "top-images",
        "image-details",
        "growth",
        "installations",
        "summary",
        "registries",
        "versions",
        "activity-heatmap",
        "scan-intervals",
        "geography",
        "connection-metrics",
        "hottest",
        "movers",
        "new-entries",
        "recent-events",
        "database-view",
    ] {
        let path = format!("/api/stats/{path}");
        let first = ask(&path, &key).0;
        let again = ask(&path, &key).0;
        let is_public = !path.ends_with("recent-events") && !path.ends_with("database-view");
        let public = if is_public { format!("{:.1?}", ask(&path, &[]).0) } else { "-".to_owned() };
        println!("{path}: first {first:.1?}, then {again:.1?}, without key {public}");
    }
    for line in ask("/metrics", &[]).1.text().lines().filter(|line| line.contains("facts_load_seconds ")) {
        println!("{line}");
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_sqlite = words.iter().any(|word| word == "sqlite");
    let installations = words.iter().find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let postgres = (!is_sqlite).then(Postgres::start);
    let store = match &postgres {
        Some(postgres) => CensusStore::open_postgres(&postgres.create_database()).unwrap(),
        None => runtime.block_on(CensusStore::open_sqlite(&folder.path().join("census.db"))).unwrap(),
    };
    println!("{} beside {CLIENTS} clients", if is_sqlite { "SQLite" } else { "PostgreSQL" });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config { api_key: Some(KEY.to_owned()), rate: None, ..Config::default() };
    runtime.spawn(serve(listener, store.clone(), config, std::future::pending()));
    let sent = load(address);
    fill(&runtime, &store, sent, installations.max(sent));
    questions(Client::new(address), installations.max(sent));
    runtime.shutdown_timeout(Duration::from_secs(1));
}
