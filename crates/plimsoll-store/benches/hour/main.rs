//! What an hour of fifty real containers costs in the history.
//!
//! ```text
//! cargo bench -p plimsoll-store --bench hour -- record FILE [MINUTES]
//! cargo bench -p plimsoll-store --bench hour -- replay FILE [HISTORY]
//! ```
//!
//! `record` starts the containers (idle, busy, bursty, writing, talking), samples them once a second from the kernel,
//! an hour unless told otherwise, and writes the snapshots down. `replay` appends them to a new history as fast as it
//! takes them, and prints what it costs, in bytes and in time; the history stays if it is named. Needs root and Docker.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a program for people")]

mod fleet;
mod recording;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_collect::{Filter, Inbox, Naming, Options, Sampler, SamplerThread, Watcher};
use plimsoll_engine::{Client, Endpoint};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_store::{History, Selector, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["record", path] => record(Path::new(path), 60),
        ["record", path, minutes] => record(Path::new(path), minutes.parse()?),
        ["replay", path] => {
            let folder = tempfile::tempdir()?;
            replay(Path::new(path), &folder.path().join("history.db"))
        }
        ["replay", path, history] => replay(Path::new(path), Path::new(history)),
        // As `cargo test --benches` and a plain `cargo bench` run it: there is nothing to replay.
        _ => {
            println!("record FILE [MINUTES], or replay FILE");
            Ok(())
        }
    }
}

fn record(path: &Path, minutes: u64) -> Result<(), Box<dyn Error>> {
    let fleet = fleet::Fleet::start()?;
    let filter = Filter::default().include_names(&[fleet.pattern()])?;
    let options = Options { filter, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let inbox = Arc::new(Inbox::default());
        let kernel = Kernel::probe(Roots::default(), &options.selection);
        let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox));
        let (thread, mut samples) = SamplerThread::start(sampler, Duration::from_secs(1))?;
        let engine = Client::new("unix:///var/run/docker.sock".parse::<Endpoint>()?);
        let watcher = tokio::spawn(Watcher::new(engine, Naming::default(), options, inbox).run());
        samples.ready().await;
        let mut out = recording::Writer::create(path)?;
        let until = Instant::now() + Duration::from_secs(minutes * 60);
        let mut written = 0;
        while Instant::now() < until {
            let tick = tokio::select! {
                tick = samples.tick() => tick,
                _ = tokio::signal::ctrl_c() => break,
            };
            out.write(&tick)?;
            written += 1;
        }
        out.finish()?;
        println!("{written} snapshots in {}", path.display());
        watcher.abort();
        thread.stop();
        Ok(())
    })
}

/// How many samples are appended before what the store has is written: as many as an agent takes in that time.
const FLUSH_EVERY: u64 = 8;

fn replay(path: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open(plimsoll_store::Options::new(file.to_owned()))?;
    let mut recording = recording::Reader::open(path)?;
    let (mut ticks, mut rows, mut appending) = (0, 0, Duration::ZERO);
    let (mut first, mut last) = (None, 0);
    let began = processor_time();
    while let Some(snapshot) = recording.next()? {
        let start = Instant::now();
        store.append(&snapshot);
        appending += start.elapsed();
        ticks += 1;
        rows += snapshot.containers.len() as u64;
        first = first.or(Some(snapshot.at));
        last = snapshot.at;
        if ticks % FLUSH_EVERY == 0 {
            store.flush();
        }
    }
    store.flush();
    let beside = store.figures();
    let open = std::fs::metadata(file)?.len();
    let reading = processor_time() - began;
    store.close();
    let spent = processor_time() - began;
    let closed = std::fs::metadata(file)?.len();
    let history = History::open(file)?;
    let summary = history.summary()?;
    let span = Duration::from_nanos(last.saturating_sub(first.unwrap_or(last)));
    println!("{ticks} samples over {span:.0?}, {rows} rows of containers, {} values", beside.values);
    let per_value = |bytes: u64| bytes as f64 / beside.values as f64;
    println!(
        "bytes a value: {:.3} of the file ({closed} bytes), all tiers, names and indexes included",
        per_value(closed)
    );
    println!("  while it was open, with journal and free pages: {:.3} ({open} bytes)", per_value(open));
    for tier in &summary.tiers {
        println!(
            "  {}: {} blocks, {} bytes, {} values, {:.3} bytes a value of samples",
            tier.tier.name(),
            tier.blocks,
            tier.bytes,
            tier.values,
            per_value(tier.bytes)
        );
    }
    let written = beside.block_bytes + beside.rollup_bytes + beside.journal_bytes;
    println!(
        "written: {written} bytes (blocks {}, coarser tiers {}, journal {}), {:.1} times the blocks of samples",
        beside.block_bytes,
        beside.rollup_bytes,
        beside.journal_bytes,
        written as f64 / beside.block_bytes as f64
    );
    println!(
        "time a row: {:.2} us appending; {:.2} us of processor in all, with reading the recording, {:.2} before closing",
        appending.as_secs_f64() * 1e6 / rows as f64,
        spent.as_secs_f64() * 1e6 / rows as f64,
        reading.as_secs_f64() * 1e6 / rows as f64,
    );
    println!("\nmetrics, the dearest first (share of the stored bytes, values, bytes a value):");
    let costs = history.costs(&Selector::default())?;
    for cost in costs.iter().take(40) {
        println!(
            "  {:60} {:10} {:12} {:.3}",
            cost.metric,
            cost.bytes,
            cost.values,
            cost.bytes as f64 / cost.values as f64
        );
    }
    Ok(())
}

/// Processor time of this process.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
