//! The JSON of a container's metrics: keys are the names of the fields, and moments are milliseconds since the Unix epoch,
//! as Grafana takes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::point::{AggregatedMetrics, MetricDataPoint};
use super::ring::ContainerMetrics;

/// How many points are exported.
pub(super) const POINTS: usize = 100;

/// The windows that are summarised, in minutes.
pub(super) const WINDOWS: [u64; 3] = [5, 15, 60];

impl ContainerMetrics {
    /// Everything as JSON at this moment: the last 100 points, the summaries of 5, 15 and 60 minutes (`null` where there
    /// is no point), uptime and restart count.
    ///
    /// ```
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// # use plimsoll::docker::{ContainerMetrics, MetricDataPoint};
    /// let mut metrics = ContainerMetrics::new("4f1d", 10);
    /// metrics.add(&MetricDataPoint {
    ///     timestamp: UNIX_EPOCH + Duration::from_secs(60),
    ///     cpu_percent: 12.3,
    ///     memory_mb: 100,
    ///     memory_limit_mb: Some(128),
    ///     network_rx_bytes: Some(1500),
    ///     network_tx_bytes: None,
    ///     uptime_secs: 59,
    /// });
    /// let json = metrics.to_json(UNIX_EPOCH + Duration::from_secs(61));
    /// assert_eq!(json["container_id"], "4f1d");
    /// assert_eq!(json["uptime_secs"], 59);
    /// assert_eq!(json["restart_count"], 0);
    /// assert_eq!(json["data_points"][0]["timestamp"], 60_000);
    /// assert_eq!(json["data_points"][0]["cpu_percent"], 12.3);
    /// assert_eq!(json["data_points"][0]["network_tx_bytes"], serde_json::Value::Null);
    /// assert_eq!(json["aggregates"]["last_5_minutes"]["peak_memory_mb"], 100);
    /// ```
    #[must_use]
    pub fn to_json(&self, now: SystemTime) -> Value {
        let summaries = WINDOWS.into_iter().map(|minutes| {
            let summary = self.aggregate(Duration::from_secs(minutes * 60), now);
            (format!("last_{minutes}_minutes"), summary.as_ref().map_or(Value::Null, aggregated))
        });
        json!({
            "container_id": self.container_id(),
            "exported_at": millis(now),
            "uptime_secs": self.uptime_secs(),
            "restart_count": self.restart_count(),
            "data_points": self.recent(POINTS).iter().map(point).collect::<Vec<_>>(),
            "aggregates": summaries.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn point(point: &MetricDataPoint) -> Value {
    json!({
        "timestamp": millis(point.timestamp),
        "cpu_percent": decimal(point.cpu_percent),
        "memory_mb": point.memory_mb,
        "memory_limit_mb": point.memory_limit_mb,
        "network_rx_bytes": point.network_rx_bytes,
        "network_tx_bytes": point.network_tx_bytes,
        "uptime_secs": point.uptime_secs,
    })
}

fn aggregated(metrics: &AggregatedMetrics) -> Value {
    json!({
        "period_start": millis(metrics.period_start),
        "period_end": millis(metrics.period_end),
        "sample_count": metrics.sample_count,
        "avg_cpu_percent": decimal(metrics.avg_cpu_percent),
        "peak_cpu_percent": decimal(metrics.peak_cpu_percent),
        "min_cpu_percent": decimal(metrics.min_cpu_percent),
        "avg_memory_mb": metrics.avg_memory_mb,
        "peak_memory_mb": metrics.peak_memory_mb,
        "min_memory_mb": metrics.min_memory_mb,
        "memory_limit_mb": metrics.memory_limit_mb,
        "total_network_rx_bytes": metrics.total_network_rx_bytes,
        "total_network_tx_bytes": metrics.total_network_tx_bytes,
        "restart_count": metrics.restart_count,
    })
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The number that is meant: as it stands, 12.3 would become 12.300000190734863.
fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}
