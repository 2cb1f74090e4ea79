//! Settings: what they are, where they come from, and which place wins.
//!
//! Defaults < configuration file < environment < flags. [`table`] names every setting once; [`file`], [`environment`]
//! and [`flags`] turn what each place says into [`Assignment`]s; [`load`] applies them in order and remembers where
//! each value came from. Nothing wrong is passed over: an unknown key or variable is an error that names the nearest
//! known one, and a bad value is an error even where a stronger place overrides it (only a bad alias, which belongs to
//! another program, may be overridden).

mod assignment;
pub(crate) mod census;
pub(crate) mod collector;
mod collectors;
mod document;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod history;
pub(crate) mod listen;
mod origin;
mod print;
mod schema;
mod scrape;
mod spool;
pub(crate) mod table;
pub(crate) mod target;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use plimsoll_collect::SourceChoice;

use crate::failure::Failure;
use crate::settings::environment::Environment;
use crate::settings::value::Raw;
use crate::text;

pub(crate) use assignment::Assignment;
use assignment::bad_value;
pub(crate) use origin::Origin;
pub(crate) use schema::Settings;

/// The configuration file that is read if it exists and no other is named.
const DEFAULT_FILE: &str = "/etc/plimsoll/plimsoll.toml";

/// The settings with the origin of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merged {
    /// What is in force.
    pub(crate) settings: Settings,
    /// Where it came from, by key (`interval`, `collectors.cpu`); what is missing is a default.
    origins: BTreeMap<String, Origin>,
}

impl Merged {
    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// Merges defaults, the configuration file, the environment and flags. `read` reads a file.
pub(crate) fn load(
    flags: Vec<Assignment>,
    environment: &Environment,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Merged, Failure> {
    load_over(Vec::new(), flags, environment, read)
}

/// The same for a command that has defaults of its own, which everything else overrides.
pub(crate) fn load_over(
    defaults: Vec<Assignment>,
    flags: Vec<Assignment>,
    environment: &Environment,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Merged, Failure> {
    let surroundings = environment.surroundings();
    let state_home = environment.state_home();
    let mut of_the_census = census::Census::default();
    environment.of_the_census(&mut of_the_census);
    let variables = target::variables(environment)?;
    let environment = environment::assignments(environment)?;
    let named = flags.iter().chain(&environment).find(|given| given.setting.key == "config");
    let (path, origin) = match named {
        Some(given) => {
            let mut settings = Settings::default();
            apply(given, &mut settings)?;
            (settings.config.unwrap_or_default(), given.origin.clone())
        }
        None => (PathBuf::from(DEFAULT_FILE), Origin::Default),
    };
    let mut assignments = defaults;
    let mut found = None;
    let (mut collectors, mut targets) = (Vec::new(), Vec::new());
    match read(&path) {
        Ok(contents) => {
            let told = file::contents(&contents, &path)?;
            assignments.extend(told.assignments);
            (collectors, targets) = (told.collectors, told.targets);
            found = Some(path);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && origin == Origin::Default => {}
        Err(error) => return Err(unreadable(&path, &origin, error)),
    }
    assignments.extend(environment);
    assignments.extend(flags);

    let mut merged = Merged { settings: Settings::default(), origins: BTreeMap::new() };
    for (index, assignment) in assignments.iter().enumerate() {
        let overridden =
            assignments[index + 1..].iter().any(|later| later.setting.key == assignment.setting.key);
        if assignment.alias && overridden {
            continue;
        }
        apply(assignment, &mut merged.settings)?;
        merged.origins.insert(assignment.key(), assignment.origin.clone());
    }
    if merged.settings.profile == value::Shown::Cadvisor && *merged.origin("labels") == Origin::Default {
        // As cAdvisor does, unless somebody chooses.
        merged.settings.labels = vec!["*".to_owned()];
    }
    merged.settings.config = found;
    merged.settings.collector = collectors;
    merged.settings.target = target::build(targets, variables)?;
    merged.settings.surroundings = surroundings;
    merged.settings.state_home = state_home;
    let census::Census { do_not_track, token, server, .. } = of_the_census;
    let census = &mut merged.settings.census;
    (census.do_not_track, census.token, census.server) = (do_not_track, token, server);
    merged.settings.implied = scrape::implied(&merged.settings, |key| merged.origin(key).clone());
    agree(&merged)?;
    Ok(merged)
}

fn apply(assignment: &Assignment, settings: &mut Settings) -> Result<(), Failure> {
    (assignment.apply)(settings, &assignment.raw).map_err(|expected| {
        let given = match (&assignment.raw, &assignment.origin) {
            // Outside a file, one entry is written without brackets.
            (Raw::List(entries), Origin::Flag(_) | Origin::Environment(_)) if entries.len() == 1 => {
                text::quoted(&entries[0])
            }
            (raw, _) => raw.quoted(),
        };
        bad_value(&assignment.origin, assignment.setting.key, &given, &expected)
    })
}

/// What each setting may be and all of them together may not.
fn agree(merged: &Merged) -> Result<(), Failure> {
    let settings = &merged.settings;
    if settings.source == SourceChoice::Api && settings.engine == [value::NONE] {
        return Err(Failure::caller(format!(
            "source = api ({}) and engine = none ({}) leave nobody to ask",
            merged.origin("source"),
            merged.origin("engine")
        ))
        .remedy("name an engine with --engine, or let numbers come from the kernel with --source kernel"));
    }
    Ok(())
}

fn unreadable(path: &Path, origin: &Origin, error: io::Error) -> Failure {
    let named = match origin {
        Origin::Default => String::new(),
        _ => format!(" ({origin})"),
    };
    Failure::world(format!("cannot read the configuration {}{named}", path.display()))
        .remedy("make it readable for this user, or name another file with --config")
        .because(error)
}

#[cfg(test)]
mod tests;
