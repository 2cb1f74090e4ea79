//! A captured kernel for the tests of this crate, and this machine's own.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod agent;

use std::path::{Path, PathBuf};

use plimsoll_kernel::{Kernel, Roots};
use plimsoll_model::Selection;
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine};
use plimsoll_testkit::tree::unpack;
use tempfile::TempDir;

/// Makes an engine say that it runs on this kernel, and which engine it is.
pub(crate) fn set_version(engine: &FakeEngine, kernel: &str, component: &str) {
    let version = format!(
        r#"{{"Version":"0.0.0-fake","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","KernelVersion":"{kernel}",
            "Components":[{{"Name":"{component}","Version":"5.0.0"}}]}}"#
    );
    engine.set_behaviour("/version", Behaviour::Status(200, version));
}

/// The hybrid machine's tree, unpacked.
pub(crate) struct Tree {
    dir: TempDir,
    pub(crate) containers: Vec<Captured>,
}

/// A container of the tree.
#[derive(Clone)]
pub(crate) struct Captured {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) pid: u32,
}

impl Tree {
    pub(crate) fn unpack() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/kernel/hybrid-docker-20.10.tree");
        let text = std::fs::read_to_string(path).unwrap();
        unpack(&text, dir.path());
        let heads = text.lines().filter_map(|line| line.strip_prefix("# container plimsoll-cap-"));
        let containers = heads
            .map(|head| {
                let words: Vec<_> = head.split(' ').collect();
                let id = words[1].strip_prefix("id=").unwrap().to_owned();
                let pid = words[2].strip_prefix("pid=").unwrap().parse().unwrap();
                Captured { name: words[0].to_owned(), id, pid }
            })
            .collect();
        Self { dir, containers }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn kernel(&self, selection: &Selection) -> Kernel {
        let roots = Roots { cgroup: self.path("cgroup"), procfs: self.path("proc"), sysfs: self.path("sys") };
        Kernel::probe(roots, selection).unwrap()
    }

    pub(crate) fn container(&self, name: &str) -> &Captured {
        self.containers.iter().find(|container| container.name == name).unwrap()
    }

    /// A file in a container's cgroup.
    pub(crate) fn cgroup_file(&self, hierarchy: &str, name: &str, file: &str) -> PathBuf {
        let parent = if name == "nested" { "plimsoll-cap" } else { "docker" };
        let id = &self.container(name).id;
        self.path("cgroup").join(hierarchy).join(parent).join(id).join(file)
    }
}

impl Captured {
    /// The container as a running one of the fake engine.
    pub(crate) fn fake(&self) -> FakeContainer {
        let fake = FakeContainer::new(&self.name).id(&self.id).pid(self.pid);
        match self.name.as_str() {
            "peer" => fake.network_mode("container:net"),
            "host" => fake.network_mode("host"),
            "paused" => fake.state("paused"),
            "nested" => fake.cgroup_parent("/plimsoll-cap"),
            _ => fake,
        }
    }
}

/// A file in the cgroup of a process of this machine: by its v1 name, and by its v2 name.
#[track_caller]
pub(crate) fn cgroup_file(pid: &str, v1: &str, v2: &str) -> PathBuf {
    let memberships = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let controller = v1.split_once('.').unwrap().0;
    for line in memberships.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
        let (root, file) = if controllers.split(',').any(|found| found == controller) {
            (PathBuf::from("/sys/fs/cgroup").join(controller), v1)
        } else {
            (PathBuf::from("/sys/fs/cgroup"), v2)
        };
        let file = root.join(path.trim_start_matches('/')).join(file);
        if file.exists() {
            return file;
        }
    }
    panic!("no {v1} and no {v2}: {memberships}");
}

/// The number in a file.
#[track_caller]
pub(crate) fn number(path: &Path) -> u64 {
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}
