//! Collectors that run again and again: what a change of the schedule starts, stops and keeps, and what of their values is
//! in the sampler's snapshots.
//!
//! Where no command runs, time is paused: the runtime's clock jumps to whatever is waited for, while the sampler's thread
//! makes its passes in the machine's own time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_collect::metrics::{
    Collected, Collector, CollectorConfig, CollectorError, ContainerMetricsCollector, Exec, MetricValue,
    Rescheduled, Schedule, Scheduled, SystemMetricsCollector,
};
use plimsoll_collect::{
    Change, Inbox, Options, Origin, Sampler, SamplerThread, Samples, SourceChoice, Whereabouts,
};
use plimsoll_model::custom::{CollectorState, CustomCollector, CustomFamily};
use plimsoll_model::{Container, Lifecycle, Selection, Snapshot, State};
use plimsoll_testkit::{wait_until, wait_until_async};
use tokio::time::{Instant, sleep};

use common::Tree;
use common::agent::SOON;

const SECOND: Duration = Duration::from_secs(1);

/// More than the moments over which collectors begin, and than the time until a report goes to the sampler.
const A_MOMENT: Duration = Duration::from_millis(150);

/// A sampler on a captured machine, and a schedule that reports to it.
struct World {
    schedule: Schedule,
    samples: Samples,
    inbox: Arc<Inbox>,
    _thread: SamplerThread,
    _tree: Tree,
}

impl World {
    fn new() -> Self {
        Self::with_interval(Duration::from_millis(20))
    }

    fn with_interval(interval: Duration) -> Self {
        let tree = Tree::unpack();
        let inbox = Arc::new(Inbox::default());
        let sampler =
            Sampler::new(Ok(tree.kernel(&Selection::default())), Options::default(), Arc::clone(&inbox));
        let (thread, samples) = SamplerThread::start(sampler, interval).unwrap();
        let schedule = Schedule::new(samples.clone(), Arc::clone(&inbox));
        // The engines have nothing to tell.
        inbox.put(Change::Synchronised).unwrap();
        Self { schedule, samples, inbox, _thread: thread, _tree: tree }
    }

    /// A snapshot that was begun after this call. The runtime stands still meanwhile, and with it a paused clock.
    fn now(&self) -> Arc<Snapshot> {
        let before = self.samples.latest().sequence;
        wait_until(SOON, "two passes", || self.samples.latest().sequence > before + 1);
        self.samples.latest()
    }

    fn names(&self) -> Vec<String> {
        self.now().custom.iter().map(|collector| collector.state.name.clone()).collect()
    }

    #[track_caller]
    fn collector(&self, name: &str) -> CustomCollector {
        let snapshot = self.now();
        let found = snapshot.custom.iter().find(|collector| collector.state.name == name);
        CustomCollector::clone(found.unwrap_or_else(|| panic!("no {name}: {:?}", snapshot.custom)))
    }

    #[track_caller]
    fn state(&self, name: &str) -> CollectorState {
        self.collector(name).state
    }

    fn container(&self, id: &str, state: State) {
        let mut container = Container::new(id, "docker".into());
        container.state = state;
        let change = Change::Container {
            container: container.into(),
            life: Lifecycle::first_seen(1).into(),
            whereabouts: Whereabouts::default(),
            origin: Origin::new(SourceChoice::Api).into(),
            limits_changed: false,
        };
        self.inbox.put(change).unwrap();
    }
}

/// Counts its runs, and does what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Inner>);

#[derive(Default)]
struct Inner {
    runs: AtomicU64,
    ended: AtomicU64,
    fails: AtomicBool,
    takes: Mutex<Duration>,
    ready: AtomicU64,
    cleaned: AtomicU64,
    began: Mutex<Vec<Instant>>,
}

impl Told {
    fn runs(&self) -> u64 {
        self.0.runs.load(Ordering::SeqCst)
    }

    fn cleaned(&self) -> u64 {
        self.0.cleaned.load(Ordering::SeqCst)
    }

    fn takes(&self, time: Duration) {
        *self.0.takes.lock().unwrap() = time;
    }

    fn fails(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::SeqCst);
    }
}

