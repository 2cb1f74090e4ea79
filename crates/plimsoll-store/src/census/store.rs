//! One type for both databases.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use plimsoll_model::census::{ImageUse, Report};
use serde_json::{Map, Value};

use super::batch::{Batch, Imported};
use super::facts::DAY_MS;
use super::postgres::{self, Postgres};
use super::prepare::Prepared;
use super::sqlite::Sqlite;
use super::{CensusError, DatabasePage, DatabaseView, Facts};

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// The installation's first within seven days.
    New,
    /// It took the place of one that is not seven days old.
    Update,
}

/// Somebody reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows with each event.
    pub id: i64,
    /// Who reported.
    pub installation_id: String,
    /// `new` or `update`.
    pub event_type: String,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Containers of the report.
    pub containers: i64,
    /// Machines of the report.
    pub hosts: i64,
}

/// How much there is. The numbers of large tables are estimates on PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Installations that are known.
    pub installations: u64,
    /// Rows of `telemetry_reports`.
    pub reports: u64,
    /// Rows of `submission_events`.
    pub events: u64,
    /// Days of installations that are kept.
    pub history: u64,
    /// Installations whose images are not yet in `image_stats`.
    pub images_pending: u64,
    /// The size of the database in bytes.
    pub bytes: u64,
}

/// A report as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its row in `telemetry_reports`.
    pub id: i64,
    /// When the row was made, in milliseconds since the epoch.
    pub created_ms: Option<i64>,
    /// What it says.
    pub report: Report,
}

/// A census' database. Clones are the same store.
#[derive(Clone, Debug)]
pub struct CensusStore {
    backend: Arc<Backend>,
}

#[derive(Debug)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// How many reports of an export are in memory at once.
const EXPORTED: u32 = 200;

impl CensusStore {
    /// Opens a SQLite file, and makes one where there is none.
    ///
    /// # Errors
    /// If it cannot be opened, is something else, or a newer version wrote it.
    pub async fn open_sqlite(path: &Path) -> Result<Self, CensusError> {
        Ok(Self { backend: Arc::new(Backend::Sqlite(Sqlite::open(path).await?)) })
    }

    /// A PostgreSQL by its address, `postgres://user:password@host:port/database?sslmode=…`. It is reached when it is
    /// first needed, and again whenever it was lost.
    ///
    /// `sslmode` is `disable`, `prefer` (if not said), `require` (encrypted, whoever it is), `verify-ca` or `verify-full`
    /// (with the system's authorities, or those of the file `sslrootcert`).
    ///
    /// # Errors
    /// If the address cannot be understood.
    pub fn open_postgres(url: &str) -> Result<Self, CensusError> {
        Ok(Self { backend: Arc::new(Backend::Postgres(Box::new(Postgres::new(url)?))) })
    }

