//! `plimsoll history`: what the history holds, since when, and what it costs.
//!
//! Reads the file alone, beside an agent or without one.

pub(crate) mod open;
pub(crate) mod show;
pub(crate) mod when;

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches};
use jiff::Zoned;
use plimsoll_store::{EventQuery, Millis, Range, Selector};

use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;

/// From 1970 to the last year that calendars have.
pub(crate) const EVER: Range = Range { from: 0, until: 253_402_300_800_000 };

/// The most events that are shown; the latest.
const EVENTS_MAX: usize = 1000;

/// What the command line of `plimsoll history` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    what: What,
    /// A name, an id or the beginning of one, or a pattern of names.
    container: Option<String>,
    range: Range,
    json: bool,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Summary,
    Containers,
    Events,
    Costs,
}

/// The arguments of `plimsoll history`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    let what = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    vec![
        Arg::new("container")
            .value_name("CONTAINER")
            .help("A name, an identifier or its beginning, or a pattern of names with * and ?; all without"),
        what("containers")
            .help("The containers, with those that followed one another under the same name")
            .conflicts_with_all(["events", "costs"]),
        what("events").help("What happened to containers").conflicts_with("costs"),
        what("costs").help("What each metric costs, the dearest first"),
        when::argument("since", "Events and containers from this moment on"),
        when::argument("until", "Events and containers before this moment"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(["table", "json"]))
            .default_value("table")
            .help("For people or for programs"),
    ]
}

/// What `plimsoll history` is asked for.
pub(crate) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let container: Option<&String> = matches.get_one("container");
    let what = match ["containers", "events", "costs"].map(|name| matches.get_flag(name)) {
        [true, _, _] => What::Containers,
        [_, true, _] => What::Events,
        [_, _, true] => What::Costs,
        _ if container.is_some() => What::Containers,
        _ => What::Summary,
    };
    let range = range(matches, "since", "until")?;
    if range != EVER && !matches!(what, What::Containers | What::Events) {
        return Err(Failure::caller("--since and --until go with --events and --containers"));
    }
    let json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
    Ok(Options { what, container: container.cloned(), range, json })
}

/// The time between the moments of two flags.
pub(crate) fn range(matches: &ArgMatches, from: &str, until: &str) -> Result<Range, Failure> {
    let now = Zoned::now();
    let moment = |flag: &str, otherwise: Millis| {
        matches.get_one::<String>(flag).map_or(Ok(otherwise), |given| when::parse(flag, given, &now))
    };
    let range = Range { from: moment(from, EVER.from)?, until: moment(until, EVER.until)? };
    if range.from >= range.until {
        return Err(Failure::caller(format!("--{from} is not before --{until}")));
    }
    Ok(range)
}

/// The containers that a word on the command line means.
pub(crate) fn selector(word: &str) -> Selector {
    let word = word.trim_start_matches('/');
    if word.contains(['*', '?']) {
        Selector { name: Some(word.to_owned()), ..Selector::default() }
    } else {
        Selector::of_container(word)
    }
}

/// Shows what is asked for.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let (history, path) = open::open(settings)?;
    let selector = options.container.as_deref().map(selector).unwrap_or_default();
    let shown = match options.what {
        What::Summary => {
            let summary = history.summary().map_err(open::failure)?;
            if options.json {
                open::pretty(&show::summary_json(&summary, &path))?
            } else {
                show::summary(&summary, &path, settings.history_size)
            }
        }
        What::Containers => {
            let lines = history.containers(&selector, options.range).map_err(open::failure)?;
            if options.json { open::pretty(&show::lines_json(&lines))? } else { show::lines(&lines) }
        }
        What::Events => {
            let query = EventQuery { selector, range: options.range, count: EVENTS_MAX };
            let events = history.events(&query).map_err(open::failure)?;
            if events.len() >= EVENTS_MAX {
                output::warn(&format!("these are the last {EVENTS_MAX} events; --until shows earlier ones"));
            }
            if options.json { open::pretty(&show::events_json(&events))? } else { show::events(&events) }
        }
        What::Costs => {
            let costs = history.costs(&selector).map_err(open::failure)?;
            if options.json { open::pretty(&show::costs_json(&costs))? } else { show::costs(&costs) }
        }
    };
    output::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}
