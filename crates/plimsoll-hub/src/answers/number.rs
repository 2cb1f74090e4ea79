//! Numbers as v1 writes them.

use serde::{Serialize, Serializer};

/// A decimal, which Go writes without a point where it is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal(pub(crate) f64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Whole numbers up to here are exact.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// One number in percent of another, cut off after one digit as v1 does it; 0 of nothing.
pub(crate) fn percent(part: u64, of: u64) -> Decimal {
    if of == 0 { Decimal(0.0) } else { tenths(part as f64 / of as f64 * 100.0) }
}

/// Cut off after one digit.
pub(crate) fn tenths(value: f64) -> Decimal {
    Decimal((value * 10.0).trunc() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_look_as_those_of_the_first_version() {
        let table = [
            (percent(7, 14), "50"),
            (percent(4, 14), "28.5"),
            (percent(10, 14), "71.4"),
            (percent(1, 0), "0"),
            (tenths(-33.39), "-33.3"),
            (Decimal(1.392_857_142_857_142_8), "1.3928571428571428"),
        ];
        for (number, expected) in table {
            assert_eq!(serde_json::to_string(&number).unwrap(), expected);
        }
    }
}
