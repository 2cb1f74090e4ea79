//! The readers against captured kernels: every number of every container is compared with what the test
//! itself finds in the captured files, and with what the engine said at that moment.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plimsoll_kernel::{Kernel, Reader, Reading, Roots, Spent, Target, Version};
use plimsoll_model::catalog::SlotIndex;
use plimsoll_model::{
    Collector, Container, ContainerRow, DeviceSlot, InterfaceSlot, Profile, Selection, Slot,
};
use plimsoll_testkit::tree::unpack;
use plimsoll_testkit::wait_until;
use serde_json::Value;
use tempfile::TempDir;

const MICRO: u64 = 1_000;
/// A clock tick is a hundredth of a second.
const TICK: u64 = 10_000_000;
/// v1 writes "no limit" as a number near 2^63.
const NO_LIMIT: u64 = 1 << 62;

/// Where a slot's number stands: hierarchy, file, key (empty: the file is the number), factor.
type Row = (Slot, &'static str, &'static str, &'static str, u64);

const V1: &[Row] = &[
    (Slot::CpuUsage, "cpuacct", "cpuacct.usage", "", 1),
    (Slot::CpuUser, "cpuacct", "cpuacct.stat", "user", TICK),
    (Slot::CpuSystem, "cpuacct", "cpuacct.stat", "system", TICK),
    (Slot::CfsPeriods, "cpu", "cpu.stat", "nr_periods", 1),
    (Slot::CfsThrottledPeriods, "cpu", "cpu.stat", "nr_throttled", 1),
    (Slot::CfsThrottledTime, "cpu", "cpu.stat", "throttled_time", 1),
    (Slot::CfsBurstPeriods, "cpu", "cpu.stat", "nr_bursts", 1),
    (Slot::CfsBurstTime, "cpu", "cpu.stat", "burst_time", 1),
    (Slot::CpuQuota, "cpu", "cpu.cfs_quota_us", "", 1),
    (Slot::CpuPeriod, "cpu", "cpu.cfs_period_us", "", 1),
    (Slot::CpuShares, "cpu", "cpu.shares", "", 1),
    (Slot::MemoryUsage, "memory", "memory.usage_in_bytes", "", 1),
    (Slot::MemoryKernel, "memory", "memory.kmem.usage_in_bytes", "", 1),
    (Slot::MemoryMaxUsage, "memory", "memory.max_usage_in_bytes", "", 1),
    (Slot::MemoryEventMax, "memory", "memory.failcnt", "", 1),
    (Slot::MemoryEventOomKill, "memory", "memory.oom_control", "oom_kill", 1),
    (Slot::MemoryReservation, "memory", "memory.soft_limit_in_bytes", "", 1),
    (Slot::MemorySwapLimit, "memory", "memory.stat", "hierarchical_memsw_limit", 1),
    (Slot::MemoryLimit, "memory", "memory.stat", "hierarchical_memory_limit", 1),
    (Slot::MemoryRss, "memory", "memory.stat", "total_rss", 1),
    (Slot::MemoryCache, "memory", "memory.stat", "total_cache", 1),
    (Slot::MemoryMappedFile, "memory", "memory.stat", "total_mapped_file", 1),
    (Slot::MemoryActiveFile, "memory", "memory.stat", "total_active_file", 1),
    (Slot::MemoryInactiveFile, "memory", "memory.stat", "total_inactive_file", 1),
    (Slot::MemoryShmem, "memory", "memory.stat", "total_shmem", 1),
    (Slot::MemorySwap, "memory", "memory.stat", "total_swap", 1),
    (Slot::FileDirty, "memory", "memory.stat", "total_dirty", 1),
    (Slot::FileWriteback, "memory", "memory.stat", "total_writeback", 1),
    (Slot::RefaultFile, "memory", "memory.stat", "total_workingset_refault_file", 1),
    (Slot::RefaultAnon, "memory", "memory.stat", "total_workingset_refault_anon", 1),
    (Slot::PgfaultContainer, "memory", "memory.stat", "pgfault", 1),
    (Slot::PgmajfaultContainer, "memory", "memory.stat", "pgmajfault", 1),
    (Slot::PgfaultHierarchy, "memory", "memory.stat", "total_pgfault", 1),
    (Slot::PgmajfaultHierarchy, "memory", "memory.stat", "total_pgmajfault", 1),
    (Slot::Threads, "pids", "pids.current", "", 1),
    (Slot::ThreadsMax, "pids", "pids.max", "", 1),
    (Slot::ThreadsPeak, "pids", "pids.peak", "", 1),
    (Slot::PidsLimitEvents, "pids", "pids.events", "max", 1),
];

const V2: &[Row] = &[
    (Slot::CpuUsage, "", "cpu.stat", "usage_usec", MICRO),
    (Slot::CpuUser, "", "cpu.stat", "user_usec", MICRO),
    (Slot::CpuSystem, "", "cpu.stat", "system_usec", MICRO),
    (Slot::CfsPeriods, "", "cpu.stat", "nr_periods", 1),
    (Slot::CfsThrottledPeriods, "", "cpu.stat", "nr_throttled", 1),
    (Slot::CfsThrottledTime, "", "cpu.stat", "throttled_usec", MICRO),
    (Slot::CfsBurstPeriods, "", "cpu.stat", "nr_bursts", 1),
    (Slot::CfsBurstTime, "", "cpu.stat", "burst_usec", MICRO),
    (Slot::CpuWeight, "", "cpu.weight", "", 1),
    (Slot::MemoryUsage, "", "memory.current", "", 1),
    (Slot::MemoryMaxUsage, "", "memory.peak", "", 1),
    (Slot::MemorySwap, "", "memory.swap.current", "", 1),
    (Slot::MemorySwapLimit, "", "memory.swap.max", "", 1),
    (Slot::MemoryHigh, "", "memory.high", "", 1),
    (Slot::MemoryReservation, "", "memory.low", "", 1),
    (Slot::MemoryMin, "", "memory.min", "", 1),
    (Slot::MemoryEventLow, "", "memory.events", "low", 1),
    (Slot::MemoryEventHigh, "", "memory.events", "high", 1),
    (Slot::MemoryEventMax, "", "memory.events", "max", 1),
    (Slot::MemoryEventOom, "", "memory.events", "oom", 1),
    (Slot::MemoryEventOomKill, "", "memory.events", "oom_kill", 1),
    (Slot::MemoryEventOomGroupKill, "", "memory.events", "oom_group_kill", 1),
    (Slot::SwapEventHigh, "", "memory.swap.events", "high", 1),
    (Slot::SwapEventMax, "", "memory.swap.events", "max", 1),
    (Slot::SwapEventFail, "", "memory.swap.events", "fail", 1),
    (Slot::MemoryRss, "", "memory.stat", "anon", 1),
    (Slot::MemoryCache, "", "memory.stat", "file", 1),
    (Slot::MemoryKernel, "", "memory.stat", "kernel", 1),
    (Slot::MemoryKernelStack, "", "memory.stat", "kernel_stack", 1),
    (Slot::MemoryPageTables, "", "memory.stat", "pagetables", 1),
    (Slot::MemorySock, "", "memory.stat", "sock", 1),
    (Slot::MemoryShmem, "", "memory.stat", "shmem", 1),
    (Slot::MemoryZswapCompressed, "", "memory.stat", "zswap", 1),
    (Slot::MemoryZswapOriginal, "", "memory.stat", "zswapped", 1),
    (Slot::MemoryMappedFile, "", "memory.stat", "file_mapped", 1),
    (Slot::FileDirty, "", "memory.stat", "file_dirty", 1),
    (Slot::FileWriteback, "", "memory.stat", "file_writeback", 1),
    (Slot::MemoryActiveFile, "", "memory.stat", "active_file", 1),
    (Slot::MemoryInactiveFile, "", "memory.stat", "inactive_file", 1),
    (Slot::MemorySlabReclaimable, "", "memory.stat", "slab_reclaimable", 1),
    (Slot::MemorySlabUnreclaimable, "", "memory.stat", "slab_unreclaimable", 1),
    (Slot::RefaultFile, "", "memory.stat", "workingset_refault_file", 1),
    (Slot::RefaultAnon, "", "memory.stat", "workingset_refault_anon", 1),
    (Slot::Pgscan, "", "memory.stat", "pgscan", 1),
    (Slot::Pgsteal, "", "memory.stat", "pgsteal", 1),
    (Slot::PgfaultContainer, "", "memory.stat", "pgfault", 1),
    (Slot::PgfaultHierarchy, "", "memory.stat", "pgfault", 1),
    (Slot::PgmajfaultContainer, "", "memory.stat", "pgmajfault", 1),
    (Slot::PgmajfaultHierarchy, "", "memory.stat", "pgmajfault", 1),
    (Slot::CgroupsLive, "", "cgroup.stat", "nr_descendants", 1),
    (Slot::CgroupsDying, "", "cgroup.stat", "nr_dying_descendants", 1),
    (Slot::Threads, "", "pids.current", "", 1),
    (Slot::ThreadsMax, "", "pids.max", "", 1),
    (Slot::ThreadsPeak, "", "pids.peak", "", 1),
    (Slot::PidsLimitEvents, "", "pids.events", "max", 1),
];

/// Resource, slots of `some total`, `full total`, and the averages of both.
type PressureRow = (&'static str, Option<Slot>, Slot, Option<[Slot; 3]>, [Slot; 3]);

const PRESSURE: &[PressureRow] = &[
    (
        "cpu",
        Some(Slot::PressureCpuWaiting),
        Slot::PressureCpuStalled,
        Some([Slot::PressureCpuSome10, Slot::PressureCpuSome60, Slot::PressureCpuSome300]),
        [Slot::PressureCpuFull10, Slot::PressureCpuFull60, Slot::PressureCpuFull300],
    ),
    (
        "memory",
        Some(Slot::PressureMemoryWaiting),
        Slot::PressureMemoryStalled,
        Some([Slot::PressureMemorySome10, Slot::PressureMemorySome60, Slot::PressureMemorySome300]),
        [Slot::PressureMemoryFull10, Slot::PressureMemoryFull60, Slot::PressureMemoryFull300],
    ),
    (
        "io",
        Some(Slot::PressureIoWaiting),
        Slot::PressureIoStalled,
        Some([Slot::PressureIoSome10, Slot::PressureIoSome60, Slot::PressureIoSome300]),
        [Slot::PressureIoFull10, Slot::PressureIoFull60, Slot::PressureIoFull300],
    ),
    (
        "irq",
        None,
        Slot::PressureIrqStalled,
        None,
        [Slot::PressureIrqFull10, Slot::PressureIrqFull60, Slot::PressureIrqFull300],
    ),
];

/// `/proc/PID/net/sockstat` and its sibling: slot, file, line, word.
const SOCKETS: &[(Slot, &str, &str, &str)] = &[
    (Slot::SocketsTcp, "sockstat", "TCP:", "inuse"),
    (Slot::SocketsTcpTimeWait, "sockstat", "TCP:", "tw"),
    (Slot::SocketsUdp, "sockstat", "UDP:", "inuse"),
    (Slot::SocketsRaw, "sockstat", "RAW:", "inuse"),
    (Slot::SocketsTcp6, "sockstat6", "TCP6:", "inuse"),
    (Slot::SocketsUdp6, "sockstat6", "UDP6:", "inuse"),
    (Slot::SocketsRaw6, "sockstat6", "RAW6:", "inuse"),
];

/// Slots that are not the kernel's: life cycle, and what takes two passes.
const NOT_READ: &[Slot] = &[
    Slot::State,
    Slot::Status,
    Slot::HealthNone,
    Slot::HealthStarting,
    Slot::HealthHealthy,
    Slot::HealthUnhealthy,
    Slot::HealthFailingStreak,
    Slot::Created,
    Slot::Started,
    Slot::Finished,
    Slot::ExitCode,
    Slot::ExitsZero,
    Slot::ExitsSignal,
    Slot::ExitsError,
    Slot::Restarts,
    Slot::StartsPolicy,
    Slot::StartsManual,
    Slot::Uptime,
    Slot::OomKilled,
    Slot::LastSeen,
    Slot::CpuPercent,
    Slot::OomEvents,
];

const IRQ_PRESSURE: &[Slot] =
    &[Slot::PressureIrqStalled, Slot::PressureIrqFull10, Slot::PressureIrqFull60, Slot::PressureIrqFull300];

const NO_V1: &[Slot] = &[
    Slot::CpuWeight,
    Slot::MemoryMigrate,
    Slot::MemoryKernelStack,
    Slot::MemoryPageTables,
    Slot::MemorySock,
    Slot::MemorySlabReclaimable,
    Slot::MemorySlabUnreclaimable,
    Slot::MemoryZswapCompressed,
    Slot::MemoryZswapOriginal,
    Slot::MemoryHigh,
    Slot::MemoryMin,
    Slot::MemoryEventLow,
    Slot::MemoryEventHigh,
    Slot::MemoryEventOom,
    Slot::MemoryEventOomGroupKill,
    Slot::Pgscan,
    Slot::Pgsteal,
    Slot::SwapEventHigh,
    Slot::SwapEventMax,
    Slot::SwapEventFail,
    Slot::CgroupsLive,
    Slot::CgroupsDying,
];

/// v2 has no shares, this kernel no cpuset, and nobody set the other two limits.
const NO_V2: &[Slot] =
    &[Slot::CpuShares, Slot::CpusetCpus, Slot::MemoryMigrate, Slot::MemoryHigh, Slot::MemorySwapLimit];

struct Capture {
    file: &'static str,
    version: Version,
    table: &'static [Row],
    /// What this kernel does not tell of a container with every limit.
    absent: &'static [&'static [Slot]],
    has_pressure: bool,
    /// Capabilities that are missing.
    missing: &'static [&'static str],
}

