//! What can go wrong between this client and an engine.

use std::io;
use std::time::Duration;

use plimsoll_model::text::visible;

use crate::Endpoint;

/// The result of a call to an engine.
pub type Result<T> = std::result::Result<T, Error>;

/// How much of an engine's or a stranger's own words is shown in a message, in characters.
const MAX_EXCERPT: usize = 200;

/// Why a call to an engine gave no answer.
///
/// Every message says what was being done and to which endpoint, and, where it is known, what to try. The cause is in
/// [`source`](std::error::Error::source) and not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection came about. Where the socket is missing, forbidden or refuses, the message says what to try.
    #[error("cannot connect to {endpoint}{}", connect_hint(source))]
    Connect {
        /// The engine that was called.
        endpoint: Endpoint,
        /// What the operating system said.
        source: io::Error,
    },
    /// TLS or ssh stood between this client and the engine. The message says why and what to try.
    #[error("cannot connect to {endpoint}: {problem}")]
    Secure {
        /// The engine that was called.
        endpoint: Endpoint,
        /// What is wrong, and the remedy: one line. It has no source: what there is to say is in it.
        problem: String,
        /// The other side does not want this client: its certificate, its key for ssh, or its user.
        denied: bool,
    },
    /// The engine did not accept the connection in time.
    #[error(
        "connecting to {endpoint} took longer than {after:?}; is the engine running, and not overloaded?"
    )]
    ConnectTimeout {
        /// The engine that was called.
        endpoint: Endpoint,
        /// How long this client waited.
        after: Duration,
    },
    /// The engine accepted the request and did not finish its answer in time.
    #[error(
        "{doing} on {endpoint}: no complete answer within {after:?}; the engine may hang or be overloaded"
    )]
    Timeout {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The request, for example `GET /containers/json`.
        doing: String,
        /// How long this client waited.
        after: Duration,
    },
    /// The request could not be written down, because the name in it is far too long.
    #[error("{doing} on {endpoint}: this is no valid request")]
    Request {
        /// The engine that was to be called.
        endpoint: Endpoint,
        /// The request, shortened.
        doing: String,
        /// What is wrong with its path.
        source: hyper::http::uri::InvalidUri,
    },
    /// The connection broke, or what came over it was not HTTP.
    #[error(
        "{doing} on {endpoint}: the connection broke or does not speak HTTP; is this an engine's address?"
    )]
    Transport {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The request.
        doing: String,
        /// What the HTTP library said.
        source: hyper::Error,
    },
    /// The engine answered with a status other than 2xx.
    #[error("{doing} on {endpoint}: the engine answered {status}: {message}")]
    Status {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The request.
        doing: String,
        /// The HTTP status.
        status: u16,
        /// The engine's own words: one line, bounded and escaped.
        message: String,
    },
    /// The answer was larger than this client is willing to read.
    #[error("{doing} on {endpoint}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The request.
        doing: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The answer was not what an engine sends.
    #[error("{doing} on {endpoint}: the answer is not what a container engine sends ({problem}): {excerpt}")]
    Reply {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The request.
        doing: String,
        /// What was expected and missing.
        problem: &'static str,
        /// The beginning of the answer: one line, bounded and escaped.
        excerpt: String,
    },
    /// The engine asked a registry for an image and did not get it.
    #[cfg(feature = "lifecycle")]
    #[error("pulling {image} on {endpoint}: {message}")]
    Pull {
        /// The engine that was called.
        endpoint: Endpoint,
        /// The image that was asked for, shortened.
        image: String,
        /// The engine's own words: one line, bounded and escaped.
        message: String,
    },
    /// The engine and this client have no API version in common (any more): found while negotiating, or because the
    /// engine refused the version in a request's path, for example after an upgrade of the engine. Calling
    /// [`Client::version`](crate::Client::version) negotiates anew.
    #[error(
        "{endpoint} and this client have no API version in common: {message}; \
         this client speaks {} to {}",
        crate::api_version::OLDEST,
        crate::api_version::NEWEST
    )]
    ApiVersion {
        /// The engine that was called.
        endpoint: Endpoint,
        /// What the engine speaks, or its own words: one line, bounded and escaped.
        message: String,
    },
}

impl Error {
    /// True if the engine knows no such container or image (404).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }

