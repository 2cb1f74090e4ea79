//! Reports go in, and their images follow.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use futures_util::future;
use tokio_postgres::types::ToSql;

use super::columns::{Arrays, columns, names, unnest};
use super::connect::{Connected, Slot};
use super::types::Time;
use super::{PATIENCE, Postgres};
use crate::census::facts::day_of;
use crate::census::prepare::{Prepared, WINDOW_MS, is_last};
use crate::census::{CensusError, Ingested};

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

/// Reports of one transaction, by what is done with them.
#[derive(Default)]
struct Sorted<'a> {
    every: Arrays<'a>,
    /// What kind of event each is.
    kinds: Vec<&'static str>,
    /// The last of each installation.
    latest: Arrays<'a>,
    /// Those of the last that take the place of a row, and the row.
    updated: Arrays<'a>,
    updated_rows: Vec<i64>,
    /// Those of the last that become a row.
    inserted: Arrays<'a>,
    done: Vec<Ingested>,
}

impl<'a> Sorted<'a> {
    /// `rows` has the row that each installation has within the window.
    fn new(reports: &'a [Prepared], rows: &HashMap<&str, Option<i64>>) -> Self {
        let mut sorted = Self::default();
        let mut new = HashSet::new();
        for (report, last) in reports.iter().zip(is_last(reports)) {
            let id = report.installation_id.as_str();
            let row = rows.get(id).copied().flatten();
            let (done, kind) = match row {
                None if new.insert(id) => (Ingested::New, "new"),
                _ => (Ingested::Update, "update"),
            };
            sorted.every.push(report);
            sorted.kinds.push(kind);
            sorted.done.push(done);
            if last {
                sorted.latest.push(report);
                if let Some(row) = row {
                    sorted.updated_rows.push(row);
                    sorted.updated.push(report);
                } else {
                    sorted.inserted.push(report);
                }
            }
        }
        sorted
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
        let mut lent = self.lend(self.writer()).await?;
        match tokio::time::timeout(PATIENCE, self.keep(&mut lent.on, reports, now_ms)).await {
            Ok(Ok(done)) => {
                lent.give_back();
                Ok(done)
            }
            Ok(failed) => failed,
            Err(late) => Err(self.address.unavailable(late)),
        }
    }

    /// A connection that nobody has just now, if there is one.
    fn writer(&self) -> &Slot {
        self.writers.iter().find(|writer| writer.is_free()).unwrap_or(&self.writers[0])
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
        let rows = ids.iter().zip(&found).map(|(id, row)| (*id, row.get(0))).collect();
        let Sorted { every, kinds, latest, updated, updated_rows, inserted, done } =
            Sorted::new(reports, &rows);
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
        // In their order: after the first error the others say only that there was one.
        let written = updated.map_err(&failed)? + inserted.map_err(&failed)?;
        for result in [happened, days] {
            result.map_err(&failed)?;
        }
        committed.map_err(&failed)?;
        if written != ids.len() as u64 {
            // Somebody else's program took a row away in between. Whoever sends again finds none, and makes it.
            return Err(self.address.unavailable("reports were removed while they were written"));
        }
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
}