    /// Whether the database answers; the first time it is taken over.
    ///
    /// # Errors
    /// If it cannot be reached, or has a schema that is not known.
    pub async fn ready(&self) -> Result<(), CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.counts().await.map(|_| ()),
            Backend::Postgres(on) => on.ready().await,
        }
    }

    /// How many callers of [`Self::ingest`] at a time have more reports kept than one.
    #[must_use]
    pub fn writers(&self) -> usize {
        match &*self.backend {
            Backend::Sqlite(_) => 1,
            Backend::Postgres(_) => postgres::WRITERS,
        }
    }

    /// Keeps reports, all of them or none, as if they had come one after the other at `now_ms`.
    ///
    /// # Errors
    /// If it is not certain that they are kept.
    pub async fn ingest(&self, reports: &[Report], now_ms: i64) -> Result<Vec<Ingested>, CensusError> {
        let prepared: Result<Vec<_>, _> =
            reports.iter().map(|report| Prepared::incoming(report, now_ms)).collect();
        let prepared = prepared?;
        match &*self.backend {
            Backend::Sqlite(on) => on.ingest(prepared, now_ms).await,
            Backend::Postgres(on) => on.ingest(&prepared, now_ms).await,
        }
    }

    /// Brings `image_stats` up to the reports of at most `limit` installations. Gives how many that were: fewer than `limit`
    /// if none is left.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn follow_images(&self, limit: usize) -> Result<usize, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.follow_images(limit).await,
            Backend::Postgres(on) => on.follow_images(limit).await,
        }
    }

    /// Loads what all statistics are computed from, with the reports of the last `days` days.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn facts(&self, now_ms: i64, days: u32) -> Result<Facts, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.facts(now_ms, days).await,
            Backend::Postgres(on) => on.facts(now_ms, days).await,
        }
    }

    /// Brings what is kept by day and by week up to date; the first time for all days and weeks.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn refresh_days(&self, now_ms: i64) -> Result<(), CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.refresh_days(now_ms).await,
            Backend::Postgres(on) => on.refresh_days(now_ms).await,
        }
    }

    /// The newest events with an id above `since`, newest first.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn recent_events(&self, limit: u32, since: i64) -> Result<Vec<Event>, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.recent_events(limit, since).await,
            Backend::Postgres(on) => on.recent_events(limit, since).await,
        }
    }

    /// Rows of a table.
    ///
    /// # Errors
    /// If the table has no such column, or the database cannot be reached.
    pub async fn database_view(&self, view: &DatabaseView) -> Result<DatabasePage, CensusError> {
        let wanted = view.sort_by.as_deref().unwrap_or(view.table.order());
        // What stands in the statement is our own text, not the asker's.
        let found = view.table.columns().iter().find(|(name, _)| *name == wanted);
        let Some((sort, _)) = found else {
            return Err(CensusError::NoSuchColumn { table: view.table, column: wanted.to_owned() });
        };
        match &*self.backend {
            Backend::Sqlite(on) => on.database_view(view.clone(), sort).await,
            Backend::Postgres(on) => on.database_view(view, sort).await,
        }
    }

    /// Removes everything about an installation, and says how many rows that were.
    ///
    /// # Errors
    /// If it is not certain that all is gone.
    pub async fn forget(&self, installation_id: &str) -> Result<u64, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.forget(installation_id.to_owned()).await,
            Backend::Postgres(on) => on.forget(installation_id).await,
        }
    }

    /// Removes what is older than `keep_days`, and says how many rows that were.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn retain(&self, now_ms: i64, keep_days: u32) -> Result<u64, CensusError> {
        let cut_ms = now_ms.saturating_sub(i64::from(keep_days) * DAY_MS);
        match &*self.backend {
            Backend::Sqlite(on) => on.retain(cut_ms).await,
            Backend::Postgres(on) => on.retain(cut_ms).await,
        }
    }

    /// How much there is.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn counts(&self) -> Result<Counts, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.counts().await,
            Backend::Postgres(on) => on.counts().await,
        }
    }

    /// Shows all reports to a visitor, in the order of their ids, until it has enough.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn export_reports(
        &self,
        mut visit: impl FnMut(Stored) -> ControlFlow<()> + Send,
    ) -> Result<(), CensusError> {
        let mut after = i64::MIN;
        loop {
            let rows = match &*self.backend {
                Backend::Sqlite(on) => on.reports_after(after, EXPORTED).await?,
                Backend::Postgres(on) => on.reports_after(after, EXPORTED).await?,
            };
            let is_last = rows.len() < EXPORTED as usize;
            for row in &rows {
                let stored = stored(row);
                after = stored.id;
                if visit(stored).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Keeps rows of another census; what is there already is left as it is.
    pub(super) async fn import_batch(&self, batch: Batch) -> Result<Imported, CensusError> {
        match &*self.backend {
            Backend::Sqlite(on) => on.import(batch).await,
            Backend::Postgres(on) => on.import(&batch).await,
        }
    }
}

/// A row of `telemetry_reports` as a report.
fn stored(row: &Map<String, Value>) -> Stored {
    let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
    let count = |name: &str| u64::try_from(number(name)).unwrap_or(0);
    let real = |name: &str| row.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let time = |name: &str| {
        let time = row.get(name).and_then(Value::as_str)?.parse::<jiff::Timestamp>().ok()?;
        Some(time.as_millisecond())
    };
    let images = row.get("image_stats").and_then(Value::as_array).into_iter().flatten();
    let images = images.filter_map(|image| {
        let number = |name: &str| image.get(name).and_then(Value::as_u64).unwrap_or(0);
        let name = image.get("image")?.as_str()?.to_owned();
        Some(ImageUse { image: name, containers: number("count"), size_bytes: number("size_bytes") })
    });
    let versions = row.get("agent_versions").and_then(Value::as_object).into_iter().flatten();
    let report = Report {
        installation_id: text("installation_id"),
        version: text("version"),
        timestamp_ms: time("timestamp"),
        host_count: count("host_count"),
        agent_count: count("agent_count"),
        total_containers: count("total_containers"),
        scan_interval_seconds: count("scan_interval"),
        images: images.collect(),
        agent_versions: versions.map(|(name, value)| (name.clone(), value.as_u64().unwrap_or(0))).collect(),
        containers_running: count("containers_running"),
        containers_stopped: count("containers_stopped"),
        containers_paused: count("containers_paused"),
        containers_other: count("containers_other"),
        avg_cpu_percent: real("avg_cpu_percent"),
        avg_memory_bytes: count("avg_memory_bytes"),
        total_memory_limit: count("total_memory_limit"),
        avg_restarts: real("avg_restarts"),
        high_restart_containers: count("high_restart_containers"),
        total_image_size: count("total_image_size"),
        unique_images: count("unique_images"),
        timezone: text("timezone"),
        compose_project_count: count("compose_project_count"),
        containers_in_compose: count("containers_in_compose"),
        network_count: count("network_count"),
        custom_network_count: count("custom_network_count"),
        shared_volume_count: count("shared_volume_count"),
        containers_with_deps: count("containers_with_deps"),
        total_dependencies: count("total_dependencies"),
        avg_connections_per_container: real("avg_connections_per_container"),
    };
    Stored { id: number("id"), created_ms: time("created_at"), report }
}
