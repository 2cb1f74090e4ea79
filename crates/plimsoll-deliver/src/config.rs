//! What is said of a target: where points go, in which words, and what to do while they cannot.
//!
//! ```
//! use plimsoll_deliver::config::{TargetConfig, TargetKind};
//!
//! let config = TargetConfig::new("tsdb", TargetKind::InfluxV2);
//! assert_eq!((config.max_points, config.max_wait.as_secs()), (1000, 10));
//! ```

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_wire::line_protocol::Precision;

/// Where points go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// InfluxDB 1: `POST /write`.
    InfluxV1,
    /// InfluxDB 2: `POST /api/v2/write`.
    InfluxV2,
    /// InfluxDB 3: `POST /api/v3/write_lp`.
    InfluxV3,
    /// Prometheus remote write.
    RemoteWrite,
    /// OpenTelemetry over HTTP with protobuf: `POST /v1/metrics`.
    Otlp,
    /// NATS JetStream.
    Nats,
    /// A file that is appended to.
    File,
    /// Standard output.
    Stdout,
}

impl TargetKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::InfluxV1,
        Self::InfluxV2,
        Self::InfluxV3,
        Self::RemoteWrite,
        Self::Otlp,
        Self::Nats,
        Self::File,
        Self::Stdout,
    ];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InfluxV1 => "influxdb-v1",
            Self::InfluxV2 => "influxdb-v2",
            Self::InfluxV3 => "influxdb-v3",
            Self::RemoteWrite => "remote-write",
            Self::Otlp => "otlp",
            Self::Nats => "nats",
            Self::File => "file",
            Self::Stdout => "stdout",
        }
    }
}

/// Which names and which grouping points have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Measurements `cpu`, `memory`, `network`, `blockio` and more, tagged with `container_id` and `container_name`.
    Default,
    /// The names of Telegraf's docker plugin.
    TelegrafDocker,
    /// The catalog's names, as a scrape shows them.
    Prometheus,
    /// OpenTelemetry's semantic conventions.
    Semconv,
}

impl Schema {
    /// Every schema.
    pub const ALL: &'static [Self] = &[Self::Default, Self::TelegrafDocker, Self::Prometheus, Self::Semconv];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::TelegrafDocker => "telegraf-docker",
            Self::Prometheus => "prometheus",
            Self::Semconv => "semconv",
        }
    }

    /// The schema that a kind of target has where nothing else is said.
    #[must_use]
    pub const fn of(kind: TargetKind) -> Self {
        match kind {
            TargetKind::RemoteWrite => Self::Prometheus,
            TargetKind::Otlp => Self::Semconv,
            _ => Self::Default,
        }
    }
}

/// How bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Compression {
    /// Every way.
    pub const ALL: &'static [Self] = &[Self::None, Self::Gzip, Self::Zstd];

    /// The name in settings, and in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Memory only; a last flush at the end.
    None,
    /// On disk when a batch closes, made durable every second.
    #[default]
    Interval,
    /// Durable on disk before it is sent, each tick.
    Always,
}

impl Durability {
    /// Every mode.
    pub const ALL: &'static [Self] = &[Self::None, Self::Interval, Self::Always];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Interval => "interval",
            Self::Always => "always",
        }
    }
}

/// What gives way when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest batches.
    #[default]
    DropOldest,
    /// What comes.
    DropNewest,
    /// Of the older half, every other tick, as often as it helps; then the oldest.
    Thin,
}

impl WhenFull {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::DropOldest, Self::DropNewest, Self::Thin];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::Thin => "thin",
        }
    }
}

/// Which remote write is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteWriteVersion {
    /// 2.0, and 1.0 where the target does not understand that.
    #[default]
    Auto,
    /// 1.0.
    V1,
    /// 2.0.
    V2,
}

/// What a file or standard output is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileFormat {
    /// InfluxDB's line protocol.
    #[default]
    LineProtocol,
    /// One JSON object a line.
    Json,
}

/// A password or token. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// It stands in the configuration.
    Inline(String),
    /// It stands in this file, which is read again for each request, with NATS for each connection.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// TLS beyond the system's own certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates that are trusted instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate, in PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of the client's certificate, in PEM.
    pub key_file: Option<PathBuf>,
    /// Trust anybody.
    pub insecure_skip_verify: bool,
}

