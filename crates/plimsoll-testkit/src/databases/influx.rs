//! InfluxDB 1.

use serde_json::Value;

use super::server::{Plan, Server, directory, is_a_server};
use crate::client::{Response, percent};
use crate::port::Port;
use crate::program::need;

/// An InfluxDB 1, with the data of nobody else in it.
#[derive(Debug)]
pub struct Influx {
    server: Server,
    address: String,
}

is_a_server!(Influx);

impl Influx {
    /// Starts one without a database.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        let (dir, port) = (directory(), Port::reserve());
        let (path, address) = (dir.path().display(), port.address());
        // Without limits on answers, so that everything can be read back, and without a log line for every write.
        let settings = format!(
            "reporting-enabled = false\nbind-address = \"127.0.0.1:0\"\n\
             [meta]\n  dir = \"{path}/meta\"\n\
             [data]\n  dir = \"{path}/data\"\n  wal-dir = \"{path}/wal\"\n  query-log-enabled = false\n\
             [monitor]\n  store-enabled = false\n\
             [http]\n  bind-address = \"{address}\"\n  log-enabled = false\n  max-row-limit = 0\n"
        );
        let file = dir.path().join("influxdb.conf");
        std::fs::write(&file, settings).unwrap();
        let server = Server::start(Plan {
            name: "influxd",
            program: need("influxd", "influxdb"),
            args: vec!["run".to_owned(), "-config".to_owned(), file.display().to_string()],
            http: address,
            health: "/ping",
            ports: vec![port],
            dir,
        });
        Self { server, address: address.to_string() }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a database.
    ///
    /// # Panics
    /// If it refuses.
    #[track_caller]
    pub fn create_database(&self, name: &str) {
        self.query("", &format!("CREATE DATABASE \"{name}\""));
    }

    /// Asks in its language, with times in Unix nanoseconds.
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn query(&self, database: &str, query: &str) -> Value {
        let path = format!("/query?epoch=ns&db={}&q={}", percent(database), percent(query));
        let answer = self.server.client().post(&path, &[], b"").unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        // What went wrong with one of several statements stands beside the results of the others.
        let errors =
            value["results"].as_array().into_iter().flatten().filter_map(|result| result.get("error"));
        let errors: Vec<&Value> = errors.collect();
        assert!(errors.is_empty(), "{query}: {errors:?}");
        value
    }

    /// Everything that a database has, for [`super::compare::influx`].
    ///
    /// # Panics
    /// As [`Self::query`].
    #[track_caller]
    pub fn everything(&self, database: &str) -> Value {
        self.query(database, "SELECT * FROM /.*/ GROUP BY *")
    }

    /// Writes line protocol with times in Unix nanoseconds.
    ///
    /// # Panics
    /// If it does not take all of it.
    #[track_caller]
    pub fn write(&self, database: &str, lines: &str) {
        let answer = self.try_write(database, lines);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Writes line protocol with times in Unix nanoseconds, and gives what the database says to it.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn try_write(&self, database: &str, lines: &str) -> Response {
        let path = format!("/write?precision=ns&db={}", percent(database));
        self.server.client().post(&path, &[], lines.as_bytes()).unwrap()
    }
}
