//! `plimsoll census report`: exactly what would be sent, what it reveals, and, if asked to, the sending.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgMatches};
use jiff::tz::TimeZone;
use plimsoll_model::census::Report;
use plimsoll_wire::census::images::Naming;
use plimsoll_wire::census::inventory::{Identity as Who, Inventory};
use plimsoll_wire::census::{encode, encode_pretty};

use super::identity::Identity;
use super::{explain, scan, send};
use crate::failure::{self, Failure};
use crate::output;
use crate::pipeline::{self, BUILD};
use crate::settings::Settings;
use crate::settings::census::Images;
use crate::signals;

/// What the end of its help shows.
pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll census report
      Print what would be sent, and on a terminal what it reveals. Nothing is sent.

  plimsoll census report --census-images hashed
      Without the names of images.

  plimsoll census report --send --census-endpoint 'https://census.example/api/ingest key=/etc/plimsoll/census.key'
      Send it, once. `census = true` has the agent do so every week.

Where DO_NOT_TRACK is set, nothing is sent. Exit code 1 if no host answered, or an endpoint did not take the report.";

/// What the command line of `plimsoll census report` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    scan: scan::Options,
    send: bool,
    explain: bool,
    rotate_id: bool,
}

/// The arguments of the command, beside those of settings.
pub(super) fn arguments() -> Vec<Arg> {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let mut arguments = vec![
        flag("send", "Send the report to the endpoints of the settings"),
        flag("explain", "Say on standard error what each part reveals, also where that is no terminal"),
        flag("rotate-id", "Make up another identifier first"),
    ];
    arguments.extend(scan::arguments());
    arguments
}

/// What the command is asked for.
///
/// # Errors
/// As [`scan::options`].
pub(super) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    Ok(Options {
        scan: scan::options(matches)?,
        send: matches.get_flag("send"),
        explain: matches.get_flag("explain"),
        rotate_id: matches.get_flag("rotate-id"),
    })
}

/// Prints the report, and sends it if that is asked for.
pub(super) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    // What cannot be sent is told before anybody waits for a scan.
    if options.send {
        may_send(settings)?;
    }
    let runtime = pipeline::runtime()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            () = signals::ended() => Ok(ExitCode::SUCCESS),
            done = print(settings, options) => done,
        }
    });
    runtime.shutdown_background();
    outcome
}

async fn print(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let scan = scan::scan(settings, &options.scan).await?;
    scan.warn();
    if scan.found().next().is_none() {
        return Ok(ExitCode::from(failure::WORLD));
    }
    if options.rotate_id {
        Identity::rotate(&settings.census_folder())?;
    }
    let report = make(settings, &scan.inventory())?;
    let mut shown = String::new();
    encode_pretty(&report, &mut shown);
    output::print(&format!("{}\n", shown.trim_end()))?;
    if options.explain || (std::io::stdout().is_terminal() && std::io::stderr().is_terminal()) {
        output::note(&explain::explain(&report, settings.census.images));
    }
    if !options.send {
        return Ok(ExitCode::SUCCESS);
    }
    let sent = send::send(&settings.census.endpoints, &body(&report)).await;
    sent.iter().for_each(|sent| output::note(&format!("{}\n", sent.told())));
    let is_sent = sent.iter().all(|sent| sent.outcome.is_ok());
    Ok(if is_sent { ExitCode::SUCCESS } else { ExitCode::from(failure::WORLD) })
}

/// Whether anything may be sent, and there is somebody to send it to.
///
/// # Errors
/// Why not.
pub(super) fn may_send(settings: &Settings) -> Result<(), Failure> {
    if settings.census.do_not_track {
        return Err(Failure::world("DO_NOT_TRACK is set, so no report is sent")
            .remedy("unset it if this user wants to be counted after all"));
    }
    if settings.census.endpoints.is_empty() {
        return Err(Failure::caller("there is nobody to send a report to")
            .remedy("name an address with --census-endpoint, such as https://census.example/api/ingest"));
    }
    Ok(())
}

/// The report of what was found.
///
/// # Errors
/// If this installation cannot be told who it is.
pub(super) fn make(settings: &Settings, inventory: &Inventory) -> Result<Report, Failure> {
    let Identity { id, salt } = Identity::open(&settings.census_folder())?;
    let who = Who {
        installation_id: id,
        version: BUILD.version.to_owned(),
        timezone: TimeZone::system().iana_name().unwrap_or("UTC").to_owned(),
        // Containers are looked at when a report is made, and not in between.
        scan_interval_seconds: settings.census.interval.as_secs(),
    };
    let naming = match settings.census.images {
        Images::Plain => Naming::Plain,
        Images::Normalised => Naming::Normalised,
        Images::Hashed => Naming::Hashed(salt.into_bytes()),
        Images::Omitted => Naming::Omitted,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(inventory.report(&who, &naming, i64::try_from(now.as_millis()).unwrap_or(i64::MAX)))
}

/// A report as it is sent.
pub(super) fn body(report: &Report) -> String {
    let mut body = String::new();
    encode(report, &mut body);
    body
}
