//! A Docker engine in this process that says what a test wants to hear.
//!
//! It listens on a Unix socket in a directory of its own, answers `/_ping`, `/version`, `/info`, `/containers/json`,
//! `/containers/{id}/json`, `/containers/{id}/stats`, `/images/{id}/json` and `/events` as API 1.41 (or another, [`FakeEngine::set_api`]) does,
//! notes every request, and misbehaves on request. It runs on a thread of its own, so tests need no runtime.
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

mod stats;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};

use crate::http::{Head, read_request};

pub use stats::{FakeStats, Trouble};

/// How many events a slow subscriber may be behind before it loses some.
const EVENTS: usize = 4096;

/// The memory of the fake host, in bytes.
pub const HOST_MEMORY: u64 = 8 << 30;

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
}

/// A container of the fake engine. Made running, with plausible values; the methods change one thing each.
#[derive(Clone, Debug)]
pub struct FakeContainer {
    id: String,
    name: String,
    image: String,
    image_id: String,
    labels: BTreeMap<String, String>,
    state: String,
    pid: u32,
    exit_code: i64,
    created: u64,
    started_at: Option<u64>,
    finished_at: Option<u64>,
    restart_count: u64,
    restart_policy: String,
    oom_killed: bool,
    health: Option<(String, u64)>,
    network_mode: String,
    hostname: String,
    runtime: String,
    cgroup_parent: String,
    networks: Vec<(String, String, u8, String)>,
}

impl FakeContainer {
    /// A running container. Its id follows from its name: see [`id_of`].
    pub fn new(name: &str) -> Self {
        let created = 1_700_000_000_000_000_000;
        let id = id_of(name);
        Self {
            hostname: id[..12].to_owned(),
            id,
            name: name.to_owned(),
            image: "busybox:local".to_owned(),
            image_id: format!("sha256:{}", id_of("busybox:local")),
            labels: BTreeMap::new(),
            state: "running".to_owned(),
            pid: 1000,
            exit_code: 0,
            created,
            started_at: Some(created + 123_456_789),
            finished_at: None,
            restart_count: 0,
            restart_policy: "no".to_owned(),
            oom_killed: false,
            health: None,
            network_mode: "default".to_owned(),
            runtime: "runc".to_owned(),
            cgroup_parent: String::new(),
            networks: Vec::new(),
        }
    }

