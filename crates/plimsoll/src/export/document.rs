//! The summary of a container: the last points, aggregates over some windows, uptime and restarts. Its keys are those of the
//! library's JSON.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use jiff::Timestamp;
use plimsoll_model::catalog::{CATALOG, Shape};
use plimsoll_model::{Family, InterfaceSlot, Slot};
use plimsoll_store::{ExportQuery, History, Line, Millis, Range, Sample, Selector, Tier};
use serde_json::{Value, json};

use crate::history::EVER;
use crate::history::open::failure;

/// How many points are shown.
const POINTS: usize = 100;

/// The windows that are summarised, in minutes; the longest last.
const WINDOWS: [i64; 3] = [5, 15, 60];

const MINUTE: Millis = 60_000;

/// The most points that are looked at, whatever the interval: an hour at 100 ms.
const POINTS_MAX: usize = 36_000;

const MIB: u64 = 1024 * 1024;

/// What a container used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    at: Millis,
    /// Per cent of one core.
    cpu: Option<f32>,
    /// Bytes.
    working_set: Option<u64>,
    usage: Option<u64>,
    limit: Option<u64>,
    received: Option<u64>,
    sent: Option<u64>,
    /// Nanoseconds.
    uptime: Option<u64>,
}

impl Point {
    fn take(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        let add = |sum: &mut Option<u64>| *sum = Some(sum.unwrap_or(0).saturating_add(value));
        match sample.family.shape {
            Shape::Container([cell]) => match cell.slot {
                #[expect(clippy::cast_possible_truncation, reason = "more digits than a percentage has")]
                Slot::CpuPercent => self.cpu = Some((value as f64 / 1e9) as f32),
                Slot::MemoryWorkingSet => self.working_set = Some(value),
                Slot::MemoryUsage => self.usage = Some(value),
                Slot::MemoryLimit => self.limit = Some(value),
                Slot::Uptime => self.uptime = Some(value),
                _ => {}
            },
            Shape::Interface(InterfaceSlot::RxBytes) => add(&mut self.received),
            Shape::Interface(InterfaceSlot::TxBytes) => add(&mut self.sent),
            _ => {}
        }
    }

    /// Processor use and memory; a point without them is none.
    fn is_whole(&self) -> bool {
        self.cpu.is_some() && self.memory().is_some()
    }

    fn cpu(&self) -> f32 {
        self.cpu.unwrap_or(0.0)
    }

    fn memory(&self) -> Option<u64> {
        // Podman's API does not tell what memory is made of.
        self.working_set.or(self.usage).map(mebibytes)
    }

    fn json(&self) -> Value {
        json!({
            "timestamp": self.at,
            "cpu_percent": decimal(self.cpu()),
            "memory_mb": self.memory(),
            "memory_limit_mb": self.limit.map(mebibytes),
            "network_rx_bytes": self.received,
            "network_tx_bytes": self.sent,
            "uptime_secs": self.uptime.unwrap_or(0) / 1_000_000_000,
        })
    }
}

/// The points of the longest window before the last one, and how often the container was restarted by then.
#[derive(Debug, Default)]
struct Recent {
    points: VecDeque<Point>,
    open: Point,
    restarts: u64,
}

impl Recent {
    fn take(&mut self, sample: &Sample<'_>) {
        if sample.at != self.open.at {
            self.close();
            self.open.at = sample.at;
        }
        if matches!(sample.family.shape, Shape::Container([cell]) if cell.slot == Slot::Restarts) {
            self.restarts = sample.value;
        }
        self.open.take(sample);
    }

    /// The moment is over.
    fn close(&mut self) {
        let point = std::mem::take(&mut self.open);
        if !point.is_whole() {
            return;
        }
        self.points.push_back(point);
        let longest = WINDOWS.last().copied().unwrap_or(0) * MINUTE;
        while self.points.front().is_some_and(|first| first.at < point.at - longest)
            || self.points.len() > POINTS_MAX
        {
            self.points.pop_front();
        }
    }
}

