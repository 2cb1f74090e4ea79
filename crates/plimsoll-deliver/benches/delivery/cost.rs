//! Processor time, and what one core takes to a target.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::{iter, unfold};
use plimsoll_deliver::config::Durability;
use plimsoll_deliver::{Intake, Target, Transport};
use plimsoll_testkit::sink::Sink;
use tokio::sync::mpsc;

use crate::load::{INTERVAL, Load, common, runtime, target};
use crate::{processor_time, row};

const DRAIN: Duration = Duration::from_secs(120);
/// A moment of 2026.
const BEGIN: u64 = 1_795_223_743_003_874_862;

fn sink() -> Sink {
    let sink = Sink::start();
    sink.forget_bodies();
    sink
}

/// Points of the default schema, given as such, to an HTTP target with gzip.
pub(crate) fn http() {
    const BATCHES: usize = 100;
    let mut runs = Vec::new();
    for _ in 0..5 {
        let sink = sink();
        let points = Load::new(100, BEGIN).points(BATCHES);
        let config = target("http", &sink.url(), Durability::None);
        let transport = Transport::new(&config, || Box::new(std::io::sink())).unwrap();
        let target = Target::new(config, &common(), None, Duration::from_secs(10), transport).unwrap();
        let (began, before) = (Instant::now(), processor_time());
        let figures = runtime().block_on(target.run(iter(points), mpsc::channel(1).1, DRAIN));
        let (wall, cpu) = (began.elapsed(), processor_time() - before);
        assert_eq!(figures.account.delivered(), BATCHES as u64 * 1000);
        runs.push((cpu, wall, figures.batches));
    }
    runs.sort_by_key(|run| run.0);
    let rate = |time: Duration| BATCHES as f64 * 1000.0 / time.as_secs_f64();
    let wall = runs.iter().map(|run| run.1).min().unwrap_or_default();
    let (cpu, _, batches) = &runs[0];
    row(
        "points to an HTTP sink with gzip, on one core",
        &format!(
            "{:.0}/s of processor time, {:.0}/s on the wall, the best of 5 runs ({} bytes a line, {:.1} to 1)",
            rate(*cpu),
            rate(wall),
            batches.raw_bytes / (BATCHES as u64 * 1000),
            batches.raw_bytes as f64 / batches.bytes as f64,
        ),
        "≥ 250,000/s",
        rate(*cpu) >= 250_000.0,
    );
}

/// What delivery adds to the agent: all stages, from snapshots, with gzip and the spool of the default durability. Neighbours on
/// the machine only ever add to processor time, so the least of a few runs is what it takes.
pub(crate) fn per_point() {
    for (durability, name) in
        [(Durability::Interval, "with the spool"), (Durability::None, "without a spool")]
    {
        let mut runs: Vec<Run> = (0..5).map(|_| run(durability)).collect();
        runs.sort_by(|a, b| a.micros.total_cmp(&b.micros));
        let (best, worst) = (&runs[0], &runs[runs.len() - 1]);
        row(
            &format!("processor time of a point, gzip, one target, {name}"),
            &format!("{:.2} µs, {:.2} µs in the worst of 5 runs ({})", best.micros, worst.micros, best.what),
            if durability == Durability::Interval { "≤ 4 µs" } else { "" },
            best.micros <= 4.0,
        );
    }
}

struct Run {
    micros: f64,
    what: String,
}

fn run(durability: Durability) -> Run {
    const TICKS: usize = 100;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sink = sink();
    let mut load = Load::new(100, BEGIN - TICKS as u64 * INTERVAL);
    let ticks: Vec<Intake> = (0..TICKS).map(|_| Intake::Tick(load.tick())).collect();
    let mut config = target("cost", &sink.url(), durability);
    // Time passes faster than it should, and a batch that waits for the next tick is not what is measured.
    config.max_wait = Duration::from_millis(5);
    let transport = Transport::new(&config, || Box::new(std::io::sink())).unwrap();
    let target =
        Target::new(config, &common(), Some(folder.path()), Duration::from_secs(10), transport).unwrap();
    let before = processor_time();
    let figures = runtime().block_on(async {
        // As in life, a tick is delivered before the next one comes.
        let slowly = unfold(ticks.into_iter(), |mut ticks| async {
            tokio::time::sleep(Duration::from_millis(25)).await;
            ticks.next().map(|tick| (tick, ticks))
        });
        target.run(slowly.boxed(), mpsc::channel(1).1, DRAIN).await
    });
    let cpu = processor_time() - before;
    let delivered = figures.account.delivered();
    assert_eq!((figures.account.queued(), figures.account.dropped()), (0, 0));
    let each = |nanos: f64| nanos / delivered as f64 / 1000.0;
    Run {
        micros: each(cpu.as_nanos() as f64),
        what: format!(
            "{:.2} µs of it up to the closed batch; {} points a tick, {} bytes a line",
            each(figures.batches.encoding as f64),
            delivered as usize / TICKS,
            figures.batches.raw_bytes / delivered,
        ),
    }
}