const CAPTURES: &[Capture] = &[
    Capture {
        file: "hybrid-docker-20.10",
        version: Version::Hybrid,
        table: V1,
        absent: &[NO_V1, IRQ_PRESSURE],
        has_pressure: true,
        missing: &["io_cost"],
    },
    Capture {
        file: "v1-docker-20.10",
        version: Version::V1,
        table: V1,
        absent: &[NO_V1, &[Slot::CpusetCpus]],
        has_pressure: false,
        missing: &["psi", "io_cost"],
    },
    Capture {
        file: "v2-docker-20.10-uml-6.1",
        version: Version::V2,
        table: V2,
        absent: &[NO_V2],
        has_pressure: false,
        missing: &["psi", "io_cost"],
    },
];

struct Captured {
    name: String,
    id: String,
    pid: u32,
    stats: Value,
}

struct Tree {
    capture: &'static Capture,
    dir: TempDir,
    containers: Vec<Captured>,
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/kernel").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Tree {
    fn unpack(capture: &'static Capture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = fixture(&format!("{}.tree", capture.file));
        unpack(&text, dir.path());
        let stats = fixture(&format!("{}.stats.jsonl", capture.file));
        let stats = stats.lines().map(|line| serde_json::from_str(line).unwrap());
        let heads = text.lines().filter_map(|line| line.strip_prefix("# container plimsoll-cap-"));
        let containers: Vec<_> = heads
            .zip(stats)
            .map(|(head, stats)| {
                let words: Vec<_> = head.split(' ').collect();
                let id = words[1].strip_prefix("id=").unwrap().to_owned();
                let pid = words[2].strip_prefix("pid=").unwrap().parse().unwrap();
                Captured { name: words[0].to_owned(), id, pid, stats }
            })
            .collect();
        assert_eq!(containers.len(), 8);
        Self { capture, dir, containers }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn kernel(&self, selection: &Selection) -> Kernel {
        let roots = Roots { cgroup: self.path("cgroup"), procfs: self.path("proc"), sysfs: self.path("sys") };
        Kernel::probe(roots, selection).unwrap()
    }

    fn container(&self, name: &str) -> &Captured {
        self.containers.iter().find(|container| container.name == name).unwrap()
    }

    fn has_unified(&self) -> bool {
        self.path("cgroup/unified/cgroup.controllers").exists()
    }

    /// A directory of the container, and its ancestors below the hierarchy's root.
    fn lineage(&self, hierarchy: &str, container: &Captured) -> Vec<PathBuf> {
        let parent = if container.name == "nested" { "plimsoll-cap" } else { "docker" };
        let parent = self.path("cgroup").join(hierarchy).join(parent);
        vec![parent.join(&container.id), parent]
    }

    fn cgroup(&self, hierarchy: &str, container: &Captured) -> PathBuf {
        self.lineage(hierarchy, container).remove(0)
    }

    /// What the captured files say: each number with the file that holds it.
    fn expected(&self, container: &Captured) -> BTreeMap<usize, (u64, String)> {
        let mut expected = BTreeMap::new();
        let mut put = |slot: Slot, value: Option<u64>, file: &str| {
            if let Some(value) = value {
                expected.insert(slot.index(), (value, file.to_owned()));
            }
        };
        for &(slot, hierarchy, file, key, factor) in self.capture.table {
            // Limits hold for all below.
            let is_limit = matches!(slot, Slot::ThreadsMax | Slot::MemorySwapLimit | Slot::MemoryHigh);
            let lineage = self.lineage(hierarchy, container);
            let places = if is_limit { &lineage[..] } else { &lineage[..1] };
            let value = places.iter().filter_map(|place| field(&place.join(file), key)).min();
            put(slot, value.filter(|value| *value < NO_LIMIT).map(|value| value * factor), file);
        }
        let unified = if self.capture.version == Version::V2 { "" } else { "unified" };
        if self.capture.version == Version::V2 || self.has_unified() {
            for &(resource, some, full, some_averages, full_averages) in PRESSURE {
                let file = format!("{resource}.pressure");
                let path = self.cgroup(unified, container).join(&file);
                for (word, total, averages) in
                    [("some", some, some_averages), ("full", Some(full), Some(full_averages))]
                {
                    let (Some(total), Some(averages)) = (total, averages) else { continue };
                    let value = |key: &str| {
                        let text = fs::read_to_string(&path).ok()?;
                        let line = text.lines().find(|line| line.starts_with(word))?.to_owned();
                        let found =
                            line.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))?;
                        // Averages have two decimals.
                        found.replace('.', "").parse::<u64>().ok()
                    };
                    put(total, value("total").map(|micros| micros * MICRO), &file);
                    for (slot, key) in averages.into_iter().zip(["avg10", "avg60", "avg300"]) {
                        put(slot, value(key).map(|hundredths| hundredths * 100_000), &file);
                    }
                }
            }
        }
        if container.name != "host" {
            for &(slot, file, line, word) in SOCKETS {
                let text =
                    fs::read_to_string(self.path(&format!("proc/{}/net/{file}", container.pid))).unwrap();
                let found = text.lines().find(|text| text.starts_with(line)).map(|text| {
                    let mut words = text.split_whitespace().skip_while(|found| *found != word);
                    words.nth(1).unwrap().parse().unwrap()
                });
                put(slot, found, &format!("net/{file}"));
            }
        }
        let is_v2 = self.capture.version == Version::V2;
        let pids = self.cgroup(if is_v2 { "" } else { "pids" }, container);
        let processes = fs::read_to_string(pids.join("cgroup.procs")).unwrap().lines().count();
        put(Slot::Processes, Some(processes as u64), "cgroup.procs");
        let cpuset = if is_v2 { "" } else { "cpuset" };
        let file = if is_v2 { "cpuset.cpus.effective" } else { "cpuset.effective_cpus" };
        if let Ok(list) = fs::read_to_string(self.cgroup(cpuset, container).join(file)) {
            let count = match list.trim() {
                "0" => 1,
                "0-1" => 2,
                other => panic!("{other}"),
            };
            put(Slot::CpusetCpus, Some(count), file);
        }
        self.expect_limits(container, &mut put);
        let get = |slot: Slot| expected.get(&slot.index()).map(|(value, _)| *value);
        if let (Some(usage), Some(inactive)) = (get(Slot::MemoryUsage), get(Slot::MemoryInactiveFile)) {
            let working_set = usage - inactive;
            let limit = get(Slot::MemoryLimit);
            expected.insert(Slot::MemoryWorkingSet.index(), (working_set, String::new()));
            if let Some(limit) = limit {
                let percent = u128::from(working_set) * 100_000_000_000 / u128::from(limit);
                let percent = u64::try_from(percent).unwrap();
                expected.insert(Slot::MemoryUsagePercent.index(), (percent, String::new()));
            }
        }
        expected
    }

    /// Limits in cores, and v2's memory limit: by hand, from what the capture's script set.
    fn expect_limits(&self, container: &Captured, put: &mut impl FnMut(Slot, Option<u64>, &str)) {
        let cores = match container.name.as_str() {
            "busy" => Some(500_000_000),
            "nested" => Some(250_000_000),
            _ => None,
        };
        put(Slot::CpuLimit, cores, "");
        let quota = (container.name == "busy").then_some(50_000);
        put(Slot::CpuQuota, quota, "");
        put(Slot::CpuPeriod, Some(100_000), "");
        const MIB: u64 = 1 << 20;
        let memory = match container.name.as_str() {
            "busy" => Some(64 * MIB),
            "oom" => Some(16 * MIB),
            "nested" => Some(32 * MIB),
            _ => None,
        };
        put(Slot::MemoryLimit, memory, "memory.stat");
    }
}

