//! A quiet tick allocates nothing, whoever still reads the snapshots before it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_collect::{Ages, Change, Inbox, Options, Origin, Sampler, SourceChoice, Whereabouts};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::lifecycle::Inspection;
use plimsoll_model::{Container, Lifecycle, Profile, Selection, Slot, Snapshot, State};
use plimsoll_testkit::docker;

use common::Tree;

fn running(id: &str, pid: Option<u32>, cgroup_parent: &str, network_mode: &str) -> Change {
    let mut container = Container::new(id, "docker".into());
    container.state = State::Running;
    network_mode.clone_into(&mut container.network_mode);
    let mut life = Lifecycle::first_seen(1);
    life.inspected(&Inspection { running: true, started: Some(1), ..Inspection::default() });
    Change::Container {
        container: container.into(),
        life: life.into(),
        whereabouts: Whereabouts { pid, cgroup_parent: cgroup_parent.to_owned(), ..Whereabouts::default() },
        origin: Origin::new(SourceChoice::Auto).into(),
        limits_changed: false,
    }
}

/// Warms the sampler up, and counts the allocations of 50 passes, while the last two snapshots are held.
fn allocations(sampler: &mut Sampler, containers: usize) -> u64 {
    let mut held: VecDeque<Arc<Snapshot>> = VecDeque::with_capacity(3);
    let mut step = |sampler: &mut Sampler, n: usize| {
        // Every third pass is one for a scrape.
        let snapshot = sampler.pass(!n.is_multiple_of(3));
        assert_eq!(snapshot.containers.len(), containers);
        held.push_back(snapshot);
        if held.len() > 2 {
            held.pop_front();
        }
    };
    for n in 0..8 {
        step(sampler, n);
    }
    let counted = allocation_counter::measure(|| {
        for n in 0..50 {
            step(sampler, n);
        }
    });
    let last = held.back().unwrap();
    assert_eq!(last.sequence, 58, "each pass has its number");
    assert_eq!(last.agent.containers_read, containers as u64);
    assert_eq!(last.agent.read_errors, []);
    counted.count_total
}

fn sampler(kernel: Kernel, changes: impl IntoIterator<Item = Change>, ages: Ages) -> Sampler {
    let inbox = Arc::new(Inbox::default());
    for change in changes {
        inbox.put(change).unwrap();
    }
    let options = Options { selection: Selection::of_profile(Profile::Full), ..Options::default() };
    Sampler::new(Ok(kernel), options, inbox).with_ages(ages)
}

const AGES: [Ages; 2] = [
    Ages { limits: Duration::from_secs(30), machine: Duration::from_secs(30), host: Duration::from_secs(30) },
    // Everything that is read seldom is read in each pass.
    Ages { limits: Duration::ZERO, machine: Duration::ZERO, host: Duration::from_secs(30) },
];

#[test]
fn captured_containers() {
    let tree = Tree::unpack();
    for ages in AGES {
        let changes = tree.containers.iter().map(|found| {
            let parent = if found.name == "nested" { "/plimsoll-cap" } else { "" };
            running(&found.id, Some(found.pid), parent, "default")
        });
        let kernel = tree.kernel(&Selection::of_profile(Profile::Full));
        let mut sampler = sampler(kernel, changes, ages);
        assert_eq!(allocations(&mut sampler, 8), 0, "{ages:?}");
        let snapshot = sampler.pass(true);
        let nested = snapshot.containers.iter().find(|row| row.container.id == tree.container("nested").id);
        assert_eq!(nested.unwrap().values.get(Slot::CpuLimit), Some(250_000_000));
    }
}

#[test]
fn live_containers() {
    if !docker::available() {
        return;
    }
    let containers = [
        docker::Container::run("quiet", &["--memory", "64m", "--cpus", "0.5"], &["sleep", "1000"]),
        docker::Container::run("busy", &["--cpus", "0.1"], &["sh", "-c", "while :; do :; done"]),
    ];
    for ages in AGES {
        let changes = containers.iter().map(|container| {
            let pid = container.inspect("{{.State.Pid}}").parse().unwrap();
            running(container.id(), Some(pid), "", "default")
        });
        let kernel = Kernel::probe(Roots::default(), &Selection::of_profile(Profile::Full)).unwrap();
        let mut sampler = sampler(kernel, changes, ages);
        assert_eq!(allocations(&mut sampler, 2), 0, "{ages:?}");
        let snapshot = sampler.pass(true);
        assert_eq!(snapshot.containers[0].interfaces.len(), 1);
        assert_eq!(snapshot.containers[0].values.get(Slot::MemoryLimit), Some(64 << 20));
    }
}
