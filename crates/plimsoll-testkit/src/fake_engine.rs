//! A Docker engine in this process that says what a test wants to hear.
//!
//! It listens on a Unix socket in a directory of its own, answers `/_ping`, `/version`, `/info`, `/containers/json`,
//! `/containers/{id}/json`, `/containers/{id}/stats`, `/images/json`, `/images/{id}/json` and `/events` as API 1.41 (or another,
//! [`FakeEngine::set_api`]) does, and Podman's `/libpod/containers/json` and `/libpod/containers/stats`. It notes every
//! request, and misbehaves on request. It runs on a thread of its own, so tests need no runtime.
//!
//! ```
//! use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine};
//!
//! let engine = FakeEngine::start();
//! let id = engine.put(FakeContainer::new("web").image("nginx:1").pid(4711));
//! engine.set_behaviour("/info", Behaviour::Status(500, "no disk".to_owned()));
//! engine.emit("die", &id, &[("exitCode", "137")]);
//! engine.remove(&id);
//! ```

mod answer;
mod container;
mod server;
mod state;
mod stats;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{broadcast, watch};

use self::server::accept;
use self::state::State;

pub use self::container::{FakeContainer, id_of};
pub use self::stats::{FakeStats, Trouble};

/// How many events a slow subscriber may be behind before it loses some.
const EVENTS: usize = 4096;

/// The memory of the fake host, in bytes.
pub const HOST_MEMORY: u64 = 8 << 30;

/// The size of each image, in bytes.
pub const IMAGE_SIZE: u64 = 1_000_000;

/// How a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As an engine does.
    Normal,
    /// With this status and this body.
    Status(u16, String),
    /// With these bytes instead of an HTTP answer; then the connection is closed.
    Garbage(Vec<u8>),
    /// With the ordinary body cut to so many bytes, announced as if that were all.
    Truncate(usize),
    /// In chunks of so many bytes instead of with a `Content-Length`.
    Chunked(usize),
    /// Never; the connection stays open.
    Hang,
    /// With the head and half of the body; then the connection is closed.
    CloseMidBody,
    /// With this many bytes of JSON, in chunks: an array that holds nothing but white space.
    Huge(usize),
    /// As an engine does, but a byte at a time, with so much time before each.
    Drip(Duration),
    /// Not at all: it closes its side of the connection, and leaves the other open.
    HalfClose,
    /// With a body that never ends, and never has a new line either.
    Endless,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    events: broadcast::Sender<Vec<u8>>,
    /// Counts up to close every open connection.
    kick: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// The engine. It stops, and its socket goes away, when it is dropped.
#[derive(Debug)]
pub struct FakeEngine {
    shared: Arc<Shared>,
    socket: PathBuf,
    running: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    _dir: TempDir,
}

