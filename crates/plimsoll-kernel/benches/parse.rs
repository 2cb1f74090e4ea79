//! The processor time of each parser, on what real kernels said (`fixtures/kernel`). Of several captured files
//! the longest is taken.
//!
//! `cargo bench -p plimsoll-kernel --bench parse`
#![allow(clippy::panic, reason = "without the captured files there is nothing to measure")]

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput};
use plimsoll_kernel::parse::pressure::Resource;
use plimsoll_kernel::parse::{Numbers, block, cpu, lines, memory, net, pressure, proc, single};
use plimsoll_testkit::tree;
use tempfile::TempDir;

use crate::processor_time::ProcessorTime;

/// A file of the captured trees, and what is done with it.
struct Case {
    layout: Layout,
    /// The file lies somewhere below this folder of the tree.
    folder: &'static str,
    /// The end of its path.
    file: &'static str,
    parse: fn(&[u8], &mut Numbers),
}

#[derive(Clone, Copy)]
enum Layout {
    Hybrid,
    V2,
}

use Layout::{Hybrid, V2};

const fn case(
    layout: Layout,
    folder: &'static str,
    file: &'static str,
    parse: fn(&[u8], &mut Numbers),
) -> Case {
    Case { layout, folder, file, parse }
}

#[rustfmt::skip]
static CASES: &[Case] = &[
    case(Hybrid, "cgroup/memory", "memory.usage_in_bytes", |b, _| { black_box(single(b)); }),
    case(Hybrid, "cgroup/memory", "memory.stat", memory::v1_stat),
    case(Hybrid, "cgroup/memory", "memory.oom_control", memory::v1_oom_control),
    case(Hybrid, "cgroup/cpuacct", "cpuacct.stat", |b, out| cpu::v1_acct_stat(b, 100, out)),
    case(Hybrid, "cgroup/cpu", "cpu.stat", cpu::v1_stat),
    case(Hybrid, "cgroup/blkio", "blkio.throttle.io_service_bytes_recursive", |b, _| block::v1(b, |_, _, _, value| { black_box(value); })),
    case(Hybrid, "cgroup/unified", "cpu.pressure", |b, out| pressure::pressure(b, Resource::Cpu, out)),
    case(Hybrid, "cgroup/unified", "memory.pressure", |b, out| pressure::pressure(b, Resource::Memory, out)),
    case(Hybrid, "cgroup/unified", "io.pressure", |b, out| pressure::pressure(b, Resource::Io, out)),
    case(V2, "cgroup", "memory.stat", memory::v2_stat),
    case(V2, "cgroup", "memory.events", memory::v2_events),
    case(V2, "cgroup", "cpu.stat", cpu::v2_stat),
    case(V2, "cgroup", "cpu.max", |b, _| { black_box(cpu::v2_max(b)); }),
    case(V2, "cgroup", "io.stat", |b, _| block::v2(b, |_, _, _, value| { black_box(value); })),
    case(V2, "cgroup", "cgroup.procs", |b, _| { black_box(lines(b)); }),
    case(V2, "cgroup", "cgroup.stat", |b, _| { black_box(proc::descendants(b)); }),
    case(Hybrid, "proc", "net/dev", |b, _| net::dev(b, |name, numbers| { black_box((name, numbers)); })),
    case(Hybrid, "proc", "net/sockstat", net::sockstat),
    case(Hybrid, "proc", "net/route", |b, _| { black_box(net::routes(b)); }),
    case(Hybrid, "proc", "cgroup", |b, _| { black_box(proc::cgroups(b)); }),
    case(Hybrid, "proc", "stat", |b, _| { black_box(proc::start_ticks(b).expect("a process's line")); }),
    case(Hybrid, "proc", "proc/stat", |b, _| { black_box(proc::stat(b)); }),
    case(Hybrid, "proc", "meminfo", |b, _| { black_box(proc::meminfo(b)); }),
    case(Hybrid, "cgroup/cpuset", "cpuset.cpus", |b, _| { black_box(proc::cpu_list(b)); }),
];

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let (hybrid, v2) = (unpacked("hybrid-docker-20.10"), unpacked("v2-docker-20.10-uml-6.1"));
    let mut group = criterion.benchmark_group("parse");
    for case in CASES {
        let (name, tree) = match case.layout {
            Hybrid => ("hybrid", &hybrid),
            V2 => ("v2", &v2),
        };
        let content = longest(tree.path(), case.folder, case.file);
        let mut numbers = Numbers::default();
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(format!("{name} {}, {} bytes", case.file, content.len()), |bencher| {
            bencher.iter(|| {
                (case.parse)(black_box(&content), &mut numbers);
                black_box(&numbers);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

fn unpacked(name: &str) -> TempDir {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/kernel");
    let path = fixtures.join(format!("{name}.tree"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    tree::unpack(&text, folder.path());
    folder
}

/// The longest file whose path ends like this, below a folder of the tree.
fn longest(tree: &Path, folder: &str, file: &str) -> Vec<u8> {
    let mut waiting = vec![tree.join(folder)];
    let mut longest: Option<(u64, PathBuf)> = None;
    while let Some(folder) = waiting.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten() {
            let (path, Ok(facts)) = (entry.path(), entry.metadata()) else { continue };
            if facts.is_dir() {
                waiting.push(path);
            } else if facts.is_file()
                && path.ends_with(file)
                && longest.as_ref().is_none_or(|(length, _)| facts.len() > *length)
            {
                longest = Some((facts.len(), path));
            }
        }
    }
    let Some((1.., path)) = longest else { panic!("no captured {file} with content below {folder}") };
    fs::read(path).expect("a file that was just unpacked")
}
