//! From a container's id and process to its directories in the kernel's trees.
//!
//! The process knows best: `/proc/PID/cgroup` names its cgroups. Where there is no process id, or where
//! this program sees other paths than the kernel writes (inside a container), the places where engines
//! put their containers are tried.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::error::Error;
use crate::layout::{Controller, Layout, Roots};
use crate::parse::proc::{Membership, cgroups};

/// The container to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// Its full id.
    pub id: &'a str,
    /// Its first process, as the engine tells.
    pub pid: Option<u32>,
    /// The cgroup that it was asked to be under (`--cgroup-parent`); empty for the engine's default.
    pub cgroup_parent: &'a str,
    /// How it is connected, as the engine tells: `host`, `none`, `container:ID`, a network's name.
    pub network_mode: &'a str,
}

/// A container's directories.
#[derive(Debug)]
pub(crate) struct Found {
    /// By [`Controller`].
    pub(crate) directories: [Option<PathBuf>; Controller::COUNT],
    /// The path below the hierarchy's root.
    pub(crate) path: String,
    pub(crate) process: Option<Process>,
}

/// The container's first process. The descriptor of its `/proc` directory stays with this very process:
/// once it is gone, nothing can be opened through it, whoever has its number then.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) directory: OwnedFd,
}

impl Process {
    pub(crate) fn open(procfs: &Path, pid: u32) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(procfs.join(pid.to_string()), flags, Mode::empty()).ok()?;
        Some(Self { pid, directory })
    }

    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, name, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(std::fs::File::from(file), 1 << 20), &mut bytes)
            .ok()?;
        Some(bytes)
    }

    /// The number of the process's network namespace; needs the right to trace it.
    pub(crate) fn network_namespace(&self) -> Option<u64> {
        namespace_number(&rustix::fs::readlinkat(&self.directory, "ns/net", Vec::new()).ok()?.into_bytes())
    }
}

/// The number in `net:[4026531840]`.
fn namespace_number(link: &[u8]) -> Option<u64> {
    crate::parse::number(link.strip_prefix(b"net:[")?.strip_suffix(b"]")?)
}

/// The initial process namespace always has this number (`PROC_PID_INIT_INO` in the kernel's
/// `include/linux/proc_ns.h`).
const INITIAL_PROCESS_NAMESPACE: &[u8] = b"pid:[4026531836]";

/// The host's network namespace: that of process 1. Where its link is not to be read, and this program
/// sees the host's processes, the namespace that this program itself is in.
pub(crate) fn host_namespace(procfs: &Path) -> Option<u64> {
    let link =
        |path: &str| Some(std::fs::read_link(procfs.join(path)).ok()?.into_os_string().into_encoded_bytes());
    let own = || {
        let on_host = link("self/ns/pid").is_some_and(|found| found == INITIAL_PROCESS_NAMESPACE);
        if on_host { link("self/ns/net") } else { None }
    };
    namespace_number(&link("1/ns/net").or_else(own)?)
}

pub(crate) fn find(layout: &Layout, roots: &Roots, target: &Target<'_>) -> Result<Found, Error> {
    if let Some(process) = target.pid.and_then(|pid| Process::open(&roots.procfs, pid))
        && let Some(bytes) = process.read("cgroup")
        && let Some((directories, path)) = by_membership(layout, &cgroups(&bytes), target.id)
    {
        return Ok(Found { directories, path, process: Some(process) });
    }
    let (directories, path) =
        by_place(layout, target).ok_or_else(|| Error::NoCgroup { id: target.id.to_owned() })?;
    let process = first_process(&directories, &roots.procfs, target.id);
    Ok(Found { directories, path, process })
}

type Directories = [Option<PathBuf>; Controller::COUNT];

