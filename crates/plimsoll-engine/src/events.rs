//! What happens to containers, as it happens.
//!
//! The engine sends one JSON object a line and no end. The bytes arrive in chunks that respect no line, some engines
//! omit the newline, and some lines are not events; so a [`Splitter`] cuts the bytes into objects, and [`parse`] makes an
//! event of one. Both are functions of bytes; [`EventStream`] is the reading.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use serde::Deserialize;

use crate::lenient::{Moment, Object, nested, scalar};
use crate::percent::percent_encode;
use crate::transport::{Stream, Transport, doing};
use crate::types::without_slash;
use crate::{Error, Result};

/// The longest line of the event stream that is looked at, in bytes. A longer one is skipped and counted.
pub const MAX_LINE: usize = 1024 * 1024;

/// How much before the last seen event a resumed stream begins. Docker compares whole nanoseconds and sends the event at
/// exactly that moment again, Podman turns the text into a 64-bit float (steps of 238 ns by now) and sends what is later;
/// and two events of the same moment may be stamped in one order and sent in the other.
pub const RESUME_OVERLAP: Duration = Duration::from_millis(1);

/// What this client wants to hear. `exec_create`, `exec_start` and `exec_die` are left out on purpose: every health
/// check causes all three, and on a busy host they are nearly all there is. The engine matches `health_status` as the
/// prefix of `health_status: healthy`. The last two are Podman's words for `die` and `destroy`: it translates the first
/// in what it sends, but not in every version (4.3) in what it filters by. Both engines accept words they do not know.
const ACTIONS: [&str; 17] = [
    "create",
    "start",
    "die",
    "oom",
    "kill",
    "stop",
    "restart",
    "pause",
    "unpause",
    "rename",
    "update",
    "destroy",
    "health_status",
    "connect",
    "disconnect",
    "died",
    "remove",
];

/// The `filters` parameter of `/events`: JSON, not yet percent-encoded.
fn filters() -> String {
    let actions = ACTIONS.map(|action| format!("{action:?}")).join(",");
    format!(r#"{{"type":["container","network"],"event":[{actions}]}}"#)
}

/// The path of `/events`, from shortly before this moment on if there is one, in nanoseconds since the Unix epoch.
pub(crate) fn path(since: Option<u64>) -> String {
    let mut path = format!("/events?filters={}", percent_encode(&filters(), ""));
    if let Some(since) = since {
        let since = Duration::from_nanos(since).saturating_sub(RESUME_OVERLAP);
        // Writing to a string cannot fail.
        write!(path, "&since={}.{:09}", since.as_secs(), since.subsec_nanos()).ok();
    }
    path
}

/// What kind of thing an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A container.
    Container,
    /// A network, and for `connect` and `disconnect` a container too.
    Network,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A container was created, or a network.
    Create,
    /// It was started.
    Start,
    /// Its first process ended; [`Event::exit_code`] says how.
    Die,
    /// The kernel killed one of its processes for lack of memory.
    Oom,
    /// It was sent a signal.
    Kill,
    /// It was stopped.
    Stop,
    /// It was restarted by hand; `die` and `start` come as well.
    Restart,
    /// It was frozen.
    Pause,
    /// It was thawed.
    Unpause,
    /// It was renamed from [`Event::old_name`] to [`Event::name`].
    Rename,
    /// Its limits or its restart policy were changed.
    Update,
    /// It was removed.
    Destroy,
    /// Its health changed to `healthy`, `unhealthy`, …; empty if the engine did not say to what.
    Health(String),
    /// It was attached to a network.
    Connect,
    /// It was detached from a network.
    Disconnect,
    /// Something else, in the engine's word.
    Other(String),
}

