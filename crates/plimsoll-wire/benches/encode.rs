//! The processor time of an exposition of 1,000 containers, in each format, and of 200 as cAdvisor shows them, with their labels
//! on every series. Prints bytes and throughput.
//!
//! `cargo bench -p plimsoll-wire`

mod processor_time;
mod synthetic;

use criterion::{Criterion, Throughput};
use plimsoll_model::container::LabelChoice;
use plimsoll_model::{Naming, Selection, Snapshot};
use plimsoll_wire::prometheus::{Format, encode};
use std::hint::black_box;
use std::sync::Arc;

use crate::processor_time::ProcessorTime;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    measure(&mut criterion, "encode 1,000 containers", &synthetic::snapshot(1_000), &Selection::default());
    let mut snapshot = synthetic::snapshot(200);
    let choice = LabelChoice { all: true, keys: Vec::new() };
    for row in &mut snapshot.containers {
        let container = Arc::make_mut(&mut row.container);
        container.set_labels(container.labels.clone(), &choice);
    }
    let selection = Selection::default().named(Naming::Cadvisor);
    measure(&mut criterion, "encode 200 containers as cAdvisor", &snapshot, &selection);
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion<ProcessorTime>, name: &str, snapshot: &Snapshot, selection: &Selection) {
    let mut group = criterion.benchmark_group(name);
    for (name, format) in [
        ("text", Format::Text),
        ("openmetrics", Format::OpenMetrics { created: false }),
        ("openmetrics with created", Format::OpenMetrics { created: true }),
        ("protobuf", Format::Protobuf),
    ] {
        let mut out = Vec::new();
        encode(format, snapshot, selection, &mut out);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(format!("{name}, {} bytes", out.len()), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode(format, black_box(snapshot), selection, &mut out);
                black_box(&out);
            });
        });
    }
    group.finish();
}
