//! The YAML of a web configuration, as Prometheus' exporter-toolkit defines it, read into plain values.
//!
//! The format: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>. Nothing is passed
//! over: a key that the format does not have is an error that names the nearest one. No message repeats a value that
//! could be a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::error::SecurityError;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) tls: Option<Tls>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) users: BTreeMap<String, String>,
    /// The time between two requests, and how many may come at once.
    pub(super) rate: Option<(Duration, u32)>,
}

/// `tls_server_config`.
#[derive(Default)]
pub(super) struct Tls {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Vec<String>,
    pub(super) curve_preferences: Vec<String>,
    pub(super) prefer_server_cipher_suites: bool,
}

/// Without the key.
impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tls").field("cert_file", &self.cert_file).finish_non_exhaustive()
    }
}

/// The headers that may be set, with the values that each may have; none listed means any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// The most users: each is a line that somebody wrote.
const USERS_MAX: usize = 1000;

/// Reads a file's text.
pub(super) fn parse(text: &str) -> Result<Document, SecurityError> {
    // A snippet of the text in a message could hold a key.
    let options = serde_saphyr::options! { with_snippet: false };
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| bad(format!("is no YAML: {error}"), "mend it where the message says"))?;
    let mut root = Section::new("", Some(value))?;
    let mut document = Document::default();
    // An empty one asks for nothing.
    if let Some(tls) = root.section("tls_server_config")?.filter(|tls| !tls.values.is_empty()) {
        document.tls = Some(self::tls(tls)?);
    }
    if let Some(mut http) = root.section("http_server_config")? {
        // This server speaks HTTP/1.1, which every client of HTTP/2 does, too.
        http.bool("http2", true)?;
        if let Some(headers) = http.section("headers")? {
            document.headers = self::headers(headers)?;
        }
        http.end()?;
    }
    if let Some(users) = root.section("basic_auth_users")? {
        if users.values.len() > USERS_MAX {
            return Err(bad(
                format!("basic_auth_users has more than {USERS_MAX} users"),
                "use client certificates",
            ));
        }
        for (name, hash) in users.values {
            let hash = hash.as_str().ok_or_else(|| {
                bad(format!("basic_auth_users: the hash of {name:?} is no text"), "put it into quotes")
            })?;
            document.users.insert(name, hash.to_owned());
        }
    }
    if let Some(rate) = root.section("rate_limit")? {
        document.rate = self::rate(rate)?;
    }
    root.end()?;
    Ok(document)
}

fn tls(mut section: Section) -> Result<Tls, SecurityError> {
    let tls = Tls {
        cert: section.text("cert")?,
        key: section.text("key")?,
        client_ca: section.text("client_ca")?,
        cert_file: section.text("cert_file")?,
        key_file: section.text("key_file")?,
        client_ca_file: section.text("client_ca_file")?,
        client_auth_type: section.text("client_auth_type")?,
        client_allowed_sans: section.list("client_allowed_sans")?,
        min_version: section.text("min_version")?,
        max_version: section.text("max_version")?,
        cipher_suites: section.list("cipher_suites")?.unwrap_or_default(),
        curve_preferences: section.list("curve_preferences")?.unwrap_or_default(),
        prefer_server_cipher_suites: section.bool("prefer_server_cipher_suites", true)?,
    };
    section.end()?;
    for (inline, file) in [
        (tls.cert.is_some(), ("cert", "cert_file", tls.cert_file.is_some())),
        (tls.key.is_some(), ("key", "key_file", tls.key_file.is_some())),
        (tls.client_ca.is_some(), ("client_ca", "client_ca_file", tls.client_ca_file.is_some())),
    ] {
        if inline && file.2 {
            let what = format!("tls_server_config has both {} and {}", file.0, file.1);
            return Err(bad(what, "leave one of them out"));
        }
    }
    Ok(tls)
}

