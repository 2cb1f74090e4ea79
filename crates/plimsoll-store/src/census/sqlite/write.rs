//! What writes to the file.

use std::sync::LazyLock;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::Sqlite;
use crate::census::batch::Batch;
use crate::census::facts::{DAY_MS, day_of, monday};
use crate::census::load::OLDEST_MS;
use crate::census::prepare::{BIG, Prepared, REAL, TEXT, WHOLE, WINDOW_MS};
use crate::census::trend::{Weeks, trend_name};
use crate::census::uses::each_use;
use crate::census::{CensusError, Imported, Ingested};

/// The columns of a report but for its id and its installation, in the order of [`values`].
static COLUMNS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    TEXT.iter().chain(&WHOLE).chain(&BIG).chain(&REAL).chain(&["timestamp"]).copied().collect()
});

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let holes = ", ?".repeat(COLUMNS.len());
    format!(
        "INSERT INTO telemetry_reports(created_at, installation_id, {}) VALUES (?, ?{holes})",
        COLUMNS.join(", ")
    )
});

static UPDATE: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE telemetry_reports SET {} = ? WHERE id = ?", COLUMNS.join(" = ?, ")));

const WITHIN_WINDOW: &str = "SELECT id FROM telemetry_reports WHERE installation_id = ? AND timestamp >= ? \
                             ORDER BY timestamp DESC, id DESC LIMIT 1";

const INSTALLATION: &str = "INSERT INTO census_installations(installation_id, report_id, first_seen, last_seen, images_pending) \
     VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (installation_id) DO UPDATE SET report_id = excluded.report_id, \
     first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen), \
     images_pending = images_pending OR excluded.images_pending";

const EVENT: &str = "INSERT INTO submission_events(installation_id, event_type, timestamp, containers, hosts, \
                     created_at) VALUES (?, ?, ?, ?, ?, ?)";

const HISTORY: &str = "INSERT INTO census_history(day, installation_id, containers, hosts, images) \
                       VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, installation_id) DO UPDATE SET \
                       containers = excluded.containers, hosts = excluded.hosts, images = excluded.images";

const IMAGE: &str = "INSERT INTO image_stats(installation_id, timestamp, image, count, size_bytes, created_at) \
                     VALUES (?, ?, ?, ?, ?, ?)";

fn values(report: &Prepared) -> Vec<&dyn ToSql> {
    let texts = report.text.iter().map(|text| text as &dyn ToSql);
    let whole = report.whole.iter().map(|number| number as &dyn ToSql);
    let big = report.big.iter().map(|number| number as &dyn ToSql);
    texts.chain(whole).chain(big).chain(report.real.iter().map(|number| number as &dyn ToSql)).collect()
}

fn insert(on: &Connection, report: &Prepared, at: i64, created: Option<i64>) -> rusqlite::Result<i64> {
    let mut all: Vec<&dyn ToSql> = vec![&created, &report.installation_id];
    all.extend(values(report));
    all.push(&at);
    on.prepare_cached(&INSERT)?.insert(&*all)
}

fn ingest(on: &Connection, report: &Prepared, now_ms: i64) -> rusqlite::Result<Ingested> {
    let (id, at) = (&report.installation_id, report.at_us.div_euclid(1000));
    let since = now_ms.saturating_sub(WINDOW_MS);
    let found: Option<i64> =
        on.prepare_cached(WITHIN_WINDOW)?.query_row(params![id, since], |row| row.get(0)).optional()?;
    let row = match found {
        Some(row) => {
            let mut all = values(report);
            all.extend([&at as &dyn ToSql, &row]);
            on.prepare_cached(&UPDATE)?.execute(&*all)?;
            row
        }
        None => insert(on, report, at, Some(now_ms))?,
    };
    on.prepare_cached(INSTALLATION)?.execute(params![id, row, now_ms, true])?;
    let (event, ingested) =
        if found.is_some() { ("update", Ingested::Update) } else { ("new", Ingested::New) };
    on.prepare_cached(EVENT)?.execute(params![id, event, at, report.containers(), report.hosts(), now_ms])?;
    on.prepare_cached(HISTORY)?.execute(params![
        day_of(now_ms),
        id,
        report.containers(),
        report.hosts(),
        report.unique_images()
    ])?;
    Ok(ingested)
}

