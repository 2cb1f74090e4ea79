//! One type for both databases.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::Path;

use plimsoll_model::census::Report;

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

/// A census' database. Clones are the same store.
#[derive(Clone, Debug)]
pub struct CensusStore {}

#[allow(clippy::unimplemented, unused_variables, clippy::unused_async)]
impl CensusStore {
    /// Opens a SQLite file, and makes one where there is none.
    ///
    /// # Errors
    /// If it cannot be opened, is something else, or a newer version wrote it.
    pub async fn open_sqlite(path: &Path) -> Result<Self, CensusError> {
        unimplemented!()
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
        unimplemented!()
    }

    /// Whether the database answers; the first time it is taken over.
    ///
    /// # Errors
    /// If it cannot be reached, or has a schema that is not known.
    pub async fn ready(&self) -> Result<(), CensusError> {
        unimplemented!()
    }

    /// Keeps reports, all of them or none, as if they had come one after the other at `now_ms`.
    ///
    /// # Errors
    /// If it is not certain that they are kept.
    pub async fn ingest(&self, reports: &[Report], now_ms: i64) -> Result<Vec<Ingested>, CensusError> {
        unimplemented!()
    }

    /// Brings `image_stats` up to the reports of at most `limit` installations. Gives how many that were: fewer than `limit`
    /// if none is left.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn follow_images(&self, limit: usize) -> Result<usize, CensusError> {
        unimplemented!()
    }

    /// Loads what all statistics are computed from, with the reports of the last `days` days.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn facts(&self, now_ms: i64, days: u32) -> Result<Facts, CensusError> {
        unimplemented!()
    }

    /// Brings what is kept by day and by week up to date; the first time for all days and weeks.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn refresh_days(&self, now_ms: i64) -> Result<(), CensusError> {
        unimplemented!()
    }

    /// The newest events with an id above `since`, newest first.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn recent_events(&self, limit: u32, since: i64) -> Result<Vec<Event>, CensusError> {
        unimplemented!()
    }

    /// Rows of a table.
    ///
    /// # Errors
    /// If the table has no such column, or the database cannot be reached.
    pub async fn database_view(&self, view: &DatabaseView) -> Result<DatabasePage, CensusError> {
        unimplemented!()
    }

    /// Removes everything about an installation, and says how many rows that were.
    ///
    /// # Errors
    /// If it is not certain that all is gone.
    pub async fn forget(&self, installation_id: &str) -> Result<u64, CensusError> {
        unimplemented!()
    }

    /// Removes what is older than `keep_days`, and says how many rows that were.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn retain(&self, now_ms: i64, keep_days: u32) -> Result<u64, CensusError> {
        unimplemented!()
    }

    /// How much there is.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn counts(&self) -> Result<Counts, CensusError> {
        unimplemented!()
    }

    /// Shows all reports to a visitor, in the order of their ids, until it has enough.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn export_reports(
        &self,
        visit: impl FnMut(Stored) -> ControlFlow<()> + Send,
    ) -> Result<(), CensusError> {
        unimplemented!()
    }

    /// Copies reports, events and weeks from the PostgreSQL of a Container Census, whose database is only read. What is
    /// there already is left as it is, so a second time changes nothing. `progress` is called now and then.
    ///
    /// # Errors
    /// If either database cannot be reached, or the other one has none of these tables.
    pub async fn import_postgres(
        &self,
        url: &str,
        progress: impl FnMut(&Imported) + Send,
    ) -> Result<Imported, CensusError> {
        unimplemented!()
    }

    /// As [`Self::import_postgres`], from what `pg_dump` wrote in its plain format, with `COPY` or `INSERT`.
    ///
    /// # Errors
    /// If the dump cannot be read, or the database cannot be reached.
    pub async fn import_dump(
        &self,
        dump: impl BufRead + Send,
        progress: impl FnMut(&Imported) + Send,
    ) -> Result<Imported, CensusError> {
        unimplemented!()
    }
}
