//! The points of one container: a ring of fixed size, and what is computed of it. There is no I/O here and no clock.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::point::{AggregatedMetrics, MetricDataPoint};

/// What a number that is absent looks like in the ring. No container moves or has as many bytes.
const ABSENT: u64 = u64::MAX;

/// A point as the ring holds it: 56 bytes instead of 88.
#[derive(Clone, Copy, Debug)]
struct Compact {
    /// Unix time in nanoseconds.
    at: u64,
    memory: u64,
    limit: u64,
    received: u64,
    sent: u64,
    uptime: u64,
    cpu: f32,
}

impl From<&MetricDataPoint> for Compact {
    fn from(point: &MetricDataPoint) -> Self {
        Self {
            at: unix_nanos(point.timestamp),
            memory: point.memory_mb,
            limit: point.memory_limit_mb.unwrap_or(ABSENT),
            received: point.network_rx_bytes.unwrap_or(ABSENT),
            sent: point.network_tx_bytes.unwrap_or(ABSENT),
            uptime: point.uptime_secs,
            cpu: point.cpu_percent,
        }
    }
}

impl From<&Compact> for MetricDataPoint {
    fn from(compact: &Compact) -> Self {
        Self {
            timestamp: moment(compact.at),
            cpu_percent: compact.cpu,
            memory_mb: compact.memory,
            memory_limit_mb: present(compact.limit),
            network_rx_bytes: present(compact.received),
            network_tx_bytes: present(compact.sent),
            uptime_secs: compact.uptime,
        }
    }
}

fn present(number: u64) -> Option<u64> {
    (number != ABSENT).then_some(number)
}

/// The higher of two numbers, of which either may be absent.
fn higher(one: u64, other: u64) -> u64 {
    match (one, other) {
        (ABSENT, number) | (number, ABSENT) => number,
        (one, other) => one.max(other),
    }
}

/// Unix time in nanoseconds, which reach to the year 2554.
fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn moment(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// The last points of one container, and how often it was restarted.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use plimsoll::docker::{ContainerMetrics, MetricDataPoint};
///
/// let mut metrics = ContainerMetrics::new("4f1d", 1000);
/// for second in [5, 10, 15] {
///     metrics.add(&MetricDataPoint {
///         timestamp: UNIX_EPOCH + Duration::from_secs(second),
///         cpu_percent: second as f32,
///         memory_mb: 100,
///         memory_limit_mb: Some(128),
///         network_rx_bytes: None,
///         network_tx_bytes: None,
///         uptime_secs: second,
///     });
/// }
/// let now = UNIX_EPOCH + Duration::from_secs(16);
/// let last = metrics.aggregate(Duration::from_secs(10), now).unwrap();
/// assert_eq!((last.sample_count, last.avg_cpu_percent), (2, 12.5));
/// ```
#[derive(Clone, Debug)]
pub struct ContainerMetrics {
    container_id: String,
    max_data_points: usize,
    points: VecDeque<Compact>,
    restart_count: u32,
}

impl ContainerMetrics {
    /// No points yet, and room for so many; at least for one. The room is taken at once: 56 bytes a point.
    #[must_use]
    pub fn new(container_id: &str, max_data_points: usize) -> Self {
        let max_data_points = max_data_points.max(1);
        Self {
            container_id: container_id.to_owned(),
            max_data_points,
            points: VecDeque::with_capacity(max_data_points),
            restart_count: 0,
        }
    }

    /// The container's full id.
    #[must_use]
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// How many points there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// For how many points there is room.
    #[must_use]
    pub fn max_data_points(&self) -> usize {
        self.max_data_points
    }

    /// How often the container was restarted.
    #[must_use]
    pub fn restart_count(&self) -> u32 {
        self.restart_count
    }

    /// Takes over how often the container was restarted.
    pub fn set_restart_count(&mut self, restart_count: u32) {
        self.restart_count = restart_count;
    }

    /// How long the container had been running at the newest point, in seconds.
    #[must_use]
    pub fn uptime_secs(&self) -> Option<u64> {
        self.points.back().map(|point| point.uptime)
    }

    /// Adds a point as the newest; the oldest makes room for it. One whose processor use is no number from 0 on is
    /// left out.
    pub fn add(&mut self, point: &MetricDataPoint) {
        if !point.cpu_percent.is_finite() || point.cpu_percent < 0.0 {
            return;
        }
        if self.points.len() >= self.max_data_points {
            self.points.pop_front();
        }
        self.points.push_back(point.into());
    }

    /// The newest `count` points, the oldest of them first.
    #[must_use]
    pub fn recent(&self, count: usize) -> Vec<MetricDataPoint> {
        let skipped = self.points.len().saturating_sub(count);
        self.points.iter().skip(skipped).map(Into::into).collect()
    }

    /// The summary of the points of the last `window` before `now`; `None` where there is none. Points that seem to be
    /// of the future, because the clock was set back since, are in no window.
    #[must_use]
    pub fn aggregate(&self, window: Duration, now: SystemTime) -> Option<AggregatedMetrics> {
        let end = unix_nanos(now);
        let start = end.saturating_sub(u64::try_from(window.as_nanos()).unwrap_or(u64::MAX));
        let mut sum = Sum::default();
        for point in self.points.iter().filter(|point| (start..=end).contains(&point.at)) {
            sum.add(point);
        }
        sum.finish(self.restart_count)
    }
}

/// What a summary is made of.
struct Sum {
    count: usize,
    first: u64,
    last: u64,
    cpu: f64,
    cpu_peak: f32,
    cpu_min: f32,
    memory: u128,
    memory_peak: u64,
    memory_min: u64,
    limit: u64,
    received: u64,
    sent: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            count: 0,
            first: u64::MAX,
            last: 0,
            cpu: 0.0,
            cpu_peak: 0.0,
            cpu_min: f32::MAX,
            memory: 0,
            memory_peak: 0,
            memory_min: u64::MAX,
            limit: ABSENT,
            received: ABSENT,
            sent: ABSENT,
        }
    }
}

