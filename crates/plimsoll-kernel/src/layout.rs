//! Where the kernel's hierarchies are on this machine: cgroup v1, v2, or both (hybrid).

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where the kernel's files are. Inside a container they are mounted somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The cgroup hierarchies, on an ordinary machine `/sys/fs/cgroup`.
    pub cgroup: PathBuf,
    /// `/proc`.
    pub procfs: PathBuf,
    /// `/sys`.
    pub sysfs: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { cgroup: "/sys/fs/cgroup".into(), procfs: "/proc".into(), sysfs: "/sys".into() }
    }
}

/// The controllers that Plimsoll reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs, reason = "the kernel's own words")]
pub enum Controller {
    Cpu,
    CpuAcct,
    CpuSet,
    Memory,
    Blkio,
    Pids,
    HugeTlb,
    /// The v2 hierarchy: all there is on v2, pressure alone on hybrid.
    Unified,
}

impl Controller {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// The v1 controllers with their names.
    pub const V1: &'static [(Self, &'static str)] = &[
        (Self::Cpu, "cpu"),
        (Self::CpuAcct, "cpuacct"),
        (Self::CpuSet, "cpuset"),
        (Self::Memory, "memory"),
        (Self::Blkio, "blkio"),
        (Self::Pids, "pids"),
        (Self::HugeTlb, "hugetlb"),
    ];
}

/// The kind of the machine's cgroup hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy a controller.
    V1,
    /// v1 for the controllers, and a v2 hierarchy without any, for process tracking and pressure.
    Hybrid,
    /// One hierarchy for all.
    V2,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::Hybrid => "v1 and v2 (hybrid)",
            Self::V2 => "v2",
        })
    }
}

/// The hierarchies that were found.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Their kind.
    pub version: Version,
    hierarchies: [Option<PathBuf>; Controller::COUNT],
}

impl Layout {
    /// Looks at what is under `root`.
    ///
    /// # Errors
    /// If there is no cgroup hierarchy.
    pub fn probe(root: &Path) -> Result<Self, Error> {
        let mut hierarchies: [Option<PathBuf>; Controller::COUNT] = Default::default();
        if root.join("cgroup.controllers").exists() {
            hierarchies[Controller::Unified as usize] = Some(root.to_owned());
            return Ok(Self { version: Version::V2, hierarchies });
        }
        // A hierarchy with several controllers is called `cpu,cpuacct`; most systems link the single names
        // to it, and where they do not, it is found by its parts.
        let names: Vec<String> = fs::read_dir(root)
            .map(|entries| {
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
            })
            .unwrap_or_default();
        for (controller, wanted) in Controller::V1 {
            let joined = names.iter().find(|name| name.split(',').any(|part| part == *wanted));
            if let Some(name) = names.iter().find(|name| name == wanted).or(joined) {
                hierarchies[*controller as usize] = Some(root.join(name));
            }
        }
        let has = |controller: Controller| hierarchies[controller as usize].is_some();
        if !(has(Controller::Memory) || has(Controller::CpuAcct) || has(Controller::Cpu)) {
            return Err(Error::NoCgroups { root: root.to_owned() });
        }
        let unified = root.join("unified");
        let version = if unified.join("cgroup.controllers").exists() {
            hierarchies[Controller::Unified as usize] = Some(unified);
            Version::Hybrid
        } else {
            Version::V1
        };
        Ok(Self { version, hierarchies })
    }

    /// The root of the hierarchy that has the controller.
    #[must_use]
    pub fn hierarchy(&self, controller: Controller) -> Option<&Path> {
        self.hierarchies[controller as usize].as_deref()
    }

    /// The hierarchies, each with what it is for.
    pub(crate) fn hierarchies(&self) -> impl Iterator<Item = (Controller, &Path)> {
        let unified = std::iter::once((Controller::Unified, ""));
        Controller::V1
            .iter()
            .copied()
            .chain(unified)
            .filter_map(|(controller, _)| Some((controller, self.hierarchy(controller)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            if path.extension().is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            } else {
                fs::create_dir_all(path).unwrap();
            }
        }
        root
    }

    #[test]
    fn layouts_are_recognised() {
        let cases: &[(&[&str], Option<Version>)] = &[
            (&["cgroup.controllers"], Some(Version::V2)),
            (&["memory", "cpu,cpuacct", "systemd"], Some(Version::V1)),
            (&["memory", "cpu", "cpuacct", "unified/cgroup.controllers"], Some(Version::Hybrid)),
            (&["memory", "unified"], Some(Version::V1)),
            (&["systemd"], None),
            (&[], None),
        ];
        for (paths, expected) in cases {
            let root = root_with(paths);
            assert_eq!(Layout::probe(root.path()).ok().map(|layout| layout.version), *expected, "{paths:?}");
        }
    }

    #[test]
    fn joined_controllers_are_found_without_links() {
        let root = root_with(&["cpu,cpuacct", "memory"]);
        let layout = Layout::probe(root.path()).unwrap();
        for controller in [Controller::Cpu, Controller::CpuAcct] {
            assert_eq!(layout.hierarchy(controller), Some(&*root.path().join("cpu,cpuacct")));
        }
        assert_eq!(layout.hierarchy(Controller::Pids), None);
    }
}
