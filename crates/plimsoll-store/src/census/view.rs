//! Tables as they are, a page at a time.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// How values of a column are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    Real,
    Text,
    /// Microseconds count on PostgreSQL, milliseconds on SQLite.
    Time,
    Date,
    Json,
}

/// A table that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `telemetry_reports`.
    Reports,
    /// `image_stats`.
    Images,
    /// `submission_events`.
    Events,
    /// `image_stats_weekly`.
    Weeks,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reports, Self::Images, Self::Events, Self::Weeks];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reports => "telemetry_reports",
            Self::Images => "image_stats",
            Self::Events => "submission_events",
            Self::Weeks => "image_stats_weekly",
        }
    }

    /// The names of its columns.
    #[must_use]
    pub fn column_names(self) -> Vec<&'static str> {
        self.columns().iter().map(|(name, _)| *name).collect()
    }

    /// What it is sorted by if nobody says.
    pub(super) fn order(self) -> &'static str {
        if self == Self::Weeks { "week_start" } else { "timestamp" }
    }

    /// Whether its rows belong to installations.
    pub(super) fn has_installations(self) -> bool {
        self != Self::Weeks
    }

    pub(super) fn columns(self) -> &'static [(&'static str, Kind)] {
        use Kind::{Date, Json, Real, Text, Time, Whole};
        match self {
            Self::Reports => &[
                ("id", Whole),
                ("installation_id", Text),
                ("version", Text),
                ("timestamp", Time),
                ("host_count", Whole),
                ("agent_count", Whole),
                ("total_containers", Whole),
                ("scan_interval", Whole),
                ("image_stats", Json),
                ("agent_versions", Json),
                ("containers_running", Whole),
                ("containers_stopped", Whole),
                ("containers_paused", Whole),
                ("containers_other", Whole),
                ("avg_cpu_percent", Real),
                ("avg_memory_bytes", Whole),
                ("total_memory_limit", Whole),
                ("avg_restarts", Real),
                ("high_restart_containers", Whole),
                ("total_image_size", Whole),
                ("unique_images", Whole),
                ("timezone", Text),
                ("compose_project_count", Whole),
                ("containers_in_compose", Whole),
                ("network_count", Whole),
                ("custom_network_count", Whole),
                ("shared_volume_count", Whole),
                ("containers_with_deps", Whole),
                ("total_dependencies", Whole),
                ("avg_connections_per_container", Real),
                ("created_at", Time),
            ],
            Self::Images => &[
                ("id", Whole),
                ("installation_id", Text),
                ("timestamp", Time),
                ("image", Text),
                ("count", Whole),
                ("size_bytes", Whole),
                ("created_at", Time),
            ],
            Self::Events => &[
                ("id", Whole),
                ("installation_id", Text),
                ("event_type", Text),
                ("timestamp", Time),
                ("containers", Whole),
                ("hosts", Whole),
                ("created_at", Time),
            ],
            Self::Weeks => &[
                ("id", Whole),
                ("week_start", Date),
                ("image", Text),
                ("total_count", Whole),
                ("installation_count", Whole),
                ("first_seen", Date),
                ("created_at", Time),
            ],
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Table {
    type Err = UnknownTable;

    fn from_str(name: &str) -> Result<Self, UnknownTable> {
        Self::ALL.into_iter().find(|table| table.name() == name).ok_or(UnknownTable)
    }
}

/// No table that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such table; there are telemetry_reports, image_stats, submission_events and image_stats_weekly")]
pub struct UnknownTable;

/// What to show of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseView {
    /// Which table.
    pub table: Table,
    /// At most so many rows, and never more than [`DatabaseView::MAX_LIMIT`].
    pub limit: u32,
    /// Rows to leave out before.
    pub offset: u64,
    /// The column to sort by; the time if `None`. Any name that the table does not have is refused.
    pub sort_by: Option<String>,
    /// Smallest first; largest first if not.
    pub ascending: bool,
    /// Only the rows of this installation, where the table has installations.
    pub installation_id: Option<String>,
}

impl DatabaseView {
    /// The most rows of one page.
    pub const MAX_LIMIT: u32 = 1000;

    /// The first page of a table.
    #[must_use]
    pub fn of(table: Table) -> Self {
        Self { table, limit: 50, offset: 0, sort_by: None, ascending: false, installation_id: None }
    }
}

/// Rows of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabasePage {
    /// The rows as objects with v1's keys: numbers, texts, times as RFC 3339, and what is JSON in the table as it is.
    pub rows: Vec<Value>,
    /// How many rows there are on all pages.
    pub total: u64,
}

/// A time as v1 writes it: RFC 3339 in UTC, with as many digits of a second as it has.
pub(super) fn time_text(microseconds: i64) -> Option<String> {
    jiff::Timestamp::from_microsecond(microseconds).ok().map(|time| time.to_string())
}

/// A day as v1 writes it: its midnight.
pub(super) fn date_text(day: super::Day) -> Option<String> {
    time_text(i64::from(day) * super::facts::DAY_MS * 1000)
}

/// A single-precision number in its shortest decimal form: 2.89 stays 2.89.
pub(super) fn real(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_look_as_those_of_the_first_version() {
        assert_eq!(time_text(1_763_678_597_000_000).unwrap(), "2025-11-20T22:43:17Z");
        assert_eq!(time_text(1_763_678_597_063_754).unwrap(), "2025-11-20T22:43:17.063754Z");
        assert_eq!(date_text(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(real(2.89), serde_json::json!(2.89));
        assert_eq!("image_stats".parse(), Ok(Table::Images));
        assert_eq!("pg_shadow".parse::<Table>(), Err(UnknownTable));
    }
}
