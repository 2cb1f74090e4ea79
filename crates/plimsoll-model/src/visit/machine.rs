//! The machine as cAdvisor shows it: one more container, the root of all. Its numbers are those that the collectors of the
//! machine read, added up where cAdvisor has one number for several.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::HostRow;
use crate::catalog::{Collector, DeviceSlot, Family, InterfaceSlot, Slot};
use crate::container::Container;
use crate::snapshot::{ContainerRow, DeviceRow, InterfaceRow, Snapshot};
use crate::values::Values;

/// The kernel's modes of a processor that count as user and as system time; what is left is idle or another machine's.
const USER: [&str; 2] = ["user", "nice"];
const SYSTEM: [&str; 3] = ["system", "irq", "softirq"];

/// Beginnings of the names of network devices that are not the machine's own way out.
const INNER_DEVICES: [&str; 4] = ["lo", "veth", "docker", "nerdctl"];

const INTERFACE: [(InterfaceSlot, &str); 8] = [
    (InterfaceSlot::RxBytes, "node_network_receive_bytes_total"),
    (InterfaceSlot::RxPackets, "node_network_receive_packets_total"),
    (InterfaceSlot::RxErrors, "node_network_receive_errs_total"),
    (InterfaceSlot::RxDropped, "node_network_receive_drop_total"),
    (InterfaceSlot::TxBytes, "node_network_transmit_bytes_total"),
    (InterfaceSlot::TxPackets, "node_network_transmit_packets_total"),
    (InterfaceSlot::TxErrors, "node_network_transmit_errs_total"),
    (InterfaceSlot::TxDropped, "node_network_transmit_drop_total"),
];

const DEVICE: [(DeviceSlot, &str); 4] = [
    (DeviceSlot::ReadBytes, "node_disk_read_bytes_total"),
    (DeviceSlot::WriteBytes, "node_disk_written_bytes_total"),
    (DeviceSlot::Reads, "node_disk_reads_completed_total"),
    (DeviceSlot::Writes, "node_disk_writes_completed_total"),
];

/// Numbers of a row that are one of the machine's as they stand.
const PLAIN: [(Slot, &str); 17] = [
    (Slot::Started, "node_boot_time_seconds"),
    (Slot::Created, "node_boot_time_seconds"),
    (Slot::PressureCpuWaiting, "node_pressure_cpu_waiting_seconds_total"),
    (Slot::PressureMemoryWaiting, "node_pressure_memory_waiting_seconds_total"),
    (Slot::PressureMemoryStalled, "node_pressure_memory_stalled_seconds_total"),
    (Slot::PressureIoWaiting, "node_pressure_io_waiting_seconds_total"),
    (Slot::PressureIoStalled, "node_pressure_io_stalled_seconds_total"),
    (Slot::MemoryRss, "node_memory_AnonPages_bytes"),
    (Slot::MemoryCache, "node_memory_Cached_bytes"),
    (Slot::MemoryMappedFile, "node_memory_Mapped_bytes"),
    (Slot::MemoryActiveFile, "node_memory_Active_file_bytes"),
    (Slot::MemoryInactiveFile, "node_memory_Inactive_file_bytes"),
    (Slot::FileDirty, "node_memory_Dirty_bytes"),
    (Slot::FileWriteback, "node_memory_Writeback_bytes"),
    (Slot::MemoryLimit, "node_memory_MemTotal_bytes"),
    (Slot::MemorySwapLimit, "node_memory_SwapTotal_bytes"),
    (Slot::OomEvents, "node_vmstat_oom_kill"),
];

/// Page faults: both scopes are the whole machine.
const FAULTS: [(&str, [Slot; 2]); 2] = [
    ("node_vmstat_pgfault", [Slot::PgfaultContainer, Slot::PgfaultHierarchy]),
    ("node_vmstat_pgmajfault", [Slot::PgmajfaultContainer, Slot::PgmajfaultHierarchy]),
];

/// Every reading of the machine under this name of the catalog.
pub(super) fn rows<'a>(snapshot: &'a Snapshot, name: &str) -> &'a [HostRow] {
    let Some(family) = Family::by_name(name) else { return &[] };
    snapshot.host.of(family.collector).map_or(&[], |host| host.rows_of(family.index()))
}

/// A number of which there is one.
fn number(snapshot: &Snapshot, name: &str) -> Option<u64> {
    rows(snapshot, name).first().map(|row| row.value)
}

