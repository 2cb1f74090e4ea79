//! Real containers of a real Podman: alone, in a pod, with limits. Found with and without a process id, and with
//! the numbers of the kernel's own files.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_kernel::{Controller, Kernel, Layout, Reading, Roots, Runtime, Spent, Target, Version, scan};
use plimsoll_model::{Container, ContainerRow, Selection, Slot};
use plimsoll_testkit::podman::Podman;
use plimsoll_testkit::wait_until;

const MIB: u64 = 1 << 20;

fn read(kernel: &mut Kernel, id: &str, pid: Option<u32>) -> (ContainerRow, Option<u32>) {
    let mut reader = kernel.attach(&Target { id, pid, ..Target::default() }).unwrap();
    let mut row = ContainerRow::new(Container::new(id, "podman".into()).into());
    let reading = kernel.read(&mut reader, &mut row, &mut Spent::default());
    assert!(matches!(reading, Reading::Done { .. }));
    let found = reader.pid();
    kernel.detach(reader);
    (row, found)
}

/// The container's cgroup as its process tells, in the hierarchy that has its processes.
fn cgroup(layout: &Layout, pid: u32) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mark = if layout.version == Version::V2 { "0::/" } else { ":pids:/" };
    let path = text.lines().find_map(|line| line.split_once(mark)).unwrap().1.to_owned();
    let controller = if layout.version == Version::V2 { Controller::Unified } else { Controller::Pids };
    layout.hierarchy(controller).unwrap().join(path)
}

fn number(path: &Path) -> u64 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[test]
fn containers_and_pods_are_found_and_have_their_own_numbers() {
    let podman = Podman::start();
    let alone = podman.run("alone", &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "77"]);
    let pod = podman.expect(&["pod", "create", "--name", "together"]);
    let member = podman.run("member", &["--pod", "together", "--memory", "32m"]);
    let infra = podman.expect(&["pod", "inspect", "--format", "{{.InfraContainerID}}", "together"]);

    let mut kernel = Kernel::probe(Roots::default(), &Selection::default()).unwrap();
    let layout = kernel.layout().clone();
    let recognised = scan(&layout);
    assert!(!recognised.was_cut);
    for (id, pod, memory, cores) in [
        (&alone, None, Some(64 * MIB), Some(500_000_000)),
        (&member, Some(&pod), Some(32 * MIB), None),
        (&infra, Some(&pod), None, None),
    ] {
        let pid: u32 = podman.expect(&["inspect", "--format", "{{.State.Pid}}", id]).parse().unwrap();
        let cgroup = cgroup(&layout, pid);
        for known in [Some(pid), None] {
            let (row, found) = read(&mut kernel, id, known);
            assert_eq!(found, Some(pid));
            assert!(cgroup.ends_with(&row.cgroup.as_ref().unwrap()[1..]), "{:?} {cgroup:?}", row.cgroup);
            assert_eq!(row.values.get(Slot::Threads), Some(number(&cgroup.join("pids.current"))));
            assert_eq!(row.values.get(Slot::MemoryLimit), memory, "{id}");
            assert_eq!(row.values.get(Slot::CpuLimit), cores, "{id}");
            assert!(row.values.get(Slot::CpuUsage) > Some(0) && row.values.get(Slot::MemoryUsage) > Some(0));
        }
        if let Some(memory) = layout.hierarchy(Controller::Memory) {
            let own = memory.join(cgroup.strip_prefix(layout.hierarchy(Controller::Pids).unwrap()).unwrap());
            // It sleeps, but the machine may take memory back meanwhile.
            wait_until(Duration::from_secs(5), "memory to stand still", || {
                let shown = read(&mut kernel, id, None).0.values.get(Slot::MemoryUsage);
                shown == Some(number(&own.join("memory.usage_in_bytes")))
            });
        }
        let found: Vec<_> = recognised.containers.iter().filter(|found| found.id == **id).collect();
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!((found[0].runtime, found[0].pid), (Runtime::Podman, Some(pid)));
        assert_eq!(found[0].pod_uid.as_ref(), pod);
    }
    let limit = read(&mut kernel, &alone, None).0.values.get(Slot::ThreadsMax);
    assert_eq!(limit, Some(77));
    // The pod has a cgroup with its id, and is no container.
    assert!(recognised.containers.iter().all(|found| found.id != pod));
    assert!(kernel.attach(&Target { id: &pod, ..Target::default() }).is_err());

    podman.expect(&["stop", "--time", "0", "alone"]);
    assert!(scan(&layout).containers.iter().all(|found| found.id != alone));
}
