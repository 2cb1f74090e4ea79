//! The server on a real socket with a backend that says what a test wants, and a client that sees every byte.

#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_model::agent::{Agent, Build, Engine, EngineState};
use plimsoll_model::{Container, ContainerRow, Selection, Slot, Snapshot, State};
use plimsoll_store::History;
use plimsoll_web::{App, Backend, Flushed, Limits, NoHistory, Place, Status, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes; only a test that fails waits for it.
pub(crate) const FAR_TOO_LONG: Duration = Duration::from_secs(60);
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Bounds of time that are never reached, so that a test sees the one that it shortens.
pub(crate) fn patient() -> Limits {
    let never = FAR_TOO_LONG * 60;
    Limits {
        handshake_time: never,
        header_time: never,
        idle_time: never,
        response_time: never,
        wait_time: never,
        ..Limits::default()
    }
}

pub(crate) struct Fake {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) status: Mutex<Status>,
    /// Whether a snapshot never comes.
    pub(crate) hangs: bool,
    pub(crate) history: Result<History, NoHistory>,
}

impl Backend for Fake {
    async fn snapshot(&self) -> Arc<Snapshot> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.snapshot)
    }

    fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }

    fn history(&self) -> Result<History, NoHistory> {
        self.history.clone()
    }

    async fn flush(&self, target: Option<String>, _: Duration) -> Vec<Flushed> {
        let named = self.snapshot.agent.targets.iter().map(|known| known.name.clone());
        named
            .filter(|name| target.as_ref().is_none_or(|target| target == name))
            .map(|target| Flushed { target, answered: true, delivered: 7, ..Flushed::default() })
            .collect()
    }
}

pub(crate) fn container(name: &str, id: usize) -> ContainerRow {
    let mut container =
        Container::new(&format!("{id:064}").chars().rev().collect::<String>(), "docker".into());
    container.name = name.to_owned();
    container.state = State::Running;
    let mut row = ContainerRow::new(Arc::new(container));
    row.values.set(Slot::CpuUsage, 1_500_000_000);
    row.values.set(Slot::MemoryUsage, 4096);
    row
}

pub(crate) fn fake() -> Fake {
    let engine = Engine { state: EngineState::Up, ..Engine::new("docker", "unix:///var/run/docker.sock") };
    let build = Build { version: "0.1.0-test", ..Build::default() };
    let agent = Agent { engines: vec![engine], build, ..Agent::default() };
    let snapshot = Snapshot {
        containers: vec![container("web", 1), container("<db>", 2)],
        agent,
        ..Snapshot::default()
    };
    let status = Status { docker_connected: true, ..Status::default() };
    Fake {
        snapshot: Arc::new(snapshot),
        status: Mutex::new(status),
        hangs: false,
        history: Err(NoHistory::Off),
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Fake>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(backend: Fake, limits: Limits) -> Self {
        Self::start_at(backend, limits, Place::default()).await
    }

    pub(crate) async fn start_at(backend: Fake, limits: Limits, place: Place) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let backend = Arc::new(backend);
        let selection = Selection::default();
        let app = App { backend: Arc::clone(&backend), selection, openmetrics_created: true, limits, place };
        let task = tokio::spawn(serve(listener, app, async {
            let _ = stopped.await;
        }));
        Self { address, backend, stop, task }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(fake(), Limits::default()).await
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn get(&self, target: &str, headers: &str) -> Reply {
        self.ask("GET", target, headers).await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &str) -> Reply {
        let mut client = self.connect().await;
        client.send(&format!("{method} {target} HTTP/1.1\r\nHost: example:1\r\n{headers}\r\n")).await;
        client.reply(method == "HEAD").await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(FAR_TOO_LONG, self.task).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads more; false when the server has closed or cut the connection.
    pub(crate) async fn more(&mut self) -> bool {
        let mut chunk = vec![0; 65536];
        let read = tokio::time::timeout(FAR_TOO_LONG, self.stream.read(&mut chunk)).await;
        match read.expect("neither an answer nor an end") {
            Ok(count) if count > 0 => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            _ => false,
        }
    }

    /// The next reply; `None` where the connection ends before it.
    pub(crate) async fn reply(&mut self, without_body: bool) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if headers.contains_key("transfer-encoding") && !without_body {
            let body = self.chunks().await?;
            return Some(Reply { code, headers, body });
        }
        let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let length = if without_body { 0 } else { length };
        while self.read.len() < length {
            assert!(self.more().await, "the body ends early");
        }
        Some(Reply { code, headers, body: self.read.drain(..length).collect() })
    }

    /// A body in chunks; `None` where it breaks off.
    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                if !self.more().await {
                    return None;
                }
            };
            let line = String::from_utf8(self.read.drain(..end + 2).collect()).unwrap();
            let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
            while self.read.len() < length + 2 {
                if !self.more().await {
                    return None;
                }
            }
            body.extend(self.read.drain(..length));
            self.read.drain(..2);
            if length == 0 {
                return Some(body);
            }
        }
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn is_cut(&mut self) {
        while self.more().await {}
    }
}
