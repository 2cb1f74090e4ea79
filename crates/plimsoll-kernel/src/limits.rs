//! Limits: read when a container is found, when the engine tells of an update, and every half minute. The
//! effective limit is the least over the container and all its ancestors.

use std::path::{Path, PathBuf};

use plimsoll_model::{Collector, Profile, Selection, Slot};
use rustix::fs::{Mode, OFlags};

use crate::layout::{Controller, Layout, Version};
use crate::parse::cpu::{Bandwidth, v2_max};
use crate::parse::{Numbers, number, single};

type Directories = [Option<PathBuf>; Controller::COUNT];

/// Reads the limits that a selection asks for, without allocating: the path and the contents of a file
/// stand in reused space.
#[derive(Debug)]
pub(crate) struct Limits {
    path: PathBuf,
    cpu: Wanted,
    memory: Wanted,
    processes: Wanted,
}

/// What is wanted of a collector.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// The effective limits.
    limits: bool,
    /// And what stands behind them.
    details: bool,
}

/// Longer than any limit is written.
type Contents = [u8; 32];

impl Limits {
    pub(crate) fn new(selection: &Selection) -> Self {
        let wanted = |collector| Wanted {
            limits: selection.has_collector(collector),
            details: selection.shows(collector, Profile::Default),
        };
        Self {
            path: PathBuf::new(),
            cpu: wanted(Collector::Cpu),
            memory: wanted(Collector::Memory),
            processes: wanted(Collector::Processes),
        }
    }

    /// Reads all limits of a container.
    pub(crate) fn read(&mut self, layout: &Layout, directories: &Directories, out: &mut Numbers) {
        out.clear();
        let place = |controller: Controller| {
            Some((directories[controller as usize].as_deref()?, layout.hierarchy(controller)?))
        };
        if layout.version == Version::V2 {
            if let Some((directory, root)) = place(Controller::Unified) {
                self.v2(directory, root, out);
            }
            return;
        }
        if let Some((directory, root)) = place(Controller::Cpu).filter(|_| self.cpu.limits) {
            self.set_bandwidth(Self::v1_bandwidth, directory, root, out);
            if self.cpu.details {
                out.set_option(Slot::CpuShares, self.value(directory, "cpu.shares"));
            }
        }
        // The limits themselves are in `memory.stat`, which is read in each pass.
        if let Some((directory, _)) = place(Controller::Memory).filter(|_| self.memory.details) {
            out.set_option(Slot::MemoryReservation, self.value(directory, "memory.soft_limit_in_bytes"));
        }
        if let Some((directory, root)) = place(Controller::Pids).filter(|_| self.processes.limits) {
            out.set_option(Slot::ThreadsMax, self.least(directory, root, "pids.max"));
        }
    }

    fn v2(&mut self, directory: &Path, root: &Path, out: &mut Numbers) {
        if self.cpu.limits {
            self.set_bandwidth(Self::v2_bandwidth, directory, root, out);
            if self.cpu.details {
                out.set_option(Slot::CpuWeight, self.value(directory, "cpu.weight"));
            }
        }
        if self.memory.limits {
            out.set_option(Slot::MemoryLimit, self.least(directory, root, "memory.max"));
            if self.memory.details {
                out.set_option(Slot::MemoryHigh, self.least(directory, root, "memory.high"));
                out.set_option(Slot::MemoryReservation, self.value(directory, "memory.low"));
                out.set_option(Slot::MemoryMin, self.value(directory, "memory.min"));
                out.set_option(Slot::MemorySwapLimit, self.least(directory, root, "memory.swap.max"));
            }
        }
        if self.processes.limits {
            out.set_option(Slot::ThreadsMax, self.least(directory, root, "pids.max"));
        }
    }

    fn set_bandwidth(
        &mut self,
        read: fn(&mut Self, &Path) -> Option<Bandwidth>,
        directory: &Path,
        root: &Path,
        out: &mut Numbers,
    ) {
        let own = read(self, directory);
        if let Some(own) = own.filter(|_| self.cpu.details) {
            out.set_option(Slot::CpuQuota, own.quota);
            out.set(Slot::CpuPeriod, own.period);
        }
        let above = up_to(directory, root).skip(1).filter_map(|directory| read(self, directory)?.cores());
        let cores = above.chain(own.and_then(|own| own.cores())).min();
        out.set_option(Slot::CpuLimit, cores);
    }

