//! What is kept by day and by week.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::Transaction;

use super::Postgres;
use super::types::Time;
use crate::census::CensusError;
use crate::census::facts::{DAY_MS, Day, day_of, monday};
use crate::census::load::OLDEST_MS;
use crate::census::trend::Weeks;

/// One program counts at a time: "counts" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(109360105223283)";

/// Whoever reported to the old program, which keeps no history: rows that we did not write.
const OTHERS: &str = "WITH others AS (SELECT t.* FROM telemetry_reports t LEFT JOIN census_installations c \
     USING (installation_id) WHERE t.timestamp >= $1 AND t.timestamp <= $2 AND (c.installation_id IS NULL OR \
     (t.id = c.report_id AND t.timestamp <> c.report_at) OR (t.id > c.report_id))), \
     seen AS (INSERT INTO census_installations(installation_id, report_id, report_at, first_seen, last_seen) \
     SELECT DISTINCT ON (installation_id) installation_id, id, timestamp, timestamp, timestamp FROM others \
     ORDER BY installation_id, timestamp DESC ON CONFLICT (installation_id) DO UPDATE SET \
     last_seen = greatest(census_installations.last_seen, excluded.last_seen)) \
     INSERT INTO census_history(day, installation_id, containers, hosts, images) SELECT DISTINCT ON (installation_id, \
     (timestamp AT TIME ZONE 'UTC')::date) (timestamp AT TIME ZONE 'UTC')::date, installation_id, total_containers, \
     host_count, coalesce(unique_images, 0) FROM others ORDER BY installation_id, \
     (timestamp AT TIME ZONE 'UTC')::date, timestamp DESC, id DESC ON CONFLICT (installation_id, day) DO UPDATE SET \
     containers = excluded.containers, hosts = excluded.hosts, images = excluded.images";

/// What retention took from the history stays counted.
const DAYS: &str = "WITH since AS (SELECT greatest(DATE '1970-01-01' + $1::int, (SELECT min(day) FROM census_history)) \
     AS day), gone AS (DELETE FROM census_days WHERE day >= (SELECT day FROM since) AND day NOT IN (SELECT h.day FROM \
     census_history h WHERE h.day >= (SELECT day FROM since))) INSERT INTO census_days SELECT day, count(*), \
     sum(containers) FROM census_history WHERE day >= (SELECT day FROM since) GROUP BY day ON CONFLICT (day) \
     DO UPDATE SET installations = excluded.installations, containers = excluded.containers";

/// The last report of each installation in each week.
const LATEST: &str = "SELECT t.timestamp, coalesce(t.image_stats::text, 'null') FROM telemetry_reports t JOIN (SELECT \
     DISTINCT ON (installation_id, date_trunc('week', timestamp AT TIME ZONE 'UTC')) id FROM telemetry_reports WHERE \
     timestamp >= $1 AND timestamp <= $2 ORDER BY installation_id, date_trunc('week', timestamp AT TIME ZONE 'UTC'), \
     timestamp DESC, id DESC) latest USING (id)";

/// Earlier weeks are as they were counted then: their reports may have been updated since.
const WEEKS: &str = "INSERT INTO image_stats_weekly(week_start, image, total_count, installation_count, first_seen) \
     SELECT DATE '1970-01-01' + u.week, left(u.image, 500), least(u.containers, 2147483647), \
     least(u.installations, 2147483647), DATE '1970-01-01' + u.first FROM unnest($1::int[], $2::text[], $3::bigint[], \
     $4::bigint[], $5::int[]) AS u(week, image, containers, installations, first) ON CONFLICT (week_start, image) \
     DO UPDATE SET total_count = excluded.total_count, installation_count = excluded.installation_count, \
     first_seen = least(image_stats_weekly.first_seen, excluded.first_seen) WHERE image_stats_weekly.week_start = \
     DATE '1970-01-01' + $6::int AND (image_stats_weekly.total_count, image_stats_weekly.installation_count, \
     image_stats_weekly.first_seen) IS DISTINCT FROM (excluded.total_count, excluded.installation_count, \
     least(image_stats_weekly.first_seen, excluded.first_seen))";

/// What nobody uses any more in the current week.
const UNUSED: &str = "UPDATE image_stats_weekly w SET total_count = 0, installation_count = 0 WHERE week_start = \
     DATE '1970-01-01' + $1::int AND installation_count > 0 AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS u(image) \
     WHERE u.image = w.image)";

/// How many images go into one statement.
const ROWS: usize = 10_000;

impl Postgres {
    pub(in crate::census) async fn refresh_days(&self, now_ms: i64) -> Result<(), CensusError> {
        let failed = self.failed("count days and weeks");
        let mut lent = self.lend(&self.background).await?;
        let on = lent.on.client.transaction().await.map_err(&failed)?;
        refresh(&on, now_ms).await.map_err(&failed)?;
        on.commit().await.map_err(&failed)?;
        lent.give_back();
        Ok(())
    }
}

async fn refresh(on: &Transaction<'_>, now_ms: i64) -> Result<(), tokio_postgres::Error> {
    on.query(LOCK, &[]).await?;
    let today = day_of(now_ms);
    let is_filled = on.query_opt("SELECT FROM census_meta WHERE key = 'filled'", &[]).await?.is_some();
    let until = Time::from_ms(now_ms.saturating_add(DAY_MS));
    let recent = Time::from_ms(i64::from(today - 2) * DAY_MS);
    on.execute(OTHERS, &[&recent, &until]).await?;
    // The first day that PostgreSQL knows lies before any history.
    let since = if is_filled { today - 2 } else { -2_000_000 };
    on.execute(DAYS, &[&since]).await?;

    let week = monday(today);
    let from = if is_filled { i64::from(week) * DAY_MS } else { OLDEST_MS };
    let mut weeks = Weeks::default();
    {
        let parameters = [Time::from_ms(from), until];
        let mut rows = pin!(on.query_raw(LATEST, parameters).await?);
        while let Some(row) = rows.try_next().await? {
            weeks.add(row.get::<_, Time>(0).ms(), row.get(1));
        }
    }
    let rows = weeks.rows();
    for rows in rows.chunks(ROWS) {
        let starts: Vec<Day> = rows.iter().map(|(start, ..)| *start).collect();
        let images: Vec<&str> = rows.iter().map(|(_, image, _)| *image).collect();
        let containers: Vec<i64> =
            rows.iter().map(|(.., count)| i64::try_from(count.containers).unwrap_or(i64::MAX)).collect();
        let installations: Vec<i64> =
            rows.iter().map(|(.., count)| count.installations.cast_signed()).collect();
        let first: Vec<Day> = rows.iter().map(|(.., count)| count.first_seen).collect();
        on.execute(WEEKS, &[&starts, &images, &containers, &installations, &first, &week]).await?;
    }
    let used: Vec<&str> =
        rows.iter().filter(|(start, ..)| *start == week).map(|(_, image, _)| *image).collect();
    on.execute(UNUSED, &[&week, &used]).await?;
    on.execute("INSERT INTO census_meta VALUES ('filled', '1') ON CONFLICT DO NOTHING", &[]).await?;
    Ok(())
}
