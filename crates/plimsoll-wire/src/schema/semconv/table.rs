//! What the conventions have a name for. `{…}` are UCUM's annotations: what is counted.

use crate::schema::walk::{Pairs, Shown};

/// Labels that mean the same wherever they stand.
pub(super) const COMMON: Pairs = &[("interface", "network.interface.name"), ("device", "system.device")];

/// Labels of the machine's network devices.
const INTERFACE: Pairs = &[("device", "network.interface.name")];
const PROCESSOR: Pairs = &[("cpu", "cpu.logical_number"), ("mode", "cpu.mode")];
const MOUNT: Pairs = &[
    ("device", "system.device"),
    ("mountpoint", "system.filesystem.mountpoint"),
    ("fstype", "system.filesystem.type"),
];

const RECEIVE: Pairs = &[("network.io.direction", "receive")];
const TRANSMIT: Pairs = &[("network.io.direction", "transmit")];
const READ: Pairs = &[("disk.io.direction", "read")];
const WRITE: Pairs = &[("disk.io.direction", "write")];
/// Not among the conventions' directions, which others may be added to.
const DISCARD: Pairs = &[("disk.io.direction", "discard")];

const fn named(name: &'static str, unit: &'static str) -> Shown {
    Shown { name, unit, labels: COMMON, values: &[], fixed: &[], divisor: 1 }
}

impl Shown {
    const fn with(self, fixed: Pairs) -> Self {
        Self { fixed, ..self }
    }

    const fn labelled(self, labels: Pairs) -> Self {
        Self { labels, ..self }
    }

    const fn saying(self, values: Pairs) -> Self {
        Self { values, ..self }
    }

    /// From per cent to a fraction of one.
    const fn fraction(self) -> Self {
        Self { divisor: 100, ..self }
    }
}

