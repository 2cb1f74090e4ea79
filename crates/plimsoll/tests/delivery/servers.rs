//! The databases, and who kills them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use plimsoll_testkit::databases::compare::{self, Found};
use plimsoll_testkit::databases::{Influx, Prometheus, Victoria};

use crate::random::Random;
use crate::targets::{DATABASE, Database, Target, VIA};

/// One of each.
#[derive(Clone)]
pub(crate) struct Databases {
    influx: Arc<Mutex<Influx>>,
    victoria: Arc<Mutex<Victoria>>,
    prometheus: Arc<Mutex<Prometheus>>,
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A check that failed while it held one has nothing to do with the others.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Databases {
    pub(crate) fn start() -> Self {
        let influx = Influx::start();
        influx.create_database(DATABASE);
        Self {
            influx: Arc::new(Mutex::new(influx)),
            victoria: Arc::new(Mutex::new(Victoria::start())),
            prometheus: Arc::new(Mutex::new(Prometheus::start())),
        }
    }

    /// Where they take writes: InfluxDB and VictoriaMetrics without a path, Prometheus with one.
    pub(crate) fn urls(&self) -> (String, String, String) {
        (lock(&self.influx).url(), lock(&self.victoria).url(), lock(&self.prometheus).write_url())
    }

    /// All that came through a target, by the labels that are not the way's.
    #[track_caller]
    pub(crate) fn found(&self, target: Target) -> Found {
        let found = match target.database {
            Database::Influx => compare::influx(&lock(&self.influx).everything(DATABASE), &[]),
            Database::Victoria => {
                let export = lock(&self.victoria).export(&format!("{{{VIA}=\"{}\"}}", target.name));
                compare::victoria(&export, &[VIA, "db"])
            }
            Database::Prometheus => {
                let all = lock(&self.prometheus).query("{__name__!=\"\"}[3h]", milliseconds());
                compare::prometheus(&all, &[])
            }
        };
        found.unwrap_or_else(|error| panic!("{}: {error}", target.name))
    }

    /// How many series of Prometheus are alive that a selector selects.
    #[track_caller]
    pub(crate) fn alive(&self, selector: &str) -> usize {
        let answer = lock(&self.prometheus).query(selector, milliseconds());
        compare::prometheus(&answer, &[]).unwrap().len()
    }

    /// What Prometheus says that it refused: samples out of order, samples that are too old, and writes with either.
    #[track_caller]
    pub(crate) fn refusals_of_prometheus(&self) -> [f64; 3] {
        let prometheus = lock(&self.prometheus);
        let bad = prometheus.metrics().into_iter().filter(|(series, _)| {
            series.starts_with("prometheus_http_requests_total{")
                && series.contains("code=\"4")
                && series.contains("/api/v1/write")
        });
        [prometheus.out_of_order(), prometheus.too_old(), bad.map(|(_, count)| count).sum()]
    }

    /// Lets one hang for a while: it takes connections and requests, and answers those who still wait.
    fn hang_one(&self, which: usize, gone_for: Duration) {
        match which {
            0 => lock(&self.influx).hang(),
            1 => lock(&self.prometheus).hang(),
            _ => lock(&self.victoria).hang(),
        }
        std::thread::sleep(gone_for);
        match which {
            0 => lock(&self.influx).resume(),
            1 => lock(&self.prometheus).resume(),
            _ => lock(&self.victoria).resume(),
        }
    }

    /// Lets one die and come back after a while.
    fn kill_one(&self, which: usize, gone_for: Duration) {
        match which {
            0 => lock(&self.influx).kill(),
            1 => lock(&self.prometheus).kill(),
            // It acknowledges what it has in memory only, and loses it when it is killed.
            _ => lock(&self.victoria).stop(),
        }
        std::thread::sleep(gone_for);
        match which {
            0 => lock(&self.influx).restart(),
            1 => lock(&self.prometheus).restart(),
            _ => lock(&self.victoria).restart(),
        }
    }
}

/// Now, in Unix milliseconds.
pub(crate) fn milliseconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Kills databases and has them hang, one after the other.
pub(crate) struct Killer {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<[usize; 2]>>,
}

impl Killer {
    pub(crate) fn start(databases: &Databases, mut random: Random) -> Self {
        let (databases, ends) = (databases.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let (mut kills, mut hangs) = (0, 0);
            while !told.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500 + random.next() % 3000));
                let gone_for = Duration::from_millis(random.next() % 3000);
                // Each has its turn, so that no run leaves one out.
                let which = (kills + hangs) % 3;
                if random.below(3) == 0 {
                    databases.hang_one(which, gone_for);
                    hangs += 1;
                } else {
                    databases.kill_one(which, gone_for);
                    kills += 1;
                }
            }
            [kills, hangs]
        });
        Self { ends, thread: Some(thread) }
    }

    /// Leaves all of them alone, and alive. Gives how many times one was killed, and how many times one hung.
    #[track_caller]
    pub(crate) fn end(mut self) -> [usize; 2] {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already; what matters is that nobody starts a database any more.
            let _ = thread.join();
        }
    }
}
