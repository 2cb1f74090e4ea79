//! One connection, cut when its client takes too long: to send a request, to read a response, or to
//! want anything at all.
//!
//! Hyper's own timeout knows the first of these only, and takes the silence between two requests for a slow
//! header. So the stream and the bodies tell a [`Clock`] what the connection is doing, and the future that
//! drives the connection ends when the deadline of that has passed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Limits;
use crate::api::TakesLong;

/// Who is at the other end of a request's connection: the client, or the last proxy before this server. Clients of a unix
/// socket are this machine, 127.0.0.1 with the port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves one connection to its end, or until it is cut. When `stop` is ready, the request that is being
/// answered is the last.
pub(crate) async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    clock: Clock,
    stop: impl Future<Output = ()>,
) {
    let limits = clock.state().limits;
    let io = TokioIo::new(Watched { stream, clock: clock.clone() });
    let service = Timed { router: TowerToHyperService::new(router), clock: clock.clone(), peer: Peer(peer) };
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        // Half as much again, so that it is the header's bound that speaks.
        .max_buf_size((limits.header_bytes + limits.header_bytes / 2).max(8192));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut overdue = pin!(clock.overdue());
    let mut stopped = pin!(stop);
    let mut is_stopping = false;
    std::future::poll_fn(|cx| {
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            if let Err(error) = result {
                tracing::debug!("a connection failed: {error}");
            }
            return Poll::Ready(());
        }
        // After the connection, which may have moved the deadline.
        let doing = ready!(overdue.as_mut().poll(cx));
        tracing::debug!("a connection was cut while {doing}");
        Poll::Ready(())
    })
    .await;
}

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Handshaking,
    ReadingHeader,
    Responding,
    Nothing,
}

/// Knows what a connection is doing, and how long it may.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    state: Arc<Mutex<State>>,
    /// Told when the connection has been answered and waits for its client again.
    waits: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    doing: Doing,
    since: Instant,
    /// Whether a request was ever read.
    has_asked: bool,
    /// How long the response may take.
    response_time: Duration,
    /// Whether the response's last byte was handed to hyper.
    body_done: bool,
}

impl Clock {
    /// Of a connection that has just come. `waits` is told when it has been answered and waits for its client again.
    pub(crate) fn start(limits: Limits, waits: Arc<Notify>) -> Self {
        let response_time = limits.response_time;
        let (doing, since) = (Doing::ReadingHeader, Instant::now());
        let state = State { limits, doing, since, has_asked: false, response_time, body_done: false };
        Self { state: Arc::new(Mutex::new(state)), waits }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection begins with a handshake.
    pub(crate) fn handshake_begins(&self) {
        self.state().change(Doing::Handshaking);
    }

    /// The handshake is done.
    pub(crate) fn handshake_done(&self) {
        self.state().change(Doing::ReadingHeader);
    }

    /// Whether it has ever asked for something, and since when it has not, if it is not being answered.
    pub(crate) fn waits(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        (state.doing != Doing::Responding).then_some((state.has_asked, state.since))
    }

    pub(crate) fn request_came(&self) {
        let mut state = self.state();
        state.change(Doing::Responding);
        state.has_asked = true;
        state.response_time = state.limits.response_time;
        state.body_done = false;
    }

    fn response_takes(&self, time: Duration) {
        self.state().response_time = time;
    }

    pub(crate) fn body_done(&self) {
        self.state().body_done = true;
    }

    fn bytes_came(&self) {
        let mut state = self.state();
        if state.doing == Doing::Nothing {
            state.change(Doing::ReadingHeader);
        }
    }

    /// Everything that hyper held has gone to the kernel. A part of the next request that came early waits
    /// for the rest of it as an idle connection does.
    pub(crate) fn flushed(&self) {
        let mut state = self.state();
        if state.doing == Doing::Responding && state.body_done {
            state.change(Doing::Nothing);
            drop(state);
            self.waits.notify_one();
        }
    }

    /// Waits until the connection has taken too long for what it is doing, and returns what that is.
    pub(crate) async fn overdue(&self) -> &'static str {
        let mut timer = pin!(tokio::time::sleep_until(self.state().deadline()));
        std::future::poll_fn(|cx| {
            loop {
                let deadline = self.state().deadline();
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                let state = self.state();
                // Polling takes time, too.
                if state.deadline() <= Instant::now() {
                    return Poll::Ready(match state.doing {
                        Doing::Handshaking => "shaking hands",
                        Doing::ReadingHeader => "sending a request",
                        Doing::Responding => "reading a response",
                        Doing::Nothing => "idle",
                    });
                }
            }
        })
        .await
    }
}

impl State {
    fn change(&mut self, doing: Doing) {
        self.doing = doing;
        self.since = Instant::now();
    }

    fn deadline(&self) -> Instant {
        self.since
            + match self.doing {
                Doing::Handshaking => self.limits.handshake_time,
                Doing::ReadingHeader => self.limits.header_time,
                Doing::Responding => self.response_time,
                Doing::Nothing => self.limits.idle_time,
            }
    }
}

/// The stream, telling the clock what passes.
struct Watched<S> {
    stream: S,
    clock: Clock,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.clock.bytes_came();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Hyper flushes the stream once it holds nothing more itself.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = result {
            self.clock.flushed();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The routes, telling the clock of requests and of the ends of responses.
struct Timed {
    router: TowerToHyperService<Router>,
    clock: Clock,
    peer: Peer,
}

type RouterFuture = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

impl Service<Request<Incoming>> for Timed {
    type Response = Response<TimedBody>;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.clock.request_came();
        request.extensions_mut().insert(self.peer);
        Answer { inner: Box::pin(self.router.call(request)), clock: self.clock.clone() }
    }
}

struct Answer {
    inner: Pin<Box<RouterFuture>>,
    clock: Clock,
}

impl Future for Answer {
    type Output = Result<Response<TimedBody>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.inner.as_mut().poll(cx))?;
        if let Some(TakesLong(time)) = response.extensions().get() {
            self.clock.response_takes(*time);
        }
        let clock = self.clock.clone();
        Poll::Ready(Ok(response.map(|body| TimedBody { body, clock })))
    }
}

/// A response's body, which hyper lets go once it has taken all of it.
struct TimedBody {
    body: Body,
    clock: Clock,
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.clock.body_done();
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