fn headers(mut section: Section) -> Result<Vec<(&'static str, String)>, SecurityError> {
    let mut headers = Vec::new();
    for (name, allowed) in HEADERS {
        let Some(value) = section.given(name)? else { continue };
        if !value.is_empty() && !allowed.is_empty() && !allowed.contains(&&*value) {
            return Err(bad(
                format!("http_server_config.headers: {name} cannot be that"),
                format!("it may be {}, or blank", allowed.join(" or ")),
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(bad(
                format!("http_server_config.headers: {name} is no single line"),
                "write it in one line",
            ));
        }
        headers.push((name, value));
    }
    section.end()?;
    Ok(headers)
}

fn rate(mut section: Section) -> Result<Option<(Duration, u32)>, SecurityError> {
    let interval = section.values.remove("interval");
    section.known.push("interval");
    let burst = section.values.remove("burst");
    section.known.push("burst");
    section.end()?;
    let interval = match interval {
        None | Some(Value::Null) => Duration::ZERO,
        Some(value) => duration(&value).ok_or_else(|| {
            bad(
                "rate_limit.interval is no duration",
                "write it as 100ms, 1s or 1m30s; 0 switches the limit off",
            )
        })?,
    };
    let burst = match burst {
        None | Some(Value::Null) => 0,
        Some(value) => value.as_u64().and_then(|burst| u32::try_from(burst).ok()).ok_or_else(|| {
            bad("rate_limit.burst is no whole number", "say how many requests may come at once")
        })?,
    };
    if interval.is_zero() {
        return Ok(None);
    }
    if burst == 0 {
        return Err(bad(
            "rate_limit.burst is 0, which would refuse every request",
            "set it to 1 or more, or interval to 0",
        ));
    }
    Ok(Some((interval, burst)))
}

/// A number is nanoseconds, as in Go.
fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => number.as_u64().map(Duration::from_nanos),
        Value::String(text) if text == "0" => Some(Duration::ZERO),
        Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => {
            text.parse::<SignedDuration>().ok()?.try_into().ok()
        }
        _ => None,
    }
}

/// A mapping, from which known keys are taken until none may be left.
struct Section {
    name: &'static str,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Section {
    /// Nothing is an empty mapping.
    fn new(name: &'static str, value: Option<Value>) -> Result<Self, SecurityError> {
        match value {
            None | Some(Value::Null) => Ok(Self { name, values: Map::new(), known: Vec::new() }),
            Some(Value::Object(values)) => Ok(Self { name, values, known: Vec::new() }),
            Some(_) => {
                let whole = if name.is_empty() { "the file" } else { name };
                Err(bad(format!("{whole} is no mapping"), "write it as `key: value` lines"))
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn section(&mut self, key: &'static str) -> Result<Option<Self>, SecurityError> {
        self.take(key).map(|value| Self::new(key, Some(value))).transpose()
    }

    /// A text; an empty one is none.
    fn text(&mut self, key: &'static str) -> Result<Option<String>, SecurityError> {
        Ok(self.given(key)?.filter(|text| !text.is_empty()))
    }

    /// A text, maybe an empty one.
    fn given(&mut self, key: &'static str) -> Result<Option<String>, SecurityError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong(key, "no text", "put it into quotes")),
        }
    }

    fn list(&mut self, key: &'static str) -> Result<Option<Vec<String>>, SecurityError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let texts = match value {
            Value::Array(values) => {
                values.into_iter().map(|value| value.as_str().map(str::to_owned)).collect()
            }
            _ => None,
        };
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(key, "no list of texts", "write it as [\"a\", \"b\"]")),
        }
    }

    /// A yes or no, also in the words of older YAML.
    fn bool(&mut self, key: &'static str, default: bool) -> Result<bool, SecurityError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(on)) => Ok(on),
            Some(Value::String(word)) if matches!(&*word.to_ascii_lowercase(), "yes" | "on" | "true") => {
                Ok(true)
            }
            Some(Value::String(word)) if matches!(&*word.to_ascii_lowercase(), "no" | "off" | "false") => {
                Ok(false)
            }
            Some(_) => Err(self.wrong(key, "neither true nor false", "write true or false")),
        }
    }

    fn wrong(&self, key: &str, what: &str, remedy: &str) -> SecurityError {
        let dot = if self.name.is_empty() { "" } else { "." };
        bad(format!("{}{dot}{key} is {what}", self.name), remedy)
    }

    /// Refuses what is left.
    fn end(self) -> Result<(), SecurityError> {
        let Some(key) = self.values.keys().next() else { return Ok(()) };
        let place = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
        let shown: String = key.chars().take(64).collect();
        let nearest = self.known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &shown));
        let remedy = match nearest {
            Some(near) if strsim::damerau_levenshtein(near, &shown) <= near.len().max(shown.len()) / 2 => {
                format!("the nearest known is `{near}`; known are {}", self.known.join(", "))
            }
            _ => format!("known are {}", self.known.join(", ")),
        };
        Err(bad(format!("unknown key {shown:?}{place}"), remedy))
    }
}

fn bad(what: impl Into<String>, remedy: impl Into<String>) -> SecurityError {
    SecurityError::new(what, remedy)
}
