//! The processor time of one reading of this machine: the numbers of its own, and its file systems. Most of it is the kernel's,
//! which writes the files anew at each reading.
//!
//! `cargo bench -p plimsoll-kernel --bench host`

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use plimsoll_kernel::{FilesystemReader, HostReader, Roots};

use crate::processor_time::ProcessorTime;

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let roots = Roots::default();
    let mut reader = HostReader::open(&roots);
    let mut group = criterion.benchmark_group("the machine");
    let count = reader.read().len();
    group.bench_function(format!("reading, {count} numbers"), |bencher| {
        bencher.iter(|| black_box(reader.read()));
    });
    let filesystems = FilesystemReader::open(&roots);
    let count = filesystems.read(Duration::from_secs(10)).len();
    group.bench_function(format!("file systems, {count} numbers"), |bencher| {
        bencher.iter(|| black_box(filesystems.read(Duration::from_secs(10))));
    });
    group.finish();
    criterion.final_summary();
}
