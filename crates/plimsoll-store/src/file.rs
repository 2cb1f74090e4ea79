//! The file: where it is, whose it is, which format it has. What is in it is read by `file/read.rs` and written by
//! `file/write.rs`; SQL stands nowhere else.
//!
//! One process writes (a lock file beside it says which), and any number read. A new file is made under another name and
//! renamed when it is whole, so there is never half of one. A file that is damaged, or that a newer version wrote, is set
//! aside and a new one begun: the agent measures on, whatever its disk does.

mod aside;
mod mark;
mod read;
mod write;

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, reading, writing};

pub(crate) use aside::Aside;
pub(crate) use mark::Mark;
pub(crate) use read::{BlockHead, ContainerRecord, EventRecord, SeriesRecord};

/// The format that this version writes.
pub(crate) const FORMAT: u32 = 1;

/// Whose file it is: "Plim".
const APPLICATION: u32 = 0x506c_696d;

/// The size of a page. Blocks are a few KiB, so that most of them fill one; measured against 4,096.
const PAGE_SIZE: u32 = 8_192;

/// How long a statement waits for another process, such as somebody's `sqlite3`, to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 64;

const SCHEMA: &str = include_str!("file/v1.sql");

/// An open history file.
#[derive(Debug)]
pub(crate) struct File {
    connection: Connection,
    path: PathBuf,
    /// Held as long as the file is open for writing.
    _lock: Option<fs::File>,
}

/// What a file on disk looks like from its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Looks {
    Absent,
    Empty,
    Ours(u32),
    /// Unlike any database.
    Strange,
    /// A database of another program.
    Foreign,
}

impl File {
    /// Opens a file for writing and makes one where there is none. Says what was set aside, if something was.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Aside>), Error> {
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let lock_path = beside(path, ".lock");
        // A lock file from before is what tells our file, were its first page lost, from somebody else's.
        let was_ours = lock_path.symlink_metadata().is_ok();
        let looks = looks(path).map_err(unwritable)?;
        if looks == Looks::Foreign || (looks == Looks::Strange && !was_ours) {
            return Err(Error::NotAHistory { path: path.to_owned() });
        }
        let lock = lock(path, &lock_path)?;
        let aside = match looks {
            Looks::Absent | Looks::Empty => {
                create(path)?;
                None
            }
            Looks::Ours(version) if version > FORMAT => {
                Some(aside::set_aside(path, Aside::Newer).map_err(unwritable)?)
            }
            Looks::Ours(_) => match connect(path).and_then(|connection| check(&connection, path)) {
                Ok(()) => None,
                Err(Error::Damaged { .. }) => {
                    Some(aside::set_aside(path, Aside::Damaged).map_err(unwritable)?)
                }
                Err(error) => return Err(error),
            },
            Looks::Strange | Looks::Foreign => {
                Some(aside::set_aside(path, Aside::Damaged).map_err(unwritable)?)
            }
        };
        if aside.is_some() {
            create(path)?;
        }
        Ok((Self { connection: connect(path)?, path: path.to_owned(), _lock: Some(lock) }, aside))
    }

    /// Sets this file aside, which proved to be damaged while it was used, and begins a new one.
    pub(crate) fn begin_anew(&mut self) -> Result<(), Error> {
        // The damaged file must be let go of before it is renamed.
        let memory = Connection::open_in_memory().map_err(writing(&self.path))?;
        drop(std::mem::replace(&mut self.connection, memory));
        let unwritable = |source| Error::Unwritable { path: self.path.clone(), source };
        if self.path.symlink_metadata().is_ok() {
            aside::set_aside(&self.path, Aside::Damaged).map_err(unwritable)?;
        }
        create(&self.path)?;
        self.connection = connect(&self.path)?;
        Ok(())
    }

    /// Opens a file for reading. It needs no lock, and an agent may write it at the same time.
    pub(crate) fn read_only(path: &Path) -> Result<Self, Error> {
        let missing = |source| Error::Missing { path: path.to_owned(), source };
        match looks(path).map_err(missing)? {
            Looks::Absent => return Err(missing(io::ErrorKind::NotFound.into())),
            Looks::Foreign | Looks::Strange | Looks::Empty => {
                return Err(Error::NotAHistory { path: path.to_owned() });
            }
            Looks::Ours(version) if version > FORMAT => {
                return Err(Error::NewerVersion { path: path.to_owned(), version, known: FORMAT });
            }
            Looks::Ours(_) => {}
        }
        let open = |immutable| -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(
                uri(path, immutable),
                OpenFlags::SQLITE_OPEN_READ_ONLY
                    | OpenFlags::SQLITE_OPEN_URI
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            // Reads something, so that what cannot be read says so here.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        // In a folder that this user cannot write, SQLite cannot make the index of the write-ahead log. Where there is
        // no log, nobody writes, and the file can be read without one.
        let connection = open(false).or_else(|error| {
            let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
            if has_log { Err(error) } else { open(true) }
        });
        let connection = connection.map_err(reading(path))?;
        Ok(Self { connection, path: path.to_owned(), _lock: None })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection, for `read.rs`, `write.rs` and retention.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The size of the file with its log, in bytes.
    pub(crate) fn size_on_disk(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        size(&self.path) + size(&beside(&self.path, "-wal")) + size(&beside(&self.path, "-shm"))
    }

    /// The size of the log, in bytes.
    pub(crate) fn log_bytes(&self) -> u64 {
        fs::metadata(beside(&self.path, "-wal")).map_or(0, |log| log.len())
    }

    /// Bytes of pages in all, and of those that are free to be used again.
    pub(crate) fn page_bytes(&self) -> Result<(u64, u64), Error> {
        let number = |pragma: &str| -> rusqlite::Result<u64> {
            self.connection.prepare_cached(pragma)?.query_row([], |row| row.get(0)).map(i64::cast_unsigned)
        };
        let read = || -> rusqlite::Result<(u64, u64)> {
            let size = number("PRAGMA page_size")?;
            Ok((size * number("PRAGMA page_count")?, size * number("PRAGMA freelist_count")?))
        };
        read().map_err(reading(&self.path))
    }
}

/// The path of a file that stands beside another.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What the first bytes of a file say. The format of SQLite's header: <https://sqlite.org/fileformat.html#the_database_header>.
fn looks(path: &Path) -> io::Result<Looks> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Looks::Absent),
        Err(error) => return Err(error),
    };
    let mut header = Vec::new();
    file.by_ref().take(100).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(Looks::Empty);
    }
    let word = |at: usize| {
        header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let (version, application) = (word(60), word(68));
    Ok(match (header.starts_with(b"SQLite format 3\0"), application) {
        (true, APPLICATION) => Looks::Ours(version),
        (true, 0) | (false, _) => Looks::Strange,
        (true, _) => Looks::Foreign,
    })
}

