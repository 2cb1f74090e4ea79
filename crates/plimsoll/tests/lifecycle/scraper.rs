//! Looks at the agent four times a second, for what must hold at any time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::agent::Agent;
use crate::check::Rows;
use crate::exposition::{Exposition, Sample};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(250);

/// How long the row of a removed container may stay.
const ROWS_STAY: Duration = Duration::from_secs(5);

/// Counters that the agent keeps itself, over all runs of a container.
const KEPT: [&str; 4] = [
    "container_restarts_total",
    "container_starts_total",
    "container_exits_total",
    "container_oom_events_total",
];

/// By how much processor time may be ahead of the clock: the two are read one after the other (seconds).
const AHEAD: f64 = 0.1;

/// How much later than the start the engine's event of it may be; the start that is shown becomes exact with the next
/// inspection (seconds).
const EVENTS_LATE: f64 = 1.0;

/// What the test and the scraper tell each other.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// What was found wrong.
    pub(crate) failures: Vec<String>,
    /// When containers were removed.
    pub(crate) removed: HashMap<String, Instant>,
    /// Containers that run all the time: their kernel numbers must never be missing.
    pub(crate) steady: HashSet<String>,
    scrapes: usize,
    longest: Duration,
}

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Scraper {
    board: Arc<Mutex<Board>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scraper {
    pub(crate) fn start(agent: &Arc<Agent>) -> Self {
        let (board, stop) = (Arc::<Mutex<Board>>::default(), Arc::<AtomicBool>::default());
        let (agent, to, stopped) = (Arc::clone(agent), Arc::clone(&board), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut seen = HashMap::new();
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                let exposition = agent.metrics();
                let mut board = to.lock().unwrap();
                board.scrapes += 1;
                board.longest = board.longest.max(began.elapsed());
                look(&exposition, began, &mut seen, &mut board);
                drop(board);
                next += PERIOD;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Self { board, stop, thread: Some(thread) }
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap()
    }

    /// Stops, and says how many looks there were and how long the longest took.
    pub(crate) fn end(&mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("every scrape is answered");
        }
        let board = self.board();
        format!("{} scrapes, the longest {:?}", board.scrapes, board.longest)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What a container showed last.
#[derive(Default)]
struct Seen {
    started: Option<f64>,
    counters: HashMap<String, f64>,
    had_processor: bool,
}

fn look(exposition: &Exposition, began: Instant, all: &mut HashMap<String, Seen>, board: &mut Board) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let rows = Rows::of(exposition);
    for id in rows.ids() {
        if board.removed.get(id).is_some_and(|at| began.saturating_duration_since(*at) > ROWS_STAY) {
            board.failures.push(format!("{id} is shown {ROWS_STAY:?} after it was removed"));
            // Told once.
            board.removed.remove(id);
        }
        let seen = all.entry(id.to_owned()).or_default();
        let started = rows.value(id, "container_start_time_seconds", None);
        let is_same_run = started == seen.started;
        if let (Some(before), Some(now)) = (seen.started, started)
            && now < before - EVENTS_LATE
        {
            board.failures.push(format!("{id}: the start went back from {before} to {now}"));
        }
        seen.started = started;
        let used = rows.value(id, "container_cpu_usage_seconds_total", None);
        if let (Some(used), Some(started)) = (used, started)
            && used > (now - started) * cores + AHEAD
        {
            board
                .failures
                .push(format!("{id} used {used} s of processor time {} s after its start", now - started));
        }
        if seen.had_processor && used.is_none() && board.steady.contains(id) {
            board.failures.push(format!("{id} ran on and had no processor time at {now:.2}"));
        }
        seen.had_processor |= used.is_some();
        if !is_same_run {
            seen.counters.retain(|key, _| KEPT.iter().any(|name| key.starts_with(name)));
        }
    }
    for id in &board.steady {
        if all.get(id).is_some_and(|seen| seen.had_processor) && rows.ids().all(|shown| shown != id) {
            board.failures.push(format!("{id} runs and was not shown at {now:.2}"));
        }
    }
    for sample in exposition.samples.iter().filter(|sample| sample.name.ends_with("_total")) {
        let Some(seen) = all.get_mut(sample.label("id")) else { continue };
        let last = seen.counters.insert(key(sample), sample.value);
        if last.is_some_and(|last| sample.value < last) {
            let id = sample.label("id");
            board.failures.push(format!("{id}: {} fell from {last:?} to {}", key(sample), sample.value));
        }
    }
}

/// A series within a container, whatever that is called.
fn key(sample: &Sample) -> String {
    let labels = sample.labels.iter().filter(|(key, _)| !["name", "id", "image"].contains(&key.as_str()));
    labels.fold(sample.name.clone(), |key, (label, value)| format!("{key},{label}={value}"))
}
