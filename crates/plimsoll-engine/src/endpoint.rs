//! Where an engine listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of an engine's API.
///
/// ```
/// use plimsoll_engine::Endpoint;
///
/// let endpoint: Endpoint = "unix:///var/run/docker.sock".parse()?;
/// assert_eq!(endpoint, "/var/run/docker.sock".parse()?);
/// assert_eq!(endpoint.to_string(), "unix:///var/run/docker.sock");
/// # Ok::<(), plimsoll_engine::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A Unix domain socket, by its absolute path. It parses everywhere and connects on Unix only.
    Unix(PathBuf),
    /// Plain HTTP over TCP.
    Tcp {
        /// A host name or an address; an IPv6 address stands without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// The value for the `Host` header, which HTTP/1.1 demands even where no host exists.
    pub(crate) fn host_header(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp { host, port } => authority(host, *port),
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The URL form: `unix:///path` or `tcp://host:port`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{}", authority(host, *port)),
        }
    }
}

/// Why a text is no [`Endpoint`]. Its message names what was wrong and the forms that exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("engine address {text:?}: {problem}; use unix:///path/to/socket, tcp://host:port or /path/to/socket")]
pub struct EndpointError {
    text: String,
    problem: &'static str,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError { text: text.chars().take(200).collect(), problem })
    }
}

fn parse(text: &str) -> Result<Endpoint, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.starts_with('/') {
        return unix(text);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is neither a URL nor an absolute path");
    };
    match scheme {
        "unix" => unix(rest),
        "tcp" => tcp(rest),
        "npipe" => Err("named pipes (npipe://) are not supported yet"),
        "ssh" => Err("ssh:// is not supported yet"),
        "https" => Err("https:// (TLS) is not supported yet"),
        "http" => Err("http:// is not supported, plain TCP is spelled tcp://"),
        _ => Err("its scheme is unknown"),
    }
}

fn unix(path: &str) -> Result<Endpoint, &'static str> {
    if !path.starts_with('/') {
        return Err("the path of the socket must be absolute");
    }
    if path.contains('\0') {
        return Err("the path of the socket contains a NUL character");
    }
    Ok(Endpoint::Unix(PathBuf::from(path)))
}

fn tcp(rest: &str) -> Result<Endpoint, &'static str> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the bracket of the IPv6 address is not closed")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is no IPv6 address")?;
            (host, port.strip_prefix(':').ok_or("the port is missing")?)
        }
        None => {
            let (host, port) = rest.split_once(':').ok_or("the port is missing")?;
            if host.is_empty() {
                return Err("the host is missing");
            }
            if port.contains(':') {
                return Err("an IPv6 address must stand in brackets");
            }
            // The host goes into a header, so nothing but what a host name or an IPv4 address is made of.
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
                return Err("the host contains a character that no host name has");
            }
            (host, port)
        }
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Endpoint::Tcp { host: host.to_owned(), port }),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_their_url() {
        for (text, url) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("/run/podman/podman.sock", "unix:///run/podman/podman.sock"),
            ("unix:///with space", "unix:///with space"),
            ("tcp://localhost:2375", "tcp://localhost:2375"),
            ("tcp://10.0.0.1:2375/", "tcp://10.0.0.1:2375"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), url);
            assert_eq!(url.parse::<Endpoint>().unwrap(), endpoint);
        }
    }

    #[test]
    fn refusals_say_what_was_wrong_and_what_exists() {
        for (text, part) in [
            ("", "empty"),
            ("docker.sock", "neither a URL nor an absolute path"),
            ("unix://run/docker.sock", "must be absolute"),
            ("unix://", "must be absolute"),
            ("npipe:////./pipe/docker_engine", "npipe://) are not supported yet"),
            ("ssh://me@host", "ssh:// is not supported yet"),
            ("https://host:2376", "not supported yet"),
            ("http://host:2375", "spelled tcp://"),
            ("fd://", "scheme is unknown"),
            ("tcp://host", "port is missing"),
            ("tcp://[::1]", "port is missing"),
            ("tcp://[::1:2375", "not closed"),
            ("tcp://[x]:1", "no IPv6 address"),
            ("tcp://::1:2375", "host is missing"),
            ("tcp://fe80::1:2375", "in brackets"),
            ("tcp://:2375", "host is missing"),
            ("tcp://host:0", "1 to 65535"),
            ("tcp://host:99999", "1 to 65535"),
            ("tcp://host:2375/v1.41", "1 to 65535"),
            ("tcp://user@host:2375", "no host name has"),
            ("tcp://a\r\nb:1", "no host name has"),
        ] {
            let message = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
            assert!(
                message.ends_with("use unix:///path/to/socket, tcp://host:port or /path/to/socket"),
                "{message}"
            );
        }
    }
}
