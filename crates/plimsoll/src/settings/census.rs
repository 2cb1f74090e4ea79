//! Settings of the census: whether this installation reports, to whom and what, and whether others may scan it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_deliver::config::Secret;

use crate::settings::Settings;
use crate::settings::history::read_time;
use crate::settings::value::{self, AUTO, Choice, Expected, Raw};

/// Nobody is answered.
const OFF: &str = "off";

/// Root's, and a user's below the folder of what programs keep.
const USUAL: (&str, &str) = ("/var/lib/plimsoll/census", "plimsoll/census");

/// Reports that come more often tell nothing new.
const SHORTEST: Duration = Duration::from_secs(3600);

/// As v1 has it: thirty days.
const LONGEST: Duration = Duration::from_secs(720 * 3600);

/// The most endpoints.
const MAX_ENDPOINTS: usize = 16;

/// What the settings say of the census.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// Whether the agent reports.
    pub(crate) on: bool,
    /// The time between two reports.
    pub(crate) interval: Duration,
    /// To whom.
    pub(crate) endpoints: Vec<Endpoint>,
    /// How images are named in a report.
    pub(crate) images: Images,
    /// The folder of the installation's id; `None` for the usual one.
    pub(crate) state: Option<PathBuf>,
    /// Where scans by others are answered; nowhere by default.
    pub(crate) agent_listen: Option<SocketAddr>,
    /// The file of the token that they have to show; `None` for one beside the id.
    pub(crate) agent_token_file: Option<PathBuf>,
    /// Whether the user does not want to be counted (`DO_NOT_TRACK`): no setting, but it is above them all.
    pub(crate) do_not_track: bool,
    /// The token that agents of others are shown, where the environment has one.
    pub(crate) token: Option<Secret>,
    /// What the environment says of a server, by the variables of Container Census' collector.
    pub(crate) server: Server,
}

/// The variables of Container Census' collector: no settings, as they concern one command alone, and hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// `DATABASE_URL`.
    pub(crate) database_url: Option<String>,
    /// `PORT`.
    pub(crate) port: Option<String>,
    /// `STATS_API_KEY`.
    pub(crate) api_key: Option<Secret>,
    /// `STATS_MIN_INSTALLATIONS`.
    pub(crate) min_installations: Option<String>,
    /// `COLLECTOR_AUTH_USERNAME` and `COLLECTOR_AUTH_PASSWORD`, where `COLLECTOR_AUTH_ENABLED` is `true`.
    pub(crate) basic: Option<(String, Password)>,
}

/// Without what is secret.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A password, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl Default for Census {
    fn default() -> Self {
        Self {
            on: false,
            interval: Duration::from_secs(168 * 3600),
            endpoints: Vec::new(),
            images: Images::default(),
            state: None,
            agent_listen: None,
            agent_token_file: None,
            do_not_track: false,
            token: None,
            server: Server::default(),
        }
    }
}

/// Somebody who counts installations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Where reports are posted.
    pub(crate) url: String,
    /// The file of the key, where it wants one.
    pub(crate) key: Option<PathBuf>,
    /// The file of the authorities that are trusted instead of the system's.
    pub(crate) ca: Option<PathBuf>,
}

/// As the setting has it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        for (word, file) in [("key", &self.key), ("ca", &self.ca)] {
            if let Some(file) = file {
                write!(f, " {word}={}", file.display())?;
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The folder of the installation's id.
    pub(crate) fn census_folder(&self) -> PathBuf {
        let (system, user) = USUAL;
        self.census.state.clone().unwrap_or_else(|| self.usual(system, user))
    }

    /// The file of the token that others have to show.
    pub(crate) fn census_token_file(&self) -> PathBuf {
        self.census.agent_token_file.clone().unwrap_or_else(|| self.census_folder().join("agent-token"))
    }
}

/// How images are named in a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Images {
    /// As containers name them.
    #[default]
    Plain,
    /// Without the large public registries.
    Normalised,
    /// As hashes that this installation alone can make.
    Hashed,
    /// Not at all.
    Omitted,
}

impl Choice for Images {
    const ALL: &'static [(&'static str, Self)] = &[
        ("plain", Self::Plain),
        ("normalised", Self::Normalised),
        ("hashed", Self::Hashed),
        ("omitted", Self::Omitted),
    ];
}

/// The time between two reports.
pub(super) fn interval(raw: &Raw) -> Result<Duration, Expected> {
    let in_days = || match raw {
        Raw::Text(text) => read_time(text.trim()),
        _ => None,
    };
    value::duration(raw)
        .or_else(in_days)
        .filter(|time| (SHORTEST..=LONGEST).contains(time))
        .ok_or_else(|| "a duration from 1h to 720h, such as 24h or 7d".into())
}

/// Addresses, each with the files that go with it.
pub(super) fn endpoints(raw: &Raw) -> Result<Vec<Endpoint>, Expected> {
    const EXPECTED: &str =
        "addresses such as \"https://census.example/api/ingest key=/etc/plimsoll/census.key\"";
    let entries = value::list(raw, EXPECTED, |entry| endpoint(entry).map(drop))?;
    if entries.len() > MAX_ENDPOINTS {
        return Err(Expected(format!("at most {MAX_ENDPOINTS} addresses")));
    }
    entries.iter().map(|entry| endpoint(entry)).collect()
}

