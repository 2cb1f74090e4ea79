//! The accept loop.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::try_join_all;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connection::Clock;
use crate::listener::{Accepted, Stream};
use crate::seats::Seats;
use crate::security::{Login, Rules, Security, protect};
use crate::{App, Backend, Limits, Listener, connection, routes};

/// Serves `app` on `listener` until `shutdown` is ready; then no connection is accepted any more, and those
/// that are open have [`crate::Limits::grace_time`] to finish what they are at.
///
/// # Errors
///
/// When the listener is not usable. Errors of single connections, and of accepting them, are waited out.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    app: App<B>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = app.limits;
    serve_router(listener, routes::router(app), limits, shutdown).await
}

/// Serves `app` as [`serve`] does, at several places at once, which share the bounds, and to whom `security` lets in.
///
/// # Errors
///
/// As [`serve`], and when there is no listener.
pub async fn serve_on<B: Backend>(
    listeners: Vec<Listener>,
    app: App<B>,
    security: Arc<Security>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = app.limits;
    let prefix = app.place.prefix().to_owned();
    let router = protect(routes::router(app), Arc::clone(&security), Login::Server, &prefix);
    serve_protected(listeners, router, limits, security, shutdown).await
}

/// Serves any routes as [`serve_on`] does, at several places at once and to whom `security` lets in. Each request carries
/// its [`crate::Peer`] as an extension.
///
/// # Errors
///
/// As [`serve_on`].
pub async fn serve_router_on(
    listeners: Vec<Listener>,
    router: Router,
    limits: Limits,
    security: Arc<Security>,
    login: Login,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let router = protect(router, Arc::clone(&security), login, "");
    serve_protected(listeners, router, limits, security, shutdown).await
}

async fn serve_protected(
    listeners: Vec<Listener>,
    router: Router,
    limits: Limits,
    security: Arc<Security>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let rules = security.rules();
    tokio::select! {
        served = accept_all(listeners, router, limits, rules, shutdown) => served,
        () = security.watch() => Ok(()),
    }
}

/// Serves any routes as [`serve`] does, within the same bounds on connections, headers and time. Each request carries
/// its [`crate::Peer`] as an extension.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    // Rules that allow everything, and never change as long as the other end is there.
    let (_allow, rules) = watch::channel(Arc::new(Rules::default()));
    accept_all(vec![listener.into()], router, limits, rules, shutdown).await
}

async fn accept_all(
    listeners: Vec<Listener>,
    router: Router,
    limits: Limits,
    rules: watch::Receiver<Arc<Rules>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is nothing to listen on"));
    }
    let seats = Seats::new(limits.connections);
    let (stop, stopped) = watch::channel(false);
    let loops = listeners.into_iter().map(|listener| {
        let server = Server {
            seats: Arc::clone(&seats),
            router: router.clone(),
            limits,
            rules: rules.clone(),
            stopped: stopped.clone(),
        };
        server.accept(listener)
    });
    let mut loops = pin!(try_join_all(loops));
    tokio::select! {
        ended = &mut loops => return ended.map(|_| ()),
        () = shutdown => {}
    }
    stop.send_replace(true);
    loops.await.map(|_| ())
}

/// What the accept loop of each listener has.
struct Server {
    seats: Arc<Seats>,
    router: Router,
    limits: Limits,
    rules: watch::Receiver<Arc<Rules>>,
    stopped: watch::Receiver<bool>,
}

impl Server {
    async fn accept(self, listener: Listener) -> io::Result<()> {
        listener.check()?;
        let mut connections = JoinSet::new();
        let mut pause = Pause::default();
        let mut shutdown = pin!(stopping(self.stopped.clone()));
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => {
                    pause = Pause::default();
                    let clock = Clock::start(self.limits, self.seats.changed());
                    // Whoever comes next stays in the backlog for as long.
                    let seat = tokio::select! {
                        () = &mut shutdown => break,
                        seat = self.seats.take(accepted.holder, &clock) => seat,
                    };
                    // Of a flood, those that made room for others must not pile up.
                    while connections.try_join_next().is_some() {}
                    connections.spawn(seat.hold(self.connection(accepted, clock)));
                }
                Err(error) => {
                    if let Some(time) = pause.after(&error) {
                        tracing::warn!("cannot accept connections: {error}");
                        tokio::select! {
                            () = &mut shutdown => break,
                            () = tokio::time::sleep(time) => {}
                        }
                    }
                }
            }
        }
        drop(listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.grace_time, all_ended).await.is_err() {
            connections.shutdown().await;
        }
        Ok(())
    }

    /// One connection, from its first byte to its end.
    fn connection(&self, accepted: Accepted, clock: Clock) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Accepted { stream, peer, .. } = accepted;
        let router = self.router.clone();
        let (mut changes, stopped) = (self.rules.clone(), self.stopped.clone());
        let tls = changes.borrow_and_update().tls.clone();
        let stop = async move {
            tokio::select! {
                () = stopping(stopped) => {}
                // Under other rules, who is connected might not be let in.
                Ok(()) = changes.changed() => {}
            }
        };
        match (stream, tls) {
            // What listens on this machine alone has nobody on its way who could read along.
            #[cfg(unix)]
            (Stream::Unix(stream), _) => {
                Box::pin(async move { connection::drive(stream, peer, router, clock, stop).await })
            }
            (Stream::Tcp(stream), None) => {
                Box::pin(async move { connection::drive(stream, peer, router, clock, stop).await })
            }
            (Stream::Tcp(stream), Some(tls)) => Box::pin(async move {
                let mut stop = Box::pin(stop);
                clock.handshake_begins();
                let shaken = tokio::select! {
                    shaken = TlsAcceptor::from(tls).accept(stream) => shaken,
                    doing = clock.overdue() => return tracing::debug!("a connection was cut while {doing}"),
                    () = &mut stop => return,
                };
                clock.handshake_done();
                match shaken {
                    Ok(stream) => connection::drive(stream, peer, router, clock, stop).await,
                    Err(error) => tracing::debug!("a handshake failed: {error}"),
                }
            }),
        }
    }
}

/// Waits for the signal to stop.
async fn stopping(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// How long to wait after accepting failed. What failed for want of descriptors or memory fails again at
/// once, and would take a whole core.
#[derive(Default)]
struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    /// `None` where it was only this connection that failed.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        self.0 = (self.0 * 2).clamp(Self::FIRST, Self::LONGEST);
        Some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second() {
        let mut pause = Pause::default();
        let (gone, too_many) = (io::ErrorKind::ConnectionAborted.into(), io::Error::from_raw_os_error(24));
        assert_eq!(pause.after(&gone), None);
        let pauses: Vec<_> = (0..12).filter_map(|_| pause.after(&too_many)).collect();
        assert_eq!(pauses.len(), 12);
        assert_eq!(pauses[0], Pause::FIRST);
        assert_eq!(pauses[1], Pause::FIRST * 2);
        assert_eq!(pauses[11], Pause::LONGEST);
    }
}