/// The summary of the last container of a line as it was at a moment; `None` if it was not there yet.
pub(super) fn of(history: &History, line: &Line, until: Millis) -> anyhow::Result<Option<Value>> {
    let Some(member) = line.containers.iter().rfind(|member| member.since < until) else { return Ok(None) };
    let until = until.min(member.last.saturating_add(1));
    let longest = WINDOWS.last().copied().unwrap_or(0) * MINUTE;
    let hour = Range { from: until.saturating_sub(longest).max(EVER.from), until };
    let all = Range { from: EVER.from, until };
    // A container that ended long ago has no points of late, and later only those of coarser tiers.
    let places = [
        (Tier::Raw, hour),
        (Tier::Raw, all),
        (Tier::TenSeconds, all),
        (Tier::Minute, all),
        (Tier::Hour, all),
    ];
    let mut recent = Recent::default();
    for (tier, range) in places {
        let selector = Selector::of_container(&member.id);
        let query = ExportQuery { selector, metrics: metrics(), range, tier };
        let take = &mut |sample: &Sample<'_>| {
            if sample.member.is_some_and(|found| found.id == member.id) {
                recent.take(sample);
            }
            ControlFlow::Continue(())
        };
        history.export(&query, take).map_err(failure)?;
        recent.close();
        if !recent.points.is_empty() {
            break;
        }
    }
    let Recent { points, restarts, .. } = recent;
    let end = points.back().map_or(until, |point| point.at);
    let summaries = WINDOWS.into_iter().map(|minutes| {
        let first = points.partition_point(|point| point.at < end - minutes * MINUTE);
        let window: Vec<&Point> = points.iter().skip(first).collect();
        (format!("last_{minutes}_minutes"), aggregated(&window, restarts))
    });
    let shown = points.iter().skip(points.len().saturating_sub(POINTS));
    Ok(Some(json!({
        "container_id": member.id,
        "container_name": member.name,
        "exported_at": Timestamp::now().as_millisecond(),
        "uptime_secs": points.back().and_then(|point| point.uptime).map(|nanos| nanos / 1_000_000_000),
        "restart_count": restarts,
        "data_points": shown.map(Point::json).collect::<Vec<_>>(),
        "aggregates": summaries.collect::<serde_json::Map<_, _>>(),
    })))
}

/// The names of what points are made of.
fn metrics() -> Vec<String> {
    let is_wanted = |family: &&Family| match family.shape {
        Shape::Container([cell]) => matches!(
            cell.slot,
            Slot::CpuPercent
                | Slot::MemoryWorkingSet
                | Slot::MemoryUsage
                | Slot::MemoryLimit
                | Slot::Uptime
                | Slot::Restarts
        ),
        Shape::Interface(slot) => matches!(slot, InterfaceSlot::RxBytes | InterfaceSlot::TxBytes),
        _ => false,
    };
    CATALOG.iter().filter(is_wanted).map(|family| family.name.to_owned()).collect()
}

/// The summary of a window; null without points.
fn aggregated(points: &[&Point], restarts: u64) -> Value {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Value::Null };
    let count = points.len();
    let cpu = points.iter().map(|point| f64::from(point.cpu()));
    let memory = || points.iter().filter_map(|point| point.memory());
    let most = |of: fn(&Point) -> Option<u64>| points.iter().filter_map(|point| of(point)).max();
    let mean_memory = (memory().map(u128::from).sum::<u128>() + count as u128 / 2) / count as u128;
    #[expect(clippy::cast_possible_truncation, reason = "more digits than a percentage has")]
    let mean_cpu = (cpu.sum::<f64>() / count as f64) as f32;
    json!({
        "period_start": first.at,
        "period_end": last.at,
        "sample_count": count,
        "avg_cpu_percent": decimal(mean_cpu),
        "peak_cpu_percent": decimal(points.iter().map(|point| point.cpu()).fold(0.0, f32::max)),
        "min_cpu_percent": decimal(points.iter().map(|point| point.cpu()).fold(f32::MAX, f32::min)),
        "avg_memory_mb": u64::try_from(mean_memory).unwrap_or(u64::MAX),
        "peak_memory_mb": memory().max(),
        "min_memory_mb": memory().min(),
        "memory_limit_mb": last.limit.map(mebibytes),
        "total_network_rx_bytes": most(|point| point.received),
        "total_network_tx_bytes": most(|point| point.sent),
        "restart_count": restarts,
    })
}

