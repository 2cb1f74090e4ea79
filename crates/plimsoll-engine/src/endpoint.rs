//! Where an engine listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of an engine's API.
///
/// ```
/// use plimsoll_engine::{Certificates, Endpoint};
///
/// let endpoint: Endpoint = "unix:///var/run/docker.sock".parse()?;
/// assert_eq!(endpoint, "/var/run/docker.sock".parse()?);
/// assert_eq!(endpoint.to_string(), "unix:///var/run/docker.sock");
///
/// let plain: Endpoint = "tcp://build.example:2376".parse()?;
/// let certificates = Certificates { ca: Some("/etc/plimsoll/ca.pem".into()), ..Certificates::default() };
/// assert_eq!(plain.with_tls(certificates).to_string(), "https://build.example:2376");
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
    /// HTTP over TLS over TCP.
    Tls {
        /// A host name or an address, which the server's certificate must carry; IPv6 stands without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whom to trust, and what to show.
        certificates: Box<Certificates>,
    },
    /// HTTP through the standard input and output of `docker system dial-stdio` at the other end of an `ssh` command,
    /// as the `docker` command does it; for a socket of Podman, through `podman system dial-stdio`.
    Ssh(Box<SshHost>),
}

/// Where ssh is to go, and to which socket there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SshHost {
    /// Who logs in; absent, whom ssh's configuration names.
    pub user: Option<String>,
    /// A host name, an address (IPv6 without brackets), or a `Host` of ssh's configuration.
    pub host: String,
    /// The port; absent, what ssh's configuration names.
    pub port: Option<u16>,
    /// The path of the engine's socket on the other machine; absent, the usual one there.
    pub socket: Option<String>,
}

/// The PEM files for an engine behind TLS. They are read at every connection, so renewed ones are taken up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Certificates {
    /// The authorities that may have signed the engine's certificate. Needed, unless `verify` is off.
    pub ca: Option<PathBuf>,
    /// This client's own certificate, with its chain; it goes with `key`.
    pub certificate: Option<PathBuf>,
    /// The private key of this client's certificate, not encrypted.
    pub key: Option<PathBuf>,
    /// Whether the engine must prove who it is. Without that, TLS keeps out only those who merely listen.
    pub verify: bool,
}

/// No files, and the engine must prove who it is: such a connection says that it lacks a CA.
impl Default for Certificates {
    fn default() -> Self {
        Self { ca: None, certificate: None, key: None, verify: true }
    }
}

impl Endpoint {
    /// The same address with TLS and these files, if it is one of TCP; any other stays as it is.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Self {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port, .. } => {
                Self::Tls { host, port, certificates: Box::new(certificates) }
            }
            other => other,
        }
    }

    /// The value for the `Host` header, which HTTP/1.1 demands even where no host exists.
    pub(crate) fn host_header(&self) -> String {
        match self {
            Self::Unix(_) | Self::Ssh(_) => "localhost".to_owned(),
            Self::Tcp { host, port } | Self::Tls { host, port, .. } => authority(host, Some(*port)),
        }
    }
}

fn authority(host: &str, port: Option<u16>) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// The URL form: `unix:///path`, `tcp://host:port`, `https://host:port` or `ssh://user@host:port/path`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{}", authority(host, Some(*port))),
            Self::Tls { host, port, .. } => write!(f, "https://{}", authority(host, Some(*port))),
            Self::Ssh(ssh) => {
                let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
                let socket = ssh.socket.as_deref().unwrap_or_default();
                write!(f, "ssh://{user}{}{socket}", authority(&ssh.host, ssh.port))
            }
        }
    }
}

/// Why a text is no [`Endpoint`]. Its message names what was wrong and the forms that exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "engine address {text:?}: {problem}; use unix:///path/to/socket, tcp://host:port, https://host:port, \
     ssh://user@host or /path/to/socket"
)]
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
        // Docker takes both for the same.
        "tcp" | "http" => tcp(rest),
        "https" => tcp(rest).map(|plain| plain.with_tls(Certificates::default())),
        "ssh" => ssh(rest),
        "npipe" => Err("named pipes (npipe://) are not supported yet"),
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
    let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest))?;
    let port = port.ok_or("the port is missing")?;
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn ssh(rest: &str) -> Result<Endpoint, &'static str> {
    let (authority, socket) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password is not supported, let ssh log in with a key");
    }
    let odd = |byte: u8| !(byte.is_ascii_alphanumeric() || b".-_+@\\".contains(&byte));
    if user.is_some_and(|user| user.is_empty() || user.starts_with('-') || user.bytes().any(odd)) {
        return Err("the user is empty or has a character that no user name has");
    }
    let (host, port) = host_and_port(host)?;
    // ssh would take it for an option.
    if host.starts_with('-') {
        return Err("the host begins with a dash");
    }
    if socket.chars().any(char::is_control) {
        return Err("the path of the socket contains a control character");
    }
    let socket = Some(socket).filter(|path| !path.trim_matches('/').is_empty());
    Ok(Endpoint::Ssh(Box::new(SshHost {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        socket: socket.map(str::to_owned),
    })))
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("the bracket of the IPv6 address is not closed")?;
            host.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is no IPv6 address")?;
            let port = rest.strip_prefix(':');
            if port.is_none() && !rest.is_empty() {
                return Err("something else than a port follows the IPv6 address");
            }
            (host, port)
        }
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            if host.is_empty() {
                return Err("the host is missing");
            }
            if port.is_some_and(|port| port.contains(':')) {
                return Err("an IPv6 address must stand in brackets");
            }
            // The host goes into a header, so nothing but what a host name or an IPv4 address is made of.
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
                return Err("the host contains a character that no host name has");
            }
            (host, port)
        }
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err("the port is not a number from 1 to 65535"),
    };
    Ok((host, port))
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
            ("http://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("https://docker.example:2376/", "https://docker.example:2376"),
            ("ssh://build", "ssh://build"),
            ("ssh://me@build.example:2222", "ssh://me@build.example:2222"),
            ("ssh://a@b@[fe80::1]/", "ssh://a@b@[fe80::1]"),
            ("ssh://me@host/run/user/1000/docker.sock", "ssh://me@host/run/user/1000/docker.sock"),
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
            ("https://host", "port is missing"),
            ("ssh://", "host is missing"),
            ("ssh://-oProxyCommand=reboot", "no host name has"),
            ("ssh://-F", "begins with a dash"),
            ("ssh://-F@host", "user is empty or"),
            ("ssh://@host", "user is empty or"),
            ("ssh://$(reboot)@host", "user is empty or"),
            ("ssh://me:secret@host", "a password is not supported"),
            ("ssh://host:ssh", "1 to 65535"),
            ("ssh://host?x=1", "no host name has"),
            ("ssh://host/a\nb", "control character"),
            ("fd://", "scheme is unknown"),
            ("tcp://host", "port is missing"),
            ("tcp://[::1]", "port is missing"),
            ("tcp://[::1:2375", "not closed"),
            ("tcp://[::1]2375", "something else than a port"),
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
            assert!(message.ends_with("https://host:port, ssh://user@host or /path/to/socket"), "{message}");
        }
    }
}
