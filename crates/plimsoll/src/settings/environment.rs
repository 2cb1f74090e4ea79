//! The environment: the only place that reads it, and what its variables mean.
//!
//! `PLIMSOLL_<KEY>` sets any setting. A `PLIMSOLL_` variable that is none of them is an error, because a mistyped
//! variable is otherwise never noticed. `PLIMSOLL_TARGET_<KEY>` is a key of a target. An empty variable counts as unset, as compose files leave them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use plimsoll_deliver::config::Secret;
use plimsoll_engine::Surroundings;

use crate::failure::Failure;
use crate::settings::assignment::{Assignment, bad_value, unknown};
use crate::settings::census::{Census, Password, Server, asks_not_to};
use crate::settings::origin::Origin;
use crate::settings::table::{COLLECTORS, Kind, SETTINGS, Setting};
use crate::settings::target;
use crate::settings::value::Raw;
use crate::text;

const PREFIX: &str = "PLIMSOLL_";

/// Variables of the build and of the project's scripts, which are no settings.
const FOREIGN: [&str; 2] = ["PLIMSOLL_DOCKER_ROOT", "PLIMSOLL_REVISION"];

/// Beginnings of variables that are no settings: the tests', and those that Kubernetes and container links make for a
/// service that is called `plimsoll`.
const FOREIGN_PREFIXES: [&str; 5] =
    ["PLIMSOLL_TEST_", "PLIMSOLL_SERVICE_HOST", "PLIMSOLL_SERVICE_PORT", "PLIMSOLL_PORT_", "PLIMSOLL_ENV_"];

/// The variables that say where engines are to the `docker` and `podman` commands. They are no settings: the engine
/// `auto` looks at them, as those commands do.
pub(crate) const OF_ENGINES: [&str; 8] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "XDG_RUNTIME_DIR",
    "HOME",
];

/// Where a user's programs keep what they know. No setting, but the setting `history` follows it.
const STATE_HOME: &str = "XDG_STATE_HOME";

/// Whoever sets it does not want to be counted by any program.
const DO_NOT_TRACK: &str = "DO_NOT_TRACK";

/// The token that agents of others are shown when they are scanned. No setting, as settings are printed.
const CENSUS_TOKEN: &str = "PLIMSOLL_CENSUS_AGENT_TOKEN";

/// What else is read, and is no setting.
const OTHERS: [&str; 10] = [
    STATE_HOME,
    DO_NOT_TRACK,
    CENSUS_TOKEN,
    // The variables of Container Census' collector, for who puts Plimsoll in its place.
    "DATABASE_URL",
    "PORT",
    "STATS_API_KEY",
    "STATS_MIN_INSTALLATIONS",
    "COLLECTOR_AUTH_ENABLED",
    "COLLECTOR_AUTH_USERNAME",
    "COLLECTOR_AUTH_PASSWORD",
];

/// The variables that concern Plimsoll, by name. No other is kept: an environment is full of secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    // `vars` panics on variables that are not Unicode, hence `vars_os`.
    #[expect(clippy::disallowed_methods, reason = "this is the one function that reads the environment")]
    pub(crate) fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// Where this user's programs keep what they know.
    pub(super) fn state_home(&self) -> Option<PathBuf> {
        self.0.get(STATE_HOME).map(PathBuf::from)
    }

    /// What the environment says of the census that is no setting.
    pub(super) fn of_the_census(&self, census: &mut Census) {
        let text = |name: &str| self.0.get(name).map(|value| value.to_string_lossy().trim().to_owned());
        let secret = |name: &str| text(name).map(Secret::Inline);
        census.do_not_track = text(DO_NOT_TRACK).is_some_and(|value| asks_not_to(&value));
        census.token = secret(CENSUS_TOKEN);
        let has_basic = text("COLLECTOR_AUTH_ENABLED").is_some_and(|value| value == "true");
        let basic = text("COLLECTOR_AUTH_USERNAME").zip(text("COLLECTOR_AUTH_PASSWORD").map(Password));
        census.server = Server {
            database_url: text("DATABASE_URL"),
            port: text("PORT"),
            api_key: secret("STATS_API_KEY"),
            min_installations: text("STATS_MIN_INSTALLATIONS"),
            basic: basic.filter(|_| has_basic),
        };
    }

    /// The variables whose names begin so.
    pub(super) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &OsString)> {
        let given = self.0.iter().map(|(name, value)| (name.as_str(), value));
        given.filter(move |(name, _)| name.starts_with(prefix))
    }

    /// What decides where engines are found.
    pub(super) fn surroundings(&self) -> Surroundings {
        let path = |name: &str| self.0.get(name).map(PathBuf::from);
        // An address or a context of other characters is none; that it is none is told when it is used.
        let text = |name: &str| self.0.get(name).map(|value| value.to_string_lossy().into_owned());
        Surroundings {
            home: path("HOME"),
            uid: rustix::process::geteuid().as_raw(),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            docker_config: path("DOCKER_CONFIG"),
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_tls_verify: self.0.contains_key("DOCKER_TLS_VERIFY"),
            docker_cert_path: path("DOCKER_CERT_PATH"),
            container_host: text("CONTAINER_HOST"),
            ..Surroundings::default()
        }
    }
}

