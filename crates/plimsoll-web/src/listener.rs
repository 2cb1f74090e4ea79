//! Where the server listens: addresses and unix sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::seats::Holder;

/// A place where the server listens. Connections to unix sockets have no TLS, and are asked for passwords and tokens as all
/// others are.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A unix socket. Whoever made its file removes it.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// A connection that has just come, and from where.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) holder: Holder,
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// Whether it can be used at all.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|_| ()),
            #[cfg(unix)]
            Self::Unix(listener) => listener.local_addr().map(|_| ()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Responses are written whole, so that there is nothing to wait for.
                let _ = stream.set_nodelay(true);
                Ok(Accepted { stream: Stream::Tcp(stream), peer, holder: Holder::of(peer.ip()) })
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Ok(Accepted { stream: Stream::Unix(stream), peer, holder: Holder::LOCAL })
            }
        }
    }
}
