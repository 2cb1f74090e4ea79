//! Reports go in, images follow, installations are forgotten.

use std::collections::HashMap;
use std::sync::LazyLock;

use futures_util::future;
use tokio_postgres::types::ToSql;

use super::connect::Connected;
use super::types::Time;
use super::{PATIENCE, Postgres};
use crate::census::facts::day_of;
use crate::census::import::Batch;
use crate::census::prepare::{BIG, Prepared, REAL, TEXT, WHOLE, WINDOW_MS, is_last};
use crate::census::trend::trend_name;
use crate::census::uses::each_use;
use crate::census::{CensusError, Imported, Ingested};

/// Locks each installation's row, in the order of ids so that two programs wait for each other only one way around.
const LOCK: &str = "INSERT INTO census_installations(installation_id, first_seen, last_seen, images_pending) \
     SELECT id, $2::timestamptz, $2::timestamptz, true FROM unnest($1::text[]) AS u(id) ORDER BY id ON CONFLICT (installation_id) DO UPDATE SET \
     last_seen = greatest(census_installations.last_seen, excluded.last_seen), images_pending = true";

/// The row of each installation that is within the window.
const WITHIN_WINDOW: &str = "SELECT r.id FROM unnest($1::text[]) WITH ORDINALITY AS u(id, n) LEFT JOIN LATERAL \
     (SELECT id::bigint FROM telemetry_reports WHERE installation_id = u.id AND timestamp >= $2 \
     ORDER BY timestamp DESC, telemetry_reports.id DESC LIMIT 1) r ON true ORDER BY u.n";

const EVENTS: &str = "INSERT INTO submission_events(installation_id, event_type, timestamp, containers, hosts) \
     SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[], $5::int[])";

const HISTORY: &str = "INSERT INTO census_history(day, installation_id, containers, hosts, images) \
     SELECT DATE '1970-01-01' + $1::int, u.* FROM unnest($2::text[], $3::int[], $4::int[], $5::int[]) AS u \
     ON CONFLICT (installation_id, day) DO UPDATE SET containers = excluded.containers, hosts = excluded.hosts, \
     images = excluded.images";

const FOLLOW: &str = "WITH pending AS (SELECT installation_id, report_id FROM census_installations \
     WHERE images_pending LIMIT $1 FOR UPDATE SKIP LOCKED), \
     latest AS (SELECT t.installation_id, t.timestamp AS at, t.image_stats AS images, (SELECT max(o.timestamp) FROM \
     telemetry_reports o WHERE o.installation_id = t.installation_id AND o.timestamp < t.timestamp) AS before \
     FROM pending p JOIN telemetry_reports t ON t.id = p.report_id), \
     gone AS (DELETE FROM image_stats i USING latest l WHERE i.installation_id = l.installation_id \
     AND (l.before IS NULL OR i.timestamp > l.before)), \
     added AS (INSERT INTO image_stats(installation_id, timestamp, image, count, size_bytes) SELECT l.installation_id, \
     l.at, left(u.image, 500), least(coalesce(u.count, 0), 2147483647), coalesce(u.size_bytes, 0) FROM latest l, \
     jsonb_to_recordset(CASE jsonb_typeof(l.images) WHEN 'array' THEN l.images ELSE '[]' END) \
     AS u(image text, count bigint, size_bytes bigint) WHERE u.image <> '') \
     UPDATE census_installations c SET images_pending = false FROM pending p \
     WHERE c.installation_id = p.installation_id";

/// The columns of a report with the casts of what is sent as text; [`Arrays::report`] has their order.
fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let json =
        |name: &'static str| if matches!(name, "image_stats" | "agent_versions") { "::jsonb" } else { "" };
    let texts = TEXT.into_iter().map(move |name| (name, json(name)));
    texts.chain(WHOLE.into_iter().chain(BIG).chain(REAL).chain(["timestamp"]).map(|name| (name, "")))
}

/// `unnest` of the columns, from a parameter on.
fn unnest(first: usize) -> String {
    let kinds = TEXT.map(|_| "text").into_iter().chain(WHOLE.map(|_| "int")).chain(BIG.map(|_| "bigint"));
    let kinds = kinds.chain(REAL.map(|_| "real")).chain(["timestamptz"]);
    kinds.enumerate().map(|(at, kind)| format!(", ${}::{kind}[]", first + at)).collect()
}

fn names(prefix: &str) -> String {
    columns()
        .map(|(name, cast)| format!(", {prefix}{name}{}", if prefix.is_empty() { "" } else { cast }))
        .collect()
}

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let set: Vec<String> = columns().map(|(name, cast)| format!("{name} = u.{name}{cast}")).collect();
    format!(
        "WITH written AS (UPDATE telemetry_reports t SET {} FROM unnest($1::bigint[]{}) AS u(id{}) WHERE t.id = u.id \
         RETURNING t.id, t.installation_id, t.timestamp) UPDATE census_installations c SET report_id = w.id, \
         report_at = w.timestamp FROM written w WHERE c.installation_id = w.installation_id",
        set.join(", "),
        unnest(2),
        names(""),
    )
});

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH written AS (INSERT INTO telemetry_reports(installation_id{}) SELECT u.installation_id{} \
         FROM unnest($1::text[]{}) AS u(installation_id{}) RETURNING id, installation_id, timestamp) \
         UPDATE census_installations c SET report_id = w.id, report_at = w.timestamp FROM written w \
         WHERE c.installation_id = w.installation_id",
        names(""),
        names("u."),
        unnest(2),
        names(""),
    )
});

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

