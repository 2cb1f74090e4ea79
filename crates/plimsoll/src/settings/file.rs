//! The configuration file: TOML whose keys are those of the table.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use crate::failure::Failure;
use crate::settings::assignment::{Assignment, bad_value, unknown};
use crate::settings::collector::{self, CollectorTable};
use crate::settings::collectors;
use crate::settings::document::{Lines, in_order, raw};
use crate::settings::origin::Origin;
use crate::settings::table::{COLLECTORS, Kind, SETTINGS, Setting, by_key};
use crate::settings::target;
use crate::settings::value::Raw;
use crate::text;

/// The largest configuration file (bytes). A larger one is some other file.
const FILE_MAX: u64 = 1 << 20;

/// Reads a configuration file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut contents = String::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut contents)?;
    if contents.len() as u64 > FILE_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {FILE_MAX} bytes"),
        ));
    }
    Ok(contents)
}

/// What a configuration says.
#[derive(Default)]
pub(super) struct Contents {
    /// Its settings, line by line.
    pub(super) assignments: Vec<Assignment>,
    /// Its collectors.
    pub(super) collectors: Vec<CollectorTable>,
    /// What it says of targets.
    pub(super) targets: Vec<target::Draft>,
}

/// Reads what a configuration says. The path is for messages.
pub(super) fn contents(contents: &str, path: &Path) -> Result<Contents, Failure> {
    let lines = Lines::of(contents);
    let origin = |span: Range<usize>| Origin::File { path: path.to_owned(), line: lines.at(span.start) };
    let document = DeTable::parse(contents).map_err(|error| {
        let place = origin(error.span().unwrap_or(0..0));
        Failure::caller(format!("{place}: not valid TOML: {}", text::printable(error.message())))
    })?;
    let mut told = Contents::default();
    let assignments = &mut told.assignments;
    for (key, value) in in_order(document.get_ref()) {
        let place = origin(key.span());
        match key.get_ref().as_ref() {
            collector::KEY => {
                told.collectors = collectors::tables(value, &place, &origin)?;
                continue;
            }
            target::KEY => {
                told.targets = target::tables(value, &place, &origin)?;
                continue;
            }
            _ => {}
        }
        let setting = setting(key.get_ref(), &place)?;
        if !matches!(setting.kind, Kind::Collectors) {
            assignments.push(Assignment::new(setting, raw(value.get_ref()), place));
            continue;
        }
        let Some(table) = value.get_ref().as_table() else {
            // The setting itself says what it expects.
            assignments.push(Assignment::new(setting, raw(value.get_ref()), place));
            continue;
        };
        for (key, value) in in_order(table) {
            let place = origin(key.span());
            let name = COLLECTORS
                .into_iter()
                .find(|name| *name == key.get_ref().as_ref())
                .ok_or_else(|| unknown(&place.to_string(), "collector", key.get_ref(), &COLLECTORS))?;
            let on = value.get_ref().as_bool().ok_or_else(|| {
                let key = format!("{}.{name}", setting.key);
                bad_value(&place, &key, &raw(value.get_ref()).quoted(), &"true or false")
            })?;
            assignments.push(Assignment::new(setting, Raw::Collector(name, on), place));
        }
    }
    Ok(told)
}

fn setting(key: &str, place: &Origin) -> Result<&'static Setting, Failure> {
    match by_key(key) {
        Some(setting) if matches!(setting.kind, Kind::ConfigFile) => {
            Err(Failure::caller(format!("{place}: a configuration cannot name the configuration file"))
                .remedy(format!("give it as --{} or {}", setting.flag, setting.env)))
        }
        Some(setting) => Ok(setting),
        None => {
            let in_file = SETTINGS.iter().filter(|setting| !matches!(setting.kind, Kind::ConfigFile));
            let known: Vec<&str> =
                in_file.map(|setting| setting.key).chain([collector::KEY, target::KEY]).collect();
            Err(unknown(&place.to_string(), "key", key, &known))
        }
    }
}
