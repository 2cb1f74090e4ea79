//! A captured machine with a fake engine: eight containers under the hybrid layout, as
//! `fixtures/kernel/README.md` describes them.

use std::path::Path;

use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
use plimsoll_testkit::tree;
use tempfile::TempDir;

const TREE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/kernel/hybrid-docker-20.10.tree"));

/// What the names of all of its containers begin with.
pub(crate) const PREFIX: &str = "plimsoll-cap-";

/// The machine. Its engine can be made to misbehave.
#[derive(Debug)]
pub(crate) struct Machine {
    root: TempDir,
    pub(crate) engine: FakeEngine,
}

impl Machine {
    /// The machine with its eight containers running.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        tree::unpack(TREE, root.path());
        let engine = FakeEngine::start();
        for (name, id, pid) in containers() {
            let tier = if name.ends_with("net") { "front" } else { "back" };
            let image = if name.ends_with("net") { "example.org/web:1" } else { "busybox:local" };
            engine.put(
                FakeContainer::new(name).id(id).pid(pid).image(image).label("tier", tier).label("owner", "x"),
            );
        }
        Self { root, engine }
    }

    /// A command line, with the flags that have the command look at this machine behind the command's name, apart from
    /// those that stand in it already.
    pub(crate) fn on(&self, arguments: &[&str]) -> Vec<String> {
        let folder = |name: &str| self.root.path().join(name).to_str().unwrap().to_owned();
        let flags = [
            ("--procfs", folder("proc")),
            ("--sysfs", folder("sys")),
            ("--cgroup-root", folder("cgroup")),
            // The fake engine says that it runs on another kernel, and its containers are in files.
            ("--source", "kernel".to_owned()),
            ("--engine", format!("unix://{}", self.engine.socket().display())),
        ];
        let mut whole: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let missing = flags.into_iter().filter(|(flag, _)| !arguments.contains(flag));
        whole.splice(1..1, missing.flat_map(|(flag, value)| [flag.to_owned(), value]));
        whole
    }

    /// Where its files are.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }
}

/// Name, id and first process of each container, as the head of the tree tells them.
pub(crate) fn containers() -> impl Iterator<Item = (&'static str, &'static str, u32)> {
    TREE.lines().filter_map(|line| {
        let mut words = line.strip_prefix("# container ")?.split(' ');
        let name = words.next()?;
        let id = words.next()?.strip_prefix("id=")?;
        Some((name, id, words.next()?.strip_prefix("pid=")?.parse().ok()?))
    })
}
