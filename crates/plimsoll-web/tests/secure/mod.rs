//! Certificates of an authority that lives as long as a test, files in a folder, and a server that is held to them.

#![allow(dead_code, reason = "no test uses all of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use plimsoll_model::Selection;
use plimsoll_web::security::{Security, SecurityError};
use plimsoll_web::{App, Limits, Listener, Place, serve_on};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::harness::{FAR_TOO_LONG, fake};

/// A certificate with its key, as texts.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// For these names, valid in these years.
    pub(crate) fn pair_for_years(&self, names: Vec<SanType>, years: (i32, i32)) -> Pair {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn pair(&self, names: Vec<SanType>) -> Pair {
        self.pair_for_years(names, (2000, 4000))
    }

    /// The server's own.
    pub(crate) fn server(&self) -> Pair {
        self.pair(vec![dns("localhost")])
    }

    /// A client that trusts this authority, maybe with a certificate.
    pub(crate) fn client(&self, pair: Option<&Pair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A folder with a configuration and what it names.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there, at once and as a whole, that only its owner may read.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.path(name), self.path("new"));
        std::fs::write(&new, text).unwrap();
        open_to(&new, 0o600);
        std::fs::rename(&new, &path).unwrap();
        path
    }

    /// A configuration beside a pair of keys as `cert.pem` and `key.pem`, and an authority as `ca.pem`.
    pub(crate) fn with(config: &str, authority: &Authority, pair: &Pair) -> Self {
        let folder = Self::new();
        folder.put("cert.pem", &pair.certificate);
        folder.put("key.pem", &pair.key);
        folder.put("ca.pem", &authority.certificate);
        folder.put("web.yml", config);
        folder
    }

    pub(crate) fn open(&self) -> Result<Security, SecurityError> {
        Security::open(Some(self.path("web.yml")), Vec::new())
    }
}

pub(crate) fn open_to(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(security: Security, limits: Limits, others: Vec<Listener>) -> Self {
        Self::start_at(security, limits, others, Place::default()).await
    }

    pub(crate) async fn start_at(
        security: Security,
        limits: Limits,
        others: Vec<Listener>,
        place: Place,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = App {
            backend: Arc::new(fake()),
            selection: Selection::default(),
            openmetrics_created: false,
            limits,
            place,
        };
        let mut listeners = vec![listener.into()];
        listeners.extend(others);
        let task = tokio::spawn(serve_on(listeners, app, Arc::new(security), async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(FAR_TOO_LONG, self.task).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks in the clear. The whole answer.
    pub(crate) async fn plain(&self, path: &str, headers: &str) -> String {
        ask(self.connect().await, path, headers).await.unwrap()
    }

    /// Asks over TLS. The whole answer, unless the server refuses to speak.
    pub(crate) async fn tls(
        &self,
        client: &ClientConfig,
        path: &str,
        headers: &str,
    ) -> std::io::Result<String> {
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(client.clone())).connect(name, self.connect().await);
        ask(connecting.await?, path, headers).await
    }
}

/// Sends one request, and reads the answer to its end.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    path: &str,
    headers: &str,
) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(FAR_TOO_LONG, stream.read_to_end(&mut answer)).await.expect("an end")?;
    Ok(String::from_utf8(answer).unwrap())
}

/// The status of an answer.
pub(crate) fn code(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A header that shows a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {pair}\r\n")
}
