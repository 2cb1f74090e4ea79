//! Values of settings: what was given, and the types it becomes.
//!
//! A [`Raw`] is a value as a file, an environment variable or a flag gave it. Each function here turns one into a
//! typed value, or says what it expected; where the value came from is the caller's to tell.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use glob::Pattern;
use jiff::SignedDuration;
use plimsoll_collect::SourceChoice;
use plimsoll_collect::metrics::{MAX_INTERVAL, MAX_RETRIES, MIN_INTERVAL};
use plimsoll_engine::Endpoint;
use plimsoll_model::Profile;

use crate::text;

/// The shortest time between two samples: below it, reading costs more than it tells.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest time between two samples.
pub(crate) const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// The most entries of a list: every container is matched against each of them.
const LIST_MAX: usize = 256;

/// The longest entry of a list (bytes).
const ENTRY_MAX: usize = 1024;

/// A value as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// A TOML string, an environment variable, the argument of a flag.
    Text(String),
    /// A TOML number.
    Number(String),
    /// A TOML boolean, or a flag without an argument.
    Bool(bool),
    /// A TOML array, a comma-separated environment variable, the arguments of a repeated flag.
    List(Vec<String>),
    /// A TOML table of texts, a variable `a=b,c=d`.
    Pairs(Vec<(String, String)>),
    /// One collector on or off.
    Collector(&'static str, bool),
    /// A TOML value of a type that no setting has, as text.
    Other(String),
}

impl Raw {
    /// The value as a message repeats it.
    pub(crate) fn quoted(&self) -> String {
        match self {
            Raw::Text(text) | Raw::Number(text) | Raw::Other(text) => text::quoted(text),
            Raw::Bool(on) => format!("`{on}`"),
            Raw::List(entries) => text::quoted(&format!("[{}]", entries.join(", "))),
            Raw::Pairs(pairs) => {
                let entries: Vec<_> = pairs.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                text::quoted(&format!("{{ {} }}", entries.join(", ")))
            }
            Raw::Collector(name, on) => format!("`{name} = {on}`"),
        }
    }
}

/// What a value should have been, as it follows "expected".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected(pub(crate) String);

