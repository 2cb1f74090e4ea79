//! The space of a container's log: the file that is written, and those that were rotated out beside it.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::walk::allocated;

/// The most entries of the log's folder that are looked through.
pub const MAX_LOGS: usize = 1024;

/// Bytes on disk of the log at `path` and of those rotated from it (`NAME.1`, `NAME.2.gz`), which engines keep in one folder.
///
/// # Errors
/// What the system says of the folder or the log itself. Rotated ones come and go, and are left out where they cannot be read.
pub fn log_bytes(path: &Path) -> Result<u64, Errno> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    let name = name.as_encoded_bytes();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let folder = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
    let size = |name: &[u8]| -> Result<Option<u64>, Errno> {
        let found = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| allocated(&found)))
    };
    let mut sum = size(name)?.ok_or(Errno::INVAL)?;
    for entry in Dir::read_from(&folder)?.take(MAX_LOGS) {
        let Ok(entry) = entry else { break };
        let other = entry.file_name().to_bytes();
        if is_rotated(name, other)
            && let Ok(Some(bytes)) = size(other)
        {
            sum = sum.saturating_add(bytes);
        }
    }
    Ok(sum)
}

/// Whether `other` is the log `name` with a number, and perhaps the mark of a compressor, behind it.
fn is_rotated(name: &[u8], other: &[u8]) -> bool {
    let number = other.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"."));
    let number = number.map(|rest| rest.strip_suffix(b".gz").unwrap_or(rest));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_and_what_was_rotated_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("id-json.log");
        assert_eq!(log_bytes(&log), Err(Errno::NOENT));
        std::fs::write(&log, vec![b'x'; 40_000]).unwrap();
        let alone = log_bytes(&log).unwrap();
        assert!(alone >= 40_000, "{alone}");
        for name in ["id-json.log.1", "id-json.log.2.gz"] {
            std::fs::write(folder.path().join(name), vec![b'x'; 40_000]).unwrap();
        }
        for other in ["hostname", "id-json.log.tmp", "other-json.log.1", "id-json.log."] {
            std::fs::write(folder.path().join(other), vec![b'x'; 40_000]).unwrap();
        }
        assert_eq!(log_bytes(&log), Ok(3 * alone));
        std::os::unix::fs::symlink(&log, folder.path().join("id-json.log.3")).unwrap();
        std::fs::create_dir(folder.path().join("id-json.log.4")).unwrap();
        assert_eq!(log_bytes(&log), Ok(3 * alone), "neither links nor folders are logs");
        assert_eq!(log_bytes(&folder.path().join("id-json.log.4")), Err(Errno::INVAL));
    }
}
