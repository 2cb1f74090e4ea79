//! What this machine lets the agent read, each with a reason and, where there is one, a remedy.

use std::path::{Path, PathBuf};

use plimsoll_model::agent::Capability;

use crate::Kernel;
use crate::layout::{Controller, Version};

pub(crate) fn probe(kernel: &Kernel) -> Vec<Capability> {
    let probe = Probe { kernel, sample: sample_cgroup(kernel) };
    vec![
        probe.controller("cpu", Controller::CpuAcct, "cpu.stat"),
        probe.controller("memory", Controller::Memory, "memory.current"),
        probe.controller("io", Controller::Blkio, "io.stat"),
        probe.controller("pids", Controller::Pids, "pids.current"),
        probe.pressure(),
        probe.swap(),
        probe.io_cost(),
        probe.network(),
        probe.descriptors(),
    ]
}

/// A cgroup below the root: the root itself lacks most files.
fn sample_cgroup(kernel: &Kernel) -> Option<PathBuf> {
    let root = kernel.layout.hierarchy(Controller::Unified)?;
    let directories =
        std::fs::read_dir(root).ok()?.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    let mut paths: Vec<_> = directories.map(|entry| entry.path()).collect();
    paths.sort();
    // The one with the most files tells the most.
    paths.into_iter().max_by_key(|path| std::fs::read_dir(path).map(Iterator::count).unwrap_or(0))
}

struct Probe<'a> {
    kernel: &'a Kernel,
    sample: Option<PathBuf>,
}

fn available(feature: &'static str, reason: String) -> Capability {
    Capability { feature, available: true, reason, remedy: String::new() }
}

fn missing(feature: &'static str, reason: impl Into<String>, remedy: &str) -> Capability {
    Capability { feature, available: false, reason: reason.into(), remedy: remedy.to_owned() }
}

impl Probe<'_> {
    fn version(&self) -> Version {
        self.kernel.layout.version
    }

    fn controller(&self, feature: &'static str, v1: Controller, v2_file: &str) -> Capability {
        if self.version() != Version::V2 {
            return match self.kernel.layout.hierarchy(v1) {
                Some(path) if v1 == Controller::Blkio => available(
                    feature,
                    format!(
                        "cgroup v1 at {}, where many kernels count only on devices that have a throttling rule; \
                         what is not counted is absent",
                        path.display()
                    ),
                ),
                Some(path) => available(feature, format!("cgroup v1 at {}", path.display())),
                None => missing(
                    feature,
                    format!("no cgroup v1 hierarchy under {}", self.kernel.roots.cgroup.display()),
                    "mount the controller's hierarchy there, or enable it on the kernel's command line",
                ),
            };
        }
        let root = self.kernel.layout.hierarchy(Controller::Unified).unwrap_or(Path::new(""));
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let name = if feature == "io" { "io" } else { feature };
        let has = |list: &str| list.split_whitespace().any(|word| word == name);
        // The processor's times are there without the controller.
        if has(&read("cgroup.subtree_control")) || (feature == "cpu" && root.join(v2_file).exists()) {
            available(feature, format!("cgroup v2 at {}", root.display()))
        } else if has(&read("cgroup.controllers")) {
            missing(
                feature,
                "the controller is not enabled for the cgroups below the root",
                "the engine enables it when it starts a container; else write +NAME to cgroup.subtree_control",
            )
        } else {
            missing(feature, "the kernel has no such controller", "enable it on the kernel's command line")
        }
    }

    fn pressure(&self) -> Capability {
        const FEATURE: &str = "psi";
        if self.version() == Version::V1 {
            return missing(
                FEATURE,
                "cgroup v1 has no pressure files, and no v2 hierarchy is mounted beside it",
                "boot with cgroup v2, or mount cgroup2 at unified/ below the cgroup root",
            );
        }
        let file = self.kernel.roots.procfs.join("pressure/memory");
        match std::fs::read(&file) {
            Ok(_) => available(FEATURE, "pressure files of the v2 hierarchy".to_owned()),
            Err(error) => missing(
                FEATURE,
                format!("reading {}: {error}", file.display()),
                "boot a kernel with CONFIG_PSI, with psi=1 on its command line",
            ),
        }
    }

    fn swap(&self) -> Capability {
        const FEATURE: &str = "swap";
        const REMEDY: &str = "boot with swapaccount=1";
        if self.version() == Version::V2 {
            return match &self.sample {
                Some(cgroup) if cgroup.join("memory.swap.current").exists() => {
                    available(FEATURE, "memory.swap.current".to_owned())
                }
                Some(_) => missing(FEATURE, "cgroups have no memory.swap.current", REMEDY),
                None => missing(FEATURE, "there is no cgroup yet to look at", ""),
            };
        }
        let memory = self.kernel.layout.hierarchy(Controller::Memory);
        match memory.map(|path| path.join("memory.memsw.limit_in_bytes").exists()) {
            Some(true) => available(FEATURE, "memory.stat total_swap".to_owned()),
            _ => missing(FEATURE, "the memory hierarchy does not account for swap", REMEDY),
        }
    }

    fn io_cost(&self) -> Capability {
        const FEATURE: &str = "io_cost";
        let root = self.kernel.layout.hierarchy(Controller::Unified);
        if self.version() == Version::V2 && root.is_some_and(|root| root.join("io.cost.qos").exists()) {
            available(FEATURE, "cost.* in io.stat of devices on which io.cost is enabled".to_owned())
        } else {
            missing(
                FEATURE,
                "the kernel has no io.cost controller here (cgroup v2 with CONFIG_BLK_CGROUP_IOCOST)",
                "",
            )
        }
    }

    fn network(&self) -> Capability {
        const FEATURE: &str = "netns";
        if self.kernel.host_namespace.is_some() {
            available(FEATURE, "network namespaces can be told apart".to_owned())
        } else {
            let link = self.kernel.roots.procfs.join("1/ns/net");
            missing(
                FEATURE,
                format!(
                    "{} cannot be read; which container has its own namespace is taken from the engine",
                    link.display()
                ),
                "run as root or with CAP_SYS_PTRACE; in a container, share the host's process namespace (--pid=host)",
            )
        }
    }

    fn descriptors(&self) -> Capability {
        const FEATURE: &str = "descriptors";
        let limit = self.kernel.budget.limit();
        if self.kernel.budget.was_enough() {
            available(FEATURE, format!("room for {limit} open files"))
        } else {
            missing(
                FEATURE,
                format!(
                    "{limit} open files are too few to keep every file open: some are opened for each read"
                ),
                "raise the limit of open files (ulimit -Hn, LimitNOFILE= in a unit, --ulimit nofile= of a container)",
            )
        }
    }
}
