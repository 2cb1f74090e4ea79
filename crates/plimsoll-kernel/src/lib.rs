//! Readers for the kernel's files: cgroup v1, v2 and hybrid, pressure, and `/proc`.
//!
//! Containers' numbers are in files that the kernel makes anew at each read. Opening them is what costs,
//! so a [`Reader`] keeps a container's files open and reads them again and again into the fixed slots of
//! a [`ContainerRow`]. A cgroup that was removed answers with an error, so that numbers of one
//! life can never be taken for those of the next, whatever its path or process id.
//!
//! This crate knows no engine and is for Linux alone.
//!
//! ```no_run
//! use plimsoll_kernel::{Kernel, Reading, Roots, Spent, Target};
//! use plimsoll_model::{Container, ContainerRow, Selection, Slot};
//!
//! let mut kernel = Kernel::probe(Roots::default(), &Selection::default())?;
//! let id = "35e34b673642d5878aec4b8e8e8631f7ad7aba443b9ec94788326463016bd4f1";
//! let mut reader = kernel.attach(&Target { id, ..Target::default() })?;
//! let mut row = ContainerRow::new(Container::new(id, "docker".into()).into());
//! if let Reading::Done { .. } = kernel.read(&mut reader, &mut row, &mut Spent::default()) {
//!     println!("{:?} bytes", row.values.get(Slot::MemoryUsage));
//! }
//! # Ok::<(), plimsoll_kernel::Error>(())
//! ```

#![cfg(target_os = "linux")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod capability;
mod descriptors;
mod devices;
pub mod disk;
mod error;
mod files;
mod filesystems;
mod host;
mod host_reader;
mod lasting;
mod layout;
mod limits;
mod locate;
mod machine;
mod pages;
pub mod parse;
mod proc_file;
mod reader;
mod recognise;
mod scan;
mod tables;
mod walks;

use std::sync::Arc;

use plimsoll_model::Selection;
use plimsoll_model::agent::{Capability, Machine, MachineFacts};

pub use devices::MAX_DEVICES;
pub use error::Error;
pub use filesystems::{FilesystemReader, MAX_MOUNT_THREADS, MAX_MOUNTS};
pub use host::{OwnProcess, monotonic, release};
pub use host_reader::{HostReader, MAX_HOST_DISKS, MAX_HOST_INTERFACES, MAX_PROCESSORS};
pub use layout::{Controller, Layout, Roots, Version};
pub use locate::Target;
pub use reader::{Kept, MAX_INTERFACES, Reader, Reading, Spent};
pub use recognise::{Recognised, Runtime, recognise};
pub use scan::{Scan, scan};

#[cfg(doc)]
use plimsoll_model::ContainerRow;

/// The kernel of this machine, as far as containers go.
#[derive(Debug)]
pub struct Kernel {
    roots: Roots,
    layout: Layout,
    files: Vec<files::File>,
    budget: descriptors::Budget,
    devices: devices::DeviceNames,
    host_namespace: Option<u64>,
    /// Whether the kernel tells at once how many descriptors a process has.
    has_counts: bool,
    /// How many containers were attached, so that each has its own moment for what is read less often.
    attached: u64,
    /// Clock ticks a second, in which v1 and `/proc` count time.
    ticks: u64,
    /// When the machine was booted, in Unix nanoseconds.
    boot_time: Option<u64>,
    buffer: Vec<u8>,
    /// Space for a path.
    path: std::path::PathBuf,
    limits: limits::Limits,
    read_errors: Vec<(&'static str, u64)>,
    rows_dropped: u64,
    scratch: parse::Numbers,
    /// By position in `files`: which numbers the file has ever held.
    said: Vec<(parse::Numbers, parse::block::DeviceNumbers)>,
}

impl Kernel {
    /// Looks at what the machine has, raises the limit of open files, and gets ready to read what
    /// `selection` asks for.
    ///
    /// # Errors
    /// If there is no cgroup hierarchy under the root.
    pub fn probe(roots: Roots, selection: &Selection) -> Result<Self, Error> {
        let layout = Layout::probe(&roots.cgroup)?;
        let files = files::of(layout.version, selection, &pages::huge(&roots.sysfs));
        let boot_time = std::fs::read(roots.procfs.join("stat")).ok();
        Ok(Self {
            budget: descriptors::Budget::raise(),
            devices: devices::DeviceNames::new(&roots.sysfs),
            host_namespace: locate::host_namespace(&roots.procfs),
            has_counts: walks::has_counts(&roots.procfs),
            attached: 0,
            ticks: rustix::param::clock_ticks_per_second(),
            boot_time: boot_time.and_then(|bytes| host::boot_time(parse::proc::stat(&bytes).boot_time?)),
            buffer: vec![0; 16 * 1024],
            path: std::path::PathBuf::new(),
            limits: limits::Limits::new(selection),
            read_errors: Vec::new(),
            rows_dropped: 0,
            scratch: parse::Numbers::default(),
            said: vec![Default::default(); files.len()],
            roots,
            layout,
            files,
        })
    }

    /// The hierarchies that were found.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads that failed so far, by file.
    #[must_use]
    pub fn read_errors(&self) -> &[(&'static str, u64)] {
        &self.read_errors
    }

    /// Interfaces, devices, tasks and the like that were left out because a container had too many.
    #[must_use]
    pub fn rows_dropped(&self) -> u64 {
        self.rows_dropped
    }

    /// What this machine lets the agent read, with reasons.
    #[must_use]
    pub fn capabilities(&self) -> Arc<[Capability]> {
        capability::probe(self).into()
    }

    /// What the kernel says of the machine.
    pub fn machine(&mut self) -> Machine {
        let memory = self.read_path("meminfo").map(parse::proc::meminfo).unwrap_or_default();
        let cores = self.read_path("stat").and_then(|bytes| parse::proc::stat(bytes).cpus);
        Machine { cores, memory: memory.memory, swap: memory.swap }
    }

    /// What the machine is made of, and which one it is.
    #[must_use]
    pub fn machine_facts(&self) -> MachineFacts {
        machine::facts(&self.roots)
    }

    /// Whether every file so far could be kept open.
    #[must_use]
    pub fn had_enough_descriptors(&self) -> bool {
        self.budget.was_enough()
    }

    /// A time in clock ticks since boot as Unix nanoseconds.
    fn since_boot(&self, ticks: u64) -> Option<u64> {
        let nanos = ticks.checked_mul(1_000_000_000 / self.ticks.max(1))?;
        self.boot_time?.checked_add(nanos)
    }
}
