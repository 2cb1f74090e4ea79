//! `plimsoll spool`: looks after what waits on disk.

mod show;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches};
use futures_util::stream;
use plimsoll_deliver::spool::{RowFacts, Spool, SpoolError};
use plimsoll_deliver::target::spool_path;

use super::{choose, work};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::target::{TargetTable, check_name};
use crate::{output, pipeline};

/// What to do where a running agent has the spool.
const INSTEAD: &str = "`plimsoll flush` has that agent send what it has; otherwise end it first";

/// What the end of its help shows.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll spool
      What waits: for each target its batches, points, bytes, and the times of the oldest and the newest point.

  plimsoll spool verify
      Read every batch and compare its checksum; says which are damaged, and changes nothing.

  plimsoll spool replay tsdb
      Deliver what waits, oldest first, and end when nothing is left. For a target that no agent serves at the moment.

  plimsoll spool drop tsdb --yes
      Throw away what waits for a target, and say how much that was. Without --yes it only says how much it would be.

replay and drop need the spool for themselves: end the agent first. A target that is no longer in the configuration can be listed,
verified and dropped.
Exit code 0 if all is well, 1 if something is damaged or was not delivered.";

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Say what waits.
    List,
    /// Compare checksums.
    Verify,
    /// Deliver it.
    Replay,
    /// Throw it away.
    Drop,
}

const ACTIONS: [(&str, Action, &str); 4] = [
    ("ls", Action::List, "Say what waits"),
    ("verify", Action::Verify, "Read every batch and compare its checksum"),
    ("replay", Action::Replay, "Deliver what waits, oldest first"),
    ("drop", Action::Drop, "Throw away what waits for a target"),
];

/// What the command line of `plimsoll spool` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// What is to be done.
    pub(super) action: Action,
    /// The name of a target; all where there is none. [`Action::Drop`] always has one.
    pub(super) target: Option<String>,
    /// Whether the answer is JSON.
    pub(super) json: bool,
    /// Whether it is really to be thrown away.
    pub(super) yes: bool,
}

/// The arguments of `plimsoll spool`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    let actions = ACTIONS.map(|(name, _, help)| PossibleValue::new(name).help(help));
    vec![
        Arg::new("action").value_name("ACTION").value_parser(actions).default_value("ls").help("What to do"),
        Arg::new("target")
            .value_name("TARGET")
            .required_if_eq("action", "drop")
            .help("The name of a target; all without"),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; of ls and verify"),
        Arg::new("yes").long("yes").action(ArgAction::SetTrue).help("Really drop it"),
    ]
}

/// What `plimsoll spool` is asked for.
///
/// # Errors
/// A name that can be no target's: it would be the name of a file elsewhere.
pub(crate) fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let given = matches.get_one::<String>("action").map_or("", String::as_str);
    let action = ACTIONS.into_iter().find(|(name, _, _)| *name == given);
    let target: Option<String> = matches.get_one("target").cloned();
    if let Some(name) = &target
        && let Err(expected) = check_name(name)
    {
        let name = crate::text::quoted(name);
        return Err(Failure::caller(format!("bad name of a target {name}: expected {expected}"))
            .remedy("`plimsoll spool` shows the names"));
    }
    let action = action.map_or(Action::List, |(_, action, _)| action);
    Ok(Options { action, target, json: matches.get_flag("json"), yes: matches.get_flag("yes") })
}

/// Looks after the spools.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let places = places(settings, options.target.as_deref())?;
    let is_well = match options.action {
        Action::List => show::list(settings, &places, options.json)?,
        Action::Verify => show::verify(&places, options.json)?,
        Action::Replay => replay(settings, &places)?,
        Action::Drop => drop_all(&places, options.yes)?,
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the batches of a target wait, or would.
#[derive(Debug)]
struct Place<'a> {
    name: String,
    path: PathBuf,
    /// The target, if it is still in the configuration.
    table: Option<&'a TargetTable>,
}

impl Place<'_> {
    /// What waits; nothing where there is no file.
    fn rows(&self) -> Result<Vec<RowFacts>, SpoolError> {
        if self.path.exists() { Spool::look(&self.path) } else { Ok(Vec::new()) }
    }
}

