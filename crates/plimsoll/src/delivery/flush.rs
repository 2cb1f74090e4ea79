//! `plimsoll flush`: tells a running agent to send what it has, and waits for the verdict.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, ValueHint};
use serde_json::Value;

use super::choose;
use crate::client::{Method, Url, ask};
use crate::failure::Failure;
use crate::listening;
use crate::output;
use crate::settings::Settings;
use crate::settings::target::check_name;
use crate::settings::value::{self, Raw};
use crate::text::{self, printable};

/// The most of an answer that is read (bytes): an agent has few targets, and of each a line.
const ANSWER_MAX: usize = 1 << 20;

/// What the end of its help shows.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll flush
      Close every batch of the agent on this machine, send it, and say what came of it.

  plimsoll flush --target tsdb --timeout 1m
      One target, with patience.

The agent is asked at the first address of the setting `listen`, with the first token of `web_token_file`.
Exit code 0 if everything was delivered, 1 if something still waits or was refused.";

/// What the command line of `plimsoll flush` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Names of targets; all where there is none.
    pub(super) targets: Vec<String>,
    /// How long to wait for the verdict.
    pub(super) timeout: Duration,
}

/// The arguments of `plimsoll flush`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    vec![
        choose::target_argument("Only this target; can be repeated"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("DURATION")
            .value_hint(ValueHint::Other)
            .default_value("30s")
            .help("How long to wait for the verdict"),
    ]
}

/// What `plimsoll flush` is asked for.
///
/// # Errors
/// A timeout that is none.
pub(crate) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let given = matches.get_one::<String>("timeout").map_or("", String::as_str);
    let timeout = value::timeout(&Raw::Text(given.to_owned())).map_err(|expected| {
        Failure::caller(format!("--timeout: bad value {}: expected {expected}", text::quoted(given)))
    })?;
    Ok(Options { targets: choose::targets_named(matches), timeout })
}

/// Asks the agent, and prints what came of it.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + options.timeout;
    let each: Vec<Option<&str>> = match &options.targets[..] {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let token = listening::token(settings)?;
    let caller = listening::caller(settings)?;
    let mut told = String::new();
    let mut is_done = true;
    for name in each {
        let known = || settings.target.iter().map(|table| table.config.name.as_str());
        if let Some(name) = name
            && check_name(name).is_err()
        {
            return Err(choose::unknown("--target: ", name, known()).into());
        }
        let path =
            name.map_or_else(|| "/api/v1/flush".to_owned(), |name| format!("/api/v1/flush?target={name}"));
        let url = Url::of_agent(&settings.listen, caller.has_tls(), &path);
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = ask(Method::Post { most: ANSWER_MAX }, &url, &caller, token.as_deref(), left).map_err(
            |error| {
                let what = format!("{url} does not answer");
                // Whoever knows better has said so.
                if error.is::<Failure>() {
                    return error.context(what);
                }
                Failure::world(what)
                    .remedy("is the agent running, and is `listen` the same there and here?")
                    .because(error)
                    .into()
            },
        )?;
        if reply.code == 401 {
            return Err(Failure::world(format!("{url} asks for a password or a token"))
                .remedy(
                    "give the agent a token with web_token_file, which is shown from here; or send it SIGUSR1, which \
                     needs none",
                )
                .into());
        }
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.code != 200 {
            let message = answer["error"]["message"].as_str().unwrap_or(&reply.line);
            let failure = Failure::world(format!("{url} answers: {message}"));
            let near = name.and_then(|name| text::nearest(name, known().filter(|known| *known != name)));
            return Err(match near {
                Some(near) => {
                    failure.remedy(format!("the nearest in the configuration here is `{near}`")).into()
                }
                None => failure.into(),
            });
        }
        let targets =
            answer["targets"].as_array().with_context(|| format!("{url} answers as no agent does"))?;
        if targets.is_empty() {
            return Err(Failure::world("the agent has no target").into());
        }
        for target in targets {
            is_done &= verdict(target, &mut told);
        }
    }
    output::print(&told)?;
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells of one target, and whether everything was delivered.
fn verdict(target: &Value, out: &mut String) -> bool {
    let name = printable(target["name"].as_str().unwrap_or_default());
    if target["answered"] != true {
        let _ = writeln!(out, "{name}: no verdict in time");
        return false;
    }
    let [delivered, rejected, dropped, queued] =
        ["delivered", "rejected", "dropped", "queued"].map(|key| target[key].as_u64().unwrap_or_default());
    let _ = writeln!(
        out,
        "{name}: delivered {delivered}, rejected {rejected}, dropped {dropped}, waiting {queued}"
    );
    if let Some(trouble) = target["trouble"].as_str() {
        let _ = writeln!(out, "  trouble: {}", printable(trouble));
    }
    rejected + dropped + queued == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = |arguments: &[&str]| {
            let whole = [&["plimsoll", "flush"], arguments].concat();
            let matches = crate::cli::command().try_get_matches_from(whole).unwrap();
            super::options(matches.subcommand_matches("flush").unwrap()).map_err(Failure::told)
        };
        let expected = |targets: &[&str], seconds| {
            let targets = targets.iter().map(|&name| name.to_owned()).collect();
            Ok(Options { targets, timeout: Duration::from_secs(seconds) })
        };
        assert_eq!(options(&[]), expected(&[], 30));
        assert_eq!(options(&["--target", "a", "--timeout", "1m"]), expected(&["a"], 60));
        let told = options(&["--timeout", "soon"]).unwrap_err();
        assert!(told.contains("--timeout: bad value `soon`: expected a duration"), "{told}");
    }
}