fn follow(on: &Connection, id: &str, report: Option<i64>) -> rusqlite::Result<()> {
    let found: Option<(i64, Option<String>, Option<i64>)> = on
        .prepare_cached("SELECT timestamp, image_stats, created_at FROM telemetry_reports WHERE id = ?")?
        .query_row([report], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((at, images, created)) = found {
        let before: Option<i64> = on
            .prepare_cached(
                "SELECT max(timestamp) FROM telemetry_reports WHERE installation_id = ? AND timestamp < ?",
            )?
            .query_row(params![id, at], |row| row.get(0))?;
        on.prepare_cached("DELETE FROM image_stats WHERE installation_id = ? AND timestamp > ?")?
            .execute(params![id, before.unwrap_or(i64::MIN)])?;
        images_of(on, id, at, images.as_deref().unwrap_or("null"), created)?;
    }
    on.prepare_cached("UPDATE census_installations SET images_pending = 0 WHERE installation_id = ?")?
        .execute([id])?;
    Ok(())
}

fn images_of(on: &Connection, id: &str, at: i64, images: &str, created: Option<i64>) -> rusqlite::Result<()> {
    let mut statement = on.prepare_cached(IMAGE)?;
    let mut result = Ok(());
    each_use(images, |image| {
        let count = i32::try_from(image.containers).unwrap_or(i32::MAX);
        let size = i64::try_from(image.size_bytes).unwrap_or(i64::MAX);
        if result.is_ok() {
            result = statement.execute(params![id, at, &*image.image, count, size, created]).map(|_| ());
        }
    });
    result
}

fn meta(on: &Connection, key: &str) -> rusqlite::Result<bool> {
    on.query_row("SELECT count(*) FROM census_meta WHERE key = ?", [key], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn refresh(on: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    let today = day_of(now_ms);
    let is_filled = meta(on, "filled")?;
    // What retention took from the history stays counted.
    let since = if is_filled { today - 2 } else { i32::MIN };
    on.execute(
        "DELETE FROM census_days WHERE day >= max(?, (SELECT coalesce(min(day), 0) FROM census_history))",
        [since],
    )?;
    on.execute(
        "INSERT OR REPLACE INTO census_days SELECT day, count(*), sum(containers) FROM census_history \
         WHERE day >= ? GROUP BY day",
        [since],
    )?;
    let week = monday(today);
    let from = if is_filled { i64::from(week) * DAY_MS } else { OLDEST_MS };
    let mut weeks = Weeks::default();
    {
        // The row of the greatest time is the one whose other columns come with max().
        let mut statement = on.prepare(
            "SELECT t.timestamp, t.image_stats FROM telemetry_reports t JOIN (SELECT id, max(timestamp) FROM \
             telemetry_reports WHERE timestamp >= ? AND timestamp <= ? GROUP BY installation_id, \
             (timestamp + 3 * 86400000) / 604800000) latest ON latest.id = t.id",
        )?;
        let mut rows = statement.query([from, now_ms.saturating_add(DAY_MS)])?;
        while let Some(row) = rows.next()? {
            weeks.add(row.get(0)?, row.get_ref(1)?.as_str_or_null()?.unwrap_or("null"));
        }
    }
    on.execute(
        "UPDATE image_stats_weekly SET total_count = 0, installation_count = 0 WHERE week_start = ?",
        [week],
    )?;
    // Earlier weeks are as they were counted then: their reports may have been updated since.
    let mut statement = on.prepare(
        "INSERT INTO image_stats_weekly(week_start, image, total_count, installation_count, first_seen, created_at) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (week_start, image) DO UPDATE SET total_count = excluded.total_count, \
         installation_count = excluded.installation_count, first_seen = min(first_seen, excluded.first_seen) \
         WHERE week_start = ?",
    )?;
    for (day, image, count) in weeks.rows() {
        let (containers, installations) =
            (i64::try_from(count.containers).unwrap_or(i64::MAX), count.installations.cast_signed());
        statement.execute(params![day, image, containers, installations, count.first_seen, now_ms, week])?;
    }
    on.execute("INSERT OR REPLACE INTO census_meta VALUES ('filled', '1')", [])?;
    Ok(())
}

fn forget(on: &Transaction<'_>, id: &str) -> rusqlite::Result<u64> {
    let mut names = Vec::new();
    {
        let mut statement =
            on.prepare("SELECT image_stats FROM telemetry_reports WHERE installation_id = ?")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            each_use(row.get_ref(0)?.as_str_or_null()?.unwrap_or("null"), |image| {
                names.push(trend_name(&image.image).to_owned());
            });
        }
    }
    let mut gone = 0;
    // A name that nobody else uses tells of its user also without the id.
    let mut weekly =
        on.prepare("DELETE FROM image_stats_weekly WHERE image = ? AND installation_count <= 1")?;
    names.sort_unstable();
    names.dedup();
    for name in names {
        gone += weekly.execute([name])? as u64;
    }
    on.execute(
        "UPDATE census_days SET installations = installations - 1, containers = max(0, census_days.containers - \
         h.containers) FROM census_history h WHERE h.day = census_days.day AND h.installation_id = ?",
        [id],
    )?;
    for table in
        ["telemetry_reports", "image_stats", "submission_events", "census_history", "census_installations"]
    {
        let sql = format!("DELETE FROM {table} WHERE installation_id = ?");
        gone += on.execute(&sql, [id])? as u64;
    }
    Ok(gone)
}

fn import(on: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<Imported> {
    let mut imported = Imported::default();
    let milliseconds = |us: &i64| us.div_euclid(1000);
    for (report, created) in &batch.reports {
        let (id, at) = (&report.installation_id, milliseconds(&report.at_us));
        let is_there = on
            .prepare_cached("SELECT 1 FROM telemetry_reports WHERE installation_id = ? AND timestamp = ?")?
            .exists(params![id, at])?;
        if is_there {
            continue;
        }
        imported.reports += 1;
        let created = created.as_ref().map(milliseconds);
        let row = insert(on, report, at, created)?;
        images_of(on, id, at, &report.text[2], created)?;
        // What a report said on a day goes by its time here: nobody knows when it came.
        on.prepare_cached(
            "INSERT INTO census_history(day, installation_id, containers, hosts, images) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![day_of(at), id, report.containers(), report.hosts(), report.unique_images()])?;
        on.prepare_cached(
            "INSERT INTO census_installations(installation_id, report_id, first_seen, last_seen, images_pending) \
             VALUES (?1, ?2, ?3, ?3, 0) ON CONFLICT (installation_id) DO UPDATE SET first_seen = min(first_seen, \
             excluded.first_seen), last_seen = max(last_seen, excluded.last_seen), report_id = CASE WHEN \
             excluded.last_seen > last_seen THEN excluded.report_id ELSE report_id END",
        )?
        .execute(params![id, row, at])?;
    }
    for event in &batch.events {
        let (at, created) = (milliseconds(&event.at_us), event.created_us.as_ref().map(milliseconds));
        imported.events += on
            .prepare_cached(
                "INSERT INTO submission_events(installation_id, event_type, timestamp, containers, hosts, created_at) \
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM submission_events WHERE \
                 installation_id = ?1 AND event_type = ?2 AND timestamp = ?3 AND created_at IS ?6)",
            )?
            .execute(params![event.installation_id, event.kind, at, event.containers, event.hosts, created])?
            as u64;
    }
    for week in &batch.weeks {
        imported.weeks += on
            .prepare_cached(
                "INSERT INTO image_stats_weekly(week_start, image, total_count, installation_count, first_seen) \
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute(params![week.week, week.image, week.containers, week.installations, week.first_seen])?
            as u64;
    }
    if imported.reports > 0 {
        on.execute("DELETE FROM census_meta WHERE key = 'filled'", [])?;
    }
    Ok(imported)
}

impl Sqlite {
    pub(in crate::census) async fn ingest(
        &self,
        reports: Vec<Prepared>,
        now_ms: i64,
    ) -> Result<Vec<Ingested>, CensusError> {
        self.transaction("keep reports", move |on| {
            reports.iter().map(|report| ingest(on, report, now_ms)).collect()
        })
        .await
    }

    pub(in crate::census) async fn follow_images(&self, limit: usize) -> Result<usize, CensusError> {
        self.transaction("list images", move |on| {
            let pending: Vec<(String, Option<i64>)> = on
                .prepare_cached(
                    "SELECT installation_id, report_id FROM census_installations WHERE images_pending LIMIT ?",
                )?
                .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (id, report) in &pending {
                follow(on, id, *report)?;
            }
            Ok(pending.len())
        })
        .await
    }

    pub(in crate::census) async fn refresh_days(&self, now_ms: i64) -> Result<(), CensusError> {
        self.transaction("count days and weeks", move |on| refresh(on, now_ms)).await
    }

    pub(in crate::census) async fn forget(&self, id: String) -> Result<u64, CensusError> {
        self.transaction("forget an installation", move |on| forget(on, &id)).await
    }

    pub(in crate::census) async fn retain(&self, cut_ms: i64) -> Result<u64, CensusError> {
        self.transaction("remove what is too old", move |on| {
            let mut gone = 0;
            for (table, column, cut) in [
                ("telemetry_reports", "timestamp", cut_ms),
                ("image_stats", "timestamp", cut_ms),
                ("submission_events", "timestamp", cut_ms),
                ("census_history", "day", day_of(cut_ms).into()),
                ("census_installations", "last_seen", cut_ms),
            ] {
                let sql = format!("DELETE FROM {table} WHERE {column} < ?");
                gone += on.execute(&sql, [cut])? as u64;
            }
            Ok(gone)
        })
        .await
    }

    pub(in crate::census) async fn import(&self, batch: Batch) -> Result<Imported, CensusError> {
        self.transaction("import", move |on| import(on, &batch)).await
    }

    async fn transaction<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CensusError> {
        self.write(doing, move |connection| {
            let on = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&on)?;
            on.commit()?;
            Ok(done)
        })
        .await
    }
}
