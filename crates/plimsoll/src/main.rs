//! `plimsoll`, the binary: command line, settings, logging, and the wiring of everything else.
//!
//! This file is the edge of the program, and the only place where three decisions are made: what a command line
//! starts, how a failure is told (one message, the whole chain of causes, what to do about it), and the exit code.
//! 0 is success, 1 the world's fault (no engine, no permission, a port in use), 2 the caller's (a bad setting, an
//! unknown flag).
//!
//! [`cli`] builds the command line and [`settings`] the configuration, both from one table. The commands are one
//! module each.

mod agent;
mod cadvisor;
mod census;
mod check;
mod cli;
mod client;
mod collectors;
mod delivery;
mod engines;
mod export;
mod exposition;
mod failure;
mod generate;
mod healthcheck;
mod history;
mod listening;
mod logging;
mod output;
mod pipeline;
mod recorder;
mod settings;
mod signals;
mod stats;
mod sub;
mod text;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::ArgMatches;
use plimsoll_web::Place;

use crate::delivery::{deliver, flush, import, spool};
use crate::settings::environment::Environment;
use crate::settings::value::LogLevel;
use crate::settings::{Merged, Settings, flags};
use crate::sub::Sub;

fn main() -> ExitCode {
    let line = cadvisor::split(std::env::args_os());
    let matches = match cli::command().try_get_matches_from(&line.arguments) {
        Ok(matches) => matches,
        Err(told) => return cli::tell(&told),
    };
    match run(&matches, &line.flags) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

/// Does what the command line asks for. `of_cadvisor` are the flags in it that are cAdvisor's.
fn run(matches: &ArgMatches, of_cadvisor: &BTreeMap<String, Option<String>>) -> anyhow::Result<ExitCode> {
    let Some((name, arguments)) = matches.subcommand() else {
        output::print(&cli::command().render_help().to_string())?;
        return Ok(ExitCode::SUCCESS);
    };
    match Sub::from_name(name) {
        Some(Sub::Agent) => {
            let again = || {
                let given = flags::assignments(Sub::Agent, arguments);
                settings::load(given, &Environment::of_process(), settings::file::read)
                    .map(|merged| merged.settings)
            };
            with_settings(Sub::Agent, arguments, |settings| agent::run(settings, &again, Place::default()))
        }
        Some(Sub::Cadvisor) => {
            let meaning = cadvisor::read(of_cadvisor)?;
            let load = || {
                let mut given = flags::assignments(Sub::Cadvisor, arguments);
                given.extend(meaning.assignments());
                let environment = Environment::of_process();
                settings::load_over(cadvisor::defaults(), given, &environment, settings::file::read)
            };
            let again = || load().map(|merged| merged.settings);
            with_merged(Sub::Cadvisor, arguments, &load()?, |settings| {
                if let Some(warning) = meaning.warning() {
                    tracing::warn!("{warning}");
                }
                agent::run(settings, &again, meaning.place.clone())
            })
        }
        Some(Sub::Stats) => {
            let options = cli::stats_options(arguments)?;
            with_settings(Sub::Stats, arguments, |settings| stats::run(settings, &options))
        }
        Some(Sub::Metrics) => {
            let options = cli::metrics_options(arguments);
            with_settings(Sub::Metrics, arguments, |settings| exposition::run(settings, &options))
        }
        Some(Sub::History) => {
            let options = history::options(arguments)?;
            with_settings(Sub::History, arguments, |settings| history::run(settings, &options))
        }
        Some(Sub::Export) => {
            let options = export::options(arguments)?;
            with_settings(Sub::Export, arguments, |settings| export::run(settings, &options))
        }
        Some(Sub::Deliver) => {
            let options = deliver::options(arguments);
            with_settings(Sub::Deliver, arguments, |settings| deliver::run(settings, &options))
        }
        Some(Sub::Spool) => {
            let options = spool::options(arguments)?;
            with_settings(Sub::Spool, arguments, |settings| spool::run(settings, &options))
        }
        Some(Sub::Import) => {
            let options = import::options(arguments)?;
            with_settings(Sub::Import, arguments, |settings| import::run(settings, &options))
        }
        Some(Sub::Flush) => {
            let options = flush::options(arguments)?;
            with_settings(Sub::Flush, arguments, |settings| flush::run(settings, &options))
        }
        Some(Sub::Check) => with_settings(Sub::Check, arguments, check::run),
        Some(Sub::Healthcheck) => {
            let options = cli::healthcheck_options(arguments)?;
            with_settings(Sub::Healthcheck, arguments, |settings| healthcheck::run(settings, &options))
        }
        Some(Sub::Census) => {
            census::run(arguments, |sub, arguments, command| with_settings(sub, arguments, command))
        }
        Some(Sub::Completions) => generate::completions(arguments),
        Some(Sub::Man) => generate::man(arguments),
        // Clap lets only known commands through; help is the honest answer should that ever change.
        Some(_) | None => {
            output::print(&cli::command().render_help().to_string())?;
            Ok(ExitCode::from(failure::CALLER))
        }
    }
}

/// Merges the settings, starts the log, and runs a command, or prints the settings if that is what was asked.
fn with_settings(
    sub: Sub,
    arguments: &ArgMatches,
    command: impl FnOnce(&Settings) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let given = flags::assignments(sub, arguments);
    let merged = settings::load(given, &Environment::of_process(), settings::file::read)?;
    with_merged(sub, arguments, &merged, command)
}

/// The same with settings that are merged already.
fn with_merged(
    sub: Sub,
    arguments: &ArgMatches,
    merged: &Merged,
    command: impl FnOnce(&Settings) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    if cli::print_config(sub, arguments) {
        output::print(&merged.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut level = merged.settings.log_level;
    let is_agent = matches!(sub, Sub::Agent | Sub::Cadvisor | Sub::CensusServe)
        || (sub == Sub::Deliver && !deliver::options(arguments).once);
    if !is_agent && *merged.origin("log_level") == settings::Origin::Default {
        // Commands that end by themselves say on their own what went wrong.
        level = LogLevel::Error;
    }
    logging::start(level, merged.settings.collection_log_level, merged.settings.log_format);
    command(&merged.settings)
}
