//! Reading files, and noticing later that one of them has changed.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::SecurityError;

/// The most bytes of one file: keys, certificates and configurations are far smaller.
const MOST: u64 = 1 << 20;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Differs when another file was put in its place, as Kubernetes does by swapping links.
    number: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let number = 0;
        Self { modified: metadata.modified().ok(), length: metadata.len(), number }
    }

    fn now(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}

/// Reads files, and remembers which, each with the stamp that it had before it was read.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<(PathBuf, Option<Stamp>)>);

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Anybody.
    Open,
    /// Only its owner and a group.
    Secret,
}

impl Files {
    /// Reads a text. A secret that everybody on the machine can read is refused.
    pub(super) fn text(&mut self, path: &Path, kept: Kept) -> Result<String, SecurityError> {
        self.0.push((path.to_owned(), Stamp::now(path)));
        let failed = |error: std::io::Error| {
            let remedy = "give the path of a file that this user may read";
            SecurityError::new(format!("cannot read {}: {error}", path.display()), remedy)
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(SecurityError::of(path, "is no file", "give the path of a file"));
        }
        if metadata.len() > MOST {
            return Err(SecurityError::of(path, "is larger than 1 MiB", "give the file that is meant"));
        }
        if kept == Kept::Secret {
            secret(path, &metadata)?;
        }
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text)).map_err(failed)?;
        Ok(text)
    }

    /// Refuses a file that was read already and holds a secret, if everybody can read it.
    pub(super) fn must_be_secret(path: &Path) -> Result<(), SecurityError> {
        std::fs::metadata(path).map_or(Ok(()), |metadata| secret(path, &metadata))
    }

    /// Whether any of the files is another one than when it was read.
    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, stamp)| Stamp::now(path) != *stamp)
    }
}

#[cfg(unix)]
fn secret(path: &Path, metadata: &Metadata) -> Result<(), SecurityError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    if mode & 0o007 == 0 {
        return Ok(());
    }
    let what = format!("holds a secret, and its permissions {:03o} open it to every user", mode & 0o777);
    Err(SecurityError::of(path, &what, format!("chmod o= {}", path.display())))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "permissions are another matter there")]
fn secret(_: &Path, _: &Metadata) -> Result<(), SecurityError> {
    Ok(())
}
