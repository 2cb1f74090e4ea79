//! Standard output: the one place that writes to it, and warnings beside it.
//!
//! A reader that goes away (`plimsoll metrics | head`) is no failure, so a closed pipe becomes [`Closed`], which ends
//! the program quietly. Any other write error (a full disk) is told.

use std::fmt;
use std::io::{self, Write};

use crate::text::printable;

/// Standard output has no reader any more.
#[derive(Debug)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("standard output is closed")
    }
}

impl std::error::Error for Closed {}

/// Writes a line about something that is missing, and hinders nothing, to standard error.
pub(crate) fn warn(line: &str) {
    // Nothing is left to tell it to when standard error is gone, too.
    let _ = writeln!(io::stderr().lock(), "plimsoll: {}", printable(line));
}

/// Writes text beside the output, to standard error. What came from elsewhere in it has to be printable.
pub(crate) fn note(text: &str) {
    // Nothing is left to tell it to when standard error is gone, too.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes text to standard output and flushes it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output and flushes it.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
    }
}
