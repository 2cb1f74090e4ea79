//! Settings: what they are, where they come from, and which place wins.
//!
//! Defaults < configuration file < environment < flags. [`table`] names every setting once; [`file`], [`environment`]
//! and [`flags`] turn what each place says into [`Assignment`]s; [`load`] applies them in order and remembers where
//! each value came from. Nothing wrong is passed over: an unknown key or variable is an error that names the nearest
//! known one, and a bad value is an error even where a stronger place overrides it (only a bad alias, which belongs to
//! another program, may be overridden).

pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod flags;
mod print;
pub(crate) mod table;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_model::Profile;

use crate::failure::Failure;
use crate::settings::environment::Environment;
use crate::settings::table::{Apply, Setting};
use crate::settings::value::{LogFormat, LogLevel, Raw};
use crate::text;

/// The configuration file that is read if it exists and no other is named.
const DEFAULT_FILE: &str = "/etc/plimsoll/plimsoll.toml";

/// The settings in force. The fields are explained in [`table::SETTINGS`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Where the HTTP server listens.
    pub(crate) listen: SocketAddr,
    /// Also `_created` samples in OpenMetrics.
    pub(crate) openmetrics_created: bool,
    /// The engine's address, `unix:///var/run/docker.sock`.
    pub(crate) engine: String,
    /// The host's `/proc`.
    pub(crate) procfs: PathBuf,
    /// The host's `/sys`.
    pub(crate) sysfs: PathBuf,
    /// The host's cgroups.
    pub(crate) cgroup_root: PathBuf,
    /// Time between two samples.
    pub(crate) interval: Duration,
    /// Which families are exposed.
    pub(crate) profile: Profile,
    /// Collectors that were switched on or off; the others are as the profile has them.
    pub(crate) collectors: BTreeMap<&'static str, bool>,
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
    /// How much the log says.
    pub(crate) log_level: LogLevel,
    /// For whom the log is written.
    pub(crate) log_format: LogFormat,
    /// The configuration file that was read, if one was.
    pub(crate) config: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8003)),
            openmetrics_created: false,
            engine: "unix:///var/run/docker.sock".into(),
            procfs: "/proc".into(),
            sysfs: "/sys".into(),
            cgroup_root: "/sys/fs/cgroup".into(),
            interval: Duration::from_secs(1),
            profile: Profile::default(),
            collectors: BTreeMap::new(),
            labels: Vec::new(),
            include_name: Vec::new(),
            exclude_name: Vec::new(),
            include_image: Vec::new(),
            exclude_image: Vec::new(),
            include_label: Vec::new(),
            exclude_label: Vec::new(),
            log_level: LogLevel::default(),
            log_format: LogFormat::default(),
            config: None,
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("default"),
            Origin::File { path, line } => {
                write!(formatter, "{}:{line}", text::printable(&path.display().to_string()))
            }
            Origin::Environment(name) => write!(formatter, "environment {name}"),
            Origin::Flag(flag) => write!(formatter, "flag --{flag}"),
        }
    }
}

/// What one place says about one setting.
pub(crate) struct Assignment {
    /// The setting.
    setting: &'static Setting,
    /// What was given.
    raw: Raw,
    /// Where.
    origin: Origin,
    /// How it is read: the setting's own way, or an alias'.
    apply: Apply,
    /// Whether an alias said it. A later assignment makes it void, errors and all.
    alias: bool,
}

impl Assignment {
    fn new(setting: &'static Setting, raw: Raw, origin: Origin) -> Self {
        Self { setting, raw, origin, apply: setting.apply, alias: false }
    }

    /// The key under which the origin is remembered. Each collector has an origin of its own.
    fn key(&self) -> String {
        match self.raw {
            Raw::Collector(name, _) => format!("{}.{name}", self.setting.key),
            _ => self.setting.key.to_owned(),
        }
    }
}

/// The settings with the origin of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merged {
    /// What is in force.
    pub(crate) settings: Settings,
    /// Where it came from, by key (`interval`, `collectors.cpu`); what is missing is a default.
    origins: BTreeMap<String, Origin>,
}

impl Merged {
    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// Merges defaults, the configuration file, the environment and flags. `read` reads a file.
pub(crate) fn load(
    flags: Vec<Assignment>,
    environment: &Environment,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Merged, Failure> {
    let environment = environment::assignments(environment)?;
    let named = flags.iter().chain(&environment).find(|given| given.setting.key == "config");
    let (path, origin) = match named {
        Some(given) => {
            let mut settings = Settings::default();
            apply(given, &mut settings)?;
            (settings.config.unwrap_or_default(), given.origin.clone())
        }
        None => (PathBuf::from(DEFAULT_FILE), Origin::Default),
    };
    let mut assignments = Vec::new();
    let mut found = None;
    match read(&path) {
        Ok(contents) => {
            assignments = file::assignments(&contents, &path)?;
            found = Some(path);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && origin == Origin::Default => {}
        Err(error) => return Err(unreadable(&path, &origin, error)),
    }
    assignments.extend(environment);
    assignments.extend(flags);

    let mut merged = Merged { settings: Settings::default(), origins: BTreeMap::new() };
    for (index, assignment) in assignments.iter().enumerate() {
        let overridden =
            assignments[index + 1..].iter().any(|later| later.setting.key == assignment.setting.key);
        if assignment.alias && overridden {
            continue;
        }
        apply(assignment, &mut merged.settings)?;
        merged.origins.insert(assignment.key(), assignment.origin.clone());
    }
    merged.settings.config = found;
    Ok(merged)
}

fn apply(assignment: &Assignment, settings: &mut Settings) -> Result<(), Failure> {
    (assignment.apply)(settings, &assignment.raw).map_err(|expected| {
        bad_value(&assignment.origin, assignment.setting.key, &assignment.raw.quoted(), &expected)
    })
}

/// A value that is not what its setting takes.
fn bad_value(origin: &Origin, key: &str, given: &str, expected: &impl fmt::Display) -> Failure {
    Failure::caller(format!("{origin}: bad value {given} for {key}: expected {expected}"))
}

/// A word that is not known, with the nearest that is.
fn unknown(place: &str, what: &str, given: &str, known: &[&'static str]) -> Failure {
    let failure = Failure::caller(format!("{place}: unknown {what} {}", text::quoted(given)));
    match text::nearest(given, known.iter().copied()) {
        Some(word) => failure.remedy(format!("the nearest known one is `{word}`")),
        None => failure.remedy(format!("known are {}", known.join(", "))),
    }
}

fn unreadable(path: &Path, origin: &Origin, error: io::Error) -> Failure {
    let named = match origin {
        Origin::Default => String::new(),
        _ => format!(" ({origin})"),
    };
    Failure::world(format!("cannot read the configuration {}{named}", path.display()))
        .remedy("make it readable for this user, or name another file with --config")
        .because(error)
}

#[cfg(test)]
mod tests;
