//! Every layout of cgroups with every engine's and driver's placement: the captured containers, moved to where
//! another engine would have put them, are found there and have the same numbers as where they were.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use plimsoll_kernel::{Kernel, Layout, Reading, Roots, Runtime, Spent, Target, Version, scan};
use plimsoll_model::{Container, ContainerRow, Profile, Selection, Slot};
use plimsoll_testkit::tree::unpack;
use tempfile::TempDir;

const CAPTURES: &[&str] = &["hybrid-docker-20.10", "v1-docker-20.10", "v2-docker-20.10-uml-6.1"];
const POD: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const UID: &str = "2c48913c-b29f-11e7-9350-020968147796";

/// Where an engine puts a container.
struct Placement {
    /// `ID` stands for the container's.
    path: &'static str,
    /// The parent that the engine tells, if it is not its own.
    parent: &'static str,
    runtime: Runtime,
    pod: Option<&'static str>,
    user: Option<u32>,
}

const fn placed(path: &'static str, runtime: Runtime) -> Placement {
    Placement { path, parent: "", runtime, pod: None, user: None }
}

use Runtime::{Containerd, Crio, Docker, Other, Podman};

const PLACEMENTS: &[Placement] = &[
    placed("docker/ID", Docker),
    placed("system.slice/docker-ID.scope", Docker),
    Placement { parent: "teams-red.slice", ..placed("teams.slice/teams-red.slice/docker-ID.scope", Docker) },
    Placement { parent: "/teams/red", ..placed("teams/red/ID", Other) },
    Placement {
        user: Some(1000),
        ..placed("user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope", Docker)
    },
    placed("libpod_parent/libpod-ID", Podman),
    placed("machine.slice/libpod-ID.scope", Podman),
    Placement {
        user: Some(1000),
        ..placed("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", Podman)
    },
    placed("system.slice/web.service/libpod-payload-ID", Podman),
    Placement {
        pod: Some(POD),
        ..placed(
            "libpod_parent/fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210/libpod-ID",
            Podman,
        )
    },
    Placement {
        pod: Some(POD),
        ..placed(
            "machine.slice/machine-libpod_pod_fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210.slice/\
             libpod-ID.scope",
            Podman,
        )
    },
    placed("default/ID", Containerd),
    placed("system.slice/nerdctl-ID.scope", Containerd),
    Placement {
        pod: Some(UID),
        ..placed("kubepods/besteffort/pod2c48913c-b29f-11e7-9350-020968147796/ID", Containerd)
    },
    Placement {
        pod: Some(UID),
        ..placed(
            "kubepods.slice/kubepods-burstable.slice/\
             kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147796.slice/cri-containerd-ID.scope",
            Containerd,
        )
    },
    Placement {
        pod: Some(UID),
        ..placed("kubepods.slice/kubepods-pod2c48913c_b29f_11e7_9350_020968147796.slice/crio-ID.scope", Crio)
    },
];

/// A captured machine whose containers may have been moved.
struct Machine {
    dir: TempDir,
    version: Version,
    /// Where the containers are, and where in them their processes.
    place: String,
    below: &'static str,
    /// Name, id and first process of each container.
    containers: Vec<(String, String, u32)>,
}

impl Machine {
    fn captured(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/kernel/{name}.tree"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let dir = tempfile::tempdir().unwrap();
        unpack(&text, dir.path());
        let containers = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("# container plimsoll-cap-")?.split(' ');
            let name = words.next()?.to_owned();
            let id = words.next()?.strip_prefix("id=")?.to_owned();
            Some((name, id, words.next()?.strip_prefix("pid=")?.parse().ok()?))
        });
        let containers: Vec<_> = containers.filter(|(name, ..)| name != "nested").collect();
        assert_eq!(containers.len(), 7);
        let version = Layout::probe(&dir.path().join("cgroup")).unwrap().version;
        let machine = Self { dir, version, place: "docker/ID".to_owned(), below: "", containers };
        // What `nested` shows is where it is.
        machine.each_hierarchy(|root| {
            let _ = fs::remove_dir_all(root.join("plimsoll-cap"));
        });
        machine
    }

    fn roots(&self) -> Roots {
        let at = |name: &str| self.dir.path().join(name);
        Roots { cgroup: at("cgroup"), procfs: at("proc"), sysfs: at("sys") }
    }

    fn kernel(&self) -> Kernel {
        Kernel::probe(self.roots(), &Selection::of_profile(Profile::Full)).unwrap()
    }

    fn each_hierarchy(&self, visit: impl Fn(&Path)) {
        let cgroup = self.dir.path().join("cgroup");
        if self.version == Version::V2 {
            return visit(&cgroup);
        }
        // A link to a hierarchy is the same one.
        let roots = fs::read_dir(cgroup).unwrap().flatten();
        roots.filter(|entry| entry.file_type().unwrap().is_dir()).for_each(|entry| visit(&entry.path()));
    }

    /// Moves all containers, and makes their processes tell so; `below` is where in the container they are.
    fn place(mut self, path: &str, below: &'static str) -> Self {
        for (_, id, pid) in &self.containers {
            let (from, to) = (self.place.replace("ID", id), path.replace("ID", id));
            self.each_hierarchy(|root| {
                if from != to && root.join(&from).is_dir() {
                    fs::create_dir_all(root.join(&to).parent().unwrap()).unwrap();
                    fs::rename(root.join(&from), root.join(&to)).unwrap();
                }
            });
            let file = self.dir.path().join(format!("proc/{pid}/cgroup"));
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text.replace(&format!("{from}{}", self.below), &format!("{to}{below}"))).unwrap();
        }
        (self.place, self.below) = (path.to_owned(), below);
        self
    }

    /// Every container's row, found by its process or by its id alone, in the order of `containers`.
    fn rows(&self, parent: &str, by_process: bool) -> Vec<ContainerRow> {
        let mut kernel = self.kernel();
        let read = |(_, id, pid): &(String, String, u32)| {
            let pid = Some(*pid);
            let target =
                Target { id, pid: pid.filter(|_| by_process), cgroup_parent: parent, ..Target::default() };
            let mut reader = kernel.attach(&target).unwrap();
            assert_eq!(reader.pid(), pid);
            let mut row = ContainerRow::new(Container::new(id, "docker".into()).into());
            let reading = kernel.read(&mut reader, &mut row, &mut Spent::default());
            assert!(matches!(reading, Reading::Done { .. }));
            row
        };
        self.containers.iter().map(read).collect()
    }
}

