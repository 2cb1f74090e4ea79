//! What somebody else kept comes in: reports, events and weeks that are not here yet.

use std::collections::HashSet;
use std::sync::LazyLock;

use tokio_postgres::types::ToSql;

use super::Postgres;
use super::columns::{Arrays, names, unnest};
use super::types::Time;
use crate::census::batch::Batch;
use crate::census::{CensusError, Imported};

static IMPORT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH new AS (INSERT INTO telemetry_reports(installation_id, created_at{0}) SELECT u.installation_id, \
         u.created_at{1} FROM unnest($1::text[], $2::timestamptz[]{2}) AS u(installation_id, created_at{0}) \
         WHERE NOT EXISTS (SELECT FROM telemetry_reports t WHERE t.installation_id = u.installation_id \
         AND t.timestamp = u.timestamp) RETURNING *), \
         images AS (INSERT INTO image_stats(installation_id, timestamp, image, count, size_bytes, created_at) \
         SELECT n.installation_id, n.timestamp, left(i.image, 500), least(coalesce(i.count, 0), 2147483647), \
         coalesce(i.size_bytes, 0), n.created_at FROM new n, jsonb_to_recordset(CASE jsonb_typeof(n.image_stats) \
         WHEN 'array' THEN n.image_stats ELSE '[]' END) AS i(image text, count numeric, size_bytes numeric) \
         WHERE i.image <> ''), \
         history AS (INSERT INTO census_history(day, installation_id, containers, hosts, images) SELECT DISTINCT ON \
         (installation_id, (timestamp AT TIME ZONE 'UTC')::date) (timestamp AT TIME ZONE 'UTC')::date, \
         installation_id, total_containers, host_count, unique_images FROM new ORDER BY installation_id, \
         (timestamp AT TIME ZONE 'UTC')::date, timestamp DESC ON CONFLICT DO NOTHING), \
         seen AS (INSERT INTO census_installations(installation_id, report_id, report_at, first_seen, last_seen) \
         SELECT DISTINCT ON (installation_id) installation_id, id, timestamp, min(timestamp) OVER (PARTITION BY \
         installation_id), timestamp FROM new ORDER BY installation_id, timestamp DESC \
         ON CONFLICT (installation_id) DO UPDATE SET first_seen = least(census_installations.first_seen, \
         excluded.first_seen), last_seen = greatest(census_installations.last_seen, excluded.last_seen), \
         report_id = CASE WHEN excluded.report_at > census_installations.report_at THEN excluded.report_id ELSE \
         census_installations.report_id END, report_at = greatest(census_installations.report_at, \
         excluded.report_at)) SELECT count(*) FROM new",
        names(""),
        names("u."),
        unnest(3),
    )
});

impl Postgres {
    pub(in crate::census) async fn import(&self, batch: &Batch) -> Result<Imported, CensusError> {
        let failed = self.failed("import");
        let mut lent = self.lend(&self.background).await?;
        let on = lent.on.client.transaction().await.map_err(&failed)?;
        let mut imported = Imported::default();
        let (mut arrays, mut created) = (Arrays::default(), Vec::new());
        let mut seen = HashSet::new();
        for (report, at) in &batch.reports {
            if seen.insert((&report.installation_id, report.at_us)) {
                arrays.push(report);
                created.push(at.map(Time));
            }
        }
        if !created.is_empty() {
            let head: [&(dyn ToSql + Sync); 2] = [&arrays.installations, &created];
            let all: Vec<&(dyn ToSql + Sync)> = head.into_iter().chain(arrays.report()).collect();
            let row = on.query_one(IMPORT.as_str(), &all).await.map_err(&failed)?;
            imported.reports = row.get::<_, i64>(0).cast_unsigned();
        }
        for event in &batch.events {
            let (at, created) = (Time(event.at_us), event.created_us.map(Time));
            imported.events += on
                .execute(
                    "INSERT INTO submission_events(installation_id, event_type, timestamp, containers, hosts, \
                     created_at) SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM submission_events WHERE \
                     installation_id = $1::varchar AND event_type = $2::varchar AND timestamp = $3 AND created_at \
                     IS NOT DISTINCT FROM $6)",
                    &[&event.installation_id, &event.kind, &at, &event.containers, &event.hosts, &created],
                )
                .await
                .map_err(&failed)?;
        }
        for week in &batch.weeks {
            imported.weeks += on
                .execute(
                    "INSERT INTO image_stats_weekly(week_start, image, total_count, installation_count, first_seen) \
                     VALUES (DATE '1970-01-01' + $1::int, $2, least($3::bigint, 2147483647), \
                     least($4::bigint, 2147483647), DATE '1970-01-01' + $5::int) ON CONFLICT DO NOTHING",
                    &[&week.week, &week.image, &week.containers, &week.installations, &week.first_seen],
                )
                .await
                .map_err(&failed)?;
        }
        if imported.reports > 0 {
            on.execute("DELETE FROM census_meta WHERE key = 'filled'", &[]).await.map_err(&failed)?;
        }
        on.commit().await.map_err(&failed)?;
        lent.give_back();
        Ok(imported)
    }
}
