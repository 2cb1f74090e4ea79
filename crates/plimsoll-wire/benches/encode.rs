//! The processor time of an exposition of 1,000 containers, in each format. Prints bytes and throughput.
//!
//! `cargo bench -p plimsoll-wire`

mod processor_time;
mod synthetic;

use criterion::{Criterion, Throughput};
use plimsoll_model::Selection;
use plimsoll_wire::prometheus::{Format, encode};
use std::hint::black_box;

use crate::processor_time::ProcessorTime;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let snapshot = synthetic::snapshot(1_000);
    let selection = Selection::default();
    let mut group = criterion.benchmark_group("encode 1,000 containers");
    for (name, format) in [
        ("text", Format::Text),
        ("openmetrics", Format::OpenMetrics { created: false }),
        ("openmetrics with created", Format::OpenMetrics { created: true }),
        ("protobuf", Format::Protobuf),
    ] {
        let mut out = Vec::new();
        encode(format, &snapshot, &selection, &mut out);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(format!("{name}, {} bytes", out.len()), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode(format, black_box(&snapshot), &selection, &mut out);
                black_box(&out);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
