//! What an engine leaves behind when it is not let end in peace: processes, cgroups, its directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The directories of all such engines begin like this; the process that started one follows.
const PREFIX: &str = "plimsoll-dockerd-";

/// The programs of an engine. Others whose command line names its directory are not its own.
const PROGRAMS: [&str; 8] =
    ["dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "runc", "nsenter", "tail", "sh"];

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// How directories of engines of this process begin.
pub(super) fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Clears up after processes that are no more.
pub(super) fn remove() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let starter = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if starter.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            end(&entry.path());
            fs::remove_dir_all(entry.path()).ok();
        }
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
        let engine = processes(dir);
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

/// The processes of the engine of this directory: those whose command line names it.
fn processes(dir: &Path) -> Vec<i32> {
    let dir = dir.to_string_lossy();
    let is_ours = |pid: i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let program = words.split('\0').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        PROGRAMS.contains(&program) && words.contains(&*dir)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| is_ours(*pid)).collect()
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that is gone is what is wanted.
        kill_process(pid, Signal::KILL).ok();
    }
}