/// Reports turned from rows to columns.
#[derive(Default)]
struct Arrays<'a> {
    installations: Vec<&'a str>,
    texts: [Vec<&'a str>; TEXT.len()],
    whole: [Vec<i32>; WHOLE.len()],
    big: [Vec<i64>; BIG.len()],
    real: [Vec<f32>; REAL.len()],
    at: Vec<Time>,
}

impl<'a> Arrays<'a> {
    fn push(&mut self, report: &'a Prepared) {
        self.installations.push(&report.installation_id);
        for (all, text) in self.texts.iter_mut().zip(&report.text) {
            all.push(text);
        }
        for (all, number) in self.whole.iter_mut().zip(report.whole) {
            all.push(number);
        }
        for (all, number) in self.big.iter_mut().zip(report.big) {
            all.push(number);
        }
        for (all, number) in self.real.iter_mut().zip(report.real) {
            all.push(number);
        }
        self.at.push(Time(report.at_us));
    }

    /// The columns in the order of [`columns`].
    fn report(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        fn all<T: ToSql + Sync>(arrays: &[Vec<T>]) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
            arrays.iter().map(|array| array as &(dyn ToSql + Sync))
        }
        let times = std::iter::once(&self.at as &(dyn ToSql + Sync));
        all(&self.texts).chain(all(&self.whole)).chain(all(&self.big)).chain(all(&self.real)).chain(times)
    }
}

