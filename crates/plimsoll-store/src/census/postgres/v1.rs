//! Reads another census' PostgreSQL, whose schema may be any of the known ones, and which is left as it is.

use std::pin::pin;

use futures_util::TryStreamExt as _;

use super::Postgres;
use crate::census::import::{Importer, Lines, TABLES};
use crate::census::{CensusError, Imported};

const COLUMNS: &str = "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN \
     pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 \
     AND NOT a.attisdropped ORDER BY a.attnum";

impl Postgres {
    /// Gives all rows of v1's tables to an importer.
    pub(in crate::census) async fn read_v1<P: FnMut(&Imported) + Send>(
        &self,
        importer: &mut Importer<'_, P>,
    ) -> Result<(), CensusError> {
        let failed = self.failed("read the tables");
        let on = self.connect().await?;
        let on = &on.client;
        // All tables as they are at one moment.
        on.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(&failed)?;
        for table in TABLES {
            let rows = on.query(COLUMNS, &[&table]).await.map_err(&failed)?;
            let columns: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            if columns.is_empty() {
                if table == TABLES[0] {
                    let why = format!("it has no {table}");
                    return Err(CensusError::UnknownSchema { database: self.address.shown.clone(), why });
                }
                continue;
            }
            let copy = format!("COPY {table} TO STDOUT");
            let mut pieces = pin!(on.copy_out(&copy).await.map_err(&failed)?);
            let mut lines = Lines::default();
            while let Some(piece) = pieces.try_next().await.map_err(&failed)? {
                importer.bytes(piece.len() as u64);
                for row in lines.rows(&piece) {
                    importer.row(table, &columns, &row).await?;
                }
            }
        }
        Ok(())
    }
}
