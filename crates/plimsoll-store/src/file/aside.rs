//! Setting a file aside that cannot be used, so that a new one can begin and nothing is lost for good.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{beside, remove};

/// How many files of each kind are kept; older ones are removed.
const MAX_SET_ASIDE: usize = 2;

/// Why a file was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    /// It is not what was written.
    Damaged,
    /// A newer version wrote it.
    Newer,
}

impl Aside {
    /// The word in the new name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Newer => "newer",
        }
    }
}

/// Renames a file, with its log, to a name that says why and when.
pub(super) fn set_aside(path: &Path, why: Aside) -> io::Result<Aside> {
    let mut now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let name = |now: u64| beside(path, &format!(".{}-{now}", why.word()));
    while name(now).symlink_metadata().is_ok() {
        now += 1;
    }
    let new = name(now);
    fs::rename(path, &new)?;
    for ending in ["-wal", "-shm"] {
        match fs::rename(beside(path, ending), beside(&new, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    tracing::warn!(file = %path.display(), kept = %new.display(), "the history is {} and was set aside", why.word());
    for old in surplus(path, why)? {
        for ending in ["", "-wal", "-shm"] {
            remove(&beside(&old, ending))?;
        }
    }
    Ok(why)
}

/// Files that were set aside earlier and are too many now.
fn surplus(path: &Path, why: Aside) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let prefix = format!("{name}.{}-", why.word());
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let time = file
            .to_str()
            .and_then(|file| file.strip_prefix(&prefix))
            .and_then(|time| time.parse::<u64>().ok());
        kept.extend(time.map(|time| (time, entry.path())));
    }
    kept.sort_unstable_by(|one, next| next.cmp(one));
    Ok(kept.into_iter().skip(MAX_SET_ASIDE).map(|(_, path)| path).collect())
}
