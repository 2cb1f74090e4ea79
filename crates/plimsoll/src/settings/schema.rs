//! The settings as the program uses them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_collect::{DiskPace, SourceChoice};
use plimsoll_engine::Surroundings;

use crate::settings::census::Census;
use crate::settings::collector::CollectorTable;
use crate::settings::history::{Keep, Place};
use crate::settings::listen::Listen;
use crate::settings::target::TargetTable;
use crate::settings::value::{AUTO, LogFormat, LogLevel, Shown};

/// The settings in force. The fields are explained in [`table::SETTINGS`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Where the HTTP server listens: one place at least.
    pub(crate) listen: Vec<Listen>,
    /// TLS, passwords and headers of the HTTP server.
    pub(crate) web_config_file: Option<PathBuf>,
    /// Files with bearer tokens.
    pub(crate) web_token_file: Vec<String>,
    /// Whether systemd hands the sockets over.
    pub(crate) web_systemd_socket: bool,
    /// Also `_created` samples in OpenMetrics.
    pub(crate) openmetrics_created: bool,
    /// [`value::AUTO`](crate::settings::value::AUTO) or [`value::NONE`](crate::settings::value::NONE) alone, or addresses
    /// such as `unix:///var/run/docker.sock` and contexts such as `context:prod`.
    pub(crate) engine: Vec<String>,
    /// Where numbers come from.
    pub(crate) source: SourceChoice,
    /// The host's `/proc`.
    pub(crate) procfs: PathBuf,
    /// The host's `/sys`.
    pub(crate) sysfs: PathBuf,
    /// The host's cgroups.
    pub(crate) cgroup_root: PathBuf,
    /// Time between two samples.
    pub(crate) interval: Duration,
    /// Which families are exposed, and under whose names.
    pub(crate) profile: Shown,
    /// Collectors that were switched on or off; the others are as the profile has them.
    pub(crate) collectors: BTreeMap<&'static str, bool>,
    /// How hard disks are worked.
    pub(crate) disk: DiskPace,
    /// Keys of engine labels to export; `*` for all.
    pub(crate) labels: Vec<String>,
    /// Glob patterns of names.
    pub(crate) include_name: Vec<String>,
    /// Glob patterns of names.
    pub(crate) exclude_name: Vec<String>,
    /// Glob patterns of images.
    pub(crate) include_image: Vec<String>,
    /// Glob patterns of images.
    pub(crate) exclude_image: Vec<String>,
    /// Labels, `KEY` or `KEY=GLOB`.
    pub(crate) include_label: Vec<String>,
    /// Labels, `KEY` or `KEY=GLOB`.
    pub(crate) exclude_label: Vec<String>,
    /// The file of the history.
    pub(crate) history: Place,
    /// The most bytes that it may have.
    pub(crate) history_size: u64,
    /// How long samples and each of the coarser tiers are kept.
    pub(crate) history_keep: Keep,
    /// The time between two collections of a collector that does not say.
    pub(crate) collection_interval: Duration,
    /// How long an attempt to collect may take.
    pub(crate) collection_timeout: Duration,
    /// How often a collection that failed is tried again.
    pub(crate) collection_retries: u32,
    /// How much the log says of collectors; as of everything where nothing is said.
    pub(crate) collection_log_level: Option<LogLevel>,
    /// The collectors of the configuration file.
    pub(crate) collector: Vec<CollectorTable>,
    /// Ask containers that say so by labels.
    pub(crate) scrape_labels: bool,
    /// Addresses to ask.
    pub(crate) scrape: Vec<String>,
    /// Folders with `*.prom` files.
    pub(crate) textfile: Vec<String>,
    /// The collectors that these settings ask for: no setting, but what follows from them.
    pub(crate) implied: Vec<CollectorTable>,
    /// The folder of the spool; `None` for the usual one.
    pub(crate) spool: Option<PathBuf>,
    /// How long the end waits for deliveries.
    pub(crate) drain_timeout: Duration,
    /// The targets of the configuration file and the environment.
    pub(crate) target: Vec<TargetTable>,
    /// The census.
    pub(crate) census: Census,
    /// How much the log says.
    pub(crate) log_level: LogLevel,
    /// For whom the log is written.
    pub(crate) log_format: LogFormat,
    /// The configuration file that was read, if one was.
    pub(crate) config: Option<PathBuf>,
    /// Where engines are looked for: no setting, but what the `docker` and `podman` commands find in the environment.
    pub(crate) surroundings: Surroundings,
    /// `XDG_STATE_HOME`: no setting, but where a user's programs keep what they know.
    pub(crate) state_home: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![Listen::default()],
            web_config_file: None,
            web_token_file: Vec::new(),
            web_systemd_socket: false,
            openmetrics_created: false,
            engine: vec![AUTO.into()],
            source: SourceChoice::default(),
            procfs: "/proc".into(),
            sysfs: "/sys".into(),
            cgroup_root: "/sys/fs/cgroup".into(),
            interval: Duration::from_secs(1),
            profile: Shown::default(),
            collectors: BTreeMap::new(),
            disk: DiskPace::default(),
            labels: Vec::new(),
            include_name: Vec::new(),
            exclude_name: Vec::new(),
            include_image: Vec::new(),
            exclude_image: Vec::new(),
            include_label: Vec::new(),
            exclude_label: Vec::new(),
            history: Place::default(),
            history_size: 1 << 30,
            history_keep: Keep::default(),
            collection_interval: Duration::from_secs(30),
            collection_timeout: Duration::from_secs(10),
            collection_retries: 3,
            collection_log_level: None,
            collector: Vec::new(),
            scrape_labels: false,
            scrape: Vec::new(),
            textfile: Vec::new(),
            implied: Vec::new(),
            spool: None,
            drain_timeout: Duration::from_secs(5),
            target: Vec::new(),
            census: Census::default(),
            log_level: LogLevel::default(),
            log_format: LogFormat::default(),
            config: None,
            surroundings: Surroundings::default(),
            state_home: None,
        }
    }
}
