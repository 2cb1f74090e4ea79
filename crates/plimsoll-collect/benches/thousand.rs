//! A thousand collectors of somebody's own, once a second: a tenth hangs, a tenth panics, the others work. Are ticks on
//! time, and those that work, and how much memory is it?
//!
//! `cargo bench -p plimsoll-collect --bench thousand [-- SECONDS]`, by default 30.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints what it measured"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plimsoll_collect::metrics::{
    Collected, Collector, CollectorConfig, MetricValue, Schedule, Scheduled, SystemMetricsCollector,
};
use plimsoll_collect::{Inbox, Options, Sampler, SamplerThread};
use plimsoll_kernel::{Kernel, OwnProcess, Roots};

const COLLECTORS: usize = 1000;
const INTERVAL: Duration = Duration::from_secs(1);

/// Remembers how late each of its runs was.
struct Healthy {
    began: Mutex<Option<Instant>>,
    late: Arc<Mutex<Vec<Duration>>>,
}

impl SystemMetricsCollector for Healthy {
    async fn collect_system_metrics(&self) -> Collected {
        let now = Instant::now();
        let mut began = self.began.lock().unwrap();
        let first = *began.get_or_insert(now);
        let since = now - first;
        // The first run makes the grid; how far from it the others are is how late they are.
        let late = Duration::from_nanos((since.as_nanos() % INTERVAL.as_nanos()) as u64);
        self.late.lock().unwrap().push(late.min(INTERVAL - late));
        Ok((0..5)
            .map(|n| MetricValue::new("healthy_value", f64::from(n)).label("n", n.to_string()))
            .collect())
    }
}

struct Hanging;

impl SystemMetricsCollector for Hanging {
    async fn collect_system_metrics(&self) -> Collected {
        std::future::pending().await
    }
}

struct Panicking;

impl SystemMetricsCollector for Panicking {
    async fn collect_system_metrics(&self) -> Collected {
        panic!("as told")
    }
}

fn main() {
    let seconds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(30);
    std::panic::set_hook(Box::new(|_| {}));
    // As the agent has it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options::default();
        let inbox = Arc::<Inbox>::default();
        let kernel = Kernel::probe(Roots::default(), &options.selection);
        let sampler = Sampler::new(kernel, options, Arc::clone(&inbox));
        let (_thread, samples) = SamplerThread::start(sampler, INTERVAL).unwrap();
        let mut schedule = Schedule::new(samples.clone(), inbox);
        let late = Arc::<Mutex<Vec<Duration>>>::default();
        let collectors = (0..COLLECTORS).map(|n| {
            let config = CollectorConfig {
                collection_interval: INTERVAL,
                timeout: INTERVAL / 2,
                retry_delay: INTERVAL / 4,
                ..CollectorConfig::new(format!("collector-{n}"))
            };
            let collector = match n % 10 {
                0 => Collector::of_system(config, Hanging),
                1 => Collector::of_system(config, Panicking),
                _ => {
                    Collector::of_system(config, Healthy { began: Mutex::default(), late: Arc::clone(&late) })
                }
            };
            Scheduled { type_name: "bench".to_owned(), collector: Arc::new(collector.unwrap()) }
        });
        schedule.replace(collectors.collect()).unwrap();
        let before = processor_time();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let spent = processor_time() - before;
        let snapshot = samples.fresh().await;
        let mut late = late.lock().unwrap().clone();
        late.sort_unstable();
        let at = |percent: usize| late[(late.len() - 1) * percent / 100];
        let told = snapshot.custom.iter().filter(|collector| !collector.families.is_empty()).count();
        let unhealthy = snapshot.custom.iter().filter(|collector| !collector.state.healthy).count();
        let resident = OwnProcess::open().usage().resident.unwrap_or(0);
        let expected = seconds * (COLLECTORS as u64 * 8 / 10);
        println!(
            "{COLLECTORS} collectors for {seconds} s: {} healthy runs of about {expected}, off their second by {:.1?} (median), {:.1?} \
             (99 %), {:.1?} at most; {told} tell values, {unhealthy} are unhealthy; ticks {}, missed {}; processor {:.1} ms a \
             second; resident {:.1} MiB",
            late.len(),
            at(50),
            at(99),
            at(100),
            snapshot.agent.ticks,
            snapshot.agent.ticks_missed,
            spent.as_secs_f64() * 1e3 / seconds as f64,
            resident as f64 / f64::from(1 << 20),
        );
    });
    runtime.shutdown_background();
}

fn processor_time() -> Duration {
    Duration::from_nanos(OwnProcess::open().usage().cpu.unwrap_or(0))
}
