//! What happens to containers, as it happens.
//!
//! The engine sends one JSON object a line and no end. The bytes arrive in chunks that respect no line, some engines
//! omit the newline, and some lines are not events; so a [`Splitter`] cuts the bytes into objects, and [`parse`] makes an
//! event of one. Both are functions of bytes; [`EventStream`] is the reading.

use std::collections::VecDeque;
use std::sync::Arc;

use http_body_util::BodyExt;
use serde::Deserialize;

use crate::lenient::{Moment, Object, nested, scalar};
use crate::transport::{Stream, Transport};
use crate::types::without_slash;
use crate::{Error, Result};

/// The longest line of the event stream that is looked at, in bytes. A longer one is skipped and counted.
pub const MAX_LINE: usize = 1024 * 1024;

/// What this client wants to hear. `exec_create`, `exec_start` and `exec_die` are left out on purpose: every health
/// check causes all three, and on a busy host they are nearly all there is. The engine matches `health_status` as the
/// prefix of `health_status: healthy`.
const ACTIONS: [&str; 15] = [
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
];

/// The `filters` parameter of `/events`: JSON, not yet percent-encoded.
pub(crate) fn filters() -> String {
    let actions = ACTIONS.map(|action| format!("{action:?}")).join(",");
    format!(r#"{{"type":["container","network"],"event":[{actions}]}}"#)
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
    /// Its health changed to `healthy`, `unhealthy`, …
    Health(String),
    /// It was attached to a network.
    Connect,
    /// It was detached from a network.
    Disconnect,
    /// Something else, in the engine's word.
    Other(String),
}

impl Action {
    fn from_word(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "start" => Self::Start,
            "die" => Self::Die,
            "oom" => Self::Oom,
            "kill" => Self::Kill,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "pause" => Self::Pause,
            "unpause" => Self::Unpause,
            "rename" => Self::Rename,
            "update" => Self::Update,
            "destroy" => Self::Destroy,
            "connect" => Self::Connect,
            "disconnect" => Self::Disconnect,
            _ => match word.strip_prefix("health_status:") {
                Some(health) => Self::Health(health.trim().to_owned()),
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
    /// The name before, without its leading `/`; only with [`Action::Rename`].
    pub old_name: Option<String>,
    /// The id of the network; only with [`Kind::Network`].
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
    let action = Action::from_word(&word);
    let name = attributes.name.map(|name| without_slash(&name).to_owned());
    let time_nano = wire.time_nano.filter(|&nanos| nanos > 0).or(wire.time.map(|moment| moment.0));
    match (wire.kind.as_deref(), id) {
        (None | Some("container"), Some(id)) => Line::Event(Event {
            kind: Kind::Container,
            container: Some(id),
            name,
            image: attributes.image.or(wire.from),
            exit_code: attributes.exit_code.filter(|_| action == Action::Die),
            old_name: attributes
                .old_name
                .filter(|_| action == Action::Rename)
                .map(|name| without_slash(&name).to_owned()),
            network: None,
            action,
            time_nano,
        }),
        (Some("network"), id) => Line::Event(Event {
            kind: Kind::Network,
            container: attributes
                .container
                .filter(|_| matches!(action, Action::Connect | Action::Disconnect)),
            name,
            image: None,
            exit_code: None,
            old_name: None,
            network: id,
            action,
            time_nano,
        }),
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
        let Self { splitter, ready, garbage, .. } = self;
        splitter.push(bytes, |object| match parse(object) {
            Line::Event(event) => ready.push_back(event),
            Line::Foreign => {}
            Line::Garbage => *garbage += 1,
        });
    }

    fn end(&mut self) {
        self.ended = true;
        self.splitter.finish();
    }

    fn broken(&self, source: hyper::Error) -> Error {
        self.transport.broken(&self.path, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let mut splitter = Splitter::default();
        let mut objects = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |object| objects.push(String::from_utf8_lossy(object).into_owned()));
        }
        splitter.finish();
        (objects, splitter.skipped)
    }

    #[test]
    fn objects_are_found_in_any_chunking() {
        let cases: [(&[u8], &[&str], u64); 8] = [
            (b"{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"], 0),
            (b"{\"a\":{}}{\"b\":[{}]}\r\n\n", &["{\"a\":{}}", "{\"b\":[{}]}"], 0),
            (br#"{"a":"}\"{\\"}{"b":1}"#, &[r#"{"a":"}\"{\\"}"#, r#"{"b":1}"#], 0),
            (b"garbage {\"a\":1}\n{\"b\":2}\n", &["{\"b\":2}"], 1),
            (b"{\"a\":1} trailing\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"], 1),
            (b"{\"a\":\n{\"b\":2}\n", &["{\"b\":2}"], 1),
            (b"{\"a\":\"x\n{\"b\":2}\n{\"c\":", &["{\"b\":2}"], 2),
            (b"", &[], 0),
        ];
        for (bytes, objects, skipped) in cases {
            let whole = split(&[bytes]);
            assert_eq!(whole, (objects.iter().map(ToString::to_string).collect(), skipped));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(split(&single), whole);
        }
    }

    #[test]
    fn an_over_long_line_is_skipped_and_the_next_one_read() {
        let long = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(MAX_LINE));
        assert_eq!(split(&[long.as_bytes()]), (vec!["{\"b\":2}".to_owned()], 1));
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LINE - 8));
        assert_eq!(split(&[fits.as_bytes()]), (vec![fits.clone()], 0));
    }

    fn event(line: &str) -> Event {
        match parse(line.as_bytes()) {
            Line::Event(event) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn both_dialects_and_odd_attributes() {
        let die = event(
            r#"{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137","image":"i","name":"web","container":"label","oldName":"label"}},"timeNano":5}"#,
        );
        assert_eq!(
            die,
            Event {
                kind: Kind::Container,
                action: Action::Die,
                container: Some("c1".into()),
                name: Some("web".into()),
                image: Some("i".into()),
                exit_code: Some(137),
                old_name: None,
                network: None,
                time_nano: Some(5),
            }
        );

        let old = event(r#"{"status":"start","id":"c1","from":"i","time":7}"#);
        assert_eq!((old.action, old.container.as_deref()), (Action::Start, Some("c1")));
        assert_eq!((old.image.as_deref(), old.time_nano), (Some("i"), Some(7_000_000_000)));

        // A label called exitCode is no exit code.
        let start = event(r#"{"Action":"start","Actor":{"ID":"c1","Attributes":{"exitCode":"9"}}}"#);
        assert_eq!(start.exit_code, None);

        let rename =
            event(r#"{"Action":"rename","Actor":{"ID":"c1","Attributes":{"name":"b","oldName":"/a"}}}"#);
        assert_eq!((rename.name.as_deref(), rename.old_name.as_deref()), (Some("b"), Some("a")));

        let health = event(r#"{"Action":"health_status: unhealthy","id":"c1"}"#);
        assert_eq!(health.action, Action::Health("unhealthy".into()));

        let connect = event(
            r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1","name":"bridge"}}}"#,
        );
        assert_eq!((connect.kind, connect.container.as_deref()), (Kind::Network, Some("c1")));
        assert_eq!((connect.network.as_deref(), connect.name.as_deref()), (Some("n1"), Some("bridge")));

        let gone = event(r#"{"Type":"network","Action":"destroy","Actor":{"ID":"n1"}}"#);
        assert_eq!((gone.action, gone.container), (Action::Destroy, None));

        let other = event(r#"{"Type":"container","Action":"exec_die","Actor":{"ID":"c1"}}"#);
        assert_eq!(other.action, Action::Other("exec_die".into()));
    }

    #[test]
    fn what_is_no_event() {
        for line in [
            "{}",
            "[]",
            "5",
            "{\"Action\":5}",
            r#"{"Action":"start"}"#,
            r#"{"Actor":{"ID":"c1"}}"#,
            "{\"a\":",
        ] {
            assert_eq!(parse(line.as_bytes()), Line::Garbage, "{line}");
        }
        assert_eq!(parse(br#"{"Type":"image","Action":"pull","Actor":{"ID":"i"}}"#), Line::Foreign);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunking(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(split(&chunks), split(&[&bytes]));
            parse(&bytes);
        }

        #[test]
        fn any_json_like_bytes(text in r#"[{}\[\]":,a\\ \n0-9]{0,80}"#) {
            let (objects, _) = split(&[text.as_bytes()]);
            for object in objects {
                parse(object.as_bytes());
            }
        }
    }
}
