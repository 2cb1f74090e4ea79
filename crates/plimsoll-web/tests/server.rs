//! The server on a real socket: every route, and every client that misbehaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod harness;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_model::Snapshot;
use plimsoll_web::{Limits, Place, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Fake, SHORT, Server, container, fake, patient};

#[tokio::test(flavor = "multi_thread")]
async fn every_path_answers_with_its_type_and_the_headers_of_safety() {
    let server = Server::plain().await;
    for (path, code, content_type, part) in [
        ("/", 200, "text/html; charset=utf-8", "0.1.0-test"),
        (
            "/metrics",
            200,
            "text/plain; version=0.0.4; charset=utf-8",
            "container_memory_usage_bytes{name=\"web\"",
        ),
        ("/health", 200, "application/json", "{\"status\":\"healthy\",\"docker\":\"connected\"}"),
        ("/-/healthy", 200, "text/plain; charset=utf-8", "lives"),
        ("/-/ready", 200, "text/plain; charset=utf-8", "numbers"),
        ("/metrics/", 404, "text/plain; charset=utf-8", "/metrics "),
        ("/favicon.ico", 404, "text/plain; charset=utf-8", "/-/ready"),
    ] {
        let reply = server.get(path, "").await;
        assert_eq!(reply.code, code, "{path}");
        assert_eq!(reply.header("content-type"), content_type, "{path}");
        assert!(reply.text().contains(part), "{path}: {}", reply.text());
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    }
    assert_eq!(server.get("/health", "").await.text(), r#"{"status":"healthy","docker":"connected"}"#);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_may_be_elsewhere() {
    let place = Place::new("/monitoring", "/scrape").unwrap();
    let server = Server::start_at(fake(), Limits::default(), place).await;
    for (path, code, part) in [
        ("/monitoring", 200, "href=\"/monitoring/health\""),
        ("/monitoring/", 200, "metrics_path: /monitoring/metrics"),
        ("/monitoring/scrape", 200, "container_memory_usage_bytes{name=\"web\""),
        ("/monitoring/metrics?collect[]=memory", 200, "container_memory_usage_bytes{name=\"web\""),
        ("/monitoring/healthz", 200, "lives"),
        ("/monitoring/api/v1/openapi.json", 200, "openapi"),
        ("/monitoring/nothing", 404, "These paths exist"),
        ("/metrics", 404, "below /monitoring/"),
        ("/", 404, "below /monitoring/"),
    ] {
        let reply = server.get(path, "").await;
        assert_eq!(reply.code, code, "{path}");
        assert!(reply.text().contains(part), "{path}: {}", reply.text());
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    }
    server.stop().await;
    for (prefix, metrics) in [
        ("monitoring", ""),
        ("/a b", ""),
        ("/{x}", ""),
        ("//a", ""),
        ("", "/"),
        ("", "/health"),
        ("", "/api/v1/containers"),
        ("", "scrape"),
        ("", "/*"),
    ] {
        assert!(Place::new(prefix, metrics).is_err(), "{prefix} {metrics}");
    }
    assert_eq!(Place::new("/", "/metrics"), Ok(Place::default()), "cAdvisor's defaults are ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_follow_the_backend() {
    let server = Server::plain().await;
    *server.backend.status.lock().unwrap() = Status {
        waiting_for: Some("the engine's first listing\nis late".to_owned()),
        docker_connected: false,
        ..Status::default()
    };
    let reply = server.get("/health", "").await;
    assert_eq!(reply.code, 503);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.text(), r#"{"status":"unhealthy","docker":"disconnected"}"#);
    let reply = server.get("/-/ready", "").await;
    assert_eq!(reply.code, 503);
    assert_eq!(reply.text(), "Not yet: the engine's first listing is late\n");
    assert_eq!(server.get("/-/healthy", "").await.code, 200);
    server.backend.status.lock().unwrap().without_engine = true;
    let reply = server.get("/health", "").await;
    assert_eq!((reply.code, reply.text()), (200, r#"{"status":"healthy","docker":"disconnected"}"#));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_what_the_scraper_accepts() {
    let server = Server::plain().await;
    let text = server.get("/metrics", "Accept: */*\r\n").await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(text.header("vary"), "Accept, Accept-Encoding");
    assert!(text.text().starts_with("# HELP ") && text.text().ends_with('\n'));
    // As two header lines, which are one list.
    let accept = "Accept: text/plain;q=0.3\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.6\r\n";
    let open = server.get("/metrics", accept).await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(String::from_utf8_lossy(&open.body).contains("_created{"), "it was asked for in the settings");
    assert!(open.text().ends_with("\n# EOF\n"));
    let accept = "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";
    let protobuf = server.get("/metrics", accept).await;
    assert_eq!(
        protobuf.header("content-type"),
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    );
    assert!(protobuf.body.windows(14).any(|window| window == b"container_info"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_gives_the_same_bytes() {
    let server = Server::plain().await;
    let plain = server.get("/metrics", "Accept-Encoding: gzip;q=0\r\n").await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = server.get("/metrics", "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_narrows_what_it_gets() {
    let server = Server::plain().await;
    for (query, has_cpu, has_memory) in [
        ("?collect[]=cpu", true, false),
        ("?collect%5B%5D=cpu&collect%5B%5D=memory", true, true),
        ("?exclude[]=cpu", false, true),
        ("?collect[]=cpu&exclude[]=cpu", false, false),
        ("?unknown=parameter&collect", true, true),
        ("?%ff%00&=&&&", true, true),
    ] {
        let reply = server.get(&format!("/metrics{query}"), "").await;
        assert_eq!(reply.code, 200, "{query}");
        assert_eq!(reply.text().contains("container_cpu_usage_seconds_total{"), has_cpu, "{query}");
        assert_eq!(reply.text().contains("container_memory_usage_bytes{"), has_memory, "{query}");
    }
    let reply = server.get("/metrics?collect[]=cpu&exclude[]=cpus%0a%3cb%3e", "").await;
    assert_eq!(reply.code, 400);
    assert!(
        reply.text().contains(r#""cpus\n<b>""#) && reply.text().contains("cpu, pressure, memory"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.text().lines().count(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_gives_the_headers_of_get() {
    let server = Server::plain().await;
    for path in ["/", "/metrics", "/health", "/-/healthy", "/-/ready", "/nothing"] {
        let (get, head) = (server.get(path, "").await, server.ask("HEAD", path, "").await);
        assert_eq!(
            (get.code, get.body.len().to_string()),
            (head.code, head.header("content-length").to_owned()),
            "{path}"
        );
        assert_eq!(get.header("content-type"), head.header("content-type"));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_bodies_are_refused() {
    let server = Server::plain().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        for path in ["/", "/metrics", "/health", "/-/healthy", "/-/ready"] {
            let reply = server.ask(method, path, "Content-Length: 0\r\n").await;
            assert_eq!(reply.code, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), "GET,HEAD");
        }
    }
    for headers in ["Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        for (method, code) in [("GET", 413), ("POST", 405)] {
            let mut client = server.connect().await;
            client.send(&format!("{method} /metrics HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
            let reply = client.reply(false).await.unwrap();
            assert_eq!(reply.code, code, "{method}");
            assert_eq!(reply.header("connection"), "close");
            client.is_cut().await;
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_bounded() {
    let server = Server::plain().await;
    let fits = server.get("/-/healthy", &format!("X: {}\r\n", "x".repeat(15 * 1024))).await;
    assert_eq!(fits.code, 200);
    for header in [format!("X: {}\r\n", "x".repeat(17 * 1024)), "X: y\r\n".repeat(500)] {
        let mut client = server.connect().await;
        client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n")).await;
        // Closing with bytes unread may reset the connection before the answer is read.
        if let Some(reply) = client.reply(false).await {
            assert_eq!(reply.code, 431);
        }
        client.is_cut().await;
    }
    assert_eq!(server.get("/-/healthy", "").await.code, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_cut() {
    let server = Server::start(fake(), Limits { header_time: SHORT, ..patient() }).await;
    let mut silent = server.connect().await;
    silent.is_cut().await;
    let mut slow = server.connect().await;
    slow.send("GET /-/healthy HTTP/1.1\r\n").await;
    // A byte now and then buys no time.
    let mut tick = tokio::time::interval(SHORT / 10);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if slow.stream.write_all(b"x").await.is_err() {
                    break;
                }
            }
            open = async { let mut byte = [0]; slow.stream.read(&mut byte).await.is_ok_and(|count| count > 0) } => {
                assert!(!open, "nothing was asked for");
                break;
            }
        }
    }
    assert!(slow.read.is_empty());
    assert_eq!(server.get("/-/healthy", "").await.code, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_requests_the_longer_bound_holds_until_a_byte_comes() {
    let limits = Limits { header_time: SHORT * 6, ..patient() };
    let server = Server::start(fake(), limits).await;
    let mut client = server.connect().await;
    client.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply(false).await.unwrap().code, 200);
    // Longer than a header may take: the connection must outlive it.
    tokio::time::sleep(SHORT * 8).await;
    client.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.reply(false).await.unwrap().code, 200);
    client.send("GET /").await;
    client.is_cut().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_cut() {
    let server = Server::start(fake(), Limits { idle_time: SHORT, ..patient() }).await;
    for path in ["/-/healthy", "/metrics", "/"] {
        let mut client = server.connect().await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(client.reply(false).await.unwrap().code, 200);
        client.is_cut().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_and_gives_its_place_free() {
    // More than the sockets' buffers hold.
    let name = "n".repeat(1000);
    let containers = (0..20_000).map(|id| container(&name, id)).collect();
    let backend = Fake { snapshot: Arc::new(Snapshot { containers, ..Snapshot::default() }), ..fake() };
    let limits = Limits { response_time: Duration::from_secs(1), expositions: 1, ..patient() };
    let server = Server::start(backend, limits).await;
    let mut deaf = server.connect().await;
    deaf.send("GET /metrics?collect[]=cpu&collect[]=memory HTTP/1.1\r\nHost: a\r\n\r\n").await;
    deaf.stream.readable().await.unwrap();
    // A patient client's turn comes when the deaf one is cut. It may itself be cut while it waits.
    let reply = loop {
        let mut client = server.connect().await;
        client.send("GET /metrics?collect[]=machine HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if let Some(reply) = client.reply(false).await {
            break reply;
        }
    };
    assert_eq!(reply.code, 200);
    deaf.is_cut().await;
    assert!(deaf.read.len() < 20_000 * 2_000);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_is_a_503() {
    let backend = Fake { hangs: true, ..fake() };
    let server = Server::start(backend, Limits { wait_time: SHORT, ..patient() }).await;
    for path in ["/", "/metrics"] {
        let reply = server.get(path, "").await;
        assert_eq!((reply.code, reply.header("retry-after")), (503, "1"), "{path}");
    }
    assert_eq!(server.get("/health", "").await.code, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::plain().await;
    let mut client = server.connect().await;
    let paths = ["/-/healthy", "/nothing", "/metrics", "/health", "/"];
    client.send(&paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).concat()).await;
    for path in paths {
        let reply = client.reply(false).await.unwrap();
        assert_eq!(reply.code, if path == "/nothing" { 404 } else { 200 }, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_harms_nobody() {
    let server = Server::plain().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"\xff\xfe\xfd\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.stream.write_all(garbage).await.unwrap();
        client.stream.shutdown().await.unwrap();
        if let Some(reply) = client.reply(false).await {
            assert_eq!(reply.code, 400, "{garbage:?}");
        }
        client.is_cut().await;
    }
    assert_eq!(server.get("/-/healthy", "").await.code, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_wait_while_all_others_are_answered() {
    // More than the sockets' buffers hold, so that it is being answered until it is read.
    let name = "n".repeat(1000);
    let containers = (0..20_000).map(|id| container(&name, id)).collect();
    let backend = Fake { snapshot: Arc::new(Snapshot { containers, ..Snapshot::default() }), ..fake() };
    let server = Server::start(backend, Limits { connections: 1, ..patient() }).await;
    let mut first = server.connect().await;
    first.send("GET /metrics?collect[]=memory HTTP/1.1\r\nHost: a\r\n\r\n").await;
    first.stream.readable().await.unwrap();
    let mut second = server.connect().await;
    second.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(first.reply(false).await.unwrap().code, 200, "it was answered, and not cut");
    assert_eq!(second.reply(false).await.unwrap().code, 200);
    // Now that it waits for nothing, its place was the second's.
    first.is_cut().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ask_nothing_keep_nobody_out() {
    let server = Server::start(fake(), Limits { connections: 32, ..patient() }).await;
    let mut kept = Vec::new();
    for index in 0..600 {
        let mut client = server.connect().await;
        match index % 3 {
            0 => {}
            1 => client.send("GET /metrics HTTP/1.1\r\nHost").await,
            _ => {
                client.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await;
                assert_eq!(client.reply(false).await.unwrap().code, 200);
            }
        }
        kept.push(client);
        if index % 50 == 0 {
            assert_eq!(server.get("/metrics", "").await.code, 200);
        }
    }
    assert_eq!(server.get("/metrics", "").await.code, 200);
    // Whoever came first was cut first.
    kept[0].is_cut().await;
    kept[1].is_cut().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_every_connection() {
    let server = Server::start(Fake { hangs: true, ..fake() }, patient()).await;
    let mut idle = server.connect().await;
    idle.send("GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.reply(false).await.unwrap().code, 200);
    let mut half = server.connect().await;
    half.send("GET /-/heal").await;
    let mut waiting = server.connect().await;
    waiting.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.stop().await;
    for mut client in [idle, half, waiting] {
        client.is_cut().await;
    }
}
