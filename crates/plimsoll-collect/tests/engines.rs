//! Several engines at once, engines that come, go and change, and streams of events that break.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_collect::{Engines, Inbox, Options, Pace, Sampler, SamplerThread, Samples, SourceChoice, Which};
use plimsoll_engine::{Discovery, Endpoint, Found, Problem};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::agent::{Engine, EngineState};
use plimsoll_model::{ContainerRow, Selection, Slot};
use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
use plimsoll_testkit::wait_until;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(20);

/// An agent that listens to these engines, and to whatever is added to them. There are no cgroups.
struct Agent {
    samples: Samples,
    _thread: SamplerThread,
    runtime: Option<Runtime>,
}

fn found(engine: &FakeEngine, qualifier: &str) -> Found {
    let endpoint: Endpoint = format!("unix://{}", engine.socket().display()).parse().unwrap();
    Found { qualifier: qualifier.to_owned(), ..Found::new(endpoint, "the test") }
}

fn start(which: Which) -> Agent {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let millis = Duration::from_millis;
    let pace = Pace { retry_first: millis(10), retry_most: millis(100), ..Pace::default() };
    let nowhere = Roots { cgroup: "/nonexistent".into(), ..Roots::default() };
    let options = Options { source: SourceChoice::Kernel, ..Options::default() };
    let inbox = Arc::new(Inbox::default());
    let kernel = Kernel::probe(nowhere, &Selection::default());
    let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox));
    let (thread, samples) = SamplerThread::start(sampler, millis(40)).unwrap();
    runtime.spawn(Engines::new(which, None, options, inbox).with_pace(pace).run());
    Agent { samples, _thread: thread, runtime: Some(runtime) }
}

fn named(found: Vec<Found>, problems: Vec<Problem>) -> Agent {
    let agent = start(Which::Named(Discovery { found, problems }));
    wait_until(SOON, "a first look", || agent.samples.is_ready());
    agent
}

impl Agent {
    fn rows(&self, name: &str) -> Vec<ContainerRow> {
        let snapshot = self.samples.latest();
        snapshot.containers.iter().filter(|row| row.container.name == name).cloned().collect()
    }

    fn engine(&self, name: &str) -> Option<Engine> {
        self.samples.latest().agent.engines.iter().find(|engine| &*engine.name == name).cloned()
    }

    #[track_caller]
    fn wait_state(&self, name: &str, state: EngineState) {
        wait_until(SOON, &format!("{name} to be {state:?}: {:?}", self.engine(name)), || {
            self.engine(name).is_some_and(|engine| engine.state == state)
        });
    }