impl Action {
    /// Docker's word for it; of something else the engine's own, which may go on with a colon and arguments.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Die => "die",
            Self::Oom => "oom",
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Rename => "rename",
            Self::Update => "update",
            Self::Destroy => "destroy",
            Self::Health(_) => "health_status",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Other(word) => word,
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "start" => Self::Start,
            "die" | "died" => Self::Die,
            "oom" => Self::Oom,
            "kill" => Self::Kill,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "pause" => Self::Pause,
            "unpause" => Self::Unpause,
            "rename" => Self::Rename,
            "update" => Self::Update,
            "destroy" | "remove" => Self::Destroy,
            "connect" => Self::Connect,
            "disconnect" => Self::Disconnect,
            _ => match word.strip_prefix("health_status") {
                Some(health) => Self::Health(health.trim_start_matches(':').trim().to_owned()),
                None => Self::Other(word.to_owned()),
            },
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: Kind,
    /// What happened.
    pub action: Action,
    /// The id of the container that is concerned, for network events the one that was attached or detached. Absent for
    /// network events without a container (the network itself came or went).
    pub container: Option<String>,
    /// The container's name without its leading `/`; for network events the network's name.
    pub name: Option<String>,
    /// The container's image as it was asked for.
    pub image: Option<String>,
    /// How the container ended; only with [`Action::Die`].
    pub exit_code: Option<i64>,
    /// The name before, without its leading `/`; only with [`Action::Rename`], and Podman does not say it.
    pub old_name: Option<String>,
    /// The id of the network, from Podman its name or nothing; only with [`Kind::Network`].
    pub network: Option<String>,
    /// When it happened, in nanoseconds since the Unix epoch by the engine's clock.
    pub time_nano: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EventWire {
    #[serde(rename = "Type", deserialize_with = "scalar")]
    kind: Option<String>,
    #[serde(rename = "Action", deserialize_with = "scalar")]
    action: Option<String>,
    #[serde(rename = "Actor", deserialize_with = "nested")]
    actor: ActorWire,
    #[serde(rename = "timeNano", deserialize_with = "scalar")]
    time_nano: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    time: Option<Moment>,
    // Before API 1.22 these three were all there was; Docker sends them beside the newer ones until 28.
    #[serde(deserialize_with = "scalar")]
    status: Option<String>,
    #[serde(deserialize_with = "scalar")]
    id: Option<String>,
    #[serde(deserialize_with = "scalar")]
    from: Option<String>,
    /// Where Podman says to what the health changed.
    #[serde(rename = "HealthStatus", deserialize_with = "scalar")]
    health: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ActorWire {
    #[serde(rename = "ID", deserialize_with = "scalar")]
    id: Option<String>,
    #[serde(rename = "Attributes", deserialize_with = "nested")]
    attributes: AttributesWire,
}

/// The attributes stand among the container's labels, which may have the same names: so each is used only with the
/// actions for which the engine sets it.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct AttributesWire {
    #[serde(deserialize_with = "scalar")]
    name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    image: Option<String>,
    #[serde(deserialize_with = "scalar")]
    exit_code: Option<i64>,
    #[serde(deserialize_with = "scalar")]
    old_name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    container: Option<String>,
    /// Podman's own word for the exit code, in most versions with every event and then zero.
    #[serde(deserialize_with = "scalar")]
    container_exit_code: Option<i64>,
    /// The name of the network that Podman attaches a container to; the container is the actor then.
    #[serde(deserialize_with = "scalar")]
    network: Option<String>,
    #[serde(rename = "health_status", deserialize_with = "scalar")]
    health: Option<String>,
}

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Event(Event),
    /// An event about something that was not asked for.
    Foreign,
    Garbage,
}

fn parse(line: &[u8]) -> Line {
    let text = String::from_utf8_lossy(line);
    let Ok(Object(Some(wire))) = serde_json::from_str::<Object<EventWire>>(&text) else {
        return Line::Garbage;
    };
    let Some(word) = wire.action.or(wire.status) else {
        return Line::Garbage;
    };
    let attributes = wire.actor.attributes;
    let id = wire.actor.id.or(wire.id);
    let action = match Action::from_word(&word) {
        Action::Health(said) if said.is_empty() => {
            Action::Health(wire.health.or(attributes.health).unwrap_or_default())
        }
        action => action,
    };
    let name = attributes.name.map(|name| without_slash(&name).to_owned());
    let time_nano = wire.time_nano.filter(|&nanos| nanos > 0).or(wire.time.map(|moment| moment.0));
    let attaches = matches!(action, Action::Connect | Action::Disconnect);
    match (wire.kind.as_deref(), id) {
        (None | Some("container"), Some(id)) => Line::Event(Event {
            kind: Kind::Container,
            container: Some(id),
            name,
            image: attributes.image.or(wire.from),
            exit_code: attributes
                .exit_code
                .or(attributes.container_exit_code)
                .filter(|_| action == Action::Die),
            old_name: attributes
                .old_name
                .filter(|_| action == Action::Rename)
                .map(|name| without_slash(&name).to_owned()),
            network: None,
            action,
            time_nano,
        }),
        (Some("network"), id) => {
            let (container, name, network) = match attributes.container {
                Some(container) if attaches => (Some(container), name, id),
                // Podman's actor is the container; which network it was, only its newer versions say.
                None if attaches => (id, attributes.network.clone(), attributes.network),
                _ => (None, name, id),
            };
            Line::Event(Event {
                kind: Kind::Network,
                container,
                name,
                image: None,
                exit_code: None,
                old_name: None,
                network,
                action,
                time_nano,
            })
        }
        (None | Some("container"), None) => Line::Garbage,
        (Some(_), _) => Line::Foreign,
    }
}

