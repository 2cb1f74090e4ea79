//! Prometheus as a receiver: of remote writes, and from version 3 on of OTLP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::seconds;
use super::server::{Plan, Server, directory, is_a_server};
use crate::client::percent;
use crate::port::Port;
use crate::program::need;

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

/// Where it takes remote writes, and OTLP.
const WRITE: &str = "/api/v1/write";
const OTLP: &str = "/api/v1/otlp/v1/metrics";

/// Counters of version 3 that stay at 0 as long as it takes everything as it should be.
const COMPLAINTS: [&str; 8] = [
    "prometheus_tsdb_out_of_order_samples_total",
    "prometheus_tsdb_head_out_of_order_samples_appended_total",
    "prometheus_tsdb_out_of_bound_samples_total",
    "prometheus_tsdb_too_old_samples_total",
    "prometheus_api_remote_write_invalid_labels_samples_total",
    "prometheus_api_remote_write_without_metadata_appended_samples_total",
    "prometheus_api_otlp_appended_samples_without_metadata_total",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
];

/// As those, with a label for what was translated; there is none as long as there was nothing to warn of.
const TRANSLATION: &str = "prometheus_api_otlp_translation_warnings_total";

impl Prometheus {
    /// Starts an empty one, as Debian has it: version 2, which takes remote write 1.0.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        Self::start_program(need("prometheus", "prometheus"), "", &[])
    }

    /// Starts an empty one of version 3, which takes remote write 1.0 and 2.0 and OTLP. `settings` are lines of its
    /// configuration, such as the section `otlp`.
    ///
    /// # Panics
    /// If it does not start; the text says what it said.
    #[must_use]
    pub fn start_version_3(program: &Path, settings: &str) -> Self {
        Self::start_program(program.to_owned(), settings, &["--web.enable-otlp-receiver"])
    }

    fn start_program(program: PathBuf, settings: &str, options: &[&str]) -> Self {
        let (dir, port) = (directory(), Port::reserve());
        let (path, address) = (dir.path().display(), port.address());
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, format!("scrape_configs: []\n{settings}")).unwrap();
        let mut args = vec![
            format!("--config.file={path}/prometheus.yml"),
            format!("--storage.tsdb.path={path}/data"),
            // Tests write with times of long ago, which would be removed.
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        args.extend(options.iter().map(|option| (*option).to_owned()));
        let server = Server::start(Plan {
            name: "prometheus",
            program,
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
        format!("{}{WRITE}", self.url())
    }

    /// Where one of version 3 takes OTLP.
    #[must_use]
    pub fn otlp_url(&self) -> String {
        format!("{}{OTLP}", self.url())
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

    /// What one of version 3 complains about since its start: its counters of samples out of order, too old, twice, with bad
    /// labels, badly translated or without metadata, and of requests that it did not answer with success; those that are not 0.
    ///
    /// # Panics
    /// If it does not answer; if it has taken nothing yet; or if it has no counter of one of these names any more, as that
    /// would never be anything but 0.
    #[track_caller]
    pub fn complaints(&self) -> BTreeMap<String, f64> {
        let all = self.metrics();
        let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
        for counter in COMPLAINTS {
            assert!(all.keys().any(|series| name(series) == counter), "it has no {counter}");
        }
        let is_refusal = |series: &str| {
            series.starts_with("prometheus_http_requests_total{")
                && [WRITE, OTLP].iter().any(|path| series.contains(&format!("handler=\"{path}\"")))
                && !series.contains("code=\"2")
        };
        let is_complaint = |series: &str| {
            COMPLAINTS.contains(&&*name(series)) || name(series) == TRANSLATION || is_refusal(series)
        };
        all.into_iter().filter(|(series, count)| *count != 0.0 && is_complaint(series)).collect()
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
