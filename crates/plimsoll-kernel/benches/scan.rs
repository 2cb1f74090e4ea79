//! The processor time of a scan: as many containers as fit a large machine, as each engine puts them, in a temporary
//! folder, so that what is measured is our own work and the walk. `many` measures it on real cgroups.
//!
//! `cargo bench -p plimsoll-kernel --bench scan`

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_kernel::{Layout, scan};

use crate::processor_time::ProcessorTime;

const CONTAINERS: usize = 2000;

/// Files in a real cgroup of v2, which a walk has to pass by.
const FILES: usize = 40;

const PLACES: [(&str, &str); 4] = [
    ("docker", "docker/ID"),
    ("docker, systemd", "system.slice/docker-ID.scope"),
    ("podman rootless", "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope"),
    (
        "kubernetes",
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podNUMBER.slice/cri-containerd-ID.scope",
    ),
];

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let mut group = criterion.benchmark_group(format!("scan of {CONTAINERS} containers"));
    group.throughput(Throughput::Elements(CONTAINERS as u64));
    for (name, place) in PLACES {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::write(root.path().join("cgroup.controllers"), "cpu memory").expect("a writable folder");
        for number in 0..CONTAINERS {
            let path = place.replace("ID", &format!("{number:064x}")).replace("NUMBER", &number.to_string());
            let path = root.path().join(path);
            fs::create_dir_all(&path).expect("a writable folder");
            fs::write(path.join("cgroup.procs"), "4711\n").expect("a writable folder");
            // A container's own files are not looked at; those of its pod are.
            for file in 0..FILES {
                if let Some(pod) = path.parent().filter(|_| place.contains("NUMBER")) {
                    fs::write(pod.join(format!("memory.{file}")), "").expect("a writable folder");
                }
            }
        }
        let layout = Layout::probe(root.path()).expect("the layout that was just made");
        assert_eq!(scan(&layout).containers.len(), CONTAINERS, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(scan(&layout))));
    }
    group.finish();
    criterion.final_summary();
}
