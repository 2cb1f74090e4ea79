//! The one table of settings.
//!
//! Flags, environment variables, configuration keys, `--help`, `--print-config`, the table in the README, completions
//! and the man page all derive from [`SETTINGS`]. A setting is added here, and as a field of [`Settings`], and nowhere
//! else.

use plimsoll_collect::{DiskPace, SourceChoice};
use plimsoll_model::Collector;
use toml::Value;

use crate::settings::census::Images;
use crate::settings::schema::Settings;
use crate::settings::value::{
    self, AUTO, Choice as _, CollectionLogLevel, Expected, LogFormat, LogLevel, Raw, Shown,
};
use crate::settings::{census, history, listen, scrape, spool};
use crate::sub::Sub;

/// The collectors that can be switched on and off: all of the catalog's but the last, the agent's account of
/// itself.
pub(crate) const COLLECTORS: [&str; Collector::COUNT - 1] = {
    let mut names = [""; Collector::COUNT - 1];
    let mut index = 0;
    while index < names.len() {
        names[index] = Collector::ALL[index].name();
        index += 1;
    }
    names
};

/// Reads a value into its field, or says what was expected.
pub(crate) type Apply = fn(&mut Settings, &Raw) -> Result<(), Expected>;

/// One setting.
pub(crate) struct Setting {
    /// The key in a configuration file.
    pub(crate) key: &'static str,
    /// The flag, without its dashes.
    pub(crate) flag: &'static str,
    /// The environment variable.
    pub(crate) env: &'static str,
    /// Other environment variables that set it, the strongest first. All are weaker than `env`.
    pub(crate) aliases: &'static [Alias],
    /// What it takes, for the command line and completions.
    pub(crate) kind: Kind,
    /// What stands for its value in help, with the unit where it has one.
    pub(crate) value_name: &'static str,
    /// One line.
    pub(crate) help: &'static str,
    /// What one line cannot say; may be empty.
    pub(crate) long: &'static str,
    /// The heading under which help lists it.
    pub(crate) group: &'static str,
    /// The commands that take it as a flag. File and environment hold for every command.
    pub(crate) on: &'static [Sub],
    /// Reads a value.
    pub(crate) apply: Apply,
    /// The value as it stands in a configuration file.
    pub(crate) show: fn(&Settings) -> Value,
}

