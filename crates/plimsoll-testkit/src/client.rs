//! A plain client of HTTP, for what tests ask of servers: one connection a request, everything in memory.
//!
//! ```no_run
//! use plimsoll_testkit::client::Client;
//!
//! let answer = Client::new(([127, 0, 0, 1], 9090).into()).get("/metrics").unwrap();
//! assert_eq!(answer.status, 200, "{}", answer.text());
//! ```

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer of a server that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest head of an answer, and the longest body, in bytes.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: u64 = 1024 * 1024 * 1024;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body, for people.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server did what it was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Asks one server.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
    patience: Duration,
}

impl Client {
    /// Of the server that listens there.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, patience: PATIENCE }
    }

    /// Another limit than a minute for every step of a request: connect, write, read.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks for a path, with its query.
    ///
    /// # Errors
    /// If nobody listens, or the whole answer did not come.
    pub fn get(&self, path: &str) -> io::Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Sends a body to a path, with its query.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
        self.request("POST", path, headers, body)
    }

    /// Any request. HTTP/1.0, so that the body ends with the connection.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&self.address, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat())?;
        read(stream)
    }
}

fn read(stream: TcpStream) -> io::Result<Response> {
    let cut = |what: &str| io::Error::new(io::ErrorKind::UnexpectedEof, format!("the answer lacks {what}"));
    let mut reader = BufReader::new(stream);
    let mut head = (&mut reader).take(MAX_HEAD);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| cut("a status"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(cut("the end of its head"));
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut body = Vec::new();
    reader.take(MAX_BODY).read_to_end(&mut body)?;
    let length = headers.iter().find(|(name, _)| name == "content-length");
    match length.and_then(|(_, value)| value.parse().ok()) {
        Some(length) if body.len() < length => Err(cut("the end of its body")),
        _ => Ok(Response { status, headers, body }),
    }
}

/// Writes a text so that it can stand as a value in a query.
///
/// ```
/// assert_eq!(plimsoll_testkit::client::percent("a b+ü"), "a%20b%2B%C3%BC");
/// ```
#[must_use]
pub fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
