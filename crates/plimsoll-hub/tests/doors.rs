//! Who gets in where: keys, methods, preflight questions, parameters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use plimsoll_hub::Config;
use plimsoll_testkit::client::Response;
use serde_json::Value;

use crate::common::{KEY, Server, header, with_key};

fn error(answer: &Response) -> String {
    assert_eq!(header(answer, "content-type"), Some("application/json"), "{}", answer.text());
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    error["error"].as_str().unwrap().to_owned()
}

#[test]
fn ids_are_shown_with_the_key_alone() {
    let locked = Server::start(with_key());
    let open = Server::start(Config { min_installations: 1, ..Config::default() });
    assert_eq!(locked.post(br#"{"installation_id":"secret-id"}"#).status, 201);
    assert_eq!(open.post(br#"{"installation_id":"secret-id"}"#).status, 201);
    let bearer = format!("Bearer {KEY}");
    for path in ["/api/stats/recent-events", "/api/stats/database-view"] {
        let ask = |server: &Server, headers: &[(&str, &str)]| {
            server.client().request("GET", path, headers, b"").unwrap()
        };
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let table: [(&Server, Headers<'_>, u16); 6] = [
            (&locked, &[], 401),
            (&locked, &[("x-api-key", "wrong")], 401),
            (&locked, &[("x-api-key", KEY)], 200),
            (&locked, &[("authorization", &bearer)], 200),
            (&open, &[], 403),
            (&open, &[("x-api-key", KEY)], 403),
        ];
        for (server, headers, status) in table {
            let answer = ask(server, headers);
            assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.text());
            assert_eq!(answer.text().contains("secret-id"), status == 200, "{path} {headers:?}");
        }
        assert!(error(&ask(&open, &[])).contains("STATS_API_KEY"));
    }
    locked.wait_for(1);
    let wrong = locked.client().request("GET", "/api/stats/summary", &[("x-api-key", "wrong")], b"").unwrap();
    assert_eq!(wrong.status, 401);
    assert_eq!(locked.get("/api/stats/summary").status, 200);
}

#[test]
fn a_password_opens_as_the_key_does() {
    let basic = Some(("me".to_owned(), "word".to_owned()));
    let server = Server::start(Config { basic, ..Config::default() });
    let ask = |shown: &str| {
        server.client().request("GET", "/api/stats/recent-events", &[("authorization", shown)], b"").unwrap()
    };
    assert_eq!(ask("Basic bWU6d29yZA==").status, 200);
    let wrong = ask("Basic bWU6bm8=");
    assert_eq!(wrong.status, 401);
    assert!(header(&wrong, "www-authenticate").unwrap().starts_with("Basic "));
}

#[test]
fn methods_and_browsers_are_answered() {
    let server = Server::start(with_key());
    let ask = |method: &str, path: &str| server.client().request(method, path, &[], b"").unwrap();
    let preflight = ask("OPTIONS", "/api/stats/recent-events");
    assert_eq!((preflight.status, header(&preflight, "access-control-allow-origin")), (204, Some("*")));
    assert!(header(&preflight, "access-control-allow-headers").unwrap().contains("X-API-Key"));
    let ingest = ask("OPTIONS", "/api/ingest");
    assert_eq!((ingest.status, header(&ingest, "allow")), (204, Some("POST, OPTIONS")));
    assert_eq!(header(&ingest, "access-control-allow-origin"), None);
    let refused = ask("GET", "/api/stats/recent-events");
    assert_eq!((refused.status, header(&refused, "access-control-allow-origin")), (401, Some("*")));
    for (method, path, status) in [
        ("GET", "/api/ingest", 405),
        ("PUT", "/api/stats/summary", 405),
        ("DELETE", "/", 405),
        ("GET", "/nothing", 404),
        ("GET", "/api/stats/nothing", 404),
    ] {
        let answer = ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        error(&answer);
    }
    assert!(header(&ask("GET", "/api/ingest"), "allow").unwrap().contains("POST"));
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"HEAD /api/stats/nothing HTTP/1.0\r\n\r\n").unwrap();
    let mut head = String::new();
    stream.read_to_string(&mut head).unwrap();
    assert!(head.starts_with("HTTP/1.0 404") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask("GET", "/").text().contains("/api/stats/summary"));
}

#[test]
fn behind_tokens_everything_but_health_needs_one_and_the_key_has_a_header_of_its_own() {
    const TOKEN: &str = "0123456789abcdef";
    let server = Server::behind(with_key(), TOKEN);
    let bearer = format!("Bearer {TOKEN}");
    let (token, key) = (("authorization", &*bearer), ("x-api-key", KEY));
    let as_bearer = format!("Bearer {KEY}");
    let report = br#"{"installation_id":"secret-id"}"#;
    for (method, path, headers, status) in [
        ("GET", "/health", &[][..], 200),
        ("GET", "/metrics", &[], 401),
        ("GET", "/metrics", &[token], 200),
        ("POST", "/api/ingest", &[], 401),
        ("POST", "/api/ingest", &[token], 201),
        ("GET", "/api/stats/summary", &[], 401),
        // The token is not taken for a wrong key.
        ("GET", "/api/stats/summary", &[token], 200),
        ("GET", "/api/stats/recent-events", &[token], 401),
        ("GET", "/api/stats/recent-events", &[token, key], 200),
        ("GET", "/api/stats/recent-events", &[key], 401),
        ("GET", "/api/stats/recent-events", &[("authorization", &*as_bearer)], 401),
    ] {
        let body: &[u8] = if method == "POST" { report } else { b"" };
        let answer = server.client().request(method, path, headers, body).unwrap();
        assert_eq!(answer.status, status, "{method} {path} {headers:?}: {}", answer.text());
        assert!(status == 200 || !answer.text().contains("secret-id"));
    }
}

#[test]
fn parameters_are_bounded() {
    let server = Server::start(with_key());
    assert_eq!(server.post(br#"{"installation_id":"a"}"#).status, 201);
    server.wait_for(1);
    let long = format!("image-details?search={}", "x".repeat(501));
    for path in [
        "top-images?limit=many",
        "image-details?sort_by=colour",
        "image-details?sort_order=sideways",
        "hottest?metric=heat",
        "database-view?table=pg_shadow",
        "database-view?sort_by=1;drop",
        &long,
    ] {
        let answer = server.get_with_key(&format!("/api/stats/{path}"));
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        error(&answer);
    }
    let page = server.whole("/api/stats/image-details?limit=99999999999999999999&offset=-4&days=0");
    assert_eq!(page["pagination"], serde_json::json!({ "total": 0, "limit": 1000, "offset": 0 }));
    assert_eq!(server.whole("/api/stats/installations?days=9999")["period_days"], 365);
    assert_eq!(server.whole("/api/stats/database-view?limit=5000")["pagination"]["limit"], 1000);
}
