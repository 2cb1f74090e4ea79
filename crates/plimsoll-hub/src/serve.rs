//! The server's life.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use plimsoll_store::census::CensusStore;
use plimsoll_web::security::{Login, Security};
use plimsoll_web::{Limits, Listener, serve_router, serve_router_on};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::{Config, background, routes, writer};

/// How long reports that were taken may take to be committed when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// Serves a census on `listener` until `shutdown` is ready. Reports that were taken by then are committed and answered.
///
/// The database need not be there: while it is not, reports are answered with 503 and `Retry-After`, and questions from what
/// was loaded last.
///
/// # Errors
///
/// When the listener is not usable. Errors of the database are waited out.
pub async fn serve(
    listener: TcpListener,
    store: CensusStore,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    run(store, config, async |router, limits| serve_router(listener, router, limits, shutdown).await).await
}

/// Serves a census as [`serve`] does, at several places, and to whom `security` lets in. Where that asks for passwords or
/// tokens, reports need one, too, and the key of [`Config::api_key`] is `X-API-Key`.
///
/// # Errors
///
/// As [`serve`], and when there is no listener.
pub async fn serve_on(
    listeners: Vec<Listener>,
    store: CensusStore,
    config: Config,
    security: Arc<Security>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    run(store, config, async |router, limits| {
        serve_router_on(listeners, router, limits, security, Login::Server, shutdown).await
    })
    .await
}

/// Everything but the sockets, for as long as `serving` serves the routes.
async fn run(
    store: CensusStore,
    config: Config,
    serving: impl AsyncFnOnce(Router, Limits) -> io::Result<()>,
) -> io::Result<()> {
    let (jobs, taken) = mpsc::channel(writer::WAITING);
    let taken = Arc::new(Mutex::new(taken));
    let writers: JoinSet<()> =
        (0..store.writers()).map(|_| writer::write(store.clone(), Arc::clone(&taken))).collect();
    let hub = Arc::new(Hub::new(store, config, jobs));
    let background = background::start(&hub);
    let limits = hub.config.limits;
    let result = serving(routes::router(hub), limits).await;
    drop(background);
    // The last of those who could send a report is gone, so the writers end with what they have.
    let _ = tokio::time::timeout(GRACE, writers.join_all()).await;
    result
}
