//! Takes over what another census has: rows of its tables, from its database or from a dump of it.

mod copy;
mod dump;
mod row;

use std::io::BufRead;

use super::{CensusError, Imported};

pub(super) use copy::Lines;
pub(super) use row::Batch;

use super::store::CensusStore;

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

/// Imports a dump in pg_dump's plain format.
pub(super) async fn import_dump(
    store: &CensusStore,
    dump: impl BufRead + Send,
    progress: impl FnMut(&Imported) + Send,
) -> Result<Imported, CensusError> {
    let mut importer = Importer::new(store, progress);
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
