//! Takes over what another census has: rows of its tables, from its database or from a dump of it.

mod copy;
mod dump;

use std::io::BufRead;

use super::CensusError;
use super::batch::{Batch, Imported};
use super::postgres::Postgres;
use super::store::CensusStore;

pub(super) use copy::Lines;

/// The tables that are read.
pub(super) const TABLES: [&str; 3] = ["telemetry_reports", "submission_events", "image_stats_weekly"];

/// How many rows go into one transaction.
const ROWS: usize = 500;

/// Rows on their way into a store.
pub(super) struct Importer<'a, P> {
    store: &'a CensusStore,
    batch: Batch,
    done: Imported,
    progress: P,
}

impl<'a, P: FnMut(&Imported) + Send> Importer<'a, P> {
    pub(super) fn new(store: &'a CensusStore, progress: P) -> Self {
        Self { store, batch: Batch::default(), done: Imported::default(), progress }
    }

    /// One row of a table: its columns, and their values as text.
    pub(super) async fn row(
        &mut self,
        table: &str,
        columns: &[String],
        values: &[Option<String>],
    ) -> Result<(), CensusError> {
        self.done.read += 1;
        if columns.len() != values.len() || !self.batch.add(table, columns, values) {
            self.done.skipped += 1;
        }
        if self.batch.len() >= ROWS { self.flush().await } else { Ok(()) }
    }

    pub(super) fn bytes(&mut self, bytes: u64) {
        self.done.bytes += bytes;
    }

    pub(super) async fn flush(&mut self) -> Result<(), CensusError> {
        if self.batch.len() > 0 {
            let new = self.store.import_batch(std::mem::take(&mut self.batch)).await?;
            self.done.reports += new.reports;
            self.done.events += new.events;
            self.done.weeks += new.weeks;
        }
        (self.progress)(&self.done);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Imported, CensusError> {
        self.flush().await?;
        Ok(self.done)
    }
}

impl CensusStore {
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
        let source = Postgres::new(url)?;
        let mut importer = Importer::new(self, progress);
        source.read_v1(&mut importer).await?;
        importer.finish().await
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
        let mut importer = Importer::new(self, progress);
        let mut dump = dump::Dump::new(dump);
        while let Some(rows) = dump.rows()? {
            importer.bytes(std::mem::take(&mut dump.bytes));
            for values in &rows {
                importer.row(dump.table(), dump.columns(), values).await?;
            }
        }
        importer.bytes(std::mem::take(&mut dump.bytes));
        importer.finish().await
    }
}
