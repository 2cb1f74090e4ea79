//! Containers that come and go many times a second: real cgroups with a process in each, and a fake engine that tells of
//! them. Each has limits that follow from its name, so that a row that shows another's numbers is found out.
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll_testkit::churn::Churn;
//! use plimsoll_testkit::fake_engine::FakeEngine;
//!
//! let engine = FakeEngine::start();
//! let mut churn = Churn::new(50);
//! churn.run(&engine, Duration::from_secs(120));
//! churn.clear(&engine);
//! println!("{} containers", churn.count());
//! ```

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake_engine::{FakeContainer, FakeEngine};
use crate::wait_until;

/// The controllers of cgroup v1 that the containers are in, besides the hierarchy of v2 where there is one.
const CONTROLLERS: [&str; 6] = ["memory", "pids", "cpu", "cpuacct", "blkio", "unified"];

/// How long the kernel may take to let go of a cgroup whose process is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many memory limits there are, a page apart. Twice as many containers do not exist at the same time.
const LIMITS: u64 = 100_000;

/// Makes containers come and go. What is left of them goes when this is dropped.
#[derive(Debug)]
pub struct Churn {
    per_second: u32,
    parents: Vec<PathBuf>,
    parent: String,
    alive: VecDeque<Living>,
    count: u64,
}

#[derive(Debug)]
struct Living {
    id: String,
    cgroups: Vec<PathBuf>,
    process: Child,
    dies: Instant,
}

impl Churn {
    /// So many a second; each lives for a second.
    ///
    /// # Panics
    /// If cgroups cannot be made here: it takes root.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let is_v2 = root.join("cgroup.controllers").exists();
        let hierarchies: Vec<_> = if is_v2 {
            vec![root.to_owned()]
        } else {
            CONTROLLERS
                .iter()
                .map(|controller| root.join(controller))
                .filter(|place| place.exists())
                .collect()
        };
        let parent = crate::docker::unique_name("churn");
        let parents: Vec<_> = hierarchies.iter().map(|hierarchy| hierarchy.join(&parent)).collect();
        for place in &parents {
            fs::create_dir(place)
                .unwrap_or_else(|error| panic!("{}: {error}; this needs root", place.display()));
            if is_v2 {
                // Where they are on already, or cannot be had, the limits are absent.
                fs::write(root.join("cgroup.subtree_control"), "+memory +pids").ok();
                fs::write(place.join("cgroup.subtree_control"), "+memory +pids").ok();
            }
        }
        Self { per_second, parents, parent: format!("/{parent}"), alive: VecDeque::new(), count: 0 }
    }

    /// How many came so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The memory limit in bytes of the container of this name; `None` if it is none of these.
    #[must_use]
    pub fn memory_limit(name: &str) -> Option<u64> {
        Some(64 * 1024 * 1024 + Self::number(name)? % LIMITS * 4096)
    }

    /// The task limit of the container of this name.
    #[must_use]
    pub fn task_limit(name: &str) -> Option<u64> {
        Some(100 + Self::number(name)? % LIMITS)
    }

    fn number(name: &str) -> Option<u64> {
        name.strip_prefix("churn-")?.parse().ok()
    }

    /// Has containers come and go for so long. Those of the last second stay.
    ///
    /// # Panics
    /// If a cgroup or a process cannot be made.
    pub fn run(&mut self, engine: &FakeEngine, time: Duration) {
        let (began, first) = (Instant::now(), self.count);
        while began.elapsed() < time {
            self.bury(engine, Instant::now());
            self.bear(engine);
            let due =
                began + Duration::from_secs_f64((self.count - first) as f64 / f64::from(self.per_second));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// Has those go that are left.
    pub fn clear(&mut self, engine: &FakeEngine) {
        self.bury(engine, Instant::now() + Duration::from_secs(3600));
    }

    fn bear(&mut self, engine: &FakeEngine) {
        self.count += 1;
        let name = format!("churn-{}", self.count);
        let container = FakeContainer::new(&name).cgroup_parent(&self.parent);
        let id = crate::fake_engine::id_of(&name);
        let cgroups: Vec<_> = self.parents.iter().map(|parent| parent.join(&id)).collect();
        let process = Command::new("/bin/sleep").arg("100000").stdin(Stdio::null()).spawn().unwrap();
        let pid = process.id();
        self.alive.push_back(Living {
            id: id.clone(),
            cgroups: cgroups.clone(),
            process,
            dies: Instant::now() + Duration::from_secs(1),
        });
        let limits =
            [Self::memory_limit(&name), Self::task_limit(&name)].map(|limit| limit.unwrap_or(0).to_string());
        for cgroup in &cgroups {
            fs::create_dir(cgroup).unwrap_or_else(|error| panic!("{}: {error}", cgroup.display()));
            for (file, limit) in [("memory.limit_in_bytes", 0), ("memory.max", 0), ("pids.max", 1)] {
                if cgroup.join(file).exists() {
                    fs::write(cgroup.join(file), &limits[limit]).unwrap();
                }
            }
            fs::write(cgroup.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        engine.put(container.pid(pid));
        engine.emit("create", &id, &[]);
        engine.emit("start", &id, &[]);
    }

    fn bury(&mut self, engine: &FakeEngine, now: Instant) {
        while self.alive.front().is_some_and(|living| living.dies <= now) {
            let Some(mut living) = self.alive.pop_front() else { return };
            living.end();
            engine.emit("die", &living.id, &[("exitCode", "137")]);
            engine.remove(&living.id);
            engine.emit("destroy", &living.id, &[]);
        }
    }
}

impl Living {
    fn end(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        for cgroup in &self.cgroups {
            wait_until(PATIENCE, "the kernel lets go of a cgroup", || match fs::remove_dir(cgroup) {
                Err(error) => error.kind() == io::ErrorKind::NotFound,
                Ok(()) => true,
            });
        }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.alive.iter_mut().for_each(Living::end);
        for parent in &self.parents {
            fs::remove_dir(parent).ok();
        }
    }
}