impl SystemMetricsCollector for Told {
    async fn initialize(&self) -> Result<(), plimsoll_collect::metrics::BoxError> {
        self.0.ready.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn collect_system_metrics(&self) -> Collected {
        let run = self.0.runs.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.began.lock().unwrap().push(Instant::now());
        let takes = *self.0.takes.lock().unwrap();
        sleep(takes).await;
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        if self.0.fails.load(Ordering::SeqCst) {
            return Err("as told".into());
        }
        Ok(vec![
            MetricValue::new("told_runs_total", run as f64).label("a", "b"),
            MetricValue::new("plimsoll_not_its_name", 1.0),
        ])
    }

    async fn cleanup(&self) {
        self.0.cleaned.fetch_add(1, Ordering::SeqCst);
    }
}

fn config(name: &str) -> CollectorConfig {
    CollectorConfig {
        collection_interval: SECOND,
        timeout: SECOND,
        retry_attempts: 0,
        ..CollectorConfig::new(name)
    }
}

/// A collector of this configuration, and what it counts.
fn told_as(config: CollectorConfig) -> (Scheduled, Told) {
    let told = Told::default();
    let collector = Collector::of_system(config, told.clone()).unwrap();
    (Scheduled { type_name: "told".to_owned(), collector: collector.into() }, told)
}

fn told(name: &str) -> (Scheduled, Told) {
    told_as(config(name))
}

fn done(started: &[&str], stopped: &[&str], kept: &[&str]) -> Rescheduled {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Rescheduled { started: owned(started), stopped: owned(stopped), kept: owned(kept) }
}

/// The one value that a family has.
fn value(families: &[CustomFamily], name: &str) -> Option<f64> {
    let family = families.iter().find(|family| family.name == name)?;
    assert_eq!(family.samples.len(), 1, "{family:?}");
    Some(family.samples[0].value)
}

#[tokio::test(start_paused = true)]
async fn replacing_starts_stops_and_keeps() {
    let mut world = World::new();
    let (a, runs_of_a) = told("a");
    let (b, runs_of_b) = told("b");
    let (off, runs_of_off) = told_as(CollectorConfig { enabled: false, ..config("off") });
    let wanted = vec![a.clone(), b.clone(), off.clone()];
    assert_eq!(world.schedule.replace(wanted.clone()).unwrap(), done(&["a", "b"], &[], &[]));
    assert_eq!((runs_of_a.runs(), runs_of_b.runs()), (0, 0), "nothing runs before the runtime does");
    sleep(A_MOMENT).await;
    assert_eq!((runs_of_a.runs(), runs_of_b.runs(), runs_of_off.runs()), (1, 1, 0));
    assert_eq!(world.names(), ["a", "b"], "who is not enabled is not shown");
    sleep(3 * SECOND).await;
    assert_eq!((runs_of_a.runs(), runs_of_b.runs()), (4, 4));
    assert_eq!(world.schedule.replace(wanted).unwrap(), done(&[], &[], &["a", "b"]));

    // Others of the same configuration are the same; one of another configuration or type is another.
    let (as_a, runs_as_a) = told("a");
    let (other_b, runs_of_other_b) = told_as(CollectorConfig { retry_attempts: 1, ..config("b") });
    let (c, runs_of_c) = told("c");
    let wanted = vec![c.clone(), other_b.clone(), as_a.clone()];
    assert_eq!(world.schedule.replace(wanted).unwrap(), done(&["c", "b"], &["b"], &["a"]));
    sleep(A_MOMENT).await;
    assert_eq!(world.names(), ["a", "b", "c"]);
    assert_eq!((runs_of_b.cleaned(), runs_of_a.cleaned()), (1, 0), "who is stopped gives back what it holds");
    sleep(3 * SECOND).await;
    assert_eq!((runs_of_a.runs(), runs_as_a.runs()), (7, 0), "the one that ran already goes on");
    assert_eq!(runs_of_b.runs(), 4);
    assert_eq!((runs_of_other_b.runs(), runs_of_c.runs()), (4, 4), "they begin at once");
    let state = world.state("a");
    assert_eq!((state.runs, state.success, state.healthy), (7, Some(true), true), "{state:?}");

    let renamed = Scheduled { type_name: "other".to_owned(), ..as_a };
    let off =
        Scheduled { collector: told_as(CollectorConfig { enabled: false, ..config("c") }).0.collector, ..c };
    assert_eq!(world.schedule.replace(vec![renamed, off]).unwrap(), done(&["a"], &["a", "b", "c"], &[]));
    sleep(A_MOMENT).await;
    assert_eq!(world.names(), ["a"]);
    let state = world.state("a");
    assert_eq!((state.type_name.as_str(), state.runs), ("other", 1), "{state:?}");

    assert_eq!(world.schedule.replace(Vec::new()).unwrap(), done(&[], &["a"], &[]));
    let runs = [&runs_of_a, &runs_as_a, &runs_of_b, &runs_of_other_b, &runs_of_c].map(Told::runs);
    sleep(10 * SECOND).await;
    assert!(world.names().is_empty());
    assert_eq!([&runs_of_a, &runs_as_a, &runs_of_b, &runs_of_other_b, &runs_of_c].map(Told::runs), runs);
}

#[tokio::test(start_paused = true)]
async fn two_of_one_name_change_nothing() {
    let mut world = World::new();
    let (a, runs_of_a) = told("a");
    world.schedule.replace(vec![a.clone()]).unwrap();
    sleep(A_MOMENT).await;
    let (b, runs_of_b) = told("b");
    let (again, _) = told_as(CollectorConfig { retry_attempts: 5, ..config("b") });
    // Even one that does not run has its name.
    let (off, _) = told_as(CollectorConfig { enabled: false, ..config("b") });
    for wanted in [vec![b.clone(), again], vec![b.clone(), b.clone()], vec![off, b]] {
        match world.schedule.replace(wanted) {
            Err(CollectorError::Duplicate { name }) => assert_eq!(name, "b"),
            other => panic!("{other:?}"),
        }
    }
    sleep(2 * SECOND).await;
    assert_eq!(world.names(), ["a"]);
    assert_eq!((runs_of_a.runs(), runs_of_a.cleaned(), runs_of_b.runs()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn values_go_when_a_collection_fails_and_come_back() {
    let mut world = World::new();
    let (a, collects) = told("a");
    world.schedule.replace(vec![a]).unwrap();
    // Time for a report, and none for a collection.
    tokio::task::yield_now().await;
    assert!(world.collector("a").families.is_empty());
    assert_eq!(world.state("a").success, None, "it has not ended its first");
    sleep(A_MOMENT).await;
    let shown = world.collector("a");
    assert_eq!(value(&shown.families, "told_runs_total"), Some(1.0));
    assert_eq!(shown.families.len(), 1, "what is the agent's name is no other's: {shown:?}");
    let left_out: Vec<_> = shown.state.left_out.iter().filter(|(_, count)| *count > 0).copied().collect();
    assert_eq!(left_out, [("reserved_name", 1)]);
    assert_eq!((shown.state.values, shown.state.success), (Some(1), Some(true)), "{shown:?}");
    let first = shown.state.last_success;
    assert!(first.is_some());

    collects.fails(true);
    sleep(SECOND).await;
    let shown = world.collector("a");
    assert!(shown.families.is_empty(), "{shown:?}");
    assert_eq!((shown.state.success, shown.state.healthy), (Some(false), true), "{shown:?}");
    assert_eq!(shown.state.last_success, first);
    assert_eq!(shown.state.last_error, "collecting with \"a\": as told");
    assert_eq!(shown.state.failures, [("error", 1), ("timeout", 0), ("panic", 0)]);
    // After three it is tried seldom, and stays as it was last seen.
    sleep(2 * SECOND).await;
    assert!(!world.state("a").healthy);
    assert_eq!(collects.runs(), 4);
    // Each second it is time, and it is not tried: two seconds at most after the last one, then it is.
    collects.fails(false);
    sleep(3 * SECOND).await;
    let shown = world.collector("a");
    assert_eq!((shown.state.success, shown.state.healthy), (Some(true), true), "{shown:?}");
    assert_eq!(value(&shown.families, "told_runs_total"), Some(collects.runs() as f64));
    assert_eq!(shown.state.skipped, 0, "who rests skips nothing");
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_skipped_and_counted() {
    let mut world = World::new();
    let patient = |name| CollectorConfig { retry_attempts: 2, retry_delay: Duration::ZERO, ..config(name) };
    let (slow, collects) = told_as(patient("slow"));
    let (other, others) = told("other");
    world.schedule.replace(vec![slow, other]).unwrap();
    sleep(A_MOMENT).await;
    assert_eq!(world.state("slow").skipped, 0);
    // A first attempt ends in time and fails, a second one ends in the next interval: one collection is left out each time.
    collects.takes(900 * SECOND / 1000);
    collects.fails(true);
    sleep(2 * SECOND + A_MOMENT).await;
    // It is told with the next one that ends.
    assert_eq!((collects.runs(), world.state("slow").skipped), (3, 0));
    collects.fails(false);
    sleep(2 * SECOND).await;
    let state = world.state("slow");
    assert_eq!((state.skipped, state.success), (1, Some(true)), "{state:?}");
    // From then on it ends in time, at the moments that it always had.
    sleep(5 * SECOND).await;
    assert_eq!(world.state("slow").skipped, 1);
    let began = collects.0.began.lock().unwrap().clone();
    let last = began[began.len() - 1] - began[0];
    assert_eq!(last.as_millis() % 1000, 0, "{last:?}");
    // Nobody else was held up.
    assert_eq!((world.state("other").skipped, others.runs()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn the_first_round_is_waited_for_but_not_for_ever() {
    let mut world = World::new();
    let began = Instant::now();
    world.schedule.first_round(SECOND).await;
    assert!(began.elapsed() <= 2 * A_MOMENT, "there is nobody to wait for");

    let slow = |name, takes| {
        let config =
            CollectorConfig { collection_interval: 60 * SECOND, timeout: 60 * SECOND, ..config(name) };
        let (scheduled, told) = told_as(config);
        told.takes(takes);
        (scheduled, told)
    };
    let (quick, _) = told("quick");
    let (fails, failing) = told("fails");
    failing.fails(true);
    let (slow_one, _) = slow("slow", 3 * SECOND);
    world.schedule.replace(vec![quick.clone(), fails.clone(), slow_one.clone()]).unwrap();
    let began = Instant::now();
    world.schedule.first_round(20 * SECOND).await;
    let took = began.elapsed();
    assert!((3 * SECOND..=3 * SECOND + 2 * A_MOMENT).contains(&took), "{took:?}");
    // Then what they told is in the snapshots.
    for (name, success) in [("quick", true), ("fails", false), ("slow", true)] {
        let shown = world.collector(name);
        assert_eq!((shown.state.success, shown.families.is_empty()), (Some(success), !success), "{name}");
    }
    // One that ran already is not waited for again, and one that takes too long not for ever.
    let (stuck, _) = slow("stuck", 50 * SECOND);
    world.schedule.replace(vec![quick, slow_one, stuck]).unwrap();
    let began = Instant::now();
    world.schedule.first_round(5 * SECOND).await;
    let took = began.elapsed();
    assert!((5 * SECOND..=5 * SECOND + 2 * A_MOMENT).contains(&took), "{took:?}");
    assert_eq!(world.state("stuck").success, None);
    assert_eq!(world.state("slow").success, Some(true));
}

/// The clock of this one goes on: the age of a snapshot is told by the machine's.
#[tokio::test]
async fn after_the_first_round_nobody_is_handed_a_snapshot_without_it() {
    let mut world = World::with_interval(plimsoll_collect::MAX_AGE);
    for n in 0..10 {
        // Of two that end one shortly after the other, the second one's report waits, and a pass may come before it.
        let (first, _) = told("first");
        let (second, of_second) = told("second");
        world.schedule.replace(vec![first, second]).unwrap();
        wait_until_async(SOON, "one has ended", async || of_second.0.ended.load(Ordering::SeqCst) > 0).await;
        world.schedule.first_round(SOON).await;
        let snapshot = world.samples.fresh().await;
        assert_eq!(snapshot.custom.len(), 2);
        for shown in &*snapshot.custom {
            assert_eq!(value(&shown.families, "told_runs_total"), Some(1.0), "{n}: {shown:?}");
        }
        world.schedule.replace(Vec::new()).unwrap();
    }
}

/// Tells of each container, and remembers of which.
#[derive(Clone, Default)]
struct OfEach(Arc<Mutex<Vec<String>>>);

impl ContainerMetricsCollector for OfEach {
    async fn collect_container_metrics(&self, id: &str) -> Collected {
        self.0.lock().unwrap().push(id.to_owned());
        match id {
            "bad" => Err("as told".into()),
            "gone" => Err(CollectorError::NoSuchContainer { id: id.to_owned() }.into()),
            _ => Ok(vec![MetricValue::new("of_each", id.len() as f64).label("a", "b")]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn containers_that_run_are_asked_about() {
    let mut world = World::new();
    let asked = OfEach::default();
    for (id, state) in [
        ("one", State::Running),
        ("three", State::Paused),
        ("ended", State::Exited),
        ("created", State::Created),
        ("bad", State::Running),
        ("gone", State::Running),
    ] {
        world.container(id, state);
    }
    wait_until(SOON, "they are known", || world.samples.latest().containers.len() == 6);
    let collector = Collector::of_container(config("each"), asked.clone()).unwrap();
    let each = Scheduled { type_name: "each".to_owned(), collector: collector.into() };
    world.schedule.replace(vec![each]).unwrap();
    sleep(A_MOMENT).await;
    let mut of = asked.0.lock().unwrap().clone();
    of.sort();
    assert_eq!(of, ["bad", "gone", "one", "three"]);
    let shown = world.collector("each");
    let told = |shown: &CustomCollector| -> Vec<(String, f64)> {
        let mut told: Vec<_> = shown.families.iter().flat_map(|family| &family.samples).collect();
        told.sort_by_key(|sample| sample.container.clone());
        assert!(told.iter().all(|sample| sample.labels == [("a".to_owned(), "b".to_owned())]), "{told:?}");
        told.iter().map(|sample| (sample.container.as_ref().unwrap().to_string(), sample.value)).collect()
    };
    assert_eq!(told(&shown), [("one".to_owned(), 3.0), ("three".to_owned(), 5.0)]);
    assert_eq!(shown.state.success, Some(false), "one of them failed");
    assert_eq!(shown.state.failures, [("error", 1), ("timeout", 0), ("panic", 0)]);
    sleep(2 * SECOND).await;
    assert_eq!(world.state("each").unhealthy_containers, 1);

    // They come and go.
    for id in ["bad", "three"] {
        world.inbox.put(Change::Removed { id: id.to_owned() }).unwrap();
    }
    world.container("seven77", State::Running);
    wait_until(SOON, "it is known", || {
        let snapshot = world.samples.latest();
        let ids: Vec<&str> = snapshot.containers.iter().map(|row| &*row.container.id).collect();
        ids.contains(&"seven77") && !ids.contains(&"bad")
    });
    sleep(SECOND).await;
    let shown = world.collector("each");
    assert_eq!(told(&shown), [("one".to_owned(), 3.0), ("seven77".to_owned(), 7.0)]);
    assert_eq!((shown.state.success, shown.state.unhealthy_containers), (Some(true), 0), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_schedule_ends_them_all() {
    let mut world = World::new();
    let (a, collects) = told("a");
    let (hangs, hanging) = told("hangs");
    hanging.takes(3600 * SECOND);
    world.schedule.replace(vec![a, hangs]).unwrap();
    sleep(2 * SECOND).await;
    let World { schedule, samples, _thread, .. } = world;
    drop(schedule);
    let runs = collects.runs();
    assert!(runs >= 2);
    sleep(60 * SECOND).await;
    assert_eq!((collects.runs(), Arc::strong_count(&collects.0)), (runs, 1), "nobody holds it any more");
    assert_eq!(Arc::strong_count(&hanging.0), 1);
    drop(samples);
}

/// The processes that run in a folder.
fn processes_in(folder: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_here = |number: &i32| {
        std::fs::read_link(format!("/proc/{number}/cwd")).is_ok_and(|found| found.starts_with(folder))
    };
    numbers.filter(is_here).collect()
}

/// A folder for commands. What still runs in it is killed when this is dropped.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap())
    }

    /// A collector that runs this script there.
    fn exec(&self, name: &str, script: &str) -> Scheduled {
        let folder = self.0.path().to_str().unwrap();
        let parameters = [
            ("command".to_owned(), serde_json::json!(["sh", "-c", script])),
            ("directory".to_owned(), folder.into()),
        ];
        let exec = Exec::from_parameters(&parameters.into()).unwrap();
        let config =
            CollectorConfig { collection_interval: 600 * SECOND, timeout: 600 * SECOND, ..config(name) };
        let collector = Collector::of_system(config, exec).unwrap();
        Scheduled { type_name: "exec".to_owned(), collector: collector.into() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for number in processes_in(self.0.path()) {
            // One that has ended meanwhile is what is wanted.
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_raw(number).unwrap(),
                rustix::process::Signal::KILL,
            );
        }
    }
}

/// The clock of this one goes on: commands know no other.
#[tokio::test]
async fn with_the_schedule_ends_what_commands_have_started() {
    let folder = Folder::new();
    let mut world = World::new();
    let here = || processes_in(folder.0.path()).len();
    let hangs = folder.exec("hangs", "sleep 1000 & sleep 1000 & wait");
    let deaf = folder.exec("deaf", "trap '' TERM HUP INT; sleep 1000; sleep 1000");
    let quick = folder.exec("quick", "echo quick 1");
    world.schedule.replace(vec![hangs, deaf.clone(), quick.clone()]).unwrap();
    wait_until_async(SOON, "they run", async || here() == 5).await;
    wait_until_async(SOON, "one has told", async || {
        value(&world.collector("quick").families, "quick") == Some(1.0)
    })
    .await;
    // One is stopped, and takes its own with it alone.
    let done = world.schedule.replace(vec![deaf, quick]).unwrap();
    assert_eq!(done.stopped, ["hangs"]);
    wait_until_async(SOON, "its processes are gone", async || here() == 2).await;
    drop(world);
    wait_until_async(SOON, "nothing is left", async || here() == 0).await;
}
