//! The agent, its containers and its databases, and what is held against them in the end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use plimsoll_testkit::docker::Container;
use plimsoll_testkit::wait_until;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::Agent;
use crate::compared::{self, Grey, Life};
use crate::ends;
use crate::fleet::{self, Fleet};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::servers::{Databases, milliseconds};
use crate::targets::{Database, Schema, TARGETS, Target, configuration};
use crate::truth;

/// How long after a change nothing else is done.
const PACE: Duration = Duration::from_millis(700);

/// Between two looks at the accounts.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How soon a series that has ended is over in Prometheus: a tick, the wait of a batch, and time for a busy machine. Without a
/// marker it takes five minutes.
const STALE_WITHIN: Duration = Duration::from_secs(20);

/// How soon a new container is in Prometheus, on a machine that may be very busy.
const THERE_WITHIN: Duration = Duration::from_secs(60);

/// How long the agent may take to deliver what waits, and end.
const END_WITHIN: Duration = Duration::from_secs(45);

const NANOSECONDS: i64 = 1_000_000;

pub(crate) struct World {
    // The order is that of the end.
    agent: Option<Agent>,
    fleet: Fleet,
    pub(crate) databases: Databases,
    ledger: Ledger,
    lives: Vec<Life>,
    changes: usize,
    containers: usize,
    /// The configuration, spools and truths.
    folder: TempDir,
}

impl World {
    /// Starts everything. `timeout` is how long the agent waits for an answer of a database.
    pub(crate) fn start(durability: &str, timeout: &str, containers: usize, random: &mut Random) -> Self {
        let databases = Databases::start();
        let folder = tempfile::tempdir().unwrap();
        let settings = configuration(&databases, folder.path(), durability, timeout);
        std::fs::write(folder.path().join("plimsoll.toml"), settings).unwrap();
        let mut world = Self {
            agent: None,
            fleet: Fleet::start(containers),
            databases,
            ledger: Ledger::default(),
            lives: Vec::new(),
            changes: 0,
            containers,
            folder,
        };
        // At any time between two ticks.
        std::thread::sleep(Duration::from_millis(random.next() % 1000));
        world.start_the_agent();
        world
    }

    fn start_the_agent(&mut self) {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let from = now();
        self.lives.push(Life { from, to: i64::MAX, was_killed: false });
        let agent = Agent::start_here(&[
            "--config",
            &path("plimsoll.toml"),
            "--spool",
            &path("spool"),
            "--include-name",
            &fleet::pattern(),
        ]);
        agent.wait_ready();
        self.agent = Some(agent);
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    /// Looks at the accounts again and again, until then.
    #[track_caller]
    pub(crate) fn watch(&mut self, until: Instant) {
        loop {
            let metrics = self.agent().metrics();
            self.ledger.look(&metrics);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK_AGAIN));
        }
    }

    /// Does something to a container, and watches for a while.
    #[track_caller]
    pub(crate) fn change(&mut self, random: &mut Random) {
        self.fleet.change(random);
        self.changes += 1;
        self.watch(Instant::now() + PACE);
    }

    /// Kills the agent, and starts it again.
    #[track_caller]
    pub(crate) fn kill_the_agent(&mut self) {
        self.agent = None;
        let life = self.lives.last_mut().unwrap();
        (life.to, life.was_killed) = (now(), true);
        self.ledger.next_life();
        self.start_the_agent();
    }

    /// A container that is removed has no series in Prometheus any more, as soon as the agent could say so.
    #[track_caller]
    pub(crate) fn a_removed_container_is_stale(&mut self) {
        let gone = Container::run("gone", &["--network", "none"], &["sleep", "100000"]);
        let selector = format!("{{name=\"{}\"}}", gone.name());
        let databases = self.databases.clone();
        wait_until(THERE_WITHIN, "Prometheus has the container", || databases.alive(&selector) > 10);
        drop(gone);
        let began = Instant::now();
        wait_until(STALE_WITHIN, "all its series are stale", || databases.alive(&selector) == 0);
        println!("a removed container was stale in Prometheus after {:?}", began.elapsed());
    }

    /// Ends the agent in order, asks the databases, prints figures, and fails if anything is wrong.
    #[track_caller]
    pub(crate) fn end(mut self, time: Duration) {
        // Between two ticks, so that each target has taken the last one when it is told to end.
        self.watch(Instant::now() + PACE);
        let into_the_second = u64::try_from(milliseconds().rem_euclid(1000)).unwrap();
        std::thread::sleep(Duration::from_millis((1600 - into_the_second) % 1000));
        let mut agent = self.agent.take().unwrap();
        self.ledger.look(&agent.metrics());
        let began = Instant::now();
        let status = agent.end(Signal::TERM, END_WITHIN);
        let log = agent.log().all();
        assert!(status.success() && !log.contains("could not be delivered"), "{status}\n{log}");
        let drained = began.elapsed();
        self.lives.last_mut().unwrap().to = now();

        let truths = [Schema::Default, Schema::Prometheus]
            .map(|schema| truth::read(&self.folder.path().join(schema.truth().1), schema));
        println!(
            "{} containers, {} changes, {time:?}; accounts looked at: {}; drained within {drained:?}",
            self.containers, self.changes, self.ledger.looks
        );
        let mut wrong = Vec::new();
        for target in TARGETS {
            let truth = &truths[usize::from(target.schema == Schema::Prometheus)];
            wrong.extend(self.compare(target, truth));
        }
        assert!(wrong.is_empty(), "{}\n{log}", wrong.join("\n"));
    }

    /// Compares a database with the truth, and says what is wrong, if anything is.
    fn compare(
        &self,
        target: Target,
        truth: &plimsoll_testkit::databases::compare::Expected,
    ) -> Option<String> {
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
        let missed = self.ledger.missed(name) + self.ledger.missed(target.schema.truth().0);
        let missed = format!("{missed:.0}").parse().unwrap();
        let grey = Grey::of(truth, &found, &self.lives, missed);
        let wrong_markers = match target.schema {
            Schema::Prometheus if target.database == Database::Victoria => {
                println!("{name}: {} markers of ends", markers.len());
                ends::held(truth, &markers, &self.lives, &grey)
            }
            // Line protocol has none, and Prometheus shows none.
            _ => markers.first().map(|marker| format!("a marker: {marker:?}\n")),
        };
        // What it keeps as decimals, InfluxDB keeps exactly; the others convert.
        let tolerance = if target.database == Database::Influx { 0.0 } else { 1e-12 };
        let may_repeat =
            target.database == Database::Victoria && self.lives.iter().any(|life| life.was_killed);
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
        let least = usize::try_from(self.least_ticks()).unwrap_or_default();
        assert!(outcome.ticks >= least, "{name}: {} ticks are too few to mean anything", outcome.ticks);
        let wrong_samples = (!outcome.wrong.is_empty()).then(|| outcome.wrong.to_string());
        let wrong: String = wrong_markers.into_iter().chain(wrong_samples).collect();
        (!wrong.is_empty()).then(|| format!("{name}: {wrong}"))
    }

    /// How many ticks there must be at least: two thirds of the seconds of all lives.
    fn least_ticks(&self) -> i64 {
        let lived: i64 = self.lives.iter().map(|life| life.to - life.from).sum();
        lived / NANOSECONDS / 1500
    }
}

/// Now, in Unix nanoseconds; to the millisecond, as ticks are.
fn now() -> i64 {
    milliseconds() * NANOSECONDS
}