/// The spools of all targets that have one and of all that are in the folder, by name, or the one that is named.
fn places<'a>(settings: &'a Settings, only: Option<&str>) -> Result<Vec<Place<'a>>, Failure> {
    let folder = settings.spool_folder();
    let mut names = BTreeMap::new();
    match std::fs::read_dir(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let what = format!("cannot read the folder of spools {}", folder.display());
            return Err(Failure::world(what).remedy("run it as the user of the agent").because(error));
        }
        Err(_) => {}
        Ok(entries) => {
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().strip_suffix(".spool").map(str::to_owned);
                if let Some(name) = name.filter(|name| check_name(name).is_ok()) {
                    names.insert(name, None);
                }
            }
        }
    }
    for table in settings.target.iter().filter(|table| table.has_spool()) {
        names.insert(table.config.name.clone(), Some(table));
    }
    if let Some(only) = only.filter(|only| !names.contains_key(*only)) {
        if names.is_empty() {
            let what = format!("there is no target with a spool, and no spool in {}", folder.display());
            return Err(Failure::caller(what).remedy("name the folder with --spool"));
        }
        return Err(choose::unknown("", only, names.keys().map(String::as_str)));
    }
    names.retain(|name, _| only.is_none_or(|only| only == name));
    let place = |(name, table): (String, _)| Place { path: spool_path(&folder, &name), name, table };
    Ok(names.into_iter().map(place).collect())
}

/// Delivers what waits.
fn replay(settings: &Settings, places: &[Place<'_>]) -> anyhow::Result<bool> {
    let mut opened = Vec::new();
    for place in places {
        if place.rows().is_ok_and(|rows| rows.is_empty()) {
            continue;
        }
        let Some(table) = place.table else {
            output::warn(&format!("{} is no target of the configuration; its batches stay", place.name));
            continue;
        };
        opened.push((work::open(table, settings, INSTEAD)?, table));
    }
    if opened.is_empty() {
        output::print("nothing waits\n")?;
        return Ok(places.iter().all(|place| place.table.is_some() || !place.path.exists()));
    }
    let outcomes = pipeline::runtime()?.block_on(async {
        let mut works = Vec::new();
        for (target, table) in opened {
            works.push(work::begin(target, table, settings, stream::empty())?);
        }
        anyhow::Ok(work::finish(works).await)
    })?;
    work::tell("", &outcomes)?;
    Ok(outcomes.iter().all(work::Outcome::is_complete))
}

/// Throws away what waits, if that is really meant.
fn drop_all(places: &[Place<'_>], is_meant: bool) -> anyhow::Result<bool> {
    let mut told = String::new();
    for Place { name, path, .. } in places {
        let total = |rows: &[RowFacts]| {
            let points: u64 = rows.iter().map(|row| row.points).sum();
            format!("points {points}, batches {}", rows.len())
        };
        if !is_meant {
            let waiting =
                if path.exists() { Spool::look(path).map(|rows| total(&rows)) } else { Ok(total(&[])) };
            let waiting = waiting.unwrap_or_else(|error| error.to_string());
            return Err(Failure::caller(format!("what waits for {name} would be lost: {waiting}"))
                .remedy("say --yes if that is meant")
                .into());
        }
        let dropped = Spool::discard(path).map_err(|error| match error {
            SpoolError::InUse(path) => work::in_use(name, &path, INSTEAD),
            error => Failure::world(format!("cannot drop what waits for {name}")).because(error),
        })?;
        let _ = writeln!(told, "{name}: dropped {}", total(&dropped.unwrap_or_default()));
    }
    output::print(&told)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = |arguments: &[&str]| {
            let whole = [&["plimsoll", "spool"], arguments].concat();
            let matches =
                crate::cli::command().try_get_matches_from(whole).map_err(|error| error.to_string())?;
            super::options(matches.subcommand_matches("spool").unwrap()).map_err(Failure::told)
        };
        let expected = |action, target: Option<&str>, json| {
            Ok(Options { action, target: target.map(str::to_owned), json, yes: false })
        };
        assert_eq!(options(&[]), expected(Action::List, None, false));
        assert_eq!(options(&["verify", "--json"]), expected(Action::Verify, None, true));
        assert_eq!(options(&["replay", "tsdb"]), expected(Action::Replay, Some("tsdb"), false));
        assert_eq!(options(&["drop", "tsdb"]), expected(Action::Drop, Some("tsdb"), false));
        assert!(options(&["drop", "tsdb", "--yes"]).unwrap().yes);
        for (wrong, part) in [
            (&["drop"][..], "<TARGET>"),
            (&["burn"], "possible values"),
            (&["drop", "../x"], "bad name of a target `../x`: expected a name of letters"),
        ] {
            let told = options(wrong).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