/// Rounded; what is less than one counts as one.
fn mebibytes(bytes: u64) -> u64 {
    let rounded = bytes / MIB + u64::from(bytes % MIB >= MIB / 2);
    if bytes > 0 { rounded.max(1) } else { 0 }
}

/// The number that is meant: as it stands, 12.3 would become 12.300000190734863.
fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_slot(slot: Slot) -> &'static Family {
        let has = |family: &&Family| matches!(family.shape, Shape::Container([cell]) if cell.slot == slot);
        CATALOG.iter().find(has).unwrap()
    }

    static NOBODY: Line = Line { id: 0, name: String::new(), engine: String::new(), containers: Vec::new() };

    fn sample(family: &'static Family, at: Millis, value: u64) -> Sample<'static> {
        Sample { line: &NOBODY, member: None, family, labels: &[], at, value, start: None, statistics: None }
    }

    #[test]
    fn points_are_what_belongs_to_one_moment() {
        let received =
            CATALOG.iter().find(|family| family.shape == Shape::Interface(InterfaceSlot::RxBytes)).unwrap();
        let mut recent = Recent::default();
        for sample in [
            sample(of_slot(Slot::MemoryUsage), 1000, 3 * MIB),
            // No processor use yet: no point.
            sample(of_slot(Slot::CpuPercent), 2000, 12_300_000_000),
            sample(of_slot(Slot::MemoryUsage), 2000, 3 * MIB),
            sample(of_slot(Slot::MemoryWorkingSet), 2000, 100),
            sample(received, 2000, 7),
            sample(received, 2000, 5),
            sample(of_slot(Slot::Restarts), 2000, 4),
            sample(of_slot(Slot::CpuPercent), 2000 + 61 * MINUTE, 0),
            sample(of_slot(Slot::MemoryUsage), 2000 + 61 * MINUTE, 3 * MIB),
        ] {
            recent.take(&sample);
            if recent.points.len() == 1 {
                let point = recent.points[0];
                assert_eq!((point.received, point.memory(), recent.restarts), (Some(12), Some(1), 4));
                assert_eq!(point.json()["cpu_percent"], 12.3);
            }
        }
        recent.close();
        assert_eq!(recent.points.len(), 1, "the first is out of the longest window");
        assert_eq!(recent.points[0].memory(), Some(3));
    }

    #[test]
    fn aggregates() {
        let point = |at, cpu, memory| Point {
            at,
            cpu: Some(cpu),
            working_set: Some(memory * MIB),
            received: Some(memory),
            ..Point::default()
        };
        let points = [point(1, 10.0, 1), point(2, 20.0, 4)];
        let value = aggregated(&points.iter().collect::<Vec<_>>(), 3);
        for (key, expected) in [
            ("period_start", json!(1)),
            ("period_end", json!(2)),
            ("sample_count", json!(2)),
            ("avg_cpu_percent", json!(15.0)),
            ("peak_cpu_percent", json!(20.0)),
            ("min_cpu_percent", json!(10.0)),
            ("avg_memory_mb", json!(3)),
            ("peak_memory_mb", json!(4)),
            ("min_memory_mb", json!(1)),
            ("memory_limit_mb", Value::Null),
            ("total_network_rx_bytes", json!(4)),
            ("total_network_tx_bytes", Value::Null),
            ("restart_count", json!(3)),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
        assert_eq!(aggregated(&[], 3), Value::Null);
    }

    #[test]
    fn mebibytes_are_rounded_and_never_vanish() {
        for (bytes, expected) in [(0, 0), (1, 1), (MIB + MIB / 2, 2), (u64::MAX, 1 << 44)] {
            assert_eq!(mebibytes(bytes), expected, "{bytes}");
        }
    }
}
