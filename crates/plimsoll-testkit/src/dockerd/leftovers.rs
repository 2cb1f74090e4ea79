//! What an engine leaves behind when it is not let end in peace: processes, cgroups, its directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::leftovers::{kill, orphans, processes};

/// The directories of all such engines begin like this; the process that started one follows.
const PREFIX: &str = "plimsoll-dockerd-";

/// The programs of an engine. Others whose command line names its directory are not its own.
const PROGRAMS: [&str; 8] =
    ["dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "runc", "nsenter", "tail", "sh"];

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// How directories of engines of this process begin.
pub(super) fn prefix() -> String {
    crate::leftovers::prefix(PREFIX)
}

/// Clears up after processes that are no more.
pub(super) fn remove() {
    for dir in orphans(PREFIX) {
        end(&dir);
        fs::remove_dir_all(dir).ok();
    }
}

/// Kills the engine of this directory and everything it started, and removes the cgroups of its containers.
pub(super) fn end(dir: &Path) {
    let ids: Vec<String> = fs::read_dir(dir.join("data/containers"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let cgroups = || ids.iter().flat_map(|id| cgroups(id)).collect::<Vec<_>>();
    let began = Instant::now();
    // Killed while it starts something, an engine leaves that behind: look again until there is nothing.
    loop {
        let engine = processes(dir, &PROGRAMS);
        engine.iter().for_each(|pid| kill(*pid));
        let cgroups = cgroups();
        for cgroup in &cgroups {
            // Of a paused container: it cannot die while it is frozen.
            fs::write(cgroup.join("freezer.state"), "THAWED").ok();
            let inside = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
            inside.lines().filter_map(|line| line.parse().ok()).for_each(kill);
            fs::remove_dir(cgroup).ok();
        }
        if (engine.is_empty() && cgroups.is_empty()) || began.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The cgroups of a container, in every hierarchy.
pub(super) fn cgroups(id: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let places = hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join("docker").join(id));
    places.filter(|cgroup| cgroup.exists()).collect()
}
