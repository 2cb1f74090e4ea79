//! How much of the disk containers take: trees of files by a [`walk`], logs by their names, and what file systems and
//! project quotas tell at once.

mod log;
mod place;
mod space;
mod walk;

pub use log::{MAX_LOGS, log_bytes};
pub use place::HostPaths;
pub use space::Space;
pub use walk::{Gait, MAX_DEPTH, MAX_LINKS, MAX_OPEN, Usage, WalkError, walk};

/// Puts the calling thread behind all others, for the processor and, as far as the kernel derives the one from the other, for
/// the disk: the lowest of the ordinary levels.
pub fn step_back() {
    // Without the right to it nothing is lost but courtesy.
    let _ignored = rustix::process::setpriority_process(None, 19);
}
