//! A spool that is broken: what can be read goes into a new file, and the broken one is set aside for whoever wants to look.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use super::{Damage, Opened, Row, Spool, SpoolError, load};

/// How many files that were set aside are kept; older ones would fill the disk that the spool is bounded for.
const KEPT: usize = 3;

/// Sets the file aside and begins a new one with what can be read of it.
pub(super) fn salvage(path: &Path, max_bytes: u64, lock: &File, reason: &str) -> Result<Opened, SpoolError> {
    let io = |source| SpoolError::Io { doing: "set aside", path: path.to_owned(), source };
    let aside = aside(path);
    std::fs::rename(path, &aside).map_err(io)?;
    for end in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_end(path, end), with_end(&aside, end));
    }
    forget_oldest(path);
    let (mut spool, _) = Spool::try_open(path, max_bytes, lock)?;
    // Row by row: all of them at once may be more than there is memory for.
    let lost = read_all(&aside, &mut |row| spool.insert(std::slice::from_ref(&row), false).is_ok());
    let rows = super::facts(&spool.connection).map_err(|source| spool.error("read", source))?;
    let damage = Damage { rows: lost, set_aside: Some(aside), reason: reason.to_owned() };
    Ok(Opened { spool, rows, damage: Some(damage) })
}

/// Hands out every row that can be read, each on its own, so that a broken page costs only what stands on it. Gives how many
/// could not be read, or were not taken.
fn read_all(path: &Path, take: &mut dyn FnMut(Row) -> bool) -> u64 {
    // Read and write, because its log may have to be played back first.
    let Ok(connection) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return 0;
    };
    if connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .is_ok_and(|found| found > super::VERSION)
    {
        return 0;
    }
    let reached = reached(&connection);
    let (Some(first), Some(last)) = (reached.first(), reached.last()) else { return 0 };
    let mut lost = 0;
    for seq in *first..=(*last).min(first.saturating_add(MOST_ROWS)) {
        let is_lost = match load(&connection, seq) {
            Ok(Some(row)) => !take(row),
            // A number that nobody has is not damage: batches are delivered in any order.
            missing => missing.is_err() || is_there(&connection, seq),
        };
        lost += u64::from(is_lost);
    }
    lost
}

fn is_there(connection: &Connection, seq: u64) -> bool {
    let found =
        connection.query_row("SELECT points FROM batch WHERE seq = ?1", [super::signed(seq)], |row| {
            row.get::<_, i64>(0)
        });
    found.is_ok()
}

/// The numbers that can be read from the ends of the file up to where it is broken, in their order. What lies between two
/// broken places is found by trying.
pub(super) fn reached(connection: &Connection) -> Vec<u64> {
    let mut found = numbers(connection, "ASC");
    found.extend(numbers(connection, "DESC"));
    found.sort_unstable();
    found.dedup();
    found
}

fn numbers(connection: &Connection, order: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let Ok(mut select) = connection.prepare(&format!("SELECT seq FROM batch ORDER BY seq {order}")) else {
        return found;
    };
    let Ok(mut rows) = select.query([]) else { return found };
    while let Ok(Some(row)) = rows.next() {
        found.extend(row.get(0).ok().and_then(|seq: i64| u64::try_from(seq).ok()));
    }
    found
}

/// Numbers that are tried: more than a spool can hold rows of, and few enough to start soon.
const MOST_ROWS: u64 = 4_000_000;

fn aside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (0..)
        .map(|n| with_end(path, &format!(".aside-{now}-{n}")))
        .find(|path| !path.exists())
        .unwrap_or_default()
}

pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// The files that were set aside, the oldest first.
pub(super) fn set_aside(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let beginning = format!("{}.aside-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&beginning)))
        .filter(|path| !path.to_string_lossy().ends_with("-wal") && !path.to_string_lossy().ends_with("-shm"))
        .collect();
    found.sort();
    found
}

fn forget_oldest(path: &Path) {
    let found = set_aside(path);
    let old = found.len().saturating_sub(KEPT);
    for path in &found[..old] {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_end(path, end));
        }
    }
}
