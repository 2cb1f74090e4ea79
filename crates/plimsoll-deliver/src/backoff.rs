//! How long to wait after a failure: exponential with full jitter, and what the server asks for.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use plimsoll_deliver::backoff::retry_after;
//!
//! assert_eq!(retry_after("120", SystemTime::now()), Some(Duration::from_secs(120)));
//! ```

use std::time::{Duration, SystemTime};

/// The longest that a server can make us wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Waits that grow with each failure.
#[derive(Clone, Debug)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between nothing and `least` after the first failure, and up to `most` later.
    #[must_use]
    pub fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, failures: 0 }
    }

    /// The wait after one more failure. `chance` is a number from 0 to 1: with full jitter, all lengths up to the bound are
    /// as likely, so that many agents do not come back at once.
    pub fn fail(&mut self, chance: f64) -> Duration {
        let bound = self.least.saturating_mul(1 << self.failures.min(20)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(chance.clamp(0.0, 1.0))
    }

    /// It went well.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). At most an hour; `None` where it is neither.
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds is a long time.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let then = SystemTime::from(jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?);
        then.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
        let bounds: Vec<f64> = (0..9).map(|_| backoff.fail(1.0).as_secs_f64()).collect();
        assert_eq!(bounds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff.fail(0.5), Duration::from_secs(30), "full jitter: any part of the bound");
        backoff.succeed();
        assert_eq!(backoff.fail(1.0), Duration::from_millis(500));
        assert_eq!(backoff.failures, 1);
    }

    #[test]
    fn a_server_asks_in_seconds_or_with_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000); // Tue, 14 Nov 2023 22:13:20 GMT
        for (value, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(3600)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", Some(0)),
            ("Wed, 15 Nov 2023 22:13:00 GMT", Some(3600)),
            ("", None),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
