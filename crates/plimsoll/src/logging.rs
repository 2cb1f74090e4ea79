//! The log: lines on standard error, as text for people or JSON for machines.
//!
//! A text line is time, level and a sentence; module paths mean nothing to whoever runs the agent and stay out.

use std::fmt;
use std::io::{self, IsTerminal as _};

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::settings::value::{LogFormat, LogLevel};

/// Starts the log. A second call in one process changes nothing.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_max_level(max(level)).with_writer(io::stderr).with_timer(Utc);
    // Being started already is the only failure, and then there is a log.
    let _ = match format {
        LogFormat::Text => log.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => {
            log.with_ansi(false).json().flatten_event(true).with_current_span(false).try_init()
        }
    };
}

fn max(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

/// The time of a line: UTC, to the millisecond.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3}", Timestamp::now())
    }
}
