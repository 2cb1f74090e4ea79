//! Pulling an image: the engine's report, line by line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use serde::Deserialize;

use crate::error::excerpt;
use crate::lenient::{Object, Text, nested, scalar};
use crate::stats::Lines;
use crate::transport::{Stream, Transport};
use crate::{Error, Result};

/// The longest line of a report that is looked at, in bytes. A longer one is skipped.
pub const MAX_PULL_LINE: usize = 64 * 1024;

/// How long an engine may say nothing while it pulls. Podman is silent while it unpacks a layer.
pub const PULL_SILENCE: Duration = Duration::from_secs(300);

/// How much of a reference is shown in an error, in characters.
const MAX_SHOWN: usize = 200;

/// One line of the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// What is being done, in the engine's words: `Downloading`, `Pull complete`.
    pub status: String,
    /// The layer that it is done with, or the tag.
    pub id: Option<String>,
    /// How many bytes are done.
    pub current: Option<u64>,
    /// How many bytes there are.
    pub total: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ProgressWire {
    #[serde(deserialize_with = "scalar")]
    status: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(deserialize_with = "nested")]
    progress_detail: DetailWire,
    #[serde(deserialize_with = "scalar")]
    error: Option<Text>,
    #[serde(deserialize_with = "nested")]
    error_detail: ErrorWire,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DetailWire {
    #[serde(deserialize_with = "scalar")]
    current: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    total: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorWire {
    #[serde(deserialize_with = "scalar")]
    message: Option<Text>,
}

/// What a line says: progress, or that it failed and why. `None` for what is no line of a report.
fn parse(line: &[u8]) -> Option<std::result::Result<PullProgress, String>> {
    let text = String::from_utf8_lossy(line);
    let wire = serde_json::from_str::<Object<ProgressWire>>(&text).ok()?.0?;
    if let Some(error) = wire.error_detail.message.or(wire.error) {
        return Some(Err(excerpt(error.as_str().as_bytes())));
    }
    let own = |text: Text| text.as_str().to_owned();
    let DetailWire { current, total } = wire.progress_detail;
    Some(Ok(PullProgress { status: wire.status.map(own)?, id: wire.id.map(own), current, total }))
}

/// The reference with the tag that is meant if it has none: engines pull all tags otherwise.
///
/// ```
/// use plimsoll_engine::lifecycle::reference;
///
/// assert_eq!(reference("localhost:5000/web"), "localhost:5000/web:latest");
/// for complete in ["web:1", "localhost:5000/web:1", "web@sha256:0123"] {
///     assert_eq!(reference(complete), complete);
/// }
/// ```
#[must_use]
pub fn reference(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// An image on its way. Dropping it closes the connection, which calls the pull off.
#[derive(Debug)]
pub struct Pull {
    transport: Arc<Transport>,
    image: String,
    told: String,
    stream: Stream,
    lines: Lines,
    /// What came in one piece. A piece is no larger than a connection's buffer.
    waiting: VecDeque<std::result::Result<PullProgress, String>>,
    ended: bool,
}

impl Pull {
    pub(super) fn new(transport: Arc<Transport>, image: String, told: String, stream: Stream) -> Self {
        let lines = Lines::new(MAX_PULL_LINE);
        Self { transport, image, told, stream, lines, waiting: VecDeque::new(), ended: false }
    }

    /// Waits for the next line of the report. `None` means that the image is there.
    ///
    /// # Errors
    /// [`Error::Pull`] with what the engine says went wrong, [`Error::Timeout`] if it said nothing for
    /// [`PULL_SILENCE`], [`Error::Transport`] if the connection broke. After an error there is nothing more to come.
    pub async fn next(&mut self) -> Result<Option<PullProgress>> {
        let (transport, told) = (Arc::clone(&self.transport), self.told.clone());
        // Bytes that are no line of a report are silence, too.
        let next = transport.in_time(|| told, PULL_SILENCE, self.next_line()).await;
        next.inspect_err(|_| self.ended = true)?
    }

    async fn next_line(&mut self) -> Result<Option<PullProgress>> {
        loop {
            match self.waiting.pop_front() {
                Some(Ok(progress)) => return Ok(Some(progress)),
                Some(Err(message)) => {
                    self.ended = true;
                    self.waiting.clear();
                    let image = self.image.chars().take(MAX_SHOWN).collect();
                    return Err(Error::Pull { endpoint: self.transport.endpoint.clone(), image, message });
                }
                None if self.ended => return Ok(None),
                None => {}
            }
            let Self { lines, waiting, .. } = self;
            let take = |line: &[u8]| waiting.extend(parse(line));
            match self.stream.body.frame().await {
                Some(Ok(frame)) => lines.push(&frame.into_data().unwrap_or_default(), take),
                Some(Err(source)) => {
                    self.ended = true;
                    return Err(self.transport.broken(self.told.clone(), source));
                }
                None => {
                    lines.finish(take);
                    self.ended = true;
                }
            }
        }
    }

    /// Waits until the image is there.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn finish(mut self) -> Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_reports() {
        let progress = |status: &str, id: Option<&str>, current, total| {
            let (status, id) = (status.to_owned(), id.map(str::to_owned));
            Some(Ok(PullProgress { status, id, current, total }))
        };
        for (line, expected) in [
            (
                r#"{"status":"Pulling from library/x","id":"latest"}"#,
                progress("Pulling from library/x", Some("latest"), None, None),
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":5,"total":9},"progress":"[=>","id":"a"}"#,
                progress("Downloading", Some("a"), Some(5), Some(9)),
            ),
            (r#"{"status":"odd","progressDetail":[],"id":{}}"#, progress("odd", None, None, None)),
            (
                r#"{"errorDetail":{"message":"manifest unknown"},"error":"not this one"}"#,
                Some(Err("manifest unknown".to_owned())),
            ),
            ("{\"error\":\"a\\u001b[31mb\"}", Some(Err("a\\u{1b}[31mb".to_owned()))),
            ("{}", None),
            ("[]", None),
            ("no JSON", None),
            ("", None),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }
}
