//! What history costs: taking a snapshot of 200 containers in, and that with everything that follows from it.
//!
//! `cargo bench -p plimsoll-store --bench append`
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

#[path = "../tests/common/fleet.rs"]
mod fleet;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use fleet::Fleet;
use plimsoll_store::{Options, Store};
use rustix::time::{ClockId, clock_gettime};

const CONTAINERS: u64 = 200;
const START: i64 = 1_763_700_000_000 / 3_600_000 * 3_600_000;

/// How many seconds of samples are taken in to see all that follows.
const SECONDS: i64 = 3600;

/// So many samples are between two flushes.
const FLUSH_EVERY: i64 = 8;

fn options(folder: &std::path::Path) -> Options {
    Options { flush_every: Duration::from_secs(3600), ..Options::new(folder.join("history.db")) }
}

fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut fleet = Fleet::new(CONTAINERS as usize, 1);
    let mut at = START;
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(CONTAINERS));
    group.bench_function("200 containers", |bencher| {
        bencher.iter_custom(|count| {
            let mut took = Duration::ZERO;
            for _ in 0..count {
                at += 1000;
                let snapshot = fleet.at(at);
                let started = Instant::now();
                store.append(snapshot);
                took += started.elapsed();
                if at % (FLUSH_EVERY * 1000) == 0 {
                    store.flush();
                }
            }
            took
        });
    });
    group.finish();
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A number of `/proc/self/io`.
fn io(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().parse().unwrap()
}

/// An hour of samples with all that follows: sealing, rolling up, the journal, flushing.
fn everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::new(CONTAINERS as usize, 1);
    let started = processor_time();
    for second in 0..SECONDS {
        fleet.at(START + second * 1000);
    }
    let making = processor_time() - started;
    let mut fleet = Fleet::new(CONTAINERS as usize, 1);
    let store = Store::open(options(folder.path())).unwrap();
    let (started, written, to_disk) = (processor_time(), io("wchar"), io("write_bytes"));
    let mut appending = Duration::ZERO;
    for second in 0..SECONDS {
        let snapshot = fleet.at(START + second * 1000);
        let before = Instant::now();
        store.append(snapshot);
        appending += before.elapsed();
        if second % FLUSH_EVERY == 0 {
            store.flush();
        }
    }
    let took = processor_time() - started;
    let samples = (SECONDS as u64 * CONTAINERS) as f64;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / samples;
    let figures = store.figures();
    println!("an hour of {CONTAINERS} containers, {:.0} values each:", figures.values as f64 / samples);
    println!("  append               {:.2} us a container and sample", each(appending));
    println!(
        "  everything           {:.2} us a container and sample (processor time)",
        each(took.saturating_sub(making))
    );
    println!(
        "  flush                {:.1} ms on average",
        figures.flush_total.as_secs_f64() * 1e3 / figures.flushes as f64
    );
    println!(
        "  written              {:.0} KiB/s (on disk {:.0})",
        (io("wchar") - written) as f64 / 1024.0 / SECONDS as f64,
        (io("write_bytes") - to_disk) as f64 / 1024.0 / SECONDS as f64
    );
    println!(
        "  of that              {:.1} KiB/s of samples' blocks, {:.1} of coarser tiers', {:.1} of the journal",
        figures.block_bytes as f64 / 1024.0 / SECONDS as f64,
        figures.rollup_bytes as f64 / 1024.0 / SECONDS as f64,
        figures.journal_bytes as f64 / 1024.0 / SECONDS as f64
    );
    store.close();
    let size = std::fs::metadata(folder.path().join("history.db")).unwrap().len();
    println!(
        "  file                 {:.1} MiB, {:.3} bytes a value, all tiers and indexes",
        size as f64 / 1048576.0,
        size as f64 / figures.values as f64
    );
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    append(&mut criterion);
    everything();
    criterion.final_summary();
}
