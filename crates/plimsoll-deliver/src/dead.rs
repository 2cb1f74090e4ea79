//! The dead-letter file: points that a target refused, with its words, one JSON object a line. Two files at most, each bounded.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;
use tracing::warn;

use crate::courier::DeadLetter;
use crate::format::Content;

/// The size at which the file is moved aside as `NAME.1`, in the place of the one before it.
const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// As much of a refused point as is kept.
const MAX_POINT: usize = 64 * 1024;

/// A file of refused points.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    is_broken: bool,
}

impl DeadLetters {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, is_broken: false }
    }

    /// Writes what was refused. A file that cannot be written costs nothing but itself.
    pub(crate) fn write(&mut self, target: &str, dead: &[DeadLetter]) {
        if dead.is_empty() {
            return;
        }
        let mut lines = Vec::new();
        for letter in dead {
            let body = &letter.body[..letter.body.len().min(MAX_POINT)];
            let point = match letter.format.content {
                Content::Lines(_) | Content::Json => String::from_utf8_lossy(body).trim_end().to_owned(),
                // Protobuf is not for reading, but can be decoded by who has to know.
                Content::RemoteWrite(_) | Content::Otlp => {
                    use base64::Engine as _;
                    base64::engine::general_purpose::STANDARD.encode(body)
                }
            };
            let line = json!({
                "time": jiff::Timestamp::now().to_string(),
                "target": target,
                "reason": letter.reason,
                "message": letter.message,
                "points": letter.points,
                "format": letter.format.name(),
                "point": point,
            });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        match self.append(&lines) {
            Ok(()) => self.is_broken = false,
            Err(error) if !self.is_broken => {
                self.is_broken = true;
                warn!(
                    "cannot write refused points to {}: {error}; they are counted all the same",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
    }

    fn append(&self, lines: &[u8]) -> std::io::Result<()> {
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if std::fs::metadata(&self.path).is_ok_and(|facts| facts.len() + lines.len() as u64 > MAX_BYTES) {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
        }
        options.open(&self.path)?.write_all(lines)
    }
}