    /// Its id, if not the one that follows from the name.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The reference of its image; the image's id follows from it.
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        self.image = image.to_owned();
        self.image_id = format!("sha256:{}", id_of(image));
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// `running`, `created`, `paused`, `restarting`, `exited`, … Other than `running` and `paused` takes the process
    /// away, `created` the start too.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        self.state = state.to_owned();
        if !matches!(state, "running" | "paused") {
            self.pid = 0;
        }
        if state == "created" {
            self.started_at = None;
        }
        self
    }

    /// The id of its first process on the host; 0 for none.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Ended with this code at this moment (Unix nanoseconds): state `exited`, no process.
    #[must_use]
    pub fn exited(self, exit_code: i64, finished_at: u64) -> Self {
        let mut exited = self.state("exited");
        exited.exit_code = exit_code;
        exited.finished_at = Some(finished_at);
        exited
    }

    /// When it was created, in Unix nanoseconds.
    #[must_use]
    pub fn created(mut self, nanos: u64) -> Self {
        self.created = nanos;
        self
    }

    /// When it was started, in Unix nanoseconds.
    #[must_use]
    pub fn started_at(mut self, nanos: u64) -> Self {
        self.started_at = Some(nanos);
        self
    }

    /// When it last ended, in Unix nanoseconds.
    #[must_use]
    pub fn finished_at(mut self, nanos: u64) -> Self {
        self.finished_at = Some(nanos);
        self
    }

    /// How often its restart policy started it again.
    #[must_use]
    pub fn restart_count(mut self, count: u64) -> Self {
        self.restart_count = count;
        self
    }

    /// The name of its restart policy.
    #[must_use]
    pub fn restart_policy(mut self, policy: &str) -> Self {
        self.restart_policy = policy.to_owned();
        self
    }

    /// The engine saw the kernel kill it.
    #[must_use]
    pub fn oom_killed(mut self) -> Self {
        self.oom_killed = true;
        self
    }

    /// The state of its health check, and how many checks failed in a row. Listings tell it from API 1.52 on.
    #[must_use]
    pub fn health(mut self, status: &str, failing_streak: u64) -> Self {
        self.health = Some((status.to_owned(), failing_streak));
        self
    }

    /// `default`, `host`, `none`, `container:<id>` or the name of a network.
    #[must_use]
    pub fn network_mode(mut self, mode: &str) -> Self {
        self.network_mode = mode.to_owned();
        self
    }

    /// Attaches it to a network.
    #[must_use]
    pub fn network(mut self, name: &str, ip_address: &str, prefix_len: u8, mac: &str) -> Self {
        self.networks.push((name.to_owned(), ip_address.to_owned(), prefix_len, mac.to_owned()));
        self
    }

    /// The host name inside.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = hostname.to_owned();
        self
    }

    /// The OCI runtime.
    #[must_use]
    pub fn runtime(mut self, runtime: &str) -> Self {
        self.runtime = runtime.to_owned();
        self
    }

    /// The parent cgroup.
    #[must_use]
    pub fn cgroup_parent(mut self, parent: &str) -> Self {
        self.cgroup_parent = parent.to_owned();
        self
    }

    fn networks_json(&self) -> Value {
        let network = |(name, ip, bits, mac): &(String, String, u8, String)| {
            let endpoint = json!({
                "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": id_of(name), "EndpointID": "",
                "Gateway": "", "IPAddress": ip, "IPPrefixLen": bits, "IPv6Gateway": "", "GlobalIPv6Address": "",
                "GlobalIPv6PrefixLen": 0, "MacAddress": mac, "DriverOpts": null,
            });
            (name.clone(), endpoint)
        };
        Value::Object(self.networks.iter().map(network).collect())
    }

    fn summary_json(&self, api: (u16, u16)) -> Value {
        let mut summary = json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": self.image, "ImageID": self.image_id,
            "Command": "sleep 1000", "Created": self.created / 1_000_000_000, "Ports": [], "Labels": self.labels,
            "State": self.state, "Status": "Up 2 minutes", "HostConfig": {"NetworkMode": self.network_mode},
            "NetworkSettings": {"Networks": self.networks_json()}, "Mounts": [],
        });
        if api >= (1, 52) {
            let (status, streak) = self.health.clone().unwrap_or(("none".to_owned(), 0));
            summary["Health"] = json!({"Status": status, "FailingStreak": streak});
        }
        summary
    }

    fn details_json(&self) -> Value {
        let is = |state: &str| self.state == state;
        let mut details = json!({
            "Id": self.id, "Created": rfc3339(Some(self.created)), "Path": "sleep", "Args": ["1000"],
            "State": {
                "Status": self.state, "Running": is("running") || is("paused") || is("restarting"), "Paused": is("paused"),
                "Restarting": is("restarting"), "OOMKilled": self.oom_killed, "Dead": is("dead"), "Pid": self.pid,
                "ExitCode": self.exit_code, "Error": "", "StartedAt": rfc3339(self.started_at),
                "FinishedAt": rfc3339(self.finished_at),
            },
            "Image": self.image_id, "Name": format!("/{}", self.name), "RestartCount": self.restart_count,
            "Driver": "overlay2", "Platform": "linux", "ExecIDs": null,
            "HostConfig": {
                "NetworkMode": self.network_mode, "RestartPolicy": {"Name": self.restart_policy, "MaximumRetryCount": 0},
                "Runtime": self.runtime, "CgroupParent": self.cgroup_parent, "Memory": 0, "NanoCpus": 0,
            },
            "Mounts": [],
            "Config": {"Hostname": self.hostname, "Image": self.image, "Labels": self.labels, "Env": null},
            "NetworkSettings": {"Ports": {}, "Networks": self.networks_json()},
        });
        if let Some((status, streak)) = &self.health {
            details["State"]["Health"] = json!({"Status": status, "FailingStreak": streak, "Log": []});
        }
        details
    }
}

/// The id that a thing of this name gets: 64 hexadecimal digits, always the same.
pub fn id_of(name: &str) -> String {
    let mut id = String::new();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while id.len() < 64 {
        // FNV-1a, over and over: nothing here is secret.
        for byte in name.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        id.push_str(&format!("{hash:016x}"));
    }
    id
}