impl Postgres {
    pub(in crate::census) async fn ingest(
        &self,
        reports: &[Prepared],
        now_ms: i64,
    ) -> Result<Vec<Ingested>, CensusError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        // Whoever waits for others to be done has all of the time for its own reports.
        let mut lent = self.lend(&self.writer).await?;
        match tokio::time::timeout(PATIENCE, self.keep(&mut lent.on, reports, now_ms)).await {
            Ok(Ok(done)) => {
                lent.give_back();
                Ok(done)
            }
            Ok(failed) => failed,
            Err(late) => Err(self.address.unavailable(late)),
        }
    }

    async fn keep(
        &self,
        on: &mut Connected,
        reports: &[Prepared],
        now_ms: i64,
    ) -> Result<Vec<Ingested>, CensusError> {
        let failed = self.failed("keep reports");
        let lock = on.prepare(LOCK).await.map_err(&failed)?;
        let window = on.prepare(WITHIN_WINDOW).await.map_err(&failed)?;
        let update = on.prepare(&UPDATE).await.map_err(&failed)?;
        let insert = on.prepare(&INSERT).await.map_err(&failed)?;
        let events = on.prepare(EVENTS).await.map_err(&failed)?;
        let history = on.prepare(HISTORY).await.map_err(&failed)?;
        let on = &on.client;

        let last = is_last(reports);
        let mut ids: Vec<&str> = reports.iter().map(|report| report.installation_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        // Statements are sent together and answered in their order: each sees what those before it have done.
        let (now, since) = (Time::from_ms(now_ms), Time::from_ms(now_ms.saturating_sub(WINDOW_MS)));
        let (locking, looking) = ([&ids as &(dyn ToSql + Sync), &now], [&ids as &(dyn ToSql + Sync), &since]);
        let (began, locked, found) = future::join3(
            on.batch_execute("BEGIN"),
            on.execute(&lock, &locking),
            on.query(&window, &looking),
        )
        .await;
        began.map_err(&failed)?;
        locked.map_err(&failed)?;
        let found = found.map_err(&failed)?;
        let mut rows: HashMap<&str, Option<i64>> =
            ids.iter().zip(&found).map(|(id, row)| (*id, row.get(0))).collect();

        let (mut updated, mut inserted) = (Arrays::default(), Arrays::default());
        let mut updated_rows = Vec::new();
        let (mut kinds, mut done) = (Vec::with_capacity(reports.len()), Vec::with_capacity(reports.len()));
        let mut seen = std::collections::HashSet::new();
        let mut every = Arrays::default();
        for (report, last) in reports.iter().zip(last) {
            let id = report.installation_id.as_str();
            let row = rows.entry(id).or_default();
            let is_new = row.is_none() && seen.insert(id);
            done.push(if is_new { Ingested::New } else { Ingested::Update });
            kinds.push(if is_new { "new" } else { "update" });
            every.push(report);
            match (*row, last) {
                (_, false) => {}
                (Some(row), true) => {
                    updated_rows.push(row);
                    updated.push(report);
                }
                (None, true) => inserted.push(report),
            }
        }
        let mut latest = Arrays::default();
        for (report, last) in reports.iter().zip(is_last(reports)) {
            if last {
                latest.push(report);
            }
        }
        let updates: Vec<&(dyn ToSql + Sync)> =
            std::iter::once(&updated_rows as &(dyn ToSql + Sync)).chain(updated.report()).collect();
        let inserts: Vec<&(dyn ToSql + Sync)> =
            std::iter::once(&inserted.installations as &(dyn ToSql + Sync))
                .chain(inserted.report())
                .collect();
        let (hosts, containers, images) = (0, 2, 9);
        let happened: [&(dyn ToSql + Sync); 5] =
            [&every.installations, &kinds, &every.at, &every.whole[containers], &every.whole[hosts]];
        let day = day_of(now_ms);
        let days: [&(dyn ToSql + Sync); 5] = [
            &day,
            &latest.installations,
            &latest.whole[containers],
            &latest.whole[hosts],
            &latest.whole[images],
        ];
        // A COMMIT after an error rolls back, and the error shows before it.
        let (updated, inserted, happened, days, committed) = future::join5(
            on.execute(&update, &updates),
            on.execute(&insert, &inserts),
            on.execute(&events, &happened),
            on.execute(&history, &days),
            on.batch_execute("COMMIT"),
        )
        .await;
        for result in [updated, inserted, happened, days] {
            result.map_err(&failed)?;
        }
        committed.map_err(&failed)?;
        Ok(done)
    }

    pub(in crate::census) async fn follow_images(&self, limit: usize) -> Result<usize, CensusError> {
        let failed = self.failed("list images");
        let mut lent = self.lend(&self.background).await?;
        let follow = lent.on.prepare(FOLLOW).await.map_err(&failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let done = lent.on.client.execute(&follow, &[&limit]).await.map_err(&failed)?;
        lent.give_back();
        Ok(usize::try_from(done).unwrap_or(usize::MAX))
    }

    pub(in crate::census) async fn forget(&self, id: &str) -> Result<u64, CensusError> {
        let failed = self.failed("forget an installation");
        let mut lent = self.lend(&self.background).await?;
        let on = lent.on.client.transaction().await.map_err(&failed)?;
        // Whoever reports meanwhile waits, and begins anew.
        on.query("SELECT FROM census_installations WHERE installation_id = $1 FOR UPDATE", &[&id])
            .await
            .map_err(&failed)?;
        let images =
            "SELECT coalesce(image_stats::text, 'null') FROM telemetry_reports WHERE installation_id = $1";
        let mut names = Vec::new();
        for row in on.query(images, &[&id]).await.map_err(&failed)? {
            each_use(row.get(0), |image| names.push(trend_name(&image.image).to_owned()));
        }
        // A name that nobody else uses tells of its user also without the id.
        let weekly = "DELETE FROM image_stats_weekly WHERE image = ANY($1) AND installation_count <= 1";
        let mut gone = on.execute(weekly, &[&names]).await.map_err(&failed)?;
        on.execute(
            "UPDATE census_days d SET installations = d.installations - 1, containers = greatest(0, d.containers - \
             h.containers) FROM census_history h WHERE h.day = d.day AND h.installation_id = $1",
            &[&id],
        )
        .await
        .map_err(&failed)?;
        for table in [
            "telemetry_reports",
            "image_stats",
            "submission_events",
            "census_history",
            "census_installations",
        ] {
            let sql = format!("DELETE FROM {table} WHERE installation_id = $1");
            gone += on.execute(&sql, &[&id]).await.map_err(&failed)?;
        }
        on.commit().await.map_err(&failed)?;
        lent.give_back();
        Ok(gone)
    }

    pub(in crate::census) async fn retain(&self, cut_ms: i64) -> Result<u64, CensusError> {
        let failed = self.failed("remove what is too old");
        let lent = self.lend(&self.background).await?;
        let cut = Time::from_ms(cut_ms);
        let mut gone = 0;
        for (table, column) in [
            ("telemetry_reports", "timestamp"),
            ("image_stats", "timestamp"),
            ("submission_events", "timestamp"),
            ("census_history", "day"),
            ("census_installations", "last_seen"),
        ] {
            // In pieces, so that nobody waits long for a lock.
            let sql = format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {column} < $1 LIMIT 10000))"
            )
            .replace("day < $1", "day < ($1::timestamptz AT TIME ZONE 'UTC')::date");
            let statement = lent.on.client.prepare(&sql).await.map_err(&failed)?;
            loop {
                let rows = lent.on.client.execute(&statement, &[&cut]).await.map_err(&failed)?;
                gone += rows;
                if rows < 10_000 {
                    break;
                }
            }
        }
        lent.give_back();
        Ok(gone)
    }

    pub(in crate::census) async fn import(&self, batch: &Batch) -> Result<Imported, CensusError> {
        let failed = self.failed("import");
        let mut lent = self.lend(&self.background).await?;
        let on = lent.on.client.transaction().await.map_err(&failed)?;
        let mut imported = Imported::default();
        let (mut arrays, mut created) = (Arrays::default(), Vec::new());
        let mut seen = std::collections::HashSet::new();
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
