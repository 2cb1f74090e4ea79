//! A census in PostgreSQL: the tables of Container Census and ours beside them.
//!
//! Two connections take reports, one does what has time, one reads. Each is made when it is needed and given up after
//! any error, so that none is left within a transaction.

mod address;
mod columns;
mod connect;
mod days;
mod import;
mod read;
mod remove;
mod tables;
mod takeover;
mod tls;
mod types;
mod v1;
mod write;

use std::time::Duration;

use self::address::Address;
use self::connect::{Backoff, Slot};
use super::CensusError;

/// How long reports may wait for the database. A database that hangs is one that is down.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many groups of reports go in at a time. One keeps one processor of the database busy, and waits for its disk.
pub(super) const WRITERS: usize = 2;

/// A PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres {
    address: Address,
    backoff: Backoff,
    /// Whether this database was taken over.
    taken: tokio::sync::Mutex<bool>,
    writers: [Slot; WRITERS],
    background: Slot,
    reader: Slot,
}

impl Postgres {
    pub(super) fn new(url: &str) -> Result<Self, CensusError> {
        Ok(Self {
            address: Address::parse(url)?,
            backoff: Backoff::default(),
            taken: tokio::sync::Mutex::new(false),
            writers: Default::default(),
            background: Slot::default(),
            reader: Slot::default(),
        })
    }

    /// An error of a statement.
    fn failed(&self, doing: &'static str) -> impl Fn(tokio_postgres::Error) -> CensusError + '_ {
        move |source| self.address.failed(doing, source)
    }
}
