//! The processor time of a snapshot of 1,000 containers as points under OpenTelemetry's names, and as points in bodies of OTLP.
//! The throughput is in data points.
//!
//! `cargo bench -p plimsoll-wire --bench otlp`

mod processor_time;
mod synthetic;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_model::Selection;
use plimsoll_wire::otlp::{Encoder, retain};
use plimsoll_wire::point::{Point, Tally};
use plimsoll_wire::schema::semconv::Semconv;

use crate::processor_time::ProcessorTime;

/// As many data points as a batch has at most.
const BATCH: u64 = 10_000;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let snapshot = synthetic::snapshot(1_000);
    let (mut schema, selection) = (Semconv::default(), Selection::default());
    let mut each = |out: &mut dyn FnMut(&mut Point)| schema.points(&snapshot, &selection, &|_| true, out);
    let mut points = 0;
    each(&mut |_| points += 1);

    let mut group = criterion.benchmark_group("otlp of 1,000 containers");
    group.throughput(Throughput::Elements(points));
    group.bench_function("points alone", |bencher| {
        bencher.iter(|| {
            each(&mut |point| {
                black_box(point);
            });
        });
    });
    let mut encoder = Encoder::new(vec![("service.name".to_owned(), "plimsoll".to_owned())]);
    let mut batches = Vec::new();
    group.bench_function("points and bodies", |bencher| {
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
    group.bench_function(format!("every other data point of {bytes} bytes"), |bencher| {
        bencher.iter(|| {
            for body in &batches {
                let _ = black_box(retain(body, &mut |index, _| index % 2 == 0));
            }
        });
    });
    group.finish();
    criterion.final_summary();
}
