//! When a collector that fails is tried again: the waits between attempts, and the slow probe of one that is unhealthy.
//!
//! Nothing here knows a clock or chance: both come in as arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::jitter::shortened;

/// After so many collections in a row that failed, with all their attempts, a collector is unhealthy.
pub const UNHEALTHY_AFTER: u32 = 3;

/// The longest wait between two attempts of one collection.
pub const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The longest wait until an unhealthy collector is tried again, unless its interval is longer.
pub const LONGEST_PROBE: Duration = Duration::from_secs(300);

/// The wait before attempt number `attempt` (the second is 1): `delay`, doubled with each attempt, and shortened by up
/// to a half, so that many that failed together do not come back together. `chance` is between 0 and 1.
#[must_use]
pub(crate) fn retry_wait(delay: Duration, attempt: u32, chance: f64) -> Duration {
    shortened(doubled(delay, attempt.saturating_sub(1)).min(LONGEST_RETRY.max(delay)), chance)
}

/// The wait until an unhealthy collector is tried again, after `failures` collections in a row that failed: two
/// intervals, doubled with each failure, and shortened by up to a half, but never less than the interval.
#[must_use]
pub(crate) fn probe_wait(interval: Duration, failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(UNHEALTHY_AFTER) + 1;
    shortened(doubled(interval, doublings).min(LONGEST_PROBE.max(interval)), chance).max(interval)
}

fn doubled(wait: Duration, times: u32) -> Duration {
    2u32.checked_pow(times).and_then(|factor| wait.checked_mul(factor)).unwrap_or(Duration::MAX)
}

/// Whether what is collected of one subject, a container or the machine, works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Collections in a row that failed.
    failures: u32,
    /// When it is tried again, while it is unhealthy.
    probe_at: Option<Instant>,
}

impl Health {
    pub(crate) fn is_healthy(self) -> bool {
        self.failures < UNHEALTHY_AFTER
    }

    /// How long it is not to be tried; `None` if it may be now.
    pub(crate) fn rests(self, now: Instant) -> Option<Duration> {
        self.probe_at.map(|at| at.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// A collection failed, with all its attempts.
    pub(crate) fn failed(&mut self, now: Instant, interval: Duration, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        if !self.is_healthy() {
            self.probe_at = now.checked_add(probe_wait(interval, self.failures, chance));
        }
    }

    /// A probe begins: until it ends, nobody else is to make another.
    pub(crate) fn probing(&mut self, now: Instant, patience: Duration) {
        if self.probe_at.is_some() {
            self.probe_at = now.checked_add(patience);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_their_bounds() {
        for (attempt, longest) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (100, 60)] {
            let longest = SECOND * longest;
            assert_eq!(retry_wait(5 * SECOND, attempt, 0.0), longest);
            assert_eq!(retry_wait(5 * SECOND, attempt, 1.0), longest / 2);
        }
        assert_eq!(retry_wait(100 * SECOND, 9, 0.0), 100 * SECOND, "who wants a longer wait gets it");
        assert_eq!(retry_wait(Duration::ZERO, 9, 0.5), Duration::ZERO);
        for (failures, longest) in [(3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (u32::MAX, 300)] {
            assert_eq!(probe_wait(10 * SECOND, failures, 0.0), SECOND * longest);
        }
        assert_eq!(probe_wait(10 * SECOND, 3, 1.0), 10 * SECOND);
        assert_eq!(probe_wait(3600 * SECOND, 3, 1.0), 3600 * SECOND, "never more often than when healthy");
    }

    #[test]
    fn three_failures_make_it_rest() {
        let now = Instant::now();
        let mut health = Health::default();
        for _ in 0..2 {
            health.failed(now, SECOND, 0.0);
            assert!(health.is_healthy() && health.rests(now).is_none());
        }
        health.failed(now, SECOND, 0.0);
        assert!(!health.is_healthy());
        assert_eq!(health.rests(now), Some(2 * SECOND));
        assert_eq!(health.rests(now + 2 * SECOND), None);
        health.probing(now + 2 * SECOND, SECOND);
        assert_eq!(health.rests(now + 2 * SECOND), Some(SECOND), "one probe at a time");
    }
}
