//! A target that is away for a day, and comes back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::stream::poll_fn;
use plimsoll_deliver::config::{Durability, TargetConfig};
use plimsoll_deliver::courier::Outgoing;
use plimsoll_deliver::http::HttpTransport;
use plimsoll_deliver::{Command, Figures, Intake, Target, Transport};
use plimsoll_testkit::sink::Sink;
use plimsoll_testkit::wait_until;
use tokio::sync::{mpsc, oneshot};

use crate::load::{INTERVAL, Load, common, runtime, target};
use crate::{processor_time, resident, row};

const CONTAINERS: usize = 100;
const MIB: u64 = 1 << 20;
const LONG: Duration = Duration::from_secs(600);

/// How late points were acknowledged that were taken while the backlog drained.
#[derive(Default)]
struct Lags {
    since: AtomicI64,
    found: Mutex<Vec<Duration>>,
}

impl Lags {
    fn note(&self, last: i64) {
        if last >= self.since.load(Ordering::Relaxed) {
            let lag = u64::try_from(wall() - last).unwrap_or(0);
            self.found.lock().unwrap().push(Duration::from_nanos(lag));
        }
    }
}

/// What the day was like.
struct Day {
    figures: Figures,
    memory: (u64, u64),
    worst_memory: u64,
    drained: Duration,
}

/// A day of all that the default schema has, or of these measurements.
pub(crate) fn a_day(ticks: u64, families: &[&str]) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut sink = Sink::start();
    sink.forget_bodies();
    sink.stop();
    let mut config = target("outage", &sink.url(), Durability::Interval);
    config.fresh_lane = true;
    // What comes in while the backlog drains is to be delivered within two seconds.
    config.max_wait = Duration::from_secs(1);
    config.choice.families = families.iter().map(|name| (*name).to_owned()).collect();
    let lags = Arc::new(Lags { since: AtomicI64::new(i64::MAX), ..Lags::default() });
    let transport = noting(&config, &lags);
    let target =
        Target::new(config, &common(), Some(folder.path()), Duration::from_secs(10), transport).unwrap();
    let figures = target.figures();
    let (intake, mut taken) = mpsc::channel(4);
    let (commands, obeyed) = mpsc::channel(4);
    let driver = {
        let lags = Arc::clone(&lags);
        // The sink has to live until the last batch is delivered.
        std::thread::spawn(move || (drive(ticks, &mut sink, &intake, &commands, &figures, &lags), sink))
    };
    let before = processor_time();
    let last = runtime().block_on(target.run(poll_fn(|context| taken.poll_recv(context)), obeyed, LONG));
    let cpu = processor_time() - before;
    let (day, _sink) = driver.join().unwrap();
    report(ticks, families, &day, &last, cpu, &lags.found.lock().unwrap());
}

/// The usual way to a target, which notes what was acknowledged when.
fn noting(config: &TargetConfig, lags: &Arc<Lags>) -> Transport {
    let http = Arc::new(HttpTransport::new(config).unwrap());
    let lags = Arc::clone(lags);
    Transport::Custom(Box::new(move |outgoing: &Outgoing| {
        let (http, lags, outgoing) = (Arc::clone(&http), Arc::clone(&lags), outgoing.clone());
        async move {
            let answer = http.send(&outgoing).await;
            if answer.is_ok() {
                lags.note(outgoing.last);
            }
            answer
        }
        .boxed()
    }))
}

fn wall() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Lets the day pass, and then the target come back.
fn drive(
    ticks: u64,
    sink: &mut Sink,
    intake: &mpsc::Sender<Intake>,
    commands: &mpsc::Sender<Command>,
    figures: &Mutex<Figures>,
    lags: &Lags,
) -> Day {
    let now = || figures.lock().unwrap().clone();
    let begin = wall().cast_unsigned() - ticks * INTERVAL;
    let mut load = Load::new(CONTAINERS, begin);
    let (mut first, mut worst) = (0, 0);
    for tick in 0..ticks {
        intake.blocking_send(Intake::Tick(load.tick())).unwrap();
        if tick == ticks / 20 {
            first = resident();
        }
        if tick > ticks / 20 && tick % 50 == 0 {
            worst = resident().max(worst);
        }
    }
    wait_until(LONG, "the last tick to be taken", || intake.capacity() == intake.max_capacity());
    std::thread::sleep(Duration::from_secs(2));
    let memory = (first, resident());
    let outage = now();

    lags.since.store(wall(), Ordering::Relaxed);
    sink.restart();
    let (answer, _answered) = oneshot::channel();
    commands.blocking_send(Command::Flush(answer)).unwrap();
    let began = Instant::now();
    let mut next = Instant::now();
    let is_drained = |figures: &Figures| figures.oldest_age.is_none_or(|age| age < 5_000_000_000);
    while !is_drained(&now()) && began.elapsed() < LONG {
        if next <= Instant::now() {
            next += Duration::from_secs(1);
            load.set_time(wall().cast_unsigned() - INTERVAL);
            intake.blocking_send(Intake::Tick(load.tick())).unwrap();
        }
        worst = resident().max(worst);
        std::thread::sleep(Duration::from_millis(20));
    }
    Day { figures: outage, memory, worst_memory: worst, drained: began.elapsed() }
}

fn report(ticks: u64, families: &[&str], day: &Day, last: &Figures, cpu: Duration, lags: &[Duration]) {
    let hours = ticks * INTERVAL / 3_600_000_000_000;
    let what = if families.is_empty() { "the default schema".to_owned() } else { families.join(", ") };
    let account = &day.figures.account;
    let lost = account.dropped() + account.rejected();
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    row(
        &format!("an outage of {hours} h, {CONTAINERS} containers every 10 s, {what}"),
        &format!(
            "{} points of {}: {lost} lost; {:.0} MiB on disk, {:.1} bytes a point, {:.1} to 1",
            account.queued(),
            account.collected(),
            mib(day.figures.spool_bytes),
            day.figures.batches.bytes as f64 / day.figures.batches.points as f64,
            day.figures.batches.raw_bytes as f64 / day.figures.batches.bytes as f64,
        ),
        "0 lost in 256 MiB",
        lost == 0 && day.figures.spool_bytes <= 256 * MIB,
    );
    let grown = day.memory.1.saturating_sub(day.memory.0);
    row(
        "memory of the process while the backlog grew",
        &format!(
            "{:.1} MiB after a twentieth, {:.1} MiB at the end, {:.1} MiB at most",
            mib(day.memory.0),
            mib(day.memory.1),
            mib(day.worst_memory)
        ),
        "flat (+ 8 MiB)",
        grown <= 8 * MIB,
    );
    let worst = lags.iter().max().copied().unwrap_or(Duration::MAX);
    row(
        "draining that backlog, with the fresh lane",
        &format!(
            "{:.1} s; what came in meanwhile was acknowledged within {:.2} s ({} batches)",
            day.drained.as_secs_f64(),
            worst.as_secs_f64(),
            lags.len()
        ),
        "≤ 60 s, ≤ 2 s",
        day.drained <= Duration::from_secs(60) && worst <= Duration::from_secs(2),
    );
    let all = &last.account;
    assert_eq!(all.collected(), all.delivered() + all.rejected() + all.dropped() + all.queued());
    assert_eq!((all.queued(), all.rejected()), (0, 0), "all came to an end");
    row(
        "the whole day and its end: processor time of a point",
        &format!("{:.2} µs", cpu.as_nanos() as f64 / all.collected() as f64 / 1000.0),
        "",
        true,
    );
}
