//! Delivery: an agent with targets, and the commands about them. The targets are scripted ([`Sink`]) and take line protocol or
//! remote write.

mod commands;
mod imports;
mod running;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use plimsoll_testkit::sink::{Answer, Request, Sink};
use tempfile::TempDir;

use crate::agent::{Agent, LISTENING};
use crate::machine::Machine;
use crate::process::{Done, command, finish};

/// A captured machine, with a configuration and a folder for spools.
pub(crate) struct Place {
    machine: Machine,
    folder: TempDir,
}

impl Place {
    /// With these tables in the configuration.
    pub(crate) fn new(tables: &[String]) -> Self {
        let place = Self { machine: Machine::new(), folder: tempfile::tempdir().unwrap() };
        place.configure(tables);
        place
    }

    fn configure(&self, tables: &[String]) {
        fs::write(self.file("plimsoll.toml"), tables.concat()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn flags(&self) -> [String; 4] {
        let path = |name| self.file(name).to_str().unwrap().to_owned();
        ["--config".into(), path("plimsoll.toml"), "--spool".into(), path("spool")]
    }

    /// A command with this configuration and folder.
    fn with_flags(&self, arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|word| (*word).to_owned()).chain(self.flags()).collect()
    }

    /// The same, of a command that measures.
    pub(crate) fn measuring(&self, arguments: &[&str]) -> Vec<String> {
        let whole = self.with_flags(arguments);
        self.machine.on(&whole.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs a command that measures nothing to its end.
    fn run(&self, arguments: &[&str]) -> Done {
        finish(command(&self.with_flags(arguments)))
    }

    /// Starts an agent that measures ten times a second.
    pub(crate) fn agent(&self, arguments: &[&str]) -> Agent {
        let own = ["--interval", "100ms"];
        Agent::spawn(command(&self.measuring(&[&LISTENING[..], &own, arguments].concat())))
    }
}

/// A table for a target that takes line protocol at this address; `more` are further lines.
pub(crate) fn influx(name: &str, url: &str, more: &str) -> String {
    let timing = "retry_min = '20ms'\nretry_max = '50ms'\ntimeout = '500ms'\n";
    format!(
        "[[target]]\nname = '{name}'\ntype = 'influxdb-v2'\nurl = '{url}'\nbucket = 'b'\norg = 'o'\n{timing}{more}\n"
    )
}

/// A line: its series, with the names of its fields, and its time.
type Moment = (String, String);

/// What a database would have: every line that was taken, by series and time, and how often each came.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<BTreeMap<Moment, u64>>>);

impl Taken {
    /// Has a sink take everything, and note it.
    fn by(sink: &Sink) -> Self {
        let taken = Self::default();
        let notes = taken.clone();
        sink.answer(move |request| {
            notes.note(request);
            Answer::new(204)
        });
        taken
    }

    fn note(&self, request: &Request) {
        let mut taken = self.0.lock().unwrap();
        for line in request.text().lines() {
            *taken.entry(place_of(line)).or_default() += 1;
        }
    }

    /// How many lines came.
    fn lines(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }

    /// Lines that came more than once.
    fn repeated(&self) -> Vec<Moment> {
        let taken = self.0.lock().unwrap();
        taken.iter().filter(|(_, count)| **count > 1).map(|(place, _)| place.clone()).collect()
    }
}

fn place_of(line: &str) -> Moment {
    // The values of these tests have no spaces, but those of names have, escaped.
    let plain = line.replace("\\ ", "_");
    let words: Vec<&str> = plain.split(' ').collect();
    (words[0].to_owned(), (*words.last().unwrap()).to_owned())
}
