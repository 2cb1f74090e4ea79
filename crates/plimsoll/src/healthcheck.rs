//! `plimsoll healthcheck`: asks a running agent whether it is well.
//!
//! One `GET`, with one deadline for everything, so that a container's health check needs neither a shell nor `curl`.
//! The agent's own settings are enough: no password is asked for at that path, and under TLS the agent is known by its
//! certificate. Whoever runs it reads one line that says why.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::client::{Method, Url, ask};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::{listening, output, text};

/// What the command line of `plimsoll healthcheck` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// What to ask; the agent of this machine's settings if absent.
    pub(crate) url: Option<Url>,
    /// The time for everything.
    pub(crate) timeout: Duration,
}

/// Asks, prints one line, and succeeds if the answer is 200.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let caller = listening::caller(settings)?;
    let url =
        options.url.clone().unwrap_or_else(|| Url::of_agent(&settings.listen, caller.has_tls(), "/health"));
    let status = ask(Method::Get, &url, &caller, None, options.timeout)
        .with_context(|| format!("{url} does not answer"))?;
    if status.code == 200 {
        output::print(&format!("{url} answers 200\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let answer = text::printable(status.line.trim_start_matches("HTTP/"));
    let (_, answer) = answer.split_once(' ').unwrap_or(("", &answer));
    Err(Failure::world(format!("{url} answers {answer}")).into())
}