/// A number in a file: the whole of it, or that of the line with this key.
fn field(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    if key.is_empty() {
        return text.trim().parse().ok();
    }
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

fn full() -> Selection {
    let mut selection = Selection::of_profile(Profile::Full);
    for collector in Collector::ALL.iter().filter(|collector| collector.is_opt_in()) {
        selection.switch(*collector, true);
    }
    selection
}

fn by_pid(container: &Captured) -> Target<'_> {
    Target { id: &container.id, pid: Some(container.pid), ..Target::default() }
}

fn by_place(container: &Captured) -> Target<'_> {
    let cgroup_parent = if container.name == "nested" { "/plimsoll-cap" } else { "" };
    Target { id: &container.id, cgroup_parent, ..Target::default() }
}

fn new_row(container: &Captured) -> ContainerRow {
    ContainerRow::new(Container::new(&container.id, "docker".into()).into())
}

fn read(kernel: &mut Kernel, reader: &mut Reader, container: &Captured) -> ContainerRow {
    let mut row = new_row(container);
    let reading = kernel.read(reader, &mut row, &mut Spent::default());
    assert!(matches!(reading, Reading::Done { .. }), "{}", container.name);
    row
}

fn read_once(kernel: &mut Kernel, container: &Captured) -> ContainerRow {
    let mut reader = kernel.attach(&by_pid(container)).unwrap();
    read(kernel, &mut reader, container)
}

