//! A census in a SQLite file: one connection writes, another one reads.

mod read;
mod tables;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::CensusError;

/// Whose file it is: "Plcs".
const APPLICATION: i64 = 0x506c_6373;

/// What brings a file from each format to the next; one for each format.
const MIGRATIONS: [&str; FORMAT as usize] = [include_str!("v1.sql")];

/// The format that this version writes.
const FORMAT: u32 = 1;

/// How long a statement waits for another process, such as an import, to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 64;

/// An open census file.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, CensusError> {
        let path = path.to_owned();
        let error_path = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let writer = open(&path)?;
            let reader = connect(&path).map_err(|error| refused(&path, "open", error))?;
            Ok(Self { path, writer: Arc::new(Mutex::new(writer)), reader: Arc::new(Mutex::new(reader)) })
        });
        opened.await.unwrap_or_else(|error| Err(ended(&error_path, error)))
    }

    /// Does something with the connection that writes, on a thread where it may take its time.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CensusError> {
        self.with(&self.writer, doing, work).await
    }

    /// As [`Self::write`], with the connection that reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CensusError> {
        self.with(&self.reader, doing, work).await
    }

    async fn with<T: Send + 'static>(
        &self,
        connection: &Arc<Mutex<Connection>>,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CensusError> {
        let connection = Arc::clone(connection);
        let work = move || {
            // A panic inside a transaction rolled it back.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| refused(&self.path, doing, error)),
            Err(error) => Err(ended(&self.path, error)),
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A report that was acknowledged is there after the power failed.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, CensusError> {
    let file = |source| CensusError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(file)?;
    }
    let is_new = !path.exists();
    let look = Connection::open(path).map_err(|error| refused(path, "open", error))?;
    // Who uses what is not everybody's to read. The side files follow the file.
    #[cfg(unix)]
    if is_new {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).map_err(file)?;
    }
    look.busy_timeout(BUSY_TIMEOUT).map_err(|error| refused(path, "open", error))?;
    let number = |pragma: &str| look.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, tables))
    };
    let (application, version, tables) = read().map_err(|error| refused(path, "read the format", error))?;
    if application != APPLICATION && tables > 0 {
        let why = "it is a database of another program; choose another path".to_owned();
        return Err(CensusError::UnknownSchema { database: path.display().to_string(), why });
    }
    let known = i64::from(FORMAT);
    if version > known {
        return Err(CensusError::NewerVersion { database: path.display().to_string(), version, known });
    }
    drop(look);
    let mut connection = connect(path).map_err(|error| refused(path, "open", error))?;
    migrate(&mut connection).map_err(|error| refused(path, "bring the format up to date", error))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have done it meanwhile.
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// An error of SQLite. A full or locked disk may recover by itself.
fn refused(path: &Path, doing: &'static str, source: rusqlite::Error) -> CensusError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    let database = path.display().to_string();
    match source.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull) => {
            CensusError::Unavailable { database, source: source.into() }
        }
        _ => CensusError::Refused { doing, database, source: source.into() },
    }
}

/// The thread ended in the midst of it.
fn ended(path: &Path, error: tokio::task::JoinError) -> CensusError {
    CensusError::Unavailable { database: path.display().to_string(), source: error.into() }
}
