//! From a container's id and process to its directories in the kernel's trees.
//!
//! The process knows best: `/proc/PID/cgroup` names its cgroups. Where there is no process id, or where
//! this program sees other paths than the kernel writes (inside a container), the places where engines
//! put their containers are tried, and in the end all cgroups are looked through.
//!
//! The container's own cgroup is the highest that holds it alone. There is one exception: for systemd's
//! scopes on v2, crun makes a cgroup `container` below and writes the limits there; to the scope go those
//! alone that systemd has a property for, in older versions none. Limits are looked for upwards and throttling
//! is counted where the limit is, so the lower one is taken, as Podman's own statistics do.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};

use crate::error::Error;
use crate::layout::{Controller, Layout, Roots, Version};
use crate::parse::proc::{Membership, cgroups};
use crate::recognise::is_named_after;
use crate::scan;

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

/// Which processes a `/proc` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The host's, and this program is among them; or it cannot be told, and nothing speaks against it.
    Host,
    /// The host's, seen from a namespace below: elsewhere, the kernel does not tell this program their numbers.
    FromBelow,
    /// Those of this program's own namespace alone.
    Own,
}

/// Which processes this `/proc` shows.
pub(crate) fn view(procfs: &Path) -> View {
    let Ok(link) = std::fs::read_link(procfs.join("self/ns/pid")) else { return View::Host };
    if link.as_os_str().as_encoded_bytes() == INITIAL_PROCESS_NAMESPACE {
        return View::Host;
    }
    // A process has one number in each namespace from that of the mount down to its own.
    let status = std::fs::read(procfs.join("self/status")).unwrap_or_default();
    match crate::parse::proc::namespaces_below(&status) {
        Some(..=1) => View::Own,
        Some(_) => View::FromBelow,
        None => View::Host,
    }
}

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

type Directories = [Option<PathBuf>; Controller::COUNT];

pub(crate) fn find(layout: &Layout, roots: &Roots, target: &Target<'_>) -> Result<Found, Error> {
    let opened = target.pid.and_then(|pid| Process::open(&roots.procfs, pid));
    // A process that is gone has most likely taken its container along: that is not worth a long search.
    let is_worth_it = target.pid.is_none() || opened.is_some();
    let by_process = opened.and_then(|process| {
        let memberships = cgroups(&process.read("cgroup")?);
        Some((by_membership(layout, &memberships, target.id)?, Some(process)))
    });
    let ((directories, path), process) = by_process
        .or_else(|| Some((by_place(layout, target)?, None)))
        .or_else(|| Some((by_search(layout, target.id).filter(|_| is_worth_it)?, None)))
        .ok_or_else(|| Error::NoCgroup { id: target.id.to_owned() })?;
    let process = process.or_else(|| first_process(&directories, &roots.procfs, target.id));
    let (directories, path) = with_limits(layout, directories, path);
    Ok(Found { directories, path, process })
}

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
    let mut end = 0;
    for name in path.split_inclusive('/') {
        end += name.len();
        if is_named_after(name.trim_end_matches('/'), id) {
            return Some(path[..end].trim_end_matches('/'));
        }
    }
    None
}

/// The name that crun gives to the cgroup below a scope (`run.oci.systemd.subgroup` in crun's manual).
const CRUN_GROUP: &str = "container";

/// Goes down to the cgroup that has the container's limits, where crun made one: a scope's only child of that
/// name. A cgroup with children and controllers has no processes of its own, so nothing is missed.
fn with_limits(layout: &Layout, mut directories: Directories, path: String) -> (Directories, String) {
    let unified = &mut directories[Controller::Unified as usize];
    let Some(scope) = unified.take_if(|_| layout.version == Version::V2 && path.ends_with(".scope")) else {
        return (directories, path);
    };
    let mut below = scan::directories(CWD, &scope);
    let is_alone = below.next().is_some_and(|name| name.as_os_str() == CRUN_GROUP) && below.next().is_none();
    *unified = Some(if is_alone { scope.join(CRUN_GROUP) } else { scope });
    (directories, if is_alone { format!("{path}/{CRUN_GROUP}") } else { path })
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
    places(layout, target).into_iter().find_map(|place| at_place(layout, &place))
}

fn by_search(layout: &Layout, id: &str) -> Option<(Directories, String)> {
    at_place(layout, scan::search(layout, id)?.trim_start_matches('/'))
}

fn at_place(layout: &Layout, place: &str) -> Option<(Directories, String)> {
    let mut directories: Directories = Default::default();
    for (controller, root) in layout.hierarchies() {
        let directory = root.join(place);
        directories[controller as usize] = directory.is_dir().then_some(directory);
    }
    has_resources(&directories).then(|| (directories, format!("/{place}")))
}

/// Where engines put a container, below a hierarchy's root, with the cgroupfs driver and with systemd's.
const PLACES: &[&str] = &[
    "docker/ID",
    "system.slice/docker-ID.scope",
    "libpod_parent/libpod-ID",
    "machine.slice/libpod-ID.scope",
    "system.slice/nerdctl-ID.scope",
    "default/ID",
    "k8s.io/ID",
];

/// Below the asked-for parent; with systemd's driver that is a slice.
const PLACES_BELOW_PARENT: &[&str] = &["ID", "libpod-ID"];
const PLACES_BELOW_SLICE: &[&str] = &["docker-ID.scope", "libpod-ID.scope", "nerdctl-ID.scope"];