/// Compares every slot, so that a number that should not be there is noticed too.
#[track_caller]
fn assert_numbers(row: &ContainerRow, expected: &BTreeMap<usize, (u64, String)>, what: &str) {
    for slot in Slot::ALL {
        let wanted = expected.get(&slot.index()).map(|(value, _)| *value);
        assert_eq!(row.values.get(*slot), wanted, "{what}: {slot:?}");
    }
}

#[test]
fn every_number_is_the_files() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let mut kernel = tree.kernel(&full());
        assert_eq!(kernel.layout().version, capture.version);
        for container in &tree.containers {
            let what = format!("{} {}", capture.file, container.name);
            let expected = tree.expected(container);
            for target in [by_pid(container), by_place(container)] {
                let mut reader = kernel.attach(&target).unwrap();
                assert_eq!(reader.pid(), Some(container.pid), "{what}");
                let parent = if container.name == "nested" { "plimsoll-cap" } else { "docker" };
                assert_eq!(**reader.cgroup(), format!("/{parent}/{}", container.id), "{what}");
                // The first pass, and one in which nothing has happened.
                for _ in 0..2 {
                    let row = read(&mut kernel, &mut reader, container);
                    assert_numbers(&row, &expected, &what);
                    assert_eq!(row.cgroup.as_ref(), Some(reader.cgroup()));
                }
                kernel.detach(reader);
            }
        }
        assert_eq!(kernel.read_errors(), [], "{}", capture.file);
        assert_eq!(kernel.rows_dropped(), 0);
    }
}

#[test]
fn what_a_kernel_does_not_tell_is_absent_and_nothing_else_is() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let busy = tree.container("busy");
        let row = read_once(&mut tree.kernel(&full()), busy);
        let mut absent: HashSet<usize> = NOT_READ
            .iter()
            .chain(capture.absent.iter().copied().flatten())
            .map(|slot| slot.index())
            .collect();
        if !capture.has_pressure {
            let pressure = PRESSURE.iter().flat_map(|(_, some, full, averages, more)| {
                some.iter().chain([full]).chain(averages.iter().flatten()).chain(more)
            });
            absent.extend(pressure.map(|slot| slot.index()));
        }
        for slot in Slot::ALL {
            let is_absent = row.values.get(*slot).is_none();
            assert_eq!(is_absent, absent.contains(&slot.index()), "{}: {slot:?}", capture.file);
        }
    }
}