impl Sum {
    fn add(&mut self, point: &Compact) {
        self.count += 1;
        self.first = self.first.min(point.at);
        self.last = self.last.max(point.at);
        self.cpu += f64::from(point.cpu);
        self.cpu_peak = self.cpu_peak.max(point.cpu);
        self.cpu_min = self.cpu_min.min(point.cpu);
        self.memory += u128::from(point.memory);
        self.memory_peak = self.memory_peak.max(point.memory);
        self.memory_min = self.memory_min.min(point.memory);
        // The last one that is added is the newest.
        self.limit = point.limit;
        self.received = higher(self.received, point.received);
        self.sent = higher(self.sent, point.sent);
    }

    fn finish(self, restart_count: u32) -> Option<AggregatedMetrics> {
        let count = (self.count > 0).then_some(self.count as u128)?;
        #[allow(clippy::cast_possible_truncation, reason = "a mean of such numbers is one")]
        let avg_cpu_percent = (self.cpu / self.count as f64) as f32;
        Some(AggregatedMetrics {
            period_start: moment(self.first),
            period_end: moment(self.last),
            sample_count: self.count,
            // Rounding must not carry the mean over its bounds.
            avg_cpu_percent: avg_cpu_percent.clamp(self.cpu_min, self.cpu_peak),
            peak_cpu_percent: self.cpu_peak,
            min_cpu_percent: self.cpu_min,
            avg_memory_mb: u64::try_from((self.memory + count / 2) / count).unwrap_or(u64::MAX),
            peak_memory_mb: self.memory_peak,
            min_memory_mb: self.memory_min,
            memory_limit_mb: present(self.limit),
            total_network_rx_bytes: present(self.received),
            total_network_tx_bytes: present(self.sent),
            restart_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_point_takes_no_more_room_than_was_promised() {
        assert!(size_of::<Compact>() <= 80);
        let metrics = ContainerMetrics::new("x", 1000);
        assert!(metrics.points.capacity() * size_of::<Compact>() <= 80_000);
    }

    #[test]
    fn the_ring_never_grows() {
        let mut metrics = ContainerMetrics::new("x", 100);
        let room = metrics.points.capacity();
        for second in 0..1000 {
            metrics.add(&point(second * 1000, 1.0, 1, None, None));
        }
        assert_eq!((metrics.len(), metrics.points.capacity()), (100, room));
        let seconds: Vec<_> = metrics.recent(2).iter().map(|point| unix_nanos(point.timestamp)).collect();
        assert_eq!(seconds, [998_000_000_000, 999_000_000_000], "the oldest of them first");
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut metrics = ContainerMetrics::new("x", 0);
        for cpu in [f32::NAN, f32::INFINITY, -1.0] {
            metrics.add(&point(1, cpu, 1, None, None));
        }
        assert!(metrics.is_empty() && metrics.aggregate(Duration::MAX, moment(2)).is_none());
        metrics.add(&point(1, 0.0, 1, None, None));
        assert_eq!(metrics.len(), 1, "there is room for one at least");
    }

    fn point(millis: u64, cpu: f32, memory: u64, limit: Option<u64>, bytes: Option<u64>) -> MetricDataPoint {
        MetricDataPoint {
            timestamp: UNIX_EPOCH + Duration::from_millis(millis),
            cpu_percent: cpu,
            memory_mb: memory,
            memory_limit_mb: limit,
            network_rx_bytes: bytes,
            network_tx_bytes: bytes.map(|bytes| bytes / 2),
            uptime_secs: millis / 1000,
        }
    }

    /// Any points, also those of clocks that jump.
    fn points() -> impl Strategy<Value = Vec<MetricDataPoint>> {
        let one = (0..100_000u64, 0.0f32..6400.0, 0..1u64 << 40, any::<Option<u32>>(), any::<Option<u32>>());
        let one = one.prop_map(|(millis, cpu, memory, limit, bytes)| {
            point(millis, cpu, memory, limit.map(u64::from), bytes.map(u64::from))
        });
        prop::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(points in points(), room in 1usize..80, count in 0usize..100) {
            let mut metrics = ContainerMetrics::new("x", room);
            points.iter().for_each(|point| metrics.add(point));
            let kept = &points[points.len().saturating_sub(room)..];
            prop_assert_eq!(metrics.len(), kept.len());
            prop_assert_eq!(metrics.recent(count), &kept[kept.len().saturating_sub(count)..]);
        }

        #[test]
        fn a_summary_is_of_the_points_of_its_window(
            points in points(), room in 1usize..80, now in 0..120_000u64, window in 0..120_000u64,
        ) {
            let mut metrics = ContainerMetrics::new("x", room);
            metrics.set_restart_count(7);
            points.iter().for_each(|point| metrics.add(point));
            let time = |millis| UNIX_EPOCH + Duration::from_millis(millis);
            let (start, end) = (time(now.saturating_sub(window)), time(now));
            let is_in = |point: &&MetricDataPoint| point.timestamp >= start && point.timestamp <= end;
            let kept = &points[points.len().saturating_sub(room)..];
            let inside: Vec<_> = kept.iter().filter(is_in).collect();
            let Some(got) = metrics.aggregate(Duration::from_millis(window), end) else {
                prop_assert!(inside.is_empty());
                return Ok(());
            };
            let count = inside.len();
            prop_assert_eq!(got.sample_count, count);
            prop_assert_eq!(Some(got.period_start), inside.iter().map(|point| point.timestamp).min());
            prop_assert_eq!(Some(got.period_end), inside.iter().map(|point| point.timestamp).max());
            let cpu: f64 = inside.iter().map(|point| f64::from(point.cpu_percent)).sum();
            prop_assert!((f64::from(got.avg_cpu_percent) - cpu / count as f64).abs() < 0.01);
            prop_assert!(inside.iter().all(|point| point.cpu_percent >= got.min_cpu_percent));
            prop_assert!(inside.iter().all(|point| point.cpu_percent <= got.peak_cpu_percent));
            prop_assert!((got.min_cpu_percent..=got.peak_cpu_percent).contains(&got.avg_cpu_percent));
            let memory: Vec<_> = inside.iter().map(|point| point.memory_mb).collect();
            let mean = memory.iter().sum::<u64>() as f64 / count as f64;
            prop_assert!((got.avg_memory_mb as f64 - mean).abs() <= 0.51);
            prop_assert_eq!(Some(&got.min_memory_mb), memory.iter().min());
            prop_assert_eq!(Some(&got.peak_memory_mb), memory.iter().max());
            prop_assert_eq!(got.memory_limit_mb, inside[count - 1].memory_limit_mb);
            let most = |field: fn(&MetricDataPoint) -> Option<u64>| inside.iter().filter_map(|point| field(point)).max();
            prop_assert_eq!(got.total_network_rx_bytes, most(|point| point.network_rx_bytes));
            prop_assert_eq!(got.total_network_tx_bytes, most(|point| point.network_tx_bytes));
            prop_assert_eq!(got.restart_count, 7);
        }
    }
}
