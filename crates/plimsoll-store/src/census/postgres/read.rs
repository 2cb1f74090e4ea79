//! What is read from the database.

use std::pin::pin;
use std::sync::LazyLock;

use futures_util::TryStreamExt as _;

use super::types::Time;
use super::{PATIENCE, Postgres};
use crate::census::load::{Latest, Loader, NUMBERS, bounds, first_week};
use crate::census::{CensusError, Counts, Event, Facts};

/// The ids are found first: reports are long, and would not fit into the memory of a sort.
static LATEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT t.timestamp, coalesce(t.version, ''), coalesce(t.timezone, ''), coalesce(t.image_stats::text, 'null'), \
         coalesce(t.avg_connections_per_container, 0), coalesce(t.{}, 0)::bigint FROM telemetry_reports t JOIN \
         (SELECT DISTINCT ON (installation_id) id FROM telemetry_reports WHERE timestamp >= $1 AND timestamp <= $2 \
         ORDER BY installation_id, timestamp DESC, id DESC) latest USING (id)",
        NUMBERS.join(", 0)::bigint, coalesce(t.")
    )
});

/// Exact while counting takes no time.
const COUNTS: &str = "SELECT (SELECT count(*) FROM census_installations), \
     CASE WHEN r.n > 1e6 THEN r.n::bigint ELSE (SELECT count(*) FROM telemetry_reports) END, \
     CASE WHEN e.n > 1e6 THEN e.n::bigint ELSE (SELECT count(*) FROM submission_events) END, \
     CASE WHEN h.n > 1e6 THEN h.n::bigint ELSE (SELECT count(*) FROM census_history) END, \
     (SELECT count(*) FROM census_installations WHERE images_pending), pg_database_size(current_database()) \
     FROM (SELECT reltuples AS n FROM pg_class WHERE oid = 'telemetry_reports'::regclass) r, \
     (SELECT reltuples AS n FROM pg_class WHERE oid = 'submission_events'::regclass) e, \
     (SELECT reltuples AS n FROM pg_class WHERE oid = 'census_history'::regclass) h";

impl Postgres {
    pub(in crate::census) async fn ready(&self) -> Result<(), CensusError> {
        let ask = async {
            let lent = self.lend(&self.reader).await?;
            lent.on.client.batch_execute("SELECT 1").await.map_err(self.failed("ask"))?;
            lent.give_back();
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(result) => result,
            Err(late) => Err(self.address.unavailable(late)),
        }
    }

    pub(in crate::census) async fn facts(&self, now_ms: i64, days: u32) -> Result<Facts, CensusError> {
        let failed = self.failed("load the facts");
        let mut lent = self.lend(&self.background).await?;
        let mut loader = Loader::new(now_ms, days);
        let on = &mut lent.on;
        let latest = on.prepare(&LATEST).await.map_err(&failed)?;
        let on = &on.client;
        {
            let (from, until) = bounds(now_ms, days);
            let parameters = [Time::from_ms(from), Time::from_ms(until)];
            let mut rows = pin!(on.query_raw(&latest, parameters).await.map_err(&failed)?);
            while let Some(row) = rows.try_next().await.map_err(&failed)? {
                let mut numbers = [0; NUMBERS.len()];
                for (at, number) in numbers.iter_mut().enumerate() {
                    *number = row.get(5 + at);
                }
                loader.latest(&Latest {
                    timestamp_ms: row.get::<_, Time>(0).ms(),
                    version: row.get(1),
                    timezone: row.get(2),
                    images: row.get(3),
                    avg_connections: row.get(4),
                    numbers,
                });
            }
        }
        let days = "SELECT day - DATE '1970-01-01', installations, containers FROM census_days";
        for row in on.query(days, &[]).await.map_err(&failed)? {
            loader.day(row.get(0), row.get(1), row.get(2));
        }
        let weeks = "SELECT week_start - DATE '1970-01-01', image::text, total_count::bigint, \
                     installation_count::bigint FROM image_stats_weekly WHERE week_start >= DATE '1970-01-01' + \
                     $1::int AND installation_count > 0";
        {
            let mut rows = pin!(on.query_raw(weeks, [first_week(now_ms)]).await.map_err(&failed)?);
            while let Some(row) = rows.try_next().await.map_err(&failed)? {
                loader.week(row.get(0), row.get(1), row.get(2), row.get(3));
            }
        }
        let first = "SELECT image::text, min(coalesce(first_seen, week_start)) - DATE '1970-01-01' \
                     FROM image_stats_weekly GROUP BY image";
        {
            let mut rows = pin!(on.query_raw(first, [] as [i32; 0]).await.map_err(&failed)?);
            while let Some(row) = rows.try_next().await.map_err(&failed)? {
                loader.first_seen(row.get(0), row.get(1));
            }
        }
        let total = on.query_one("SELECT count(*) FROM telemetry_reports", &[]).await.map_err(&failed)?;
        lent.give_back();
        Ok(loader.finish(total.get(0)))
    }

    pub(in crate::census) async fn recent_events(
        &self,
        limit: u32,
        since: i64,
    ) -> Result<Vec<Event>, CensusError> {
        let failed = self.failed("read events");
        let mut lent = self.lend(&self.reader).await?;
        let sql = "SELECT id::bigint, installation_id, event_type, timestamp, containers::bigint, hosts::bigint \
                   FROM submission_events WHERE id > $1::bigint ORDER BY id DESC LIMIT $2::bigint";
        let events = lent.on.prepare(sql).await.map_err(&failed)?;
        let rows = lent.on.client.query(&events, &[&since, &i64::from(limit)]).await.map_err(&failed)?;
        lent.give_back();
        let event = |row: &tokio_postgres::Row| Event {
            id: row.get(0),
            installation_id: row.get(1),
            event_type: row.get(2),
            timestamp_ms: row.get::<_, Time>(3).ms(),
            containers: row.get(4),
            hosts: row.get(5),
        };
        Ok(rows.iter().map(event).collect())
    }

    pub(in crate::census) async fn counts(&self) -> Result<Counts, CensusError> {
        let failed = self.failed("count");
        let mut lent = self.lend(&self.reader).await?;
        let counts = lent.on.prepare(COUNTS).await.map_err(&failed)?;
        let row = lent.on.client.query_one(&counts, &[]).await.map_err(&failed)?;
        lent.give_back();
        let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
        Ok(Counts {
            installations: count(0),
            reports: count(1),
            events: count(2),
            history: count(3),
            images_pending: count(4),
            bytes: count(5),
        })
    }
}
