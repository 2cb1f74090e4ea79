//! Rates of counters. A rate divides by the time between two readings of that very counter, and a counter
//! that fell was reset: it gives no rate, rather than a wrong one.

/// Remembers a counter's last reading and turns the next into a rate.
///
/// ```
/// use plimsoll_model::rate::Rate;
///
/// let mut rate = Rate::default();
/// assert_eq!(rate.update(1_000, 100), None, "one reading makes no rate");
/// assert_eq!(rate.update(3_000, 150), Some(25_000_000), "50 in 2,000 ns, in billionths a nanosecond");
/// assert_eq!(rate.update(4_000, 10), None, "a fall is a reset");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    last: Option<(u64, u64)>,
}

/// Rates are fixed-point numbers with nine decimals.
const NANO: u128 = 1_000_000_000;

impl Rate {
    /// Takes a reading made at `at` (monotonic nanoseconds) and returns the rate since the reading before,
    /// per nanosecond, in billionths. `None` for the first reading, after a reset, and when no time passed.
    pub fn update(&mut self, at: u64, value: u64) -> Option<u64> {
        let (then, before) = self.last.replace((at, value))?;
        let elapsed = at.checked_sub(then).filter(|elapsed| *elapsed > 0)?;
        let increase = value.checked_sub(before)?;
        u64::try_from(u128::from(increase) * NANO / u128::from(elapsed)).ok()
    }

    /// Forgets the last reading: what comes next is another counter, or the same one begun anew.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

/// `part` of `whole` as a percentage with nine decimals; `None` when `whole` is 0.
///
/// ```
/// assert_eq!(plimsoll_model::rate::percent(1, 3), Some(33_333_333_333));
/// ```
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| u64::try_from(u128::from(part) * 100 * NANO / u128::from(whole)).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rate_is_never_negative_nor_wrong(readings in prop::collection::vec((1u64..1 << 40, any::<u64>()), 2..40)) {
            let (mut rate, mut now, mut before) = (Rate::default(), 0, None::<(u64, u64)>);
            for (step, value) in readings {
                now += step;
                let got = rate.update(now, value);
                match before {
                    Some((then, last)) if value >= last => {
                        let exact = u128::from(value - last) * NANO / u128::from(now - then);
                        prop_assert_eq!(got.map(u128::from), (exact <= u128::from(u64::MAX)).then_some(exact));
                    }
                    _ => prop_assert_eq!(got, None),
                }
                before = Some((now, value));
            }
        }

        #[test]
        fn a_clock_that_stands_still_or_goes_back_gives_no_rate(at in 1u64.., back in 0u64..1000, value: u64) {
            let mut rate = Rate::default();
            rate.update(at, value);
            prop_assert_eq!(rate.update(at.saturating_sub(back), value), None);
        }
    }
}