impl FromIterator<(String, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, OsString)>>(variables: T) -> Self {
        let aliases: Vec<&str> =
            SETTINGS.iter().flat_map(|setting| setting.aliases).map(|alias| alias.env).collect();
        let concerns = |name: &str| {
            name.starts_with(PREFIX)
                || aliases.contains(&name)
                || OF_ENGINES.contains(&name)
                || OTHERS.contains(&name)
        };
        let given = variables.into_iter().filter(|(name, value)| concerns(name) && !value.is_empty());
        Self(given.collect())
    }
}

/// What the environment says, aliases first.
pub(super) fn assignments(environment: &Environment) -> Result<Vec<Assignment>, Failure> {
    for (name, value) in &environment.0 {
        let known = SETTINGS
            .iter()
            .any(|setting| setting.env == name || setting.aliases.iter().any(|a| a.env == name))
            || OF_ENGINES.contains(&name.as_str())
            || OTHERS.contains(&name.as_str())
            || name.starts_with(target::PREFIX);
        if !known && !foreign(name, value) {
            return Err(unknown_variable(name));
        }
    }
    let mut assignments = Vec::new();
    for setting in SETTINGS {
        // The strongest alias comes last.
        for alias in setting.aliases.iter().rev() {
            if let Some(value) = environment.0.get(alias.env) {
                let raw = Raw::Text(unicode(setting, alias.env, value)?);
                let origin = Origin::Environment(alias.env);
                assignments.push(Assignment { setting, raw, origin, apply: alias.apply, alias: true });
            }
        }
    }
    for setting in SETTINGS {
        let Some(value) = environment.0.get(setting.env) else { continue };
        let text = unicode(setting, setting.env, value)?;
        let origin = Origin::Environment(setting.env);
        match setting.kind {
            Kind::List => {
                let entries = split(&text).collect();
                assignments.push(Assignment::new(setting, Raw::List(entries), origin));
            }
            Kind::Collectors => {
                for entry in split(&text) {
                    assignments.push(Assignment::new(setting, collector(&entry)?, origin.clone()));
                }
            }
            Kind::One | Kind::Choice(_) | Kind::Bool | Kind::Folder | Kind::File | Kind::ConfigFile => {
                assignments.push(Assignment::new(setting, Raw::Text(text), origin));
            }
        }
    }
    Ok(assignments)
}

/// The prefix that all share says nothing about which one was meant, so only the rest is compared.
fn unknown_variable(name: &str) -> Failure {
    let failure = Failure::caller(format!("environment: unknown variable {}", text::quoted(name)));
    let of_targets = target::keys().map(|key| key.env);
    let keys = SETTINGS.iter().map(|setting| setting.env).chain(of_targets);
    let keys = keys.map(|name| name.trim_start_matches(PREFIX));
    match text::nearest(name.trim_start_matches(PREFIX), keys) {
        Some(key) => failure.remedy(format!("the nearest known one is `{PREFIX}{key}`")),
        None => failure.remedy("`plimsoll agent --help` names them all"),
    }
}

fn foreign(name: &str, value: &OsString) -> bool {
    FOREIGN.contains(&name)
        || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        // Kubernetes and container links again: PLIMSOLL_PORT=tcp://10.0.0.1:8003.
        || (name == "PLIMSOLL_PORT" && value.to_string_lossy().contains("://"))
}

fn unicode(setting: &Setting, name: &'static str, value: &OsString) -> Result<String, Failure> {
    let text = value.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        bad_value(&Origin::Environment(name), setting.key, &text::quoted(&value.to_string_lossy()), &"UTF-8")
    })
}

pub(super) fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|entry| entry.trim().to_owned())
}

/// `NAME` switches a collector on, `-NAME` off.
fn collector(entry: &str) -> Result<Raw, Failure> {
    let (given, on) = entry.strip_prefix('-').map_or((entry, true), |name| (name, false));
    match COLLECTORS.into_iter().find(|name| *name == given) {
        Some(name) => Ok(Raw::Collector(name, on)),
        None => Err(unknown("environment PLIMSOLL_COLLECTORS", "collector", given, &COLLECTORS)),
    }
}