fn lock(path: &Path, lock_path: &Path) -> Result<fs::File, Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let lock =
        OpenOptions::new().create(true).write(true).truncate(false).open(lock_path).map_err(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(source)),
    }
}

/// Makes a new file under another name, and renames it when it is whole.
fn create(path: &Path) -> Result<(), Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let unfinished = beside(path, ".new");
    let journal = beside(&unfinished, "-journal");
    for leftover in [&unfinished, &journal] {
        remove(leftover).map_err(unwritable)?;
    }
    let connection = Connection::open(&unfinished).map_err(writing(path))?;
    // Names and labels of containers are not everybody's to read. The side files follow the file.
    #[cfg(unix)]
    fs::set_permissions(&unfinished, PermissionsExt::from_mode(0o640)).map_err(unwritable)?;
    let make = move || -> rusqlite::Result<()> {
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.execute_batch(&format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?;
        Ok(())
    };
    make().map_err(writing(path))?;
    // A log of a file that is not there any more must not be taken for this one's.
    for ending in ["-wal", "-shm"] {
        remove(&beside(path, ending)).map_err(unwritable)?;
    }
    fs::rename(&unfinished, path).map_err(unwritable)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A connection that writes.
fn connect(path: &Path) -> Result<Connection, Error> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(connection)
    };
    open().map_err(writing(path))
}

/// Whether an existing file can be used. This reads little: what is damaged further inside shows when it is read.
fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(reading(path));
    // Brings what a killed agent left in the log into the file, so that its length can be believed. A full disk may prevent it.
    let checkpoint =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(reading(path));
    if let Err(damaged @ Error::Damaged { .. }) = checkpoint {
        return Err(damaged);
    }
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let length = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
    let is_cut = !has_log
        && fs::metadata(path).is_ok_and(|file| i64::try_from(file.len()).is_ok_and(|size| size < length));
    let tables = number(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('series', 'label_sets', 'lines', \
         'containers', 'spans', 'blocks', 'data', 'journal', 'events', 'lives')",
    )?;
    if is_cut || tables != 10 {
        let source = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(if is_cut { "the file is cut short" } else { "tables are missing" }.to_owned()),
        );
        return Err(Error::Damaged { path: path.to_owned(), source });
    }
    Ok(())
}

/// A path as SQLite's address of a file, read only.
fn uri(path: &Path, immutable: bool) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    if path.is_absolute() {
        uri.push_str("//");
    }
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri.push_str(if immutable { "?mode=ro&immutable=1" } else { "?mode=ro" });
    uri
}
