//! What an answer from the history costs over a connection that is open: one series of 500 points, and those of 50 containers.
//!
//! `cargo bench -p plimsoll-web --bench api`

#[path = "../../plimsoll-store/tests/common/fleet.rs"]
mod fleet;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use criterion::{Criterion, Throughput};
use plimsoll_model::{Selection, Snapshot};
use plimsoll_store::{History, Options, Store};
use plimsoll_web::{App, Backend, Limits, NoHistory, Place, Status, serve};

use crate::fleet::Fleet;

const CONTAINERS: usize = 50;
const SECONDS: i64 = 600;

struct Fixed(History);

impl Backend for Fixed {
    async fn snapshot(&self) -> Arc<Snapshot> {
        Arc::default()
    }

    fn status(&self) -> Status {
        Status::default()
    }

    fn history(&self) -> Result<History, NoHistory> {
        Ok(self.0.clone())
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(Options::new(folder.path().join("history.db"))).expect("a store");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().cast_signed();
    let mut fleet = Fleet::new(CONTAINERS, 1);
    for second in now - SECONDS..now {
        store.append(fleet.at(second * 1000));
    }
    store.seal();
    store.flush();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = App {
        backend: Arc::new(Fixed(store.history())),
        selection: Selection::default(),
        openmetrics_created: false,
        limits: Limits::default(),
        place: Place::default(),
    };
    runtime.spawn(serve(listener, app, std::future::pending()));

    let mut client = TcpStream::connect(address).expect("a connection");
    client.set_nodelay(true).expect("a socket");
    let mut group = criterion.benchmark_group("answers");
    group.sample_size(20);
    let range = format!("from={}&until={}&step=1s", now - 500, now);
    for (name, target, headers) in [
        ("500 points", format!("series?container=web-0&metric=container_memory_usage_bytes&{range}"), ""),
        (
            "500 points, gzip",
            format!("series?container=web-0&metric=container_memory_usage_bytes&{range}"),
            "Accept-Encoding: gzip\r\n",
        ),
        ("50 x 500 points", format!("series?metric=container_cpu_usage_seconds_total&{range}"), ""),
        ("top 10", format!("top?metric=container_memory_usage_bytes&{range}").replace("&step=1s", ""), ""),
        ("status", "status".to_owned(), ""),
    ] {
        let request = format!("GET /api/v1/{target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let bytes = ask(&mut client, &request);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{name}, {bytes} bytes"), |bencher| {
            bencher.iter(|| ask(&mut client, &request));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Sends a request and reads its answer to the end; returns how many bytes came.
fn ask(client: &mut TcpStream, request: &str) -> usize {
    client.write_all(request.as_bytes()).expect("the server listens");
    let mut read = Vec::new();
    let mut piece = [0; 65_536];
    loop {
        let count = client.read(&mut piece).expect("an answer");
        assert!(count > 0, "the answer breaks off");
        read.extend_from_slice(&piece[..count]);
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let is_whole = match length {
            Some(length) => read.len() >= end + 4 + length.parse::<usize>().expect("a number"),
            None => read.ends_with(b"\r\n0\r\n\r\n"),
        };
        if is_whole {
            return read.len();
        }
    }
}
