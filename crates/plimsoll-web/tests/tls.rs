//! Real handshakes: with and without certificates of clients, other versions, changes, and clients that never finish.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod harness;
mod secure;

use std::time::Duration;

use plimsoll_web::Limits;
use rcgen::SanType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{FAR_TOO_LONG, SHORT, patient};
use crate::secure::{Authority, Folder, Server, code, dns};

const PAIR: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_version_speaks_and_what_is_not_tls_does_not() {
    let authority = Authority::new();
    for (more, expected) in [
        ("", rustls::ProtocolVersion::TLSv1_3),
        ("  max_version: TLS12\n", rustls::ProtocolVersion::TLSv1_2),
        ("  min_version: TLS13\n", rustls::ProtocolVersion::TLSv1_3),
        (
            "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  \
             curve_preferences: [CurveP384]\n",
            rustls::ProtocolVersion::TLSv1_2,
        ),
    ] {
        let folder = Folder::with(&format!("{PAIR}{more}"), &authority, &authority.server());
        let security = folder.open().unwrap();
        assert!(security.has_tls() && !security.asks());
        let server = Server::start(security, Limits::default(), Vec::new()).await;
        let answer = server.tls(&authority.client(None), "/metrics", "").await.unwrap();
        assert_eq!(code(&answer), 200, "{more}");
        assert!(answer.contains("container_memory_usage_bytes"));
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(authority.client(None)));
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, server.connect().await).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected), "{more}");
        // In the clear, nothing is told.
        let mut plain = server.connect().await;
        plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));
        drop(stream);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_clients_are_asked_for_as_the_policy_says() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let allowed = authority.pair(vec![dns("prometheus.example"), dns("other.example")]);
    let by_address = authority.pair(vec![SanType::IpAddress([192, 0, 2, 7].into())]);
    let by_uri = authority.pair(vec![SanType::URI("spiffe://example/prometheus".try_into().unwrap())]);
    let by_mail = authority.pair(vec![SanType::Rfc822Name("ann@example.org".try_into().unwrap())]);
    let other = authority.pair(vec![dns("prometheus.example.org")]);
    let nameless = authority.pair(Vec::new());
    let strange = stranger.pair(vec![dns("prometheus.example")]);
    let expired = authority.pair_for_years(vec![dns("prometheus.example")], (2000, 2001));
    let sans = "  client_allowed_sans: [prometheus.example, 192.0.2.7, 'spiffe://example/prometheus', ann@example.org]\n";
    let ca = "  client_ca_file: ca.pem\n";
    let clients = [
        None,
        Some(&allowed),
        Some(&by_address),
        Some(&by_uri),
        Some(&by_mail),
        Some(&other),
        Some(&nameless),
        Some(&strange),
        Some(&expired),
    ];
    let (no, yes) = (false, true);
    for (policy, more, expected) in [
        ("NoClientCert", String::new(), [yes, yes, yes, yes, yes, yes, yes, yes, yes]),
        ("RequestClientCert", String::new(), [yes, yes, yes, yes, yes, yes, yes, yes, yes]),
        ("RequireAnyClientCert", String::new(), [no, yes, yes, yes, yes, yes, yes, yes, yes]),
        ("VerifyClientCertIfGiven", ca.to_owned(), [yes, yes, yes, yes, yes, yes, yes, no, no]),
        ("RequireAndVerifyClientCert", ca.to_owned(), [no, yes, yes, yes, yes, yes, yes, no, no]),
        ("RequireAndVerifyClientCert", format!("{ca}{sans}"), [no, yes, yes, yes, yes, no, no, no, no]),
    ] {
        let config = format!("{PAIR}  client_auth_type: {policy}\n{more}");
        let folder = Folder::with(&config, &authority, &authority.server());
        let server = Server::start(folder.open().unwrap(), Limits::default(), Vec::new()).await;
        for (index, (client, expected)) in clients.iter().zip(expected).enumerate() {
            let asked = server.tls(&authority.client(*client), "/metrics", "").await;
            let is_let_in = asked.as_ref().is_ok_and(|answer| code(answer) == 200);
            assert_eq!(is_let_in, expected, "{policy} {more} client {index}: {:?}", asked.err());
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificates_are_taken_up_and_broken_ones_are_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = Folder::with(PAIR, &old, &old.server());
    let server = Server::start(folder.open().unwrap(), Limits::default(), Vec::new()).await;
    let (with_old, with_new) = (old.client(None), new.client(None));
    assert_eq!(code(&server.tls(&with_old, "/metrics", "").await.unwrap()), 200);
    assert!(server.tls(&with_new, "/metrics", "").await.is_err());
    // Half of a change: the certificate does not fit the key, so the old pair holds.
    let renewed = new.server();
    folder.put("cert.pem", &renewed.certificate);
    assert_eq!(code(&server.tls(&with_old, "/metrics", "").await.unwrap()), 200);
    folder.put("key.pem", &renewed.key);
    let taken_up = async {
        while server.tls(&with_new, "/metrics", "").await.is_err() {
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(FAR_TOO_LONG, taken_up).await.expect("the new pair is taken up");
    assert!(server.tls(&with_old, "/metrics", "").await.is_err());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_do_not_end_are_cut_and_give_their_places_free() {
    let authority = Authority::new();
    let folder = Folder::with(PAIR, &authority, &authority.server());
    let limits = Limits { handshake_time: Duration::from_millis(300), connections: 4, ..patient() };
    let server = Server::start(folder.open().unwrap(), limits, Vec::new()).await;
    let mut silent = Vec::new();
    for index in 0..40 {
        let mut stream = server.connect().await;
        if index % 2 == 0 {
            // The beginning of a record that never comes.
            stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        silent.push(stream);
    }
    let answer =
        tokio::time::timeout(FAR_TOO_LONG, server.tls(&authority.client(None), "/metrics", "")).await;
    assert_eq!(code(&answer.expect("a turn").unwrap()), 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(FAR_TOO_LONG, stream.read_to_end(&mut rest)).await.expect("it is cut");
    }
    server.stop().await;
}
