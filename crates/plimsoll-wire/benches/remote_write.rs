//! The processor time of a snapshot of 1,000 containers as points, as points in bodies of remote write, and compressed. The
//! throughput is in samples.
//!
//! `cargo bench -p plimsoll-wire --bench remote_write`

mod processor_time;
mod synthetic;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_model::Selection;
use plimsoll_wire::point::{Point, Tally};
use plimsoll_wire::remote_write::{Encoder, Version, compress, retain, v2_to_v1};
use plimsoll_wire::schema::prometheus::Prometheus;

use crate::processor_time::ProcessorTime;

/// As many samples as a batch has at most.
const BATCH: u64 = 10_000;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let snapshot = synthetic::snapshot(1_000);
    let (mut schema, selection) = (Prometheus::default(), Selection::default());
    let mut each = |out: &mut dyn FnMut(&mut Point)| schema.points(&snapshot, &selection, &|_| true, out);
    let mut samples = 0;
    each(&mut |_| samples += 1);

    let mut group = criterion.benchmark_group("remote write of 1,000 containers");
    group.throughput(Throughput::Elements(samples));
    group.bench_function("points alone", |bencher| {
        bencher.iter(|| {
            each(&mut |point| {
                black_box(point);
            });
        });
    });
    let mut batches = Vec::new();
    for version in [Version::V1, Version::V2] {
        let mut encoder = Encoder::new(version);
        group.bench_function(format!("points and bodies, {version:?}"), |bencher| {
            bencher.iter(|| {
                batches.clear();
                let mut tally = Tally::default();
                each(&mut |point| {
                    encoder.push(point, &mut tally);
                    if tally.accepted.is_multiple_of(BATCH) {
                        batches.push(encoder.take());
                    }
                });
                batches.push(encoder.take());
                black_box(&batches);
            });
        });
        let bytes: usize = batches.iter().map(Vec::len).sum();
        group.bench_function(format!("snappy, {version:?}, {bytes} bytes"), |bencher| {
            bencher.iter(|| {
                batches.iter().map(|body| compress(black_box(body)).map_or(0, |b| b.len())).sum::<usize>()
            });
        });
        group.bench_function(format!("every other sample, {version:?}"), |bencher| {
            bencher.iter(|| {
                for body in &batches {
                    let _ = black_box(retain(version, body, &mut |index, _| index % 2 == 0));
                }
            });
        });
    }
    group.bench_function("2.0 to 1.0", |bencher| {
        bencher.iter(|| {
            for body in &batches {
                let _ = black_box(v2_to_v1(body));
            }
        });
    });
    group.finish();
    criterion.final_summary();
}