    fn v1_bandwidth(&mut self, directory: &Path) -> Option<Bandwidth> {
        let mut contents = Contents::default();
        // No quota is written as -1, which is no number.
        let quota = number(self.contents(directory, "cpu.cfs_quota_us", &mut contents)?.trim_ascii());
        Some(Bandwidth { quota, period: self.value(directory, "cpu.cfs_period_us")? })
    }

    fn v2_bandwidth(&mut self, directory: &Path) -> Option<Bandwidth> {
        v2_max(self.contents(directory, "cpu.max", &mut Contents::default())?)
    }

    fn least(&mut self, directory: &Path, root: &Path, file: &str) -> Option<u64> {
        up_to(directory, root).filter_map(|directory| self.value(directory, file)).min()
    }

    fn value(&mut self, directory: &Path, file: &str) -> Option<u64> {
        single(self.contents(directory, file, &mut Contents::default())?)
    }

    fn contents<'a>(&mut self, directory: &Path, file: &str, into: &'a mut Contents) -> Option<&'a [u8]> {
        self.path.clear();
        self.path.push(directory);
        self.path.push(file);
        let opened = rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let length = rustix::io::pread(&opened, &mut into[..], 0).ok()?;
        Some(&into[..length])
    }
}

/// The directory and its ancestors, up to the hierarchy's root.
fn up_to<'a>(directory: &'a Path, root: &'a Path) -> impl Iterator<Item = &'a Path> {
    directory.ancestors().take_while(move |directory| directory.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn limits(root: &Path, controllers: &[(Controller, &str)]) -> Numbers {
        let mut directories: Directories = Default::default();
        for (controller, path) in controllers {
            directories[*controller as usize] = Some(root.join(path));
        }
        let mut out = Numbers::default();
        Limits::new(&Selection::default()).read(&Layout::probe(root).unwrap(), &directories, &mut out);
        out
    }

    #[test]
    fn v2_takes_the_least_over_all_ancestors() {
        let root = tree(&[
            ("cgroup.controllers", "cpu memory"),
            ("a/cpu.max", "150000 100000\n"),
            ("a/memory.max", "1000000\n"),
            ("a/pids.max", "max\n"),
            ("a/b/cpu.max", "max 100000\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.high", "700\n"),
            ("a/b/pids.max", "max\n"),
            ("a/b/c/cpu.max", "400000 200000\n"),
            ("a/b/c/memory.max", "2000000\n"),
            ("a/b/c/memory.low", "0\n"),
            ("a/b/c/pids.max", "55\n"),
        ]);
        let found = limits(root.path(), &[(Controller::Unified, "a/b/c")]);
        assert_eq!(found.get(Slot::CpuLimit), Some(1_500_000_000), "1.5 cores above, 2 here");
        assert_eq!(found.get(Slot::CpuQuota), Some(400_000), "the container's own");
        assert_eq!(found.get(Slot::MemoryLimit), Some(1_000_000));
        assert_eq!(found.get(Slot::MemoryHigh), Some(700));
        assert_eq!(found.get(Slot::MemoryReservation), Some(0));
        assert_eq!(found.get(Slot::ThreadsMax), Some(55));
        assert_eq!(found.get(Slot::MemorySwapLimit), None);
    }

    #[test]
    fn v1_without_limits_shows_none() {
        let root = tree(&[
            ("cpu/a/cpu.cfs_quota_us", "-1\n"),
            ("cpu/a/cpu.cfs_period_us", "100000\n"),
            ("cpu/a/cpu.shares", "1024\n"),
            ("memory/a/memory.soft_limit_in_bytes", "9223372036854771712\n"),
            ("pids/a/pids.max", "max\n"),
        ]);
        let found = limits(
            root.path(),
            &[(Controller::Cpu, "cpu/a"), (Controller::Memory, "memory/a"), (Controller::Pids, "pids/a")],
        );
        assert_eq!(found.get(Slot::CpuLimit), None);
        assert_eq!(found.get(Slot::CpuQuota), None);
        assert_eq!(found.get(Slot::CpuPeriod), Some(100_000));
        assert_eq!(found.get(Slot::CpuShares), Some(1024));
        assert_eq!(found.get(Slot::MemoryReservation), None);
        assert_eq!(found.get(Slot::ThreadsMax), None);
    }
}
