//! Looking after spools by hand: are all batches as they were written, what was set aside, and away with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::damage::{self, with_end};
use super::{RowFacts, Spool, SpoolError, VERSION, load, lock, signed, unsigned};

/// What became of reading every batch of a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Batches that are as they were written.
    pub rows: u64,
    /// Points in them.
    pub points: u64,
    /// Batches that are not.
    pub damaged: Vec<DamagedRow>,
    /// Why the file as a whole cannot be read to its end, if it cannot.
    pub broken: Option<String>,
}

/// A batch that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// Its number.
    pub seq: u64,
    /// Points in it, as far as that can be read.
    pub points: u64,
}

impl Spool {
    /// Reads every batch and compares its checksum. Changes nothing, and another process may be writing: what is read is the
    /// spool at one moment.
    ///
    /// # Errors
    /// If there is none, or the system does not let us read it.
    pub fn verify(path: &Path) -> Result<Verified, SpoolError> {
        let sqlite = |source| SpoolError::Sqlite { doing: "read", path: path.to_owned(), source };
        let mut verified = Verified::default();
        match read_all(path, &mut verified) {
            Ok(()) => Ok(verified),
            Err(source) => {
                let error = sqlite(source);
                if !error.is_damage() {
                    return Err(error);
                }
                verified.broken = Some(error.to_string());
                Ok(verified)
            }
        }
    }

    /// Files that were found damaged and set aside beside the spool, the oldest first.
    #[must_use]
    pub fn set_aside(path: &Path) -> Vec<PathBuf> {
        damage::set_aside(path)
    }

    /// Throws away all that waits, with the file. Gives what that was, as far as it can be read; `None` where there was no file.
    ///
    /// # Errors
    /// If an agent has it, or the system does not let us.
    pub fn discard(path: &Path) -> Result<Option<Vec<RowFacts>>, SpoolError> {
        if !path.exists() {
            return Ok(None);
        }
        let _lock = lock(path)?;
        // A file that cannot be read any more is a reason to want it away.
        let rows = Self::look(path).unwrap_or_default();
        let io = |source| SpoolError::Io { doing: "remove", path: path.to_owned(), source };
        // The log first: without its file it would be taken for that of a file that comes later.
        for end in ["-wal", "-shm", ""] {
            match std::fs::remove_file(with_end(path, end)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
        }
        Ok(Some(rows))
    }
}

fn read_all(path: &Path, verified: &mut Verified) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
    if version > VERSION {
        verified.broken = Some(format!("it was written by a later Plimsoll (layout {version})"));
        return Ok(());
    }
    // Within one transaction, an agent that delivers meanwhile takes nothing away from under us.
    let moment = connection.transaction()?;
    let (numbers, whole) = numbers(&moment);
    for seq in numbers {
        match load(&moment, seq) {
            Ok(Some(row)) => {
                verified.rows += 1;
                verified.points += row.points;
            }
            _ => {
                let points = moment
                    .query_row("SELECT points FROM batch WHERE seq = ?1", [signed(seq)], |row| row.get(0))
                    .map_or(0, unsigned);
                verified.damaged.push(DamagedRow { seq, points });
            }
        }
    }
    whole
}

/// The numbers of all rows; where the file is broken, those that can be reached from its ends, and why not all.
fn numbers(connection: &Connection) -> (Vec<u64>, rusqlite::Result<()>) {
    let list = || -> rusqlite::Result<Vec<u64>> {
        let mut select = connection.prepare("SELECT seq FROM batch ORDER BY seq")?;
        let rows = select.query_map([], |row| row.get(0).map(unsigned))?;
        rows.collect()
    };
    match list() {
        Ok(numbers) => (numbers, Ok(())),
        Err(error) => (damage::reached(connection), Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Row, SpoolError};
    use super::*;

    fn row(seq: u64) -> Row {
        let body = format!("batch {seq} ").repeat(40).into_bytes();
        Row { seq, format: "lines-ms+none".into(), points: seq, raw_bytes: 9, first: 5, last: 6, body }
    }

    #[test]
    fn damaged_batches_are_found_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.spool");
        assert!(Spool::verify(&path).is_err(), "there is none");
        let mut spool = Spool::open(&path, 16 << 20).unwrap().spool;
        spool.insert(&[row(1), row(2), row(3)], true).unwrap();
        // Beside whoever has it.
        let whole = Verified { rows: 3, points: 6, ..Verified::default() };
        assert_eq!(Spool::verify(&path).unwrap(), whole);
        let other = Connection::open(&path).unwrap();
        other.execute("UPDATE batch SET body = x'00' WHERE seq = 2", []).unwrap();
        let damaged = vec![DamagedRow { seq: 2, points: 2 }];
        let found = Verified { rows: 2, points: 4, damaged, broken: None };
        assert_eq!(Spool::verify(&path).unwrap(), found);
        assert_eq!(Spool::verify(&path).unwrap(), found);
        assert_eq!(Spool::look(&path).unwrap().len(), 3);
        assert_eq!(Spool::set_aside(&path), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_file_that_is_no_spool_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.spool");
        std::fs::write(&path, b"no database at all, and long enough to be looked at".repeat(100)).unwrap();
        let found = Spool::verify(&path).unwrap();
        assert!(found.broken.as_deref().is_some_and(|why| why.contains("not a database")), "{found:?}");
        drop(Spool::open(&path, 16 << 20).unwrap());
        assert_eq!(Spool::set_aside(&path).len(), 1);
        assert_eq!(Spool::verify(&path).unwrap(), Verified::default());
    }

    #[test]
    fn what_an_agent_has_is_not_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.spool");
        assert_eq!(Spool::discard(&path).unwrap(), None);
        let mut spool = Spool::open(&path, 16 << 20).unwrap().spool;
        spool.insert(&[row(4)], true).unwrap();
        assert!(matches!(Spool::discard(&path), Err(SpoolError::InUse(_))));
        drop(spool);
        let gone = Spool::discard(&path).unwrap().unwrap();
        assert_eq!((gone.len(), gone[0].points), (1, 4));
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.lock"]);
        assert!(Spool::open(&path, 16 << 20).unwrap().rows.is_empty());
    }
}
