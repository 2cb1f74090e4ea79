//! Reports that are taken, and those that are not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_hub::{Config, Rate};
use plimsoll_model::census::{ImageUse, Report};
use plimsoll_store::census::CensusStore;
use plimsoll_testkit::client::Client;
use plimsoll_testkit::databases::Postgres;
use plimsoll_testkit::{port, wait_until};
use plimsoll_wire::census::{MAX_BODY, encode};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::common::{Server, header, with_key};

fn rows(server: &Server) -> u64 {
    server.runtime().block_on(server.store.counts()).unwrap().reports
}

#[test]
fn bodies_are_answered_as_v1_answers_them() {
    let server = Server::start(with_key());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/census-v1/ingest-answers.tsv");
    let table = std::fs::read_to_string(path).unwrap();
    let mut kept = 0;
    for line in table.lines() {
        let (body, theirs) = line.split_once('\t').unwrap();
        let (theirs, status) = theirs.rsplit_once(' ').unwrap();
        let ours = server.post(body.as_bytes());
        assert_eq!(ours.status.to_string(), status, "{body}");
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (ours, theirs) = (parse(&ours.text()), parse(theirs));
        if status == "201" {
            assert_eq!(ours, theirs);
            kept += 1;
        } else {
            assert!(ours["error"].is_string() && ours.as_object().unwrap().len() == 1, "{ours}");
        }
    }
    assert_eq!(rows(&server), kept);
}

