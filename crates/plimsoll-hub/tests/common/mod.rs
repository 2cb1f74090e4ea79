//! A census server on a socket of its own.

#![allow(dead_code, reason = "no test uses all of it")]

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_hub::{Config, serve, serve_on};
use plimsoll_model::census::Report;
use plimsoll_store::census::CensusStore;
use plimsoll_testkit::client::{Client, Response};
use plimsoll_web::security::Security;
use plimsoll_wire::census::encode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub(crate) const KEY: &str = "key of the test";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: CensusStore,
    runtime: Option<Arc<Runtime>>,
    stop: Option<oneshot::Sender<()>>,
    folder: Option<TempDir>,
}

impl Server {
    /// On a SQLite file that goes with it.
    pub(crate) fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Arc::new(Runtime::new().unwrap());
        let store = runtime.block_on(CensusStore::open_sqlite(&folder.path().join("census.db"))).unwrap();
        let mut server = Self::on(runtime, store, config);
        server.folder = Some(folder);
        server
    }

    /// The same, and whoever asks needs one of these tokens.
    pub(crate) fn behind(config: Config, tokens: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, tokens).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let security = Arc::new(Security::open(None, vec![file]).unwrap());
        let runtime = Arc::new(Runtime::new().unwrap());
        let store = runtime.block_on(CensusStore::open_sqlite(&folder.path().join("census.db"))).unwrap();
        let mut server = Self::with(runtime, store, |listener, store, shutdown| {
            serve_on(vec![listener.into()], store, config, security, shutdown)
        });
        server.folder = Some(folder);
        server
    }

    pub(crate) fn on(runtime: Arc<Runtime>, store: CensusStore, config: Config) -> Self {
        Self::with(runtime, store, |listener, store, shutdown| serve(listener, store, config, shutdown))
    }

    fn with<Served: Future<Output = std::io::Result<()>> + Send + 'static>(
        runtime: Arc<Runtime>,
        store: CensusStore,
        serving: impl FnOnce(TcpListener, CensusStore, Pin<Box<dyn Future<Output = ()> + Send>>) -> Served,
    ) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Box::pin(async {
            let _ = stopped.await;
        });
        runtime.spawn(serving(listener, store.clone(), shutdown));
        Self { address, store, runtime: Some(runtime), stop: Some(stop), folder: None }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn post(&self, body: &[u8]) -> Response {
        self.client().post("/api/ingest", &[("content-type", "application/json")], body).unwrap()
    }

    pub(crate) fn report(&self, report: &Report) -> Response {
        let mut body = String::new();
        encode(report, &mut body);
        self.post(body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.client().get(path).unwrap()
    }

    pub(crate) fn get_with_key(&self, path: &str) -> Response {
        self.client().request("GET", path, &[("x-api-key", KEY)], b"").unwrap()
    }

    /// What a path answers, with the key.
    pub(crate) fn whole(&self, path: &str) -> Value {
        let answer = self.get_with_key(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Waits until so many installations are in the answers.
    pub(crate) fn wait_for(&self, installations: u64) {
        plimsoll_testkit::wait_until(Duration::from_secs(60), "the reports are in the answers", || {
            let answer = self.get_with_key("/api/stats/installations");
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            answer["total_installations"] == installations
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The last one ends the runtime, which must not wait for what hangs.
        if let Some(runtime) = self.runtime.take().and_then(|runtime| Arc::try_unwrap(runtime).ok()) {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// A configuration with the key.
pub(crate) fn with_key() -> Config {
    Config { api_key: Some(KEY.to_owned()), ..Config::default() }
}

/// What a header says.
pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
}