/// What goes to a target: names with `*` and `?`. Empty lists of what to include mean everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Measurements or families that go.
    pub families: Vec<String>,
    /// Measurements or families that do not.
    pub exclude_families: Vec<String>,
    /// Names of containers that go.
    pub containers: Vec<String>,
    /// Names of containers that do not.
    pub exclude_containers: Vec<String>,
    /// Tags that go.
    pub labels: Vec<String>,
    /// Tags that do not.
    pub exclude_labels: Vec<String>,
    /// Other names for tags, from and to.
    pub rename_labels: Vec<(String, String)>,
    /// Tags that every point gets.
    pub tags: Vec<(String, String)>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    /// Its name in metrics, messages, and the spool.
    pub name: String,
    /// Where points go.
    pub kind: TargetKind,
    /// The address: `http://HOST:PORT`, with the path where it is not the usual one; `nats://HOST:PORT` or
    /// `tls://HOST:PORT`, several with commas.
    pub url: String,
    /// The file of a file target.
    pub path: PathBuf,
    /// What a file or standard output is written in.
    pub format: FileFormat,
    /// InfluxDB 1 and 3: the database.
    pub database: String,
    /// InfluxDB 1: the retention policy; empty for the default one.
    pub retention_policy: String,
    /// InfluxDB 2: the bucket.
    pub bucket: String,
    /// InfluxDB 2: the organisation.
    pub org: String,
    /// NATS: the subject.
    pub subject: String,
    /// The user's name, where a password goes with it.
    pub username: String,
    /// The password.
    pub password: Option<Secret>,
    /// A bearer token (InfluxDB: `Token`).
    pub token: Option<Secret>,
    /// Headers that every request gets.
    pub headers: Vec<(String, String)>,
    /// TLS.
    pub tls: TlsConfig,
    /// Names and grouping; the kind's own where nothing is said.
    pub schema: Option<Schema>,
    /// The resolution of written times, for line protocol.
    pub precision: Precision,
    /// Which remote write is spoken.
    pub remote_write: RemoteWriteVersion,
    /// How bodies are compressed; where nothing is said gzip over HTTP, and not at all for NATS. Remote write is always snappy.
    pub compression: Option<Compression>,
    /// Points after which a batch closes.
    pub max_points: u64,
    /// Bytes, before compression, after which a batch closes.
    pub max_bytes: u64,
    /// The age at which a batch closes.
    pub max_wait: Duration,
    /// Points that may wait.
    pub queue_points: u64,
    /// Bytes that may wait in memory.
    pub queue_bytes: u64,
    /// Bytes that may wait on disk.
    pub queue_disk: u64,
    /// The age at which waiting points are dropped; zero for never.
    pub max_age: Duration,
    /// What gives way when the queue is full.
    pub when_full: WhenFull,
    /// What survives what.
    pub durability: Durability,
    /// How long a request may take.
    pub timeout: Duration,
    /// Attempts after the first one; without a bound where nothing is said.
    pub max_retries: Option<u32>,
    /// The first wait after a failure, and the longest.
    pub backoff: (Duration, Duration),
    /// Requests under way while a backlog is drained.
    pub max_in_flight: usize,
    /// Whether the newest batch goes first while a backlog is drained.
    pub fresh_lane: bool,
    /// Every how many ticks points are taken.
    pub every: u64,
    /// What goes.
    pub choice: Choice,
    /// Where points go that the target refused, with its words.
    pub dead_letter: Option<PathBuf>,
}

/// The most points of a batch.
pub const MAX_POINTS: u64 = 10_000;
/// The most bytes of a batch before compression: what InfluxDB 3 takes.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// The least that a spool can be.
pub const MIN_DISK: u64 = 16 * 1024 * 1024;

impl TargetConfig {
    /// A target with the usual values for everything else.
    #[must_use]
    pub fn new(name: &str, kind: TargetKind) -> Self {
        // Behind OTLP there may be a Prometheus, which refuses what comes after later samples.
        let in_order = matches!(
            kind,
            TargetKind::RemoteWrite | TargetKind::Otlp | TargetKind::File | TargetKind::Stdout
        );
        Self {
            name: name.to_owned(),
            kind,
            url: String::new(),
            path: PathBuf::new(),
            format: FileFormat::default(),
            database: String::new(),
            retention_policy: String::new(),
            bucket: String::new(),
            org: String::new(),
            subject: "plimsoll.metrics".to_owned(),
            username: String::new(),
            password: None,
            token: None,
            headers: Vec::new(),
            tls: TlsConfig::default(),
            schema: None,
            precision: Precision::default(),
            remote_write: RemoteWriteVersion::default(),
            compression: None,
            max_points: 1000,
            max_bytes: 4 * 1024 * 1024,
            max_wait: Duration::from_secs(10),
            queue_points: 10_000_000,
            queue_bytes: 50_000_000,
            queue_disk: 256 * 1024 * 1024,
            max_age: Duration::ZERO,
            when_full: WhenFull::default(),
            durability: Durability::default(),
            timeout: Duration::from_secs(10),
            max_retries: None,
            backoff: (Duration::from_millis(500), Duration::from_secs(60)),
            max_in_flight: if in_order { 1 } else { 4 },
            fresh_lane: false,
            every: 1,
            choice: Choice::default(),
            dead_letter: None,
        }
    }

    /// The schema in force.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.schema.unwrap_or(Schema::of(self.kind))
    }
}
