//! What the formats have in common about families that are not the catalog's.

use std::collections::HashSet;

use plimsoll_model::custom::{CustomFamily, CustomKind};

/// Names that OpenMetrics families have so far. A counter's family has its name without `_total`, and no two families may
/// have the same.
#[derive(Default)]
pub(super) struct Families(HashSet<String>);

impl Families {
    /// How a family is shown in OpenMetrics: its name there, and the word for its type. A counter that cannot be one,
    /// because its samples do not end in `_total` or because a gauge has its name, is shown as of unknown type.
    pub(super) fn in_openmetrics<'a>(&mut self, family: &'a CustomFamily) -> (&'a str, &'static str) {
        let (name, word) = match (family.kind, family.name.strip_suffix("_total")) {
            (CustomKind::Counter, Some(base)) if !self.0.contains(base) => (base, "counter"),
            (CustomKind::Gauge | CustomKind::Histogram | CustomKind::Summary, _) => {
                (&*family.name, in_text(family.kind))
            }
            _ => (&*family.name, "unknown"),
        };
        self.0.insert(name.to_owned());
        (name, word)
    }
}

/// What a family means, where its collector says so.
pub(super) fn help(family: &CustomFamily) -> &str {
    if family.help.is_empty() { "Told by a custom collector." } else { &family.help }
}

/// The word for a type in the text format.
pub(super) fn in_text(kind: CustomKind) -> &'static str {
    match kind {
        CustomKind::Counter => "counter",
        CustomKind::Gauge => "gauge",
        CustomKind::Histogram => "histogram",
        CustomKind::Summary => "summary",
        CustomKind::Untyped => "untyped",
    }
}

/// From this size on, and below its inverse, a decimal is written with an exponent.
const LARGE: f64 = 1e17;

/// Writes a finite decimal, as short as reads back to the same.
pub(crate) fn write_decimal(value: f64, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let size = value.abs();
    let is_plain = size < LARGE && (size >= 1.0 / LARGE || size == 0.0);
    // A vector takes everything.
    let _ = if is_plain { write!(out, "{value}") } else { write!(out, "{value:e}") };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn family(name: &str, kind: CustomKind) -> CustomFamily {
        CustomFamily { name: name.to_owned(), kind, ..CustomFamily::default() }
    }

    #[test]
    fn no_two_families_have_one_name_in_openmetrics() {
        let mut families = Families::default();
        for (name, kind, expected) in [
            ("jobs", CustomKind::Gauge, ("jobs", "gauge")),
            ("jobs_total", CustomKind::Counter, ("jobs_total", "unknown")),
            ("runs_total", CustomKind::Counter, ("runs", "counter")),
            ("time_sum", CustomKind::Counter, ("time_sum", "unknown")),
            ("wait_seconds", CustomKind::Histogram, ("wait_seconds", "histogram")),
            ("size_bytes", CustomKind::Summary, ("size_bytes", "summary")),
            ("odd", CustomKind::Untyped, ("odd", "unknown")),
        ] {
            assert_eq!(families.in_openmetrics(&family(name, kind)), expected);
        }
    }

    #[test]
    fn decimals_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (42.0, "42"),
            (-1.5, "-1.5"),
            (1e16, "10000000000000000"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
        ] {
            let mut out = Vec::new();
            write_decimal(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_decimal_reads_back_as_itself(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
            let mut out = Vec::new();
            write_decimal(value, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap().parse::<f64>().unwrap(), value);
        }
    }
}
