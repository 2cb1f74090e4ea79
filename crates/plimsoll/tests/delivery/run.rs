//! The agent at work on containers, watched until its end.

use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll_testkit::databases::compare::Expected;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::Agent;
use crate::compared::Life;
use crate::fleet::{self, Fleet};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::servers::milliseconds;
use crate::targets::Schema;
use crate::truth;

/// How long after a change nothing else is done.
const PACE: Duration = Duration::from_millis(700);

/// Between two looks at the accounts.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long the agent may take to deliver what waits, and end.
const END_WITHIN: Duration = Duration::from_secs(45);

const NANOSECONDS: i64 = 1_000_000;

pub(crate) struct Run {
    // The order is that of the end.
    agent: Option<Agent>,
    fleet: Fleet,
    pub(crate) ledger: Ledger,
    pub(crate) lives: Vec<Life>,
    changes: usize,
    containers: usize,
    /// The configuration, spools and truths.
    folder: TempDir,
}

impl Run {
    /// Starts containers, and the agent with this configuration, which learns the folder of the truths.
    pub(crate) fn start(
        configuration: impl FnOnce(&Path) -> String,
        containers: usize,
        random: &mut Random,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plimsoll.toml"), configuration(folder.path())).unwrap();
        let mut run = Self {
            agent: None,
            fleet: Fleet::start(containers),
            ledger: Ledger::default(),
            lives: Vec::new(),
            changes: 0,
            containers,
            folder,
        };
        // At any time between two ticks.
        std::thread::sleep(Duration::from_millis(random.next() % 1000));
        run.start_the_agent();
        run
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

    /// Ends the agent in order, when it has delivered everything, and prints figures. Gives its log.
    #[track_caller]
    pub(crate) fn end(&mut self, time: Duration) -> String {
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
        println!(
            "{} containers, {} changes, {time:?}; accounts looked at: {}; drained within {drained:?}",
            self.containers, self.changes, self.ledger.looks
        );
        log
    }

    /// How many points came in for a target, as the agent said in the log of its end: all of them are delivered.
    #[track_caller]
    pub(crate) fn delivered(log: &str, target: &str) -> f64 {
        let begin = format!("target {target} ended: ");
        let told = log
            .lines()
            .find_map(|line| line.split_once(&begin))
            .unwrap_or_else(|| panic!("no {begin}\n{log}"))
            .1;
        let words: Vec<&str> = told.split_whitespace().collect();
        let number = |word: &str| {
            let at = words.iter().position(|known| known.trim_end_matches(',') == word).unwrap();
            words[at - 1 - usize::from(word == "collected")].parse::<f64>().unwrap()
        };
        let [collected, delivered] = ["collected", "delivered"].map(number);
        assert_eq!((delivered, ["rejected", "dropped", "left"].map(number)), (collected, [0.0; 3]), "{told}");
        delivered
    }

    /// What the agent wrote into the file of a schema.
    #[track_caller]
    pub(crate) fn truth(&self, schema: Schema) -> Expected {
        truth::read(&self.folder.path().join(schema.truth().1), schema)
    }

    /// How many ticks a target, or the truth that it is held to, says that it missed.
    pub(crate) fn missed(&self, target: &str, schema: Schema) -> usize {
        let missed = self.ledger.missed(target) + self.ledger.missed(schema.truth().0);
        format!("{missed:.0}").parse().unwrap()
    }

    /// How many ticks there must be at least: two thirds of the seconds of all lives.
    pub(crate) fn least_ticks(&self) -> usize {
        let lived: i64 = self.lives.iter().map(|life| life.to - life.from).sum();
        usize::try_from(lived / NANOSECONDS / 1500).unwrap_or_default()
    }
}

/// Now, in Unix nanoseconds; to the millisecond, as ticks are.
fn now() -> i64 {
    milliseconds() * NANOSECONDS
}
