//! What goes wrong with a census' database.

use std::path::PathBuf;

use super::view::Table;

/// Why something could not be done. No text of these has a password in it.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// The database cannot be reached just now, or went away while it was asked. What was to be written may or may not
    /// be there.
    #[error("the census database {database} does not answer; it is tried again by itself")]
    Unavailable {
        /// Which, without password.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address of a PostgreSQL is none.
    #[error(
        "the address of the census database cannot be understood: {why}; write postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require"
    )]
    BadUrl {
        /// Why.
        why: String,
    },
    /// The database has tables of these names that are something else.
    #[error("the census database {database} has a schema that is not known, and is left as it is: {why}")]
    UnknownSchema {
        /// Which, without password.
        database: String,
        /// What is not as it should be.
        why: String,
    },
    /// A newer version of Plimsoll uses the database.
    #[error(
        "the census database {database} has version {version}, and this program knows versions up to {known}; update it"
    )]
    NewerVersion {
        /// Which, without password.
        database: String,
        /// The database's version.
        version: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A report that no database takes.
    #[error("a report cannot be kept: {why}")]
    BadReport {
        /// Why.
        why: &'static str,
    },
    /// A view of a table by a column that it does not have.
    #[error("the table {table} cannot be sorted by {column:?}; its columns are {}", .table.column_names().join(", "))]
    NoSuchColumn {
        /// Which table.
        table: Table,
        /// What it was to be sorted by.
        column: String,
    },
    /// The database refused a statement.
    #[error("cannot {doing} in the census database {database}")]
    Refused {
        /// What was to be done.
        doing: &'static str,
        /// Which, without password.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A dump that cannot be read on.
    #[error("the dump cannot be read at line {line}: {why}; make it with pg_dump in its plain format")]
    BadDump {
        /// Where, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot open {}; check the path and the permissions of its folder", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl CensusError {
    /// Whether it may go away by itself, so that the same call is worth another try.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
