//! The spool: batches on disk that wait for their target, in one SQLite file a target.
//!
//! A row is one batch as it will be sent, already encoded and compressed, with its number, how many points it holds, which time
//! it is of, and a checksum over all of that. No secret is in it: addresses and tokens belong to the configuration.
//!
//! The file is in WAL mode. What was committed survives the end of this process however it comes; [`Spool::sync`] makes it
//! survive the end of the machine's power as well. `max_page_count` bounds the file.
//!
//! ```
//! use plimsoll_deliver::spool::{Row, Spool};
//!
//! let folder = tempfile::tempdir()?;
//! let mut opened = Spool::open(&folder.path().join("tsdb.spool"), 16 << 20)?;
//! let row = Row { seq: 1, format: "lines".into(), points: 2, raw_bytes: 9, first: 5, last: 6, body: b"a v=1\nb v".to_vec() };
//! opened.spool.insert(std::slice::from_ref(&row), true)?;
//! assert_eq!(opened.spool.load(1)?, Some(row));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod care;
mod damage;

pub use care::{DamagedRow, Verified};

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use xxhash_rust::xxh3::Xxh3Default;

/// The version of the file's layout, in `user_version`.
const VERSION: i64 = 1;
/// `application_id`: `PlSp`.
const APPLICATION: i64 = 0x506c_5370;
/// The most that is read of one row; the largest batch is far below.
const MAX_BODY: i64 = 64 * 1024 * 1024;
/// What a row takes beside its body, about.
const ROW_OVERHEAD: u64 = 128;
/// The part of the file that rows may take: SQLite needs room for its own pages.
const USABLE_PERCENT: u64 = 85;

/// Why a spool does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another agent has it.
    #[error(
        "the spool {0} is in use by another agent; end that one, or give this one another folder with --spool"
    )]
    InUse(PathBuf),
    /// The system does not let us.
    #[error("cannot {doing} the spool {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// SQLite does not do it.
    #[error("cannot {doing} the spool {path}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
}

impl SpoolError {
    /// Whether the file's content is broken, rather than the disk full or forbidden.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        let Self::Sqlite { source, .. } = self else { return false };
        let rusqlite::Error::SqliteFailure(error, _) = source else {
            // A value that is none of its column's.
            return true;
        };
        match error.code {
            Code::SystemIoFailure => error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ,
            Code::CannotOpen
            | Code::ReadOnly
            | Code::DiskFull
            | Code::PermissionDenied
            | Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::OutOfMemory => false,
            _ => true,
        }
    }
}

/// One batch on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its number; a larger one is later.
    pub seq: u64,
    /// What the body is written in and how it is compressed.
    pub format: String,
    /// Points in it.
    pub points: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// The earliest time in it, in Unix nanoseconds.
    pub first: i64,
    /// The latest time in it, in Unix nanoseconds.
    pub last: i64,
    /// The body as it is sent.
    pub body: Vec<u8>,
}

/// What is known of a row without reading its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFacts {
    /// Its number.
    pub seq: u64,
    /// What the body is written in.
    pub format: String,
    /// Points in it.
    pub points: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// The earliest time in it, in Unix nanoseconds.
    pub first: i64,
    /// The latest time in it, in Unix nanoseconds.
    pub last: i64,
    /// Bytes of the body.
    pub bytes: u64,
}

impl RowFacts {
    /// What the row takes of the disk, about.
    #[must_use]
    pub fn disk(&self) -> u64 {
        disk_of(self.bytes)
    }
}

/// What a body of so many bytes takes of the disk, about.
pub(crate) fn disk_of(bytes: u64) -> u64 {
    bytes + ROW_OVERHEAD
}

/// An open spool. Dropping it closes the file, and leaves it to the next.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    connection: Connection,
    usable: u64,
    commits: u64,
    /// Held until the end; the system takes it back from a process that dies.
    _lock: File,
}

/// A spool that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: Spool,
    /// What waits in it, by number.
    pub rows: Vec<RowFacts>,
    /// What was found broken and set aside, if anything was.
    pub damage: Option<Damage>,
}

