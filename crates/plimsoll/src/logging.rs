//! The log: lines on standard error, as text for people or JSON for machines.
//!
//! A text line is time, level and a sentence; module paths mean nothing to whoever runs the agent and stay out.

use std::fmt;
use std::io::{self, IsTerminal as _};

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::value::{LogFormat, LogLevel};

/// Where the collectors' own lines come from.
const COLLECTORS: &str = "plimsoll_collect::metrics";

/// A library that tells of each attempt to connect, as an error. What has to be known of that is told by the target.
const NOISY: &str = "async_nats";

/// Starts the log; of collectors it says as much as `collectors`, if that is something else. A second call in one process
/// changes nothing.
pub(crate) fn start(level: LogLevel, collectors: Option<LogLevel>, format: LogFormat) {
    let library = if max(level) >= Level::DEBUG { max(level).into() } else { LevelFilter::OFF };
    let wanted = Targets::new()
        .with_default(max(level))
        .with_target(COLLECTORS, max(collectors.unwrap_or(level)))
        .with_target(NOISY, library);
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_timer(Utc);
    // Being started already is the only failure, and then there is a log.
    let _ = match format {
        LogFormat::Text => {
            let log = log.with_target(false).with_ansi(io::stderr().is_terminal());
            tracing_subscriber::registry().with(log.with_filter(wanted)).try_init()
        }
        LogFormat::Json => {
            let log = log.with_ansi(false).json().flatten_event(true).with_current_span(false);
            tracing_subscriber::registry().with(log.with_filter(wanted)).try_init()
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