#[test]
fn what_is_malformed_is_refused_and_nothing_of_it_is_kept() {
    let server = Server::start(with_key());
    let deep = format!(r#"{{"installation_id":"deep","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let large = format!(r#"{{"installation_id":"large","x":"{}"}}"#, "x".repeat(MAX_BODY));
    let many = (0..2001).map(|n| format!(r#"{{"image":"i{n}","count":1}}"#)).collect::<Vec<_>>().join(",");
    let many = format!(r#"{{"installation_id":"many","image_stats":[{many}]}}"#);
    let long = format!(
        r#"{{"installation_id":"long","image_stats":[{{"image":"{}","count":1}}]}}"#,
        "x".repeat(501)
    );
    let table: [(&str, &[u8], &[u16]); 11] = [
        ("nothing", b"", &[400]),
        ("no JSON", b"\xff\xfe", &[400]),
        ("cut off", br#"{"installation_id":"cut"#, &[400]),
        ("deep", deep.as_bytes(), &[400]),
        ("large", large.as_bytes(), &[413]),
        ("many images", many.as_bytes(), &[400, 413]),
        ("a long image", long.as_bytes(), &[400, 413]),
        ("NaN", br#"{"installation_id":"nan","avg_cpu_percent":NaN}"#, &[400]),
        ("beyond a double", br#"{"installation_id":"inf","avg_cpu_percent":1e999}"#, &[400]),
        ("a NUL", br#"{"installation_id":"a\u0000b"}"#, &[400]),
        ("no id", br#"{"installation_id":""}"#, &[400]),
    ];
    for (what, body, statuses) in table {
        let answer = server.post(body);
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(error["error"].is_string(), "{what}: {error}");
        assert_eq!(rows(&server), 0, "{what} was kept");
    }
    let text = server.get("/metrics").text();
    assert!(text.contains("plimsoll_census_refused_total{reason=\"too_large\"}"), "{text}");
    assert!(text.contains("plimsoll_census_reports_total{kind=\"new\"} 0\n"), "{text}");
    // What makes no sense but can be read is brought into its range.
    for (id, rest) in [
        ("negative", r#""total_containers":-5,"image_stats":[{"image":"a","count":-1}]"#),
        ("year-1", r#""timestamp":"0001-01-01T00:00:00Z""#),
        ("future", r#""timestamp":"2999-01-01T00:00:00Z""#),
    ] {
        let body = format!(r#"{{"installation_id":"{id}",{rest}}}"#);
        // Twice: v1 keeps a row for each of the year 1.
        for _ in 0..2 {
            assert_eq!(server.post(body.as_bytes()).status, 201, "{id}");
        }
    }
    assert_eq!(rows(&server), 3);
    server.wait_for(3);
    assert_eq!(server.whole("/api/stats/summary")["total_containers"], 0);
}

#[test]
fn hostile_names_are_text_and_nothing_else() {
    let server = Server::start(Config { min_installations: 1, ..with_key() });
    let names = [
        "<script>alert(1)</script>",
        "'; DROP TABLE telemetry_reports; --",
        "a\"b\\c",
        "{{7*7}}${x}%s%n",
        "../../etc/passwd",
        "\u{202e}gpj.exe",
        "ünï/cödé:🦀",
    ];
    let image = |name: &&str| ImageUse { image: (*name).to_owned(), containers: 1, size_bytes: 0 };
    let report = Report {
        installation_id: "x' OR '1'='1".to_owned(),
        version: names[0].to_owned(),
        timezone: names[1].to_owned(),
        images: names.iter().map(image).collect(),
        ..Report::default()
    };
    assert_eq!(server.report(&report).status, 201);
    server.wait_for(1);
    let answer = server.get("/api/stats/top-images");
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    for name in names {
        assert!(answer.as_array().unwrap().iter().any(|row| row["image"] == name), "{name} in {answer}");
        let search = plimsoll_testkit::client::percent(name);
        let found = server.whole(&format!("/api/stats/image-details?search={search}"));
        assert_eq!(found["pagination"]["total"], 1, "{name}");
    }
    assert_eq!(server.whole("/api/stats/versions")[0]["version"], names[0]);
    assert!(!server.get("/metrics").text().contains("script"));
    let wrong = server.get("/api/stats/%3Cscript%3E");
    assert_eq!((wrong.status, header(&wrong, "content-type")), (404, Some("application/json")));
    assert_eq!(rows(&server), 1);
}

/// Sends a body on a connection that stays open, and gives the status.
fn send(stream: &mut TcpStream, body: &str) -> u16 {
    write!(stream, "POST /api/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    let answer = String::from_utf8(answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_same_report_from_fifty_connections_is_one_row() {
    const CONNECTIONS: usize = 50;
    const ROUNDS: usize = 1000;
    let server = Server::start(with_key());
    let rounds = std::sync::atomic::AtomicUsize::new(0);
    let barrier = std::sync::Barrier::new(CONNECTIONS);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(server.address).unwrap();
                for round in 0..ROUNDS / CONNECTIONS {
                    // All of them at once, each round another installation.
                    barrier.wait();
                    rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let report = Report { installation_id: format!("one-{round}"), ..Report::default() };
                    let mut body = String::new();
                    encode(&report, &mut body);
                    assert_eq!(send(&mut stream, &body), 201);
                }
            });
        }
    });
    assert_eq!(rounds.into_inner(), ROUNDS);
    assert_eq!(rows(&server), (ROUNDS / CONNECTIONS) as u64);
    let text = server.get("/metrics").text();
    for line in [("new", ROUNDS / CONNECTIONS), ("update", ROUNDS - ROUNDS / CONNECTIONS)] {
        let line = format!("plimsoll_census_reports_total{{kind=\"{}\"}} {}\n", line.0, line.1);
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

#[test]
fn an_address_that_sends_too_much_has_to_wait() {
    let rate = Some(Rate { burst: 3, per_second: 0.01 });
    let server = Server::start(Config { rate, ..with_key() });
    let send = |id: usize, address: &str| {
        let body = format!(r#"{{"installation_id":"{id}"}}"#);
        server.client().post("/api/ingest", &[("x-forwarded-for", address)], body.as_bytes()).unwrap()
    };
    for id in 0..3 {
        assert_eq!(send(id, "198.51.100.7").status, 201);
    }
    let refused = send(3, "198.51.100.7");
    assert_eq!(refused.status, 429, "{}", refused.text());
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((90..=100).contains(&wait), "{wait}");
    assert_eq!(send(4, "198.51.100.8").status, 201);
    // This machine itself may send what it likes.
    assert!(
        (10..20).all(|id| server.post(format!(r#"{{"installation_id":"{id}"}}"#).as_bytes()).status == 201)
    );
    assert_eq!(rows(&server), 14);
}

#[test]
fn while_the_database_is_down_reports_are_refused_and_then_taken_again() {
    let mut postgres = Postgres::start();
    let url = postgres.create_database();
    postgres.kill();
    let runtime = Arc::new(Runtime::new().unwrap());
    let server = Server::on(runtime, CensusStore::open_postgres(&url).unwrap(), with_key());
    let report = |id: &str| server.report(&Report { installation_id: id.to_owned(), ..Report::default() });
    let refuses = || {
        let answer = report("lost");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(header(&answer, "retry-after").unwrap().parse::<u64>().unwrap() > 0);
        assert!(answer.text().contains("error"));
    };
    refuses();
    assert_eq!(server.get("/health").status, 503);
    assert_eq!(server.get("/api/stats/summary").status, 503);
    postgres.restart();
    let takes =
        |id: &str| wait_until(Duration::from_secs(60), "a report is taken", || report(id).status == 201);
    takes("first");
    server.wait_for(1);
    assert_eq!(server.get("/health").status, 200);
    postgres.kill();
    refuses();
    // What was loaded before is still there.
    assert_eq!(server.whole("/api/stats/installations")["total_installations"], 1);
    postgres.restart();
    takes("second");
    server.wait_for(2);
    assert!(server.get("/metrics").text().contains("plimsoll_census_store_up 1\n"));
}

#[test]
fn a_port_where_nobody_listens_is_as_a_database_that_is_down() {
    let port = port::Port::reserve();
    let url = format!("postgres://nobody@127.0.0.1:{}/none?sslmode=disable", port.number());
    let server =
        Server::on(Arc::new(Runtime::new().unwrap()), CensusStore::open_postgres(&url).unwrap(), with_key());
    assert_eq!(server.post(br#"{"installation_id":"a"}"#).status, 503);
    assert_eq!(Client::new(server.address).get("/").unwrap().status, 200);
}
