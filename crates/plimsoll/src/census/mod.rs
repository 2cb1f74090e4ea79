//! The census: what there is on hosts, the report that becomes of it, and who gets that.
//!
//! `plimsoll census scan` looks at engines and agents ([`scan`]), `plimsoll census report` makes a report of that, says what
//! it reveals and sends it ([`report`]), and `plimsoll census id` tells or changes who this installation is
//! ([`identity`]). `plimsoll census serve` counts installations ([`serve`]), and `import`, `export` and `forget` look after
//! what it has ([`transfer`]). A running agent reports on a schedule ([`schedule`]) and answers scans by others ([`role`]).

mod agent;
mod database;
mod engine;
mod explain;
mod host;
mod identity;
mod report;
mod resources;
pub(crate) mod role;
mod scan;
pub(crate) mod schedule;
mod send;
mod serve;
mod show;
mod snapshot;
mod transfer;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use self::identity::Identity;
use crate::settings::Settings;
use crate::sub::Sub;
use crate::{failure, output, pipeline, signals};

/// What the end of the help of `plimsoll census` shows.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll census scan
      What there is on this machine: containers in every state, images, restarts, volumes, networks.

  plimsoll census report
      What a report to a census would say, and what that reveals. Nothing is sent.

  plimsoll agent --census --census-endpoint https://census.example/api/ingest
      Report every week.

  plimsoll census serve
      Count installations oneself.";

const SCAN_EXAMPLES: &str = "\
Examples:
  plimsoll census scan
      Every engine of this machine.

  plimsoll census scan --host agent://nas --host ssh://me@build --host unix:///run/podman/podman.sock --timeout 10s
      Three hosts side by side, ten seconds each.

  plimsoll census scan --resources none --format json
      Without what containers use, for a program.

Exit code 1 if no host answered.";

const ID_EXAMPLES: &str = "\
Examples:
  plimsoll census id
      The identifier under which this installation reports.

  plimsoll census id --rotate
      Make up another one, and another salt for hashed names: nobody can tell that both are one.";

/// Completes a command of the census.
pub(crate) fn command(sub: Sub, command: Command) -> Command {
    match sub {
        Sub::CensusScan => command
            .about("Look at what there is: containers in every state, images, restarts, volumes, networks")
            .after_long_help(SCAN_EXAMPLES)
            .args(scan::arguments())
            .arg(
                Arg::new("format")
                    .long("format")
                    .value_name("FORMAT")
                    .value_parser(PossibleValuesParser::new(["table", "json"]))
                    .default_value("table")
                    .help("As a table, or as one JSON object"),
            ),
        Sub::CensusReport => command
            .about("Print the report that a census would get, say what it reveals, send it if asked to")
            .after_long_help(report::EXAMPLES)
            .args(report::arguments())
            .mut_arg("census_images", |argument| argument.visible_alias("images")),
        Sub::CensusId => command
            .about("Print the identifier under which this installation reports, or make up another one")
            .after_long_help(ID_EXAMPLES)
            .arg(
                Arg::new("rotate")
                    .long("rotate")
                    .action(ArgAction::SetTrue)
                    .help("Make up another identifier, and another salt for hashed names"),
            ),
        Sub::CensusServe => command
            .about("Take reports in, and answer what they add up to: a Container Census collector")
            .after_long_help(serve::EXAMPLES)
            .args(serve::arguments())
            .arg(database::argument()),
        Sub::CensusImport => command
            .about("Copy what a Container Census collector has, from its database or a dump")
            .after_long_help(transfer::IMPORT_EXAMPLES)
            .args(transfer::import_arguments()),
        Sub::CensusExport => command
            .about("Write the reports that a census has as JSON or CSV")
            .after_long_help(transfer::EXPORT_EXAMPLES)
            .args(transfer::export_arguments()),
        Sub::CensusForget => command
            .about("Remove everything about an installation")
            .after_long_help(transfer::FORGET_EXAMPLES)
            .args(transfer::forget_arguments()),
        _ => command,
    }
}

/// Does what the command line asks for; `with_settings` runs a command with its settings.
pub(crate) fn run(
    matches: &ArgMatches,
    with_settings: impl FnOnce(
        Sub,
        &ArgMatches,
        &dyn Fn(&Settings) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let Some((name, arguments)) = matches.subcommand() else {
        // Clap asks for a command itself.
        return Ok(ExitCode::from(failure::CALLER));
    };
    let sub = Sub::CENSUS.into_iter().find(|sub| sub.name() == name).unwrap_or(Sub::CensusScan);
    match sub {
        Sub::CensusReport => {
            let options = report::options(arguments)?;
            with_settings(sub, arguments, &|settings| report::run(settings, &options))
        }
        Sub::CensusId => {
            let rotate = arguments.get_flag("rotate");
            with_settings(sub, arguments, &|settings| id(settings, rotate))
        }
        Sub::CensusServe => with_settings(sub, arguments, &|settings| serve::run(settings, arguments)),
        Sub::CensusImport => with_settings(sub, arguments, &|settings| transfer::import(settings, arguments)),
        Sub::CensusExport => with_settings(sub, arguments, &|settings| transfer::export(settings, arguments)),
        Sub::CensusForget => with_settings(sub, arguments, &|settings| transfer::forget(settings, arguments)),
        _ => {
            let options = scan::options(arguments)?;
            let is_json = arguments.get_one::<String>("format").is_some_and(|format| format == "json");
            with_settings(sub, arguments, &|settings| show(settings, &options, is_json))
        }
    }
}

/// Scans, and shows what was found.
fn show(settings: &Settings, options: &scan::Options, is_json: bool) -> anyhow::Result<ExitCode> {
    let runtime = pipeline::runtime()?;
    let scan = runtime.block_on(async {
        tokio::select! {
            () = signals::ended() => Ok(None),
            scan = scan::scan(settings, options) => scan.map(Some),
        }
    })?;
    runtime.shutdown_background();
    let Some(scan) = scan else { return Ok(ExitCode::SUCCESS) };
    output::print(&if is_json { show::json(&scan) } else { show::table(&scan) })?;
    scan.warn();
    let is_found = scan.found().next().is_some();
    Ok(if is_found { ExitCode::SUCCESS } else { ExitCode::from(failure::WORLD) })
}

fn id(settings: &Settings, rotate: bool) -> anyhow::Result<ExitCode> {
    let folder = settings.census_folder();
    let identity = if rotate { Identity::rotate(&folder)? } else { Identity::open(&folder)? };
    output::print(&format!("{}\n", identity.id))?;
    Ok(ExitCode::SUCCESS)
}

/// A random part of a time.
fn part(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64())
}

/// A time shortened at random by up to a half.
fn shortened(time: Duration) -> Duration {
    time - part(time / 2)
}