impl FakeEngine {
    /// Starts an engine without containers.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State {
            containers: Vec::new(),
            behaviours: Vec::new(),
            requests: Vec::new(),
            connections: 0,
            api: (1, 41),
            least: (1, 12),
            history: Vec::new(),
            id: dir.path().display().to_string(),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim().to_owned(),
            stats: stats::AllStats::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            events: broadcast::Sender::new(EVENTS),
            kick: watch::Sender::new(0),
        };
        let socket = dir.path().join("docker.sock");
        let mut engine = Self { shared: Arc::new(shared), socket, running: None, _dir: dir };
        engine.restart();
        engine
    }

    /// Where it listens, and listens again after [`restart`](Self::restart).
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// From the next connection on, the kernel that it runs on is of this release.
    pub fn set_kernel(&self, release: &str) {
        release.clone_into(&mut self.shared.state().kernel);
    }

    /// From the next connection on, it is another engine.
    pub fn set_id(&self, id: &str) {
        id.clone_into(&mut self.shared.state().id);
    }

    /// Adds a container, or replaces the one with the same id. Gives the id.
    pub fn put(&self, container: FakeContainer) -> String {
        let id = container.id.clone();
        let containers = &mut self.shared.state().containers;
        match containers.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = container,
            None => containers.push(container),
        }
        id
    }

    /// Takes a container away; true if it was there.
    pub fn remove(&self, id: &str) -> bool {
        let containers = &mut self.shared.state().containers;
        let before = containers.len();
        containers.retain(|container| container.id != id);
        containers.len() < before
    }

    /// The newest and the oldest API version it speaks; 1.41 and 1.12 at first.
    pub fn set_api(&self, newest: (u16, u16), oldest: (u16, u16)) {
        let state = &mut self.shared.state();
        (state.api, state.least) = (newest, oldest);
    }

    /// Sends a container event as API 1.41 does, with the container's name, image and labels if it is known, and these
    /// attributes. It reaches who is listening, see [`subscribers`](Self::subscribers), and who asks later what it missed.
    pub fn emit(&self, action: &str, id: &str, attributes: &[(&str, &str)]) {
        let container = self.shared.state().containers.iter().find(|container| container.id == id).cloned();
        let mut all = Map::new();
        if let Some(FakeContainer { name, image, labels, .. }) = container {
            all.extend(labels.into_iter().map(|(key, value)| (key, value.into())));
            all.extend([("name".to_owned(), name.into()), ("image".to_owned(), image.into())]);
        }
        all.extend(attributes.iter().map(|&(key, value)| (key.to_owned(), value.into())));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let event = json!({
            "status": action, "id": id, "from": all.get("image"), "Type": "container", "Action": action,
            "Actor": {"ID": id, "Attributes": all}, "scope": "local", "time": now.as_secs(),
            "timeNano": u64::try_from(now.as_nanos()).unwrap(),
        });
        let time = event["timeNano"].as_u64().unwrap();
        let mut state = self.shared.state();
        state.history.push((time, format!("{event}\n").into_bytes()));
        // Sent while the state is held, so that nobody is told twice or not at all.
        self.emit_json(&event);
    }

    /// The past is forgotten, as when an engine starts anew.
    pub fn forget_history(&self) {
        self.shared.state().history.clear();
    }

    /// Sends an event of any shape, followed by a newline.
    pub fn emit_json(&self, event: &Value) {
        self.emit_bytes(format!("{event}\n").as_bytes());
    }

    /// Sends these bytes to whoever listens to events, as one chunk.
    pub fn emit_bytes(&self, bytes: &[u8]) {
        // An error means that nobody listens.
        self.shared.events.send(bytes.to_vec()).ok();
    }

    /// How many event streams are open. An event emitted after this has counted a stream reaches it.
    pub fn subscribers(&self) -> usize {
        self.shared.events.receiver_count()
    }

    /// From now on, requests whose path (without version and query) begins with `prefix` are answered like this; the
    /// longest prefix that fits decides.
    pub fn set_behaviour(&self, prefix: &str, behaviour: Behaviour) {
        let behaviours = &mut self.shared.state().behaviours;
        behaviours.retain(|(known, _)| known != prefix);
        behaviours.push((prefix.to_owned(), behaviour));
    }

    /// Closes every open connection, event streams included, and goes on listening.
    pub fn drop_connections(&self) {
        self.shared.kick.send_modify(|kick| *kick += 1);
    }

    /// Stops: closes every connection and removes the socket. Containers, behaviours and requests stay.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send_replace(true);
            thread.join().ok();
            std::fs::remove_file(&self.socket).ok();
        }
    }

    /// Starts again on the same path, after stopping if it still runs.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn restart(&mut self) {
        self.stop();
        let listener = std::os::unix::net::UnixListener::bind(&self.socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let shared = self.shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => {}
                    () = accept(listener, shared) => {}
                }
            });
        });
        self.running = Some((stop, thread));
    }

    /// Every request so far, as method and path (with version and query), in the order of arrival.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.shared.state().requests.clone()
    }

    /// How many requests so far had this in their path.
    pub fn asked(&self, part: &str) -> usize {
        self.shared.state().requests.iter().filter(|(_, path)| path.contains(part)).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.state().requests.clear();
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How long a test waits for something that the fake engine does at once.
pub const SOON: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::io::{Read, Write};

    fn ask(engine: &FakeEngine, path: &str) -> String {
        let mut stream = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn containers_come_and_go() {
        let mut engine = FakeEngine::start();
        let id = engine.put(FakeContainer::new("web").label("a", "b").health("healthy", 0));
        assert_eq!(id.len(), 64);
        let list = ask(&engine, "/v1.41/containers/json?all=1");
        assert!(list.contains("\"/web\"") && list.contains(&id) && !list.contains("healthy"), "{list}");
        assert!(ask(&engine, "/containers/web/json").contains("healthy"));
        assert!(ask(&engine, "/v1.42/info").starts_with("HTTP/1.1 400"));

        engine.stop();
        assert!(!engine.socket().exists());
        engine.restart();
        assert!(engine.remove(&id) && !engine.remove(&id));
        assert!(ask(&engine, "/containers/web/json").contains("No such container: web"));
        assert_eq!(engine.requests().len(), 4);
    }

    #[test]
    fn events_reach_who_listens_until_dropped() {
        let engine = FakeEngine::start();
        let mut stream = std::os::unix::net::UnixStream::connect(engine.socket()).unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\n\r\n").unwrap();
        wait_until(SOON, "a subscriber", || engine.subscribers() == 1);
        engine.emit("start", "c1", &[("x", "y")]);
        engine.emit_bytes(b"nonsense");
        let mut seen = Vec::new();
        let mut chunk = [0; 1024];
        while !String::from_utf8_lossy(&seen).contains("nonsense") {
            let read = stream.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..read]);
        }
        assert!(String::from_utf8_lossy(&seen).contains(r#""Action":"start""#));
        engine.drop_connections();
        while stream.read(&mut chunk).unwrap() > 0 {}
        wait_until(SOON, "nobody", || engine.subscribers() == 0);
    }

    #[test]
    fn behaviours_follow_the_longest_prefix() {
        let engine = FakeEngine::start();
        engine.set_behaviour("/", Behaviour::Status(500, "all".to_owned()));
        engine.set_behaviour("/info", Behaviour::Garbage(b"junk".to_vec()));
        engine.set_behaviour("/version", Behaviour::Truncate(5));
        assert!(ask(&engine, "/_ping").ends_with("all"));
        assert_eq!(ask(&engine, "/v1.41/info"), "junk");
        assert!(ask(&engine, "/version").contains("Content-Length: 5\r\n"));
        engine.set_behaviour("/version", Behaviour::CloseMidBody);
        assert!(!ask(&engine, "/version").ends_with('}'));
        engine.set_behaviour("/version", Behaviour::Chunked(7));
        assert!(ask(&engine, "/version").contains("\r\n\r\n7\r\n"));
        engine.set_behaviour("/version", Behaviour::Normal);
        assert!(ask(&engine, "/version").ends_with('}'));
    }
}