/// The directories that a process's memberships name, if they are those of this container: a process id
/// that was given to another process since leads somewhere else.
fn by_membership(layout: &Layout, memberships: &[Membership], id: &str) -> Option<(Directories, String)> {
    let mut directories: Directories = Default::default();
    let mut path = None;
    for membership in memberships {
        let Some(path_of_container) = up_to_container(&membership.path, id) else { continue };
        if path_of_container.split('/').any(|part| part == "..") {
            continue;
        }
        let relative = path_of_container.trim_start_matches('/');
        for (controller, root) in layout.hierarchies() {
            let is_ours = match controller {
                Controller::Unified => membership.controllers.is_empty(),
                v1 => {
                    let name = Controller::V1.iter().find(|(c, _)| *c == v1).map_or("", |(_, name)| name);
                    membership.controllers.split(',').any(|part| part == name)
                }
            };
            let directory = root.join(relative);
            if is_ours && directory.is_dir() {
                directories[controller as usize] = Some(directory);
                path.get_or_insert_with(|| path_of_container.to_owned());
            }
        }
    }
    has_resources(&directories).then_some((directories, path?))
}

/// The part of a process's path that ends with the container's own cgroup: the process may have gone to
/// one below it, as an init system does.
fn up_to_container<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let at = path.find(id).filter(|_| !id.is_empty())?;
    let end = path[at..].find('/').map_or(path.len(), |length| at + length);
    Some(&path[..end])
}

/// Whether there is more than the v2 hierarchy of a hybrid machine.
fn has_resources(directories: &Directories) -> bool {
    let of = |controller: Controller| directories[controller as usize].as_deref();
    of(Controller::Memory).is_some()
        || of(Controller::CpuAcct).is_some()
        || of(Controller::Cpu).is_some()
        || of(Controller::Unified).is_some_and(|directory| directory.join("cpu.stat").exists())
}

fn by_place(layout: &Layout, target: &Target<'_>) -> Option<(Directories, String)> {
    let roots: Vec<_> = layout.hierarchies().collect();
    places(&roots, target).into_iter().find_map(|place| {
        let mut directories: Directories = Default::default();
        for (controller, root) in &roots {
            let directory = root.join(&place);
            directories[*controller as usize] = directory.is_dir().then_some(directory);
        }
        has_resources(&directories).then(|| (directories, format!("/{place}")))
    })
}

/// Where engines put a container, below a hierarchy's root: under `docker/` or the asked-for parent with
/// the cgroupfs driver, in a scope with the systemd driver, in the user's own slices when rootless.
fn places(roots: &[(Controller, &Path)], target: &Target<'_>) -> Vec<String> {
    let id = target.id;
    if id.is_empty() || id.contains('/') {
        return Vec::new();
    }
    let scope = format!("docker-{id}.scope");
    let mut places = vec![format!("docker/{id}"), format!("system.slice/{scope}")];
    let parent = target.cgroup_parent.trim_matches('/');
    let is_clean = !parent.split('/').any(|part| part == ".." || part == ".");
    if !parent.is_empty() && is_clean {
        places.insert(0, format!("{parent}/{id}"));
        if parent.ends_with(".slice") {
            places.insert(0, format!("{}/{scope}", expand_slice(parent)));
        }
    }
    for (_, root) in roots {
        let entries = std::fs::read_dir(root.join("user.slice")).into_iter().flatten().flatten();
        for user in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            let Some(uid) = user.strip_prefix("user-").and_then(|rest| rest.strip_suffix(".slice")) else {
                continue;
            };
            let service = format!("user.slice/{user}/user@{uid}.service");
            for slice in ["user.slice/", "docker.slice/", "app.slice/", ""] {
                places.push(format!("{service}/{slice}{scope}"));
            }
            places.push(format!("{service}/docker/{id}"));
        }
    }
    places.dedup();
    places
}

/// systemd puts `a-b.slice` into `a.slice`.
fn expand_slice(slice: &str) -> String {
    let stem = slice.trim_end_matches(".slice");
    let ends = stem.match_indices('-').map(|(at, _)| at).chain(std::iter::once(stem.len()));
    ends.map(|end| format!("{}.slice", &stem[..end])).collect::<Vec<_>>().join("/")
}

