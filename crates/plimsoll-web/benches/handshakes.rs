//! TLS handshakes on one core: client and server in one thread, each with a new connection, as nobody resumes.
//!
//! The bar is 300 a second, so 3.3 ms for one. What the client does counts, too.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to measure")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plimsoll_model::{Selection, Snapshot};
use plimsoll_store::History;
use plimsoll_web::security::Security;
use plimsoll_web::{App, Backend, Limits, NoHistory, Place, Status, serve_on};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

struct Nothing;

impl Backend for Nothing {
    async fn snapshot(&self) -> Arc<Snapshot> {
        Arc::default()
    }

    fn status(&self) -> Status {
        Status::default()
    }

    fn history(&self) -> Result<History, NoHistory> {
        Err(NoHistory::Off)
    }
}

fn handshakes(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = folder.path().join("web.yml");
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let (cert, private) = (indented(&certificate.pem()), indented(&key.serialize_pem()));
    std::fs::write(&config, format!("tls_server_config:\n  cert: |\n{cert}  key: |\n{private}")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let security = Arc::new(Security::open(Some(config), Vec::new()).unwrap());

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(client));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let app = App {
        backend: Arc::new(Nothing),
        selection: Selection::default(),
        openmetrics_created: false,
        limits: Limits::default(),
        place: Place::default(),
    };
    runtime.spawn(serve_on(vec![listener.into()], app, security, std::future::pending()));

    let mut group = criterion.benchmark_group("tls");
    group.throughput(Throughput::Elements(1));
    group.bench_function("handshake", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let stream = TcpStream::connect(address).await.unwrap();
                let name = ServerName::try_from("localhost").unwrap();
                connector.connect(name, stream).await.unwrap()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
