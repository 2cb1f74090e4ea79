//! A small HTTP client for asking an agent: one request, one deadline for everything, a bounded answer. Where the agent's
//! configuration has TLS, the agent is who has the certificate that stands there.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use plimsoll_web::security::{Caller, Secured};

use crate::failure::Failure;
use crate::settings::listen::Listen;
use crate::text;

/// The most of an answer's head that is read (bytes).
const HEAD_MAX: usize = 8 << 10;

/// An `http` or `https` address, or a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    has_tls: bool,
    /// Name or address, brackets included.
    host: String,
    port: u16,
    /// The socket that is asked instead of the host.
    socket: Option<PathBuf>,
    /// With the leading slash, and the query.
    path: String,
}

impl Url {
    /// Understands `http://HOST[:PORT][/PATH]`, and the same with `https`.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let bad = || {
            Failure::caller(format!("--url: bad value {}", text::quoted(url)))
                .remedy("give an address such as http://127.0.0.1:8003/health")
        };
        if url.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err(bad());
        }
        let (has_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(bad()),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (authority, if has_tls { 443 } else { 80 }),
        };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.contains(['@', '?', '#']) || (host.contains(':') && !bracketed) {
            return Err(bad());
        }
        let path = path.split('#').next().unwrap_or(path).into();
        Ok(Self { has_tls, host: host.into(), port, socket: None, path })
    }

    /// A page of an agent that listens at these places, at the first of them. One that listens everywhere is asked over
    /// loopback. Over unix sockets there is no TLS.
    pub(crate) fn of_agent(listen: &[Listen], has_tls: bool, path: &str) -> Self {
        let address = match listen.first() {
            Some(Listen::Address(address)) => *address,
            Some(Listen::Unix(socket)) => {
                return Self {
                    has_tls: false,
                    host: "localhost".into(),
                    port: 80,
                    socket: Some(socket.clone()),
                    path: path.into(),
                };
            }
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
        };
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        Self { has_tls, host, port: address.port(), socket: None, path: path.into() }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Some(socket) => write!(formatter, "unix:{}:{}", socket.display(), self.path),
            None => {
                let scheme = if self.has_tls { "https" } else { "http" };
                write!(formatter, "{scheme}://{}:{}{}", self.host, self.port, self.path)
            }
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET`, of whose answer the first line is enough.
    Get,
    /// `POST` without a body, whose answer is read whole, up to so many bytes.
    Post {
        /// The most bytes.
        most: usize,
    },
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) code: u16,
    /// The whole first line.
    pub(crate) line: String,
    /// What follows the head, as far as it was asked for.
    pub(crate) body: Vec<u8>,
}

/// Asks, with a bearer token where one is given, and waits for the answer until `timeout` has passed.
pub(crate) fn ask(
    method: Method,
    url: &Url,
    caller: &Caller,
    token: Option<&str>,
    timeout: Duration,
) -> anyhow::Result<Reply> {
    if url.has_tls && !caller.has_tls() {
        return Err(Failure::caller("there is no certificate to tell the agent by")
            .remedy("name the agent's own configuration with --web.config.file")
            .into());
    }
    let deadline = Instant::now() + timeout;
    let stream = connect(url, deadline)?;
    stream.set_timeout(remaining(deadline)?)?;
    let stream = if url.has_tls { stream.secured(caller)? } else { stream };
    over(stream, method, url, token, deadline).map_err(|error| {
        let remedy = error.downcast_ref().and_then(|error| caller.remedy(error));
        match remedy {
            Some(remedy) => Failure::world("nobody there is the agent of this configuration")
                .remedy(remedy)
                .because(error)
                .into(),
            None => error,
        }
    })
}

fn over(
    mut stream: Stream,
    method: Method,
    url: &Url,
    token: Option<&str>,
    deadline: Instant,
) -> anyhow::Result<Reply> {
    let word = match method {
        Method::Get => "GET",
        Method::Post { .. } => "POST",
    };
    let length = if method == Method::Get { "" } else { "Content-Length: 0\r\n" };
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{word} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: plimsoll/{}\r\nAccept: */*\r\n{token}{length}Connection: close\r\n\r\n",
        url.path,
        url.host,
        url.port,
        env!("CARGO_PKG_VERSION"),
    );
    stream.write_all(request.as_bytes()).map_err(told)?;

    let (most, is_enough): (usize, fn(&[u8]) -> bool) = match method {
        Method::Get => (HEAD_MAX, |answer| answer.contains(&b'\n')),
        Method::Post { most } => (HEAD_MAX + most, |_| false),
    };
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !is_enough(&answer) {
        stream.set_timeout(remaining(deadline)?)?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
            // TLS that ends without a word; whether the answer is whole is seen below.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(told(error).into()),
        }
        if answer.len() > most {
            anyhow::ensure!(method == Method::Get, "the answer is longer than any of an agent");
            break;
        }
    }
    let mut reply = reply(&answer).context("the answer is not HTTP")?;
    if let Method::Post { .. } = method {
        let head =
            answer.windows(4).position(|four| four == b"\r\n\r\n").context("the answer is not whole")?;
        reply.body = answer.split_off(head + 4);
    }
    Ok(reply)
}

/// A connection to an agent.
enum Stream {
    Tcp(TcpStream),
    Secured(Box<Secured<TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// The same under TLS.
    fn secured(self, caller: &Caller) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => Ok(Self::Secured(Box::new(caller.secure(stream)?))),
            other => Ok(other),
        }
    }

    /// How long a single read or write may take.
    fn set_timeout(&self, time: Duration) -> io::Result<()> {
        let tcp = match self {
            Self::Tcp(stream) => stream,
            Self::Secured(stream) => stream.get_ref(),
            #[cfg(unix)]
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(time))?;
                return stream.set_write_timeout(Some(time));
            }
        };
        tcp.set_read_timeout(Some(time))?;
        tcp.set_write_timeout(Some(time))
    }
}

impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Secured(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Secured(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Secured(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.flush(),
        }
    }
}

fn connect(url: &Url, deadline: Instant) -> anyhow::Result<Stream> {
    #[cfg(unix)]
    if let Some(socket) = &url.socket {
        return Ok(Stream::Unix(UnixStream::connect(socket)?));
    }
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(Stream::Tcp(stream)),
            Err(error) => last = told(error),
        }
    }
    Err(last.into())
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left) }
}

/// A socket's time-out is `WouldBlock` on some systems, which says nothing to the reader.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => timed_out(),
        _ => error,
    }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// Reads the status line of an answer.
fn reply(answer: &[u8]) -> Option<Reply> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&answer[..end]).ok()?.trim_end();
    let mut words = line.split(' ');
    words.next()?.strip_prefix("HTTP/1.")?;
    let code = words.next().filter(|code| code.len() == 3)?.parse().ok()?;
    Some(Reply { code, line: line.into(), body: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("http://127.0.0.1:8003/health", Some("http://127.0.0.1:8003/health")),
            ("http://localhost", Some("http://localhost:80/")),
            ("http://[::1]:8003/-/ready?x=1#y", Some("http://[::1]:8003/-/ready?x=1")),
            ("http://[::1]", Some("http://[::1]:80/")),
            ("https://localhost/", Some("https://localhost:443/")),
            ("https://[::1]:8003/x", Some("https://[::1]:8003/x")),
            ("ftp://localhost/", None),
            ("localhost:8003", None),
            ("http://", None),
            ("http://:80/", None),
            ("http://::1/", None),
            ("http://user@host/", None),
            ("http://host:x/", None),
            ("http://host/\r\nX: y", None),
        ];
        for (given, expected) in cases {
            assert_eq!(Url::parse(given).ok().map(|url| url.to_string()).as_deref(), expected, "{given}");
        }
        for (listen, expected) in [
            ("127.0.0.1:8003", "http://127.0.0.1:8003/health"),
            ("0.0.0.0:1", "http://127.0.0.1:1/health"),
            ("[::]:1", "http://[::1]:1/health"),
            ("192.0.2.1:1", "http://192.0.2.1:1/health"),
        ] {
            let listen = [Listen::Address(listen.parse().unwrap())];
            assert_eq!(Url::of_agent(&listen, false, "/health").to_string(), expected);
        }
        let socket = [Listen::Unix("/run/p.sock".into()), Listen::default()];
        assert_eq!(Url::of_agent(&socket, true, "/health").to_string(), "unix:/run/p.sock:/health");
    }

    #[test]
    fn status_lines() {
        let cases: [(&[u8], Option<u16>); 8] = [
            (b"HTTP/1.1 200 OK\r\n", Some(200)),
            (b"HTTP/1.0 503 Service Unavailable\r\nX: y\r\n", Some(503)),
            (b"HTTP/1.1 200\n", Some(200)),
            (b"HTTP/1.1 200 OK", None),
            (b"SSH-2.0-OpenSSH\r\n", None),
            (b"HTTP/1.1 2000 OK\r\n", None),
            (b"\xff\n", None),
            (b"", None),
        ];
        for (answer, code) in cases {
            assert_eq!(reply(answer).map(|reply| reply.code), code);
        }
    }

    /// Answers one request with bytes, and asks it.
    fn ask_one(method: Method, answer: &'static [u8]) -> Result<(u16, String), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::of_agent(&[Listen::Address(listener.local_addr().unwrap())], false, "/health");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(request).unwrap()
        });
        let asked = ask(method, &url, &Caller::default(), None, Duration::from_secs(10));
        let request = server.join().unwrap();
        let word = if method == Method::Get { "GET" } else { "POST" };
        assert!(request.starts_with(&format!("{word} /health HTTP/1.1\r\nHost: 127.0.0.1:")), "{request}");
        asked
            .map(|reply| (reply.code, String::from_utf8(reply.body).unwrap()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_answer_decides() {
        const POST: Method = Method::Post { most: 100 };
        let ok = |code, body: &str| Ok((code, body.to_owned()));
        for (method, answer, expected) in [
            (Method::Get, &b"HTTP/1.1 200 OK\r\n\r\n"[..], ok(200, "")),
            (Method::Get, b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}", ok(503, "")),
            (Method::Get, b"hello\n", Err("the answer is not HTTP".into())),
            (Method::Get, b"", Err("the answer is not HTTP".into())),
            (POST, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\"a\":1}", ok(200, "{\"a\":1}")),
            (POST, b"HTTP/1.1 200 OK\r\nX: y\r\n", Err("the answer is not whole".into())),
            (POST, b"hello\n", Err("the answer is not HTTP".into())),
        ] {
            assert_eq!(ask_one(method, answer), expected);
        }
        static LONG: [u8; HEAD_MAX + 200] = [b'x'; HEAD_MAX + 200];
        assert_eq!(ask_one(POST, &LONG), Err("the answer is longer than any of an agent".into()));
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::of_agent(&[Listen::Address(listener.local_addr().unwrap())], false, "/health");
        let error = ask(Method::Get, &url, &Caller::default(), None, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "no answer in time");
        drop(listener);
        assert!(ask(Method::Get, &url, &Caller::default(), None, Duration::from_secs(10)).is_err());
    }
}
