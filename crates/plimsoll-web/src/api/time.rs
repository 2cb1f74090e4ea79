//! Times and durations as a question writes them.

use jiff::{SignedDuration, Timestamp};
use plimsoll_store::Millis;

/// What a time should have been.
pub(crate) const A_TIME: &str = "a time: Unix seconds, RFC 3339 such as 2026-11-21T16:00:00Z, now, or a time before now such as -15m or -1h30m";

/// What a step should have been.
pub(crate) const A_DURATION: &str = "a duration, such as 10s, 1m, 1h30m or plain seconds";

/// The latest moment that is understood, the end of the year 9999: what is beyond was meant in milliseconds.
const LATEST: Millis = 253_402_300_799_999;

/// Reads a time.
///
/// A `+` that was not escaped reaches us as a space; in a time it can only be the zone's sign.
pub(crate) fn moment(text: &str, now: Millis) -> Option<Millis> {
    if text == "now" {
        return Some(now);
    }
    if let Some(length) = text.strip_prefix('-') {
        return now.checked_sub(duration(length)?).filter(|at| *at >= 0);
    }
    let at = match seconds(text) {
        Some(at) => at,
        None if text.contains(['T', 't']) => {
            text.replace(' ', "+").parse::<Timestamp>().ok()?.as_millisecond()
        }
        None => return None,
    };
    (0..=LATEST).contains(&at).then_some(at)
}

/// Reads a duration that is not negative: with units, or plain seconds.
pub(crate) fn duration(text: &str) -> Option<Millis> {
    if let Some(length) = seconds(text) {
        return Some(length);
    }
    // "1s ago", signs and ISO 8601 are other things.
    if !text.starts_with(|first: char| first.is_ascii_digit()) || !text.ends_with(['s', 'm', 'h', 'd', 'w']) {
        return None;
    }
    // A day is 24 hours here, which jiff does not decide for us.
    let (days, rest) = text.split_once('d').map_or((None, text), |(days, rest)| (Some(days), rest));
    let (weeks, rest) = match rest.split_once('w') {
        Some((weeks, rest)) if days.is_none() => (Some(weeks), rest),
        _ => (None, rest),
    };
    let whole = |count: Option<&str>, hours: i64| match count {
        None => Some(0),
        Some(count) => count.parse::<u32>().ok().map(|count| i64::from(count) * hours * 3_600_000),
    };
    let length = match rest {
        "" => 0,
        rest => Millis::try_from(rest.parse::<SignedDuration>().ok()?.as_millis()).ok()?,
    };
    whole(days, 24)?.checked_add(whole(weeks, 7 * 24)?)?.checked_add(length).filter(|length| *length >= 0)
}

/// Reads decimal seconds as milliseconds, exactly; what is finer is cut off.
fn seconds(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let thousandths: Millis = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.parse::<Millis>().ok()?.checked_mul(1000)?.checked_add(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_763_740_943_000;

    #[test]
    fn moments() {
        for (text, expected) in [
            ("now", Some(NOW)),
            ("0", Some(0)),
            ("1763740943", Some(NOW)),
            ("1763740943.5", Some(NOW + 500)),
            ("1763740943.0019", Some(NOW + 1)),
            ("2025-11-21T16:02:23Z", Some(NOW)),
            ("2025-11-21T17:02:23.25+01:00", Some(NOW + 250)),
            ("2025-11-21T17:02:23 01:00", Some(NOW)),
            ("-15m", Some(NOW - 900_000)),
            ("-1h30m", Some(NOW - 5_400_000)),
            ("-90", Some(NOW - 90_000)),
            ("-7d", Some(NOW - 604_800_000)),
            ("-1w", Some(NOW - 604_800_000)),
            ("-1d12h", Some(NOW - 129_600_000)),
            ("1763740943000", None),
            ("-100y", None),
            ("--5m", None),
            ("2025-11-21", None),
            ("2025-11-21T16:02:23", None),
            ("tomorrow", None),
            ("1e9", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("99999999999999999999", None),
            ("T", None),
        ] {
            assert_eq!(moment(text, NOW), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1m", Some(60_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("1d", Some(86_400_000)),
            ("2w", Some(1_209_600_000)),
            ("-1s", None),
            ("1s ago", None),
            ("PT1S", None),
            ("1x", None),
            ("d", None),
            ("4294967296d", None),
            ("é", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