#[test]
fn the_engine_said_the_same() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let mut kernel = tree.kernel(&Selection::default());
        for container in &tree.containers {
            let what = format!("{} {}", capture.file, container.name);
            let row = read_once(&mut kernel, container);
            let told = |path: &str| container.stats.pointer(path).and_then(Value::as_u64);
            let get = |slot: Slot| row.values.get(slot);
            let moves = container.name == "busy";
            let compare = |slot: Slot, path: &str| {
                let (got, told) = (get(slot), told(path));
                if moves {
                    assert!(got >= told, "{what}: {slot:?} {got:?} {told:?}");
                } else {
                    assert_eq!(got, told.or(got.filter(|got| *got == 0)), "{what}: {slot:?}");
                }
            };
            compare(Slot::CfsPeriods, "/cpu_stats/throttling_data/periods");
            compare(Slot::CfsThrottledPeriods, "/cpu_stats/throttling_data/throttled_periods");
            compare(Slot::CfsThrottledTime, "/cpu_stats/throttling_data/throttled_time");
            compare(Slot::CpuUsage, "/cpu_stats/cpu_usage/total_usage");
            if !moves {
                compare(Slot::MemoryUsage, "/memory_stats/usage");
                compare(Slot::Threads, "/pids_stats/current");
                // As the `docker stats` command computes it.
                let key =
                    if capture.version == Version::V2 { "inactive_file" } else { "total_inactive_file" };
                let usage = told("/memory_stats/usage").unwrap();
                let inactive = told(&format!("/memory_stats/stats/{key}")).unwrap();
                let shown = if inactive < usage { usage - inactive } else { usage };
                assert_eq!(get(Slot::MemoryWorkingSet), Some(shown), "{what}");
            }
            assert_eq!(
                get(Slot::ThreadsMax),
                told("/pids_stats/limit").filter(|max| *max < NO_LIMIT),
                "{what}"
            );
            let networks = container.stats["networks"].as_object().cloned().unwrap_or_default();
            assert_eq!(row.interfaces.len(), networks.len(), "{what}");
            for interface in &row.interfaces {
                let network = &networks[&*interface.name];
                for (slot, key) in [
                    (InterfaceSlot::RxBytes, "rx_bytes"),
                    (InterfaceSlot::RxPackets, "rx_packets"),
                    (InterfaceSlot::RxErrors, "rx_errors"),
                    (InterfaceSlot::RxDropped, "rx_dropped"),
                    (InterfaceSlot::TxBytes, "tx_bytes"),
                    (InterfaceSlot::TxPackets, "tx_packets"),
                    (InterfaceSlot::TxErrors, "tx_errors"),
                    (InterfaceSlot::TxDropped, "tx_dropped"),
                ] {
                    let (got, told) = (interface.values.get(slot), network[key].as_u64());
                    assert_eq!(got, told, "{what}: {slot:?}");
                }
            }
        }
    }
}

#[test]
fn devices_have_names_and_no_number_that_is_none() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let busy = tree.container("busy");
        let mut kernel = tree.kernel(&full());
        let row = read_once(&mut kernel, busy);
        let mut expected: BTreeMap<(String, usize), u64> = BTreeMap::new();
        let name = |number: &str| {
            let link = fs::read_link(tree.path("sys/dev/block").join(number)).unwrap();
            format!("/dev/{}", link.file_name().unwrap().to_str().unwrap())
        };
        if capture.version == Version::V2 {
            let text = fs::read_to_string(tree.cgroup("", busy).join("io.stat")).unwrap();
            for line in text.lines() {
                let mut words = line.split(' ');
                let device = name(words.next().unwrap());
                for word in words {
                    let (key, value) = word.split_once('=').unwrap();
                    let slot = match key {
                        "rbytes" => DeviceSlot::ReadBytes,
                        "wbytes" => DeviceSlot::WriteBytes,
                        "dbytes" => DeviceSlot::DiscardBytes,
                        "rios" => DeviceSlot::Reads,
                        "wios" => DeviceSlot::Writes,
                        "dios" => DeviceSlot::Discards,
                        other => panic!("{other}"),
                    };
                    expected.insert((device.clone(), slot.index()), value.parse().unwrap());
                }
            }
        } else {
            for (file, slots) in [
                (
                    "blkio.throttle.io_service_bytes_recursive",
                    [DeviceSlot::ReadBytes, DeviceSlot::WriteBytes, DeviceSlot::DiscardBytes],
                ),
                (
                    "blkio.throttle.io_serviced_recursive",
                    [DeviceSlot::Reads, DeviceSlot::Writes, DeviceSlot::Discards],
                ),
            ] {
                let text = fs::read_to_string(tree.cgroup("blkio", busy).join(file)).unwrap();
                for line in text.lines() {
                    let words: Vec<_> = line.split(' ').collect();
                    let at = ["Read", "Write", "Discard"].iter().position(|word| words.get(1) == Some(word));
                    // These kernels write 0 for what they do not count.
                    if let Some(at) = at.filter(|_| words[2] != "0") {
                        expected.insert((name(words[0]), slots[at].index()), words[2].parse().unwrap());
                    }
                }
            }
        }
        let got: BTreeMap<_, _> = row
            .devices
            .iter()
            .flat_map(|device| {
                let numbers = DeviceSlot::ALL.iter().filter_map(|slot| {
                    Some(((device.name.to_string(), slot.index()), device.values.get(*slot)?))
                });
                numbers.collect::<Vec<_>>()
            })
            .collect();
        assert!(!expected.is_empty(), "{}", capture.file);
        assert_eq!(got, expected, "{}", capture.file);
        if capture.version != Version::V2 {
            let idle = read_once(&mut kernel, tree.container("idle"));
            assert!(idle.devices.is_empty(), "{}: {:?}", capture.file, idle.devices);
        }
    }
}

#[test]
fn namespaces_are_told_apart() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let mut kernel = tree.kernel(&Selection::default());
        let mut attach = |name: &str| {
            let container = tree.container(name);
            let mut reader = kernel.attach(&by_pid(container)).unwrap();
            let row = read(&mut kernel, &mut reader, container);
            (reader.namespace(), reader.has_network(&kernel), row.interfaces.len())
        };
        let (net, peer, host, idle) = (attach("net"), attach("peer"), attach("host"), attach("idle"));
        assert!(net.0.is_some() && net.1 && net.2 == 1, "{}: {net:?}", capture.file);
        assert_eq!(net, peer, "{}", capture.file);
        assert_eq!(host, (None, false, 0), "{}: the host's traffic is no container's", capture.file);
        assert!(idle.0.is_some() && idle.0 != net.0);
    }
}

#[test]
fn who_must_not_look_at_namespaces_believes_the_engine() {
    let tree = Tree::unpack(&CAPTURES[0]);
    for entry in fs::read_dir(tree.path("proc")).unwrap().flatten() {
        let link = entry.path().join("ns/net");
        if link.is_symlink() {
            fs::remove_file(link).unwrap();
        }
    }
    let mut kernel = tree.kernel(&Selection::default());
    let netns = kernel.capabilities().iter().find(|known| known.feature == "netns").unwrap().clone();
    assert!(!netns.available && netns.remedy.contains("--pid=host"), "{netns:?}");
    for (name, network_mode, interfaces) in [
        ("net", "default", 1),
        ("peer", "container:plimsoll-cap-net", 0),
        ("host", "host", 0),
        // Nobody has said anything.
        ("host", "", 0),
    ] {
        let container = tree.container(name);
        let mut reader = kernel.attach(&Target { network_mode, ..by_pid(container) }).unwrap();
        let row = read(&mut kernel, &mut reader, container);
        assert_eq!((reader.namespace(), row.interfaces.len()), (None, interfaces), "{name}");
    }
}

