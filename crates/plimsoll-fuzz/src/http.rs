//! Whole answers as they come over a socket: heads, lengths, chunked bodies, and what follows them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plimsoll_engine::{Client, Endpoint, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::chunks::chunks;
use crate::engine::{check_event, check_listing, check_podman_sample};

/// An engine that has said everything and hung up keeps nobody waiting. This is for a machine with other things to do,
/// and shorter than the client's own timeouts, which must not be what ends the wait.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest head of a request.
const MAX_REQUEST: usize = 16 * 1024;

/// Pieces of an answer are as many times this long, in bytes, as their first byte says.
const UNIT: usize = 4;

/// Numbers the sockets of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// An engine that gives these bytes to every request, in pieces, and closes the connection.
pub fn http(bytes: &[u8]) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // Rust's own start-up code ignores this signal, and a fuzzer does not start there.
        let _ignored = signal(SignalKind::pipe()).expect("a handler for SIGPIPE");
        // An abstract name: there is no file to remove, also if this process ends in the middle.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("\0plimsoll-fuzz-{}-{number}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        let asking = timeout(PATIENCE, ask(Client::new(Endpoint::Unix(path)), bytes.len()));
        tokio::select! {
            asked = asking => asked.expect("an answer that ended, and a client that did not see it"),
            () = serve(&listener, bytes) => {}
        }
    });
}

async fn ask(client: Client, length: usize) {
    // The other calls read their answers as one of these does, and what is in a body is for `engine_replies`.
    in_time(client.version().await);
    in_time(client.containers().await).iter().for_each(check_listing);
    if let Some(mut samples) = in_time(client.libpod_stats(1).await) {
        let mut count = 0;
        while let Some(sample) = in_time(samples.next().await).flatten() {
            check_podman_sample(&sample);
            count += 1;
        }
        assert!(count <= length && samples.skipped() <= length as u64, "more samples than bytes");
        assert!(matches!(samples.next().await, Ok(None)), "a stream that ended goes on");
    }
    let Some(mut events) = in_time(client.events(Some(1)).await) else { return };
    let mut count = 0;
    while let Some(event) = in_time(events.next().await).flatten() {
        check_event(&event);
        count += 1;
    }
    assert!(count <= length && events.skipped() <= length as u64, "more events than bytes");
    assert!(matches!(events.next().await, Ok(None)), "a stream that ended goes on");
}

/// What came of a call, if it was not the clock that ended it.
fn in_time<T>(outcome: Result<T, Error>) -> Option<T> {
    let waited = matches!(outcome, Err(Error::Timeout { .. } | Error::ConnectTimeout { .. }));
    assert!(!waited, "waited in vain for an engine that had hung up");
    if let Err(error) = &outcome {
        let message = error.to_string();
        assert!(message.len() < 8 * 1024, "an error of {} bytes", message.len());
    }
    outcome.ok()
}

async fn serve(listener: &UnixListener, bytes: &[u8]) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that has heard enough closes the connection; the next one is served all the same.
        answer(stream, bytes).await.ok();
    }
}

async fn answer(mut stream: UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !request.ends_with(b"\r\n\r\n") && request.len() < MAX_REQUEST {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    for chunk in chunks(bytes, UNIT) {
        stream.write_all(chunk).await?;
        tokio::task::yield_now().await;
    }
    stream.shutdown().await
}
