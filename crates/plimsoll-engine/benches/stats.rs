//! The processor time of reading one sample from the engine's API, captured ones of both cgroups.
//!
//! `cargo bench -p plimsoll-engine --bench stats`

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_engine::Stats;

use crate::processor_time::ProcessorTime;

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../../../fixtures/", $path))
    };
}

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let longest = fixture!("kernel/hybrid-docker-20.10.stats.jsonl").lines().max_by_key(|line| line.len());
    let mut group = criterion.benchmark_group("stats");
    for (name, sample) in [
        ("v2, API 1.56", fixture!("engine/docker-api-1.56/stats-v2-two.json")),
        ("v1, API 1.56", fixture!("engine/docker-api-1.56/stats.json")),
        ("v1 with block I/O and network, API 1.41", longest.expect("a line")),
    ] {
        group.throughput(Throughput::Bytes(sample.len() as u64));
        group.bench_function(format!("{name}, {} bytes", sample.len()), |bencher| {
            bencher.iter(|| black_box(Stats::parse(black_box(sample.as_bytes()))));
        });
    }
    group.finish();
    criterion.final_summary();
}
