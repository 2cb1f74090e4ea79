//! What this machine lets the agent read, each with a reason and, where there is one, a remedy.

use std::path::{Path, PathBuf};

use plimsoll_model::agent::Capability;

use crate::layout::{Controller, Version};
use crate::locate::View;
use crate::{Kernel, locate, parse};

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
        probe.host_cgroups(),
        probe.host_processes(),
        probe.network(),
        probe.namespaces(),
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

/// What is read through processes.
const WITHOUT_PROCESSES: &str = "network, socket and process metrics";

const HOST_PROC: &str = "in a container, mount the host's with -v /proc:/host/proc:ro and give --procfs /host/proc, or use --pid=host";

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

    /// Whether the hierarchies begin at the host's root: inside a container they may begin at its own cgroup.
    fn host_cgroups(&self) -> Capability {
        const FEATURE: &str = "host_cgroups";
        // On v2 the root alone lacks this file. On v1 the mount tells which directory it shows.
        let mounts = std::fs::read(self.kernel.roots.procfs.join("self/mountinfo")).unwrap_or_default();
        let begins_below = |(controller, root): (Controller, &Path)| match controller {
            Controller::Unified => root.join("cgroup.events").exists(),
            _ => parse::proc::mounted_part(&mounts, root).is_some_and(|part| part != b"/"),
        };
        let root = self.kernel.roots.cgroup.display();
        if self.kernel.layout.hierarchies().any(begins_below) {
            missing(
                FEATURE,
                format!(
                    "{root} begins at a cgroup below the host's root: containers elsewhere have no processor, memory, \
                     block I/O, task, pressure and limit metrics"
                ),
                "in a container, mount the host's with -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro and give --cgroup-root \
                 /host/sys/fs/cgroup",
            )
        } else {
            available(FEATURE, format!("{root} begins at the root"))
        }
    }

    /// Whether `/proc` shows other processes than those of a container that this program is in.
    fn host_processes(&self) -> Capability {
        const FEATURE: &str = "host_processes";
        let procfs = self.kernel.roots.procfs.display();
        if !self.kernel.roots.procfs.join("stat").exists() {
            return missing(
                FEATURE,
                format!("{procfs} is no /proc: {WITHOUT_PROCESSES} and the machine's own size are absent"),
                HOST_PROC,
            );
        }
        match locate::view(&self.kernel.roots.procfs) {
            View::Own => missing(
                FEATURE,
                format!(
                    "{procfs} shows only the processes of this container: {WITHOUT_PROCESSES} are absent"
                ),
                HOST_PROC,
            ),
            View::FromBelow => available(
                FEATURE,
                format!(
                    "{procfs} shows the processes of other containers; whose they are, an engine must tell: without one \
                     (and without --pid=host), {WITHOUT_PROCESSES} are absent"
                ),
            ),
            View::Host => available(FEATURE, format!("{procfs} shows the processes of other containers")),
        }
    }

    /// Whether the traffic of other processes' namespaces may be read.
    fn network(&self) -> Capability {
        const FEATURE: &str = "network";
        let procfs = &self.kernel.roots.procfs;
        if locate::view(procfs) == View::Own {
            return missing(FEATURE, "the processes of containers are not seen (host_processes)", HOST_PROC);
        }
        // What hides processes from this user hides the first one, too, unless it is this program itself.
        let file = procfs.join("1/cgroup");
        match std::fs::File::open(&file) {
            Ok(_) => available(FEATURE, "/proc/PID/net/dev of one process of each namespace".to_owned()),
            Err(error) => missing(
                FEATURE,
                format!(
                    "opening {}: {error}; other users' processes are hidden: network, socket and process metrics are \
                     absent",
                    file.display()
                ),
                "run as root, mount /proc without hidepid=, or be in the group of its gid=",
            ),
        }
    }

    fn namespaces(&self) -> Capability {
        const FEATURE: &str = "netns";
        if locate::view(&self.kernel.roots.procfs) == View::Own {
            return missing(FEATURE, "the processes of containers are not seen (host_processes)", HOST_PROC);
        }
        if self.kernel.host_namespace.is_some() {
            available(FEATURE, "network namespaces can be told apart".to_owned())
        } else {
            let link = self.kernel.roots.procfs.join("1/ns/net");
            missing(
                FEATURE,
                format!(
                    "{} cannot be read; which container has its own namespace is taken from the engine, and without one \
                     not known",
                    link.display()
                ),
                "run as root or with CAP_SYS_PTRACE; in a container, share the host's process namespace (--pid=host), and \
                 where AppArmor forbids it, --security-opt apparmor=unconfined",
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
