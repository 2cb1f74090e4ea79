//! Samples that come one after the other, a line each.

use std::fmt;
use std::sync::Arc;

use http_body_util::BodyExt;

use crate::Result;
use crate::transport::{Stream, Transport, doing};

/// The largest sample of one container that is looked at, in bytes: three hundred times an ordinary one.
pub const MAX_STATS: usize = 1024 * 1024;

/// The largest sample of all containers together: a kilobyte each of the most that are kept.
pub(crate) const MAX_LIBPOD_STATS: usize = 4 * 1024 * 1024;

/// Cuts a stream of bytes into lines. Unlike events, every engine ends a sample with a newline.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The line so far, never longer than the limit.
    line: Vec<u8>,
    limit: usize,
    /// The line was too long, and the rest of it is not for reading either.
    skipping: bool,
    skipped: u64,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), limit, skipping: false, skipped: 0 }
    }

    /// Takes the next bytes and hands every line that is complete to `found`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            // Most samples come in one piece.
            if self.line.is_empty() && !self.skipping && head.len() <= self.limit {
                found(head);
                continue;
            }
            self.append(head);
            if !std::mem::take(&mut self.skipping) {
                found(&self.line);
            }
            self.line.clear();
        }
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.line.len() + bytes.len() > self.limit {
            self.skipping = true;
            self.skipped += 1;
            // One absurd line must not keep a mebibyte for ever.
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    /// The end of the stream: what is there is a line, with or without its newline.
    pub(crate) fn finish(&mut self, mut found: impl FnMut(&[u8])) {
        if !self.skipping && !self.line.is_empty() {
            found(&self.line);
        }
        self.line = Vec::new();
    }
}

/// The samples of an engine, one by one, on a connection of its own that closes with the stream.
///
/// Made by [`Client::stats`](crate::Client::stats) and [`Client::libpod_stats`](crate::Client::libpod_stats).
pub struct SampleStream<T> {
    transport: Arc<Transport>,
    path: String,
    stream: Stream,
    lines: Lines,
    parse: fn(&[u8]) -> Option<T>,
    latest: Option<T>,
    broken: u64,
    ended: bool,
}

impl<T> fmt::Debug for SampleStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleStream").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<T> SampleStream<T> {
    pub(crate) fn new(
        transport: Arc<Transport>,
        path: String,
        stream: Stream,
        limit: usize,
        parse: fn(&[u8]) -> Option<T>,
    ) -> Self {
        let lines = Lines::new(limit);
        Self { transport, path, stream, lines, parse, latest: None, broken: 0, ended: false }
    }

    /// Waits for the next sample, as long as it takes. Of several that have come meanwhile, the newest of those that
    /// arrived together is given. `None` means that the engine ended the stream, which it does when the container is
    /// removed and when the engine stops.
    ///
    /// Cancelling the wait (`select!`) loses nothing.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport) if the connection broke; the stream has ended then, and every
    /// further call gives `None`.
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(sample) = self.latest.take() {
                return Ok(Some(sample));
            }
            if self.ended {
                return Ok(None);
            }
            let Self { lines, parse, latest, broken, .. } = self;
            let mut take = |line: &[u8]| match parse(line) {
                Some(sample) => *latest = Some(sample),
                None if line.trim_ascii().is_empty() => {}
                None => *broken += 1,
            };
            match self.stream.body.frame().await {
                Some(Ok(frame)) => lines.push(&frame.into_data().unwrap_or_default(), take),
                Some(Err(source)) => {
                    self.ended = true;
                    return Err(self.transport.broken(doing(&self.path), source));
                }
                None => {
                    lines.finish(&mut take);
                    self.ended = true;
                }
            }
        }
    }

    /// How many lines were no samples and were skipped so far.
    pub fn skipped(&self) -> u64 {
        self.lines.skipped + self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let (mut lines, mut found) = (Lines::new(limit), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        }
        lines.finish(|line| found.push(String::from_utf8_lossy(line).into_owned()));
        (found, lines.skipped)
    }

    #[test]
    fn lines_are_found_in_any_chunking() {
        for (bytes, expected, skipped) in [
            (&b"abc\nde\n"[..], &["abc", "de"][..], 0),
            (b"abc\nde", &["abc", "de"], 0),
            (b"abcdefgh\nde\n", &["de"], 1),
            (b"ab\nabcdefgh", &["ab"], 1),
            (b"abcde\nabcdef\nx", &["abcde", "x"], 1),
            (b"", &[], 0),
        ] {
            for size in 1..=bytes.len().max(1) {
                let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
                let expected = expected.iter().map(ToString::to_string).collect();
                assert_eq!(lines(5, &chunks), (expected, skipped), "{size}");
            }
        }
    }
}
