//! Settings of the history: where it is, how large, how long.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::Settings;
use crate::settings::value::{self, AUTO, Expected, Raw};

/// No history.
const OFF: &str = "off";

/// Where root's history is.
const SYSTEM_FILE: &str = "/var/lib/plimsoll/history.db";

/// A user's, below the folder of what programs keep.
const USER_FILE: &str = "plimsoll/history.db";

/// Less cannot hold an hour of a busy machine.
const LEAST_SIZE: u64 = 16 << 20;

/// What a file in SQLite can have with room to spare.
const MOST_SIZE: u64 = 16 << 40;

/// No tier is kept for longer.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * YEAR);

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;

/// Where the history is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where this user's programs keep what they know.
    #[default]
    Usual,
    /// Nowhere.
    Off,
    /// In this file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => formatter.write_str(AUTO),
            Self::Off => formatter.write_str(OFF),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

/// How long samples and the coarser tiers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Samples, points for ten seconds, a minute, an hour.
    pub(crate) tiers: [Duration; TIERS.len()],
}

const TIERS: [&str; 4] = ["raw", "10s", "1m", "1h"];

impl Default for Keep {
    fn default() -> Self {
        Self { tiers: [DAY, WEEK, 90 * DAY, 2 * YEAR].map(Duration::from_secs) }
    }
}

impl Keep {
    /// As the setting has them.
    pub(crate) fn entries(&self) -> Vec<String> {
        TIERS.iter().zip(self.tiers).map(|(tier, time)| format!("{tier}={}", show_time(time))).collect()
    }
}

impl Settings {
    /// The file of the history; `None` where there is to be none.
    pub(crate) fn history_file(&self) -> Option<PathBuf> {
        match &self.history {
            Place::Off => None,
            Place::File(path) => Some(path.clone()),
            Place::Usual => Some(self.usual(SYSTEM_FILE, USER_FILE)),
        }
    }

    /// Where this user's programs keep what they know: a path for root, and another below the user's own folder for others.
    pub(super) fn usual(&self, system: &str, user: &str) -> PathBuf {
        if self.surroundings.uid == 0 {
            return system.into();
        }
        let below_home = || Some(self.surroundings.home.as_ref()?.join(".local/state"));
        let state = self.state_home.clone().or_else(below_home);
        state.unwrap_or_else(|| PathBuf::from(".")).join(user)
    }
}

/// A file, `auto` or `off`.
pub(super) fn place(raw: &Raw) -> Result<Place, Expected> {
    match raw {
        Raw::Text(text) if text == AUTO => Ok(Place::Usual),
        Raw::Text(text) if text == OFF => Ok(Place::Off),
        Raw::Bool(false) => Ok(Place::Off),
        _ => value::path(raw).map(Place::File).map_err(|_| "a file, auto or off".into()),
    }
}

const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

/// A number of bytes, within its bounds.
pub(super) fn size(raw: &Raw) -> Result<u64, Expected> {
    bytes(raw)
        .filter(|bytes| (LEAST_SIZE..=MOST_SIZE).contains(bytes))
        .ok_or_else(|| "a size from 16MiB to 16TiB, such as 500MB, 1GiB or plain bytes".into())
}

/// A number of bytes with a unit, or plain.
pub(super) fn bytes(raw: &Raw) -> Option<u64> {
    let (Raw::Text(text) | Raw::Number(text)) = raw else { return None };
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)))
        .unwrap_or((&text, 1));
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A size as it can be read back: in the largest unit that it is a whole number of.
pub(super) fn show_size(bytes: u64) -> String {
    let binary = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fit = binary.into_iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
    fit.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// Entries `TIER=DURATION`.
pub(super) fn keep(raw: &Raw) -> Result<Keep, Expected> {
    let expected = || {
        Expected::from(
            "tiers with durations, such as [\"raw=7d\", \"1m=1y\"]; the tiers are raw, 10s, 1m and 1h, the units h, d, w and y",
        )
    };
    let Raw::List(entries) = raw else { return Err(expected()) };
    let mut keep = Keep::default();
    for entry in entries {
        let (tier, time) = entry.split_once('=').ok_or_else(expected)?;
        let index = TIERS.iter().position(|name| *name == tier.trim()).ok_or_else(expected)?;
        keep.tiers[index] = read_time(time.trim()).ok_or_else(expected)?;
    }
    if keep.tiers.is_sorted() {
        Ok(keep)
    } else {
        Err("a tier to be kept at least as long as the finer ones, in the order raw, 10s, 1m, 1h".into())
    }
}

/// A time in hours or a longer unit.
pub(super) fn read_time(text: &str) -> Option<Duration> {
    let unit = match text.chars().next_back()? {
        'h' => HOUR,
        'd' => DAY,
        'w' => WEEK,
        'y' => YEAR,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.trim_end().parse().ok()?;
    let time = Duration::from_secs(count.checked_mul(unit)?);
    (time > Duration::ZERO && time <= LONGEST).then_some(time)
}

/// A time as it can be read back, in the longest unit that it is a whole number of.
pub(super) fn show_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [('y', YEAR), ('w', WEEK), ('d', DAY), ('h', HOUR)];
    let fit = units.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
    fit.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn sizes() {
        for (given, expected) in [
            ("1GiB", Some(1 << 30)),
            ("500 MB", Some(500_000_000)),
            ("16777216", Some(16 << 20)),
            ("16777216b", Some(16 << 20)),
            ("16mib", Some(16 << 20)),
            ("15MiB", None),
            ("17TiB", None),
            ("1.5GiB", None),
            ("-1GiB", None),
            ("GiB", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(size(&text(given)).ok(), expected, "{given}");
        }
        for bytes in [LEAST_SIZE, 1 << 30, 500_000_000, MOST_SIZE] {
            assert_eq!(size(&text(&show_size(bytes))), Ok(bytes));
        }
    }

    #[test]
    fn times_to_keep() {
        let given = |entries: &[&str]| keep(&Raw::List(entries.iter().map(|e| (*e).to_owned()).collect()));
        let changed = given(&["raw=36h", "1h=10y"]).unwrap();
        assert_eq!(changed.entries(), ["raw=36h", "10s=1w", "1m=90d", "1h=10y"]);
        assert_eq!(given(&changed.entries().iter().map(|e| &**e).collect::<Vec<_>>()), Ok(changed));
        for wrong in ["raw", "raw=", "raw=1", "raw=1s", "raw=0d", "2s=1d", "raw=101y", "raw=é", "raw=8d"] {
            assert!(given(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_usual_place() {
        let mut settings = Settings::default();
        settings.surroundings.uid = 0;
        assert_eq!(settings.history_file(), Some(SYSTEM_FILE.into()));
        settings.surroundings.uid = 1000;
        settings.surroundings.home = Some("/home/u".into());
        assert_eq!(settings.history_file(), Some("/home/u/.local/state/plimsoll/history.db".into()));
        settings.state_home = Some("/s".into());
        assert_eq!(settings.history_file(), Some("/s/plimsoll/history.db".into()));
        settings.history = place(&text("off")).unwrap();
        assert_eq!(settings.history_file(), None);
        settings.history = place(&text("/h.db")).unwrap();
        assert_eq!(
            (settings.history_file(), settings.history.to_string()),
            (Some("/h.db".into()), "/h.db".into())
        );
    }
}
