//! As much of the protocol of NATS as it takes to ask a server something.
//!
//! The protocol is lines of text, some followed by a payload whose length they say:
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::wait_until;

/// How long an answer may take. A member that has just died answers nothing: the others are asked again soon.
const ANSWER: Duration = Duration::from_secs(2);

/// How long it may take until somebody answers: a cluster has to choose a leader first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest line and the longest message that are read, in bytes.
const MAX_LINE: u64 = 64 * 1024;
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// How many questions were asked in this process.
static ASKED: AtomicU64 = AtomicU64::new(1);

/// A connection that asks one question after the other.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a server.
    pub(super) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut connection = Self { stream: BufReader::new(stream) };
        connection.send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n")?;
        Ok(connection)
    }

    /// Sends a payload to a subject and gives the payload of the first answer.
    pub(super) fn request(&mut self, subject: &str, payload: &[u8]) -> io::Result<Vec<u8>> {
        // Never the same twice, over all connections: a late answer is nobody else's.
        let sid = ASKED.fetch_add(1, Ordering::Relaxed).to_string();
        let inbox = format!("_INBOX.{}.{sid}", std::process::id());
        let asked =
            format!("SUB {inbox} {sid}\r\nUNSUB {sid} 1\r\nPUB {subject} {inbox} {}\r\n", payload.len());
        self.send(&[asked.as_bytes(), payload, b"\r\n"].concat())?;
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let sizes = match words[..] {
                ["MSG", _, to, .., length] => Some((to, "0", length)),
                ["HMSG", _, to, .., head, length] => Some((to, head, length)),
                ["PING"] => {
                    self.send(b"PONG\r\n")?;
                    None
                }
                ["-ERR", ..] => return Err(io::Error::other(line)),
                // `INFO`, `PONG`: nothing that was asked for.
                _ => None,
            };
            let Some((to, head, length)) = sizes else { continue };
            let (head, payload) = self.payload(head, length)?;
            if head.starts_with("NATS/1.0 503") {
                return Err(io::Error::other(format!("nobody answers to {subject}")));
            }
            if to == sid {
                return Ok(payload);
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match (&mut self.stream).take(MAX_LINE).read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// Headers and payload of a message, given the length of the headers and of both.
    fn payload(&mut self, head: &str, length: &str) -> io::Result<(String, Vec<u8>)> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a message without its length");
        let head: usize = head.parse().map_err(|_| broken())?;
        let length: usize = length.parse().map_err(|_| broken())?;
        if head > length || length > MAX_MESSAGE {
            return Err(broken());
        }
        let mut whole = vec![0; length + 2];
        self.stream.read_exact(&mut whole)?;
        whole.truncate(length);
        let payload = whole.split_off(head);
        Ok((String::from_utf8_lossy(&whole).into_owned(), payload))
    }
}

/// Asks JetStream until it answers, over the same connection as long as that works.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    address: &'a str,
    connection: Option<Connection>,
}

impl<'a> Questions<'a> {
    /// To the server that listens there.
    pub(super) fn to(address: &'a str) -> Self {
        Self { address, connection: None }
    }

    /// Asks; the subject is what follows `$JS.API.`.
    #[track_caller]
    pub(super) fn ask(&mut self, subject: &str, question: &Value) -> Value {
        let (subject, question) = (format!("$JS.API.{subject}"), question.to_string());
        let mut answer = Value::Null;
        wait_until(PATIENCE, &format!("JetStream answers to {subject}"), || {
            let connection = self.connection.take().map_or_else(|| Connection::open(self.address), Ok);
            let asked = connection.and_then(|mut connection| {
                let bytes = connection.request(&subject, question.as_bytes())?;
                Ok((connection, bytes))
            });
            let Ok((connection, bytes)) = asked else { return false };
            self.connection = Some(connection);
            answer = serde_json::from_slice(&bytes).unwrap();
            // 503: the stream or the cluster has no leader.
            answer["error"]["code"] != 503
        });
        assert!(answer.get("error").is_none(), "{subject} {question}: {answer}");
        answer
    }
}

/// Reads base64 as JetStream writes it: with the standard alphabet, padded.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("YQ==", Some(b"a")),
            ("YWI=", Some(b"ab")),
            ("YWJj", Some(b"abc")),
            ("//79/A==", Some(b"\xff\xfe\xfd\xfc")),
            ("Y*==", None),
        ] {
            assert_eq!(base64(text).as_deref(), bytes, "{text}");
        }
    }
}
