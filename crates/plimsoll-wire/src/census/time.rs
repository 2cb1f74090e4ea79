//! RFC 3339 as Go writes and reads it, in milliseconds since the epoch.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Go's time that is none, 0001-01-01T00:00:00Z: what a Go program sends if it has no time to send.
pub(super) const NO_TIME_MS: i64 = -62_135_596_800_000;

/// 0000-01-01T00:00:00Z: years have four digits and no sign.
const MIN_MS: i64 = -62_167_219_200_000;

/// The last moment of which every time zone's date has four digits, as jiff has it.
const MAX_MS: i64 = 253_402_207_200_000;

/// A time in RFC 3339; what lies beyond the calendar that can be written again is its nearest end. Fractions below a
/// millisecond are cut off. `None` if it is no such time.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let is_shaped = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !is_shaped || date.ends_with("60") {
        return None;
    }
    let seconds = civil_seconds(date.parse().ok()?);
    let (millis, zone) = fraction(rest)?;
    let moment = (seconds - offset(zone)?) * 1000 + millis;
    Some(moment.clamp(MIN_MS, MAX_MS))
}

/// Seconds since the epoch of a time in UTC.
fn civil_seconds(time: DateTime) -> i64 {
    match Offset::UTC.to_timestamp(time) {
        Ok(timestamp) => timestamp.as_second(),
        // The year has four digits: it can only be too late.
        Err(_) => Timestamp::MAX.as_second(),
    }
}

/// The milliseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, zone) = digits.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    let millis =
        digits.bytes().chain(*b"00").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((millis, zone))
}

/// The seconds that a zone, `Z` or `±hh:mm`, is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, hours, minutes) = match *zone.as_bytes() {
        [b'Z'] => return Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => (sign, two(a, b)?, two(c, d)?),
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    are_digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// The same the other way, in UTC. Without a time it is Go's time that is none.
pub(super) fn format(moment: Option<i64>) -> Timestamp {
    let moment = moment.unwrap_or(NO_TIME_MS).clamp(MIN_MS, MAX_MS);
    Timestamp::from_millisecond(moment).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        let table: &[(&str, Option<i64>)] = &[
            ("2025-10-16T20:00:00Z", Some(1_760_644_800_000)),
            ("2025-10-16T22:00:00.5+02:00", Some(1_760_644_800_500)),
            ("2025-10-16T14:30:00.000123456-05:30", Some(1_760_644_800_000)),
            ("2026-11-21T01:44:16.144453069Z", Some(1_795_225_456_144)),
            ("1970-01-01T00:00:00.07Z", Some(70)),
            ("0001-01-01T00:00:00Z", Some(NO_TIME_MS)),
            ("0000-01-01T00:00:00Z", Some(MIN_MS)),
            ("0000-01-01T00:00:00+01:00", Some(MIN_MS)),
            ("9999-12-31T23:59:59Z", Some(MAX_MS)),
            ("9999-12-30T22:00:00Z", Some(MAX_MS)),
            ("2025-10-16T20:00:60Z", None),
            ("2025-02-30T20:00:00Z", None),
            ("2025-10-16T20:00:00", None),
            ("2025-10-16T20:00:00.Z", None),
            ("2025-10-16T20:00:00.5", None),
            ("2025-10-16 20:00:00Z", None),
            ("2025-10-16T20:00:00+0200", None),
            ("2025-10-16T20:00:00+24:00", None),
            ("2025-10-16T20:00:00Z[Europe/Berlin]", None),
            ("+2025-10-16T20:00:00Z", None),
            ("2025-10-16T20:00:00\u{e9}", None),
            ("2025-10-16T20:00:0\u{e9}Z", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), *expected, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for moment in [MIN_MS, NO_TIME_MS, -1, 0, 1_760_644_800_120, MAX_MS] {
            assert_eq!(parse(&format(Some(moment)).to_string()), Some(moment));
        }
        assert_eq!(format(Some(1_760_644_800_120)).to_string(), "2025-10-16T20:00:00.12Z");
        assert_eq!(format(None).to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(format(Some(i64::MIN)).to_string(), "0000-01-01T00:00:00Z");
    }
}
