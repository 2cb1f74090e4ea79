//! The processor time of one pass over a real container's files, in user and kernel mode: one that sleeps, and one
//! that wakes up ten times a second; by default, and with the profile full and everything that is off by itself. Wants a Docker engine, and says so where there is none.
//!
//! The passes follow each other at once, so the processor's caches are as warm as they get. With a second between
//! them, and two hundred containers, a pass costs about twice as much: `whole_process` measures that.
//!
//! `cargo bench -p plimsoll-kernel --bench read`

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::time::Duration;

use criterion::Criterion;
use plimsoll_kernel::{Kernel, Reader, Reading, Roots, Spent, Target};
use plimsoll_model::{Collector, Container, ContainerRow, Profile, Selection, Slot};
use plimsoll_testkit::docker;

use crate::processor_time::ProcessorTime;

/// Longer than a reader goes on reading everything after the last sign of life.
const FALLS_ASLEEP: Duration = Duration::from_millis(2_500);

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    assert!(
        docker::available(),
        "this measures real containers: start a Docker engine (scripts/engine-up.sh)"
    );
    let asleep = docker::Container::run("bench-asleep", &[], &["sleep", "100000"]);
    let awake = docker::Container::run("bench-awake", &[], &["sh", "-c", "while :; do usleep 100000; done"]);
    measure(&mut criterion, "one container", &Selection::default(), &asleep, &awake);
    let mut everything = Selection::of_profile(Profile::Full);
    for collector in Collector::ALL.iter().filter(|collector| collector.is_opt_in()) {
        everything.switch(*collector, true);
    }
    measure(&mut criterion, "one container, everything on", &everything, &asleep, &awake);
    criterion.final_summary();
}

fn measure(
    criterion: &mut Criterion<ProcessorTime>,
    name: &str,
    selection: &Selection,
    asleep: &docker::Container,
    awake: &docker::Container,
) {
    let mut kernel = Kernel::probe(Roots::default(), selection).expect("a machine with cgroups");
    let version = kernel.layout().version;
    let mut group = criterion.benchmark_group(name);
    let (mut reader, mut row) = attach(&mut kernel, asleep);
    pass(&mut kernel, &mut reader, &mut row);
    std::thread::sleep(FALLS_ASLEEP);
    let before = pass(&mut kernel, &mut reader, &mut row);
    group.bench_function(format!("pass, asleep, cgroup {version}"), |bencher| {
        bencher.iter(|| pass(&mut kernel, &mut reader, &mut row));
    });
    assert_eq!(pass(&mut kernel, &mut reader, &mut row), before, "the sleeping container ran");
    kernel.detach(reader);

    let (mut reader, mut row) = attach(&mut kernel, awake);
    let before = pass(&mut kernel, &mut reader, &mut row);
    group.bench_function(format!("pass, awake, cgroup {version}"), |bencher| {
        bencher.iter(|| pass(&mut kernel, &mut reader, &mut row));
    });
    assert!(pass(&mut kernel, &mut reader, &mut row) > before, "the container that wakes up did not run");
    kernel.detach(reader);

    group.bench_function(format!("found, opened and closed, cgroup {version}"), |bencher| {
        let pid = pid_of(asleep);
        bencher.iter(|| {
            let target = Target { id: asleep.id(), pid: Some(pid), ..Target::default() };
            let reader = kernel.attach(&target).expect("a running container has a cgroup");
            kernel.detach(reader);
        });
    });
    group.finish();
}

fn pid_of(container: &docker::Container) -> u32 {
    container.inspect("{{.State.Pid}}").parse().expect("the engine tells a number")
}

fn attach(kernel: &mut Kernel, container: &docker::Container) -> (Reader, ContainerRow) {
    let target = Target { id: container.id(), pid: Some(pid_of(container)), ..Target::default() };
    let reader = kernel.attach(&target).expect("a running container has a cgroup");
    (reader, ContainerRow::new(Container::new(container.id(), "docker".into()).into()))
}

/// One pass; what the container has used of the processor, to tell whether it ran.
fn pass(kernel: &mut Kernel, reader: &mut Reader, row: &mut ContainerRow) -> u64 {
    row.values.clear();
    let reading = kernel.read(reader, row, &mut Spent::default());
    assert!(matches!(reading, Reading::Done { .. }), "the container has ended");
    row.values.get(Slot::CpuUsage).expect("processor time is counted for every cgroup")
}
