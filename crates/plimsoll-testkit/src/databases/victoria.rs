//! VictoriaMetrics, which takes the writes of InfluxDB and of Prometheus, and gives back every raw sample.

use serde_json::Value;

use super::seconds;
use super::server::{Plan, Server, directory, is_a_server};
use crate::client::percent;
use crate::port::Port;
use crate::program::need;

/// A VictoriaMetrics, with the data of nobody else in it.
///
/// It acknowledges writes that it has in memory only, and brings them to disk more than five seconds later:
/// [`Server::kill`] costs what was written before that, unless [`Self::persist`] came between; [`Server::stop`] costs
/// nothing. It keeps all samples, also those of the same series and time.
#[derive(Debug)]
pub struct Victoria {
    server: Server,
    address: String,
}

is_a_server!(Victoria);

impl Victoria {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        let (dir, port) = (directory(), Port::reserve());
        let (path, address) = (dir.path().display(), port.address());
        let args = vec![
            format!("-storageDataPath={path}/data"),
            format!("-httpListenAddr={address}"),
            // Tests write with times of long ago, which would be thrown away.
            "-retentionPeriod=100y".to_owned(),
            // What was written can be asked for at once.
            "-search.latencyOffset=0s".to_owned(),
            "-search.disableCache".to_owned(),
            "-search.maxSamplesPerQuery=2000000000".to_owned(),
            // It takes most of the machine otherwise.
            "-memory.allowedBytes=512MiB".to_owned(),
        ];
        let server = Server::start(Plan {
            name: "victoria-metrics",
            program: need("victoria-metrics", "victoria-metrics"),
            args,
            http: address,
            health: "/health",
            ports: vec![port],
            dir,
        });
        Self { server, address: address.to_string() }
    }

    /// Where it listens: `http://127.0.0.1:PORT`. It takes `/write`, `/api/v2/write` and `/api/v1/write`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes line protocol with times in Unix nanoseconds, without the name of a database.
    ///
    /// # Panics
    /// If it does not take it.
    #[track_caller]
    pub fn write(&self, lines: &str) {
        let answer = self.server.client().post("/write?precision=ns", &[], lines.as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Makes what was written visible. It is not on disk then.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn flush(&self) {
        self.get("/internal/force_flush");
    }

    /// Brings what was written to disk, so that it outlives [`Server::kill`].
    ///
    /// # Panics
    /// If it does not answer, or cannot.
    #[track_caller]
    pub fn persist(&self) {
        // A snapshot is a copy of the files, so everything has to be in files first.
        for path in ["/snapshot/create", "/snapshot/delete_all"] {
            let answer = self.get(path);
            assert!(answer.contains("\"ok\""), "{path}: {answer}");
        }
    }

    /// The value of an expression at a time in Unix milliseconds.
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn query(&self, expression: &str, time: i64) -> Value {
        let path = format!("/api/v1/query?query={}&time={}", percent(expression), seconds(time));
        serde_json::from_str(&self.get(&path)).unwrap()
    }

    /// The values of an expression between two times in Unix milliseconds, every `step` milliseconds.
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn query_range(&self, expression: &str, from: i64, to: i64, step: u32) -> Value {
        let path = format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={step}ms",
            percent(expression),
            seconds(from),
            seconds(to)
        );
        serde_json::from_str(&self.get(&path)).unwrap()
    }

    /// All raw samples of the series that a selector selects, as JSON lines for [`super::compare::victoria`].
    /// `{__name__!=""}` selects all.
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn export(&self, selector: &str) -> String {
        self.flush();
        self.get(&format!("/api/v1/export?match[]={}", percent(selector)))
    }

    #[track_caller]
    fn get(&self, path: &str) -> String {
        let answer = self.server.client().get(path).unwrap();
        assert!(answer.is_success(), "{path}: {} {}", answer.status, answer.text());
        String::from_utf8(answer.body).unwrap()
    }
}
