//! The table itself, in the order of the documentation: identity and life cycle, processor, pressure,
//! memory, block I/O, network, processes, engine and agent. What the machine itself says stands in [`super::host`].
//!
//! Names that cAdvisor has are kept as they are, also where they break today's conventions
//! (`container_memory_rss` without a unit), so that its dashboards work unchanged.

use super::{
    Cell, Collector, DeviceSlot, Family, InterfaceSlot, Kind, Profile, Scale, Shape, Slot, Source, Start,
    Unit,
};

/// Families whose message is in labels taken from a container's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the catalog's help text says what each one means")]
pub enum InfoFamily {
    Container,
    Labels,
    Compose,
    Swarm,
    Kubernetes,
    Image,
    LifecycleState,
    NetworkInterface,
}

/// Families about engines, the machine and the agent itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the catalog's help text says what each one means")]
pub enum AgentFamily {
    EngineUp,
    EngineInfo,
    Containers,
    Images,
    ImagesBytes,
    BuildCacheBytes,
    Volumes,
    MachineCores,
    MachineMemory,
    MachineSwap,
    ProcessCpu,
    ProcessResident,
    ProcessVirtual,
    ProcessOpenFds,
    ProcessMaxFds,
    ProcessStart,
    BuildInfo,
    CollectorDuration,
    CollectorSuccess,
    CollectorTimeouts,
    CollectorHealthy,
    CollectorRuns,
    CollectorFailures,
    CollectorSkipped,
    CollectorValues,
    CollectorDropped,
    CollectorLastSuccess,
    Capability,
    Ticks,
    TicksMissed,
    EngineRequests,
    EngineBroken,
    LabelsDropped,
    ReadErrors,
    ScrapeDuration,
    ContainersScraped,
    ScrapeErrors,
    HistoryUp,
    HistoryBytes,
    HistoryValues,
    HistoryWritten,
    HistoryFlush,
    HistoryLost,
    HistoryDamaged,
    Delivery(DeliveryField),
    Series,
}

/// A figure about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the catalog's help text says what each one means")]
pub enum DeliveryField {
    Points,
    QueuePoints,
    QueueBytes,
    QueueAge,
    QueueCapacity,
    Batches,
    BatchPoints,
    BatchBytes,
    FieldsDropped,
    EncodeTime,
    Requests,
    RequestTime,
    Retries,
    SentBytes,
    InFlight,
    SpoolBytes,
    SpoolCommits,
    SpoolFailures,
    SpoolDamaged,
    TicksMissed,
    Lag,
    State,
}

pub(super) const fn family(
    name: &'static str,
    kind: Kind,
    collector: Collector,
    help: &'static str,
    shape: Shape,
) -> Family {
    Family {
        name,
        help,
        kind,
        unit: Unit::None,
        scale: Scale::One,
        collector,
        profile: Profile::Default,
        start: Start::Life,
        source: Source { v1: "", v2: "" },
        labels: &[],
        shape,
    }
}

const fn gauge(
    name: &'static str,
    collector: Collector,
    help: &'static str,
    cells: &'static [Cell],
) -> Family {
    family(name, Kind::Gauge, collector, help, Shape::Container(cells))
}

const fn counter(
    name: &'static str,
    collector: Collector,
    help: &'static str,
    cells: &'static [Cell],
) -> Family {
    family(name, Kind::Counter, collector, help, Shape::Container(cells))
}

const fn info(
    name: &'static str,
    help: &'static str,
    info: InfoFamily,
    labels: &'static [&'static str],
) -> Family {
    Family { labels, ..family(name, Kind::Info, Collector::Container, help, Shape::Info(info)) }
}

const fn network(name: &'static str, help: &'static str, slot: InterfaceSlot) -> Family {
    Family {
        labels: &["interface"],
        ..family(name, Kind::Counter, Collector::Network, help, Shape::Interface(slot))
    }
    .any("net/dev of the container's network namespace")
}

const fn block(name: &'static str, help: &'static str, slot: DeviceSlot) -> Family {
    Family { labels: &["device"], ..family(name, Kind::Counter, Collector::Io, help, Shape::Device(slot)) }
}

pub(super) const fn own(
    name: &'static str,
    kind: Kind,
    collector: Collector,
    help: &'static str,
    which: AgentFamily,
) -> Family {
    Family { start: Start::Agent, ..family(name, kind, collector, help, Shape::Agent(which)) }
}

const fn one(slot: Slot) -> Cell {
    Cell { slot, values: &[] }
}

const fn cell(slot: Slot, values: &'static [&'static str]) -> Cell {
    Cell { slot, values }
}

impl Family {
    pub(super) const fn bytes(self) -> Self {
        Self { unit: Unit::Bytes, ..self }
    }
    pub(super) const fn seconds(self) -> Self {
        Self { unit: Unit::Seconds, scale: Scale::Nano, ..self }
    }
    pub(super) const fn percent(self) -> Self {
        Self { unit: Unit::Percent, scale: Scale::Nano, ..self }
    }
    pub(super) const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }
    pub(super) const fn nano(self) -> Self {
        Self { scale: Scale::Nano, ..self }
    }
    pub(super) const fn minimal(self) -> Self {
        Self { profile: Profile::Minimal, ..self }
    }
    pub(super) const fn full(self) -> Self {
        Self { profile: Profile::Full, ..self }
    }
    pub(super) const fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
    pub(super) const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
    /// What only some of the kernel's I/O schedulers tell.
    const fn scheduled(self) -> Self {
        Self { collector: Collector::Blkio, ..self }
    }
    pub(super) const fn since(self, start: Start) -> Self {
        Self { start, ..self }
    }
    pub(super) const fn v1(self, v1: &'static str) -> Self {
        Self { source: Source { v1, ..self.source }, ..self }
    }
    pub(super) const fn v2(self, v2: &'static str) -> Self {
        Self { source: Source { v2, ..self.source }, ..self }
    }
    pub(super) const fn any(self, source: &'static str) -> Self {
        Self { source: Source { v1: source, v2: source }, ..self }
    }
}

