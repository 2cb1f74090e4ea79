//! NATS with JetStream.

mod connection;

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use self::connection::{Connection, Questions, base64};
use super::server::{Plan, Server, directory, is_a_server};
use crate::port::Port;
use crate::program::need;
use crate::wait_until;

/// How long a cluster may take to choose a leader.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// The subject that it was sent to.
    pub subject: String,
    /// The headers as they came, with `NATS/1.0` as the first line; empty if there were none.
    pub headers: String,
    /// What was sent.
    pub payload: Vec<u8>,
}

/// A NATS server with JetStream, alone or as a member of a cluster.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    address: String,
}

is_a_server!(Nats);

impl Nats {
    /// Starts one that stands alone.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that stands alone, with more settings: who may do what, TLS.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(settings: &str) -> Self {
        let mut one = Self::launch(1, None, settings);
        one.wait_until_up();
        one
    }

    /// Starts a cluster of three and waits until it has a leader. With one of them down it goes on; with two it does not,
    /// and a single member is not up then: start both again with [`Server::relaunch`] before waiting for either.
    ///
    /// # Panics
    /// As [`Self::start`], or if no leader is chosen.
    #[must_use]
    pub fn start_cluster() -> [Self; 3] {
        let routes = [(); 3].map(|()| Port::reserve());
        let urls: Vec<String> =
            routes.iter().map(|port| format!("nats-route://{}", port.address())).collect();
        let mut number = 0;
        let mut members = routes.map(|port| {
            number += 1;
            Self::launch(number, Some((port, &urls)), "")
        });
        for member in &mut members {
            member.wait_until_up();
        }
        wait_until(PATIENCE, "the cluster chooses a leader and counts three", || {
            let seen = members[0].jetstream();
            seen["meta_cluster"]["leader"].as_str().is_some_and(|leader| !leader.is_empty())
                && seen["meta_cluster"]["cluster_size"] == 3
        });
        members
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// What it says of JetStream at `/jsz`, with all streams.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn jetstream(&self) -> Value {
        let answer = self.server.client().get("/jsz?streams=true").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// How many messages a stream has; `None` if this server has no such stream.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    #[must_use]
    pub fn messages(&self, stream: &str) -> Option<u64> {
        let seen = self.jetstream();
        let accounts = seen["account_details"].as_array().into_iter().flatten();
        let mut streams = accounts.flat_map(|account| account["stream_detail"].as_array()).flatten();
        streams.find(|detail| detail["name"] == stream)?["state"]["messages"].as_u64()
    }

    /// Makes a stream on disk that keeps what is sent to these subjects, on so many members. A message with the same
    /// `Nats-Msg-Id` as one of the last two minutes is taken and not kept.
    ///
    /// # Panics
    /// If it refuses.
    #[track_caller]
    pub fn create_stream(&self, name: &str, subjects: &[&str], replicas: u8) {
        let stream = json!({"name": name, "subjects": subjects, "storage": "file", "retention": "limits",
            "discard": "old", "num_replicas": replicas, "duplicate_window": 120_000_000_000_u64});
        Questions::to(&self.address).ask(&format!("STREAM.CREATE.{name}"), &stream);
    }

    /// Every message of a stream, in its order.
    ///
    /// Where a member has just died, another one takes its place before it has looked through its log, and has not yet
    /// some messages that were acknowledged: wait until they are there.
    ///
    /// # Panics
    /// If there is no such stream, or it does not answer.
    #[track_caller]
    #[must_use]
    pub fn read(&self, stream: &str) -> Vec<Message> {
        let mut questions = Questions::to(&self.address);
        let info = questions.ask(&format!("STREAM.INFO.{stream}"), &json!({}));
        let bound = |name: &str| info["state"][name].as_u64().unwrap();
        if bound("messages") == 0 {
            return Vec::new();
        }
        assert_eq!(bound("last_seq") - bound("first_seq") + 1, bound("messages"), "a stream without gaps");
        let subject = format!("STREAM.MSG.GET.{stream}");
        let message = |sequence: u64| {
            let answer = questions.ask(&subject, &json!({"seq": sequence}));
            let message = &answer["message"];
            let part = |name: &str| base64(message[name].as_str().unwrap_or_default()).unwrap();
            let subject = message["subject"].as_str().unwrap_or_else(|| panic!("{sequence}: {answer}"));
            Message {
                sequence,
                subject: subject.to_owned(),
                headers: String::from_utf8(part("hdrs")).unwrap(),
                payload: part("data"),
            }
        };
        (bound("first_seq")..=bound("last_seq")).map(message).collect()
    }

    /// Sends a payload to a subject and gives the first answer to it: JetStream's, if a stream keeps that subject.
    ///
    /// # Errors
    /// If the connection breaks, or nobody answers.
    pub fn request(&self, subject: &str, payload: &[u8]) -> io::Result<Vec<u8>> {
        Connection::open(&self.address)?.request(subject, payload)
    }

    fn launch(number: u8, cluster: Option<(Port, &[String])>, more: &str) -> Self {
        let (dir, port, watched) = (directory(), Port::reserve(), Port::reserve());
        let (path, address, http) = (dir.path().display(), port.address(), watched.address());
        let mut settings = format!(
            "server_name: n{number}\nlisten: \"{address}\"\nhttp: \"{http}\"\n\
             jetstream {{\n  store_dir: \"{path}/data\"\n  max_mem: 256MB\n  max_file: 1GB\n}}\n{more}\n"
        );
        let mut ports = vec![port, watched];
        if let Some((route, routes)) = cluster {
            settings.push_str(&format!(
                "cluster {{\n  name: plimsoll\n  listen: \"{}\"\n  routes: [{}]\n}}\n",
                route.address(),
                routes.join(", ")
            ));
            ports.push(route);
        }
        let file = dir.path().join("nats.conf");
        std::fs::write(&file, settings).unwrap();
        let server = Server::launch(Plan {
            name: "nats-server",
            program: need("nats-server", "nats-server"),
            args: vec!["-c".to_owned(), file.display().to_string()],
            http,
            health: "/healthz",
            ports,
            dir,
        });
        Self { server, address: address.to_string() }
    }
}