/// Cuts a stream of bytes into JSON objects. An object ends with its last brace and at the latest with its line: so
/// damage stays within one line, and objects without a newline between them are told apart.
#[derive(Debug, Default)]
struct Splitter {
    state: Scan,
    /// The object so far, never longer than [`MAX_LINE`].
    object: Vec<u8>,
    skipped: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Scan {
    /// Between objects.
    #[default]
    Between,
    /// In an object, at this depth of braces and brackets.
    Inside { depth: usize, string: bool, escaped: bool },
    /// In a line that is no event, until it ends.
    Skipping,
}

impl Splitter {
    /// Takes the next bytes and hands every object that is complete to `found`.
    fn push(&mut self, bytes: &[u8], mut found: impl FnMut(&[u8])) {
        for &byte in bytes {
            self.state = match self.state {
                Scan::Skipping if byte == b'\n' => Scan::Between,
                Scan::Skipping => Scan::Skipping,
                Scan::Between if byte == b'{' => {
                    self.object.push(byte);
                    Scan::Inside { depth: 1, string: false, escaped: false }
                }
                Scan::Between if byte.is_ascii_whitespace() => Scan::Between,
                Scan::Between => self.skip(Scan::Skipping),
                Scan::Inside { .. } if byte == b'\n' => self.skip(Scan::Between),
                Scan::Inside { .. } if self.object.len() == MAX_LINE => self.skip(Scan::Skipping),
                Scan::Inside { depth, string, escaped } => {
                    self.object.push(byte);
                    match byte {
                        _ if escaped => Scan::Inside { depth, string, escaped: false },
                        b'\\' if string => Scan::Inside { depth, string, escaped: true },
                        b'"' => Scan::Inside { depth, string: !string, escaped },
                        b'{' | b'[' if !string => Scan::Inside { depth: depth + 1, string, escaped },
                        b'}' | b']' if !string && depth == 1 => {
                            found(&self.object);
                            self.object.clear();
                            Scan::Between
                        }
                        b'}' | b']' if !string => Scan::Inside { depth: depth - 1, string, escaped },
                        _ => Scan::Inside { depth, string, escaped },
                    }
                }
            };
        }
    }

    /// The end of the stream: an object that is not complete by now never will be.
    fn finish(&mut self) {
        if matches!(self.state, Scan::Inside { .. }) {
            self.state = self.skip(Scan::Between);
        }
    }

    fn skip(&mut self, next: Scan) -> Scan {
        self.skipped += 1;
        // One absurd line must not keep a mebibyte for ever.
        self.object = Vec::new();
        next
    }
}

/// The events of an engine, one by one, on a connection of its own that closes with the stream.
///
/// Made by [`Client::events`](crate::Client::events).
#[derive(Debug)]
pub struct EventStream {
    transport: Arc<Transport>,
    path: String,
    stream: Stream,
    splitter: Splitter,
    /// Events that came with a chunk and have not been asked for yet: no more than one chunk holds.
    ready: VecDeque<Event>,
    garbage: u64,
    ended: bool,
}

impl EventStream {
    pub(crate) fn new(transport: Arc<Transport>, path: String, stream: Stream) -> Self {
        let (splitter, ready) = (Splitter::default(), VecDeque::new());
        Self { transport, path, stream, splitter, ready, garbage: 0, ended: false }
    }

    /// Waits for the next event, as long as it takes. `None` means that the engine ended the stream, which it does when
    /// it stops; what happened since then is only to be had from a new stream and a new listing.
    ///
    /// Cancelling the wait (`select!`) loses nothing.
    ///
    /// # Errors
    /// [`Error::Transport`] if the connection broke; the stream has ended then, and every further call gives `None`.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.stream.body.frame().await {
                Some(Ok(frame)) => self.take(&frame.into_data().unwrap_or_default()),
                Some(Err(source)) => {
                    self.end();
                    return Err(self.broken(source));
                }
                None => self.end(),
            }
        }
    }

    /// How many lines were no events and were skipped so far: garbage, over-long, or cut off by the end.
    pub fn skipped(&self) -> u64 {
        self.splitter.skipped + self.garbage
    }

    fn take(&mut self, bytes: &[u8]) {
        take(bytes, &mut self.splitter, &mut self.ready, &mut self.garbage);
    }

    fn end(&mut self) {
        self.ended = true;
        self.splitter.finish();
    }

    fn broken(&self, source: hyper::Error) -> Error {
        self.transport.broken(doing(&self.path), source)
    }
}

/// Adds the events that are complete with these bytes to `ready`, and counts what was none.
fn take(bytes: &[u8], splitter: &mut Splitter, ready: &mut VecDeque<Event>, garbage: &mut u64) {
    splitter.push(bytes, |object| match parse(object) {
        Line::Event(event) => ready.push_back(event),
        Line::Foreign => {}
        Line::Garbage => *garbage += 1,
    });
}

/// The events of a stream that comes in these chunks and then ends, and how many lines were none.
#[cfg(feature = "fuzzing")]
pub(crate) fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, u64) {
    let (mut splitter, mut ready, mut garbage) = (Splitter::default(), VecDeque::new(), 0);
    for chunk in chunks {
        take(chunk, &mut splitter, &mut ready, &mut garbage);
    }
    splitter.finish();
    (ready.into(), splitter.skipped + garbage)
}

#[cfg(test)]
mod tests;
