//! One moment of everything that is measured.

use std::sync::Arc;

use crate::agent::Agent;
use crate::catalog::{DetailField, DeviceSlot, InterfaceSlot, Slot, Start};
use crate::container::Container;
use crate::custom::CustomCollector;
use crate::detail::DetailRow;
use crate::host::HostParts;
use crate::lifecycle::Saved;
use crate::values::Values;

/// Everything that was read in one pass, taken by every consumer from here.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When the pass began, in Unix nanoseconds.
    pub at: u64,
    /// Counts snapshots; a larger number is later.
    pub sequence: u64,
    /// The containers, in the order in which the agent learned of them.
    pub containers: Vec<ContainerRow>,
    /// Engines, machine and the agent.
    pub agent: Agent,
    /// Collectors that are not the sampler's own: how they do, and what they tell.
    pub custom: Arc<[Arc<CustomCollector>]>,
    /// The machine's own numbers, as they were last read.
    pub host: HostParts,
}

/// One container in a snapshot.
#[derive(Clone, Debug)]
pub struct ContainerRow {
    /// Who it is.
    pub container: Arc<Container>,
    /// Its numbers.
    pub values: Values<Slot, { Slot::COUNT }>,
    /// Its network interfaces; none where it shares another container's, or the host's, namespace.
    pub interfaces: Vec<InterfaceRow>,
    /// The block devices that it used.
    pub devices: Vec<DeviceRow>,
    /// Its numbers whose labels are not known beforehand, in the order of their families.
    /// [`ContainerRow::add_details`] keeps it.
    pub details: Vec<DetailRow>,
    /// Its cgroup below the hierarchy's root, once it was found.
    pub cgroup: Option<Arc<str>>,
    /// Since when its kernel counters count, in Unix nanoseconds.
    pub started: Option<u64>,
    /// When it was created, in Unix nanoseconds.
    pub created: Option<u64>,
    /// When the agent first saw it, in Unix nanoseconds.
    pub seen: u64,
    /// Its life so far, to be kept while the agent is away.
    pub life: Option<Saved>,
}

/// A network interface of a container.
#[derive(Clone, Debug)]
pub struct InterfaceRow {
    /// Its name inside, such as `eth0`.
    pub name: Arc<str>,
    /// The engine's network behind it; empty where that is not known.
    pub network: Arc<str>,
    /// Its numbers.
    pub values: Values<InterfaceSlot, { InterfaceSlot::COUNT }>,
}

/// A block device that a container used.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Its name, such as `/dev/vda`, or `MAJOR:MINOR` where the machine does not tell.
    pub name: Arc<str>,
    /// Its major and minor number, where they are known.
    pub number: Option<(u32, u32)>,
    /// Its numbers.
    pub values: Values<DeviceSlot, { DeviceSlot::COUNT }>,
}

impl ContainerRow {
    /// A row without numbers.
    #[must_use]
    pub fn new(container: Arc<Container>) -> Self {
        Self {
            container,
            values: Values::default(),
            interfaces: Vec::new(),
            devices: Vec::new(),
            details: Vec::new(),
            cgroup: None,
            started: None,
            created: None,
            seen: 0,
            life: None,
        }
    }

    /// Sets the numbers that follow from others of the same reading.
    pub fn derive(&mut self) {
        for device in &mut self.devices {
            let (service, wait) =
                (device.values.get(DeviceSlot::IoTime), device.values.get(DeviceSlot::IoWait));
            let both = service.zip(wait).and_then(|(service, wait)| service.checked_add(wait));
            device.values.set_option(DeviceSlot::IoTimeWeighted, both);
        }
        let values = &mut self.values;
        let (usage, inactive) = (values.get(Slot::MemoryUsage), values.get(Slot::MemoryInactiveFile));
        let (Some(usage), Some(inactive)) = (usage, inactive) else { return };
        // As `docker stats` does: a cache that seems larger than all is not believed.
        let working_set = if inactive < usage { usage - inactive } else { usage };
        values.set(Slot::MemoryWorkingSet, working_set);
        if let Some(limit) = values.get(Slot::MemoryLimit) {
            values.set_option(Slot::MemoryUsagePercent, crate::rate::percent(working_set, limit));
        }
    }

    /// Adds details. They are kept in the order of their families.
    pub fn add_details<'a>(&mut self, details: impl IntoIterator<Item = &'a DetailRow>) {
        self.details.extend(details.into_iter().cloned());
        if !self.details.is_sorted_by_key(|detail| detail.field) {
            self.details.sort_by_key(|detail| detail.field);
        }
    }

    /// The details of one family.
    pub(crate) fn details_of(&self, field: DetailField) -> &[DetailRow] {
        let start = self.details.partition_point(|detail| detail.field < field);
        let length = self.details[start..].partition_point(|detail| detail.field == field);
        &self.details[start..start + length]
    }

    /// Since when counters with this start count, in Unix nanoseconds. `agent` is since when the agent's do.
    #[must_use]
    pub fn since(&self, start: Start, agent: u64) -> Option<u64> {
        match start {
            Start::Life => self.started,
            Start::Created => self.created,
            Start::Seen => Some(self.seen),
            Start::Agent => Some(agent),
            // Of no container; the reading of the machine knows it.
            Start::Boot => None,
        }
    }

    /// The sum of a number over the interfaces; `None` where there is no interface with it.
    #[must_use]
    pub fn network_total(&self, slot: InterfaceSlot) -> Option<u64> {
        self.interfaces.iter().filter_map(|row| row.values.get(slot)).reduce(u64::saturating_add)
    }

    /// The sum of a number over the devices; `None` where there is no device with it.
    #[must_use]
    pub fn device_total(&self, slot: DeviceSlot) -> Option<u64> {
        self.devices.iter().filter_map(|row| row.values.get(slot)).reduce(u64::saturating_add)
    }
}
