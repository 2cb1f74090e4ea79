//! One `GET` over a kept or a fresh connection.
//!
//! This is the only place that builds a request, and the method is not an argument: the rest of the crate cannot ask an
//! engine for anything but a reading. The exception has a feature of its own, `lifecycle`, and a module of that name.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::http::HeaderValue;
use hyper::{Method, Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Obstacle, excerpt};
use crate::{Endpoint, Error, Result, SshHost, ssh, tls};

/// How many idle connections are kept for the next request. An agent asks one thing after the other; the rest serves
/// the moments when several containers appear at once.
pub const MAX_IDLE_CONNECTIONS: usize = 4;

/// How long an engine may take to accept a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an ordinary request may take, from sending it to the last byte of the answer. Events have no end and hence
/// no such bound, except for the head of the answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the body of an error answer is read, in bytes.
const MAX_ERROR_BODY: usize = 4 * 1024;

/// How much of a path is shown in an error, in characters.
const MAX_SHOWN_PATH: usize = 200;

/// What this client calls itself.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION")));

/// How long to wait for an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For accepting a connection; [`CONNECT_TIMEOUT`] by default. A connection through ssh may take ten times as long.
    pub connect: Duration,
    /// For a whole ordinary request; [`REQUEST_TIMEOUT`] by default.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, request: REQUEST_TIMEOUT }
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// The way to one engine, with its idle connections.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) endpoint: Endpoint,
    timeouts: Timeouts,
    host: HeaderValue,
    /// The ssh command; tests have another.
    pub(crate) ssh: PathBuf,
    /// How many times as long as usual a request may take.
    pub(crate) patience: AtomicU32,
    /// A `std` mutex: it is held for a push or a pop and never across an await.
    idle: Mutex<Vec<Sender>>,
}

/// An answer of unknown length that is still coming in. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) body: Incoming,
    /// Held so that the connection lives as long as the body is read.
    _sender: Sender,
}

/// Why one exchange on one connection failed.
enum Failure {
    /// Nothing came back: if the connection was a kept one, it may just have been closed meanwhile.
    Head(hyper::Error),
    Body(hyper::Error),
    Status {
        status: u16,
        message: String,
        /// The whole answer was read, so the connection can serve another request.
        complete: bool,
    },
    TooLarge(usize),
}

impl Transport {
    pub(crate) fn new(endpoint: Endpoint, timeouts: Timeouts) -> Self {
        let host = HeaderValue::try_from(endpoint.host_header());
        let host = host.unwrap_or(HeaderValue::from_static("localhost"));
        Self {
            endpoint,
            timeouts,
            host,
            ssh: PathBuf::from("ssh"),
            patience: AtomicU32::new(1),
            idle: Mutex::default(),
        }
    }

    /// The whole body of `GET path`, if the status is 2xx and the body is at most `limit` bytes long.
    pub(crate) async fn get(&self, path: &str, limit: usize) -> Result<Bytes> {
        let request = self.request(path)?;
        let within = self.usual_time();
        if let Some(sender) = self.take_idle() {
            let exchange = self.exchange(sender, request.clone(), limit);
            match self.in_time(|| doing(path), within, exchange).await? {
                // The engine closed it meanwhile, as it does when it restarts; its siblings fare no better.
                Err(Failure::Head(_)) => self.idle().clear(),
                outcome => return outcome.map_err(|failure| self.error(doing(path), failure)),
            }
        }
        let sender = self.connect().await?;
        let exchange = self.exchange(sender, request, limit);
        let outcome = self.in_time(|| doing(path), within, exchange).await?;
        outcome.map_err(|failure| self.error(doing(path), failure))
    }

    /// `GET path` on a connection of its own, for an answer that has no end.
    pub(crate) async fn stream(&self, path: &str) -> Result<Stream> {
        let request = self.request(path)?;
        let mut sender = self.connect().await?;
        let head = head(&mut sender, request);
        let outcome = self.in_time(|| doing(path), self.usual_time(), head).await?;
        let response = outcome.map_err(|failure| self.error(doing(path), failure))?;
        Ok(Stream { body: response.into_body(), _sender: sender })
    }

