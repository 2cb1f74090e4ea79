//! The containers of this machine, found by their cgroups alone: for machines whose engine nobody may ask.
//!
//! A scan walks one hierarchy from its root, recognises containers by the names of their cgroups
//! ([`recognise`]), and does not look into them. It takes a few microseconds for each cgroup.
//!
//! ```no_run
//! use plimsoll_kernel::{Layout, scan};
//!
//! let found = scan(&Layout::probe("/sys/fs/cgroup".as_ref())?);
//! for container in &found.containers {
//!     println!("{} {} {:?}", container.runtime.name(), container.id, container.pid);
//! }
//! # Ok::<(), plimsoll_kernel::Error>(())
//! ```

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use crate::files::CGROUP_PROCS;
use crate::layout::{Controller, Layout};
use crate::recognise::{Recognised, Runtime, recognise};

/// How many levels below the root are walked. Kubernetes inside a user's service takes nine.
const MAX_DEPTH: usize = 16;

/// The most cgroups that a scan looks at, containers included.
const MAX_DIRECTORIES: usize = 65_536;

/// The most cgroups below a container's own in which a process is looked for.
const MAX_NESTED: usize = 1024;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The containers that have processes, in no particular order.
    pub containers: Vec<Recognised>,
    /// Whether something was left out because there are more than 65,536 cgroups, or cgroups more than 16
    /// levels below the root.
    pub was_cut: bool,
}

/// Finds the containers that have processes. A cgroup that is removed meanwhile is left out.
#[must_use]
pub fn scan(layout: &Layout) -> Scan {
    let mut containers = Vec::new();
    let was_cut = walk(layout, |mut found, parent, name| {
        if let Some(process) = first_process(parent, name).or_else(|| hidden_process(layout, &found.path)) {
            found.pid = Some(process).filter(|pid| *pid > 0);
            containers.push(found);
        }
        ControlFlow::Continue(())
    });
    Scan { containers, was_cut }
}

/// The path of a container's cgroup, wherever it is, below the hierarchy's root.
pub(crate) fn search(layout: &Layout, id: &str) -> Option<String> {
    let mut path = None;
    walk(layout, |found, _, _| {
        if found.id != id {
            return ControlFlow::Continue(());
        }
        path = Some(found.path);
        ControlFlow::Break(())
    });
    path
}

/// The hierarchy to walk: the one of v2, or the first of v1's in which every engine makes a cgroup.
fn hierarchy(layout: &Layout) -> Option<&Path> {
    use Controller::{Cpu, CpuAcct, Memory, Pids, Unified};
    let v1 = [Memory, CpuAcct, Pids, Cpu].into_iter().find_map(|controller| layout.hierarchy(controller));
    v1.or_else(|| layout.hierarchy(Unified))
}

/// Shows each container's cgroup to `visit`, as a directory in another; returns whether anything was left
/// out.
fn walk(
    layout: &Layout,
    mut visit: impl FnMut(Recognised, BorrowedFd<'_>, &Path) -> ControlFlow<()>,
) -> bool {
    let Some(root) = hierarchy(layout) else { return false };
    let mut waiting = vec![(PathBuf::new(), 0)];
    let (mut seen, mut was_cut) = (0, false);
    while let Some((above, depth)) = waiting.pop() {
        let Some(parent) = open(CWD, &root.join(&above), OFlags::DIRECTORY) else { continue };
        let parent = parent.as_fd();
        for name in directories(parent, Path::new(".")) {
            seen += 1;
            if seen > MAX_DIRECTORIES {
                return true;
            }
            let path = above.join(&name);
            // Names of cgroups can be any bytes; those of containers are text.
            let found = path.to_str().and_then(recognise);
            match found.filter(|found| !is_pod(found, parent, &name)) {
                Some(found) => {
                    if visit(found, parent, &name).is_break() {
                        return was_cut;
                    }
                }
                None if depth + 1 < MAX_DEPTH => waiting.push((path, depth + 1)),
                None => was_cut = true,
            }
        }
    }
    was_cut
}

/// Podman's pods with the cgroupfs manager and a parent of their own look like a container until one sees what
/// is in them.
fn is_pod(found: &Recognised, parent: BorrowedFd<'_>, name: &Path) -> bool {
    let is_below = |below: PathBuf| {
        let path = Path::new(&found.path).join(below);
        path.to_str().and_then(recognise).is_some_and(|below| below.path != found.path)
    };
    found.runtime == Runtime::Other && directories(parent, name).any(is_below)
}

/// The names of the directories in a directory. The kernel says with each name what it is.
pub(crate) fn directories(at: BorrowedFd<'_>, directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let opened = open(at, directory, OFlags::DIRECTORY);
    let entries = opened.as_ref().and_then(|opened| Dir::read_from(opened).ok());
    entries.into_iter().flatten().flatten().filter_map(move |entry| {
        let name = entry.file_name();
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let facts = statat(opened.as_ref()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                FileType::from_raw_mode(facts.st_mode)
            }
            kind => kind,
        };
        let name = OsStr::from_bytes(name.to_bytes());
        (kind == FileType::Directory && name != "." && name != "..").then(|| name.into())
    })
}