impl From<&str> for Expected {
    fn from(expected: &str) -> Self {
        Self(expected.to_owned())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An address with a port: `IP:PORT`, `[IPv6]:PORT`, `localhost:PORT`, or `:PORT` for every IPv4 address.
pub(crate) fn address(raw: &Raw) -> Result<SocketAddr, Expected> {
    const EXPECTED: &str = "an address with a port, such as 127.0.0.1:8003, [::1]:8003 or :8003";
    let Raw::Text(text) = raw else { return Err(EXPECTED.into()) };
    if let Some((host @ ("" | "localhost"), port)) = text.rsplit_once(':') {
        let ip = if host.is_empty() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        return Ok(SocketAddr::new(IpAddr::V4(ip), port.parse().map_err(|_| Expected::from(EXPECTED))?));
    }
    text.parse().map_err(|_| EXPECTED.into())
}

/// A port by itself.
pub(crate) fn port(raw: &Raw) -> Result<u16, Expected> {
    const EXPECTED: &str = "a port, 0 to 65535";
    let Raw::Text(text) = raw else { return Err(EXPECTED.into()) };
    text.parse().map_err(|_| EXPECTED.into())
}

/// The time between two samples, within its bounds.
pub(crate) fn interval(raw: &Raw) -> Result<Duration, Expected> {
    duration(raw)
        .filter(|duration| (INTERVAL_MIN..=INTERVAL_MAX).contains(duration))
        .ok_or_else(|| "a duration from 100ms to 1h, such as 500ms, 1s, 15 (seconds) or 1m".into())
}

/// A time to wait, longer than nothing.
pub(crate) fn timeout(raw: &Raw) -> Result<Duration, Expected> {
    duration(raw)
        .filter(|duration| (Duration::from_millis(1)..=INTERVAL_MAX).contains(duration))
        .ok_or_else(|| "a duration from 1ms to 1h, such as 500ms or 3s".into())
}

/// How often something is tried again.
pub(crate) fn retries(raw: &Raw) -> Result<u32, Expected> {
    let text = match raw {
        Raw::Text(text) | Raw::Number(text) => text.as_str(),
        _ => "",
    };
    let number = text.parse().ok().filter(|number| *number <= MAX_RETRIES);
    number.ok_or_else(|| Expected(format!("a number from 0 to {MAX_RETRIES}")))
}

/// A time between two collections.
pub(crate) fn collection_interval(raw: &Raw) -> Result<Duration, Expected> {
    duration(raw)
        .filter(|duration| (MIN_INTERVAL..=MAX_INTERVAL).contains(duration))
        .ok_or_else(|| "a duration from 100ms to 24h, such as 500ms, 30 (seconds), 1m or 6h".into())
}

/// The most files a second: more than any disk has.
const MAX_BUDGET: u32 = 10_000_000;

/// How many files are looked at in a second.
pub(crate) fn budget(raw: &Raw) -> Result<u32, Expected> {
    let text = match raw {
        Raw::Text(text) | Raw::Number(text) => text.as_str(),
        _ => "",
    };
    let number = text.parse().ok().filter(|number| (1..=MAX_BUDGET).contains(number));
    number.ok_or_else(|| Expected(format!("a number from 1 to {MAX_BUDGET}")))
}

/// A time between two looks at a disk, or that one may take.
pub(crate) fn slow(raw: &Raw) -> Result<Duration, Expected> {
    duration(raw)
        .filter(|duration| (Duration::from_secs(1)..=MAX_INTERVAL).contains(duration))
        .ok_or_else(|| "a duration from 1s to 24h, such as 30 (seconds), 5m or 6h".into())
}

/// A time that is waited, or none.
pub(crate) fn delay(raw: &Raw) -> Result<Duration, Expected> {
    duration(raw)
        .filter(|duration| *duration <= INTERVAL_MAX)
        .ok_or_else(|| "a duration from 0s to 1h, such as 500ms or 5s".into())
}

/// A level of the log as other programs spell it: `WARNING`, `DEBUG`.
pub(crate) fn level_of_others(raw: &Raw) -> Result<LogLevel, Expected> {
    let text = if let Raw::Text(text) = raw { text.to_lowercase() } else { String::new() };
    let name = match &*text {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        other => other,
    };
    choice(&Raw::Text(name.to_owned()))
}

/// A duration with a unit, or plain seconds.
pub(crate) fn duration(raw: &Raw) -> Option<Duration> {
    let (Raw::Text(text) | Raw::Number(text)) = raw else { return None };
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        // Neither a sign nor "1s ago" nor ISO 8601 has a place in a configuration.
        return None;
    }
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

/// A duration as it can be read back: `500ms`, `1s`, `1m`, `1m 30s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{}", duration.as_secs_f64()), |exact| format!("{exact:#}"))
}

/// The engines are found by themselves.
pub(crate) const AUTO: &str = "auto";

/// There is no engine.
pub(crate) const NONE: &str = "none";

/// What a context of the `docker` command begins with.
pub(crate) const CONTEXT: &str = "context:";

const ENGINE_EXPECTED: &str =
    "auto, none, or addresses such as unix:///var/run/docker.sock and contexts such as context:prod";

/// The engines, kept as text: [`AUTO`] or [`NONE`] alone, or addresses and contexts; a bare path is a unix socket.
pub(crate) fn engines(raw: &Raw) -> Result<Vec<String>, Expected> {
    let given = one_or_more(raw, ENGINE_EXPECTED, |_| Ok(()))?;
    match &*given {
        [] => Err(ENGINE_EXPECTED.into()),
        [word] if word == AUTO || word == NONE => Ok(given),
        _ => match given.iter().find(|entry| *entry == AUTO || *entry == NONE) {
            Some(word) => Err(Expected(format!("`{word}` to stand alone, or only addresses and contexts"))),
            None => given.iter().map(|entry| address_of_engine(entry)).collect(),
        },
    }
}

/// One engine by its address.
pub(crate) fn engine(raw: &Raw) -> Result<Vec<String>, Expected> {
    const EXPECTED: &str = "an engine's address, such as unix:///var/run/docker.sock";
    let Raw::Text(text) = raw else { return Err(EXPECTED.into()) };
    let endpoint: Endpoint = text.parse().map_err(|error| Expected(format!("{EXPECTED} ({error})")))?;
    Ok(vec![endpoint.to_string()])
}

fn address_of_engine(entry: &str) -> Result<String, Expected> {
    if let Some(name) = entry.strip_prefix(CONTEXT) {
        return match name {
            "" => Err("a name after `context:`, as `docker context ls` shows them".into()),
            _ => Ok(entry.to_owned()),
        };
    }
    let endpoint: Result<Endpoint, _> = entry.parse();
    endpoint
        .map(|endpoint| endpoint.to_string())
        .map_err(|error| Expected(format!("{ENGINE_EXPECTED} ({error})")))
}

/// A path.
pub(crate) fn path(raw: &Raw) -> Result<PathBuf, Expected> {
    match raw {
        Raw::Text(text) if !text.is_empty() && !text.contains('\0') => Ok(PathBuf::from(text)),
        _ => Err("a path".into()),
    }
}

/// Yes or no.
pub(crate) fn bool(raw: &Raw) -> Result<bool, Expected> {
    match raw {
        Raw::Bool(on) => Ok(*on),
        Raw::Text(text) => match text.as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("true or false".into()),
        },
        _ => Err("true or false".into()),
    }
}