#[test]
fn interfaces_are_named_after_networks_by_subnet() {
    let tree = Tree::unpack(&CAPTURES[0]);
    let mut kernel = tree.kernel(&Selection::default());
    let net = tree.container("net");
    let mut reader = kernel.attach(&by_pid(net)).unwrap();
    let network = |name: &str, address: &str| plimsoll_model::container::Network {
        name: name.to_owned(),
        address: address.to_owned(),
    };
    assert_eq!(&*read(&mut kernel, &mut reader, net).interfaces[0].network, "");
    let address = {
        // The subnet of the connected route, with another last byte.
        let text = fs::read_to_string(tree.path(&format!("proc/{}/net/route", net.pid))).unwrap();
        let line = text.lines().find(|line| line.split('\t').nth(2) == Some("00000000")).unwrap();
        let subnet = u32::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap().to_le_bytes();
        format!("{}.{}.{}.7", subnet[0], subnet[1], subnet[2])
    };
    for (networks, expected) in [
        (vec![network("other", "10.99.0.7"), network("bridge", &address)], "bridge"),
        (vec![network("six", ""), network("junk", "x.y")], ""),
        (vec![], ""),
    ] {
        kernel.set_networks(&mut reader, &networks);
        assert_eq!(&*read(&mut kernel, &mut reader, net).interfaces[0].network, expected);
    }
    // A network that is connected later brings its interface and its route.
    let proc = tree.path(&format!("proc/{}/net", net.pid));
    let append = |file: &str, line: &str| {
        let text = fs::read_to_string(proc.join(file)).unwrap() + line;
        fs::write(proc.join(file), text).unwrap();
    };
    append("dev", "  eth1:   10   1 0 0 0 0 0 0   20   2 0 0 0 0 0 0\n");
    append("route", "eth1\t0000630A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n");
    kernel.set_networks(&mut reader, &[network("bridge", &address), network("other", "10.99.0.7")]);
    let row = read(&mut kernel, &mut reader, net);
    let named: Vec<_> = row.interfaces.iter().map(|found| (&*found.name, &*found.network)).collect();
    assert_eq!(named, [("eth0", "bridge"), ("eth1", "other")]);
    assert_eq!(row.network_total(InterfaceSlot::TxBytes), {
        let first = row.interfaces[0].values.get(InterfaceSlot::TxBytes).unwrap();
        Some(first + 20)
    });
}

#[test]
fn processes_started_shortly_before_they_were_looked_at() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let mut kernel = tree.kernel(&Selection::default());
        let uptime = fs::read_to_string(tree.path("proc/uptime")).unwrap();
        let uptime: u64 = uptime.split('.').next().unwrap().parse().unwrap();
        let boot = field(&tree.path("proc/stat"), "btime").unwrap();
        for container in &tree.containers {
            let reader = kernel.attach(&by_pid(container)).unwrap();
            let started = reader.process_started().unwrap() / 1_000_000_000;
            let captured = boot + uptime;
            let age = captured.checked_sub(started).unwrap();
            assert!(age < 600, "{} {}: {age} s before the capture", capture.file, container.name);
        }
    }
}

#[test]
fn capabilities_say_what_is_missing_and_why() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let capabilities = tree.kernel(&Selection::default()).capabilities();
        let missing: Vec<_> =
            capabilities.iter().filter(|known| !known.available).map(|known| known.feature).collect();
        assert_eq!(missing, capture.missing, "{}", capture.file);
        assert!(capabilities.iter().all(|known| !known.reason.is_empty()), "{capabilities:?}");
    }
    let machine = Tree::unpack(&CAPTURES[0]).kernel(&Selection::default()).machine();
    assert_eq!(machine.cores, Some(2));
    assert!(machine.memory > Some(1 << 30) && machine.swap.is_some(), "{machine:?}");
}

/// What a container without the right mounts sees, one mistake at a time.
#[test]
fn capabilities_tell_of_missing_mounts() {
    let link = |tree: &Tree, target: &str| {
        fs::create_dir_all(tree.path("proc/self/ns")).unwrap();
        std::os::unix::fs::symlink(target, tree.path("proc/self/ns/pid")).unwrap();
    };
    type Break<'a> = &'a dyn Fn(&Tree);
    let cases: [(&str, Break<'_>, &[&str], &str); 5] = [
        (
            "a process namespace of its own",
            &|tree| {
                link(tree, "pid:[4026532000]");
                fs::write(tree.path("proc/self/status"), "NSpid:\t7\n").unwrap();
            },
            &["host_processes", "network", "netns"],
            "--procfs /host/proc",
        ),
        (
            "the host's /proc, seen from below",
            &|tree| {
                link(tree, "pid:[4026532000]");
                fs::write(tree.path("proc/self/status"), "NSpid:\t4711\t7\n").unwrap();
            },
            &[],
            "",
        ),
        (
            "no /proc",
            &|tree| fs::remove_file(tree.path("proc/stat")).unwrap(),
            &["host_processes"],
            "-v /proc",
        ),
        (
            "hidden processes",
            &|tree| fs::remove_file(tree.path("proc/1/cgroup")).unwrap(),
            &["network"],
            "hidepid",
        ),
        (
            "cgroups of its own",
            &|tree| {
                let root = tree.path("cgroup/memory");
                let mount = format!("35 31 0:32 /docker/4e9c {} ro - cgroup cgroup rw\n", root.display());
                fs::write(tree.path("proc/self/mountinfo"), mount).unwrap();
            },
            &["host_cgroups"],
            "--cgroup-root /host/sys/fs/cgroup",
        ),
    ];
    for (what, break_it, expected, remedy) in cases {
        let tree = Tree::unpack(&CAPTURES[0]);
        break_it(&tree);
        let capabilities = tree.kernel(&Selection::default()).capabilities();
        let missing: Vec<_> = capabilities
            .iter()
            .filter(|known| !known.available && known.feature != "io_cost")
            .inspect(|known| assert!(known.remedy.contains(remedy), "{what}: {known:?}"))
            .map(|known| known.feature)
            .collect();
        assert_eq!(missing, expected, "{what}");
    }
}

#[test]
fn the_profile_and_the_switches_decide_what_is_read() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let busy = tree.container("busy");
        let present = |selection: &Selection| -> HashSet<usize> {
            let row = read_once(&mut tree.kernel(selection), busy);
            Slot::ALL
                .iter()
                .filter(|slot| row.values.get(**slot).is_some())
                .map(|slot| slot.index())
                .collect()
        };
        let of = |profile: Profile| present(&Selection::of_profile(profile));
        let (minimal, default, full) = (of(Profile::Minimal), of(Profile::Default), of(Profile::Full));
        assert!(minimal.is_subset(&default) && default.is_subset(&full), "{}", capture.file);
        assert!(minimal.len() < default.len(), "{}", capture.file);
        for slot in [Slot::CpuUsage, Slot::MemoryUsage, Slot::MemoryLimit, Slot::CpuLimit, Slot::Threads] {
            assert!(minimal.contains(&slot.index()), "{}: {slot:?}", capture.file);
        }
        for slot in [Slot::Processes, Slot::CpuPeriod, Slot::MemoryMaxUsage] {
            assert!(!minimal.contains(&slot.index()), "{}: {slot:?}", capture.file);
        }

        // What is shown in a profile is read in it.
        for family in plimsoll_model::catalog::CATALOG {
            if let plimsoll_model::catalog::Shape::Container(cells) = family.shape {
                for cell in cells.iter().filter(|cell| full.contains(&cell.slot.index())) {
                    let read = match family.profile {
                        Profile::Minimal => &minimal,
                        Profile::Default => &default,
                        Profile::Full => &full,
                    };
                    assert!(read.contains(&cell.slot.index()), "{}: {}", capture.file, family.name);
                }
            }
        }

        for collector in Collector::ALL {
            let mut selection = Selection::of_profile(Profile::Full);
            selection.switch(*collector, false);
            let without = present(&selection);
            for family in plimsoll_model::catalog::CATALOG {
                let plimsoll_model::catalog::Shape::Container(cells) = family.shape else { continue };
                for cell in cells.iter().filter(|cell| full.contains(&cell.slot.index())) {
                    let is_there = without.contains(&cell.slot.index());
                    assert_eq!(
                        is_there,
                        family.collector != *collector,
                        "without {collector:?}: {}",
                        family.name
                    );
                }
            }
            let row = read_once(&mut tree.kernel(&selection), tree.container("net"));
            assert_eq!(row.interfaces.is_empty(), *collector == Collector::Network);
            let row = read_once(&mut tree.kernel(&selection), busy);
            assert_eq!(row.devices.is_empty(), *collector == Collector::Io, "without {collector:?}");
        }
    }
}

