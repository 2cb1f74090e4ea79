//! How batches reach a target: over HTTP, into a message queue, into a file, or to whatever the program gives.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::config::{TargetConfig, TargetKind};
use crate::courier::Outgoing;
use crate::error::TargetError;
use crate::http::HttpTransport;
use crate::verdict::{Answer, Fault};

/// How batches reach a target.
pub enum Transport {
    /// Over HTTP.
    Http(Box<HttpTransport>),
    /// As messages of NATS JetStream.
    #[cfg(feature = "nats")]
    Nats(Box<crate::nats::NatsTransport>),
    /// Appended to a file, which is opened anew each time, so that it can be moved away.
    File(PathBuf),
    /// Written to something that the program has opened.
    Writer(Mutex<Box<dyn Write + Send>>),
    /// Whatever the program does with it.
    Custom(Box<Sender>),
}

/// Sends a batch and says what was answered.
pub type Sender = dyn Fn(&Outgoing) -> BoxFuture<'static, Result<Answer, Fault>> + Send + Sync;

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "Http",
            #[cfg(feature = "nats")]
            Self::Nats(_) => "Nats",
            Self::File(_) => "File",
            Self::Writer(_) => "Writer",
            Self::Custom(_) => "Custom",
        })
    }
}

/// The answer to what was written in whole.
const DONE: u16 = 204;

impl Transport {
    /// The way to a target. `stdout` is what targets of that kind write to: only the program itself may print.
    ///
    /// # Errors
    /// If the address, a header or a certificate cannot be used, or the kind was not built in.
    pub fn new(
        config: &TargetConfig,
        stdout: impl FnOnce() -> Box<dyn Write + Send>,
    ) -> Result<Self, TargetError> {
        match config.kind {
            TargetKind::File => Ok(Self::File(config.path.clone())),
            TargetKind::Stdout => Ok(Self::Writer(Mutex::new(stdout()))),
            #[cfg(feature = "nats")]
            TargetKind::Nats => Ok(Self::Nats(Box::new(crate::nats::NatsTransport::new(config)?))),
            #[cfg(not(feature = "nats"))]
            TargetKind::Nats => Err(TargetError::NotBuilt {
                target: config.name.clone(),
                kind: config.kind.name(),
                feature: "nats",
            }),
            _ => Ok(Self::Http(Box::new(HttpTransport::new(config)?))),
        }
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Answer, Fault> {
        let written = match self {
            Self::Http(http) => return http.send(outgoing).await,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => return nats.send(outgoing).await,
            Self::Custom(send) => return send(outgoing).await,
            Self::File(path) => {
                append(path, &outgoing.body).map_err(|error| (path.display().to_string(), error))
            }
            Self::Writer(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                let written = writer.write_all(&outgoing.body).and_then(|()| writer.flush());
                written.map_err(|error| ("the output".to_owned(), error))
            }
        };
        match written {
            Ok(()) => Ok(Answer { status: DONE, ..Answer::default() }),
            Err((place, error)) => Err(Fault {
                reason: "file",
                message: format!("cannot write to {place}: {error}"),
                may_have_arrived: false,
            }),
        }
    }
}

/// Appends all of a batch, or nothing of it.
fn append(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    let before = whole_lines(&mut file)?;
    let written = file.write_all(body);
    if written.is_err() {
        // A pipe or a device cannot be shortened; then half a batch is the best that it can have.
        let _ = file.set_len(before);
    }
    written
}

/// Takes a line away that was begun and never ended: the process died while it was written, and its batch comes once more.
/// Returns the length of the file.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let facts = file.metadata()?;
    let length = facts.len();
    if !facts.is_file() || length == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut chunk = [0; 4096];
    while end > 0 {
        let size = chunk.len().min(usize::try_from(end).unwrap_or(usize::MAX));
        let from = end - size as u64;
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut chunk[..size])?;
        if let Some(at) = chunk[..size].iter().rposition(|byte| *byte == b'\n') {
            end = from + at as u64 + 1;
            break;
        }
        end = from;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_by_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (before, expected) in [("", "new\n"), ("a\n", "a\nnew\n"), ("a\nb", "a\nnew\n"), ("b", "new\n")] {
            std::fs::write(&path, before).unwrap();
            append(&path, b"new\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{before:?}");
        }
        let long = format!("a\n{}", "x".repeat(10_000));
        std::fs::write(&path, long).unwrap();
        append(&path, b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nnew\n");
    }
}