/// Families of the catalog, and how they are shown.
#[rustfmt::skip]
pub(super) const TABLE: &[(&str, Shown)] = &[
    // What engines keep.
    ("engine_images", named("engine.image.count", "{image}")),
    ("engine_images_bytes", named("engine.image.size", "By")),
    // Containers.
    ("container_uptime_seconds", named("container.uptime", "s")),
    ("container_cpu_user_seconds_total", named("container.cpu.time", "s").with(&[("cpu.mode", "user")])),
    ("container_cpu_system_seconds_total", named("container.cpu.time", "s").with(&[("cpu.mode", "system")])),
    ("container_cpu_usage_seconds_total", named("container.cpu.usage_time", "s")),
    ("container_cpu_usage_percent", named("container.cpu.usage", "{cpu}").fraction()),
    ("container_cpu_limit_cores", named("container.cpu.limit", "{cpu}")),
    ("container_memory_usage_bytes", named("container.memory.usage", "By")),
    ("container_memory_usage_percent", named("container.memory.utilization", "1").fraction()),
    ("container_memory_rss", named("container.memory.rss", "By")),
    ("container_memory_working_set_bytes", named("container.memory.working_set", "By")),
    ("container_fs_reads_bytes_total", named("container.disk.io", "By").with(READ)),
    ("container_fs_writes_bytes_total", named("container.disk.io", "By").with(WRITE)),
    ("container_fs_discards_bytes_total", named("container.disk.io", "By").with(DISCARD)),
    ("container_fs_reads_total", named("container.disk.operations", "{operation}").with(READ)),
    ("container_fs_writes_total", named("container.disk.operations", "{operation}").with(WRITE)),
    ("container_fs_discards_total", named("container.disk.operations", "{operation}").with(DISCARD)),
    ("container_network_receive_bytes_total", named("container.network.io", "By").with(RECEIVE)),
    ("container_network_transmit_bytes_total", named("container.network.io", "By").with(TRANSMIT)),
    ("container_network_receive_packets_total", named("container.network.packet.count", "{packet}").with(RECEIVE)),
    ("container_network_transmit_packets_total", named("container.network.packet.count", "{packet}").with(TRANSMIT)),
    ("container_network_receive_packets_dropped_total", named("container.network.packet.dropped", "{packet}").with(RECEIVE)),
    ("container_network_transmit_packets_dropped_total", named("container.network.packet.dropped", "{packet}").with(TRANSMIT)),
    ("container_network_receive_errors_total", named("container.network.errors", "{error}").with(RECEIVE)),
    ("container_network_transmit_errors_total", named("container.network.errors", "{error}").with(TRANSMIT)),
    ("container_processes", named("container.processes", "{process}")),
    ("container_threads", named("container.threads", "{thread}")),
    ("container_restarts_total", named("container.restarts", "{restart}")),
    // The machine.
    ("machine_cpu_cores", named("system.cpu.logical.count", "{cpu}")),
    ("node_cpu_seconds_total", named("system.cpu.time", "s").labelled(PROCESSOR).saying(&[("irq", "interrupt")])),
    ("node_cpu_guest_seconds_total", named("system.cpu.guest_time", "s").labelled(PROCESSOR)),
    ("node_load1", named("system.cpu.load_average.1m", "{thread}")),
    ("node_load5", named("system.cpu.load_average.5m", "{thread}")),
    ("node_load15", named("system.cpu.load_average.15m", "{thread}")),
    ("node_memory_MemTotal_bytes", named("system.memory.limit", "By")),
    ("node_memory_MemFree_bytes", named("system.memory.usage", "By").with(&[("system.memory.state", "free")])),
    ("node_memory_Buffers_bytes", named("system.memory.usage", "By").with(&[("system.memory.state", "buffers")])),
    ("node_memory_Cached_bytes", named("system.memory.usage", "By").with(&[("system.memory.state", "cached")])),
    ("node_memory_MemAvailable_bytes", named("system.memory.linux.available", "By")),
    ("node_memory_Shmem_bytes", named("system.memory.linux.shared", "By")),
    ("node_memory_SReclaimable_bytes", named("system.memory.linux.slab.usage", "By").with(&[("system.memory.linux.slab.state", "reclaimable")])),
    ("node_memory_SUnreclaim_bytes", named("system.memory.linux.slab.usage", "By").with(&[("system.memory.linux.slab.state", "unreclaimable")])),
    ("node_memory_SwapFree_bytes", named("system.paging.usage", "By").with(&[("system.paging.state", "free")])),
    ("node_memory_SwapTotal_bytes", named("system.paging.limit", "By")),
    ("node_disk_read_bytes_total", named("system.disk.io", "By").with(READ)),
    ("node_disk_written_bytes_total", named("system.disk.io", "By").with(WRITE)),
    ("node_disk_reads_completed_total", named("system.disk.operations", "{operation}").with(READ)),
    ("node_disk_writes_completed_total", named("system.disk.operations", "{operation}").with(WRITE)),
    ("node_disk_discards_completed_total", named("system.disk.operations", "{operation}").with(DISCARD)),
    ("node_disk_reads_merged_total", named("system.disk.merged", "{operation}").with(READ)),
    ("node_disk_writes_merged_total", named("system.disk.merged", "{operation}").with(WRITE)),
    ("node_disk_discards_merged_total", named("system.disk.merged", "{operation}").with(DISCARD)),
    ("node_disk_read_time_seconds_total", named("system.disk.operation_time", "s").with(READ)),
    ("node_disk_write_time_seconds_total", named("system.disk.operation_time", "s").with(WRITE)),
    ("node_disk_discard_time_seconds_total", named("system.disk.operation_time", "s").with(DISCARD)),
    ("node_disk_io_time_seconds_total", named("system.disk.io_time", "s")),
    ("node_disk_io_time_weighted_seconds_total", named("system.disk.weighted_io_time", "s")),
    ("node_network_receive_bytes_total", named("system.network.io", "By").labelled(INTERFACE).with(RECEIVE)),
    ("node_network_transmit_bytes_total", named("system.network.io", "By").labelled(INTERFACE).with(TRANSMIT)),
    ("node_network_receive_packets_total", named("system.network.packet.count", "{packet}").labelled(INTERFACE).with(RECEIVE)),
    ("node_network_transmit_packets_total", named("system.network.packet.count", "{packet}").labelled(INTERFACE).with(TRANSMIT)),
    ("node_network_receive_drop_total", named("system.network.packet.dropped", "{packet}").labelled(INTERFACE).with(RECEIVE)),
    ("node_network_transmit_drop_total", named("system.network.packet.dropped", "{packet}").labelled(INTERFACE).with(TRANSMIT)),
    ("node_network_receive_errs_total", named("system.network.errors", "{error}").labelled(INTERFACE).with(RECEIVE)),
    ("node_network_transmit_errs_total", named("system.network.errors", "{error}").labelled(INTERFACE).with(TRANSMIT)),
    ("node_network_receive_fifo_total", named("system.network.receive_fifo", "{packet}").labelled(INTERFACE)),
    ("node_network_receive_frame_total", named("system.network.receive_frame", "{packet}").labelled(INTERFACE)),
    ("node_network_receive_compressed_total", named("system.network.receive_compressed", "{packet}").labelled(INTERFACE)),
    ("node_network_receive_multicast_total", named("system.network.receive_multicast", "{packet}").labelled(INTERFACE)),
    ("node_network_transmit_fifo_total", named("system.network.transmit_fifo", "{packet}").labelled(INTERFACE)),
    ("node_network_transmit_colls_total", named("system.network.transmit_collisions", "{collision}").labelled(INTERFACE)),
    ("node_network_transmit_carrier_total", named("system.network.transmit_carrier", "{packet}").labelled(INTERFACE)),
    ("node_network_transmit_compressed_total", named("system.network.transmit_compressed", "{packet}").labelled(INTERFACE)),
    ("node_forks_total", named("system.process.created", "{process}")),
    ("node_filesystem_size_bytes", named("system.filesystem.limit", "By").labelled(MOUNT)),
    ("node_filesystem_avail_bytes", named("system.filesystem.usage", "By").labelled(MOUNT).with(&[("system.filesystem.state", "free")])),
    ("node_filesystem_free_bytes", named("system.filesystem.unallocated", "By").labelled(MOUNT)),
    ("node_filesystem_files", named("system.filesystem.inodes.limit", "{inode}").labelled(MOUNT)),
    ("node_filesystem_files_free", named("system.filesystem.inodes.free", "{inode}").labelled(MOUNT)),
    ("node_filesystem_readonly", named("system.filesystem.readonly", "").labelled(MOUNT)),
    ("node_filesystem_device_error", named("system.filesystem.device_error", "").labelled(MOUNT)),
    // The agent's own process.
    ("process_cpu_seconds_total", named("process.cpu.time", "s")),
    ("process_resident_memory_bytes", named("process.memory.usage", "By")),
    ("process_virtual_memory_bytes", named("process.memory.virtual", "By")),
    ("process_open_fds", named("process.unix.file_descriptor.count", "{file_descriptor}")),
];
