//! As much of the engine's HTTP interface as it takes to drive containers, one connection a request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Longer than any answer of an engine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks an engine behind a Unix socket. Unlike the agent, it also changes things.
#[derive(Clone, Debug)]
pub struct Api {
    socket: PathBuf,
}

impl Api {
    /// Of the engine behind this socket.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Sends a request (the path without a version) and gives the status and the JSON that came back, `Null` if none.
    ///
    /// # Errors
    /// If nobody listens, or the connection breaks before the whole answer came.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let (status, mut stream) = self.send(method, path, body)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// As [`Self::request`], for one that has to succeed (a status below 400).
    ///
    /// # Errors
    /// With the engine's own words if it refused, or why there was no answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        match self.request(method, path, body) {
            Ok((status, answer)) if status < 400 => Ok(answer),
            Ok((status, answer)) => Err(format!("{method} {path}: {status} {answer}")),
            Err(error) => Err(format!("{method} {path}: {error}")),
        }
    }

    /// Calls `each` with every container event since then, until the engine ends the stream. An engine remembers the
    /// last 256 of its own life. Returns once the stream is open, with the thread that listens.
    ///
    /// # Errors
    /// If the stream cannot be opened.
    pub fn events(
        &self,
        since: SystemTime,
        mut each: impl FnMut(Value) + Send + 'static,
    ) -> io::Result<std::thread::JoinHandle<()>> {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
        let filters = "%7B%22type%22%3A%5B%22container%22%5D%7D";
        let path = format!("/events?since={seconds}.{nanos:09}&filters={filters}");
        let (_, stream) = self.send("GET", &path, None)?;
        stream.get_ref().set_read_timeout(None)?;
        Ok(std::thread::spawn(move || {
            for line in stream.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    each(event);
                }
            }
        }))
    }

    /// Sends a request and reads the answer's head. HTTP/1.0, so that the body ends with the connection.
    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<(u16, BufReader<UnixStream>)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        Ok((status, reader))
    }
}
