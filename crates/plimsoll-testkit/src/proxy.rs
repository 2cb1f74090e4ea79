//! A recording proxy in front of an engine's socket.
//!
//! The way to prove what a program asks of a real engine, and what it does not: no call per sample, nothing but `GET`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use crate::http;

type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A proxy with a socket of its own. It passes every byte in both directions and notes every request that goes by. It
/// ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    requests: Requests,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Proxy {
    /// Starts a proxy in front of the socket `engine`.
    ///
    /// # Panics
    /// If the proxy cannot listen.
    pub fn start(engine: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("proxy.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let requests = Requests::default();
        let (stop, stopped) = oneshot::channel();
        let (engine, noted) = (engine.to_owned(), requests.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, engine, noted) => {}
                }
            });
        });
        Self { socket, requests, stop: Some(stop), thread: Some(thread), _dir: dir }
    }

    /// Where the program under test connects instead of the engine's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Every request so far, as method and path with its query, in the order of arrival.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn accept(listener: UnixListener, engine: PathBuf, requests: Requests) {
    while let Ok((client, _)) = listener.accept().await {
        let requests = requests.clone();
        // A proxy without an engine behind it closes, as an engine that has just died does.
        let Ok(server) = UnixStream::connect(&engine).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(pass(from_client, to_server, Some(requests)));
        tokio::spawn(pass(from_server, to_client, None));
    }
}

/// Passes bytes on until one side ends, noting requests on the way if asked to.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, requests: Option<Requests>) {
    let mut chunk = vec![0; 64 * 1024];
    let mut noting = requests.map(|requests| Notes { requests, pending: Vec::new(), body: Some(0) });
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        if let Some(notes) = &mut noting {
            notes.take(&chunk[..read]);
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    to.shutdown().await.ok();
}

struct Notes {
    requests: Requests,
    /// Bytes of a head that is not complete.
    pending: Vec<u8>,
    /// How many bytes of the current body are still to come; `None` if nobody knows and noting has ended.
    body: Option<usize>,
}

impl Notes {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(body) = self.body {
            let skipped = body.min(bytes.len());
            bytes = &bytes[skipped..];
            self.body = Some(body - skipped);
            if bytes.is_empty() {
                return;
            }
            let before = self.pending.len();
            self.pending.extend_from_slice(bytes);
            let Some(end) = http::end_of_head(&self.pending) else { return };
            let head = http::parse(&self.pending[..end - 4]);
            bytes = &bytes[end - before..];
            self.pending.clear();
            self.body = head.as_ref().and_then(|head| head.body);
            self.requests.lock().unwrap().extend(head.map(|head| (head.method, head.path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_engine::FakeEngine;
    use std::io::{Read, Write};

    #[test]
    fn it_passes_and_notes() {
        let engine = FakeEngine::start();
        let proxy = Proxy::start(engine.socket());
        let mut stream = std::os::unix::net::UnixStream::connect(proxy.socket()).unwrap();
        for part in
            ["GET /_ping HTTP/1.1\r\n", "Host: x\r\n\r\n", "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"]
        {
            stream.write_all(part.as_bytes()).unwrap();
        }
        stream.write_all(b"GET /version HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("OK") && answer.contains("ApiVersion"), "{answer}");

        let expected = [("GET", "/_ping"), ("POST", "/x"), ("GET", "/version")];
        let expected = expected.map(|(method, path)| (method.to_owned(), path.to_owned()));
        assert_eq!(proxy.requests(), expected);
        assert_eq!(engine.requests(), expected);
        proxy.forget();
        assert!(proxy.requests().is_empty());
    }
}