    /// True if the engine, or a proxy in front of it, answers and will not do what was asked (a status of 4xx): asking
    /// again would change nothing.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status: 400..500, .. })
    }

    /// True if the engine was too slow, in accepting or in answering.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout { .. } | Self::Timeout { .. })
            || matches!(self, Self::Connect { source, .. } if source.kind() == io::ErrorKind::TimedOut)
    }

    /// True if this process may not talk to the engine: the socket's permissions, a certificate or a login that the
    /// other side refuses, or an answer of 401 or 403 as proxies in front of a socket give it.
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Secure { denied, .. } => *denied,
            Self::Status { status, .. } => matches!(status, 401 | 403),
            _ => false,
        }
    }

    /// True if no connection came about for another reason than permissions: there is no socket, nobody listens, nobody
    /// accepts, or TLS or ssh could not be agreed on.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Secure { denied, .. } => !denied,
            Self::ConnectTimeout { .. } => true,
            _ => false,
        }
    }
}

/// Why no connection came about, before it is known to whom it was to be.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The operating system's word.
    Io(io::Error),
    /// See [`Error::Secure`].
    Secure { problem: String, denied: bool },
}

impl Obstacle {
    pub(crate) fn secure(problem: impl Into<String>) -> Self {
        Self::Secure { problem: problem.into(), denied: false }
    }

    pub(crate) fn at(self, endpoint: Endpoint) -> Error {
        match self {
            Self::Io(source) => Error::Connect { endpoint, source },
            Self::Secure { problem, denied } => Error::Secure { endpoint, problem, denied },
        }
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn connect_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => ": there is no such socket; is the engine installed and running?",
        io::ErrorKind::PermissionDenied => ": permission denied; run as root or join the group docker",
        io::ErrorKind::ConnectionRefused => ": nobody listens there; is the engine running?",
        // What Linux answers when the queue of a Unix socket is full.
        io::ErrorKind::WouldBlock => ": the engine accepts no connections; does it hang?",
        io::ErrorKind::Unsupported => ": this system has no Unix sockets; use tcp://host:port",
        _ => "",
    }
}

/// One line of what somebody else said: the `message` of an engine's JSON, or the first line of any text.
pub(crate) fn excerpt(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "crate::lenient::scalar")]
        message: Option<String>,
    }
    let text = String::from_utf8_lossy(body);
    let said = serde_json::from_str::<crate::lenient::Object<Wire>>(&text).ok();
    let said = said.and_then(|object| object.0).and_then(|wire| wire.message);
    let text = said.as_deref().unwrap_or(&text);
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return "(nothing)".to_owned();
    };
    let mut shown: String = line.chars().take(MAX_EXCERPT).flat_map(visible).collect();
    if line.chars().nth(MAX_EXCERPT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_one_bounded_escaped_line() {
        for (body, expected) in [
            (&br#"{"message":"No such container: x"}"#[..], "No such container: x"),
            (b"client version 1.10 is too old\n\nmore", "client version 1.10 is too old"),
            (b"\r\n  <html>\n<body>", "<html>"),
            (br#"{"message":"a\u001b[31mb"}"#, "a\\u{1b}[31mb"),
            (br#"{"message":5}"#, r#"{"message":5}"#),
            (b"[1,2]", "[1,2]"),
            (b"\xff.\xfe", "\u{fffd}.\u{fffd}"),
            (b"", "(nothing)"),
            (b" \n ", "(nothing)"),
        ] {
            assert_eq!(excerpt(body), expected);
        }
        assert_eq!(excerpt("é".repeat(1000).as_bytes()), format!("{}…", "é".repeat(MAX_EXCERPT)));
    }

    #[test]
    fn predicates_and_hints() {
        let connect =
            |kind| Error::Connect { endpoint: Endpoint::Unix("/x".into()), source: io::Error::from(kind) };
        for (kind, permission, unreachable, part) in [
            (io::ErrorKind::NotFound, false, true, "is the engine installed and running?"),
            (io::ErrorKind::PermissionDenied, true, false, "run as root or join the group docker"),
            (io::ErrorKind::ConnectionRefused, false, true, "is the engine running?"),
            (io::ErrorKind::WouldBlock, false, true, "does it hang?"),
        ] {
            let error = connect(kind);
            assert_eq!(
                (error.is_permission(), error.is_unreachable()),
                (permission, unreachable),
                "{kind:?}"
            );
            let message = error.to_string();
            assert!(
                message.starts_with("cannot connect to unix:///x: ") && message.contains(part),
                "{message}"
            );
        }
    }
}
