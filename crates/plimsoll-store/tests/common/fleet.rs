//! Containers that are not there: snapshots of a fleet whose numbers move as those of real ones do, the same for each seed.
#![allow(unreachable_pub, dead_code, reason = "tests and benchmarks use a part each")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, clippy::collapsible_if)]

use std::sync::Arc;

use plimsoll_model::catalog::SlotIndex as _;
use plimsoll_model::{
    Container, ContainerRow, DeviceRow, DeviceSlot, Health, InterfaceRow, InterfaceSlot, Slot, Snapshot,
    State, Values,
};

/// A fleet of containers.
pub struct Fleet {
    pub snapshot: Snapshot,
    random: u64,
    busy: usize,
    /// Of an idle container, one number in so many moves.
    pub calm: usize,
    next: usize,
}

/// Slots that a usual container does not have.
const ABSENT: &[Slot] = &[
    Slot::LastSeen,
    Slot::Uptime,
    Slot::CpuPercent,
    Slot::MemoryWorkingSet,
    Slot::MemoryUsagePercent,
    Slot::Finished,
    Slot::ExitCode,
    Slot::CpuQuota,
    Slot::CpuLimit,
    Slot::CpuShares,
    Slot::CpusetCpus,
    Slot::MemoryHigh,
    Slot::MemoryMin,
    Slot::MemorySwapLimit,
    Slot::PressureIrqStalled,
    Slot::PressureIrqFull10,
    Slot::PressureIrqFull60,
    Slot::PressureIrqFull300,
    Slot::SocketsRaw,
    Slot::SocketsRaw6,
    Slot::HealthFailingStreak,
];

impl Fleet {
    /// So many containers, the first two of which are busy.
    pub fn new(containers: usize, seed: u64) -> Self {
        let mut fleet = Self { snapshot: Snapshot::default(), random: seed, busy: 2, calm: 20, next: 0 };
        for _ in 0..containers {
            fleet.add();
        }
        fleet
    }

    /// Adds a container.
    pub fn add(&mut self) {
        let name = format!("web-{}", self.next);
        self.add_named(&name);
    }

    /// Adds a container of this name, with an id of its own.
    pub fn add_named(&mut self, name: &str) {
        let id = format!("{:064x}", (self.next as u128 + 1) << 64 | u128::from(self.next as u64));
        self.next += 1;
        let mut container = Container::new(&id, "docker".into());
        name.clone_into(&mut container.name);
        container.image = "registry.example/shop/web:1.4".to_owned();
        container.image_id = "sha256:0123".to_owned();
        container.labels.insert("team".to_owned(), "shop".to_owned());
        container.state = State::Running;
        container.health = Health::None;
        let mut row = ContainerRow::new(Arc::new(container));
        for slot in Slot::ALL.iter().filter(|slot| !ABSENT.contains(slot)) {
            let value = self.random() % 100_000;
            row.values.set(*slot, value);
        }
        for slot in [Slot::ExitsZero, Slot::ExitsSignal, Slot::ExitsError, Slot::Restarts, Slot::OomEvents] {
            row.values.set(slot, 0);
        }
        row.values.set(Slot::Status, 1);
        row.values.set(Slot::MemoryUsage, 100 << 20);
        row.values.set(Slot::MemoryInactiveFile, 20 << 20);
        row.interfaces.push(InterfaceRow {
            name: "eth0".into(),
            network: "bridge".into(),
            values: Values::default(),
        });
        for slot in InterfaceSlot::ALL {
            row.interfaces[0].values.set(*slot, 1000);
        }
        row.devices.push(DeviceRow { name: "/dev/vda".into(), number: None, values: Values::default() });
        for slot in DeviceSlot::ALL.iter().take(6) {
            row.devices[0].values.set(*slot, 1000);
        }
        self.snapshot.containers.push(row);
    }

    fn random(&mut self) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The snapshot of a time, in Unix milliseconds: a quarter of a busy container's numbers has moved, and a twentieth of an
    /// idle one's.
    pub fn at(&mut self, millis: i64) -> &Snapshot {
        self.snapshot.at = millis as u64 * 1_000_000;
        self.snapshot.sequence += 1;
        self.snapshot.agent.machine.cores = Some(2);
        self.snapshot.agent.process.resident = Some(30 << 20);
        let mut rows = std::mem::take(&mut self.snapshot.containers);
        for (index, row) in rows.iter_mut().enumerate() {
            let share = if index < self.busy { 4.min(self.calm) } else { self.calm };
            for slot in Slot::ALL {
                let moves = (slot.index() + index).is_multiple_of(share);
                // What is told by events stands still.
                if moves
                    && !(Slot::State.index()..=Slot::LastSeen.index()).contains(&slot.index())
                    && *slot != Slot::OomEvents
                    && !is_limit(*slot)
                {
                    if let Some(value) = row.values.get(*slot) {
                        row.values.set(*slot, value + self.random() % 4096);
                    }
                }
            }
            if index < self.busy {
                for slot in [InterfaceSlot::RxBytes, InterfaceSlot::RxPackets] {
                    let value = row.interfaces[0].values.get(slot).unwrap_or(0);
                    row.interfaces[0].values.set(slot, value + self.random() % 65_536);
                }
            }
        }
        self.snapshot.containers = rows;
        &self.snapshot
    }
}

fn is_limit(slot: Slot) -> bool {
    matches!(
        slot,
        Slot::MemoryLimit | Slot::MemoryReservation | Slot::CpuWeight | Slot::ThreadsMax | Slot::CpuPeriod
    )
}
