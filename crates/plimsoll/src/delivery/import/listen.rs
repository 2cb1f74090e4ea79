//! Points from whoever connects: a bounded number at a time, each with lines of bounded length.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::feed::Feed;
use super::read::Reader;
use super::{Format, Precision};
use crate::failure::Failure;

/// Connections at a time. Others wait until one ends.
const CONNECTIONS: usize = 64;

/// A connection over which nothing comes for so long is closed: it takes a place.
const IDLE: Duration = Duration::from_secs(600);

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Where somebody can connect.
pub(super) enum Listener {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, Socket),
}

/// A socket in the file system, which is taken away at the end.
#[cfg(unix)]
pub(super) struct Socket(PathBuf);

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

type Connection = Box<dyn AsyncRead + Send + Unpin>;

impl Listener {
    /// Listens at an address. Needs a tokio runtime.
    pub(super) fn tcp(address: SocketAddr) -> Result<Self, Failure> {
        let bound = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(tokio::net::TcpListener::from_std);
        bound.map(Self::Tcp).map_err(|error| {
            Failure::world(format!("cannot listen at {address}"))
                .remedy("choose another address with --listen")
                .because(error)
        })
    }

    /// Listens at a socket, in the place of one at which nobody listens any more.
    #[cfg(unix)]
    pub(super) fn unix(path: &Path) -> Result<Self, Failure> {
        let bound = bind(path);
        bound.map(|listener| Self::Unix(listener, Socket(path.to_owned()))).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there, or the file is no socket",
                _ => "choose another path with --listen, in a folder that this user can write",
            };
            Failure::world(format!("cannot listen at {}", path.display())).remedy(remedy).because(error)
        })
    }

    /// Where it is, for a message.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| format!("tcp:{address}"))
            }
            #[cfg(unix)]
            Self::Unix(_, socket) => format!("unix:{}", socket.0.display()),
        }
    }

    async fn accept(&self) -> io::Result<(Connection, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Box::new(stream), peer.to_string()))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), "a connection".to_owned())),
        }
    }
}

#[cfg(unix)]
fn bind(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket());
    // Nobody listens at what a process left that was killed.
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = tokio::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Takes points from whoever connects until `stopped`; then ends what was begun.
pub(super) async fn serve(
    listener: Listener,
    format: Format,
    precision: Precision,
    feed: Feed,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let for_each = stopped.clone();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            biased;
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            (accepted, place) = accepted => match accepted {
                Ok((connection, peer)) => {
                    let reader = Reader::new(format, precision, peer.clone(), Arc::clone(&feed.counts));
                    let read = read(connection, peer, reader, feed.clone(), for_each.clone());
                    connections.spawn(async move {
                        read.await;
                        drop(place);
                    });
                }
                // For want of file descriptors, for instance; the others go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until it is told to stop.
pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    // That nobody can tell it any more is the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn read(
    mut connection: Connection,
    peer: String,
    mut reader: Reader,
    feed: Feed,
    mut stopped: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; PIECE];
    loop {
        let read = tokio::select! {
            biased;
            read = tokio::time::timeout(IDLE, connection.read(&mut bytes)) => read,
            () = told(&mut stopped) => break,
        };
        let pushed = match read {
            Ok(Ok(0)) => break,
            Ok(Ok(length)) => reader.push(&bytes[..length]),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => break,
        };
        if let Err(what) = pushed {
            feed.counts.broken(&peer, &what);
            return;
        }
        if hand_over(&mut reader, &feed).await.is_err() {
            return;
        }
    }
    reader.end();
    let _ = hand_over(&mut reader, &feed).await;
}

/// Hands on all that a reader has.
pub(super) async fn hand_over(reader: &mut Reader, feed: &Feed) -> Result<(), super::feed::Ended> {
    loop {
        let points = reader.take();
        if points.is_empty() {
            return Ok(());
        }
        feed.send(points).await?;
    }
}
