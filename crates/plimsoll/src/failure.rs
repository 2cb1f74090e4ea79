//! How a failure is told: what was attempted, why it did not work, what to do.
//!
//! Commands return `anyhow::Result`. A plain error is the world's fault and exits with 1. Where more can be said, a
//! [`Failure`] carries whose fault it is and the remedy; [`report`] prints the whole chain once, at the edge.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::output::Closed;
use crate::text;

/// The exit code for what the caller did wrong: a bad value, an unknown key or placeholder.
pub(crate) const CALLER: u8 = 2;

/// The exit code for what the world did: no engine, no permission, a port in use.
pub(crate) const WORLD: u8 = 1;

/// A failure that knows whose fault it is and what helps.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What was attempted and to what, or what is wrong; lowercase, no full stop.
    what: String,
    /// What the reader can do about it, as one sentence without a full stop.
    remedy: Option<String>,
    /// The exit code.
    code: u8,
    /// Why, if something else failed underneath.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// The caller's fault: exit code 2.
    pub(crate) fn caller(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None, code: CALLER, cause: None }
    }

    /// The world's fault: exit code 1.
    pub(crate) fn world(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None, code: WORLD, cause: None }
    }

    /// Says what helps.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The whole message, on as many lines as it takes but without the last line end, for tests of messages.
    #[cfg(test)]
    pub(crate) fn told(self) -> String {
        let whole = message(&self.into());
        whole.trim_start_matches("plimsoll: ").trim_end().to_owned()
    }

    /// The exit code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Says what failed underneath.
    pub(crate) fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// Prints a failure to standard error and says which exit code it means. A closed pipe is no failure.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(<dyn Error>::is::<Closed>) {
        return ExitCode::SUCCESS;
    }
    // Nothing is left to tell it to when standard error is gone, too.
    let _ = std::io::stderr().lock().write_all(message(error).as_bytes());
    ExitCode::from(code(error))
}

/// The whole message of a failure in one line, for the log.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    let whole = message(error);
    let lines: Vec<_> = whole.trim_start_matches("plimsoll: ").lines().map(str::trim).collect();
    lines.join("; ")
}

/// The exit code of a failure: that of the first [`Failure`] in its chain, else the world's.
fn code(error: &anyhow::Error) -> u8 {
    failures(error).next().map_or(WORLD, |failure| failure.code)
}

/// The message of a failure, with its line ends.
fn message(error: &anyhow::Error) -> String {
    let chain: Vec<String> = error.chain().map(|cause| text::printable(&cause.to_string())).collect();
    let mut message = format!("plimsoll: {}\n", chain.join(": "));
    for remedy in failures(error).filter_map(|failure| failure.remedy.as_deref()) {
        message.push_str(&format!("  to do: {}\n", text::printable(remedy)));
    }
    message
}

fn failures(error: &anyhow::Error) -> impl Iterator<Item = &Failure> {
    error.chain().filter_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_failure_tells_what_why_and_what_to_do() {
        let cases = [
            (Failure::caller("unknown key `x`").into(), CALLER, "plimsoll: unknown key `x`\n"),
            (
                Failure::world("cannot listen on 127.0.0.1:8003")
                    .remedy("stop the other program, or give --listen")
                    .because(std::io::Error::other("address in use"))
                    .into(),
                WORLD,
                "plimsoll: cannot listen on 127.0.0.1:8003: address in use\n  to do: stop the other program, or give --listen\n",
            ),
            (
                anyhow::anyhow!("no such\u{1b}[31m file").context("cannot read /x"),
                WORLD,
                "plimsoll: cannot read /x: no such\\u{1b}[31m file\n",
            ),
            (
                anyhow::Result::<()>::Err(Failure::caller("bad").into()).context("outer").unwrap_err(),
                CALLER,
                "plimsoll: outer: bad\n",
            ),
        ];
        for (error, expected_code, expected) in cases {
            assert_eq!(message(&error), expected);
            assert_eq!(code(&error), expected_code, "{expected}");
        }
    }
}
