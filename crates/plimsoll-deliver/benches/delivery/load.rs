//! Containers at work: what their numbers look like tick after tick.

use std::sync::Arc;

use plimsoll_deliver::config::{Durability, TargetConfig, TargetKind};
use plimsoll_deliver::{Common, Intake};
use plimsoll_model::{DeviceSlot, InterfaceSlot, Slot, Snapshot};
use plimsoll_wire::point::Point;
use plimsoll_wire::schema::default::DefaultSchema;

use crate::synthetic;

/// The time between two ticks, in nanoseconds.
pub(crate) const INTERVAL: u64 = 10_000_000_000;

/// What did not happen to a container that is well.
const NEVER: &[Slot] = &[
    Slot::HealthFailingStreak,
    Slot::Restarts,
    Slot::StartsPolicy,
    Slot::StartsManual,
    Slot::ExitsZero,
    Slot::ExitsSignal,
    Slot::ExitsError,
    Slot::MemoryEventLow,
    Slot::MemoryEventHigh,
    Slot::MemoryEventOom,
    Slot::MemoryEventOomKill,
    Slot::MemoryEventOomGroupKill,
    Slot::OomEvents,
    Slot::MemorySwap,
    Slot::MemoryZswapCompressed,
    Slot::MemoryZswapOriginal,
    Slot::MemoryReservation,
    Slot::MemoryHigh,
    Slot::MemoryMin,
    Slot::FileWriteback,
    Slot::SwapEventHigh,
    Slot::SwapEventMax,
    Slot::SwapEventFail,
    Slot::PidsLimitEvents,
    Slot::SocketsUdp,
    Slot::SocketsRaw,
    Slot::SocketsUdp6,
    Slot::SocketsRaw6,
    Slot::CfsBurstPeriods,
    Slot::CfsBurstTime,
    Slot::PressureIrqStalled,
];

/// What happens to few.
const SELDOM: &[Slot] = &[
    Slot::CfsPeriods,
    Slot::CfsThrottledPeriods,
    Slot::CfsThrottledTime,
    Slot::MemoryEventMax,
    Slot::Pgscan,
    Slot::Pgsteal,
    Slot::RefaultFile,
    Slot::RefaultAnon,
    Slot::PressureMemoryWaiting,
    Slot::PressureMemoryStalled,
];

/// Snapshots of these containers, one tick after the other. A third of them is busy, a third now and then, the others sleep, as
/// on a usual machine.
pub(crate) struct Load {
    snapshot: Snapshot,
    dice: fastrand::Rng,
}

impl Load {
    pub(crate) fn new(containers: usize, begin: u64) -> Self {
        let mut snapshot = synthetic::snapshot(containers);
        snapshot.at = begin;
        for (n, row) in snapshot.containers.iter_mut().enumerate() {
            let mut zero = |slot: Slot| row.values.set_option(slot, row.values.get(slot).map(|_| 0));
            NEVER.iter().for_each(|slot| zero(*slot));
            // Few containers are short of memory, or have a limit on their processor time that they reach.
            if n % 8 != 0 {
                SELDOM.iter().for_each(|slot| zero(*slot));
            }
            for interface in &mut row.interfaces {
                for slot in [
                    InterfaceSlot::RxErrors,
                    InterfaceSlot::TxErrors,
                    InterfaceSlot::RxDropped,
                    InterfaceSlot::TxDropped,
                ] {
                    interface.values.set(slot, 0);
                }
            }
            for device in &mut row.devices {
                device.values.set(DeviceSlot::DiscardBytes, 0);
                device.values.set(DeviceSlot::Discards, 0);
            }
        }
        Self { snapshot, dice: fastrand::Rng::with_seed(7) }
    }

    pub(crate) fn set_time(&mut self, at: u64) {
        self.snapshot.at = at;
    }

    /// The next tick.
    pub(crate) fn tick(&mut self) -> Arc<Snapshot> {
        let dice = &mut self.dice;
        for (n, row) in self.snapshot.containers.iter_mut().enumerate() {
            let add = |slot: Slot, by: u64, row: &mut plimsoll_model::ContainerRow| {
                row.values.set_option(slot, row.values.get(slot).map(|value| value + by));
            };
            add(Slot::Uptime, INTERVAL, row);
            if n % 3 == 2 || (n % 3 == 1 && dice.u8(..) > 60) {
                continue;
            }
            let used = dice.u64(1_000_000..3_000_000_000) / 1000 * 1000;
            for (slot, by) in [
                (Slot::CpuUsage, used),
                (Slot::CpuUser, used / 5 * 4),
                (Slot::CpuSystem, used / 5),
                (Slot::PgfaultHierarchy, dice.u64(0..5000)),
                (Slot::PressureCpuWaiting, dice.u64(0..50_000) * 1000),
                (Slot::PressureCpuStalled, dice.u64(0..10_000) * 1000),
                (Slot::PressureIoWaiting, dice.u64(0..10_000) * 1000),
            ] {
                add(slot, by, row);
            }
            for slot in [Slot::MemoryUsage, Slot::MemoryRss, Slot::MemoryCache, Slot::MemoryInactiveFile] {
                let wander = dice.u64(0..256) * 4096;
                let changed = row.values.get(slot).map(|value| (value + wander).saturating_sub(128 * 4096));
                row.values.set_option(slot, changed);
            }
            row.derive();
            for interface in row.interfaces.iter_mut().filter(|interface| &*interface.name != "lo") {
                for (packets, bytes) in [
                    (InterfaceSlot::RxPackets, InterfaceSlot::RxBytes),
                    (InterfaceSlot::TxPackets, InterfaceSlot::TxBytes),
                ] {
                    let more = dice.u64(0..2000);
                    for (slot, by) in [(packets, more), (bytes, more * dice.u64(60..1500))] {
                        let value = interface.values.get(slot).unwrap_or(0);
                        interface.values.set(slot, value + by);
                    }
                }
            }
            for device in &mut row.devices {
                let writes = dice.u64(0..100).saturating_sub(50);
                for (slot, by) in
                    [(DeviceSlot::Writes, writes), (DeviceSlot::WriteBytes, writes * 4096 * dice.u64(1..9))]
                {
                    let value = device.values.get(slot).unwrap_or(0);
                    device.values.set(slot, value + by);
                }
            }
        }
        self.snapshot.at += INTERVAL;
        self.snapshot.sequence += 1;
        Arc::new(self.snapshot.clone())
    }

    /// The points of the next ticks in the default schema, in batches of a thousand.
    pub(crate) fn points(&mut self, batches: usize) -> Vec<Intake> {
        let mut schema = DefaultSchema::default();
        let mut points: Vec<Point> = Vec::new();
        while points.len() < batches * 1000 {
            schema.points(&self.tick(), &|_| true, &mut |point| points.push(point.clone()));
        }
        points.truncate(batches * 1000);
        points.chunks(1000).map(|batch| Intake::Points(batch.to_vec())).collect()
    }
}

/// InfluxDB 2 with what is usual for it, but for what a measurement says.
pub(crate) fn target(name: &str, url: &str, durability: Durability) -> TargetConfig {
    TargetConfig {
        url: url.to_owned(),
        bucket: "metrics".to_owned(),
        org: "example".to_owned(),
        durability,
        ..TargetConfig::new(name, TargetKind::InfluxV2)
    }
}

pub(crate) fn common() -> Common {
    Common { host: "node-17.example.com".to_owned(), version: "0.1.0", ..Common::default() }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