use Collector::{
    Agent, Container, Cpu, Cpuset, Engine, Machine, Memory, Pressure, Process, Processes, Sockets,
};
use Kind::{Counter, Gauge, Info};

/// The families of containers, engines and the hardware, in the order in which they are shown.
pub(super) const CONTAINERS: &[Family] = &[
    // Identity and life cycle.
    info(
        "container_info",
        "What the engine says of the container.",
        InfoFamily::Container,
        &[
            "image_id", "runtime", "engine", "pod", "pod_id", "hostname", "network_mode", "cgroup_path",
            "restart_policy",
        ],
    )
    .minimal()
    .any("engine: list and inspect; cgroup_path: /proc/PID/cgroup"),
    info(
        "container_labels_info",
        "Engine labels of the container that the labels setting allows, each as label_KEY.",
        InfoFamily::Labels,
        &[],
    )
    .any("engine: Config.Labels"),
    info(
        "container_compose_info",
        "The Compose project and service that the container belongs to.",
        InfoFamily::Compose,
        &["project", "service", "number", "oneoff", "config_hash"],
    )
    .any("labels com.docker.compose.*, io.podman.compose.*"),
    info(
        "container_swarm_info",
        "The Swarm service, task and stack that the container belongs to.",
        InfoFamily::Swarm,
        &["service", "service_id", "task", "task_id", "node_id", "stack"],
    )
    .any("labels com.docker.swarm.*, com.docker.stack.namespace"),
    info(
        "container_kubernetes_info",
        "The Kubernetes pod and container behind the container.",
        InfoFamily::Kubernetes,
        &["namespace", "pod", "container", "pod_uid"],
    )
    .any("labels io.kubernetes.*"),
    info(
        "container_image_info",
        "The image of the container, as its metadata describes it.",
        InfoFamily::Image,
        &["digest", "version", "revision", "created"],
    )
    .any("engine: image inspect, labels org.opencontainers.image.*"),
    gauge("container_state", Container, "Whether the container runs: 1 running, 0 anything else.", &[one(Slot::State)])
        .minimal()
        .any("engine: list, inspect, events"),
    gauge(
        "container_status",
        Container,
        "State as a code: 0 exited or stopped, 1 running, 2 paused, 3 restarting, 4 created or configured, 5 removing or stopping, 6 dead.",
        &[one(Slot::Status)],
    )
    .any("engine: list, inspect, events"),
    family(
        "container_lifecycle_state",
        Gauge,
        Container,
        "The container's state in the engine's own word; only the series of the present state exists.",
        Shape::Info(InfoFamily::LifecycleState),
    )
    .by(&["state"])
    .any("engine: list, inspect, events"),
    gauge(
        "container_health_status",
        Container,
        "Result of the container's health check: 1 for the present one, 0 for the others; none where there is no check.",
        &[
            cell(Slot::HealthNone, &["none"]),
            cell(Slot::HealthStarting, &["starting"]),
            cell(Slot::HealthHealthy, &["healthy"]),
            cell(Slot::HealthUnhealthy, &["unhealthy"]),
        ],
    )
    .by(&["health"])
    .any("engine: list (API 1.52 or newer), inspect, health_status events"),
    gauge(
        "container_health_failing_streak",
        Container,
        "Health checks failed in a row.",
        &[one(Slot::HealthFailingStreak)],
    )
    .any("engine: list (API 1.52 or newer), inspect"),
    gauge("container_created_time_seconds", Container, "When the container was created, in Unix time.", &[one(Slot::Created)])
        .seconds()
        .any("engine: inspect Created"),
    gauge("container_start_time_seconds", Container, "When the container last started, in Unix time.", &[one(Slot::Started)])
        .seconds()
        .minimal()
        .any("engine: inspect State.StartedAt; else starttime of /proc/PID/stat"),
    gauge("container_finish_time_seconds", Container, "When the container last ended, in Unix time.", &[one(Slot::Finished)])
        .seconds()
        .any("engine: inspect State.FinishedAt, die event"),
    gauge("container_exit_code", Container, "Exit code of the last run; absent while the container never ended.", &[one(Slot::ExitCode)])
        .minimal()
        .any("engine: inspect State.ExitCode, die event"),
    counter(
        "container_exits_total",
        Container,
        "Ends of the container since the agent first saw it, by exit code: 0, signal (above 128), error (others).",
        &[
            cell(Slot::ExitsZero, &["0"]),
            cell(Slot::ExitsSignal, &["signal"]),
            cell(Slot::ExitsError, &["error"]),
        ],
    )
    .by(&["exit_code"])
    .since(Start::Seen)
    .any("engine: die events, kept by the agent"),
    counter(
        "container_restarts_total",
        Container,
        "Starts after the first: the engine's own count of restarts by policy, and restarts by hand since the agent first saw the container.",
        &[one(Slot::Restarts)],
    )
    .minimal()
    .since(Start::Created)
    .any("engine: inspect RestartCount, start events, kept by the agent"),
    counter(
        "container_starts_total",
        Container,
        "Restarts since the agent first saw the container, by cause: the engine's restart policy, or a hand.",
        &[cell(Slot::StartsPolicy, &["policy"]), cell(Slot::StartsManual, &["manual"])],
    )
    .by(&["cause"])
    .since(Start::Seen)
    .any("engine: start events and inspect RestartCount, kept by the agent"),
    gauge("container_uptime_seconds", Container, "Time since the last start, while the container runs.", &[one(Slot::Uptime)])
        .seconds()
        .any("now - engine: inspect State.StartedAt"),
    gauge("container_oom_killed", Container, "Whether the last run ended for lack of memory.", &[one(Slot::OomKilled)])
        .any("engine: inspect State.OOMKilled"),
    gauge("container_last_seen", Container, "When the agent last knew of the container, in Unix time.", &[one(Slot::LastSeen)])
        .seconds()
        .minimal()
        .any("the agent's clock"),
    // Processor.
    counter("container_cpu_usage_seconds_total", Cpu, "Processor time used.", &[one(Slot::CpuUsage)])
        .seconds()
        .minimal()
        .v1("cpuacct.usage")
        .v2("cpu.stat usage_usec"),
    counter("container_cpu_user_seconds_total", Cpu, "Processor time used in user mode.", &[one(Slot::CpuUser)])
        .seconds()
        .minimal()
        .v1("cpuacct.stat user")
        .v2("cpu.stat user_usec"),
    counter("container_cpu_system_seconds_total", Cpu, "Processor time used in the kernel.", &[one(Slot::CpuSystem)])
        .seconds()
        .minimal()
        .v1("cpuacct.stat system")
        .v2("cpu.stat system_usec"),
    counter("container_cpu_cfs_periods_total", Cpu, "Enforcement periods of the CPU limit that passed.", &[one(Slot::CfsPeriods)])
        .v1("cpu.stat nr_periods")
        .v2("cpu.stat nr_periods"),
    counter(
        "container_cpu_cfs_throttled_periods_total",
        Cpu,
        "Enforcement periods in which the container was throttled.",
        &[one(Slot::CfsThrottledPeriods)],
    )
    .v1("cpu.stat nr_throttled")
    .v2("cpu.stat nr_throttled"),
    counter("container_cpu_cfs_throttled_seconds_total", Cpu, "Time for which the container was throttled.", &[one(Slot::CfsThrottledTime)])
        .seconds()
        .minimal()
        .v1("cpu.stat throttled_time")
        .v2("cpu.stat throttled_usec"),
    counter("container_cpu_cfs_burst_periods_total", Cpu, "Enforcement periods in which the container used its burst.", &[one(Slot::CfsBurstPeriods)])
        .v1("cpu.stat nr_bursts")
        .v2("cpu.stat nr_bursts"),
    counter("container_cpu_cfs_burst_seconds_total", Cpu, "Processor time used above the quota in bursts.", &[one(Slot::CfsBurstTime)])
        .seconds()
        .v1("cpu.stat burst_time")
        .v2("cpu.stat burst_usec"),
    gauge("container_cpu_limit_cores", Cpu, "Effective CPU limit: the least over the container and all its ancestors; absent without one.", &[one(Slot::CpuLimit)])
        .unit(Unit::Cores)
        .nano()
        .minimal()
        .v1("cpu.cfs_quota_us / cpu.cfs_period_us")
        .v2("cpu.max"),
    gauge("container_spec_cpu_quota", Cpu, "CPU time that the container itself may use in a period, in microseconds; absent without a limit.", &[one(Slot::CpuQuota)])
        .unit(Unit::Microseconds)
        .v1("cpu.cfs_quota_us")
        .v2("cpu.max"),
    gauge("container_spec_cpu_period", Cpu, "Length of an enforcement period of the CPU limit, in microseconds.", &[one(Slot::CpuPeriod)])
        .unit(Unit::Microseconds)
        .v1("cpu.cfs_period_us")
        .v2("cpu.max"),
    gauge("container_spec_cpu_shares", Cpu, "CPU shares of the container (cgroup v1).", &[one(Slot::CpuShares)]).v1("cpu.shares"),
    gauge("container_spec_cpu_weight", Cpu, "CPU weight of the container (cgroup v2).", &[one(Slot::CpuWeight)]).v2("cpu.weight"),
    gauge("container_cpu_usage_percent", Cpu, "Processor use between the last two ticks; 100 is one core.", &[one(Slot::CpuPercent)])
        .percent()
        .minimal()
        .any("rate of container_cpu_usage_seconds_total over the agent's own ticks"),
    gauge("container_cpuset_cpus", Cpuset, "Processors that the container may run on.", &[one(Slot::CpusetCpus)])
        .v1("cpuset.effective_cpus")
        .v2("cpuset.cpus.effective"),
    gauge("container_memory_migrate", Cpuset, "Whether memory follows when the container may run on other NUMA nodes: 1 yes, 0 no (cgroup v1).", &[one(Slot::MemoryMigrate)])
        .v1("cpuset.memory_migrate"),
    // Pressure.
    counter("container_pressure_cpu_waiting_seconds_total", Pressure, "Time in which some task waited for a processor.", &[one(Slot::PressureCpuWaiting)])
        .seconds()
        .any("cpu.pressure some"),
    counter("container_pressure_cpu_stalled_seconds_total", Pressure, "Time in which all tasks at once waited for a processor.", &[one(Slot::PressureCpuStalled)])
        .seconds()
        .any("cpu.pressure full"),
    counter("container_pressure_memory_waiting_seconds_total", Pressure, "Time in which some task waited for memory.", &[one(Slot::PressureMemoryWaiting)])
        .seconds()
        .any("memory.pressure some"),
    counter("container_pressure_memory_stalled_seconds_total", Pressure, "Time in which all tasks at once waited for memory.", &[one(Slot::PressureMemoryStalled)])
        .seconds()
        .any("memory.pressure full"),
    counter("container_pressure_io_waiting_seconds_total", Pressure, "Time in which some task waited for block I/O.", &[one(Slot::PressureIoWaiting)])
        .seconds()
        .any("io.pressure some"),
    counter("container_pressure_io_stalled_seconds_total", Pressure, "Time in which all tasks at once waited for block I/O.", &[one(Slot::PressureIoStalled)])
        .seconds()
        .any("io.pressure full"),
    counter("container_pressure_irq_stalled_seconds_total", Pressure, "Time in which all tasks at once were held up by interrupts.", &[one(Slot::PressureIrqStalled)])
        .seconds()
        .any("irq.pressure full (Linux 6.1 or newer)"),
    gauge(
        "container_pressure_ratio",
        Pressure,
        "Share of the last 10, 60 or 300 seconds in which some task, or all at once, waited; the kernel's own running average.",
        &[
            cell(Slot::PressureCpuSome10, &["cpu", "some", "10s"]),
            cell(Slot::PressureCpuSome60, &["cpu", "some", "60s"]),
            cell(Slot::PressureCpuSome300, &["cpu", "some", "300s"]),
            cell(Slot::PressureCpuFull10, &["cpu", "full", "10s"]),
            cell(Slot::PressureCpuFull60, &["cpu", "full", "60s"]),
            cell(Slot::PressureCpuFull300, &["cpu", "full", "300s"]),
            cell(Slot::PressureMemorySome10, &["memory", "some", "10s"]),
            cell(Slot::PressureMemorySome60, &["memory", "some", "60s"]),
            cell(Slot::PressureMemorySome300, &["memory", "some", "300s"]),
            cell(Slot::PressureMemoryFull10, &["memory", "full", "10s"]),
            cell(Slot::PressureMemoryFull60, &["memory", "full", "60s"]),
            cell(Slot::PressureMemoryFull300, &["memory", "full", "300s"]),
            cell(Slot::PressureIoSome10, &["io", "some", "10s"]),
            cell(Slot::PressureIoSome60, &["io", "some", "60s"]),
            cell(Slot::PressureIoSome300, &["io", "some", "300s"]),
            cell(Slot::PressureIoFull10, &["io", "full", "10s"]),
            cell(Slot::PressureIoFull60, &["io", "full", "60s"]),
            cell(Slot::PressureIoFull300, &["io", "full", "300s"]),
            cell(Slot::PressureIrqFull10, &["irq", "full", "10s"]),
            cell(Slot::PressureIrqFull60, &["irq", "full", "60s"]),
            cell(Slot::PressureIrqFull300, &["irq", "full", "300s"]),
        ],
    )
    .unit(Unit::Ratio)
    .nano()
    .by(&["resource", "kind", "window"])
    .full()
    .any("cpu.pressure, memory.pressure, io.pressure, irq.pressure avg10 avg60 avg300"),
    // Memory.
    gauge("container_memory_usage_bytes", Memory, "Memory charged to the container, page cache included.", &[one(Slot::MemoryUsage)])
        .bytes()
        .minimal()
        .v1("memory.usage_in_bytes")
        .v2("memory.current"),
    gauge("container_memory_working_set_bytes", Memory, "Memory use without inactive page cache, as docker stats shows it.", &[one(Slot::MemoryWorkingSet)])
        .bytes()
        .minimal()
        .v1("memory.usage_in_bytes - memory.stat total_inactive_file")
        .v2("memory.current - memory.stat inactive_file"),
    gauge("container_memory_rss", Memory, "Anonymous memory, in bytes.", &[one(Slot::MemoryRss)])
        .bytes()
        .minimal()
        .v1("memory.stat total_rss")
        .v2("memory.stat anon"),
    gauge("container_memory_cache", Memory, "Page cache, in bytes.", &[one(Slot::MemoryCache)])
        .bytes()
        .v1("memory.stat total_cache")
        .v2("memory.stat file"),
    gauge("container_memory_mapped_file", Memory, "Page cache that is mapped into processes, in bytes.", &[one(Slot::MemoryMappedFile)])
        .bytes()
        .v1("memory.stat total_mapped_file")
        .v2("memory.stat file_mapped"),
    gauge("container_memory_total_active_file_bytes", Memory, "Page cache in recent use.", &[one(Slot::MemoryActiveFile)])
        .bytes()
        .v1("memory.stat total_active_file")
        .v2("memory.stat active_file"),
    gauge("container_memory_total_inactive_file_bytes", Memory, "Page cache that the kernel would give up first.", &[one(Slot::MemoryInactiveFile)])
        .bytes()
        .v1("memory.stat total_inactive_file")
        .v2("memory.stat inactive_file"),
    gauge("container_memory_shmem_bytes", Memory, "Shared memory and tmpfs.", &[one(Slot::MemoryShmem)])
        .bytes()
        .v1("memory.stat total_shmem")
        .v2("memory.stat shmem"),
    gauge(
        "container_memory_slab_bytes",
        Memory,
        "Kernel objects charged to the container, by whether the kernel can reclaim them.",
        &[
            cell(Slot::MemorySlabReclaimable, &["reclaimable"]),
            cell(Slot::MemorySlabUnreclaimable, &["unreclaimable"]),
        ],
    )
    .bytes()
    .by(&["kind"])
    .v2("memory.stat slab_reclaimable, slab_unreclaimable"),
    gauge("container_memory_kernel_usage", Memory, "Kernel memory charged to the container, in bytes.", &[one(Slot::MemoryKernel)])
        .bytes()
        .v1("memory.kmem.usage_in_bytes")
        .v2("memory.stat kernel"),
    gauge("container_memory_kernel_stack_bytes", Memory, "Kernel stacks of the container's tasks.", &[one(Slot::MemoryKernelStack)])
        .bytes()
        .v2("memory.stat kernel_stack"),
    gauge("container_memory_pagetables_bytes", Memory, "Page tables of the container's processes.", &[one(Slot::MemoryPageTables)])
        .bytes()
        .v2("memory.stat pagetables"),
    gauge("container_memory_sock_bytes", Memory, "Network buffers charged to the container.", &[one(Slot::MemorySock)])
        .bytes()
        .v2("memory.stat sock"),
    gauge("container_memory_swap", Memory, "Swap in use, in bytes.", &[one(Slot::MemorySwap)])
        .bytes()
        .v1("memory.stat total_swap")
        .v2("memory.swap.current"),
    gauge("container_memory_swap_usage_bytes", Memory, "Swap in use; the same as container_memory_swap, under a name with its unit.", &[one(Slot::MemorySwap)])
        .bytes()
        .v1("memory.stat total_swap")
        .v2("memory.swap.current"),
    gauge(
        "container_memory_zswap_bytes",
        Memory,
        "Swapped memory that is held compressed: its compressed and its original size.",
        &[cell(Slot::MemoryZswapCompressed, &["compressed"]), cell(Slot::MemoryZswapOriginal, &["original"])],
    )
    .bytes()
    .by(&["kind"])
    .full()
    .v2("memory.stat zswap, zswapped"),
    gauge("container_memory_limit_bytes", Memory, "Effective memory limit: the least over the container and all its ancestors; absent without one.", &[one(Slot::MemoryLimit)])
        .bytes()
        .minimal()
        .v1("memory.stat hierarchical_memory_limit")
        .v2("memory.max"),
    gauge("container_memory_usage_percent", Memory, "Working set as a percentage of the effective limit; absent without one.", &[one(Slot::MemoryUsagePercent)])
        .percent()
        .minimal()
        .any("container_memory_working_set_bytes / container_memory_limit_bytes"),
    gauge("container_memory_reservation_bytes", Memory, "Memory that is protected from reclaim as long as others have some to spare.", &[one(Slot::MemoryReservation)])
        .bytes()
        .v1("memory.soft_limit_in_bytes")
        .v2("memory.low"),
    gauge("container_memory_high_bytes", Memory, "Memory use above which the kernel throttles and reclaims.", &[one(Slot::MemoryHigh)])
        .bytes()
        .v2("memory.high"),
    gauge("container_memory_min_bytes", Memory, "Memory that is never reclaimed.", &[one(Slot::MemoryMin)])
        .bytes()
        .v2("memory.min"),
    gauge("container_memory_swap_limit_bytes", Memory, "Effective limit, the least over the container and all its ancestors: of memory and swap together on cgroup v1, of swap alone on v2.", &[one(Slot::MemorySwapLimit)])
        .bytes()
        .v1("memory.stat hierarchical_memsw_limit")
        .v2("memory.swap.max"),
    gauge("container_memory_max_usage_bytes", Memory, "Highest memory use so far.", &[one(Slot::MemoryMaxUsage)])
        .bytes()
        .v1("memory.max_usage_in_bytes")
        .v2("memory.peak (Linux 5.19 or newer)"),
    counter(
        "container_memory_events_total",
        Memory,
        "Events of the memory controller in the container and below.",
        &[
            cell(Slot::MemoryEventLow, &["low"]),
            cell(Slot::MemoryEventHigh, &["high"]),
            cell(Slot::MemoryEventMax, &["max"]),
            cell(Slot::MemoryEventOom, &["oom"]),
            cell(Slot::MemoryEventOomKill, &["oom_kill"]),
            cell(Slot::MemoryEventOomGroupKill, &["oom_group_kill"]),
        ],
    )
    .by(&["event"])
    .v1("max: memory.failcnt, oom_kill: memory.oom_control")
    .v2("memory.events"),
    counter("container_oom_events_total", Memory, "Out-of-memory kills over all lives of the container since the agent first saw it.", &[one(Slot::OomEvents)])
        .minimal()
        .since(Start::Seen)
        .v1("memory.oom_control oom_kill, engine: oom events")
        .v2("memory.events oom_kill, engine: oom events"),
    counter(
        "container_memory_failures_total",
        Memory,
        "Page faults: pgfault all, pgmajfault those that had to read a disk; on cgroup v2 both scopes cover the container and below.",
        &[
            cell(Slot::PgfaultContainer, &["pgfault", "container"]),
            cell(Slot::PgfaultHierarchy, &["pgfault", "hierarchy"]),
            cell(Slot::PgmajfaultContainer, &["pgmajfault", "container"]),
            cell(Slot::PgmajfaultHierarchy, &["pgmajfault", "hierarchy"]),
        ],
    )
    .by(&["failure_type", "scope"])
    .v1("memory.stat pgfault, total_pgfault, pgmajfault, total_pgmajfault")
    .v2("memory.stat pgfault, pgmajfault"),
    counter("container_memory_pgscan_total", Memory, "Pages that reclaim looked at.", &[one(Slot::Pgscan)])
        .unit(Unit::Pages)
        .v2("memory.stat pgscan"),
    counter("container_memory_pgsteal_total", Memory, "Pages that reclaim took.", &[one(Slot::Pgsteal)])
        .unit(Unit::Pages)
        .v2("memory.stat pgsteal"),
    counter("container_memory_workingset_refault_file_total", Memory, "Page cache read again soon after it was given up.", &[one(Slot::RefaultFile)])
        .unit(Unit::Pages)
        .v1("memory.stat total_workingset_refault_file (some kernels)")
        .v2("memory.stat workingset_refault_file"),
    counter("container_memory_workingset_refault_anon_total", Memory, "Anonymous pages needed again soon after they were swapped out.", &[one(Slot::RefaultAnon)])
        .unit(Unit::Pages)
        .v1("memory.stat total_workingset_refault_anon (some kernels)")
        .v2("memory.stat workingset_refault_anon"),
    gauge("container_memory_file_dirty_bytes", Memory, "Page cache that is yet to be written to disk.", &[one(Slot::FileDirty)])
        .bytes()
        .v1("memory.stat total_dirty")
        .v2("memory.stat file_dirty"),
    gauge("container_memory_file_writeback_bytes", Memory, "Page cache that is being written to disk.", &[one(Slot::FileWriteback)])
        .bytes()
        .v1("memory.stat total_writeback")
        .v2("memory.stat file_writeback"),
    counter(
        "container_memory_swap_events_total",
        Memory,
        "Events of the swap limit.",
        &[
            cell(Slot::SwapEventHigh, &["high"]),
            cell(Slot::SwapEventMax, &["max"]),
            cell(Slot::SwapEventFail, &["fail"]),
        ],
    )
    .by(&["event"])
    .v2("memory.swap.events"),
    // Block I/O.
    block("container_fs_reads_bytes_total", "Bytes read from the device.", DeviceSlot::ReadBytes)
        .bytes()
        .minimal()
        .v1("blkio.throttle.io_service_bytes_recursive Read")
        .v2("io.stat rbytes"),
    block("container_fs_writes_bytes_total", "Bytes written to the device.", DeviceSlot::WriteBytes)
        .bytes()
        .minimal()
        .v1("blkio.throttle.io_service_bytes_recursive Write")
        .v2("io.stat wbytes"),
    block("container_fs_reads_total", "Read operations on the device.", DeviceSlot::Reads)
        .v1("blkio.throttle.io_serviced_recursive Read")
        .v2("io.stat rios"),
    block("container_fs_writes_total", "Write operations on the device.", DeviceSlot::Writes)
        .v1("blkio.throttle.io_serviced_recursive Write")
        .v2("io.stat wios"),
    block("container_fs_discards_bytes_total", "Bytes discarded on the device.", DeviceSlot::DiscardBytes)
        .bytes()
        .v1("blkio.throttle.io_service_bytes_recursive Discard")
        .v2("io.stat dbytes"),
    block("container_fs_discards_total", "Discard operations on the device.", DeviceSlot::Discards)
        .v1("blkio.throttle.io_serviced_recursive Discard")
        .v2("io.stat dios"),
    block("container_fs_io_cost_usage_seconds_total", "Device time that the io.cost controller charged.", DeviceSlot::CostUsage)
        .seconds()
        .v2("io.stat cost.usage"),
    block("container_fs_io_cost_wait_seconds_total", "Time for which io.cost throttled the container.", DeviceSlot::CostWait)
        .seconds()
        .v2("io.stat cost.wait"),
    block("container_fs_io_cost_indebt_seconds_total", "Time for which the container was in debt to io.cost.", DeviceSlot::CostIndebt)
        .seconds()
        .v2("io.stat cost.indebt"),
    block("container_fs_io_cost_indelay_seconds_total", "Time for which tasks were delayed to pay a debt to io.cost.", DeviceSlot::CostIndelay)
        .seconds()
        .v2("io.stat cost.indelay"),
    block("container_fs_read_seconds_total", "Time that all reads took together, from the device's queue to their end.", DeviceSlot::ReadTime)
        .scheduled()
        .seconds()
        .v1("blkio.bfq.io_service_time_recursive Read"),
    block("container_fs_write_seconds_total", "Time that all writes took together, from the device's queue to their end.", DeviceSlot::WriteTime)
        .scheduled()
        .seconds()
        .v1("blkio.bfq.io_service_time_recursive Write"),
    block("container_fs_io_time_seconds_total", "Time that all operations took together, from the device's queue to their end.", DeviceSlot::IoTime)
        .scheduled()
        .seconds()
        .v1("blkio.bfq.io_service_time_recursive Total"),
    block("container_fs_io_wait_seconds_total", "Time for which all operations together waited in the scheduler's queue.", DeviceSlot::IoWait)
        .scheduled()
        .seconds()
        .v1("blkio.bfq.io_wait_time_recursive Total"),
    block("container_fs_io_time_weighted_seconds_total", "Time with operations in progress, times their number: waiting and service together.", DeviceSlot::IoTimeWeighted)
        .scheduled()
        .seconds()
        .v1("container_fs_io_time_seconds_total + container_fs_io_wait_seconds_total"),
    block("container_fs_reads_merged_total", "Reads that were merged with a neighbour.", DeviceSlot::ReadsMerged)
        .scheduled()
        .v1("blkio.bfq.io_merged_recursive Read"),
    block("container_fs_writes_merged_total", "Writes that were merged with a neighbour.", DeviceSlot::WritesMerged)
        .scheduled()
        .v1("blkio.bfq.io_merged_recursive Write"),
    block("container_fs_io_current", "Operations in progress.", DeviceSlot::IoCurrent)
        .scheduled()
        .of_kind(Gauge)
        .v1("blkio.bfq.io_queued_recursive Total"),
    // Network.
    network("container_network_receive_bytes_total", "Bytes received.", InterfaceSlot::RxBytes).bytes().minimal(),
    network("container_network_receive_packets_total", "Packets received.", InterfaceSlot::RxPackets),
    network("container_network_receive_packets_dropped_total", "Packets dropped while receiving.", InterfaceSlot::RxDropped),
    network("container_network_receive_errors_total", "Errors while receiving.", InterfaceSlot::RxErrors),
    network("container_network_transmit_bytes_total", "Bytes sent.", InterfaceSlot::TxBytes).bytes().minimal(),
    network("container_network_transmit_packets_total", "Packets sent.", InterfaceSlot::TxPackets),
    network("container_network_transmit_packets_dropped_total", "Packets dropped while sending.", InterfaceSlot::TxDropped),
    network("container_network_transmit_errors_total", "Errors while sending.", InterfaceSlot::TxErrors),
    Family {
        collector: Collector::Network,
        ..info(
            "container_network_interface_info",
            "The engine's network behind each interface of the container.",
            InfoFamily::NetworkInterface,
            &["interface", "network"],
        )
    }
    .any("engine: inspect NetworkSettings.Networks, matched by subnet with net/route"),
    gauge(
        "container_network_sockets",
        Sockets,
        "Sockets of the container's network namespace, by protocol and state: inuse, or tw (TIME-WAIT).",
        &[
            cell(Slot::SocketsTcp, &["tcp", "inuse"]),
            cell(Slot::SocketsTcpTimeWait, &["tcp", "tw"]),
            cell(Slot::SocketsUdp, &["udp", "inuse"]),
            cell(Slot::SocketsRaw, &["raw", "inuse"]),
            cell(Slot::SocketsTcp6, &["tcp6", "inuse"]),
            cell(Slot::SocketsUdp6, &["udp6", "inuse"]),
            cell(Slot::SocketsRaw6, &["raw6", "inuse"]),
        ],
    )
    .by(&["protocol", "state"])
    .any("net/sockstat, net/sockstat6 of the container's network namespace"),
    // Processes.
    gauge("container_processes", Processes, "Processes in the container.", &[one(Slot::Processes)]).any("cgroup.procs"),
    gauge("container_threads", Processes, "Threads in the container.", &[one(Slot::Threads)])
        .minimal()
        .any("pids.current"),
    gauge("container_threads_max", Processes, "Most threads that the container may have; absent without a limit.", &[one(Slot::ThreadsMax)])
        .any("pids.max"),
    gauge("container_threads_peak", Processes, "Most threads that the container has had at once.", &[one(Slot::ThreadsPeak)])
        .any("pids.peak (Linux 6.1 or newer)"),
    counter("container_pids_limit_events_total", Processes, "Forks that failed because of the thread limit.", &[one(Slot::PidsLimitEvents)])
        .any("pids.events max"),
    gauge(
        "container_cgroup_descendants",
        Processes,
        "Cgroups below the container's own: live ones, and dying ones that still hold memory.",
        &[cell(Slot::CgroupsLive, &["live"]), cell(Slot::CgroupsDying, &["dying"])],
    )
    .by(&["state"])
    .full()
    .v2("cgroup.stat"),
    // Engines.
    own("plimsoll_engine_up", Gauge, Engine, "Whether the engine answers.", AgentFamily::EngineUp)
        .by(&["engine", "endpoint"])
        .minimal()
        .any("the event stream and its connection"),
    own("plimsoll_engine_info", Info, Engine, "The engine as it describes itself.", AgentFamily::EngineInfo)
        .by(&[
            "engine", "endpoint", "version", "api_version", "cgroup_version", "cgroup_driver", "storage_driver",
            "rootless", "source", "state",
        ])
        .minimal()
        .any("engine: version, info; source: kernel or api; state: up, or why not"),
    own("plimsoll_containers", Gauge, Engine, "Containers that the agent knows, by state.", AgentFamily::Containers)
        .by(&["engine", "state"])
        .minimal()
        .any("engine: list, inspect, events"),
    own("engine_images", Gauge, Collector::Images, "Images that the engine has.", AgentFamily::Images)
        .by(&["engine"])
        .any("engine: system/df"),
    own("engine_images_bytes", Gauge, Collector::Images, "Space that the layers of all images take, each layer once.", AgentFamily::ImagesBytes)
        .bytes()
        .by(&["engine"])
        .any("engine: system/df LayersSize, else ImageUsage.TotalSize"),
    own("engine_build_cache_bytes", Gauge, Collector::Images, "Space that the build cache takes.", AgentFamily::BuildCacheBytes)
        .bytes()
        .by(&["engine"])
        .any("engine: system/df BuildCache, else BuildCacheUsage.TotalSize"),
    own("engine_volumes", Gauge, Collector::Images, "Volumes that the engine has.", AgentFamily::Volumes)
        .by(&["engine"])
        .any("engine: volumes"),
    // The machine.
    own("machine_cpu_cores", Gauge, Machine, "Processors of the machine that are online.", AgentFamily::MachineCores)
        .minimal()
        .any("/proc/stat"),
    own("machine_memory_bytes", Gauge, Machine, "Memory of the machine.", AgentFamily::MachineMemory)
        .bytes()
        .minimal()
        .any("/proc/meminfo MemTotal"),
    own("machine_swap_bytes", Gauge, Machine, "Swap space of the machine.", AgentFamily::MachineSwap)
        .bytes()
        .minimal()
        .any("/proc/meminfo SwapTotal"),
];

