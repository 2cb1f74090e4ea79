//! What is read from the file.

use std::sync::LazyLock;

use super::Sqlite;
use crate::census::load::{Latest, Loader, NUMBERS, bounds, first_week};
use crate::census::{CensusError, Counts, Event, Facts};

/// With `max()`, SQLite gives the other columns of the row that has the greatest value.
static LATEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT t.timestamp, coalesce(t.version, ''), coalesce(t.timezone, ''), coalesce(t.image_stats, 'null'), \
         coalesce(t.avg_connections_per_container, 0.0), coalesce(t.{}, 0) FROM telemetry_reports t JOIN (SELECT id, \
         max(timestamp) FROM telemetry_reports WHERE timestamp >= ? AND timestamp <= ? GROUP BY installation_id) \
         latest ON latest.id = t.id",
        NUMBERS.join(", 0), coalesce(t.")
    )
});

impl Sqlite {
    pub(in crate::census) async fn facts(&self, now_ms: i64, days: u32) -> Result<Facts, CensusError> {
        self.read("load the facts", move |connection| {
            let on = connection.transaction()?;
            let mut loader = Loader::new(now_ms, days);
            let mut statement = on.prepare_cached(&LATEST)?;
            let mut rows = statement.query(<[i64; 2]>::from(bounds(now_ms, days)))?;
            while let Some(row) = rows.next()? {
                let mut numbers = [0; NUMBERS.len()];
                for (at, number) in numbers.iter_mut().enumerate() {
                    *number = row.get(5 + at)?;
                }
                loader.latest(&Latest {
                    timestamp_ms: row.get(0)?,
                    version: row.get_ref(1)?.as_str()?,
                    timezone: row.get_ref(2)?.as_str()?,
                    images: row.get_ref(3)?.as_str()?,
                    avg_connections: row.get(4)?,
                    numbers,
                });
            }
            let mut statement =
                on.prepare_cached("SELECT day, installations, containers FROM census_days")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                loader.day(row.get(0)?, row.get(1)?, row.get(2)?);
            }
            let mut statement = on.prepare_cached(
                "SELECT week_start, image, total_count, installation_count FROM image_stats_weekly WHERE \
                 week_start >= ? AND installation_count > 0",
            )?;
            let mut rows = statement.query([first_week(now_ms)])?;
            while let Some(row) = rows.next()? {
                loader.week(row.get(0)?, row.get_ref(1)?.as_str()?, row.get(2)?, row.get(3)?);
            }
            let mut statement =
                on.prepare_cached("SELECT image, min(first_seen) FROM image_stats_weekly GROUP BY image")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                loader.first_seen(row.get_ref(0)?.as_str()?, row.get(1)?);
            }
            let total = on.query_row("SELECT count(*) FROM telemetry_reports", [], |row| row.get(0))?;
            Ok(loader.finish(total))
        })
        .await
    }

    pub(in crate::census) async fn recent_events(
        &self,
        limit: u32,
        since: i64,
    ) -> Result<Vec<Event>, CensusError> {
        self.read("read events", move |on| {
            on.prepare_cached(
                "SELECT id, installation_id, event_type, timestamp, containers, hosts FROM submission_events \
                 WHERE id > ? ORDER BY id DESC LIMIT ?",
            )?
            .query_map((since, limit), |row| {
                Ok(Event {
                    id: row.get(0)?,
                    installation_id: row.get(1)?,
                    event_type: row.get(2)?,
                    timestamp_ms: row.get(3)?,
                    containers: row.get(4)?,
                    hosts: row.get(5)?,
                })
            })?
            .collect()
        })
        .await
    }

    pub(in crate::census) async fn counts(&self) -> Result<Counts, CensusError> {
        self.read("count", |on| {
            let count = |sql: &str| on.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
            Ok(Counts {
                installations: count("SELECT count(*) FROM census_installations")?,
                reports: count("SELECT count(*) FROM telemetry_reports")?,
                events: count("SELECT count(*) FROM submission_events")?,
                history: count("SELECT count(*) FROM census_history")?,
                images_pending: count("SELECT count(*) FROM census_installations WHERE images_pending")?,
                bytes: count("PRAGMA page_count")? * count("PRAGMA page_size")?,
            })
        })
        .await
    }
}