/// A process of a container: the first of its own cgroup, else the one with the lowest number below, as an
/// init system leaves none in it. 0 where there are processes outside of our process namespace alone.
pub(crate) fn first_process(at: BorrowedFd<'_>, directory: &Path) -> Option<u32> {
    if let Some(pid) = first_line(at, &directory.join(CGROUP_PROCS)) {
        return Some(pid);
    }
    // On v2 this covers all below.
    let events = read_start(at, &directory.join("cgroup.events"));
    if events.is_some_and(|(bytes, length)| bytes[..length].starts_with(b"populated 0")) {
        return None;
    }
    let below = |directory: &Path| -> Vec<_> {
        directories(at, directory).map(|name| directory.join(name)).collect()
    };
    let mut waiting = below(directory);
    let (mut lowest, mut seen) = (None, 0);
    while let Some(directory) = waiting.pop() {
        seen += 1;
        if seen > MAX_NESTED {
            break;
        }
        let first = first_line(at, &directory.join(CGROUP_PROCS));
        lowest = lowest.into_iter().chain(first).min();
        waiting.extend(below(&directory));
    }
    lowest
}

/// 0 where a cgroup has processes outside of our process namespace alone, as for an agent in a container: v1 leaves
/// them out of its lists, and only counts them.
fn hidden_process(layout: &Layout, path: &str) -> Option<u32> {
    let pids = layout.hierarchy(Controller::Pids)?;
    let directory = pids.join(path.trim_start_matches('/'));
    first_line(CWD, &directory.join("pids.current")).filter(|count| *count > 0).map(|_| 0)
}

fn first_line(at: BorrowedFd<'_>, file: &Path) -> Option<u32> {
    let (bytes, length) = read_start(at, file)?;
    let line = bytes[..length].split(|byte| *byte == b'\n').next()?;
    u32::try_from(crate::parse::number(line)?).ok()
}

/// The first bytes of a file; a process number and the first event are shorter.
fn read_start(at: BorrowedFd<'_>, file: &Path) -> Option<([u8; 16], usize)> {
    let opened = open(at, file, OFlags::empty())?;
    let mut bytes = [0; 16];
    let length = rustix::io::pread(&opened, &mut bytes[..], 0).ok()?;
    Some((bytes, length))
}