    #[track_caller]
    fn wait_slots(&self, name: &str, slots: &[(Slot, u64)]) {
        let told =
            || slots.iter().map(|(slot, _)| self.rows(name).first()?.values.get(*slot)).collect::<Vec<_>>();
        let wanted: Vec<_> = slots.iter().map(|(_, value)| Some(*value)).collect();
        let start = std::time::Instant::now();
        while told() != wanted {
            assert!(start.elapsed() < SOON, "{name}: {slots:?}, and the agent says {:?}", told());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// A life that ends and another that begins, as an engine tells and remembers it.
fn again(engine: &FakeEngine, name: &str, id: &str, exit_code: i64) {
    let container = FakeContainer::new(name).id(id);
    let ended = container.clone().exited(exit_code, now());
    engine.put(ended);
    engine.emit("die", id, &[("exitCode", &exit_code.to_string())]);
    engine.put(container.finished_at(now()).started_at(now()));
    engine.emit("start", id, &[]);
}

#[test]
fn what_happened_without_a_connection_is_told_by_the_engine() {
    let mut engine = FakeEngine::start();
    let id = engine.put(FakeContainer::new("web"));
    let agent = named(vec![found(&engine, "")], vec![]);
    agent.wait_slots("web", &[(Slot::Restarts, 0)]);
    again(&engine, "web", &id, 1);
    agent.wait_slots("web", &[(Slot::Restarts, 1), (Slot::ExitsError, 1)]);
    for round in 1..=3 {
        engine.stop();
        agent.wait_state("docker", EngineState::Unreachable);
        again(&engine, "web", &id, 3);
        again(&engine, "web", &id, 137);
        again(&engine, "web", &id, 0);
        engine.restart();
        agent.wait_state("docker", EngineState::Up);
        let slots = [
            (Slot::Restarts, 1 + 3 * round),
            (Slot::ExitsError, 1 + round),
            (Slot::ExitsSignal, round),
            (Slot::ExitsZero, round),
        ];
        agent.wait_slots("web", &slots);
    }
    // An engine that has forgotten tells by inspection what it can: one start, and no exit code.
    engine.stop();
    agent.wait_state("docker", EngineState::Unreachable);
    again(&engine, "web", &id, 3);
    engine.forget_history();
    engine.restart();
    agent.wait_slots("web", &[(Slot::Restarts, 11), (Slot::ExitsError, 4)]);
    // What comes then is counted as ever.
    again(&engine, "web", &id, 3);
    agent.wait_slots("web", &[(Slot::Restarts, 12), (Slot::ExitsError, 5)]);
}

#[test]
fn engines_do_not_concern_each_other() {
    let (one, other, mut third) = (FakeEngine::start(), FakeEngine::start(), FakeEngine::start());
    one.put(FakeContainer::new("web"));
    other.put(FakeContainer::new("web").id(&"b".repeat(64)));
    third.stop();
    let problem =
        Problem { subject: "context gone".to_owned(), text: "the context points nowhere".to_owned() };
    let agent = named(vec![found(&one, ""), found(&other, "2"), found(&third, "3")], vec![problem]);
    let engines =
        |name| agent.rows(name).iter().map(|row| row.container.engine.to_string()).collect::<Vec<_>>();
    let mut both = engines("web");
    both.sort();
    assert_eq!(both, ["docker", "docker-2"]);
    let states: Vec<_> =
        agent.samples.latest().agent.engines.iter().map(|e| (e.name.to_string(), e.state)).collect();
    assert_eq!(states.len(), 4);
    assert!(states.contains(&("docker-3".to_owned(), EngineState::Unreachable)), "{states:?}");
    let misconfigured = agent.samples.latest();
    let misconfigured =
        misconfigured.agent.engines.iter().find(|engine| &*engine.endpoint == "context gone").unwrap();
    assert_eq!(
        (misconfigured.state, &*misconfigured.trouble),
        (EngineState::Misconfigured, "the context points nowhere")
    );
    // The features of a family are told once, however many engines it has.
    let snapshot = agent.samples.latest();
    let features: Vec<_> = snapshot.agent.capabilities.iter().map(|capability| capability.feature).collect();
    assert_eq!(features.iter().filter(|feature| **feature == "docker_socket").count(), 1, "{features:?}");
}

#[test]
fn an_engine_with_two_addresses_shows_its_containers_once() {
    let (one, same) = (FakeEngine::start(), FakeEngine::start());
    one.set_id("the same");
    same.set_id("the same");
    for engine in [&one, &same] {
        engine.put(FakeContainer::new("web"));
    }
    let agent = named(vec![found(&one, ""), found(&same, "2")], vec![]);
    wait_until(SOON, "one of them to be left alone", || {
        let snapshot = agent.samples.latest();
        let count = |state| snapshot.agent.engines.iter().filter(|engine| engine.state == state).count();
        (count(EngineState::Up), count(EngineState::Duplicate)) == (1, 1)
    });
    assert_eq!(agent.rows("web").len(), 1);
}

#[test]
fn another_engine_behind_the_same_socket_is_another_engine() {
    let engine = FakeEngine::start();
    let old = engine.put(FakeContainer::new("old"));
    let agent = named(vec![found(&engine, "")], vec![]);
    assert_eq!(agent.rows("old").len(), 1);
    engine.remove(&old);
    engine.put(FakeContainer::new("new"));
    engine.set_id("another");
    engine.drop_connections();
    wait_until(SOON, "the other engine's container", || agent.rows("new").len() == 1);
    assert!(agent.rows("old").is_empty());
    agent.wait_state("docker", EngineState::Up);
}

#[test]
fn an_engine_that_is_too_old_is_told_and_others_go_on() {
    let (old, new) = (FakeEngine::start(), FakeEngine::start());
    old.set_api((1, 39), (1, 12));
    new.put(FakeContainer::new("web"));
    let agent = named(vec![found(&old, "old"), found(&new, "")], vec![]);
    agent.wait_state("docker-old", EngineState::Unsupported);
    let told = agent.engine("docker-old").unwrap();
    assert!(told.trouble.contains("1.39") && told.trouble.contains("upgrade the engine"), "{}", told.trouble);
    assert_eq!(agent.rows("web").len(), 1);
}

#[test]
fn engines_come_while_the_agent_runs() {
    let (one, late) = (FakeEngine::start(), FakeEngine::start());
    one.put(FakeContainer::new("early"));
    late.put(FakeContainer::new("late"));
    let places = Arc::new(Mutex::new(vec![found(&one, "")]));
    let look = Arc::clone(&places);
    let discover = move || Discovery { found: look.lock().unwrap().clone(), problems: vec![] };
    let agent = start(Which::Found(Box::new(discover)));
    wait_until(SOON, "a first look", || agent.samples.is_ready());
    assert_eq!(agent.rows("early").len(), 1);
    places.lock().unwrap().push(found(&late, "1000"));
    wait_until(SOON, "the engine that came", || agent.rows("late").len() == 1);
    assert_eq!(&*agent.rows("late")[0].container.engine, "docker-1000");
}
