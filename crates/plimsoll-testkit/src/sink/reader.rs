//! Reads requests from a connection as long as connections are served.

use std::io::{self, ErrorKind};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::request::{Request, split};
use super::{Connections, Shared};
use crate::http;

/// The longest head and the longest body that are read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 256 * 1024 * 1024;

/// How much is read at once at least, if it is there, in bytes.
const AT_ONCE: usize = 16 * 1024;

/// A connection, with TLS or without.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Has the connection reset when it is dropped.
    fn reset(&self) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn reset(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Wire for TlsStream<TcpStream> {
    fn reset(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

pub(super) struct Reader<'a, S> {
    pub(super) stream: S,
    shared: &'a Shared,
    connection: usize,
    buffer: Vec<u8>,
    /// How many bytes of the current request were taken out of the buffer.
    taken: usize,
}

impl<'a, S: Wire> Reader<'a, S> {
    pub(super) fn new(stream: S, shared: &'a Shared, connection: usize) -> Self {
        Self { stream, shared, connection, buffer: Vec::new(), taken: 0 }
    }

    /// Whether a part of a request has come.
    pub(super) fn has_begun(&self) -> bool {
        self.taken + self.buffer.len() > 0
    }

    /// Reads a request. An error says that the connection is over.
    pub(super) async fn request(&mut self) -> io::Result<Request> {
        self.taken = 0;
        let broken = || io::Error::from(ErrorKind::InvalidData);
        self.obey().await?;
        let end = loop {
            match http::end_of_head(&self.buffer) {
                Some(end) => break end,
                None if self.buffer.len() > MAX_HEAD => return Err(broken()),
                None => self.fill().await?,
            }
        };
        let head = self.take(end).await?;
        let head = http::parse(&head[..end - 4]).ok_or_else(broken)?;
        let body = match head.body {
            Some(length) if length > MAX_BODY => return Err(broken()),
            Some(length) => self.take(length).await?,
            None => self.chunks().await?,
        };
        let (path, queries) = split(&head.path);
        let mut request = Request {
            number: 0,
            connection: self.connection,
            at: Instant::now(),
            method: head.method,
            path,
            queries,
            headers: head.headers,
            body: Vec::new(),
            sent: body.len(),
            broken: None,
        };
        if self.shared.state().keeps_bodies {
            request.decode(body);
        }
        Ok(request)
    }

    /// The body of a request that does not say how long it is.
    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let broken = || io::Error::from(ErrorKind::InvalidData);
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.filter(|size| body.len().saturating_add(*size) <= MAX_BODY).ok_or_else(broken)?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.append(&mut self.take(size).await?);
            if !self.line().await?.is_empty() {
                return Err(broken());
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end + 2).await?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(ErrorKind::InvalidData.into());
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill().await?;
        }
        self.taken += count;
        let rest = self.buffer.split_off(count);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(AT_ONCE);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.obey().await
    }

    /// Does to the connection what was said of all.
    async fn obey(&self) -> io::Result<()> {
        let connections = self.shared.state().connections;
        match connections {
            Connections::Reset(after) if self.taken + self.buffer.len() >= after => {
                self.stream.reset()?;
                Err(ErrorKind::ConnectionReset.into())
            }
            Connections::Deaf => std::future::pending().await,
            _ => Ok(()),
        }
    }
}
