//! What the server is told.

use std::fmt;

use plimsoll_web::Limits;

/// How the server behaves. The variables are those that the program reads it from.
#[derive(Clone)]
pub struct Config {
    /// The key that shows everything (`STATS_API_KEY`), as `X-API-Key: …` or `Authorization: Bearer …`. Without one nobody
    /// sees more than the anonymous answers.
    pub api_key: Option<String>,
    /// A name and a password (`COLLECTOR_AUTH_USERNAME`, `COLLECTOR_AUTH_PASSWORD`) that show everything as the key does, as
    /// `Authorization: Basic …`.
    pub basic: Option<(String, String)>,
    /// The least installations behind a number that is shown without a key (`STATS_MIN_INSTALLATIONS`). Up to 1 shows
    /// everything that names no installation.
    pub min_installations: u64,
    /// Reports older than so many days are removed, once a day. `None` keeps them for ever, as v1 does.
    pub keep_days: Option<u32>,
    /// How many reports one address may send; `None` for as many as it likes.
    pub rate: Option<Rate>,
    /// Bounds of connections, headers and time.
    pub limits: Limits,
}

/// How many reports one address may send. An installation sends one a week, but many may share an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// In the long run, by second.
    pub per_second: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { burst: 120, per_second: 2.0 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_key: None,
            basic: None,
            min_installations: 10,
            keep_days: None,
            rate: Some(Rate::default()),
            limits: Limits::default(),
        }
    }
}

/// Without the secrets.
impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Config")
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("basic", &self.basic.as_ref().map(|(name, _)| name))
            .field("min_installations", &self.min_installations)
            .field("keep_days", &self.keep_days)
            .field("rate", &self.rate)
            .field("limits", &self.limits)
            .finish()
    }
}
