//! What can go wrong when kernel files are read.

use std::path::PathBuf;

/// A failure to read the kernel's files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no cgroup hierarchy under the root.
    #[error(
        "looking for cgroups: {} holds neither cgroup v2 (no cgroup.controllers) nor cgroup v1 (no memory, cpu or \
         cpuacct directory); mount it there, or name its place with --cgroup-root",
        root.display()
    )]
    NoCgroups {
        /// Where they were looked for.
        root: PathBuf,
    },
    /// The container's cgroup was not found.
    #[error("looking for the cgroup of container {id}: neither the process nor a known place led to it")]
    NoCgroup {
        /// The container.
        id: String,
    },
}