/// An environment variable of another program, or of the exporter that Plimsoll replaces.
pub(crate) struct Alias {
    /// Its name.
    pub(crate) env: &'static str,
    /// Reads a value.
    pub(crate) apply: Apply,
    /// How it differs from the setting's own variable.
    pub(crate) help: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// One value.
    One,
    /// One of these names.
    Choice(fn() -> Vec<&'static str>),
    /// Yes or no; the flag alone means yes.
    Bool,
    /// A folder.
    Folder,
    /// A file.
    File,
    /// The configuration file itself, which cannot be named in one.
    ConfigFile,
    /// Any number of values: a repeatable flag, an array, a variable with commas.
    List,
    /// Collectors on and off: two flags each, a table, a variable with commas.
    Collectors,
}

impl Setting {
    /// The default as text; empty for none.
    pub(crate) fn default_text(&self) -> String {
        match (self.show)(&Settings::default()) {
            Value::String(text) => text,
            Value::Array(entries) => {
                let texts: Vec<&str> = entries.iter().filter_map(Value::as_str).collect();
                texts.join(",")
            }
            Value::Table(entries) if entries.is_empty() => String::new(),
            other => other.to_string(),
        }
    }
}

/// The setting with a key.
pub(crate) fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const SERVING: &str = "Serving";
const SOURCES: &str = "Where to read";
const MEASURED: &str = "What to measure";
const CONTAINERS: &str = "Which containers";
const HISTORY: &str = "History";
const OWN: &str = "Collectors of your own";
const DELIVERY: &str = "Delivery";
const CENSUS: &str = "Census";
const PROGRAM: &str = "Log and configuration";

const READERS: &[Sub] =
    &[Sub::Agent, Sub::Stats, Sub::Metrics, Sub::Deliver, Sub::Check, Sub::CensusScan, Sub::CensusReport];
const LOGGERS: &[Sub] = &[
    Sub::Agent,
    Sub::Stats,
    Sub::Metrics,
    Sub::Deliver,
    Sub::Spool,
    Sub::Import,
    Sub::Check,
    Sub::CensusScan,
    Sub::CensusReport,
    Sub::CensusServe,
];
const EXPOSERS: &[Sub] = &[Sub::Agent, Sub::Metrics, Sub::Deliver, Sub::Check];
const CHOOSERS: &[Sub] = &[Sub::Agent, Sub::Stats, Sub::Metrics, Sub::Deliver];
const DISKS: &[Sub] = &[Sub::Agent, Sub::Deliver];
const REPORTERS: &[Sub] = &[Sub::Agent, Sub::CensusReport];
const KEEPERS: &[Sub] = &[
    Sub::Agent,
    Sub::CensusReport,
    Sub::CensusId,
    Sub::CensusServe,
    Sub::CensusImport,
    Sub::CensusExport,
    Sub::CensusForget,
];
const EVERY: &[Sub] = &[
    Sub::Agent,
    Sub::Stats,
    Sub::History,
    Sub::Export,
    Sub::Metrics,
    Sub::Deliver,
    Sub::Spool,
    Sub::Import,
    Sub::Flush,
    Sub::Check,
    Sub::Healthcheck,
    Sub::CensusScan,
    Sub::CensusReport,
    Sub::CensusId,
    Sub::CensusServe,
    Sub::CensusImport,
    Sub::CensusExport,
    Sub::CensusForget,
];

/// Every setting, in the order of help.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        flag: "listen",
        env: "PLIMSOLL_LISTEN",
        aliases: &[Alias {
            env: "EXPORTER_PORT",
            apply: |settings, raw| value::port(raw).map(|port| listen::set_port(&mut settings.listen, port)),
            help: "only the port",
        }],
        kind: Kind::List,
        value_name: "ADDRESS:PORT",
        help: "Where the HTTP server listens: addresses with ports, unix sockets",
        long: "Only this machine can reach the default. To publish the metrics, for instance from inside a container, \
               listen on 0.0.0.0:8003 or, shorter, :8003. unix:/PATH is a unix socket, which its owner and group may use. \
               The server listens at all that are named; `flush` and `healthcheck` ask at the first.",
        group: SERVING,
        on: &[Sub::Agent, Sub::Flush, Sub::Check, Sub::Healthcheck],
        apply: |settings, raw| listen::places(raw).map(|places| settings.listen = places),
        show: |settings| listen::show(&settings.listen),
    },
    Setting {
        key: "web_config_file",
        flag: "web.config.file",
        env: "PLIMSOLL_WEB_CONFIG_FILE",
        aliases: &[],
        kind: Kind::File,
        value_name: "FILE",
        help: "The server's TLS, client certificates and passwords; `off` for none",
        long: "The YAML file of Prometheus' exporters, unchanged: tls_server_config, http_server_config, basic_auth_users, \
               rate_limit. A running agent takes changes over by itself, and keeps what was good where they are not. \
               `flush` and `healthcheck` know the agent by its certificate there.",
        group: SERVING,
        on: &[Sub::Agent, Sub::Flush, Sub::Check, Sub::Healthcheck, Sub::CensusServe],
        apply: |settings, raw| listen::file(raw).map(|file| settings.web_config_file = file),
        show: |settings| listen::show_file(settings.web_config_file.as_ref()),
    },
    Setting {
        key: "web_token_file",
        flag: "web.token-file",
        env: "PLIMSOLL_WEB_TOKEN_FILE",
        aliases: &[],
        kind: Kind::List,
        value_name: "FILE",
        help: "Files with bearer tokens that open the HTTP server",
        long: "One token a line, of 16 characters or more; each of them is as good as a password. They are read again when \
               they change. `flush` shows the first of them.",
        group: SERVING,
        on: &[Sub::Agent, Sub::Flush, Sub::Check, Sub::CensusServe],
        apply: |settings, raw| listen::files(raw).map(|files| settings.web_token_file = files),
        show: |settings| settings.web_token_file.clone().into(),
    },
    Setting {
        key: "web_systemd_socket",
        flag: "web.systemd-socket",
        env: "PLIMSOLL_WEB_SYSTEMD_SOCKET",
        aliases: &[],
        kind: Kind::Bool,
        value_name: "BOOL",
        help: "Serve the sockets that systemd hands over, and open none",
        long: "All of them: addresses and unix sockets, of a socket unit's ListenStream. `listen` then says where they are, for \
               `flush` and `healthcheck`.",
        group: SERVING,
        on: &[Sub::Agent, Sub::Check],
        apply: |settings, raw| value::bool(raw).map(|on| settings.web_systemd_socket = on),
        show: |settings| settings.web_systemd_socket.into(),
    },
    Setting {
        key: "openmetrics_created",
        flag: "openmetrics-created",
        env: "PLIMSOLL_OPENMETRICS_CREATED",
        aliases: &[],
        kind: Kind::Bool,
        value_name: "BOOL",
        help: "Also write `_created` samples in OpenMetrics",
        long: "They carry the start time of each counter and nearly double the number of series; Prometheus needs its \
               feature `created-timestamp-zero-ingestion` to make use of them.",
        group: SERVING,
        on: &[Sub::Agent, Sub::Metrics],
        apply: |settings, raw| value::bool(raw).map(|on| settings.openmetrics_created = on),
        show: |settings| settings.openmetrics_created.into(),
    },
    Setting {
        key: "engine",
        flag: "engine",
        env: "PLIMSOLL_ENGINE",
        aliases: &[Alias {
            env: "DOCKER_SOCKET_PATH",
            apply: |settings, raw| value::engine(raw).map(|engine| settings.engine = engine),
            help: "one engine alone",
        }],
        kind: Kind::List,
        value_name: "ENGINE",
        help: "The container engines: `auto`, `none`, addresses, contexts",
        long: "`auto` finds them, now and later: what the docker and podman commands would talk to (DOCKER_HOST, \
               DOCKER_CONTEXT, the contexts below DOCKER_CONFIG or HOME, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, \
               CONTAINER_HOST), /var/run/docker.sock, /run/podman/podman.sock, those of users below /run/user and \
               XDG_RUNTIME_DIR, and below HOME those of Docker Desktop, Colima, OrbStack, Rancher Desktop and Podman's \
               machine. `none` asks nobody: containers are recognised by their cgroups. An address is unix:///PATH, \
               /PATH, tcp://HOST:PORT, https://HOST:PORT (with ca.pem, cert.pem and key.pem of DOCKER_CERT_PATH, as for \
               docker) or ssh://[USER@]HOST; context:NAME is a context of the docker command. Engines are only ever \
               read: nothing is started, stopped or changed.",
        group: SOURCES,
        on: READERS,
        apply: |settings, raw| value::engines(raw).map(|engines| settings.engine = engines),
        show: |settings| settings.engine.clone().into(),
    },
    Setting {
        key: "source",
        flag: "source",
        env: "PLIMSOLL_SOURCE",
        aliases: &[],
        kind: Kind::Choice(value::names::<SourceChoice>),
        value_name: "SOURCE",
        help: "Where numbers come from",
        long: "`auto` is the kernel where an engine's containers run on it, else the engine's API: a remote one's, or one's \
               in a virtual machine. `kernel` and `api` are that alone; the API knows fewer numbers and costs the engine \
               work.",
        group: SOURCES,
        on: READERS,
        apply: |settings, raw| value::choice(raw).map(|source| settings.source = source),
        show: |settings| settings.source.name().into(),
    },
    Setting {
        key: "procfs",
        flag: "procfs",
        env: "PLIMSOLL_PROCFS",
        aliases: &[],
        kind: Kind::Folder,
        value_name: "FOLDER",
        help: "Where the host's /proc is",
        long: "Inside a container, mount the host's /proc and name the place.",
        group: SOURCES,
        on: READERS,
        apply: |settings, raw| value::path(raw).map(|path| settings.procfs = path),
        show: |settings| settings.procfs.display().to_string().into(),
    },
    Setting {
        key: "sysfs",
        flag: "sysfs",
        env: "PLIMSOLL_SYSFS",
        aliases: &[],
        kind: Kind::Folder,
        value_name: "FOLDER",
        help: "Where the host's /sys is",
        long: "Names of block devices come from there.",
        group: SOURCES,
        on: READERS,
        apply: |settings, raw| value::path(raw).map(|path| settings.sysfs = path),
        show: |settings| settings.sysfs.display().to_string().into(),
    },
    Setting {
        key: "cgroup_root",
        flag: "cgroup-root",
        env: "PLIMSOLL_CGROUP_ROOT",
        aliases: &[],
        kind: Kind::Folder,
        value_name: "FOLDER",
        help: "Where the host's cgroups are",
        long: "Versions 1 and 2 and the hybrid of both are recognised by what is mounted there.",
        group: SOURCES,
        on: READERS,
        apply: |settings, raw| value::path(raw).map(|path| settings.cgroup_root = path),
        show: |settings| settings.cgroup_root.display().to_string().into(),
    },
    Setting {
        key: "interval",
        flag: "interval",
        env: "PLIMSOLL_INTERVAL",
        aliases: &[Alias {
            env: "POLL_INTERVAL",
            apply: |settings, raw| value::interval(raw).map(|interval| settings.interval = interval),
            help: "seconds",
        }],
        kind: Kind::One,
        value_name: "DURATION",
        help: "Time between two samples, 100ms to 1h",
        long: "As 500ms, 1s, 15 (seconds) or 1m. A scrape never waits for it: it gets numbers that are at most 100 ms old.",
        group: MEASURED,
        on: &[Sub::Agent, Sub::Stats, Sub::Deliver],
        apply: |settings, raw| value::interval(raw).map(|interval| settings.interval = interval),
        show: |settings| value::show_duration(settings.interval).into(),
    },
    Setting {
        key: "profile",
        flag: "profile",
        env: "PLIMSOLL_PROFILE",
        aliases: &[],
        kind: Kind::Choice(value::names::<Shown>),
        value_name: "PROFILE",
        help: "How many metric families are exposed",
        long: "`minimal` is about thirty series a container, `default` what one needs to run containers well, `full` \
               everything that this machine can tell. `cadvisor` is what cAdvisor has, under its names and with its labels.",
        group: MEASURED,
        on: EXPOSERS,
        apply: |settings, raw| value::choice(raw).map(|profile| settings.profile = profile),
        show: |settings| settings.profile.name().into(),
    },
    Setting {
        key: "collectors",
        flag: "collector.NAME",
        env: "PLIMSOLL_COLLECTORS",
        aliases: &[],
        kind: Kind::Collectors,
        value_name: "NAME",
        help: "Collectors on and off, one by one",
        long: "What is not named here is as the profile has it; what is switched on shows what the default profile \
               shows of it, even in a smaller one. Some are off in every profile; the README names them. Flags are --collector.NAME and --no-collector.NAME, in the \
               environment a list such as `cpu,-network`, in a file a table with NAME = true or false.",
        group: MEASURED,
        on: EXPOSERS,
        apply: |settings, raw| match raw {
            Raw::Collector(name, on) => {
                settings.collectors.insert(name, *on);
                Ok(())
            }
            _ => Err("a table of collectors, each true or false".into()),
        },
        show: |settings| {
            Value::Table(
                settings.collectors.iter().map(|(name, on)| ((*name).to_owned(), (*on).into())).collect(),
            )
        },
    },
    Setting {
        key: "disk_interval",
        flag: "disk-interval",
        env: "PLIMSOLL_DISK_INTERVAL",
        aliases: &[],
        kind: Kind::One,
        value_name: "DURATION",
        help: "Time between two looks at one container's disk, 1s to 24h",
        long: "At least ten times as long as the last look took. Engines are asked to count every ten minutes at most.",
        group: MEASURED,
        on: DISKS,
        apply: |settings, raw| {
            value::slow(raw).map(|interval| {
                let engine = DiskPace::default().engine.max(interval);
                settings.disk = DiskPace { interval, engine, ..settings.disk };
            })
        },
        show: |settings| value::show_duration(settings.disk.interval).into(),
    },
    Setting {
        key: "disk_budget",
        flag: "disk-budget",
        env: "PLIMSOLL_DISK_BUDGET",
        aliases: &[],
        kind: Kind::One,
        value_name: "FILES",
        help: "The most files that a walk looks at in a second",
        long: "One layer or volume is walked at a time, behind everybody else who wants the processor or the disk.",
        group: MEASURED,
        on: DISKS,
        apply: |settings, raw| value::budget(raw).map(|budget| settings.disk.budget = budget),
        show: |settings| i64::from(settings.disk.budget).into(),
    },
    Setting {
        key: "disk_deadline",
        flag: "disk-deadline",
        env: "PLIMSOLL_DISK_DEADLINE",
        aliases: &[],
        kind: Kind::One,
        value_name: "DURATION",
        help: "How long the walk of one layer or volume may take, 1s to 24h",
        long: "A walk that is not done by then tells nothing; what was measured before stays, and grows older.",
        group: MEASURED,
        on: DISKS,
        apply: |settings, raw| value::slow(raw).map(|deadline| settings.disk.deadline = deadline),
        show: |settings| value::show_duration(settings.disk.deadline).into(),
    },
    Setting {
        key: "labels",
        flag: "label",
        env: "PLIMSOLL_LABELS",
        aliases: &[],
        kind: Kind::List,
        value_name: "KEY",
        help: "Engine label to export on container_labels_info; `*` for all",
        long: "None is exported unless named: labels can hold anything, and each is a series' worth of text. In the profile \
               `cadvisor` they stand on every series as container_label_KEY, and without this setting all of them do.",
        group: MEASURED,
        on: &[Sub::Agent, Sub::Metrics],
        apply: |settings, raw| value::label_keys(raw).map(|keys| settings.labels = keys),
        show: |settings| settings.labels.clone().into(),
    },
    Setting {
        key: "include_name",
        flag: "include-name",
        env: "PLIMSOLL_INCLUDE_NAME",
        aliases: &[],
        kind: Kind::List,
        value_name: "GLOB",
        help: "Only containers whose name matches",
        long: "Several patterns: any of them. Of name, image and label every one that is given must match, and what is \
               excluded stays out even if it is included.",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::patterns(raw).map(|patterns| settings.include_name = patterns),
        show: |settings| settings.include_name.clone().into(),
    },
    Setting {
        key: "exclude_name",
        flag: "exclude-name",
        env: "PLIMSOLL_EXCLUDE_NAME",
        aliases: &[],
        kind: Kind::List,
        value_name: "GLOB",
        help: "No containers whose name matches",
        long: "",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::patterns(raw).map(|patterns| settings.exclude_name = patterns),
        show: |settings| settings.exclude_name.clone().into(),
    },
    Setting {
        key: "include_image",
        flag: "include-image",
        env: "PLIMSOLL_INCLUDE_IMAGE",
        aliases: &[],
        kind: Kind::List,
        value_name: "GLOB",
        help: "Only containers whose image matches",
        long: "",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::patterns(raw).map(|patterns| settings.include_image = patterns),
        show: |settings| settings.include_image.clone().into(),
    },
    Setting {
        key: "exclude_image",
        flag: "exclude-image",
        env: "PLIMSOLL_EXCLUDE_IMAGE",
        aliases: &[],
        kind: Kind::List,
        value_name: "GLOB",
        help: "No containers whose image matches",
        long: "",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::patterns(raw).map(|patterns| settings.exclude_image = patterns),
        show: |settings| settings.exclude_image.clone().into(),
    },
    Setting {
        key: "include_label",
        flag: "include-label",
        env: "PLIMSOLL_INCLUDE_LABEL",
        aliases: &[],
        kind: Kind::List,
        value_name: "KEY[=GLOB]",
        help: "Only containers with a matching label",
        long: "KEY alone means any value.",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::label_patterns(raw).map(|patterns| settings.include_label = patterns),
        show: |settings| settings.include_label.clone().into(),
    },
    Setting {
        key: "exclude_label",
        flag: "exclude-label",
        env: "PLIMSOLL_EXCLUDE_LABEL",
        aliases: &[],
        kind: Kind::List,
        value_name: "KEY[=GLOB]",
        help: "No containers with a matching label",
        long: "KEY alone means any value.",
        group: CONTAINERS,
        on: CHOOSERS,
        apply: |settings, raw| value::label_patterns(raw).map(|patterns| settings.exclude_label = patterns),
        show: |settings| settings.exclude_label.clone().into(),
    },
    Setting {
        key: "history",
        flag: "history",
        env: "PLIMSOLL_HISTORY",
        aliases: &[],
        kind: Kind::File,
        value_name: "FILE",
        help: "The file of the history; `off` for none",
        long: "Without a name it is /var/lib/plimsoll/history.db for root, and plimsoll/history.db below XDG_STATE_HOME or \
               ~/.local/state for others. One agent writes it; where it cannot, it goes on without a history and says so.",
        group: HISTORY,
        on: &[Sub::Agent, Sub::Stats, Sub::History, Sub::Export, Sub::Check],
        apply: |settings, raw| history::place(raw).map(|place| settings.history = place),
        show: |settings| settings.history.to_string().into(),
    },
    Setting {
        key: "history_size",
        flag: "history-size",
        env: "PLIMSOLL_HISTORY_SIZE",
        aliases: &[],
        kind: Kind::One,
        value_name: "BYTES",
        help: "The most bytes that the history may have, 16MiB to 16TiB",
        long: "As 500MB, 1GiB or plain bytes. Where it is too little for what `history-keep` asks for, the finest and oldest \
               goes first.",
        group: HISTORY,
        on: &[Sub::Agent],
        apply: |settings, raw| history::size(raw).map(|bytes| settings.history_size = bytes),
        show: |settings| history::show_size(settings.history_size).into(),
    },
    Setting {
        key: "history_keep",
        flag: "history-keep",
        env: "PLIMSOLL_HISTORY_KEEP",
        aliases: &[],
        kind: Kind::List,
        value_name: "TIER=DURATION",
        help: "How long samples, and points for 10s, 1m and 1h are kept",
        long: "`raw` is what was sampled; the others keep minimum, maximum, mean and last of their time, and the increase of \
               counters. A tier that is not named keeps its default. As raw=7d, 10s=2w, 1m=1y; hours are h, days d, weeks w, \
               years y.",
        group: HISTORY,
        on: &[Sub::Agent],
        apply: |settings, raw| history::keep(raw).map(|keep| settings.history_keep = keep),
        show: |settings| settings.history_keep.entries().into(),
    },
    Setting {
        key: "scrape_labels",
        flag: "scrape-labels",
        env: "PLIMSOLL_SCRAPE_LABELS",
        aliases: &[],
        kind: Kind::Bool,
        value_name: "BOOL",
        help: "Ask containers for metrics that say so by labels",
        long: "Each running container with the label prometheus.io/scrape=true is asked at its own address, at the port of \
               prometheus.io/port or the only one that it exposes, for prometheus.io/path or /metrics. The labels may be \
               written with dots or underscores, too. What it tells carries its name, image and id.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| value::bool(raw).map(|on| settings.scrape_labels = on),
        show: |settings| settings.scrape_labels.into(),
    },
    Setting {
        key: "scrape",
        flag: "scrape",
        env: "PLIMSOLL_SCRAPE",
        aliases: &[],
        kind: Kind::List,
        value_name: "URL",
        help: "Addresses to ask for metrics, which are passed on",
        long: "As http://localhost:9100/metrics. What an address tells gets a label `instance` with its host and port, \
               unless it has one. A `[[collector]]` of type http can do more.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| scrape::urls(raw).map(|urls| settings.scrape = urls),
        show: |settings| settings.scrape.clone().into(),
    },
    Setting {
        key: "textfile",
        flag: "textfile",
        env: "PLIMSOLL_TEXTFILE",
        aliases: &[],
        kind: Kind::List,
        value_name: "FOLDER",
        help: "Folders whose *.prom files are passed on as metrics",
        long: "As node_exporter's textfile collector does it, node_textfile_mtime_seconds and node_textfile_scrape_error \
               included. A file that is broken is left out as a whole, and no other one for it.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| scrape::folders(raw).map(|folders| settings.textfile = folders),
        show: |settings| settings.textfile.clone().into(),
    },
    Setting {
        key: "collection_interval",
        flag: "collection-interval",
        env: "PLIMSOLL_COLLECTION_INTERVAL",
        aliases: &[Alias {
            env: "METRICS_COLLECTION_INTERVAL",
            apply: |settings, raw| {
                value::collection_interval(raw).map(|interval| settings.collection_interval = interval)
            },
            help: "seconds",
        }],
        kind: Kind::One,
        value_name: "DURATION",
        help: "Time between two collections of a `[[collector]]`, 100ms to 24h",
        long: "For those that do not say. The containers themselves are sampled at `interval`.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| {
            value::collection_interval(raw).map(|interval| settings.collection_interval = interval)
        },
        show: |settings| value::show_duration(settings.collection_interval).into(),
    },
    Setting {
        key: "collection_timeout",
        flag: "collection-timeout",
        env: "PLIMSOLL_COLLECTION_TIMEOUT",
        aliases: &[Alias {
            env: "METRICS_TIMEOUT",
            apply: |settings, raw| value::timeout(raw).map(|timeout| settings.collection_timeout = timeout),
            help: "seconds",
        }],
        kind: Kind::One,
        value_name: "DURATION",
        help: "How long one attempt to collect may take, 1ms to 1h",
        long: "For those that do not say; never longer than their interval.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| value::timeout(raw).map(|timeout| settings.collection_timeout = timeout),
        show: |settings| value::show_duration(settings.collection_timeout).into(),
    },
    Setting {
        key: "collection_retries",
        flag: "collection-retries",
        env: "PLIMSOLL_COLLECTION_RETRIES",
        aliases: &[Alias {
            env: "METRICS_RETRY_ATTEMPTS",
            apply: |settings, raw| value::retries(raw).map(|retries| settings.collection_retries = retries),
            help: "the same",
        }],
        kind: Kind::One,
        value_name: "COUNT",
        help: "How often a collection that failed is tried again, 0 to 100",
        long: "For those that do not say. The waits between attempts double, and none begins after the interval has passed.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| value::retries(raw).map(|retries| settings.collection_retries = retries),
        show: |settings| i64::from(settings.collection_retries).into(),
    },
    Setting {
        key: "collection_log_level",
        flag: "collection-log-level",
        env: "PLIMSOLL_COLLECTION_LOG_LEVEL",
        aliases: &[Alias {
            env: "METRICS_LOG_LEVEL",
            apply: |settings, raw| {
                value::level_of_others(raw).map(|level| settings.collection_log_level = Some(level))
            },
            help: "also WARNING and the like",
        }],
        kind: Kind::Choice(value::names::<CollectionLogLevel>),
        value_name: "LEVEL",
        help: "How much the log says of collectors",
        long: "`same` is as `log-level` says. With debug, each attempt that fails has a line.",
        group: OWN,
        on: EXPOSERS,
        apply: |settings, raw| {
            value::choice::<CollectionLogLevel>(raw).map(|level| settings.collection_log_level = level.0)
        },
        show: |settings| CollectionLogLevel(settings.collection_log_level).name().into(),
    },
    Setting {
        key: "spool",
        flag: "spool",
        env: "PLIMSOLL_SPOOL",
        aliases: &[],
        kind: Kind::Folder,
        value_name: "FOLDER",
        help: "Where points wait on disk for their targets",
        long: "Targets are [[target]] tables of the configuration file, or one in PLIMSOLL_TARGET_… variables. Without a name \
               the folder is /var/lib/plimsoll/spool for root, and plimsoll/spool below XDG_STATE_HOME or ~/.local/state for \
               others. Each target has a file there, none larger than its `queue_disk`.",
        group: DELIVERY,
        on: &[Sub::Agent, Sub::Deliver, Sub::Spool, Sub::Import, Sub::Check],
        apply: |settings, raw| spool::folder(raw).map(|folder| settings.spool = folder),
        show: |settings| {
            settings.spool.as_ref().map_or_else(|| AUTO.into(), |path| path.display().to_string()).into()
        },
    },
    Setting {
        key: "drain_timeout",
        flag: "drain-timeout",
        env: "PLIMSOLL_DRAIN_TIMEOUT",
        aliases: &[],
        kind: Kind::One,
        value_name: "DURATION",
        help: "How long the end waits for deliveries, 0s to 1h",
        long: "What is not delivered by then stays in the spool for the next start, except that of targets whose durability is \
               `none`, which is lost and counted.",
        group: DELIVERY,
        on: &[Sub::Agent, Sub::Deliver, Sub::Import],
        apply: |settings, raw| value::delay(raw).map(|time| settings.drain_timeout = time),
        show: |settings| value::show_duration(settings.drain_timeout).into(),
    },
    Setting {
        key: "census",
        flag: "census",
        env: "PLIMSOLL_CENSUS",
        aliases: &[],
        kind: Kind::Bool,
        value_name: "BOOL",
        help: "Report how containers are used to who counts installations",
        long: "Off unless it is switched on, and off where DO_NOT_TRACK is set. `plimsoll census report` shows what would be \
               sent, and what each part of it reveals.",
        group: CENSUS,
        on: &[Sub::Agent],
        apply: |settings, raw| value::bool(raw).map(|on| settings.census.on = on),
        show: |settings| settings.census.on.into(),
    },
    Setting {
        key: "census_interval",
        flag: "census-interval",
        env: "PLIMSOLL_CENSUS_INTERVAL",
        aliases: &[],
        kind: Kind::One,
        value_name: "DURATION",
        help: "Time between two reports to a census, 1h to 720h",
        long: "The first one is made some five minutes after the agent has started.",
        group: CENSUS,
        on: REPORTERS,
        apply: |settings, raw| census::interval(raw).map(|interval| settings.census.interval = interval),
        show: |settings| value::show_duration(settings.census.interval).into(),
    },
    Setting {
        key: "census_endpoint",
        flag: "census-endpoint",
        env: "PLIMSOLL_CENSUS_ENDPOINT",
        aliases: &[],
        kind: Kind::List,
        value_name: "ENDPOINT",
        help: "Where reports to a census go: an address, then `key=FILE`",
        long: "As \"https://census.example/api/ingest key=/etc/plimsoll/census.key\"; `ca=FILE` names authorities to trust \
               instead of the system's. Several are reported to side by side.",
        group: CENSUS,
        on: REPORTERS,
        apply: |settings, raw| census::endpoints(raw).map(|endpoints| settings.census.endpoints = endpoints),
        show: |settings| settings.census.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
    },
    Setting {
        key: "census_images",
        flag: "census-images",
        env: "PLIMSOLL_CENSUS_IMAGES",
        aliases: &[],
        kind: Kind::Choice(value::names::<Images>),
        value_name: "NAMES",
        help: "How a report to a census names images",
        long: "`plain` is as containers name them, registry and tag included; `normalised` leaves out the large public \
               registries; `hashed` is a hash that this installation alone can make; `omitted` sends no images at all.",
        group: CENSUS,
        on: REPORTERS,
        apply: |settings, raw| value::choice(raw).map(|images| settings.census.images = images),
        show: |settings| settings.census.images.name().into(),
    },
    Setting {
        key: "census_state",
        flag: "census-state",
        env: "PLIMSOLL_CENSUS_STATE",
        aliases: &[],
        kind: Kind::Folder,
        value_name: "FOLDER",
        help: "Where this installation's made-up identifier is kept",
        long: "Without a name the folder is /var/lib/plimsoll/census for root, and plimsoll/census below XDG_STATE_HOME or \
               ~/.local/state for others. `plimsoll census id --rotate` makes up another identifier.",
        group: CENSUS,
        on: KEEPERS,
        apply: |settings, raw| census::folder(raw).map(|folder| settings.census.state = folder),
        show: |settings| census::show_path(settings.census.state.as_ref()).into(),
    },
    Setting {
        key: "census_agent_listen",
        flag: "census-agent-listen",
        env: "PLIMSOLL_CENSUS_AGENT_LISTEN",
        aliases: &[],
        kind: Kind::One,
        value_name: "ADDRESS:PORT",
        help: "Where the agent answers a Census server's scans; `off` for not",
        long: "The part of Container Census' agent API that only reads, usually at port 9876: `plimsoll census scan --host \
               agent://…` reads it, too. Nobody can start, stop or remove anything there.",
        group: CENSUS,
        on: &[Sub::Agent],
        apply: |settings, raw| census::listen(raw).map(|address| settings.census.agent_listen = address),
        show: |settings| census::show_listen(settings.census.agent_listen).into(),
    },
    Setting {
        key: "census_agent_token_file",
        flag: "census-agent-token-file",
        env: "PLIMSOLL_CENSUS_AGENT_TOKEN_FILE",
        aliases: &[],
        kind: Kind::File,
        value_name: "FILE",
        help: "The file of the token that such a server has to show",
        long: "Made with a token in it if it is not there. Without a name it is `agent-token` in the folder of `census-state`.",
        group: CENSUS,
        on: &[Sub::Agent],
        apply: |settings, raw| census::file(raw).map(|file| settings.census.agent_token_file = file),
        show: |settings| census::show_path(settings.census.agent_token_file.as_ref()).into(),
    },
    Setting {
        key: "log_level",
        flag: "log-level",
        env: "PLIMSOLL_LOG_LEVEL",
        aliases: &[],
        kind: Kind::Choice(value::names::<LogLevel>),
        value_name: "LEVEL",
        help: "How much the log says",
        long: "The log is on standard error.",
        group: PROGRAM,
        on: LOGGERS,
        apply: |settings, raw| value::choice(raw).map(|level| settings.log_level = level),
        show: |settings| settings.log_level.name().into(),
    },
    Setting {
        key: "log_format",
        flag: "log-format",
        env: "PLIMSOLL_LOG_FORMAT",
        aliases: &[],
        kind: Kind::Choice(value::names::<LogFormat>),
        value_name: "FORMAT",
        help: "The log as text or as JSON",
        long: "",
        group: PROGRAM,
        on: LOGGERS,
        apply: |settings, raw| value::choice(raw).map(|format| settings.log_format = format),
        show: |settings| settings.log_format.name().into(),
    },
    Setting {
        key: "config",
        flag: "config",
        env: "PLIMSOLL_CONFIG",
        aliases: &[],
        kind: Kind::ConfigFile,
        value_name: "FILE",
        help: "The configuration file (TOML)",
        long: "Without it, /etc/plimsoll/plimsoll.toml is read if it exists. Settings there are weaker than those of the \
               environment, and these weaker than flags.",
        group: PROGRAM,
        on: EVERY,
        apply: |settings, raw| value::path(raw).map(|path| settings.config = Some(path)),
        show: |settings| {
            settings.config.as_ref().map_or_else(String::new, |path| path.display().to_string()).into()
        },
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_one_rule() {
        let mut names = BTreeSet::new();
        for setting in SETTINGS {
            assert_eq!(setting.env, format!("PLIMSOLL_{}", setting.key.to_uppercase()));
            match setting.key {
                // Flags that are given many times are singular.
                "labels" => assert_eq!(setting.flag, "label"),
                "collectors" => assert_eq!(setting.flag, "collector.NAME"),
                // As Prometheus' exporters have them.
                "web_config_file" => assert_eq!(setting.flag, "web.config.file"),
                "web_token_file" => assert_eq!(setting.flag, "web.token-file"),
                "web_systemd_socket" => assert_eq!(setting.flag, "web.systemd-socket"),
                key => assert_eq!(setting.flag, key.replace('_', "-")),
            }
            for name in
                [setting.key, setting.env].into_iter().chain(setting.aliases.iter().map(|alias| alias.env))
            {
                assert!(names.insert(name), "{name} twice");
            }
            assert!(!setting.help.ends_with('.') && setting.help.len() <= 70, "{}", setting.help);
            assert!(setting.long.is_empty() || setting.long.ends_with('.'), "{}", setting.long);
            assert!(!setting.on.is_empty(), "{}", setting.key);
        }
    }

    #[test]
    fn defaults_are_those_of_the_product() {
        let expected = [
            ("listen", "127.0.0.1:8003"),
            ("web_systemd_socket", "false"),
            ("openmetrics_created", "false"),
            ("engine", "auto"),
            ("source", "auto"),
            ("procfs", "/proc"),
            ("sysfs", "/sys"),
            ("cgroup_root", "/sys/fs/cgroup"),
            ("web_config_file", "off"),
            ("interval", "1s"),
            ("profile", "default"),
            ("disk_interval", "1m"),
            ("disk_budget", "10000"),
            ("disk_deadline", "5m"),
            ("history", "auto"),
            ("history_size", "1GiB"),
            ("history_keep", "raw=1d,10s=1w,1m=90d,1h=2y"),
            ("scrape_labels", "false"),
            ("collection_interval", "30s"),
            ("collection_timeout", "10s"),
            ("collection_retries", "3"),
            ("collection_log_level", "same"),
            ("spool", "auto"),
            ("drain_timeout", "5s"),
            ("census", "false"),
            ("census_interval", "168h"),
            ("census_images", "plain"),
            ("census_state", "auto"),
            ("census_agent_listen", "off"),
            ("census_agent_token_file", "auto"),
            ("log_level", "info"),
            ("log_format", "text"),
        ];
        for setting in SETTINGS {
            let text = expected.iter().find(|(key, _)| *key == setting.key).map_or("", |(_, text)| text);
            assert_eq!(setting.default_text(), text, "{}", setting.key);
        }
    }
}