/// Below a user's service manager, when rootless.
const PLACES_OF_USER: &[&str] = &[
    "user.slice/docker-ID.scope",
    "docker.slice/docker-ID.scope",
    "app.slice/docker-ID.scope",
    "docker-ID.scope",
    "docker/ID",
    "user.slice/libpod-ID.scope",
    "user.slice/nerdctl-ID.scope",
];

/// The places to try, the most likely one first.
fn places(layout: &Layout, target: &Target<'_>) -> Vec<String> {
    let id = target.id;
    if id.is_empty() || id.contains('/') || id == ".." {
        return Vec::new();
    }
    let mut places = Vec::new();
    let mut add = |below: &str, names: &[&str]| {
        places.extend(names.iter().map(|name| format!("{below}{}", name.replace("ID", id))));
    };
    let parent = target.cgroup_parent.trim_matches('/');
    let is_clean = !parent.split('/').any(|part| part == ".." || part == ".");
    if !parent.is_empty() && is_clean {
        if parent.ends_with(".slice") {
            // Docker is given a slice's name, Podman a pod's with the path before it.
            let (path, slice) = parent.rsplit_once('/').unwrap_or(("", parent));
            add(&format!("{}/", expand_slice(slice)), PLACES_BELOW_SLICE);
            if !path.is_empty() {
                add(&format!("{parent}/"), PLACES_BELOW_SLICE);
            }
        }
        add(&format!("{parent}/"), PLACES_BELOW_PARENT);
    }
    add("", PLACES);
    let mut users: Vec<String> = layout
        .hierarchies()
        .flat_map(|(_, root)| scan::directories(CWD, &root.join("user.slice")))
        .filter_map(|name| name.into_os_string().into_string().ok())
        .collect();
    users.sort_unstable();
    users.dedup();
    for user in users {
        let Some(uid) = user.strip_prefix("user-").and_then(|rest| rest.strip_suffix(".slice")) else {
            continue;
        };
        add(&format!("user.slice/{user}/user@{uid}.service/"), PLACES_OF_USER);
    }
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
    // A process outside our process namespace has number 0.
    let pid = scan::first_process(CWD, directory).filter(|pid| *pid > 0)?;
    let process = Process::open(procfs, pid)?;
    let memberships = cgroups(&process.read("cgroup")?);
    memberships.iter().any(|membership| up_to_container(&membership.path, id).is_some()).then_some(process)
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
        let service = "user.slice/user-1000.slice/user@1000.service";
        let pod = "machine.slice/machine-libpod_pod_1f.slice";
        let cases = [
            ("", "docker/ID"),
            ("", "system.slice/docker-ID.scope"),
            ("", "libpod_parent/libpod-ID"),
            ("", "machine.slice/libpod-ID.scope"),
            ("/teams/red", "teams/red/ID"),
            ("/teams/red", "teams/red/libpod-ID"),
            ("teams-red.slice", "teams.slice/teams-red.slice/docker-ID.scope"),
            (pod, &format!("{pod}/libpod-ID.scope")),
            ("", &format!("{service}/user.slice/docker-ID.scope")),
            ("", &format!("{service}/user.slice/libpod-ID.scope")),
        ];
        for (cgroup_parent, place) in cases {
            let place = place.replace("ID", ID);
            let machine = Machine::v2();
            machine.cgroup(&place);
            let found = machine.find(&Target { cgroup_parent, ..target(None) });
            assert_eq!(found.unwrap().path, format!("/{place}"));
        }
    }

    #[test]
    fn elsewhere_it_is_searched_unless_its_process_is_gone() {
        let place = format!("kubepods/burstable/pod1/{ID}");
        let machine = Machine::v2();
        machine.cgroup(&place).cgroup("docker").process(7, &format!("0::/../{ID}\n"));
        for pid in [None, Some(7)] {
            assert_eq!(machine.find(&target(pid)).unwrap().path, format!("/{place}"));
        }
        assert!(machine.find(&target(Some(8))).is_err());
    }

    #[test]
    fn who_watches_over_a_container_is_not_taken_for_it() {
        let watched = format!("machine.slice/libpod-{ID}.scope");
        let conmon = format!("machine.slice/libpod-conmon-{ID}.scope");
        let machine = Machine::v2();
        machine.cgroup(&conmon).process(7, &format!("0::/{conmon}\n"));
        assert!(machine.find(&target(Some(7))).is_err());
        machine.cgroup(&watched);
        assert_eq!(machine.find(&target(Some(7))).unwrap().path, format!("/{watched}"));
    }

    #[test]
    fn the_limits_are_in_the_cgroup_that_crun_makes() {
        let scope = format!("machine.slice/libpod-{ID}.scope");
        let cases = [
            (&["container"][..], "/container"),
            (&["container/init.scope"], "/container"),
            (&["container", "system.slice"], ""),
            (&["init.scope"], ""),
            (&[], ""),
        ];
        for (below, expected) in cases {
            let machine = Machine::v2();
            machine.cgroup(&scope);
            let own = below.first().map_or(scope.clone(), |first| format!("{scope}/{first}"));
            for group in below {
                machine.cgroup(&format!("{scope}/{group}"));
            }
            machine.process(7, &format!("0::/{own}\n"));
            for pid in [None, Some(7)] {
                let found = machine.find(&target(pid)).unwrap();
                assert_eq!(found.path, format!("/{scope}{expected}"), "{below:?}");
            }
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
        for id in ["../x", "..", ""] {
            assert!(machine.find(&Target { id, ..Target::default() }).is_err());
        }
    }

    #[test]
    fn slices_nest() {
        assert_eq!(expand_slice("a.slice"), "a.slice");
        assert_eq!(expand_slice("a-b-c.slice"), "a.slice/a-b.slice/a-b-c.slice");
    }
}