/// What was found broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Rows that could not be saved.
    pub rows: u64,
    /// Where the broken file is now; nothing where single rows were taken out.
    pub set_aside: Option<PathBuf>,
    /// What is wrong.
    pub reason: String,
}

impl Spool {
    /// Opens the spool, or begins one. `max_bytes` bounds the file.
    ///
    /// A file that is broken is set aside, and what can be read of it is kept. One of a later version is set aside whole.
    ///
    /// # Errors
    /// If another agent has it, or the folder cannot be written.
    pub fn open(path: &Path, max_bytes: u64) -> Result<Opened, SpoolError> {
        let lock = lock(path)?;
        match Self::try_open(path, max_bytes, &lock) {
            Err(error) if error.is_damage() => damage::salvage(path, max_bytes, &lock, &error.to_string()),
            Ok((spool, Ok(rows))) => Ok(Opened { spool, rows, damage: None }),
            Ok((spool, Err(reason))) => {
                drop(spool);
                damage::salvage(path, max_bytes, &lock, &reason)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens what another process may be writing, to look at it.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn look(path: &Path) -> Result<Vec<RowFacts>, SpoolError> {
        let sqlite = |source| SpoolError::Sqlite { doing: "read", path: path.to_owned(), source };
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(sqlite)?;
        facts(&connection).map_err(sqlite)
    }

    fn try_open(
        path: &Path,
        max_bytes: u64,
        lock: &File,
    ) -> Result<(Self, Result<Vec<RowFacts>, String>), SpoolError> {
        let sqlite = |source| SpoolError::Sqlite { doing: "open", path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(sqlite)?;
        let version =
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).map_err(sqlite)?;
        let lock = lock.try_clone().map_err(|source| SpoolError::Io {
            doing: "lock",
            path: path.to_owned(),
            source,
        })?;
        let mut spool = Self { path: path.to_owned(), connection, usable: 0, commits: 0, _lock: lock };
        if version > VERSION {
            return Ok((spool, Err(format!("it was written by a later Plimsoll (layout {version})"))));
        }
        spool.prepare(max_bytes, version).map_err(sqlite)?;
        let rows = facts(&spool.connection).map_err(sqlite)?;
        Ok((spool, Ok(rows)))
    }

    fn prepare(&mut self, max_bytes: u64, version: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304")?;
        let page: u64 =
            connection.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).map(unsigned)?;
        let pages = signed(max_bytes / page.max(1));
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        self.usable = max_bytes / 100 * USABLE_PERCENT;
        if version < VERSION {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS batch (
                     seq INTEGER PRIMARY KEY, format TEXT NOT NULL, points INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
                     first INTEGER NOT NULL, last INTEGER NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL);
                 PRAGMA application_id = {APPLICATION};
                 PRAGMA user_version = {VERSION};
                 COMMIT"
            ))?;
        }
        Ok(())
    }

    /// The bytes that rows may take.
    #[must_use]
    pub fn usable(&self) -> u64 {
        self.usable
    }

