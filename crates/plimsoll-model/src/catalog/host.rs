//! The families of the machine itself: names, kinds, units and labels are those of node_exporter 1.5, so that its dashboards
//! and alerts work unchanged. `CamelCase` in a name is the kernel's own word.
//!
//! The default profile has what those dashboards show. What none of them asks for is in `full`.

use super::families::family;
use super::{Collector, Family, Kind, Shape, Start, Unit};

/// Where a number of the machine stands in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostField {
    /// The lines of processors in `/proc/stat`, in clock ticks: each value of the label `mode` with its column, counted
    /// from 0 after the processor's name.
    Processor(&'static [(&'static str, usize)]),
    /// The first number after this word in `/proc/stat`.
    Stat(&'static str),
    /// A column of `/proc/loadavg`, counted from 0.
    Load(usize),
    /// The line of this name in `/proc/meminfo`.
    Memory(&'static str),
    /// The total in a file of `/proc/pressure`, in microseconds.
    Pressure {
        /// The file's name, which is the resource's.
        resource: &'static str,
        /// Whether it is the line `full` (all tasks waited), not `some`.
        full: bool,
    },
    /// A column of `/proc/diskstats`, counted from 0 after the device's name. Sizes are in sectors of 512 bytes, times in
    /// milliseconds.
    Disk(usize),
    /// A column of `net/dev` of the machine's network namespace, counted from 0 after the interface's name.
    Interface(usize),
    /// The line of this name in `/proc/vmstat`.
    Vmstat(&'static str),
    /// The clock at the reading.
    Time,
    /// What the system call `statfs`, or the attempt, says of a mounted file system.
    Mount(MountField),
}

/// A number of a mounted file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountField {
    /// Bytes that an ordinary user can still write.
    Avail,
    /// Free bytes, the reserved ones included.
    Free,
    /// Bytes in all.
    Size,
    /// Inodes in all.
    Files,
    /// Free inodes.
    FilesFree,
    /// Whether it is mounted read-only.
    ReadOnly,
    /// Whether it did not answer.
    DeviceError,
}

/// The most labels that a family of the machine has.
pub const MAX_HOST_LABELS: usize = 3;

const MODES: &[(&str, usize)] = &[
    ("user", 0),
    ("nice", 1),
    ("system", 2),
    ("idle", 3),
    ("iowait", 4),
    ("irq", 5),
    ("softirq", 6),
    ("steal", 7),
];

const GUEST_MODES: &[(&str, usize)] = &[("user", 8), ("nice", 9)];

const fn host(name: &'static str, kind: Kind, field: HostField, help: &'static str) -> Family {
    Family { start: Start::Boot, ..family(name, kind, Collector::Host, help, Shape::Host(field)) }
}

const fn disk(name: &'static str, column: usize, help: &'static str) -> Family {
    host(name, Counter, HostField::Disk(column), help).by(&["device"]).any("/proc/diskstats")
}

const fn interface(name: &'static str, column: usize, help: &'static str) -> Family {
    host(name, Counter, HostField::Interface(column), help).by(&["device"]).any("/proc/1/net/dev")
}

const fn pressure(name: &'static str, resource: &'static str, full: bool, help: &'static str) -> Family {
    host(name, Counter, HostField::Pressure { resource, full }, help).seconds()
}

const fn mount(name: &'static str, field: MountField, help: &'static str) -> Family {
    let shape = Shape::Host(HostField::Mount(field));
    Family { start: Start::Boot, ..family(name, Gauge, Collector::Filesystem, help, shape) }
        .by(&["device", "mountpoint", "fstype"])
        .any("statfs of the mounts in /proc/1/mountinfo")
}

/// A line of `/proc/meminfo` in bytes. The metric's name differs from the kernel's where that has parentheses.
macro_rules! memory {
    ($field:literal, $help:literal) => {
        memory!($field, $field, $help)
    };
    ($field:literal, $name:literal, $help:literal) => {
        host(concat!("node_memory_", $name, "_bytes"), Gauge, HostField::Memory($field), $help)
            .unit(Unit::Bytes)
            .any(concat!("/proc/meminfo ", $field))
    };
}

/// A line of `/proc/meminfo` that counts huge pages.
macro_rules! huge_pages {
    ($field:literal, $help:literal) => {
        host(concat!("node_memory_", $field), Gauge, HostField::Memory($field), $help)
            .unit(Unit::Pages)
            .any(concat!("/proc/meminfo ", $field))
    };
}

/// A line of `/proc/vmstat`. node_exporter does not say what kind they are.
macro_rules! vmstat {
    ($field:literal, $help:literal) => {
        host(concat!("node_vmstat_", $field), Untyped, HostField::Vmstat($field), $help)
            .any(concat!("/proc/vmstat ", $field))
    };
}

use Kind::{Counter, Gauge, Untyped};

/// Every family of the machine, in the order in which they are shown.
pub(super) const HOST: &[Family] = &[
    // Processors.
    host(
        "node_cpu_seconds_total",
        Counter,
        HostField::Processor(MODES),
        "Time that each processor spent in each mode; user and nice include guests.",
    )
    .seconds()
    .by(&["cpu", "mode"])
    .minimal()
    .any("/proc/stat cpuN"),
    host(
        "node_cpu_guest_seconds_total",
        Counter,
        HostField::Processor(GUEST_MODES),
        "Time that each processor spent running virtual machines, which is part of the modes user and nice.",
    )
    .seconds()
    .by(&["cpu", "mode"])
    .any("/proc/stat cpuN"),
    host(
        "node_load1",
        Gauge,
        HostField::Load(0),
        "Tasks that ran or waited for a processor or a disk, averaged over one minute.",
    )
    .nano()
    .minimal()
    .any("/proc/loadavg"),
    host(
        "node_load5",
        Gauge,
        HostField::Load(1),
        "Tasks that ran or waited for a processor or a disk, averaged over five minutes.",
    )
    .nano()
    .any("/proc/loadavg"),
    host(
        "node_load15",
        Gauge,
        HostField::Load(2),
        "Tasks that ran or waited for a processor or a disk, averaged over fifteen minutes.",
    )
    .nano()
    .any("/proc/loadavg"),
    // Memory, in the kernel's order.
    memory!("MemTotal", "Memory that the kernel can use.").minimal(),
    memory!("MemFree", "Memory that nothing uses."),
    memory!("MemAvailable", "Memory that programs could get without swapping, as the kernel estimates it.")
        .minimal(),
    memory!("Buffers", "Cache of block devices."),
    memory!("Cached", "Page cache, shared memory and tmpfs included."),
    memory!("SwapCached", "Memory that was swapped in again and still has its place in swap space."),
    memory!("Active", "Memory used lately, which is reclaimed last."),
    memory!("Inactive", "Memory used less lately, which is reclaimed first."),
    memory!("Active(anon)", "Active_anon", "Active memory without a file behind it."),
    memory!("Inactive(anon)", "Inactive_anon", "Inactive memory without a file behind it."),
    memory!("Active(file)", "Active_file", "Active page cache."),
    memory!("Inactive(file)", "Inactive_file", "Inactive page cache."),
    memory!("Unevictable", "Memory that cannot be reclaimed."),
    memory!("Mlocked", "Memory that programs have locked."),
    memory!("HighTotal", "Memory beyond the kernel's own addresses, on 32-bit machines.").full(),
    memory!("HighFree", "Free memory beyond the kernel's own addresses, on 32-bit machines.").full(),
    memory!("LowTotal", "Memory within the kernel's own addresses, on 32-bit machines.").full(),
    memory!("LowFree", "Free memory within the kernel's own addresses, on 32-bit machines.").full(),
    memory!("MmapCopy", "Memory for copies of mapped files, on machines without memory management.").full(),
    memory!("SwapTotal", "Swap space.").minimal(),
    memory!("SwapFree", "Swap space that nothing uses.").minimal(),
    memory!("Zswap", "Memory that compressed swap takes.").full(),
    memory!("Zswapped", "Size of what lies in compressed swap, before compression.").full(),
    memory!("Dirty", "Memory that waits to be written to disk."),
    memory!("Writeback", "Memory that is being written to disk."),
    memory!("AnonPages", "Mapped memory without a file behind it."),
    memory!("Mapped", "Files that are mapped into programs."),
    memory!("Shmem", "Shared memory and tmpfs."),
    memory!("KReclaimable", "Kernel memory that can be reclaimed under pressure.").full(),
    memory!("Slab", "The kernel's object caches."),
    memory!("SReclaimable", "The part of the kernel's object caches that can be reclaimed."),
    memory!("SUnreclaim", "The part of the kernel's object caches that cannot be reclaimed."),
    memory!("KernelStack", "Kernel stacks of tasks."),
    memory!("ShadowCallStack", "Shadow call stacks of tasks.").full(),
    memory!("PageTables", "Page tables of programs."),
    memory!("SecPageTables", "Page tables of virtual machines and devices.").full(),
    memory!("Quicklists", "Page tables that are kept for new programs, by old kernels.").full(),
    memory!("NFS_Unstable", "Memory sent to an NFS server that has not written it yet."),
    memory!("Bounce", "Buffers for devices that cannot reach all memory."),
    memory!("WritebackTmp", "Buffers of FUSE for what is being written."),
    memory!("CommitLimit", "Memory that may be promised to programs, under strict overcommit."),
    memory!("Committed_AS", "Memory that is promised to programs."),
    memory!("VmallocTotal", "Size of the kernel's address range for vmalloc."),
    memory!("VmallocUsed", "Part of the kernel's address range for vmalloc that is in use."),
    memory!(
        "VmallocChunk",
        "Largest free block of the kernel's address range for vmalloc; newer kernels write 0."
    ),
    memory!("Percpu", "Memory that the kernel has for each processor."),
    memory!("EarlyMemtestBad", "Memory that failed the test at boot.").full(),
    memory!("HardwareCorrupted", "Memory that the hardware has reported as broken."),
    memory!("AnonHugePages", "Transparent huge pages without a file behind them."),
    memory!("ShmemHugePages", "Transparent huge pages of shared memory and tmpfs."),
    memory!("ShmemPmdMapped", "Shared memory that is mapped by huge pages."),
    memory!("FileHugePages", "Transparent huge pages of the page cache.").full(),
    memory!("FilePmdMapped", "Page cache that is mapped by huge pages.").full(),
    memory!("CmaTotal", "Memory kept for devices that need it in one piece.").full(),
    memory!("CmaFree", "Free part of the memory kept for devices that need it in one piece.").full(),
    memory!("Unaccepted", "Memory of a virtual machine that it has not taken into use yet.").full(),
    memory!("Balloon", "Memory that a virtual machine has given back to its host.").full(),
    memory!("GPUActive", "Memory that graphics processors use.").full(),
    memory!("GPUReclaim", "Memory of graphics processors that can be reclaimed.").full(),
    huge_pages!("HugePages_Total", "Huge pages in the pool."),
    huge_pages!("HugePages_Free", "Huge pages of the pool that nothing uses."),
    huge_pages!("HugePages_Rsvd", "Huge pages that are promised and not in use yet."),
    huge_pages!("HugePages_Surp", "Huge pages beyond the size of the pool."),
    memory!("Hugepagesize", "Size of a huge page."),
    memory!("Hugetlb", "Memory that huge pages of all sizes take.").full(),
    memory!("DirectMap4k", "Memory that the kernel maps in pages of 4 KiB."),
    memory!("DirectMap64k", "Memory that the kernel maps in pages of 64 KiB.").full(),
    memory!("DirectMap1M", "Memory that the kernel maps in pages of 1 MiB.").full(),
    memory!("DirectMap2M", "Memory that the kernel maps in pages of 2 MiB."),
    memory!("DirectMap4M", "Memory that the kernel maps in pages of 4 MiB.").full(),
    memory!("DirectMap1G", "Memory that the kernel maps in pages of 1 GiB."),
    memory!("DirectMap2G", "Memory that the kernel maps in pages of 2 GiB.").full(),
    // Pressure.
    pressure(
        "node_pressure_cpu_waiting_seconds_total",
        "cpu",
        false,
        "Time in which some task waited for a processor.",
    )
    .any("/proc/pressure/cpu some"),
    pressure(
        "node_pressure_memory_waiting_seconds_total",
        "memory",
        false,
        "Time in which some task waited for memory.",
    )
    .any("/proc/pressure/memory some"),
    pressure(
        "node_pressure_memory_stalled_seconds_total",
        "memory",
        true,
        "Time in which all tasks at once waited for memory.",
    )
    .any("/proc/pressure/memory full"),
    pressure(
        "node_pressure_io_waiting_seconds_total",
        "io",
        false,
        "Time in which some task waited for block I/O.",
    )
    .any("/proc/pressure/io some"),
    pressure(
        "node_pressure_io_stalled_seconds_total",
        "io",
        true,
        "Time in which all tasks at once waited for block I/O.",
    )
    .any("/proc/pressure/io full"),
    // Disks.
    disk("node_disk_reads_completed_total", 0, "Reads that succeeded."),
    disk("node_disk_reads_merged_total", 1, "Reads that were merged with a neighbour."),
    disk("node_disk_read_bytes_total", 2, "Bytes read.").bytes().minimal(),
    disk("node_disk_read_time_seconds_total", 3, "Time that all reads took together.").seconds(),
    disk("node_disk_writes_completed_total", 4, "Writes that succeeded."),
    disk("node_disk_writes_merged_total", 5, "Writes that were merged with a neighbour."),
    disk("node_disk_written_bytes_total", 6, "Bytes written.").bytes().minimal(),
    disk("node_disk_write_time_seconds_total", 7, "Time that all writes took together.").seconds(),
    disk("node_disk_io_now", 8, "Operations in progress.").of_kind(Gauge),
    disk("node_disk_io_time_seconds_total", 9, "Time in which the device had something to do.")
        .seconds()
        .minimal(),
    disk(
        "node_disk_io_time_weighted_seconds_total",
        10,
        "Time in which the device had something to do, times the operations in progress.",
    )
    .seconds(),
    disk("node_disk_discards_completed_total", 11, "Discards that succeeded."),
    disk("node_disk_discards_merged_total", 12, "Discards that were merged with a neighbour."),
    disk("node_disk_discarded_sectors_total", 13, "Sectors of 512 bytes discarded.").full(),
    disk("node_disk_discard_time_seconds_total", 14, "Time that all discards took together.").seconds(),
    disk("node_disk_flush_requests_total", 15, "Flushes that succeeded.").full(),
    disk("node_disk_flush_requests_time_seconds_total", 16, "Time that all flushes took together.")
        .seconds()
        .full(),
    // Network devices.
    interface("node_network_receive_bytes_total", 0, "Bytes received.").bytes().minimal(),
    interface("node_network_receive_packets_total", 1, "Packets received."),
    interface("node_network_receive_errs_total", 2, "Packets received with an error."),
    interface("node_network_receive_drop_total", 3, "Packets received and dropped."),
    interface("node_network_receive_fifo_total", 4, "Packets lost because the device's queue was full."),
    interface(
        "node_network_receive_frame_total",
        5,
        "Packets received with an error of framing, length or checksum.",
    ),
    interface("node_network_receive_compressed_total", 6, "Compressed packets received."),
    interface("node_network_receive_multicast_total", 7, "Multicast packets received."),
    interface("node_network_transmit_bytes_total", 8, "Bytes sent.").bytes().minimal(),
    interface("node_network_transmit_packets_total", 9, "Packets sent."),
    interface("node_network_transmit_errs_total", 10, "Packets that could not be sent because of an error."),
    interface("node_network_transmit_drop_total", 11, "Packets dropped instead of sent."),
    interface("node_network_transmit_fifo_total", 12, "Packets lost because the device's queue ran empty."),
    interface("node_network_transmit_colls_total", 13, "Collisions."),
    interface(
        "node_network_transmit_carrier_total",
        14,
        "Packets lost because there was no carrier, or for other faults of the line.",
    ),
    interface("node_network_transmit_compressed_total", 15, "Compressed packets sent."),
    // The machine as a whole.
    host("node_procs_running", Gauge, HostField::Stat("procs_running"), "Tasks that run or could run.")
        .any("/proc/stat procs_running"),
    host("node_procs_blocked", Gauge, HostField::Stat("procs_blocked"), "Tasks that wait for block I/O.")
        .any("/proc/stat procs_blocked"),
    host("node_forks_total", Counter, HostField::Stat("processes"), "Processes and threads started.")
        .any("/proc/stat processes"),
    host(
        "node_context_switches_total",
        Counter,
        HostField::Stat("ctxt"),
        "Switches from one task to another.",
    )
    .any("/proc/stat ctxt"),
    host("node_intr_total", Counter, HostField::Stat("intr"), "Interrupts served.").any("/proc/stat intr"),
    host(
        "node_boot_time_seconds",
        Gauge,
        HostField::Stat("btime"),
        "When the machine was booted, in Unix time and whole seconds.",
    )
    .seconds()
    .minimal()
    .any("/proc/stat btime"),
    vmstat!("pgpgin", "KiB read from block devices."),
    vmstat!("pgpgout", "KiB written to block devices."),
    vmstat!("pswpin", "Pages read from swap space."),
    vmstat!("pswpout", "Pages written to swap space."),
    vmstat!("pgfault", "Page faults."),
    vmstat!("pgmajfault", "Page faults that had to wait for a disk."),
    vmstat!("oom_kill", "Processes killed for lack of memory, in the machine or in a cgroup."),
    host("node_time_seconds", Gauge, HostField::Time, "The machine's clock at the reading, in Unix time.")
        .seconds()
        .any("clock_gettime(CLOCK_REALTIME)"),
    // File systems.
    mount("node_filesystem_size_bytes", MountField::Size, "Size of the file system.").bytes().minimal(),
    mount("node_filesystem_free_bytes", MountField::Free, "Free space, what is reserved for root included.")
        .bytes(),
    mount("node_filesystem_avail_bytes", MountField::Avail, "Space that an ordinary user can still fill.")
        .bytes()
        .minimal(),
    mount("node_filesystem_files", MountField::Files, "Inodes of the file system."),
    mount("node_filesystem_files_free", MountField::FilesFree, "Free inodes."),
    mount("node_filesystem_readonly", MountField::ReadOnly, "Whether the file system is mounted read-only."),
    mount(
        "node_filesystem_device_error",
        MountField::DeviceError,
        "Whether the file system did not answer, in time or at all; its other numbers are absent then.",
    ),
];
