//! Waits that differ, so that many who failed together do not come back together.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// A number between 0 and 1.
pub(crate) fn chance() -> f64 {
    // Each state of the standard library's hash has keys of its own; nothing here needs better chance than that.
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1u64 << 53) as f64
}

/// A wait, shortened by up to a half. `chance` is between 0 and 1.
pub(crate) fn shortened(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}
