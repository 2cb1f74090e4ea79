//! The agent, its containers and its databases, and what is held against them in the end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use plimsoll_testkit::databases::compare::Expected;

use crate::compared::{self, Grey};
use crate::ends;
use crate::random::Random;
use crate::run::Run;
use crate::servers::Databases;
use crate::targets::{Database, Schema, TARGETS, Target, configuration};
use crate::truth;

pub(crate) struct World {
    // The order is that of the end.
    pub(crate) run: Run,
    pub(crate) databases: Databases,
}

impl World {
    /// Starts everything. `timeout` is how long the agent waits for an answer of a database.
    pub(crate) fn start(durability: &str, timeout: &str, containers: usize, random: &mut Random) -> Self {
        let databases = Databases::start();
        let run =
            Run::start(|folder| configuration(&databases, folder, durability, timeout), containers, random);
        Self { run, databases }
    }

    /// Ends the agent in order, asks the databases, prints figures, and fails if anything is wrong.
    #[track_caller]
    pub(crate) fn end(mut self, time: Duration) {
        let log = self.run.end(time);
        let truths = [Schema::Default, Schema::Prometheus].map(|schema| self.run.truth(schema));
        let mut wrong = Vec::new();
        for target in TARGETS {
            let truth = &truths[usize::from(target.schema == Schema::Prometheus)];
            wrong.extend(self.compare(target, truth));
        }
        assert!(wrong.is_empty(), "{}\n{log}", wrong.join("\n"));
    }

    /// Compares a database with the truth, and says what is wrong, if anything is.
    fn compare(&self, target: Target, truth: &Expected) -> Option<String> {
        let name = target.name;
        let began = Instant::now();
        let mut found = self.databases.found(target);
        let (numbers, texts) = truth::without_texts(truth);
        let truth = if target.database == Database::Influx { truth } else { &numbers };
        let mut markers = BTreeSet::new();
        if target.database == Database::Victoria {
            // It makes a zero of a text.
            found.retain(|series, _| !texts.contains(series));
            markers = ends::taken_from(&mut found);
        }
        let missed = self.run.missed(name, target.schema);
        let grey = Grey::of(truth, &found, &self.run.lives, missed);
        let wrong_markers = match target.schema {
            Schema::Prometheus if target.database == Database::Victoria => {
                println!("{name}: {} markers of ends", markers.len());
                ends::held(truth, &markers, &self.run.lives, &grey)
            }
            // Line protocol has none, and Prometheus shows none.
            _ => markers.first().map(|marker| format!("a marker: {marker:?}\n")),
        };
        // What it keeps as decimals, InfluxDB keeps exactly; the others convert.
        let tolerance = if target.database == Database::Influx { 0.0 } else { 1e-12 };
        let may_repeat =
            target.database == Database::Victoria && self.run.lives.iter().any(|life| life.was_killed);
        let outcome = compared::held(truth, &found, tolerance, &grey, may_repeat);
        println!(
            "{name}: {} samples of {} series at {} ticks compared in {:?}; {} in {} grey ticks, {} repeated; ticks missed: {missed}",
            outcome.samples,
            truth.len(),
            outcome.ticks,
            began.elapsed(),
            outcome.grey,
            outcome.grey_ticks.len(),
            outcome.repeated
        );
        assert!(
            outcome.ticks >= self.run.least_ticks(),
            "{name}: {} ticks are too few to mean anything",
            outcome.ticks
        );
        let wrong_samples = (!outcome.wrong.is_empty()).then(|| outcome.wrong.to_string());
        let wrong: String = wrong_markers.into_iter().chain(wrong_samples).collect();
        (!wrong.is_empty()).then(|| format!("{name}: {wrong}"))
    }
}
