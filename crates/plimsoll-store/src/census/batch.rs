//! Rows of a census' tables as text, made into what a store keeps.

use serde::de::IgnoredAny;

use crate::census::facts::{Day, day_of};
use crate::census::prepare::{BIG, Prepared, REAL, WHOLE};
use crate::census::uses::each_use;

/// What an import did. Progress is told in the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were read.
    pub read: u64,
    /// Reports that were not there before.
    pub reports: u64,
    /// Events that were not there before.
    pub events: u64,
    /// Images of weeks that were not there before.
    pub weeks: u64,
    /// Rows that make no sense, and were left out.
    pub skipped: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Rows for one transaction.
#[derive(Debug, Default)]
pub(in crate::census) struct Batch {
    /// With the time when the row was made, in microseconds.
    pub(in crate::census) reports: Vec<(Prepared, Option<i64>)>,
    pub(in crate::census) events: Vec<EventRow>,
    pub(in crate::census) weeks: Vec<WeekRow>,
}

/// A row of `submission_events`.
#[derive(Debug)]
pub(in crate::census) struct EventRow {
    pub(in crate::census) installation_id: String,
    pub(in crate::census) kind: String,
    pub(in crate::census) at_us: i64,
    pub(in crate::census) containers: i32,
    pub(in crate::census) hosts: i32,
    pub(in crate::census) created_us: Option<i64>,
}

/// A row of `image_stats_weekly`.
#[derive(Debug)]
pub(in crate::census) struct WeekRow {
    pub(in crate::census) week: Day,
    pub(in crate::census) image: String,
    pub(in crate::census) containers: i64,
    pub(in crate::census) installations: i64,
    pub(in crate::census) first_seen: Day,
}

impl Batch {
    pub(in crate::census) fn len(&self) -> usize {
        self.reports.len() + self.events.len() + self.weeks.len()
    }

    /// Takes a row of a table; not if it makes no sense.
    pub(super) fn add(&mut self, table: &str, columns: &[String], values: &[Option<String>]) -> bool {
        let row = Row { columns, values };
        match table {
            "telemetry_reports" => row.report().map(|report| self.reports.push(report)),
            "submission_events" => row.event().map(|event| self.events.push(event)),
            "image_stats_weekly" => row.week().map(|week| self.weeks.push(week)),
            _ => None,
        }
        .is_some()
    }
}

struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<String>],
}

impl Row<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let at = self.columns.iter().position(|column| column == name)?;
        self.values.get(at)?.as_deref()
    }

    /// A number; 0 if there is none, as in a schema that has no such column yet.
    fn whole(&self, name: &str) -> i64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn small(&self, name: &str) -> i32 {
        i32::try_from(self.whole(name)).unwrap_or(i32::MAX)
    }

    fn time(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
    }

    fn date(&self, name: &str) -> Option<Day> {
        let date: jiff::civil::Date = self.text(name)?.parse().ok()?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(day_of(midnight.timestamp().as_millisecond()))
    }

    fn id(&self) -> Option<String> {
        let id = self.text("installation_id")?;
        (!id.is_empty() && id.chars().count() <= 255 && !id.contains('\0')).then(|| id.to_owned())
    }

    fn bounded(&self, name: &str, longest: usize) -> String {
        let text = self.text(name).unwrap_or_default();
        text.chars().filter(|char| *char != '\0').take(longest).collect()
    }

    /// JSON that PostgreSQL takes.
    fn json(&self, name: &str) -> String {
        let json = self.text(name).unwrap_or("null");
        let is_good = serde_json::from_str::<IgnoredAny>(json).is_ok() && !json.contains("\\u0000");
        if is_good { json } else { "null" }.to_owned()
    }

    /// A list of images that can be read to its end: PostgreSQL would refuse any other.
    fn images(&self) -> String {
        let images = self.json("image_stats");
        if each_use(&images, |_| {}) { images } else { "null".to_owned() }
    }

    fn report(&self) -> Option<(Prepared, Option<i64>)> {
        let report = Prepared {
            installation_id: self.id()?,
            text: [
                self.bounded("version", 50),
                self.bounded("timezone", 100),
                self.images(),
                self.json("agent_versions"),
            ],
            whole: WHOLE.map(|name| self.small(name)),
            big: BIG.map(|name| self.whole(name)),
            real: REAL.map(|name| {
                let number = self.text(name).and_then(|text| text.parse::<f32>().ok());
                number.filter(|number| number.is_finite()).unwrap_or(0.0)
            }),
            at_us: self.time("timestamp")?,
        };
        Some((report, self.time("created_at")))
    }

    fn event(&self) -> Option<EventRow> {
        Some(EventRow {
            installation_id: self.id()?,
            kind: self.bounded("event_type", 10),
            at_us: self.time("timestamp")?,
            containers: self.small("containers"),
            hosts: self.small("hosts"),
            created_us: self.time("created_at"),
        })
    }

    fn week(&self) -> Option<WeekRow> {
        let week = self.date("week_start")?;
        Some(WeekRow {
            week,
            image: self.bounded("image", 500),
            containers: self.whole("total_count"),
            installations: self.whole("installation_count"),
            first_seen: self.date("first_seen").unwrap_or(week),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_oldest_schema_are_taken_and_nonsense_is_not() {
        let columns = ["installation_id", "timestamp", "host_count", "image_stats"].map(str::to_owned);
        let time = "2026-11-21 02:01:53.063754+00";
        for (values, is_taken) in [
            ([Some("a"), Some(time), Some("3"), Some("[]")], true),
            ([Some("a"), Some("0001-01-01 00:53:28+00:53:28"), None, Some("{broken")], true),
            ([Some("a"), Some("infinity"), Some("3"), Some("[]")], false),
            ([Some(""), Some(time), Some("3"), Some("[]")], false),
            ([None, Some(time), Some("3"), Some("[]")], false),
        ] {
            let mut batch = Batch::default();
            let row = values.map(|value| value.map(str::to_owned));
            assert_eq!(batch.add("telemetry_reports", &columns, &row), is_taken, "{values:?}");
            assert_eq!(batch.len(), usize::from(is_taken));
            if values[1] == Some(time) && is_taken {
                let (report, created) = &batch.reports[0];
                assert_eq!((report.at_us, *created), (1_795_226_513_063_754, None));
                assert_eq!(
                    (report.hosts(), report.text[2].as_str(), report.text[3].as_str()),
                    (3, "[]", "null")
                );
            }
        }
    }
}