fn first_process(directories: &Directories, procfs: &Path, id: &str) -> Option<Process> {
    let holds_processes = [Controller::Pids, Controller::Memory, Controller::CpuAcct, Controller::Unified];
    let directory = holds_processes.iter().find_map(|c| directories[*c as usize].as_deref())?;
    let list = std::fs::read(directory.join("cgroup.procs")).ok()?;
    let first = crate::parse::number(list.split(|byte| *byte == b'\n').next()?)?;
    // A process outside our process namespace has number 0.
    let pid = u32::try_from(first).ok().filter(|pid| *pid > 0)?;
    let process = Process::open(procfs, pid)?;
    let belongs = String::from_utf8_lossy(&process.read("cgroup")?).contains(id);
    belongs.then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    struct Machine {
        root: tempfile::TempDir,
    }

    impl Machine {
        fn v2() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("cgroup")).unwrap();
            fs::write(root.path().join("cgroup/cgroup.controllers"), "cpu memory").unwrap();
            Self { root }
        }

        fn roots(&self) -> Roots {
            let at = |name: &str| self.root.path().join(name);
            Roots { cgroup: at("cgroup"), procfs: at("proc"), sysfs: at("sys") }
        }

        fn cgroup(&self, path: &str) -> &Self {
            let directory = self.root.path().join("cgroup").join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cpu.stat"), "usage_usec 1\n").unwrap();
            self
        }

        fn process(&self, pid: u32, cgroup: &str) -> &Self {
            let directory = self.root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup"), cgroup).unwrap();
            self
        }

        fn find(&self, target: &Target<'_>) -> Result<Found, Error> {
            let roots = self.roots();
            find(&Layout::probe(&roots.cgroup).unwrap(), &roots, target)
        }
    }

    fn target(pid: Option<u32>) -> Target<'static> {
        Target { id: ID, pid, ..Target::default() }
    }

    #[test]
    fn the_process_leads_to_the_cgroup() {
        let machine = Machine::v2();
        let path = format!("weird/place/{ID}");
        machine.cgroup(&path).cgroup(&format!("{path}/init.scope"));
        machine.process(7, &format!("0::/{path}/init.scope\n"));
        let found = machine.find(&target(Some(7))).unwrap();
        assert_eq!(found.path, format!("/{path}"));
        assert_eq!(found.process.unwrap().pid, 7);
    }

    #[test]
    fn a_process_number_that_was_given_to_another_is_not_followed() {
        let machine = Machine::v2();
        let place = format!("docker/{ID}");
        machine.cgroup(&place).cgroup("system.slice/other").process(7, "0::/system.slice/other\n");
        let found = machine.find(&target(Some(7))).unwrap();
        assert_eq!(found.path, format!("/{place}"));
        assert!(found.process.is_none());
    }

    #[test]
    fn the_usual_places_are_tried() {
        let scope = format!("docker-{ID}.scope");
        let cases = [
            ("", format!("docker/{ID}")),
            ("", format!("system.slice/{scope}")),
            ("/teams/red", format!("teams/red/{ID}")),
            ("teams-red.slice", format!("teams.slice/teams-red.slice/{scope}")),
            ("", format!("user.slice/user-1000.slice/user@1000.service/user.slice/{scope}")),
        ];
        for (cgroup_parent, place) in cases {
            let machine = Machine::v2();
            machine.cgroup(&place);
            let found = machine.find(&Target { cgroup_parent, ..target(None) });
            assert_eq!(found.unwrap().path, format!("/{place}"));
        }
    }

    #[test]
    fn nothing_is_followed_out_of_the_hierarchy() {
        let machine = Machine::v2();
        machine.process(7, &format!("0::/../../{ID}\n"));
        fs::create_dir_all(machine.root.path().join(ID)).unwrap();
        for cgroup_parent in ["..", "a/../.."] {
            let found = machine.find(&Target { cgroup_parent, ..target(Some(7)) });
            assert!(matches!(found, Err(Error::NoCgroup { .. })));
        }
        assert!(machine.find(&Target { id: "../x", ..Target::default() }).is_err());
    }

    #[test]
    fn slices_nest() {
        assert_eq!(expand_slice("a.slice"), "a.slice");
        assert_eq!(expand_slice("a-b-c.slice"), "a.slice/a-b.slice/a-b-c.slice");
    }
}