/// The families of the agent itself, which come last.
pub(super) const AGENT: &[Family] = &[
    // The agent's own process.
    own("process_cpu_seconds_total", Counter, Process, "Processor time of the agent.", AgentFamily::ProcessCpu)
        .seconds()
        .any("clock_gettime(CLOCK_PROCESS_CPUTIME_ID)"),
    own("process_resident_memory_bytes", Gauge, Process, "Resident memory of the agent.", AgentFamily::ProcessResident)
        .bytes()
        .any("/proc/self/statm"),
    own("process_virtual_memory_bytes", Gauge, Process, "Virtual memory of the agent.", AgentFamily::ProcessVirtual)
        .bytes()
        .any("/proc/self/statm"),
    own("process_open_fds", Gauge, Process, "Open descriptors of the agent.", AgentFamily::ProcessOpenFds)
        .any("/proc/self/fd"),
    own("process_max_fds", Gauge, Process, "Most descriptors that the agent may open.", AgentFamily::ProcessMaxFds)
        .any("getrlimit"),
    own("process_start_time_seconds", Gauge, Process, "When the agent started, in Unix time.", AgentFamily::ProcessStart)
        .seconds()
        .any("/proc/self/stat starttime"),
    // The agent's account of its work.
    own("plimsoll_build_info", Info, Agent, "The version of the agent.", AgentFamily::BuildInfo)
        .by(&["version", "revision", "rustc", "target"])
        .minimal()
        .any("the build"),
    own("plimsoll_collector_duration_seconds", Gauge, Agent, "Time that the collector took the last time.", AgentFamily::CollectorDuration)
        .seconds()
        .by(&["collector"])
        .any("the agent's clock"),
    own("plimsoll_collector_success", Gauge, Agent, "Whether the collector could read all that it should the last time.", AgentFamily::CollectorSuccess)
        .by(&["collector"])
        .any("the agent"),
    own("plimsoll_collector_timeouts_total", Counter, Agent, "Requests, or attempts to collect, that timed out.", AgentFamily::CollectorTimeouts)
        .by(&["collector"])
        .any("the agent"),
    own("plimsoll_collector_healthy", Gauge, Agent, "Whether a collector on the framework works: 1 yes, 0 no, it failed three times in a row and is tried seldom.", AgentFamily::CollectorHealthy)
        .by(&["collector"])
        .any("the collector framework"),
    own("plimsoll_collector_runs_total", Counter, Agent, "Attempts of a collector on the framework to collect.", AgentFamily::CollectorRuns)
        .by(&["collector"])
        .any("the collector framework"),
    own("plimsoll_collector_failures_total", Counter, Agent, "Attempts that failed, by reason.", AgentFamily::CollectorFailures)
        .by(&["collector", "reason"])
        .any("the collector framework"),
    own("plimsoll_collector_runs_skipped_total", Counter, Agent, "Collections left out because the one before was still under way.", AgentFamily::CollectorSkipped)
        .by(&["collector"])
        .any("the collector framework"),
    own("plimsoll_collector_values", Gauge, Agent, "Values in the last collection that succeeded.", AgentFamily::CollectorValues)
        .by(&["collector"])
        .any("the collector framework"),
    own("plimsoll_collector_values_dropped_total", Counter, Agent, "Values of a collector that were left out because they are nonsense, by reason.", AgentFamily::CollectorDropped)
        .by(&["collector", "reason"])
        .any("the collector framework"),
    own("plimsoll_collector_last_success_timestamp_seconds", Gauge, Agent, "When a collector on the framework last succeeded.", AgentFamily::CollectorLastSuccess)
        .seconds()
        .by(&["collector"])
        .any("the collector framework"),
    own("plimsoll_capability", Gauge, Agent, "What this machine lets the agent read: 1 yes, 0 no. The page at / has the reasons.", AgentFamily::Capability)
        .by(&["feature"])
        .minimal()
        .any("a probe of the kernel's files at start"),
    own("plimsoll_ticks_total", Counter, Agent, "Periodic passes over all containers.", AgentFamily::Ticks).any("the agent"),
    own("plimsoll_ticks_missed_total", Counter, Agent, "Periodic passes left out because the one before took too long.", AgentFamily::TicksMissed)
        .any("the agent"),
    own("plimsoll_engine_requests_total", Counter, Agent, "Requests made to the engine.", AgentFamily::EngineRequests)
        .by(&["engine"])
        .any("the agent"),
    own("plimsoll_engine_broken_replies_total", Counter, Agent, "Parts of the engine's replies that could not be understood and were left out.", AgentFamily::EngineBroken)
        .by(&["engine"])
        .any("the agent"),
    own("plimsoll_labels_dropped_total", Counter, Agent, "Labels, interfaces and devices of containers that were left out or cut, by reason.", AgentFamily::LabelsDropped)
        .by(&["reason"])
        .any("the agent"),
    own("plimsoll_read_errors_total", Counter, Agent, "Reads of kernel files that failed, by file; a cgroup that is gone is no failure.", AgentFamily::ReadErrors)
        .by(&["file"])
        .any("the agent"),
    own("docker_exporter_scrape_duration_seconds", Gauge, Agent, "Time that the last pass over all containers took.", AgentFamily::ScrapeDuration)
        .seconds()
        .minimal()
        .any("the agent's clock"),
    own("docker_exporter_containers_scraped", Gauge, Agent, "Containers whose resources were read in the last pass.", AgentFamily::ContainersScraped)
        .minimal()
        .any("the agent"),
    own("docker_exporter_scrape_errors_total", Counter, Agent, "Failures by kind: reading the kernel, or asking the engine.", AgentFamily::ScrapeErrors)
        .by(&["error_type"])
        .minimal()
        .any("the agent"),
    own("plimsoll_history_up", Gauge, Agent, "Whether the history is being written; absent where there is to be none.", AgentFamily::HistoryUp)
        .any("the agent"),
    own("plimsoll_history_size_bytes", Gauge, Agent, "Size of the history's file with its side files.", AgentFamily::HistoryBytes)
        .bytes()
        .any("the file"),
    own("plimsoll_history_values_total", Counter, Agent, "Numbers that the history took in.", AgentFamily::HistoryValues)
        .any("the agent"),
    own("plimsoll_history_written_bytes_total", Counter, Agent, "Bytes that were written to the history's file.", AgentFamily::HistoryWritten)
        .bytes()
        .any("the agent"),
    own("plimsoll_history_flush_duration_seconds", Gauge, Agent, "Time that the last writing of the history took.", AgentFamily::HistoryFlush)
        .seconds()
        .any("the agent's clock"),
    own("plimsoll_history_lost_total", Counter, Agent, "What the history could not keep: samples for want of disk, numbers for want of names, ticks that came too fast.", AgentFamily::HistoryLost)
        .by(&["reason"])
        .any("the agent"),
    own("plimsoll_history_damaged_total", Counter, Agent, "Damage that was found in the history: parts that were left out, files that were set aside.", AgentFamily::HistoryDamaged)
        .by(&["what"])
        .any("the file's checksums"),
];

/// The last family of all, as it counts the others.
pub(super) const LAST: &[Family] =
    &[own("plimsoll_series", Gauge, Agent, "Series in this exposition.", AgentFamily::Series)
        .minimal()
        .any("the agent")];
