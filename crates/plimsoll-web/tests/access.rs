//! Passwords, tokens, headers, rates and unix sockets on a real server; and files that change under it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod harness;
mod secure;

use plimsoll_web::security::Security;
use plimsoll_web::{Limits, Place};
use tokio::net::{UnixListener, UnixStream};

use crate::harness::{FAR_TOO_LONG, SHORT};
use crate::secure::{Folder, Server, ask, basic, code, open_to};

fn users(pairs: &[(&str, &str)]) -> String {
    let lines =
        pairs.iter().map(|(name, password)| format!("  {name}: {}\n", bcrypt::hash(password, 4).unwrap()));
    format!("basic_auth_users:\n{}", lines.collect::<String>())
}

/// Waits until an answer has this status.
async fn becomes(server: &Server, headers: &str, expected: u16) {
    let waiting = async {
        while code(&server.plain("/metrics", headers).await) != expected {
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(FAR_TOO_LONG, waiting)
        .await
        .unwrap_or_else(|_| panic!("it never becomes {expected}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_open_everything_and_health_needs_none() {
    let folder = Folder::new();
    folder.put("web.yml", &users(&[("ann", "right: ü"), ("bob", "other")]));
    let security = folder.open().unwrap();
    assert!(security.asks() && !security.has_tls());
    let server = Server::start(security, Limits::default(), Vec::new()).await;
    for (headers, expected) in [
        (basic("ann", "right: ü"), 200),
        (basic("bob", "other"), 200),
        (basic("ann", "other"), 401),
        (basic("eve", "other"), 401),
        (basic("", ""), 401),
        (String::new(), 401),
        ("Authorization: Basic\r\n".to_owned(), 401),
        ("Authorization: Basic !!!\r\n".to_owned(), 401),
        ("Authorization: Bearer 0123456789abcdef\r\n".to_owned(), 401),
        (basic("ann", "right: ü").repeat(2), 401),
    ] {
        let answer = server.plain("/metrics", &headers).await;
        assert_eq!(code(&answer), expected, "{headers}");
        assert_eq!(answer.contains("container_memory"), expected == 200);
        assert_eq!(answer.contains("www-authenticate: Basic "), expected == 401);
    }
    for path in
        ["/", "/api/v1/containers", "/nothing", "/metrics/", "//metrics", "/health/", "/-/healthy/../metrics"]
    {
        assert_eq!(code(&server.plain(path, "").await), 401, "{path}");
    }
    for path in ["/health", "/healthz", "/-/healthy", "/-/ready"] {
        assert_eq!(code(&server.plain(path, "").await), 200, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_prefix_health_needs_no_password_either() {
    let folder = Folder::new();
    folder.put("web.yml", &users(&[("ann", "right")]));
    let place = Place::new("/monitoring", "").unwrap();
    let server = Server::start_at(folder.open().unwrap(), Limits::default(), Vec::new(), place).await;
    for (path, expected) in [
        ("/monitoring/health", 200),
        ("/monitoring/-/ready", 200),
        ("/monitoring/metrics", 401),
        ("/monitoringhealth", 401),
        ("/monitoring//health", 401),
    ] {
        assert_eq!(code(&server.plain(path, "").await), expected, "{path}");
    }
    assert_eq!(code(&server.plain("/monitoring/metrics", &basic("ann", "right")).await), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_held_back() {
    let folder = Folder::new();
    folder.put("web.yml", &users(&[("ann", "right")]));
    let server = Server::start(folder.open().unwrap(), Limits::default(), Vec::new()).await;
    let mut codes = Vec::new();
    for index in 0..40 {
        codes.push(code(&server.plain("/metrics", &basic("ann", &index.to_string())).await));
    }
    assert_eq!(codes[0], 401);
    assert!(codes.contains(&429), "{codes:?}");
    assert!(codes.iter().all(|code| [401, 429].contains(code)), "{codes:?}");
    assert_eq!(code(&server.plain("/-/healthy", "").await), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_and_are_read_again() {
    let folder = Folder::new();
    let first = folder.put("first", "0123456789abcdef\n");
    let second = folder.put("second", "fedcba9876543210\n\nanother-token-of-ours\n");
    let security = Security::open(None, vec![first, second]).unwrap();
    assert!(security.asks());
    let server = Server::start(security, Limits::default(), Vec::new()).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (token, expected) in [
        ("0123456789abcdef", 200),
        ("fedcba9876543210", 200),
        ("another-token-of-ours", 200),
        ("0123456789abcdeF", 401),
        ("0123456789abcde", 401),
        ("", 401),
    ] {
        let answer = server.plain("/metrics", &bearer(token)).await;
        assert_eq!(code(&answer), expected, "{token}");
        assert_eq!(answer.contains("www-authenticate: Bearer "), expected == 401);
    }
    assert_eq!(code(&server.plain("/metrics", "authorization: bearer 0123456789abcdef\r\n").await), 200);
    folder.put("first", "a-new-token-for-all\n");
    becomes(&server, &bearer("a-new-token-for-all"), 200).await;
    assert_eq!(code(&server.plain("/metrics", &bearer("0123456789abcdef")).await), 401);
    assert_eq!(code(&server.plain("/metrics", &bearer("fedcba9876543210")).await), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_change_while_it_runs_and_are_never_lost() {
    let folder = Folder::new();
    folder.put("web.yml", &users(&[("ann", "right")]));
    let server = Server::start(folder.open().unwrap(), Limits::default(), Vec::new()).await;
    assert_eq!(code(&server.plain("/metrics", &basic("ann", "right")).await), 200);
    // What is broken, and what would open the server, changes nothing; what comes after it does.
    for (broken, name) in
        [("", "bob"), ("basic_auth_users: [", "cid"), ("basic_auth_user:\n", "dan"), ("{}", "eve")]
    {
        folder.put("web.yml", broken);
        assert_eq!(code(&server.plain("/metrics", "").await), 401, "{broken}");
        folder.put("web.yml", &users(&[(name, "new")]));
        becomes(&server, &basic(name, "new"), 200).await;
        assert_eq!(code(&server.plain("/metrics", &basic("ann", "right")).await), 401);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_rates_are_as_configured() {
    let folder = Folder::new();
    let headers = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    \
                   Strict-Transport-Security: max-age=31536000\n    Content-Security-Policy: \"default-src 'self'\"\n    \
                   X-XSS-Protection: ''\n";
    folder.put("web.yml", &format!("{headers}rate_limit:\n  interval: 1h\n  burst: 3\n"));
    let server = Server::start(folder.open().unwrap(), Limits::default(), Vec::new()).await;
    for _ in 0..3 {
        let answer = server.plain("/metrics", "").await;
        assert_eq!(code(&answer), 200);
        for part in [
            "x-frame-options: deny\r\n",
            "strict-transport-security: max-age=31536000\r\n",
            "content-security-policy: default-src 'self'\r\n",
            "x-content-type-options: nosniff\r\n",
        ] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        assert_eq!(answer.matches("content-security-policy").count(), 1);
    }
    let answer = server.plain("/metrics", "").await;
    assert_eq!(code(&answer), 429);
    assert!(answer.contains("retry-after: 3"), "{answer}");
    assert_eq!(code(&server.plain("/-/ready", "").await), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unix_sockets_answer_beside_addresses() {
    let folder = Folder::new();
    let token = folder.put("token", "0123456789abcdef\n");
    let path = folder.path("p.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let security = Security::open(None, vec![token]).unwrap();
    // Fewer places than listeners: each has one nevertheless.
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Server::start(security, limits, vec![socket.into()]).await;
    let header = "Authorization: Bearer 0123456789abcdef\r\n";
    for _ in 0..3 {
        for (headers, expected) in [(header, 200), ("", 401)] {
            let stream = UnixStream::connect(&path).await.unwrap();
            assert_eq!(code(&ask(stream, "/metrics", headers).await.unwrap()), expected);
            assert_eq!(code(&server.plain("/metrics", headers).await), expected);
        }
    }
    server.stop().await;
}

#[test]
fn secrets_that_everybody_can_read_are_refused() {
    let folder = Folder::new();
    let token = folder.put("token", "0123456789abcdef\n");
    for (mode, is_good) in [(0o600, true), (0o640, true), (0o644, false), (0o604, false), (0o602, false)] {
        open_to(&token, mode);
        let opened = Security::open(None, vec![token.clone()]);
        assert_eq!(opened.is_ok(), is_good, "{mode:o}");
        if let Err(error) = opened {
            assert!(error.remedy().starts_with("chmod o= /"), "{error:?}");
        }
    }
}
