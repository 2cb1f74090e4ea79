//! The processor time of a compressed exposition of 1,000 containers, and what each level of gzip is worth.
//!
//! `cargo bench -p plimsoll-web`

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;
#[path = "../../plimsoll-wire/benches/synthetic/mod.rs"]
mod synthetic;

use std::hint::black_box;
use std::io::Write;

use criterion::{Criterion, Throughput};
use flate2::Compression;
use flate2::write::GzEncoder;
use plimsoll_model::Selection;
use plimsoll_web::exposition::{LEVEL, gzip};
use plimsoll_wire::prometheus::{Format, encode};

use crate::processor_time::ProcessorTime;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let snapshot = synthetic::snapshot(1_000);
    let selection = Selection::default();
    let mut text = Vec::new();
    encode(Format::Text, &snapshot, &selection, &mut text);
    let mut group = criterion.benchmark_group("1,000 containers");
    group.sample_size(20).throughput(Throughput::Bytes(text.len() as u64));
    for level in 1..=3 {
        let compress = |out| {
            let mut encoder = GzEncoder::new(out, Compression::new(level));
            encoder.write_all(&text).expect("a vector takes every byte");
            encoder.finish().expect("a vector takes every byte")
        };
        let mut out = compress(Vec::new());
        group.bench_function(format!("gzip -{level}, {} to {} bytes", text.len(), out.len()), |bencher| {
            bencher.iter(|| {
                out.clear();
                out = compress(std::mem::take(&mut out));
            });
        });
    }
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    group.bench_function(format!("text and gzip -{LEVEL}"), |bencher| {
        bencher.iter(|| {
            plain.clear();
            packed.clear();
            encode(Format::Text, black_box(&snapshot), &selection, &mut plain);
            packed = gzip(&plain, std::mem::take(&mut packed));
            black_box(&packed);
        });
    });
    group.finish();
    criterion.final_summary();
}
