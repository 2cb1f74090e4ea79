//! What a file system tells of its space, and what a project quota makes of it.
//!
//! A quota for a tree (xfs, ext4: `prjquota`) is what Docker's `--storage-opt size=` sets on a container's layer. The kernel
//! then answers `statfs` in that tree with the quota's limit as size and what is left of it as free, if the limit is the
//! smaller of the two (`xfs_qm_statvfs`, `ext4_statfs_project`). So both the limit and the use are had from one call.

use std::path::Path;

use rustix::io::Errno;

/// What `statfs` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub size: u64,
    /// Bytes that are free, those for root included.
    pub free: u64,
    /// Inodes in all; 0 where the file system makes them as it needs them.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

impl Space {
    /// Asks the file system that `path` is on. On a network file system whose server is gone this does not return.
    ///
    /// # Errors
    /// What the system says, for instance that there is no such path.
    pub fn of(path: &Path) -> Result<Self, Errno> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Self {
            size: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bfree.saturating_mul(found.f_frsize),
            inodes: found.f_files,
            inodes_free: found.f_ffree,
        })
    }

    /// The bytes that a tree takes, where a quota for it shows: the tree seems to be on a smaller file system than the folder
    /// that holds the trees of all, which has to be on the same device.
    #[must_use]
    pub fn used_of_quota(&self, around: &Self) -> Option<u64> {
        (self.size < around.size).then(|| self.size.saturating_sub(self.free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_shows_as_a_smaller_file_system() {
        let whole = Space { size: 1000, free: 400, inodes: 50, inodes_free: 20 };
        for (size, free, used) in [
            (1000, 400, None),
            (100, 90, Some(10)),
            (100, 0, Some(100)),
            (100, 200, Some(0)),
            (2000, 1, None),
        ] {
            let tree = Space { size, free, ..whole };
            assert_eq!(tree.used_of_quota(&whole), used, "{size} {free}");
        }
    }

    #[test]
    fn the_file_system_of_a_folder_answers() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::of(folder.path()).unwrap();
        assert!(space.size > 0 && space.free <= space.size, "{space:?}");
        assert_eq!(Space::of(&folder.path().join("missing")), Err(Errno::NOENT));
    }
}