    /// A request that is no `GET`, and its whole answer. It has a connection of its own: one that a kept connection
    /// swallowed could not be sent again, as the engine may have done what it says.
    #[cfg(feature = "lifecycle")]
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        told: &str,
        within: Duration,
        limit: usize,
    ) -> Result<Bytes> {
        let sender = self.connect().await?;
        let exchange = self.exchange(sender, request, limit);
        let outcome = self.in_time(|| told.to_owned(), within, exchange).await?;
        outcome.map_err(|failure| self.error(told.to_owned(), failure))
    }

    /// As [`send`](Self::send), for an answer that comes in bit by bit.
    #[cfg(feature = "lifecycle")]
    pub(crate) async fn send_for_stream(
        &self,
        request: Request<Full<Bytes>>,
        told: &str,
        within: Duration,
    ) -> Result<Stream> {
        let mut sender = self.connect().await?;
        let head = head(&mut sender, request);
        let outcome = self.in_time(|| told.to_owned(), within, head).await?;
        let response = outcome.map_err(|failure| self.error(told.to_owned(), failure))?;
        Ok(Stream { body: response.into_body(), _sender: sender })
    }

    /// A broken connection in the middle of a [`Stream`].
    pub(crate) fn broken(&self, told: String, source: hyper::Error) -> Error {
        self.error(told, Failure::Body(source))
    }

    /// `GET path`.
    pub(crate) fn request(&self, path: &str) -> Result<Request<Full<Bytes>>> {
        let uri: Uri = path.parse().map_err(|source| Error::Request {
            endpoint: self.endpoint.clone(),
            doing: doing(path),
            source,
        })?;
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        Ok(request)
    }

    /// One request and its whole answer. The connection goes back to the idle ones if it can serve another request.
    async fn exchange(
        &self,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> std::result::Result<Bytes, Failure> {
        let outcome = match head(&mut sender, request).await {
            Ok(response) => read(response.into_body(), limit).await,
            Err(failure) => Err(failure),
        };
        if matches!(outcome, Ok(_) | Err(Failure::Status { complete: true, .. })) {
            let mut idle = self.idle();
            if idle.len() < MAX_IDLE_CONNECTIONS {
                idle.push(sender);
            }
        }
        outcome
    }

    async fn connect(&self) -> Result<Sender> {
        let within = match self.endpoint {
            Endpoint::Ssh(_) => self.timeouts.connect * ssh::PATIENCE,
            _ => self.timeouts.connect,
        };
        let connecting = async {
            match &self.endpoint {
                #[cfg(unix)]
                Endpoint::Unix(path) => {
                    handshake(tokio::net::UnixStream::connect(path).await?, async {}).await
                }
                #[cfg(not(unix))]
                Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
                Endpoint::Tcp { host, port } => handshake(tcp(host, *port).await?, async {}).await,
                Endpoint::Tls { host, port, certificates } => {
                    let stream = tls::connect(tcp(host, *port).await?, host, certificates).await?;
                    handshake(stream, async {}).await
                }
                Endpoint::Ssh(host) => self.connect_ssh(host, within).await,
            }
        };
        match timeout(within, connecting).await {
            Ok(connected) => connected.map_err(|obstacle| obstacle.at(self.endpoint.clone())),
            Err(_) => Err(Error::ConnectTimeout { endpoint: self.endpoint.clone(), after: within }),
        }
    }

    /// Only an answer shows that ssh came through and that an engine is at its other end: until then, what ssh has to
    /// say is the explanation.
    async fn connect_ssh(&self, host: &SshHost, patience: Duration) -> std::result::Result<Sender, Obstacle> {
        let (stream, process) = ssh::open(&self.ssh, host, patience)?;
        let (ended, explanation) = oneshot::channel();
        let host = host.clone();
        let mut sender = handshake(stream, async move {
            // Nobody listens any more once the connection stood.
            ended.send(process.end(&host).await).ok();
        })
        .await?;
        let ping = self.request("/_ping").map_err(|error| Obstacle::secure(error.to_string()))?;
        let answer = match head(&mut sender, ping).await {
            Ok(response) => read(response.into_body(), MAX_ERROR_BODY).await.map(drop),
            Err(failure) => Err(failure),
        };
        match answer {
            Ok(()) | Err(Failure::Status { complete: true, .. }) => Ok(sender),
            Err(_) => {
                drop(sender);
                let gone = |_| Obstacle::secure("the connection through ssh broke");
                Err(explanation.await.unwrap_or_else(gone))
            }
        }
    }

    fn usual_time(&self) -> Duration {
        self.timeouts.request * self.patience.load(Ordering::Relaxed)
    }

    pub(crate) async fn in_time<T>(
        &self,
        told: impl FnOnce() -> String,
        after: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        let late = |_| Error::Timeout { endpoint: self.endpoint.clone(), doing: told(), after };
        timeout(after, work).await.map_err(late)
    }

    fn error(&self, doing: String, failure: Failure) -> Error {
        // A server of TLS 1.3 may refuse this client's certificate when this client is through with its handshake.
        if let (Endpoint::Tls { certificates, .. }, Failure::Head(error) | Failure::Body(error)) =
            (&self.endpoint, &failure)
        {
            let silent = matches!(failure, Failure::Head(_)) && !error.is_parse();
            let refusal = tls::explain(error, certificates);
            if let Some(obstacle) = refusal.or_else(|| silent.then(|| tls::explain_silence(certificates))) {
                return obstacle.at(self.endpoint.clone());
            }
        }
        let endpoint = self.endpoint.clone();
        match failure {
            Failure::Head(source) | Failure::Body(source) => Error::Transport { endpoint, doing, source },
            Failure::Status { status, message, .. } => Error::Status { endpoint, doing, status, message },
            Failure::TooLarge(limit) => Error::TooLarge { endpoint, doing, limit },
        }
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle();
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sender>> {
        // Nothing that is done under this lock can leave the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a request is named in errors: without its query, and bounded.
pub(crate) fn doing(path: &str) -> String {
    format!("GET {}", shown(path))
}

/// A path without its query, and bounded.
pub(crate) fn shown(path: &str) -> String {
    path.split('?').next().unwrap_or_default().chars().take(MAX_SHOWN_PATH).collect()
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Speaks HTTP over `stream`; when the connection is over and the stream is gone, does what comes `afterwards`.
async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    afterwards: impl Future<Output = ()> + Send + 'static,
) -> std::result::Result<Sender, Obstacle> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends when the sender and the last body are gone; its error reaches whoever waits for an answer.
    tokio::spawn(async move {
        drop(connection.await);
        afterwards.await;
    });
    Ok(sender)
}

/// Sends the request and reads the head of the answer; another status than 2xx is a failure.
async fn head(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
) -> std::result::Result<Response<Incoming>, Failure> {
    sender.ready().await.map_err(Failure::Head)?;
    let response = sender.send_request(request).await.map_err(Failure::Head)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let mut said = Vec::new();
    let mut body = response.into_body();
    let complete = loop {
        match body.frame().await {
            Some(Ok(frame)) if said.len() < MAX_ERROR_BODY => {
                said.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            // Whatever cuts the explanation short, the status is known, and the status is the news.
            Some(_) => break false,
            None => break true,
        }
    };
    said.truncate(MAX_ERROR_BODY);
    Err(Failure::Status { status: status.as_u16(), message: excerpt(&said), complete })
}

async fn read(mut body: Incoming, limit: usize) -> std::result::Result<Bytes, Failure> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Failure::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(Failure::Body)?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > limit {
            return Err(Failure::TooLarge(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}
