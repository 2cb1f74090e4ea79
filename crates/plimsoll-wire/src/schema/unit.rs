//! Units as OpenTelemetry and UCUM write them.

use plimsoll_model::Unit;

/// The unit in UCUM, the Unified Code for Units of Measure. What counts things has none: of a gauge of
/// the unit `1` Prometheus and others say that it is a ratio.
pub(super) const fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Ratio => "1",
        Unit::Bytes => "By",
        Unit::Seconds => "s",
        Unit::Percent => "%",
        Unit::Cores => "{cpu}",
        Unit::Microseconds => "us",
        Unit::Pages => "{page}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_things_has_no_unit() {
        assert_eq!(ucum(Unit::Bytes), "By");
        assert_eq!(ucum(Unit::None), "");
    }
}