#[test]
fn a_file_that_fails_costs_only_itself() {
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let busy = tree.container("busy");
        let expected = tree.expected(busy);
        let is_v2 = capture.version == Version::V2;
        let mut files: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
        for (_, hierarchy, file, ..) in capture.table {
            let path = tree.cgroup(hierarchy, busy).join(file);
            files.insert(((*hierarchy).to_owned(), (*file).to_owned()), path);
        }
        for (hierarchy, file) in [
            ("pids", "cgroup.procs"),
            ("cpuset", if is_v2 { "cpuset.cpus.effective" } else { "cpuset.effective_cpus" }),
            ("unified", "cpu.pressure"),
            ("unified", "memory.pressure"),
            ("unified", "io.pressure"),
        ] {
            let hierarchy = if is_v2 { "" } else { hierarchy };
            files.insert((hierarchy.to_owned(), file.to_owned()), tree.cgroup(hierarchy, busy).join(file));
        }
        // Limits are read apart from the rest.
        let apart = [
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "cpu.shares",
            "cpu.weight",
            "memory.soft_limit_in_bytes",
            "memory.swap.max",
            "memory.high",
            "memory.low",
            "memory.min",
            "pids.max",
        ];
        let mut kernel = tree.kernel(&full());
        let mut failed = 0;
        for ((_, file), path) in files {
            if !path.exists() || apart.contains(&&*file) {
                continue;
            }
            let kept = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
            let mut left = expected.clone();
            left.retain(|_, (_, from)| *from != file);
            let get = |slot: Slot| left.contains_key(&slot.index());
            let has_working_set = get(Slot::MemoryUsage) && get(Slot::MemoryInactiveFile);
            let limit_is_apart = is_v2 && file == "memory.stat";
            if limit_is_apart {
                let limit = expected[&Slot::MemoryLimit.index()].clone();
                left.insert(Slot::MemoryLimit.index(), limit);
            }
            if !has_working_set {
                left.remove(&Slot::MemoryWorkingSet.index());
                left.remove(&Slot::MemoryUsagePercent.index());
            }
            let before: u64 = kernel.read_errors().iter().map(|(_, count)| count).sum();
            let mut reader = kernel.attach(&by_pid(busy)).unwrap();
            for _ in 0..2 {
                let row = read(&mut kernel, &mut reader, busy);
                assert_numbers(&row, &left, &format!("{} without {file}", capture.file));
                assert!(!row.interfaces.is_empty() && !row.devices.is_empty());
            }
            kernel.detach(reader);
            let after: u64 = kernel.read_errors().iter().map(|(_, count)| count).sum();
            // Who visits processes reads their list once more.
            let expected = if file == "cgroup.procs" { 2..=3 } else { 2..=2 };
            assert!(
                expected.contains(&(after - before)),
                "{} without {file}: {}",
                capture.file,
                after - before
            );
            assert!(kernel.read_errors().iter().any(|(name, _)| *name == file));
            fs::remove_file(&path).unwrap();
            fs::write(&path, kept).unwrap();
            failed += 1;
        }
        assert!(failed >= 8, "{}: {failed}", capture.file);
    }
}

#[test]
fn what_a_file_no_longer_says_is_forgotten() {
    let tree = Tree::unpack(&CAPTURES[0]);
    let busy = tree.container("busy");
    let mut kernel = tree.kernel(&full());
    let mut reader = kernel.attach(&by_pid(busy)).unwrap();
    let before = read(&mut kernel, &mut reader, busy);
    let write = |hierarchy: &str, file: &str, text: &str| {
        fs::write(tree.cgroup(hierarchy, busy).join(file), text).unwrap();
    };
    write("cpu", "cpu.stat", "nr_periods 5\n");
    write("blkio", "blkio.throttle.io_serviced_recursive", "Total 0\n");
    write("memory", "memory.failcnt", "garbage\n");
    // A sign of life, so that everything is read again.
    let usage = before.values.get(Slot::CpuUsage).unwrap() + 1;
    write("cpuacct", "cpuacct.usage", &format!("{usage}\n"));
    let after = read(&mut kernel, &mut reader, busy);
    assert_eq!(after.values.get(Slot::CpuUsage), Some(usage));
    assert_eq!(after.values.get(Slot::CfsPeriods), Some(5));
    assert_eq!(after.values.get(Slot::CfsThrottledTime), None);
    assert_eq!(after.values.get(Slot::MemoryEventMax), None);
    assert_eq!(after.values.get(Slot::MemoryMaxUsage), before.values.get(Slot::MemoryMaxUsage));
    assert_eq!(after.device_total(DeviceSlot::Reads), None);
    assert_eq!(after.device_total(DeviceSlot::ReadBytes), before.device_total(DeviceSlot::ReadBytes));
}

