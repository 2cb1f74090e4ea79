//! Engines behind TLS: certificates that are right, and each way in which they are not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Certificates, Client, Endpoint, Error, Timeouts};
use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Files as `docker` names them, and what is wrong with them in their own folder names.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key.
    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// Serves TLS in front of `engine`, on a port of its own, until the test's runtime ends.
async fn serve(
    engine: &FakeEngine,
    (certificate, key): &(String, String),
    clients: Option<&Authority>,
    version: &'static SupportedProtocolVersion,
) -> u16 {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = engine.socket().to_owned();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut engine = UnixStream::connect(socket).await.unwrap();
                    tokio::io::copy_bidirectional(&mut stream, &mut engine).await.ok();
                }
            });
        }
    });
    port
}

fn client(host: &str, port: u16, certificates: Certificates) -> Client {
    let timeouts = Timeouts { connect: Duration::from_secs(60), request: Duration::from_secs(60) };
    let endpoint = Endpoint::Tcp { host: host.to_owned(), port }.with_tls(certificates);
    Client::with_timeouts(endpoint, timeouts)
}

/// One line that names the endpoint and holds all of `parts`.
#[track_caller]
fn check(error: &Error, port: u16, denied: bool, parts: &[&str]) {
    let message = error.to_string();
    assert!(message.starts_with("cannot connect to https://"), "{message}");
    assert!(message.contains(&format!(":{port}: ")) && !message.contains('\n'), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(matches!(error, Error::Secure { .. }), "{error:?}");
    assert_eq!((error.is_permission(), error.is_unreachable()), (denied, !denied), "{message}");
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let engine = FakeEngine::start();
    engine.put(FakeContainer::new("web"));
    let port = serve(&engine, &ours.sign(&["localhost", "127.0.0.1"], |_| {}), Some(&ours), &TLS13).await;
    let (certificate, key) = ours.sign(&["agent"], |_| {});
    let certificates = Certificates {
        ca: Some(folder.write("ca.pem", &ours.pem)),
        certificate: Some(folder.write("cert.pem", &certificate)),
        key: Some(folder.write("key.pem", &key)),
        verify: true,
    };
    for host in ["localhost", "127.0.0.1"] {
        let client = client(host, port, certificates.clone());
        client.version().await.unwrap();
        assert_eq!(client.containers().await.unwrap().containers[0].name, "web");
        let _events = client.events(None).await.unwrap();
    }
    assert_eq!(engine.connections(), 4, "for each client one that is kept, and one for its events");

    // A renewed certificate is taken up at the next connection.
    folder.write("cert.pem", "");
    let error = client("localhost", port, certificates.clone()).ping().await.unwrap_err();
    check(&error, port, false, &["cert.pem: no certificate is in it"]);
    let (certificate, key) = ours.sign(&["agent"], |_| {});
    folder.write("cert.pem", &certificate);
    folder.write("key.pem", &key);
    client("localhost", port, certificates).ping().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_is_not_to_be_trusted() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let engine = FakeEngine::start();
    let others = Authority::new("others");
    let impostor = Authority::new("ours");
    let expired = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3));
    };
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 2);
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let ca = folder.write("ca.pem", &ours.pem);
    let trusting = Certificates { ca: Some(ca), ..Certificates::default() };
    let blind = Certificates { verify: false, ..Certificates::default() };
    for (pair, parts) in [
        (ours.sign(&["localhost"], expired), &["expired on 2021-02-03", "renew it"][..]),
        (ours.sign(&["localhost"], early), &["valid from 4000-01-02 only", "clock"]),
        (others.sign(&["localhost"], |_| {}), &["not signed by a CA in ", "ca.pem", "name the file"]),
        (impostor.sign(&["localhost"], |_| {}), &["not signed by a CA in ", "ca.pem"]),
        (
            ours.sign(&["build.example", "10.1.2.3"], |_| {}),
            &["not for localhost but for ", "build.example", "10.1.2.3", "subjectAltName"],
        ),
        (ours.sign(&["localhost"], for_clients), &["not for servers", "serverAuth"]),
        (
            ours.sign(&["localhost"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            &["not acceptable", "X.509 version 3"],
        ),
    ] {
        let port = serve(&engine, &pair, None, &TLS13).await;
        let error = client("localhost", port, trusting.clone()).ping().await.unwrap_err();
        check(&error, port, false, parts);
        client("localhost", port, blind.clone()).ping().await.unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_wants_another_client() {
    let (folder, ours, others) = (Folder::new(), Authority::new("ours"), Authority::new("others"));
    let engine = FakeEngine::start();
    let ca = Some(folder.write("ca.pem", &ours.pem));
    let expired = ours.sign(&["agent"], |params| params.not_after = date_time_ymd(2021, 2, 3));
    let stranger = others.sign(&["agent"], |_| {});
    for version in [&TLS13, &TLS12] {
        let port = serve(&engine, &ours.sign(&["localhost"], |_| {}), Some(&ours), version).await;
        for (pair, parts) in [
            (None, &["demands a client certificate", "give one"][..]),
            (Some(&expired), &["cert.pem expired", "renew it"]),
            (Some(&stranger), &["does not know the CA", "cert.pem"]),
        ] {
            let certificates = Certificates {
                ca: ca.clone(),
                certificate: pair.map(|(certificate, _)| folder.write("cert.pem", certificate)),
                key: pair.map(|(_, key)| folder.write("key.pem", key)),
                verify: true,
            };
            let error = client("localhost", port, certificates).ping().await.unwrap_err();
            check(&error, port, true, parts);
        }
    }
    assert_eq!(engine.connections(), 0);
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be() {
    let (folder, ours) = (Folder::new(), Authority::new("ours"));
    let engine = FakeEngine::start();
    let port = serve(&engine, &ours.sign(&["localhost"], |_| {}), None, &TLS13).await;
    let (certificate, key) = ours.sign(&["agent"], |_| {});
    let (_, other_key) = ours.sign(&["agent"], |_| {});
    let none = folder.0.path().join("none.pem");
    let ca = folder.write("ca.pem", &ours.pem);
    let cert = folder.write("cert.pem", &certificate);
    let key = folder.write("key.pem", &key);
    let other_key = folder.write("other-key.pem", &other_key);
    let text = folder.write("text.pem", "no PEM at all\n");
    let broken = folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let secret = folder.write("secret.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n");
    let huge = folder.write("huge.pem", &"x".repeat(2 * 1024 * 1024));
    for (ca, certificate, key, part) in [
        (None, None, None, "name the CA's file (ca.pem), or turn verification off"),
        (Some(&none), None, None, "none.pem: there is no such file"),
        (Some(&text), None, None, "text.pem: no certificate is in it"),
        (Some(&broken), None, None, "broken.pem: it is no valid PEM"),
        (Some(&huge), None, None, "huge.pem: larger than 1048576 bytes"),
        (Some(&key), None, None, "key.pem: no certificate is in it"),
        (Some(&ca), Some(&cert), None, "without its key"),
        (Some(&ca), None, Some(&key), "without its certificate"),
        (Some(&ca), Some(&cert), Some(&none), "none.pem: there is no such file"),
        (Some(&ca), Some(&cert), Some(&text), "text.pem: no private key is in it"),
        (Some(&ca), Some(&cert), Some(&secret), "secret.pem: the key is encrypted"),
        (Some(&ca), Some(&cert), Some(&other_key), "other-key.pem do not belong together"),
    ] {
        let certificates = Certificates {
            ca: ca.cloned(),
            certificate: certificate.cloned(),
            key: key.cloned(),
            verify: true,
        };
        let error = client("localhost", port, certificates).ping().await.unwrap_err();
        check(&error, port, false, &[part]);
    }
}

#[tokio::test]
async fn somebody_who_speaks_no_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut plain, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut plain, b"HTTP/1.0 400 Bad Request\r\n\r\n").await.unwrap();
        let mut sink = tokio::io::sink();
        tokio::io::copy(&mut plain, &mut sink).await.ok();
        let (silent, _) = listener.accept().await.unwrap();
        drop(silent);
    });
    let certificates = Certificates { verify: false, ..Certificates::default() };
    for part in ["use tcp://", "does the engine speak TLS on this port?"] {
        let error = client("localhost", port, certificates.clone()).ping().await.unwrap_err();
        check(&error, port, false, &[part]);
    }
    let error = client("localhost", 1, certificates).ping().await.unwrap_err();
    assert!(error.to_string().contains("nobody listens there"), "{error}");
}
