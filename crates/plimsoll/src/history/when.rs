//! Moments as people write them.
//!
//! | written | meant |
//! |---|---|
//! | `now` | now |
//! | `10 minutes ago`, `10m ago`, `-10m`, `10m`, `1h 30m ago` | so long before now: a history has no future |
//! | `14:00`, `14:00:05` | today, local time |
//! | `2026-11-21`, `2026-11-21 14:00`, `2026-11-21T14:00:05` | local time |
//! | `2026-11-21T14:00:05Z`, `2026-11-21T14:00:05+01:00` | that moment (RFC 3339) |
//! | `1795269725`, `1795269725.5`, `1795269725000` | Unix time in seconds, or with 13 digits in milliseconds |

use clap::Arg;
use jiff::civil::{DateTime, Time};
use jiff::{Span, Timestamp, Zoned};
use plimsoll_store::Millis;

use crate::failure::Failure;
use crate::text;

/// What the help of each flag with a moment says.
const FORMS: &str = "As `10 minutes ago`, `-10m`, `14:00`, `2026-11-21 14:00`, `2026-11-21T14:00:00Z`, `now` or \
                                Unix seconds; without a zone it is local time.";

/// A flag that takes a moment.
pub(crate) fn argument(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("MOMENT")
        .allow_hyphen_values(true)
        .help(help)
        .long_help(format!("{help}. {FORMS}"))
}

/// Seconds of Unix time have at least so many digits, since 1973; fewer are a mistake.
const DIGITS_MIN: usize = 9;

/// From so many digits on they are milliseconds.
const DIGITS_OF_MILLIS: usize = 12;

/// The moment that the value of a flag means.
pub(crate) fn parse(flag: &str, given: &str, now: &Zoned) -> Result<Millis, Failure> {
    moment(given.trim(), now).ok_or_else(|| {
        Failure::caller(format!("--{flag}: {} is no moment", text::quoted(given)))
            .remedy("write it as `10 minutes ago`, `-10m`, `14:00`, `2026-11-21 14:00`, `2026-11-21T14:00:00Z`, `now` or Unix seconds")
    })
}

fn moment(given: &str, now: &Zoned) -> Option<Millis> {
    if given.eq_ignore_ascii_case("now") {
        return Some(now.timestamp().as_millisecond());
    }
    if given.starts_with(|first: char| first.is_ascii_digit())
        && given.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return unix(given);
    }
    if let Ok(time) = given.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let local = |time: DateTime| Some(now.time_zone().to_zoned(time).ok()?.timestamp().as_millisecond());
    // A time alone comes before a date: `14:00` is both to nobody.
    if let Ok(time) = given.parse::<Time>() {
        return local(now.date().to_datetime(time));
    }
    if let Ok(time) = given.parse::<DateTime>() {
        return local(time);
    }
    let span: Span = given.parse().ok()?;
    let before = if span.is_negative() { span } else { span.negate() };
    Some(now.checked_add(before).ok()?.timestamp().as_millisecond())
}

/// Seconds, with or without a fraction, or milliseconds.
fn unix(given: &str) -> Option<Millis> {
    let (whole, fraction) = given.split_once('.').unwrap_or((given, ""));
    if whole.len() < DIGITS_MIN || fraction.contains('.') {
        return None;
    }
    let number: Millis = whole.parse().ok()?;
    if whole.len() >= DIGITS_OF_MILLIS {
        return Some(number);
    }
    let millis: Millis = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    number.checked_mul(1000)?.checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        // A zone with a name and another day's offset: New York, half an hour after summer time ended there.
        let now: Zoned = "2026-11-01T01:30:00-05:00[America/New_York]".parse().unwrap();
        let at = now.timestamp().as_millisecond();
        let minute = 60_000;
        let cases = [
            ("now", Some(at)),
            (" NOW ", Some(at)),
            ("10 minutes ago", Some(at - 10 * minute)),
            ("10m ago", Some(at - 10 * minute)),
            ("-10m", Some(at - 10 * minute)),
            ("10m", Some(at - 10 * minute)),
            ("90s", Some(at - 90_000)),
            ("1h 30m ago", Some(at - 90 * minute)),
            ("1h30m", Some(at - 90 * minute)),
            ("1 day ago", Some(at - 25 * 60 * minute)),
            ("2w", Some(at - (14 * 24 + 1) * 60 * minute)),
            ("00:30", Some(at - 2 * 60 * minute)),
            ("00:30:05", Some(at - 2 * 60 * minute + 5000)),
            ("2026-11-01 00:30", Some(at - 2 * 60 * minute)),
            ("2026-11-01T00:30:05", Some(at - 2 * 60 * minute + 5000)),
            ("2026-11-01", Some(at - 150 * minute)),
            ("2026-11-01T06:30:00Z", Some(at)),
            ("2026-11-01T07:30:00.250+01:00", Some(at + 250)),
            ("1795269725", Some(1_795_269_725_000)),
            ("1795269725.5", Some(1_795_269_725_500)),
            ("1795269725.0004", Some(1_795_269_725_000)),
            ("1795269725123", Some(1_795_269_725_123)),
            ("", None),
            ("10", None),
            ("2026", None),
            ("1795269725.5.5", None),
            ("99999999999999999999", None),
            ("yesteryear", None),
            ("25:00", None),
            ("2026-13-01", None),
            ("ten minutes ago", None),
            ("99999999y", None),
            ("-", None),
        ];
        for (given, expected) in cases {
            assert_eq!(moment(given.trim(), &now), expected, "{given}");
        }
        let message = parse("from", "ten\u{1b} minutes", &now).unwrap_err().told();
        assert!(message.contains("--from: `ten\\u{1b} minutes`") && message.contains("-10m"), "{message}");
    }
}
