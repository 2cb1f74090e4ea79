//! Prometheus as a receiver of remote writes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::seconds;
use super::server::{Plan, Server, directory, is_a_server};
use crate::client::percent;
use crate::port::Port;

/// A Prometheus that scrapes nothing and takes remote writes.
///
/// It takes the samples of a series in the order of time only, and none that are older than about an hour before the
/// newest one of all.
#[derive(Debug)]
pub struct Prometheus {
    server: Server,
    address: String,
}

is_a_server!(Prometheus);

impl Prometheus {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        let (dir, port) = (directory(), Port::reserve());
        let (path, address) = (dir.path().display(), port.address());
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, "scrape_configs: []\n").unwrap();
        let args = vec![
            format!("--config.file={path}/prometheus.yml"),
            format!("--storage.tsdb.path={path}/data"),
            // Tests write with times of long ago, which would be removed.
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        let server = Server::start(Plan {
            program: ("prometheus", "prometheus"),
            args,
            http: address,
            health: "/-/ready",
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

    /// Where it takes remote writes.
    #[must_use]
    pub fn write_url(&self) -> String {
        format!("{}/api/v1/write", self.url())
    }

    /// The value of an expression at a time in Unix milliseconds. An expression like `cpu[1h]` gives all raw samples of
    /// that time, for [`super::compare::prometheus`].
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn query(&self, expression: &str, time: i64) -> Value {
        self.ask(&format!("/api/v1/query?query={}&time={}", percent(expression), seconds(time)))
    }

    /// The values of an expression between two times in Unix milliseconds, every `step` milliseconds.
    ///
    /// # Panics
    /// If it does not answer, or refuses.
    #[track_caller]
    pub fn query_range(&self, expression: &str, from: i64, to: i64, step: u32) -> Value {
        self.ask(&format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={}",
            percent(expression),
            seconds(from),
            seconds(to),
            seconds(step.into())
        ))
    }

    /// What it says of itself at `/metrics`: every series with its labels as written there, and its value.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.server.client().get("/metrics").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let series = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        answer.text().lines().filter(|line| !line.starts_with('#')).filter_map(series).collect()
    }

    /// How many samples it has taken since its start.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn appended(&self) -> f64 {
        self.sum("prometheus_tsdb_head_samples_appended_total")
    }

    /// How many samples came before ones of their series that it had, since its start.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn out_of_order(&self) -> f64 {
        self.sum("prometheus_tsdb_out_of_order_samples_total")
    }

    /// How many samples were older than what it still takes, since its start.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn too_old(&self) -> f64 {
        self.sum("prometheus_tsdb_out_of_bound_samples_total")
            + self.sum("prometheus_tsdb_too_old_samples_total")
    }

    /// The sum over all series of one of its own counters. It has none as long as there was nothing to count.
    #[track_caller]
    fn sum(&self, name: &str) -> f64 {
        let all = self.metrics();
        let of_name = |series: &str| series.split('{').next() == Some(name);
        all.iter().filter(|(series, _)| of_name(series)).map(|(_, value)| *value).sum()
    }

    #[track_caller]
    fn ask(&self, path: &str) -> Value {
        let answer = self.server.client().get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}
