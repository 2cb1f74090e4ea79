//! Whom a scan asks: engines and agents, by their addresses.

use std::fmt;

use plimsoll_engine::{Discovery, Endpoint, Found, context, discover};

use crate::engines;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::value::{AUTO, CONTEXT, NONE};
use crate::text;

/// The port of a Census agent where none is named.
const AGENT_PORT: u16 = 9876;

/// The most hosts of one scan.
const MAX_HOSTS: usize = 256;

/// Somebody who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An engine.
    Engine(Found),
    /// A Census agent, by its address: `http://HOST:PORT` without a path.
    Agent(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(found) => found.endpoint.fmt(f),
            Self::Agent(url) => f.write_str(url),
        }
    }
}

/// Whom a scan asks, and what could not be understood of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    pub(super) hosts: Vec<Host>,
    /// What is wrong, by subject.
    pub(super) problems: Vec<(String, String)>,
}

/// The hosts of the command line, or every engine that the settings name or leave to be found.
///
/// # Errors
/// An address that is none, or too many.
pub(super) fn hosts(given: &[String], settings: &Settings) -> Result<Hosts, Failure> {
    if given.len() > MAX_HOSTS {
        return Err(Failure::caller(format!("--host: at most {MAX_HOSTS} hosts")));
    }
    if !given.is_empty() {
        let hosts = given.iter().map(|address| host(address, settings)).collect::<Result<_, _>>()?;
        return Ok(Hosts { hosts, problems: Vec::new() });
    }
    let discovery = match &*settings.engine {
        [word] if word == NONE => Discovery::default(),
        [word] if word == AUTO => discover(&settings.surroundings),
        entries => engines::named(entries, &settings.surroundings),
    };
    let problems = discovery.problems.into_iter().map(|problem| (problem.subject, problem.text));
    Ok(Hosts { hosts: discovery.found.into_iter().map(Host::Engine).collect(), problems: problems.collect() })
}

fn host(address: &str, settings: &Settings) -> Result<Host, Failure> {
    let bad = |why: &str| {
        Failure::caller(format!("--host: bad value {}: {why}", text::quoted(address))).remedy(
            "give agent://HOST, http://HOST:PORT, unix:///PATH, tcp://HOST:PORT, ssh://[USER@]HOST or context:NAME",
        )
    };
    if let Some(name) = address.strip_prefix(CONTEXT) {
        let found = context(&settings.surroundings, name).map_err(|error| bad(&error.to_string()))?;
        return Ok(Host::Engine(found));
    }
    if let Some(rest) = address.strip_prefix("agent://") {
        return Ok(Host::Agent(format!(
            "http://{}",
            authority(rest, Some(AGENT_PORT)).ok_or_else(|| bad("it is no host"))?
        )));
    }
    for scheme in ["http://", "https://"] {
        if let Some(rest) = address.strip_prefix(scheme) {
            let authority = authority(rest, None).ok_or_else(|| bad("it is no host"))?;
            return Ok(Host::Agent(format!("{scheme}{authority}")));
        }
    }
    let endpoint: Endpoint =
        address.parse().map_err(|error: plimsoll_engine::EndpointError| bad(&error.to_string()))?;
    Ok(Host::Engine(settings.surroundings.named(endpoint, "--host")))
}

/// `HOST[:PORT]` without anything behind it, with this port where none is named.
fn authority(rest: &str, port: Option<u16>) -> Option<String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, named) = match rest.rsplit_once(':') {
        Some((host, named)) if !named.ends_with(']') => (host, Some(named.parse::<u16>().ok()?)),
        _ => (rest, None),
    };
    let is_name =
        |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let is_literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_literal = is_literal.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    if host.is_empty() || !(is_name(host) || is_literal) {
        return None;
    }
    Some(match named.or(port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_by_their_scheme() {
        let of = |address: &str| {
            hosts(&[address.to_owned()], &Settings::default()).map(|mut found| found.hosts.remove(0))
        };
        for (address, expected) in [
            ("agent://h", Some("http://h:9876")),
            ("agent://h:1/", Some("http://h:1")),
            ("agent://[::1]", Some("http://[::1]:9876")),
            ("http://h:9876", Some("http://h:9876")),
            ("https://h", Some("https://h")),
            ("unix:///run/docker.sock", Some("unix:///run/docker.sock")),
            ("/run/docker.sock", Some("unix:///run/docker.sock")),
            ("tcp://h:2375", Some("tcp://h:2375")),
            ("ssh://me@h", Some("ssh://me@h")),
            ("agent://", None),
            ("agent://h/x", None),
            ("agent://u:p@h", None),
            ("https://h/api", None),
            ("agent://h:x", None),
            ("h", None),
            ("context:nobody-made-it", None),
        ] {
            assert_eq!(of(address).ok().map(|host| host.to_string()).as_deref(), expected, "{address}");
        }
        let is_agent = |address| matches!(of(address).unwrap(), Host::Agent(_));
        assert!(is_agent("http://h:1") && is_agent("agent://h") && !is_agent("tcp://h:1"));
        assert!(hosts(&vec!["agent://h".to_owned(); MAX_HOSTS + 1], &Settings::default()).is_err());
    }

    #[test]
    fn without_hosts_it_is_the_engines_of_the_settings() {
        let of = |engine: &[&str]| {
            let engine = engine.iter().map(|&entry| entry.to_owned()).collect();
            let found = hosts(&[], &Settings { engine, ..Settings::default() }).unwrap();
            (found.hosts.len(), found.problems.len())
        };
        assert_eq!(of(&["unix:///a", "tcp://h:1", "context:nobody-made-it"]), (2, 1));
        assert_eq!(of(&["none"]), (0, 0));
    }
}