/// The machine as a row; `None` where nobody reads it.
pub(super) fn row(snapshot: &Snapshot) -> Option<ContainerRow> {
    snapshot.host.of(Collector::Host)?;
    let mut row = ContainerRow::new(Arc::new(Container::new("/", "".into())));
    row.started = number(snapshot, "node_boot_time_seconds");
    row.created = row.started;
    row.seen = row.started.unwrap_or(snapshot.at);
    row.values.set(Slot::LastSeen, snapshot.at);
    for (slot, name) in PLAIN {
        row.values.set_option(slot, number(snapshot, name));
    }
    for (name, slots) in FAULTS {
        for slot in slots {
            row.values.set_option(slot, number(snapshot, name));
        }
    }
    processor(snapshot, &mut row);
    let used = |total, free| Some(number(snapshot, total)?.saturating_sub(number(snapshot, free)?));
    row.values.set_option(Slot::MemoryUsage, used("node_memory_MemTotal_bytes", "node_memory_MemFree_bytes"));
    row.values
        .set_option(Slot::MemorySwap, used("node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes"));
    row.derive();
    row.interfaces = by_device(snapshot, &INTERFACE)
        .filter(|(name, _)| !INNER_DEVICES.iter().any(|inner| name.starts_with(inner)))
        .map(|(name, values)| InterfaceRow { name: name.into(), network: "".into(), values })
        .collect();
    row.devices = by_device(snapshot, &DEVICE)
        .map(|(name, values)| DeviceRow { name: device(name).into(), number: None, values })
        .collect();
    Some(row)
}

/// A disk's name as containers have it.
pub(super) fn device(name: &str) -> String {
    format!("/dev/{name}")
}

fn processor(snapshot: &Snapshot, row: &mut ContainerRow) {
    let rows = rows(snapshot, "node_cpu_seconds_total");
    if rows.is_empty() {
        return;
    }
    let sum = |modes: &[&str]| -> u64 {
        let counted = rows
            .iter()
            .filter(|row| modes.iter().any(|mode| row.labels.get(1).is_some_and(|l| **l == **mode)));
        counted.map(|row| row.value).fold(0, u64::saturating_add)
    };
    let (user, system) = (sum(&USER), sum(&SYSTEM));
    row.values.set(Slot::CpuUser, user);
    row.values.set(Slot::CpuSystem, system);
    row.values.set(Slot::CpuUsage, user.saturating_add(system));
}

/// The numbers of these families, by the device that is their one label.
fn by_device<'a, S: crate::catalog::SlotIndex, const N: usize>(
    snapshot: &'a Snapshot,
    families: &[(S, &str)],
) -> impl Iterator<Item = (&'a str, Values<S, N>)>
where
    Values<S, N>: Default,
{
    let mut found: BTreeMap<&str, Values<S, N>> = BTreeMap::new();
    for (slot, name) in families {
        for row in rows(snapshot, name) {
            if let Some(device) = row.labels.first() {
                found.entry(device).or_default().set(*slot, row.value);
            }
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Host, HostParts};

    fn reading(name: &str, labels: &[&str], value: u64) -> HostRow {
        let family = u16::try_from(Family::by_name(name).unwrap().index()).unwrap();
        HostRow { family, labels: labels.iter().map(|label| Box::from(*label)).collect(), value }
    }

    #[test]
    fn the_names_that_are_looked_for_are_the_catalogs() {
        let plain = PLAIN.iter().map(|(_, name)| name).chain(FAULTS.iter().map(|(name, _)| name));
        let devices = INTERFACE.iter().map(|(_, name)| name).chain(DEVICE.iter().map(|(_, name)| name));
        for name in plain.chain(devices) {
            assert!(Family::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_machine_is_the_sum_of_its_parts() {
        let system = vec![
            reading("node_cpu_seconds_total", &["0", "user"], 1),
            reading("node_cpu_seconds_total", &["0", "nice"], 20),
            reading("node_cpu_seconds_total", &["0", "idle"], 1_000_000),
            reading("node_cpu_seconds_total", &["1", "user"], 300),
            reading("node_cpu_seconds_total", &["1", "softirq"], 4_000),
            reading("node_memory_MemTotal_bytes", &[], 100),
            reading("node_memory_MemFree_bytes", &[], 30),
            reading("node_memory_Inactive_file_bytes", &[], 20),
            reading("node_disk_read_bytes_total", &["vda"], 512),
            reading("node_network_receive_bytes_total", &["eth0"], 6),
            reading("node_network_receive_bytes_total", &["lo"], 7),
            reading("node_network_receive_bytes_total", &["veth1a2b"], 8),
        ];
        let host = HostParts { system: Some(Arc::new(Host::new(1, Some(1), system))), filesystem: None };
        let snapshot = Snapshot { at: 9, host, ..Snapshot::default() };
        let row = row(&snapshot).unwrap();
        for (slot, expected) in [
            (Slot::CpuUser, Some(321)),
            (Slot::CpuSystem, Some(4_000)),
            (Slot::CpuUsage, Some(4_321)),
            (Slot::MemoryUsage, Some(70)),
            (Slot::MemoryWorkingSet, Some(50)),
            (Slot::MemoryLimit, Some(100)),
            (Slot::MemorySwap, None),
            (Slot::LastSeen, Some(9)),
        ] {
            assert_eq!(row.values.get(slot), expected, "{slot:?}");
        }
        let names: Vec<&str> = row.interfaces.iter().map(|interface| &*interface.name).collect();
        assert_eq!(names, ["eth0"], "what is between the machine and its containers is not the machine's");
        assert_eq!(&*row.devices[0].name, "/dev/vda");
        assert!(super::row(&Snapshot::default()).is_none(), "nobody reads it");
    }
}
