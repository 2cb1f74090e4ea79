//! Numbers of a container that somebody else read: the engine's API instead of this kernel.

use plimsoll_model::{ContainerRow, DeviceRow, InterfaceRow, Slot, Values};

/// What one reply of an engine's API says of one container, in the catalog's slots.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// When it came in, by the monotonic clock, in nanoseconds.
    pub(crate) at: u64,
    pub(crate) values: Values<Slot, { Slot::COUNT }>,
    pub(crate) interfaces: Vec<InterfaceRow>,
    pub(crate) devices: Vec<DeviceRow>,
}

/// Numbers older than this, in nanoseconds, are shown no more: an engine sends one sample a second, and a
/// busy one is late.
pub(crate) const MAX_AGE: u64 = 6_000_000_000;

impl Numbers {
    /// Writes them into a row that has nothing but what the container's life tells.
    pub(crate) fn fill(&self, row: &mut ContainerRow) {
        row.values.merge(&self.values);
        row.interfaces.extend_from_slice(&self.interfaces);
        row.devices.extend_from_slice(&self.devices);
    }
}