/// A type with a few named values.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// The values with their names, in the order in which help lists them.
    const ALL: &'static [(&'static str, Self)];

    /// The name of a value.
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }
}

/// The names of a choice.
pub(crate) fn names<T: Choice>() -> Vec<&'static str> {
    T::ALL.iter().map(|(name, _)| *name).collect()
}

/// One of a few names.
pub(crate) fn choice<T: Choice>(raw: &Raw) -> Result<T, Expected> {
    let given = if let Raw::Text(text) = raw { text.as_str() } else { "" };
    T::ALL
        .iter()
        .find(|(name, _)| *name == given)
        .map(|(_, value)| *value)
        .ok_or_else(|| Expected(format!("one of {}", names::<T>().join(", "))))
}

impl Choice for SourceChoice {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("kernel", Self::Kernel), ("api", Self::Api)];
}

/// Which families are exposed, and under whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A profile of the catalog.
    Catalog(Profile),
    /// What cAdvisor has, as it has it.
    Cadvisor,
}

impl Default for Shown {
    fn default() -> Self {
        Self::Catalog(Profile::default())
    }
}

impl Choice for Shown {
    const ALL: &'static [(&'static str, Self)] = &[
        (Profile::Minimal.name(), Self::Catalog(Profile::Minimal)),
        (Profile::Default.name(), Self::Catalog(Profile::Default)),
        (Profile::Full.name(), Self::Catalog(Profile::Full)),
        ("cadvisor", Self::Cadvisor),
    ];
}

/// How much the log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// What is lost.
    Error,
    /// What will be lost if nobody acts.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// What is done.
    Debug,
    /// Every step.
    Trace,
}

impl Choice for LogLevel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines, one object a line.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// How much the log says of collectors: nothing of their own, or a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CollectionLogLevel(pub(crate) Option<LogLevel>);

impl Choice for CollectionLogLevel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("same", Self(None)),
        ("error", Self(Some(LogLevel::Error))),
        ("warn", Self(Some(LogLevel::Warn))),
        ("info", Self(Some(LogLevel::Info))),
        ("debug", Self(Some(LogLevel::Debug))),
        ("trace", Self(Some(LogLevel::Trace))),
    ];
}

/// A list of glob patterns.
pub(crate) fn patterns(raw: &Raw) -> Result<Vec<String>, Expected> {
    list(raw, "a list of glob patterns, such as [\"web-*\", \"db\"]", check_pattern)
}

