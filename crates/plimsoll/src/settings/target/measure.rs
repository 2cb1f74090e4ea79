//! Values that are measures: counts, sizes, ages, each within its bounds.

use std::time::Duration;

use crate::settings::history;
use crate::settings::value::{self, Expected, Raw};

/// The most points that may wait: more than the largest spool can hold.
pub(super) const MOST_POINTS: u64 = 1_000_000_000_000;

/// The shortest age at which something that waits is dropped.
const LEAST_AGE: Duration = Duration::from_secs(1);

/// A whole number within bounds.
pub(super) fn count(raw: &Raw, least: u64, most: u64) -> Result<u64, Expected> {
    let number = match raw {
        Raw::Text(text) | Raw::Number(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Expected(format!("a whole number from {least} to {most}")))
}

/// A number of bytes within bounds.
pub(super) fn size(raw: &Raw, least: u64, most: u64) -> Result<u64, Expected> {
    history::bytes(raw).filter(|bytes| (least..=most).contains(bytes)).ok_or_else(|| {
        let (least, most) = (show_size(least), show_size(most));
        Expected(format!("a size from {least} to {most}, such as 500kB, 50MB, 256MiB or plain bytes"))
    })
}

/// A size as it can be read back, in the largest unit that it is a whole number of.
pub(super) fn show_size(bytes: u64) -> String {
    let decimal = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let fit = decimal.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match fit {
        Some((name, unit)) if !bytes.is_multiple_of(1 << 10) => format!("{}{name}", bytes / unit),
        _ => history::show_size(bytes),
    }
}

/// The age at which something is dropped; zero for never.
pub(super) fn age(raw: &Raw) -> Result<Duration, Expected> {
    let long = if let Raw::Text(text) = raw { history::read_time(text.trim()) } else { None };
    long.or_else(|| value::duration(raw))
        .filter(|age| *age == Duration::ZERO || (LEAST_AGE..=history::LONGEST).contains(age))
        .ok_or_else(|| "0 for never, or a duration from 1s to 100y, such as 90m, 12h, 7d or 2w".into())
}

/// An age as it can be read back.
pub(super) fn show_age(age: Duration) -> String {
    let hours = age.as_secs().is_multiple_of(3600) && age.subsec_nanos() == 0;
    if hours && age > Duration::ZERO { history::show_time(age) } else { value::show_duration(age) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn counts() {
        for (given, expected) in [
            (text("1"), Some(1)),
            (text(" 100 "), Some(100)),
            (Raw::Number("10".into()), Some(10)),
            (text("0"), None),
            (text("101"), None),
            (text("-1"), None),
            (text("1.5"), None),
            (text("many"), None),
            (Raw::Bool(true), None),
        ] {
            assert_eq!(count(&given, 1, 100).ok(), expected, "{given:?}");
        }
    }

    #[test]
    fn sizes_and_back() {
        let bounds = |given: &str| size(&text(given), 1 << 10, 64 << 30);
        for (given, bytes, shown) in [
            ("4MB", 4_000_000, "4MB"),
            ("50 mb", 50_000_000, "50MB"),
            ("256MiB", 256 << 20, "256MiB"),
            ("1024", 1 << 10, "1KiB"),
            ("1500", 1500, "1500"),
            ("1500kB", 1_500_000, "1500kB"),
            ("2048000", 2_048_000, "2000KiB"),
            ("1GB", 1_000_000_000, "1GB"),
        ] {
            assert_eq!(bounds(given), Ok(bytes), "{given}");
            assert_eq!(show_size(bytes), shown);
            assert_eq!(bounds(shown), Ok(bytes), "{shown}");
        }
        for given in ["1023", "65GiB", "4 M", "1.5MB", "-1", ""] {
            assert!(bounds(given).is_err(), "{given}");
        }
    }

    #[test]
    fn ages_and_back() {
        for (given, seconds, shown) in [
            (text("0"), 0, "0s"),
            (Raw::Number("90".into()), 90, "1m 30s"),
            (text("36h"), 129_600, "36h"),
            (text("7d"), 604_800, "1w"),
            (text("1y"), 365 * 86_400, "1y"),
        ] {
            assert_eq!(age(&given), Ok(Duration::from_secs(seconds)), "{given:?}");
            assert_eq!(show_age(Duration::from_secs(seconds)), shown);
            assert_eq!(age(&text(shown)), Ok(Duration::from_secs(seconds)), "{shown}");
        }
        for given in ["500ms", "101y", "-1s", "soon", ""] {
            assert!(age(&text(given)).is_err(), "{given}");
        }
    }
}