fn rfc3339(nanos: Option<u64>) -> String {
    match nanos {
        Some(nanos) => jiff::Timestamp::from_nanosecond(nanos.into()).unwrap().to_string(),
        None => "0001-01-01T00:00:00Z".to_owned(),
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    events: broadcast::Sender<Vec<u8>>,
    /// Counts up to close every open connection.
    kick: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    containers: Vec<FakeContainer>,
    behaviours: Vec<(String, Behaviour)>,
    requests: Vec<(String, String)>,
    connections: usize,
    api: (u16, u16),
    least: (u16, u16),
    stats: stats::AllStats,
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
    /// attributes. Like all events, it reaches only who is listening: see [`subscribers`](Self::subscribers).
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
        self.emit_json(&event);
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

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.state().connections += 1;
        let mut kick = shared.kick.subscribe();
        let shared = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = kick.changed() => {}
                // An error means that the client has gone.
                _ = serve(stream, shared) => {}
            }
        });
    }
}

async fn serve(mut stream: UnixStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(head) = read_request(&mut stream, &mut buffer).await {
        let (version, path) = split_version(&head.path);
        // Subscribed before the request is noted, so that a test that has seen the request can emit at once.
        let events = (path == "/events").then(|| shared.events.subscribe());
        let (behaviour, (status, body)) = {
            let mut state = shared.state();
            state.requests.push((head.method.clone(), head.path.clone()));
            let behaviour = state.behaviours.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
            let behaviour =
                behaviour.max_by_key(|(prefix, _)| prefix.len()).map(|(_, behaviour)| behaviour.clone());
            (behaviour.unwrap_or(Behaviour::Normal), state.answer(&head, version, &path))
        };
        match (behaviour, events) {
            (Behaviour::Normal, _) if stats::is_stream(&path) => {
                return stats::stream(stream, &shared, &path).await;
            }
            (Behaviour::Normal, Some(events)) if status == 200 => return stream_events(stream, events).await,
            (Behaviour::Normal, _) => send(&mut stream, status, body.as_bytes()).await?,
            (Behaviour::Status(status, body), _) => send(&mut stream, status, body.as_bytes()).await?,
            (Behaviour::Truncate(length), _) => {
                send(&mut stream, status, &body.as_bytes()[..length.min(body.len())]).await?;
            }
            (Behaviour::Garbage(bytes), _) => return stream.write_all(&bytes).await,
            (Behaviour::Hang, _) => return std::future::pending().await,
            (Behaviour::CloseMidBody, _) => {
                stream.write_all(head_of(status, Some(body.len())).as_bytes()).await?;
                return stream.write_all(&body.as_bytes()[..body.len() / 2]).await;
            }
            (Behaviour::Chunked(size), _) => {
                stream.write_all(head_of(status, None).as_bytes()).await?;
                for part in body.as_bytes().chunks(size) {
                    send_chunk(&mut stream, part).await?;
                }
                send_chunk(&mut stream, b"").await?;
            }
            (Behaviour::Huge(length), _) => {
                stream.write_all(head_of(200, None).as_bytes()).await?;
                send_chunk(&mut stream, b"[").await?;
                let blank = vec![b' '; 64 * 1024];
                let mut left = length.saturating_sub(2);
                while left > 0 {
                    let part = left.min(blank.len());
                    send_chunk(&mut stream, &blank[..part]).await?;
                    left -= part;
                }
                send_chunk(&mut stream, b"]").await?;
                send_chunk(&mut stream, b"").await?;
            }
        }
    }
    Ok(())
}

async fn stream_events(
    mut stream: UnixStream,
    mut events: broadcast::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    stream.write_all(head_of(200, None).as_bytes()).await?;
    let mut nothing = [0; 64];
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(bytes) => send_chunk(&mut stream, &bytes).await?,
                Err(error) => panic!("a subscriber of the fake engine is too slow: {error}"),
            },
            // A client that goes away is noticed at once, so that `subscribers` is right.
            read = stream.read(&mut nothing) => match read? {
                0 => return Ok(()),
                _ => continue,
            },
        }
    }
}

