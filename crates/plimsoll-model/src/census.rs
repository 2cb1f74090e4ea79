//! What an installation says of itself in a census: how many containers it has, of which images, and how they are used.
//!
//! The figures of Container Census' report v1, whose wire format `plimsoll-wire` reads and writes.
//!
//! ```
//! use plimsoll_model::census::{ImageUse, Report};
//!
//! let images = vec![ImageUse { image: "nginx:latest".to_owned(), containers: 5, size_bytes: 142_000_000 }];
//! let report = Report { installation_id: "a1b2".to_owned(), total_containers: 5, images, ..Report::default() };
//! assert_eq!(report.images[0].containers, report.total_containers);
//! ```

use std::collections::BTreeMap;

/// One report. Numbers are finite and not negative; what the reporter did not say is zero or empty, as in v1, which has
/// no other way to say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Who reports: an identifier that its installation made up.
    pub installation_id: String,
    /// The version of the program that reports.
    pub version: String,
    /// When it was made, by the reporter's clock, in milliseconds since the epoch; `None` if it does not say.
    pub timestamp_ms: Option<i64>,
    /// Machines that were scanned.
    pub host_count: u64,
    /// How many of them through an agent.
    pub agent_count: u64,
    /// Containers in every state.
    pub total_containers: u64,
    /// Seconds between two scans.
    pub scan_interval_seconds: u64,
    /// The images in use.
    pub images: Vec<ImageUse>,
    /// How many agents of each version.
    pub agent_versions: BTreeMap<String, u64>,
    /// Containers that run.
    pub containers_running: u64,
    /// Containers that have exited.
    pub containers_stopped: u64,
    /// Containers that are paused.
    pub containers_paused: u64,
    /// Containers in any other state: created, restarting, being removed, dead.
    pub containers_other: u64,
    /// Mean processor time of running containers, in percent of one processor.
    pub avg_cpu_percent: f64,
    /// Mean memory of running containers, in bytes.
    pub avg_memory_bytes: u64,
    /// Sum of the memory limits of containers that have one, in bytes.
    pub total_memory_limit: u64,
    /// Restarts per container.
    pub avg_restarts: f64,
    /// Containers that were restarted more than ten times.
    pub high_restart_containers: u64,
    /// Sum of the sizes of distinct images, in bytes.
    pub total_image_size: u64,
    /// Distinct images.
    pub unique_images: u64,
    /// Name of the time zone, as `Europe/Berlin`.
    pub timezone: String,
    /// Compose projects.
    pub compose_project_count: u64,
    /// Containers that belong to one.
    pub containers_in_compose: u64,
    /// Networks.
    pub network_count: u64,
    /// Networks that somebody made: not `bridge`, `host`, `none`.
    pub custom_network_count: u64,
    /// Named volumes that two or more containers use.
    pub shared_volume_count: u64,
    /// Containers that depend on others by Compose's word.
    pub containers_with_deps: u64,
    /// How many such dependencies there are.
    pub total_dependencies: u64,
    /// Networks and named volumes per container.
    pub avg_connections_per_container: f64,
}

/// An image, and how much it is used by one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageUse {
    /// Its name as the reporter gives it: with registry and tag, normalised, or hashed.
    pub image: String,
    /// Containers made from it, in every state.
    pub containers: u64,
    /// Its size in bytes; 0 where it is not known.
    pub size_bytes: u64,
}
