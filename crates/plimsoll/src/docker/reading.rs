//! From a row of a snapshot to a point.

use std::time::{Duration, UNIX_EPOCH};

use plimsoll_model::rate::Rate;
use plimsoll_model::{ContainerRow, InterfaceSlot, Slot, State};

use super::point::MetricDataPoint;

/// A mebibyte.
const MIB: u64 = 1 << 20;

/// A mean over less time than this says more about the kernel's bookkeeping than about the container.
const SHORTEST: u64 = 50_000_000;

/// What one core makes of a rate: billionths of a nanosecond a nanosecond are cores, a hundred per cent each.
const BILLIONTHS: f64 = 1e9;

/// Processor use between the readings that somebody asked for. The sampler itself needs two ticks before it can tell;
/// a container that is looked at when its collection begins has its first point a tick earlier.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnRate {
    rate: Rate,
    last: Option<u64>,
}

impl OwnRate {
    /// Takes a reading at `at` in nanoseconds, and tells the processor use since the last one in percent of a core.
    pub(super) fn update(&mut self, at: u64, usage: Option<u64>) -> Option<f32> {
        let Some(usage) = usage else {
            *self = Self::default();
            return None;
        };
        let since = self.last.replace(at);
        let rate = self.rate.update(at, usage)?;
        let is_long = since.is_some_and(|since| at.saturating_sub(since) >= SHORTEST);
        is_long.then(|| percent(rate as f64 * 100.0))
    }
}

/// A percentage in billionths, as a number of one.
#[allow(clippy::cast_possible_truncation, reason = "no machine has so many cores that it matters")]
fn percent(billionths: f64) -> f32 {
    (billionths / BILLIONTHS) as f32
}

/// The point of a container that runs and was measured; `None` where something that every point has is not known.
/// `own` is its processor use where the row has none.
pub(super) fn point(row: &ContainerRow, at: u64, own: Option<f32>) -> Option<MetricDataPoint> {
    if !matches!(row.container.state, State::Running | State::Paused) {
        return None;
    }
    let values = &row.values;
    let told = values.get(Slot::CpuPercent).map(|billionths| percent(billionths as f64));
    // Podman's API does not tell what memory is made of.
    let memory = values.get(Slot::MemoryWorkingSet).or(values.get(Slot::MemoryUsage))?;
    Some(MetricDataPoint {
        timestamp: UNIX_EPOCH + Duration::from_nanos(at),
        cpu_percent: told.or(own)?,
        memory_mb: mebibytes(memory),
        memory_limit_mb: values.get(Slot::MemoryLimit).map(mebibytes),
        network_rx_bytes: row.network_total(InterfaceSlot::RxBytes),
        network_tx_bytes: row.network_total(InterfaceSlot::TxBytes),
        uptime_secs: Duration::from_nanos(values.get(Slot::Uptime)?).as_secs(),
    })
}

/// Rounded, but what is there is never nothing.
fn mebibytes(bytes: u64) -> u64 {
    let rounded = bytes / MIB + u64::from(bytes % MIB >= MIB / 2);
    rounded.max(u64::from(bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Container, InterfaceRow, Values};

    fn row(state: State) -> ContainerRow {
        row_without(None, state)
    }

    fn row_without(left_out: Option<Slot>, state: State) -> ContainerRow {
        let mut container = Container::new("abc", "docker".into());
        container.state = state;
        let mut row = ContainerRow::new(container.into());
        for (slot, value) in [
            (Slot::CpuPercent, 150_250_000_000),
            (Slot::MemoryWorkingSet, 3 * MIB / 2),
            (Slot::Uptime, 61_900_000_000),
        ] {
            row.values.set_option(slot, (left_out != Some(slot)).then_some(value));
        }
        row
    }

    #[test]
    fn a_row_becomes_a_point() {
        let mut row = row(State::Running);
        for name in ["eth0", "eth1"] {
            let mut values = Values::default();
            values.set(InterfaceSlot::RxBytes, 7);
            row.interfaces.push(InterfaceRow { name: name.into(), network: "".into(), values });
        }
        row.values.set(Slot::MemoryLimit, 64 * MIB);
        let expected = MetricDataPoint {
            timestamp: UNIX_EPOCH + Duration::from_nanos(5),
            cpu_percent: 150.25,
            memory_mb: 2,
            memory_limit_mb: Some(64),
            network_rx_bytes: Some(14),
            network_tx_bytes: None,
            uptime_secs: 61,
        };
        assert_eq!(point(&row, 5, Some(3.0)), Some(expected));
    }

    #[test]
    fn what_is_not_known_makes_no_point() {
        assert_eq!(point(&row(State::Exited), 5, None), None);
        for slot in [Slot::CpuPercent, Slot::MemoryWorkingSet, Slot::Uptime] {
            assert_eq!(point(&row_without(Some(slot), State::Running), 5, None), None, "{slot:?}");
        }
        let row = row_without(Some(Slot::CpuPercent), State::Paused);
        assert_eq!(point(&row, 5, Some(3.0)).map(|point| point.cpu_percent), Some(3.0));
    }

    #[test]
    fn sizes_are_rounded_and_never_vanish() {
        for (bytes, expected) in
            [(0, 0), (1, 1), (MIB, 1), (MIB * 3 / 2 - 1, 1), (MIB * 3 / 2, 2), (u64::MAX, 1 << 44)]
        {
            assert_eq!(mebibytes(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn the_first_rate_needs_two_readings_of_one_run() {
        const SECOND: u64 = 1_000_000_000;
        let mut rate = OwnRate::default();
        assert_eq!(rate.update(SECOND, Some(0)), None);
        assert_eq!(rate.update(2 * SECOND, Some(SECOND / 2)), Some(50.0));
        assert_eq!(rate.update(2 * SECOND + 1000, Some(SECOND / 2 + 1000)), None, "too short a time");
        assert_eq!(rate.update(3 * SECOND, Some(5)), None, "another run");
        assert_eq!(rate.update(4 * SECOND, None), None);
        assert_eq!(rate.update(5 * SECOND, Some(9)), None, "nobody knows what was in between");
    }
}