fn head_of(status: u16, length: Option<usize>) -> String {
    let length = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    format!(
        "HTTP/1.1 {status} Fake\r\nServer: Docker/fake (linux)\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    )
}

async fn send(stream: &mut UnixStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[head_of(status, Some(body.len())).as_bytes(), body].concat()).await
}

async fn send_chunk(stream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()).await
}

/// `/v1.41/info?x` is version 1.41 and path `/info`.
fn split_version(path: &str) -> (Option<(u16, u16)>, String) {
    let path = path.split('?').next().unwrap();
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, rest) = rest.split_once('/')?;
        let (major, minor) = version.split_once('.')?;
        Some(((major.parse().ok()?, minor.parse().ok()?), format!("/{rest}")))
    });
    match versioned {
        Some((version, path)) => (Some(version), path),
        None => (None, path.to_owned()),
    }
}

impl State {
    fn answer(&self, head: &Head, version: Option<(u16, u16)>, path: &str) -> (u16, String) {
        let message = |status, text: String| (status, json!({ "message": text }).to_string());
        let Self { api, least, .. } = self;
        let shown = |(major, minor): (u16, u16)| format!("{major}.{minor}");
        match version {
            Some(asked) if asked > *api => {
                let (asked, api) = (shown(asked), shown(*api));
                let text =
                    format!("client version {asked} is too new. Maximum supported API version is {api}");
                return message(400, text);
            }
            // This one is plain text, as in the real engine.
            Some(asked) if asked < *least => {
                let (asked, least) = (shown(asked), shown(*least));
                let text = format!(
                    "client version {asked} is too old. Minimum supported API version is {least}, please upgrade your \
                     client to a newer version\n"
                );
                return (400, text);
            }
            _ => {}
        }
        if head.method != "GET" {
            return message(405, "the fake engine only reads".to_owned());
        }
        match path {
            "/_ping" => (200, "OK".to_owned()),
            "/version" => (200, self.version_json().to_string()),
            "/info" => (200, self.info_json().to_string()),
            "/events" => (200, String::new()),
            "/containers/json" => {
                let all = head.path.contains("all=1") || head.path.contains("all=true");
                let shown = self.containers.iter().filter(|container| all || container.pid > 0);
                let api = version.unwrap_or(*api);
                (200, Value::Array(shown.map(|container| container.summary_json(api)).collect()).to_string())
            }
            _ => {
                let id = |kind: &str| path.strip_prefix(kind).and_then(|rest| rest.strip_suffix("/json"));
                if let Some(id) = id("/containers/") {
                    match self.containers.iter().find(|container| container.id == id || container.name == id)
                    {
                        Some(container) => (200, container.details_json().to_string()),
                        None => message(404, format!("No such container: {id}")),
                    }
                } else if let Some(id) = id("/images/") {
                    let image =
                        self.containers.iter().find(|known| known.image == id || known.image_id == id);
                    match image {
                        Some(container) => (200, image_json(container).to_string()),
                        None => message(404, format!("No such image: {id}")),
                    }
                } else {
                    message(404, "page not found".to_owned())
                }
            }
        }
    }

    fn version_json(&self) -> Value {
        json!({
            "Platform": {"Name": ""}, "Version": "0.0.0-fake", "ApiVersion": format!("{}.{}", self.api.0, self.api.1),
            "MinAPIVersion": format!("{}.{}", self.least.0, self.least.1), "Os": "linux", "Arch": "amd64",
            "KernelVersion": "6.1.0-fake",
        })
    }

    fn info_json(&self) -> Value {
        json!({
            "ID": "FAKE", "Name": "host-1", "Containers": self.containers.len(), "Driver": "overlay2",
            "CgroupDriver": "cgroupfs", "CgroupVersion": "2", "NCPU": 2, "MemTotal": HOST_MEMORY,
            "DockerRootDir": "/var/lib/docker", "ServerVersion": "0.0.0-fake",
            "SecurityOptions": ["name=seccomp,profile=default"], "OperatingSystem": "Fake", "OSType": "linux",
        })
    }
}

fn image_json(container: &FakeContainer) -> Value {
    json!({
        "Id": container.image_id, "RepoTags": [container.image], "RepoDigests": [],
        "Created": "2023-11-14T22:13:20Z", "Config": {"Labels": {"maintainer": "fake"}}, "Size": 1_000_000,
    })
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