#[track_caller]
fn assert_same_numbers(left: &[ContainerRow], right: &[ContainerRow], what: &str) {
    assert_eq!(left.len(), right.len(), "{what}");
    for (left, right) in left.iter().zip(right) {
        for slot in Slot::ALL {
            assert_eq!(left.values.get(*slot), right.values.get(*slot), "{what}: {slot:?}");
        }
        assert!(left.values.get(Slot::CpuUsage).is_some() && left.values.get(Slot::MemoryUsage).is_some());
        assert_eq!(left.interfaces.len(), right.interfaces.len(), "{what}");
        assert_eq!(left.devices.len(), right.devices.len(), "{what}");
    }
}

#[test]
fn a_container_has_the_same_numbers_wherever_it_is_put() {
    for capture in CAPTURES {
        let mut machine = Machine::captured(capture);
        let plain = machine.rows("", true);
        for placement in PLACEMENTS {
            let what = format!("{capture} {}", placement.path);
            machine = machine.place(placement.path, "");
            for by_process in [true, false] {
                let rows = machine.rows(placement.parent, by_process);
                assert_same_numbers(&rows, &plain, &what);
                for (row, (_, id, _)) in rows.iter().zip(&machine.containers) {
                    let path = format!("/{}", placement.path.replace("ID", id));
                    assert_eq!(row.cgroup.as_deref(), Some(&*path), "{what}");
                }
            }
            let mut found = scan(machine.kernel().layout()).containers;
            found.sort_by(|a, b| a.id.cmp(&b.id));
            let mut expected = machine.containers.clone();
            expected.sort_by(|a, b| a.1.cmp(&b.1));
            assert_eq!(found.len(), expected.len(), "{what}");
            for (found, (_, id, pid)) in found.iter().zip(&expected) {
                assert_eq!(
                    (&found.id, found.pid, found.runtime),
                    (id, Some(*pid), placement.runtime),
                    "{what}"
                );
                assert_eq!((found.pod_uid.as_deref(), found.user), (placement.pod, placement.user), "{what}");
                assert_eq!(found.path, format!("/{}", placement.path.replace("ID", id)));
            }
        }
    }
}

#[test]
fn an_init_system_inside_changes_nothing() {
    for capture in CAPTURES {
        let machine = Machine::captured(capture);
        let plain = machine.rows("", true);
        let machine = machine.place("system.slice/docker-ID.scope", "/init.scope");
        assert_same_numbers(&machine.rows("", true), &plain, capture);
    }
}

#[test]
fn where_crun_made_a_cgroup_below_the_scope_its_limits_hold() {
    let capture = "v2-docker-20.10-uml-6.1";
    let machine = Machine::captured(capture);
    let plain = machine.rows("", true);
    let machine = machine.place("machine.slice/libpod-ID.scope/container", "");
    for (_, id, _) in &machine.containers {
        // The scope has no limits and counts no throttling, as with crun 1.8; its processes are all below.
        let scope = machine.dir.path().join(format!("cgroup/machine.slice/libpod-{id}.scope"));
        for (file, text) in [
            ("cgroup.procs", ""),
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("memory.max", "max\n"),
            ("cpu.max", "max 100000\n"),
            ("cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"),
        ] {
            fs::write(scope.join(file), text).unwrap();
        }
    }
    for by_process in [true, false] {
        let rows = machine.rows("", by_process);
        assert_same_numbers(&rows, &plain, capture);
        assert!(rows.iter().all(|row| row.cgroup.as_ref().unwrap().ends_with(".scope/container")));
    }
    let found = scan(machine.kernel().layout()).containers;
    assert_eq!(found.len(), machine.containers.len());
    assert!(found.iter().all(|found| found.path.ends_with(".scope") && found.pid.is_some()));
}

#[test]
fn limits_of_a_pod_hold_for_its_containers() {
    const LIMIT: u64 = 8 << 20;
    let machine = Machine::captured("v2-docker-20.10-uml-6.1")
        .place("kubepods/burstable/pod2c48913c-b29f-11e7-9350-020968147796/ID", "");
    let pod = machine.dir.path().join(format!("cgroup/kubepods/burstable/pod{UID}"));
    fs::write(pod.join("memory.max"), format!("{LIMIT}\n")).unwrap();
    fs::write(pod.join("cpu.max"), "20000 100000\n").unwrap();
    for by_process in [true, false] {
        for row in machine.rows("", by_process) {
            assert_eq!(row.values.get(Slot::MemoryLimit), Some(LIMIT));
            assert_eq!(row.values.get(Slot::CpuLimit), Some(200_000_000));
        }
    }
}
