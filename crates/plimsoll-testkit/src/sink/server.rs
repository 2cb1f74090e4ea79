//! The sink's side of its connections.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::answer::Way;
use super::reader::{Reader, Wire};
use super::request::Request;
use super::{Answer, Shared};

/// Runs the sink in this thread until it is told to stop.
pub(super) fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = accept(listener, shared, tls) => {}
        }
    });
    // A script that hangs in a blocking call must not hang the test.
    runtime.shutdown_timeout(Duration::from_secs(10));
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = {
            let mut state = shared.state();
            state.accepted += 1;
            state.accepted
        };
        // An answer in small pieces goes out as such.
        stream.set_nodelay(true).ok();
        let mut kick = shared.kick.subscribe();
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = kick.changed() => {}
                // An error means that the connection is over.
                _ = meet(stream, &shared, tls, connection) => {}
            }
        });
    }
}

async fn meet(
    stream: TcpStream,
    shared: &Shared,
    tls: Option<TlsAcceptor>,
    connection: usize,
) -> io::Result<()> {
    match tls {
        None => serve(Reader::new(stream, shared, connection), shared).await,
        Some(tls) => serve(Reader::new(tls.accept(stream).await?, shared, connection), shared).await,
    }
}

async fn serve(mut reader: Reader<'_, impl Wire>, shared: &Shared) -> io::Result<()> {
    loop {
        let request = match reader.request().await {
            Ok(request) => request,
            Err(error) => {
                shared.state().cut += usize::from(reader.has_begun());
                return Err(error);
            }
        };
        let is_last = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = note(shared, request);
        if !give(&mut reader.stream, answer).await? {
            return Ok(());
        }
        if is_last {
            return reader.stream.shutdown().await;
        }
    }
}

/// Notes a request and finds its answer.
fn note(shared: &Shared, mut request: Request) -> Answer {
    let (request, next, script) = {
        let mut state = shared.state();
        request.number = state.number;
        state.number += 1;
        let request = Arc::new(request);
        state.requests.push(request.clone());
        let next = if request.broken.is_none() { state.next.pop_front() } else { None };
        (request, next, state.script.clone())
    };
    match (&request.broken, next) {
        (Some(error), _) => Answer::new(400).body(format!("cannot decompress the body: {error}")),
        (None, Some(answer)) => answer,
        (None, None) => script(&request),
    }
}

/// Gives an answer, and says whether the connection goes on.
async fn give(stream: &mut impl Wire, answer: Answer) -> io::Result<bool> {
    tokio::time::sleep(answer.delay).await;
    let bytes = answer.bytes();
    match answer.way {
        Way::Whole | Way::Close | Way::Raw => stream.write_all(&bytes).await?,
        Way::Half => stream.write_all(&bytes[..bytes.len() / 2]).await?,
        Way::Slow(pause) => {
            for byte in bytes {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
            }
        }
        Way::Reset => stream.reset()?,
        Way::Hang => std::future::pending().await,
    }
    match answer.way {
        Way::Whole | Way::Slow(_) => stream.flush().await.map(|()| true),
        Way::Reset => Ok(false),
        _ => stream.shutdown().await.map(|()| false),
    }
}