fn open(at: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Option<OwnedFd> {
    openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const V2: &[&str] = &["cgroup.controllers"];

    fn id(number: usize) -> String {
        format!("{number:064x}")
    }

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[&str]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for file in files {
                tree.put(file, "");
            }
            tree
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn scan(&self) -> Scan {
            let mut found = scan(&Layout::probe(self.0.path()).unwrap());
            found.containers.sort_by(|a, b| a.path.cmp(&b.path));
            found
        }

        fn pids(&self) -> Vec<(String, Option<u32>)> {
            self.scan().containers.into_iter().map(|found| (found.id, found.pid)).collect()
        }
    }

    #[test]
    fn processes_of_another_namespace_are_counted_by_v1_alone() {
        let tree = Tree::new(&["memory/tasks", "pids/tasks"]);
        for (number, count) in ["2\n", "0\n", ""].iter().enumerate() {
            tree.put(&format!("memory/docker/{}/cgroup.procs", id(number)), "");
            tree.put(&format!("pids/docker/{}/pids.current", id(number)), count);
        }
        tree.put(&format!("memory/docker/{}/cgroup.procs", id(3)), "");
        assert_eq!(tree.pids(), [(id(0), None)]);
    }

    #[test]
    fn only_what_has_processes_is_running() {
        let tree = Tree::new(V2);
        tree.put(&format!("docker/{}/cgroup.procs", id(1)), "31\n7\n");
        tree.put(&format!("docker/{}/cgroup.procs", id(2)), "");
        tree.put(&format!("docker/{}/cgroup.events", id(2)), "populated 0\nfrozen 0\n");
        tree.put(&format!("docker/{}/left/cgroup.procs", id(2)), "8\n");
        tree.put(&format!("docker/{}/cgroup.procs", id(3)), "0\n0\n");
        // An init system left its own cgroup empty; another engine is inside.
        tree.put(&format!("docker/{}/cgroup.events", id(4)), "populated 1\nfrozen 0\n");
        tree.put(&format!("docker/{}/cgroup.procs", id(4)), "");
        tree.put(&format!("docker/{}/system.slice/a.service/cgroup.procs", id(4)), "90\n");
        tree.put(&format!("docker/{}/init.scope/cgroup.procs", id(4)), "77\n");
        tree.put(&format!("docker/{}/docker/{}/cgroup.procs", id(4), id(5)), "95\n");
        tree.put("docker/buildkit/kz1n4rwg8wf7oz0ybsrqd8swy/cgroup.procs", "9\n");
        tree.put(&format!("machine.slice/libpod-conmon-{}.scope/cgroup.procs", id(6)), "10\n");
        assert_eq!(tree.pids(), [(id(1), Some(31)), (id(3), None), (id(4), Some(77))]);
        assert!(!tree.scan().was_cut);
    }

    #[test]
    fn v1_takes_the_first_hierarchy_that_engines_use() {
        for (files, chosen) in [
            (&["memory/x/tasks", "cpuacct/x/tasks", "unified/cgroup.controllers"][..], "memory"),
            (&["cpu,cpuacct/x/tasks", "pids/x/tasks"], "cpu,cpuacct"),
            (&["cpu/x/tasks", "pids/x/tasks"], "pids"),
        ] {
            let tree = Tree::new(files);
            for (number, name) in ["memory", "cpu,cpuacct", "pids", "cpu", "unified"].iter().enumerate() {
                if tree.0.path().join(name).exists() {
                    tree.put(&format!("{name}/docker/{}/cgroup.procs", id(number)), "5\n");
                }
            }
            let found = tree.scan().containers;
            let number = ["memory", "cpu,cpuacct", "pids"].iter().position(|name| *name == chosen);
            assert_eq!(found.len(), 1, "{files:?}");
            assert_eq!(Some(found[0].id.clone()), number.map(id), "{files:?}");
        }
    }

    #[test]
    fn v1_does_not_tell_of_processes_outside_of_our_namespace() {
        let tree = Tree::new(&["memory/tasks", "pids/tasks"]);
        for (number, tasks) in [(1, "3\n"), (2, "0\n")] {
            tree.put(&format!("memory/docker/{}/cgroup.procs", id(number)), "");
            tree.put(&format!("pids/docker/{}/pids.current", id(number)), tasks);
        }
        assert_eq!(tree.pids(), [(id(1), None)]);
    }

    #[test]
    fn a_pod_with_a_parent_of_its_own_is_no_container() {
        let tree = Tree::new(V2);
        tree.put(&format!("teams/{}/libpod-{}/cgroup.procs", id(1), id(2)), "5\n");
        tree.put(&format!("teams/{}/cgroup.procs", id(3)), "6\n");
        tree.put(&format!("teams/{}/init.scope/cgroup.procs", id(3)), "6\n");
        assert_eq!(tree.pids(), [(id(2), Some(5)), (id(3), Some(6))]);
        assert_eq!(tree.scan().containers[0].pod_uid, Some(id(1)));
    }

    #[test]
    fn depth_is_bounded_and_links_are_not_followed() {
        let tree = Tree::new(V2);
        let deep = |levels: usize| vec!["a"; levels].join("/");
        tree.put(&format!("{}/docker/{}/cgroup.procs", deep(MAX_DEPTH - 2), id(1)), "5\n");
        assert_eq!((tree.pids().len(), tree.scan().was_cut), (1, false));
        tree.put(&format!("{}/docker/{}/cgroup.procs", deep(MAX_DEPTH), id(2)), "5\n");
        assert_eq!((tree.pids().len(), tree.scan().was_cut), (1, true));
        let tree = Tree::new(V2);
        std::os::unix::fs::symlink(tree.0.path(), tree.0.path().join("again")).unwrap();
        assert_eq!(tree.scan(), Scan::default());
    }

    #[test]
    fn a_container_is_searched_by_id() {
        let tree = Tree::new(V2);
        let path = format!("/kubepods/burstable/podx/{}", id(1));
        tree.put(&format!("{path}/cgroup.procs")[1..], "");
        tree.put("default/web/cgroup.procs", "");
        let layout = Layout::probe(tree.0.path()).unwrap();
        assert_eq!(search(&layout, &id(1)), Some(path));
        assert_eq!(search(&layout, "web").as_deref(), Some("/default/web"));
        assert_eq!(search(&layout, &id(2)), None);
    }
}
