//! Whose disk is measured, what of it, and how hard.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Details, Mount};
use tokio::sync::mpsc;

use crate::source::Origin;

/// How hard disks are worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskPace {
    /// The time between two looks at one container.
    pub interval: Duration,
    /// The most files that are looked at in a second.
    pub budget: u32,
    /// How long one layer or volume may take.
    pub deadline: Duration,
    /// The least time between two counts of one container by its engine, and between two questions for what an engine keeps.
    pub engine: Duration,
}

impl Default for DiskPace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            budget: 10_000,
            deadline: Duration::from_secs(300),
            engine: Duration::from_secs(600),
        }
    }
}

/// Which numbers are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) layers: bool,
    pub(crate) rootfs: bool,
    pub(crate) volumes: bool,
    pub(crate) mounts: bool,
    pub(crate) images: bool,
}

/// Where a container is on disk, as its engine tells: all paths are its host's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Whether the engine was asked; a listing tells nothing of this.
    pub(crate) is_known: bool,
    pub(crate) upper_dir: Option<String>,
    pub(crate) log_path: Option<String>,
    pub(crate) mounts: Vec<Mount>,
}

impl Storage {
    /// What an inspection tells.
    #[must_use]
    pub fn of(details: &Details) -> Self {
        Self {
            is_known: true,
            upper_dir: details.upper_dir.clone(),
            log_path: details.log_path.clone(),
            mounts: details.mounts.clone(),
        }
    }
}

/// A container whose disk is measured.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) storage: Arc<Storage>,
    /// Whether its engine is reached through a socket of this machine.
    pub(crate) is_near: bool,
    pub(crate) origin: Arc<Origin>,
    /// Has its engine count.
    pub(crate) ask: mpsc::Sender<String>,
}
