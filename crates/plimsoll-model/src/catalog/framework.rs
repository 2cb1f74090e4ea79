//! The metrics of the collector framework's built-in collectors: the catalog's numbers of one container under the names of
//! the framework, summed over interfaces and devices.

use super::{DeviceSlot, InterfaceSlot, Scale, Slot, Unit};
use crate::snapshot::ContainerRow;

/// The built-in collectors of the framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameworkGroup {
    /// Processor use.
    Cpu,
    /// Memory and its limit.
    Memory,
    /// Traffic over all interfaces.
    Network,
    /// Block I/O over all devices.
    Disk,
    /// Uptime, restarts, status, exit code.
    Lifecycle,
}

impl FrameworkGroup {
    /// Every group, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::Network, Self::Disk, Self::Lifecycle];

    /// The name of the type of the collector.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Disk => "disk",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// Where the number of a metric is found in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameworkSource {
    /// In one slot.
    Slot(Slot),
    /// The sum over the interfaces.
    Interfaces(InterfaceSlot),
    /// The sum over the devices.
    Devices(DeviceSlot),
}

/// One metric of a built-in collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameworkMetric {
    /// The collector that tells it.
    pub group: FrameworkGroup,
    /// Its name.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// What a value counts, as shown.
    pub unit: Unit,
    /// What the stored integer stands for.
    pub scale: Scale,
    source: FrameworkSource,
}

impl FrameworkMetric {
    /// The number in a container's row, on this metric's scale; absent where it was not read.
    #[must_use]
    pub fn value(&self, row: &ContainerRow) -> Option<u64> {
        match self.source {
            FrameworkSource::Slot(slot) => row.values.get(slot),
            FrameworkSource::Interfaces(slot) => row.network_total(slot),
            FrameworkSource::Devices(slot) => row.device_total(slot),
        }
    }
}

const fn metric(
    group: FrameworkGroup,
    name: &'static str,
    help: &'static str,
    source: FrameworkSource,
) -> FrameworkMetric {
    FrameworkMetric { group, name, help, unit: Unit::None, scale: Scale::One, source }
}

impl FrameworkMetric {
    const fn bytes(self) -> Self {
        Self { unit: Unit::Bytes, ..self }
    }
    const fn percent(self) -> Self {
        Self { unit: Unit::Percent, scale: Scale::Nano, ..self }
    }
    const fn seconds(self) -> Self {
        Self { unit: Unit::Seconds, scale: Scale::Nano, ..self }
    }
}

use FrameworkGroup::{Cpu, Disk, Lifecycle, Memory, Network};
use FrameworkSource::{Devices, Interfaces, Slot as Of};

/// Every metric of the built-in collectors.
#[rustfmt::skip]
pub static FRAMEWORK: &[FrameworkMetric] = &[
    metric(Cpu, "container_cpu_usage_percent", "Processor use since the last sample; 100 is one core.", Of(Slot::CpuPercent)).percent(),
    metric(Memory, "container_memory_usage_bytes", "Memory in use, page cache included.", Of(Slot::MemoryUsage)).bytes(),
    metric(Memory, "container_memory_limit_bytes", "The most memory that it may use.", Of(Slot::MemoryLimit)).bytes(),
    metric(Memory, "container_memory_usage_percent", "Memory without inactive page cache, in percent of the limit.", Of(Slot::MemoryUsagePercent)).percent(),
    metric(Network, "container_network_receive_bytes_total", "Bytes received.", Interfaces(InterfaceSlot::RxBytes)).bytes(),
    metric(Network, "container_network_transmit_bytes_total", "Bytes sent.", Interfaces(InterfaceSlot::TxBytes)).bytes(),
    metric(Network, "container_network_receive_packets_total", "Packets received.", Interfaces(InterfaceSlot::RxPackets)),
    metric(Network, "container_network_transmit_packets_total", "Packets sent.", Interfaces(InterfaceSlot::TxPackets)),
    metric(Disk, "container_disk_read_bytes_total", "Bytes read from block devices.", Devices(DeviceSlot::ReadBytes)).bytes(),
    metric(Disk, "container_disk_write_bytes_total", "Bytes written to block devices.", Devices(DeviceSlot::WriteBytes)).bytes(),
    metric(Disk, "container_disk_read_ops_total", "Read operations on block devices.", Devices(DeviceSlot::Reads)),
    metric(Disk, "container_disk_write_ops_total", "Write operations on block devices.", Devices(DeviceSlot::Writes)),
    metric(Lifecycle, "container_uptime_seconds", "Time since it was last started.", Of(Slot::Uptime)).seconds(),
    metric(Lifecycle, "container_restarts_total", "Starts after the first.", Of(Slot::Restarts)),
    metric(Lifecycle, "container_status", "0 exited, 1 running, 2 paused, 3 restarting, 4 created, 5 removing, 6 dead.", Of(Slot::Status)),
    metric(Lifecycle, "container_exit_code", "Exit code of the last run that ended.", Of(Slot::ExitCode)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Family;

    #[test]
    fn where_the_catalog_has_the_name_it_means_the_same() {
        let mut others = Vec::new();
        for metric in FRAMEWORK {
            let Some(family) = Family::by_name(metric.name) else {
                others.push(metric.name);
                continue;
            };
            assert_eq!((family.unit, family.scale), (metric.unit, metric.scale), "{}", metric.name);
        }
        assert!(others.iter().all(|name| name.starts_with("container_disk_")), "{others:?}");
        for group in FrameworkGroup::ALL {
            assert!(FRAMEWORK.iter().any(|metric| metric.group == group), "{group:?} tells nothing");
        }
    }
}