/// A list of label patterns: `KEY` for any value, or `KEY=GLOB`.
pub(crate) fn label_patterns(raw: &Raw) -> Result<Vec<String>, Expected> {
    const EXPECTED: &str = "a list of label patterns, KEY or KEY=GLOB, such as [\"team=web-*\"]";
    list(raw, EXPECTED, |entry| match entry.split_once('=') {
        Some(("", _)) => Err(EXPECTED.into()),
        Some((_, pattern)) => check_pattern(pattern),
        None => Ok(()),
    })
}

/// A list of label keys; `*` means all of them.
pub(crate) fn label_keys(raw: &Raw) -> Result<Vec<String>, Expected> {
    const EXPECTED: &str = "a list of label keys, such as [\"com.example.team\"], or [\"*\"] for all";
    list(
        raw,
        EXPECTED,
        |entry| if entry == "*" || !entry.contains('*') { Ok(()) } else { Err(EXPECTED.into()) },
    )
}

/// A list of texts, bounded, each as the check wants it.
pub(crate) fn list(
    raw: &Raw,
    expected: &str,
    check: impl Fn(&str) -> Result<(), Expected>,
) -> Result<Vec<String>, Expected> {
    let Raw::List(entries) = raw else { return Err(expected.into()) };
    if entries.len() > LIST_MAX {
        return Err(Expected(format!("at most {LIST_MAX} entries")));
    }
    for entry in entries {
        if entry.is_empty() {
            return Err(Expected(format!("{expected}, without empty entries")));
        }
        if entry.len() > ENTRY_MAX {
            return Err(Expected(format!("entries of at most {ENTRY_MAX} bytes")));
        }
        check(entry)?;
    }
    Ok(entries.clone())
}

/// The same, where a text alone is a list of one.
fn one_or_more(
    raw: &Raw,
    expected: &str,
    check: impl Fn(&str) -> Result<(), Expected>,
) -> Result<Vec<String>, Expected> {
    match raw {
        Raw::Text(text) => list(&Raw::List(vec![text.clone()]), expected, check),
        other => list(other, expected, check),
    }
}

/// One or more texts that may be names of files or addresses.
pub(crate) fn texts(raw: &Raw, expected: &'static str) -> Result<Vec<String>, Expected> {
    one_or_more(raw, expected, |entry| if entry.contains('\0') { Err(expected.into()) } else { Ok(()) })
}