    /// Transactions so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The size of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |facts| facts.len())
    }

    /// Writes batches in one transaction. With `durable`, they are on the disk when this returns.
    ///
    /// # Errors
    /// If the disk or the file's bound does not allow it. Then none of them is written.
    pub fn insert(&mut self, rows: &[Row], durable: bool) -> Result<(), SpoolError> {
        self.transaction("write to", durable, |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO batch (seq, format, points, raw_bytes, first, last, checksum, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for row in rows {
                insert.execute(params![
                    signed(row.seq),
                    row.format,
                    signed(row.points),
                    signed(row.raw_bytes),
                    row.first,
                    row.last,
                    checksum(row),
                    row.body
                ])?;
            }
            Ok(())
        })
    }

    /// Takes batches out.
    ///
    /// # Errors
    /// If the disk does not allow it. Then all of them stay, and will be sent once more after a restart.
    pub fn remove(&mut self, seqs: &[u64]) -> Result<(), SpoolError> {
        self.transaction("take from", false, |transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM batch WHERE seq = ?1")?;
            for seq in seqs {
                delete.execute([signed(*seq)])?;
            }
            Ok(())
        })
    }

    /// Makes everything that was written before durable.
    ///
    /// # Errors
    /// If the disk does not allow it.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        // A commit that waits for the disk takes all before it along: they stand before it in the same log.
        self.transaction("write to", true, |transaction| {
            transaction.execute_batch(&format!("PRAGMA user_version = {VERSION}"))
        })
    }

    /// Reads a batch; `None` where there is none with that number, or its bytes are not those that were written.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load(&self, seq: u64) -> Result<Option<Row>, SpoolError> {
        load(&self.connection, seq).map_err(|source| self.error("read", source))
    }

    fn transaction(
        &mut self,
        doing: &'static str,
        durable: bool,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), SpoolError> {
        let level = if durable { "FULL" } else { "NORMAL" };
        let done = (|| {
            self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            let transaction = self.connection.transaction()?;
            work(&transaction)?;
            transaction.commit()
        })();
        self.commits += 1;
        done.map_err(|source| self.error(doing, source))
    }

    /// Makes the disk full, or gives it room again.
    #[cfg(test)]
    pub(crate) fn fill(&mut self, is_full: bool) {
        // The bound is never set below what the file has; its free pages are a few rows at most.
        let pages = if is_full { 1 } else { 1 << 20 };
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }

    fn error(&self, doing: &'static str, source: rusqlite::Error) -> SpoolError {
        SpoolError::Sqlite { doing, path: self.path.clone(), source }
    }
}

/// Takes the lock beside the file, which the system gives to one process at a time.
fn lock(path: &Path) -> Result<File, SpoolError> {
    let lock_path = path.with_extension("lock");
    let io = |doing, source| SpoolError::Io { doing, path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| io("make the folder of", source))?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|source| io("lock", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(io("lock", source)),
    }
}

fn facts(connection: &Connection) -> rusqlite::Result<Vec<RowFacts>> {
    let mut select = connection.prepare(
        "SELECT seq, format, points, raw_bytes, first, last, length(body) FROM batch ORDER BY seq",
    )?;
    let rows = select.query_map([], |row| {
        Ok(RowFacts {
            seq: unsigned(row.get(0)?),
            format: row.get(1)?,
            points: unsigned(row.get(2)?),
            raw_bytes: unsigned(row.get(3)?),
            first: row.get(4)?,
            last: row.get(5)?,
            bytes: unsigned(row.get(6)?),
        })
    })?;
    rows.collect()
}

fn load(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Row>> {
    let mut select = connection.prepare_cached(
        "SELECT format, points, raw_bytes, first, last, checksum, body FROM batch WHERE seq = ?1 AND length(body) <= ?2",
    )?;
    let found = select
        .query_row(params![signed(seq), MAX_BODY], |row| {
            let sum: i64 = row.get(5)?;
            let read = Row {
                seq,
                format: row.get(0)?,
                points: unsigned(row.get(1)?),
                raw_bytes: unsigned(row.get(2)?),
                first: row.get(3)?,
                last: row.get(4)?,
                body: row.get(6)?,
            };
            Ok((checksum(&read) == sum).then_some(read))
        })
        .optional()?;
    Ok(found.flatten())
}

/// A checksum over all of a row. SQLite's integers have a sign; the bits are what counts.
fn checksum(row: &Row) -> i64 {
    let mut hash = Xxh3Default::new();
    for number in [row.seq, row.points, row.raw_bytes, row.first.cast_unsigned(), row.last.cast_unsigned()] {
        hash.update(&number.to_le_bytes());
    }
    hash.update(row.format.as_bytes());
    hash.update(&[0]);
    hash.update(&row.body);
    hash.digest().cast_signed()
}

/// SQLite's integers have a sign; none of ours does, and none is so large that it matters.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
