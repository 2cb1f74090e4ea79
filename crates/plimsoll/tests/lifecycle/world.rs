//! The engine, the agent and the containers of one test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use plimsoll_testkit::dockerd::{Api, Dockerd, Restore};

use crate::agent::Agent;
use crate::check::{Rows, differences};
use crate::model::Subject;
use crate::operations::{Operation, choices, create, create_steady, inspect, kernel_kills, perform};
use crate::random::Random;
use crate::scraper::Scraper;
use crate::witness::Witness;

/// How many containers there are.
const CONTAINERS: usize = 20;

/// How many of those that nothing is done to, where there are any.
const STEADY: usize = 4;

/// How many operations are under way at once.
const HANDS: usize = 3;

/// How soon the agent has to say what is true, once nothing happens any more.
const AGREES_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct World {
    // The order is that of the end.
    pub(crate) scraper: Scraper,
    pub(crate) agent: Arc<Agent>,
    pub(crate) subjects: Vec<Mutex<Option<Subject>>>,
    pub(crate) witness: Witness,
    pub(crate) api: Api,
    /// Containers to which nothing is done.
    steady: Mutex<Vec<Subject>>,
    names: AtomicUsize,
    longest: Mutex<Duration>,
    pub(crate) engine: Dockerd,
    /// What is never done.
    without: &'static [Operation],
}

impl World {
    pub(crate) fn start(restore: Restore, without: &'static [Operation]) -> Self {
        let began = SystemTime::now();
        let engine = Dockerd::start(restore);
        let witness = Witness::default();
        witness.listen(&engine.api(), began);
        let socket = format!("unix://{}", engine.socket().display());
        let agent = Arc::new(Agent::start_here(&["--engine", &socket, "--log-level", "debug"]));
        agent.wait_ready();
        Self {
            scraper: Scraper::start(&agent),
            agent,
            subjects: (0..CONTAINERS).map(|_| Mutex::default()).collect(),
            witness,
            api: engine.api(),
            steady: Mutex::default(),
            names: AtomicUsize::new(0),
            longest: Mutex::default(),
            engine,
            without,
        }
    }

    /// A name that was never used.
    pub(crate) fn name(&self) -> String {
        format!("life-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Does about so many operations, several at once, those of one container one after the other and without waiting
    /// for the agent. Gives how many it were.
    pub(crate) fn batch(&self, count: usize, random: &mut Random) -> usize {
        // Few containers get many operations each, many get few: both happen.
        let among = random.pick(&[2, 5, CONTAINERS, CONTAINERS]);
        let first = random.below(CONTAINERS);
        let mut plan: BTreeMap<usize, usize> = BTreeMap::new();
        for _ in 0..count {
            *plan.entry((first + random.below(among)) % CONTAINERS).or_default() += 1;
        }
        let plan: Vec<_> = plan.into_iter().map(|(slot, count)| (slot, count, random.fork())).collect();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..HANDS {
                scope.spawn(|| {
                    while let Some((slot, count, random)) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut random = random.clone();
                        let mut left = *count;
                        while left > 0 {
                            let did = self.operate(*slot, &mut random);
                            left = left.saturating_sub(did);
                            done.fetch_add(did, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        done.into_inner()
    }

    fn operate(&self, slot: usize, random: &mut Random) -> usize {
        let mut slot = self.subjects[slot].lock().unwrap();
        let Some(subject) = slot.as_mut() else {
            *slot = Some(create(&self.api, &self.name(), random));
            return 1;
        };
        let choices: Vec<_> =
            choices(subject.phase).iter().copied().filter(|choice| !self.without.contains(choice)).collect();
        let operation = random.pick(&choices);
        let (did, is_gone) = perform(&self.api, subject, operation, &self.name(), random);
        if is_gone {
            self.scraper.board().removed.insert(subject.short().to_owned(), Instant::now());
            *slot = None;
        }
        did
    }

    /// Waits until the agent agrees with the model, and notes what it is wrong about if it does not in time.
    pub(crate) fn compare(&self, after: &str) {
        let began = Instant::now();
        let mut facts = Vec::new();
        for slot in &self.subjects {
            let mut slot = slot.lock().unwrap();
            let Some(subject) = slot.as_mut().filter(|subject| !subject.is_wrong) else { continue };
            let details = inspect(&self.api, &subject.id);
            if let Some(kills) = kernel_kills(&details) {
                (subject.kills, subject.seen_kills) = (kills, kills);
            }
            facts.push((subject.clone(), details));
        }
        for subject in self.steady.lock().unwrap().iter().filter(|subject| !subject.is_wrong) {
            facts.push((subject.clone(), inspect(&self.api, &subject.id)));
        }
        let mut wrong;
        loop {
            let exposition = self.agent.metrics();
            let rows = Rows::of(&exposition);
            wrong = facts
                .iter()
                .filter_map(|(subject, details)| {
                    let heard = self.witness.of(&subject.id);
                    let unheard = subject.unheard.len() as u64;
                    let mut wrong = differences(subject, &heard, details, &rows);
                    if heard.ends.len() as u64 + unheard < subject.deaths {
                        wrong.push(format!(
                            "the witness heard of {} ends, the model has {}",
                            heard.ends.len(),
                            subject.deaths
                        ));
                    }
                    (!wrong.is_empty()).then_some((subject, heard, wrong))
                })
                .collect::<Vec<_>>();
            if wrong.is_empty() || began.elapsed() > AGREES_WITHIN {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut longest = self.longest.lock().unwrap();
        *longest = longest.max(began.elapsed());
        for (subject, heard, wrong) in wrong {
            let text = format!(
                "after {after}, {} ({}): {}\n  done: {}\n  heard: {}",
                subject.name,
                subject.id,
                wrong.join("; "),
                subject.story.join(", "),
                heard.story.join(", ")
            );
            println!("{text}");
            self.scraper.board().failures.push(text);
            for known in self.steady.lock().unwrap().iter_mut().filter(|known| known.id == subject.id) {
                known.is_wrong = true;
            }
            for slot in &self.subjects {
                if let Some(known) = slot.lock().unwrap().as_mut().filter(|known| known.id == subject.id) {
                    known.is_wrong = true;
                }
            }
        }
    }

    /// Adds containers that nobody touches, and that must always have numbers.
    pub(crate) fn add_steady(&self) {
        for _ in 0..STEADY {
            let subject = create_steady(&self.api, &self.name());
            self.scraper.board().steady.insert(subject.short().to_owned());
            self.steady.lock().unwrap().push(subject);
        }
    }

    /// Ends, prints figures, and fails if anything was wrong.
    pub(crate) fn end(mut self, what: &str) {
        let longest = *self.longest.lock().unwrap();
        let missed = self.agent.metrics().value("plimsoll_ticks_missed_total", &[]);
        let scrapes = self.scraper.end();
        println!("{what}; the agent agreed within {longest:?}; {scrapes}; ticks missed: {missed:?}");
        let board = self.scraper.board();
        let log = self.agent.log().all();
        assert!(
            board.failures.is_empty(),
            "{} wrong:\n{}\n{log}",
            board.failures.len(),
            board.failures.join("\n")
        );
        assert_eq!(missed, Some(0.0), "every tick came\n{log}");
    }
}