fn endpoint(entry: &str) -> Result<Endpoint, Expected> {
    let mut words = entry.split_whitespace();
    let url = words.next().unwrap_or_default();
    let host = ["https://", "http://"].into_iter().find_map(|scheme| url.strip_prefix(scheme));
    let host = host.map_or("", |rest| rest.split(['/', '?']).next().unwrap_or_default());
    // What stands before an `@` would be a password, and be shown.
    if host.is_empty() || host.contains('@') || url.contains('#') {
        return Err("an address https://HOST/PATH or http://HOST/PATH, then key=FILE or ca=FILE".into());
    }
    let mut read = Endpoint { url: url.to_owned(), key: None, ca: None };
    for word in words {
        match word.split_once('=') {
            Some(("key", file)) if !file.is_empty() => read.key = Some(file.into()),
            Some(("ca", file)) if !file.is_empty() => read.ca = Some(file.into()),
            _ => return Err("key=FILE or ca=FILE behind an address".into()),
        }
    }
    Ok(read)
}

/// A folder, or `None` for the usual one.
pub(super) fn folder(raw: &Raw) -> Result<Option<PathBuf>, Expected> {
    match raw {
        Raw::Text(text) if text == AUTO => Ok(None),
        _ => value::path(raw).map(Some).map_err(|_| "a folder, or auto".into()),
    }
}

/// A file, or `None` for the usual one.
pub(super) fn file(raw: &Raw) -> Result<Option<PathBuf>, Expected> {
    match raw {
        Raw::Text(text) if text == AUTO => Ok(None),
        _ => value::path(raw).map(Some).map_err(|_| "a file, or auto".into()),
    }
}

/// A path as it can be read back.
pub(super) fn show_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| AUTO.to_owned(), |path| path.display().to_string())
}

/// An address to listen at, or `off`.
pub(super) fn listen(raw: &Raw) -> Result<Option<SocketAddr>, Expected> {
    match raw {
        Raw::Text(text) if text == OFF => Ok(None),
        Raw::Bool(false) => Ok(None),
        _ => value::address(raw)
            .map(Some)
            .map_err(|_| "an address with a port, such as 127.0.0.1:9876 or :9876, or off".into()),
    }
}

/// An address as it can be read back.
pub(super) fn show_listen(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| OFF.to_owned(), |address| address.to_string())
}

/// Whether `DO_NOT_TRACK` asks not to be counted, as <https://consoledonottrack.com> has it.
pub(super) fn asks_not_to(value: &str) -> bool {
    !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn endpoints_have_files_behind_them() {
        let of =
            |entry: &str| endpoints(&Raw::List(vec![entry.to_owned()])).ok().map(|mut read| read.remove(0));
        let read = of("https://c.example/api/ingest  key=/k ca=/ca.pem").unwrap();
        assert_eq!(read.to_string(), "https://c.example/api/ingest key=/k ca=/ca.pem");
        assert_eq!(of(&read.to_string()), Some(read));
        for wrong in [
            "c.example",
            "ftp://c",
            "https://",
            "https:///x",
            "https://u:p@c/",
            "https://c#x",
            "https://c key=",
            "https://c token=/t",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let many = Raw::List(vec!["http://c".to_owned(); MAX_ENDPOINTS + 1]);
        assert!(endpoints(&many).is_err() && endpoints(&text("http://c")).is_err());
    }

    #[test]
    fn intervals_are_from_an_hour_to_thirty_days() {
        for (given, hours) in [
            ("1h", Some(1)),
            ("7d", Some(168)),
            ("720h", Some(720)),
            ("59m", None),
            ("31d", None),
            ("often", None),
        ] {
            assert_eq!(interval(&text(given)).ok().map(|time| time.as_secs() / 3600), hours, "{given}");
        }
    }

    #[test]
    fn who_does_not_want_to_be_counted_says_so() {
        for (value, asks) in [
            ("1", true),
            ("true", true),
            ("yes", true),
            ("0", false),
            ("false", false),
            ("", false),
            (" FALSE ", false),
        ] {
            assert_eq!(asks_not_to(value), asks, "{value:?}");
        }
    }

    #[test]
    fn places_are_the_users() {
        let mut settings = Settings::default();
        assert_eq!(settings.census_folder(), PathBuf::from("/var/lib/plimsoll/census"));
        assert_eq!(settings.census_token_file(), PathBuf::from("/var/lib/plimsoll/census/agent-token"));
        settings.census.state = folder(&text("/srv/c")).unwrap();
        assert_eq!(settings.census_token_file(), PathBuf::from("/srv/c/agent-token"));
        settings.census.agent_token_file = file(&text("/t")).unwrap();
        assert_eq!(settings.census_token_file(), PathBuf::from("/t"));
        for (given, shown) in [("off", "off"), ("127.0.0.1:9876", "127.0.0.1:9876"), (":1", "0.0.0.0:1")] {
            assert_eq!(show_listen(listen(&text(given)).unwrap()), shown);
        }
        assert!(listen(&text("nowhere")).is_err());
    }
}
