//! The accept loop.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::{App, Backend, Limits, connection, routes};

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
    listener.local_addr()?;
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut pause = Pause::default();
    let mut shutdown = pin!(shutdown);
    loop {
        // The place first: whom there is no room for stays in the backlog.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    pause = Pause::default();
                    // Responses are written whole, so that there is nothing to wait for.
                    let _ = stream.set_nodelay(true);
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        let _place = place;
                        connection::drive(stream, peer, router, limits, stopped).await;
                    });
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
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace_time, all_ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
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
