//! Targets behind TLS: whom a client trusts, and what is said when it does not.

use plimsoll_testkit::sink::{Sink, TlsOptions};

use super::*;
use crate::config::TlsConfig;

/// A file for each part of what a client may be given.
fn files(sink: &Sink) -> (tempfile::TempDir, TlsConfig) {
    let folder = tempfile::tempdir().unwrap();
    let known = sink.tls().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Some(path)
    };
    let tls = TlsConfig {
        ca_file: file("ca.pem", &known.authority),
        cert_file: file("cert.pem", &known.certificate),
        key_file: file("key.pem", &known.key),
        insecure_skip_verify: false,
    };
    (folder, tls)
}

fn without_client(tls: &TlsConfig) -> TlsConfig {
    TlsConfig { cert_file: None, key_file: None, ..tls.clone() }
}

fn target(sink: &Sink, tls: TlsConfig) -> TargetConfig {
    TargetConfig { tls, ..config(TargetKind::InfluxV2, &sink.url()) }
}

#[tokio::test]
async fn an_authority_of_one_s_own_is_trusted() {
    let sink = Sink::start_tls_with(TlsOptions::default());
    let (_folder, tls) = files(&sink);
    let transport = HttpTransport::new(&target(&sink, without_client(&tls))).unwrap();
    for _ in 0..10 {
        assert_eq!(transport.send(&lines()).await.unwrap().status, 204);
    }
    assert_eq!((sink.count(), sink.accepted()), (10, 1));
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_with_what_to_do() {
    let usual = TlsOptions::default();
    let nobody = TlsConfig::default();
    for (options, is_known, words) in [
        (usual, false, ["signed by nobody", "ca_file"]),
        (TlsOptions { names: &["other.example"], ..usual }, true, ["another name", "url"]),
        (TlsOptions { has_expired: true, ..usual }, true, ["has expired", "clock"]),
        (TlsOptions { wants_client: true, ..usual }, true, ["wants a client's certificate", "cert_file"]),
    ] {
        let sink = Sink::start_tls_with(options);
        let (_folder, tls) = files(&sink);
        let tls = if is_known { without_client(&tls) } else { nobody.clone() };
        let fault = send(&target(&sink, tls), &lines()).await.unwrap_err();
        assert_eq!((fault.reason, fault.may_have_arrived), ("tls", false), "{}", fault.message);
        for word in words {
            assert!(fault.message.contains(word), "{word}: {}", fault.message);
        }
        assert_eq!(sink.count(), 0);
    }
}

#[tokio::test]
async fn a_client_s_certificate_is_shown_to_who_wants_it() {
    let sink = Sink::start_tls();
    let (_folder, tls) = files(&sink);
    assert_eq!(send(&target(&sink, tls.clone()), &lines()).await.unwrap().status, 204);
    // One by another authority is not taken.
    let (_other_folder, other) = files(&Sink::start_tls());
    let foreign = TlsConfig { ca_file: tls.ca_file, ..other };
    let fault = send(&target(&sink, foreign), &lines()).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("tls", false), "{}", fault.message);
    assert!(fault.message.contains("cert_file"), "{}", fault.message);
}

#[tokio::test]
async fn who_asks_for_it_trusts_anybody() {
    let options = TlsOptions { names: &["other.example"], has_expired: true, wants_client: false };
    let sink = Sink::start_tls_with(options);
    let tls = TlsConfig { insecure_skip_verify: true, ..TlsConfig::default() };
    assert_eq!(send(&target(&sink, tls), &lines()).await.unwrap().status, 204);
}

#[tokio::test]
async fn https_at_a_port_of_plain_http_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let fault = send(&config(TargetKind::InfluxV2, &url), &lines()).await.unwrap_err();
    assert_eq!((fault.reason, fault.may_have_arrived), ("tls", false), "{}", fault.message);
    assert!(fault.message.contains("does not speak TLS"), "{}", fault.message);
    server.join().unwrap();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let sink = Sink::start_tls();
    let (folder, tls) = files(&sink);
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = folder.path().join("missing.pem");
    for (tls, word) in [
        (TlsConfig { ca_file: Some(missing.clone()), ..tls.clone() }, "missing.pem"),
        (TlsConfig { ca_file: Some(empty.clone()), ..tls.clone() }, "no certificate"),
        (TlsConfig { cert_file: Some(empty.clone()), ..tls.clone() }, "empty.pem"),
        (TlsConfig { key_file: Some(empty), ..tls.clone() }, "empty.pem"),
        (TlsConfig { key_file: tls.cert_file.clone(), ..tls.clone() }, "cert.pem"),
        (TlsConfig { key_file: None, ..tls.clone() }, "go together"),
    ] {
        let error = HttpTransport::new(&target(&sink, tls)).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("tsdb"), "{word}: {error}");
    }
}
