//! Conditions that deserve a word, with the thresholds that are built in.

use std::fmt;

use super::point::AggregatedMetrics;

/// A condition on what a container used.
///
/// ```
/// # use std::time::{Duration, UNIX_EPOCH};
/// # use plimsoll::docker::{AlertRule, ContainerMetrics, MetricDataPoint};
/// # let mut metrics = ContainerMetrics::new("4f1d", 10);
/// # metrics.add(&MetricDataPoint {
/// #     timestamp: UNIX_EPOCH, cpu_percent: 95.0, memory_mb: 100, memory_limit_mb: Some(128),
/// #     network_rx_bytes: None, network_tx_bytes: None, uptime_secs: 5,
/// # });
/// # let aggregated = metrics.aggregate(Duration::from_secs(60), UNIX_EPOCH).unwrap();
/// let alerts: Vec<_> = AlertRule::built_in().iter().filter_map(|rule| rule.evaluate(&aggregated)).collect();
/// assert_eq!(alerts[0].to_string(), "processor use of 95.0 % of a core is above 80 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlertRule {
    /// Mean memory above so many percent of its limit. It says nothing about a container without a limit.
    MemoryAbove {
        /// Percent of the limit.
        percent: f32,
    },
    /// Mean processor use above so many percent of a core.
    CpuAbove {
        /// Percent of a core.
        percent: f32,
    },
    /// More restarts than this.
    RestartsAbove {
        /// How many restarts are none too many.
        restarts: u32,
    },
}

/// A condition that holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// The condition.
    pub rule: AlertRule,
    /// What was found, in the unit of the rule's threshold: percent of the limit, percent of a core, or restarts.
    pub value: f32,
}

impl AlertRule {
    /// The rules that are built in: memory above 90 % of its limit, processor use above 80 % of a core, more than three
    /// restarts.
    #[must_use]
    pub const fn built_in() -> [Self; 3] {
        [
            Self::MemoryAbove { percent: 90.0 },
            Self::CpuAbove { percent: 80.0 },
            Self::RestartsAbove { restarts: 3 },
        ]
    }

    /// Whether the condition holds over this time.
    #[must_use]
    pub fn evaluate(&self, metrics: &AggregatedMetrics) -> Option<Alert> {
        match *self {
            Self::MemoryAbove { percent } => {
                let limit = metrics.memory_limit_mb.filter(|limit| *limit > 0)?;
                self.above(metrics.avg_memory_mb as f32 / limit as f32 * 100.0, percent)
            }
            Self::CpuAbove { percent } => self.above(metrics.avg_cpu_percent, percent),
            Self::RestartsAbove { .. } => self.of_restarts(metrics.restart_count),
        }
    }

    /// As [`evaluate`](Self::evaluate), where nothing but the number of restarts is known.
    pub(super) fn of_restarts(&self, count: u32) -> Option<Alert> {
        match *self {
            Self::RestartsAbove { restarts } if count > restarts => {
                Some(Alert { rule: *self, value: count as f32 })
            }
            _ => None,
        }
    }

    fn above(&self, value: f32, threshold: f32) -> Option<Alert> {
        (value > threshold).then_some(Alert { rule: *self, value })
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.rule {
            AlertRule::MemoryAbove { percent } => {
                write!(f, "memory at {value:.1} % of its limit is above {percent} %")
            }
            AlertRule::CpuAbove { percent } => {
                write!(f, "processor use of {value:.1} % of a core is above {percent} %")
            }
            AlertRule::RestartsAbove { restarts } => write!(f, "{value} restarts are more than {restarts}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn metrics(cpu: f32, memory: u64, limit: Option<u64>, restarts: u32) -> AggregatedMetrics {
        AggregatedMetrics {
            period_start: UNIX_EPOCH,
            period_end: UNIX_EPOCH,
            sample_count: 1,
            avg_cpu_percent: cpu,
            peak_cpu_percent: 400.0,
            min_cpu_percent: 0.0,
            avg_memory_mb: memory,
            peak_memory_mb: 1000,
            min_memory_mb: 0,
            memory_limit_mb: limit,
            total_network_rx_bytes: None,
            total_network_tx_bytes: None,
            restart_count: restarts,
        }
    }

    #[test]
    fn the_thresholds_are_those_of_the_document() {
        for (metrics, expected) in [
            (metrics(80.0, 90, Some(100), 3), &[][..]),
            (metrics(80.1, 90, Some(100), 3), &["processor use of 80.1 % of a core is above 80 %"]),
            (metrics(0.0, 91, Some(100), 0), &["memory at 91.0 % of its limit is above 90 %"]),
            (metrics(0.0, 91, None, 0), &[]),
            (metrics(0.0, 91, Some(0), 0), &[]),
            (metrics(0.0, 0, None, 4), &["4 restarts are more than 3"]),
        ] {
            let alerts = AlertRule::built_in().into_iter().filter_map(|rule| rule.evaluate(&metrics));
            assert_eq!(alerts.map(|alert| alert.to_string()).collect::<Vec<_>>(), expected);
        }
    }
}