/// Replaces the number behind the words with which a line begins.
fn rewrite(path: &Path, key: &str, value: u64) {
    let text = fs::read_to_string(path).unwrap();
    let mut found = false;
    let lines = text.lines().map(|line| match line.split_once(key) {
        Some(("", rest)) if rest.starts_with(' ') => {
            found = true;
            let rest: Vec<_> = rest.split(' ').skip(2).collect();
            [&[key, &value.to_string()], &rest[..]].concat().join(" ") + "\n"
        }
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    assert!(found, "{}: {key}", path.display());
    fs::write(path, text).unwrap();
}

#[test]
fn of_a_container_that_sleeps_is_read_what_others_are_at_work_on() {
    const AWHILE: Duration = Duration::from_secs(20);
    // Longer than a container takes to fall asleep.
    const LONG: Duration = Duration::from_secs(3);
    std::thread::scope(|scope| {
        for capture in CAPTURES {
            scope.spawn(move || {
                let tree = Tree::unpack(capture);
                let net = tree.container("net");
                let (memory, rss, dirty, cpu) = match capture.version {
                    Version::V2 => ("", "anon", "file_dirty", ("", "cpu.stat", "usage_usec")),
                    _ => ("memory", "total_rss", "total_dirty", ("cpuacct", "cpuacct.usage", "")),
                };
                let stat = tree.cgroup(memory, net).join("memory.stat");
                let sockets = tree.path(&format!("proc/{}/net/sockstat", net.pid));
                let mut kernel = tree.kernel(&Selection::default());
                let mut reader = kernel.attach(&by_pid(net)).unwrap();
                let mut count = 1_000_000;
                // Whether a pass sees what was changed just before it: in memory.stat, and in sockstat.
                let mut sees = || {
                    count += 1;
                    rewrite(&stat, rss, count);
                    rewrite(&sockets, "RAW: inuse", count);
                    let row = read(&mut kernel, &mut reader, net);
                    [Slot::MemoryRss, Slot::SocketsRaw].map(|slot| row.values.get(slot) == Some(count))
                };
                let is_live = || {
                    let (hierarchy, file, key) = cpu;
                    let path = tree.cgroup(hierarchy, net).join(file);
                    let usage = field(&path, key).unwrap() + 1;
                    match key {
                        "" => fs::write(path, format!("{usage}\n")).unwrap(),
                        _ => rewrite(&path, key, usage),
                    }
                };
                // Connections that ended wait for a timer.
                const TIME_WAIT: &str = "TCP: inuse 0 orphan 0 tw";
                rewrite(&sockets, TIME_WAIT, 3);
                assert_eq!(sees(), [true, true]);
                wait_until(AWHILE, "nothing but a timer", || sees() == [false, true]);
                rewrite(&sockets, TIME_WAIT, 0);
                assert!(sees()[1]);
                wait_until(AWHILE, "it falls asleep", || sees() == [false, false]);

                wait_until(AWHILE, "its turn after ten seconds", || sees() == [true, true]);
                assert_eq!(sees(), [false, false]);
                is_live();
                assert_eq!(sees(), [true, true]);
                wait_until(AWHILE, "it falls asleep", || sees() == [false, false]);
                // Traffic, be it on the loopback: whoever shares the network may have sockets that others do not see.
                let interfaces = tree.path(&format!("proc/{}/net/dev", net.pid));
                let text = fs::read_to_string(&interfaces).unwrap();
                fs::write(&interfaces, text.replacen("lo: ", "lo: 1", 1)).unwrap();
                assert!(sees()[1]);
                wait_until(AWHILE, "the traffic is over", || sees() == [false, false]);

                // Writeback ends after the container sleeps, and is followed to its end.
                is_live();
                rewrite(&stat, dirty, 4096);
                let began = Instant::now();
                while began.elapsed() < LONG {
                    assert!(sees()[0]);
                }
                wait_until(AWHILE, "nothing but writeback", || sees() == [true, false]);
                rewrite(&stat, dirty, 0);
                assert_eq!(sees(), [true, true]);
                wait_until(AWHILE, "it falls asleep", || sees() == [false, false]);
            });
        }
    });
}

/// Runs in a process of its own, as it lowers the limit of the whole process.
#[test]
#[allow(clippy::disallowed_methods, reason = "the test tells its own child through the environment")]
fn with_few_descriptors_the_values_are_still_right() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    const CHILD: &str = "PLIMSOLL_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "with_few_descriptors_the_values_are_still_right";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    // 256 are kept for the rest of the program: this leaves 20 for 8 containers.
    let few = Some(256 + 20);
    setrlimit(Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
    for capture in CAPTURES {
        let tree = Tree::unpack(capture);
        let mut kernel = tree.kernel(&full());
        let mut readers: Vec<_> =
            tree.containers.iter().map(|found| kernel.attach(&by_pid(found)).unwrap()).collect();
        assert!(!kernel.had_enough_descriptors());
        let capabilities = kernel.capabilities();
        assert!(capabilities.iter().any(|known| known.feature == "descriptors" && !known.available));
        for (container, reader) in tree.containers.iter().zip(&mut readers) {
            for _ in 0..2 {
                let row = read(&mut kernel, reader, container);
                assert_numbers(&row, &tree.expected(container), &container.name);
            }
        }
        // Files that are opened anew notice that a cgroup was removed.
        let oom = tree.containers.iter().position(|found| found.name == "oom").unwrap();
        for hierarchy in ["", "cpu", "cpuacct", "memory", "pids", "unified", "blkio", "cpuset"] {
            fs::remove_dir_all(tree.cgroup(hierarchy, &tree.containers[oom])).ok();
        }
        let mut row = new_row(&tree.containers[oom]);
        assert_eq!(kernel.read(&mut readers[oom], &mut row, &mut Spent::default()), Reading::Gone);
        assert!(kernel.attach(&by_pid(&tree.containers[oom])).is_err());
        for (container, reader) in tree.containers.iter().zip(&mut readers).take(oom) {
            let row = read(&mut kernel, reader, container);
            assert_numbers(&row, &tree.expected(container), &container.name);
        }
        for reader in readers {
            kernel.detach(reader);
        }
    }
}