fn check_pattern(pattern: &str) -> Result<(), Expected> {
    match Pattern::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(Expected(format!("a glob pattern ({} has {})", text::quoted(pattern), error.msg))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Raw {
        Raw::Text(value.into())
    }

    fn entries(values: &[&str]) -> Raw {
        Raw::List(values.iter().map(|&value| value.into()).collect())
    }

    #[test]
    fn addresses() {
        let cases = [
            ("127.0.0.1:8003", Some("127.0.0.1:8003")),
            ("0.0.0.0:1", Some("0.0.0.0:1")),
            ("[::1]:8003", Some("[::1]:8003")),
            (":8003", Some("0.0.0.0:8003")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("8003", None),
            ("127.0.0.1", None),
            ("127.0.0.1:70000", None),
            ("example.org:80", None),
            (":", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(
                address(&text(given)).ok().map(|address| address.to_string()).as_deref(),
                expected,
                "{given}"
            );
        }
        assert!(address(&Raw::Number("8003".into())).is_err());
        assert_eq!(port(&text("9000")), Ok(9000));
        assert!(port(&text("90000")).is_err());
    }

    #[test]
    fn intervals() {
        let cases = [
            (text("500ms"), Some(500)),
            (text("1s"), Some(1000)),
            (text("1.5s"), Some(1500)),
            (text("15"), Some(15_000)),
            (text("0.5"), Some(500)),
            (text(" 2 s "), Some(2000)),
            (text("1m"), Some(60_000)),
            (text("1m 30s"), Some(90_000)),
            (text("1h"), Some(3_600_000)),
            (text("100ms"), Some(100)),
            (Raw::Number("15".into()), Some(15_000)),
            (Raw::Number("0.25".into()), Some(250)),
            (text("99ms"), None),
            (text("2h"), None),
            (text("0"), None),
            (text("-1s"), None),
            (text("-1"), None),
            (text("nan"), None),
            (text("inf"), None),
            (text("1e300"), None),
            (text("PT1S"), None),
            (text("1s ago"), None),
            (text("one"), None),
            (text(""), None),
            (Raw::Bool(true), None),
        ];
        for (given, expected) in cases {
            let read = interval(&given).ok();
            assert_eq!(read, expected.map(Duration::from_millis), "{given:?}");
            if let Some(duration) = read {
                assert_eq!(
                    interval(&text(&show_duration(duration))),
                    Ok(duration),
                    "{}",
                    show_duration(duration)
                );
            }
        }
    }

    #[test]
    fn engines_are_named() {
        let cases: [(&[&str], Option<&[&str]>); 16] = [
            (&["auto"], Some(&["auto"])),
            (&["none"], Some(&["none"])),
            (&["unix:///var/run/docker.sock"], Some(&["unix:///var/run/docker.sock"])),
            (&["/run/podman.sock"], Some(&["unix:///run/podman.sock"])),
            (&["tcp://127.0.0.1:2375", "/a"], Some(&["tcp://127.0.0.1:2375", "unix:///a"])),
            (&["https://build:2376"], Some(&["https://build:2376"])),
            (&["ssh://me@build"], Some(&["ssh://me@build"])),
            (&["context:prod", "/a"], Some(&["context:prod", "unix:///a"])),
            (&["auto", "/a"], None),
            (&["/a", "none"], None),
            (&["none", "auto"], None),
            (&["context:"], None),
            (&["unix://relative"], None),
            (&["docker.sock"], None),
            (&[""], None),
            (&[], None),
        ];
        for (given, expected) in cases {
            let read = super::engines(&entries(given)).ok();
            assert_eq!(
                read,
                expected.map(|expected| expected.iter().map(|&e| e.into()).collect()),
                "{given:?}"
            );
        }
        assert_eq!(super::engines(&text("/a")), Ok(vec!["unix:///a".to_owned()]), "one alone needs no array");
        assert_eq!(engine(&text("/a")), Ok(vec!["unix:///a".to_owned()]));
        assert!(engine(&text("auto")).is_err() && engine(&text("context:a")).is_err());
    }

    #[test]
    fn lists() {
        type Read = fn(&Raw) -> Result<Vec<String>, Expected>;
        let cases: [(Read, Raw, bool); 14] = [
            (patterns, entries(&["web-*", "db"]), true),
            (patterns, entries(&[]), true),
            (patterns, entries(&["[a"]), false),
            (patterns, entries(&[""]), false),
            (patterns, text("web-*"), false),
            (patterns, Raw::List(vec!["a".repeat(ENTRY_MAX + 1)]), false),
            (patterns, Raw::List(vec!["a".into(); LIST_MAX + 1]), false),
            (label_patterns, entries(&["team", "team=a*", "k=", "k=a=b"]), true),
            (label_patterns, entries(&["=x"]), false),
            (label_patterns, entries(&["k=[x"]), false),
            (label_keys, entries(&["*"]), true),
            (label_keys, entries(&["com.example"]), true),
            (label_keys, entries(&["com.*"]), false),
            (label_keys, Raw::Bool(true), false),
        ];
        for (read, given, good) in cases {
            assert_eq!(read(&given).is_ok(), good, "{given:?}");
        }
    }

    #[test]
    fn choices_and_switches() {
        assert_eq!(choice(&text("full")), Ok(Shown::Catalog(Profile::Full)));
        assert_eq!(choice(&text("cadvisor")), Ok(Shown::Cadvisor));
        assert_eq!(choice::<Shown>(&text("ful")), Err("one of minimal, default, full, cadvisor".into()));
        assert_eq!(choice(&text("json")), Ok(LogFormat::Json));
        assert_eq!(LogLevel::Warn.name(), "warn");
        for (given, expected) in
            [(text("true"), Some(true)), (Raw::Bool(false), Some(false)), (text("maybe"), None)]
        {
            assert_eq!(bool(&given).ok(), expected);
        }
    }
}
