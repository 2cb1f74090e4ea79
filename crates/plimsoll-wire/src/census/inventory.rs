//! What a scan finds, and the report that becomes of it.
//!
//! A scan fills an [`Inventory`] with what engines and agents tell; [`Inventory::report`] counts. What was not found out is
//! absent here and takes no part in sums and means; only the report, whose format has no other way, says 0 for it.
//!
//! ```
//! use plimsoll_wire::census::images::Naming;
//! use plimsoll_wire::census::inventory::{ContainerInventory, HostInventory, Identity, Inventory};
//!
//! let web = ContainerInventory {
//!     image: "nginx:1".to_owned(),
//!     state: "running".to_owned(),
//!     ..ContainerInventory::default()
//! };
//! let host = HostInventory { name: "a".to_owned(), containers: vec![web], ..HostInventory::default() };
//! let who = Identity { installation_id: "a1b2".to_owned(), ..Identity::default() };
//! let report = Inventory { hosts: vec![host] }.report(&who, &Naming::Plain, 0);
//! assert_eq!((report.containers_running, report.images[0].image.as_str()), (1, "nginx:1"));
//! ```

mod report;

use std::collections::BTreeMap;

/// Everything that a scan found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Machines, or engines of one machine, that answered.
    pub hosts: Vec<HostInventory>,
}

/// How a host was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Its engine, over a socket of its own, TCP or ssh.
    #[default]
    Engine,
    /// An agent that runs there.
    Agent,
}

/// What was found on a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostInventory {
    /// What the host is called here. No report has it.
    pub name: String,
    /// How it was asked.
    pub via: Via,
    /// The version of the agent, if there is one and it said so.
    pub agent_version: Option<String>,
    /// Its containers, in every state.
    pub containers: Vec<ContainerInventory>,
    /// Sizes of its images in bytes, by a name that containers may have in [`ContainerInventory::image`]: for those that
    /// do not say it themselves.
    pub images: BTreeMap<String, u64>,
    /// Names of its networks, also of those that no container is in.
    pub networks: Vec<String>,
    /// Names of its volumes, also of those that no container has.
    pub volumes: Vec<String>,
}

/// A container as a census sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerInventory {
    /// The identifier that the engine gave it.
    pub id: String,
    /// Its name, without the slash that engines put before it.
    pub name: String,
    /// The image that it was made from, as it was asked for.
    pub image: String,
    /// The identifier of that image.
    pub image_id: String,
    /// Bytes of that image.
    pub image_size: Option<u64>,
    /// `running`, `exited`, `paused`, or whatever the engine says, in lower case.
    pub state: String,
    /// How often the engine has started it again.
    pub restart_count: Option<u32>,
    /// Names of the networks that it is in.
    pub networks: Vec<String>,
    /// Names of its volumes, without those that have none.
    pub volumes: Vec<String>,
    /// The Compose project that it belongs to.
    pub compose_project: Option<String>,
    /// Services that it depends on by Compose's word ([`depends_on`]).
    pub depends_on: Vec<String>,
    /// Processor time, in percent of one processor.
    pub cpu_percent: Option<f64>,
    /// Memory in use without the page cache, in bytes.
    pub memory_bytes: Option<u64>,
    /// The memory that it may use, in bytes; absent if there is no limit, however large the host is.
    pub memory_limit: Option<u64>,
}

/// Who reports: what a report says beside its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The identifier of the installation.
    pub installation_id: String,
    /// The version of the program.
    pub version: String,
    /// The name of the time zone; empty if it is not to be told.
    pub timezone: String,
    /// Seconds between two scans.
    pub scan_interval_seconds: u64,
}

/// The services in Compose's label `com.docker.compose.depends_on`: those are separated by commas, and behind each may stand,
/// after colons, the condition that it must meet and whether a restart of it counts.
///
/// ```
/// use plimsoll_wire::census::inventory::depends_on;
///
/// assert_eq!(depends_on("db:service_healthy:true, cache"), ["db", "cache"]);
/// ```
#[must_use]
pub fn depends_on(label: &str) -> Vec<String> {
    let entries = label.split(',').map(|entry| entry.split(':').next().unwrap_or_default().trim());
    let mut services: Vec<String> = Vec::new();
    for service in entries {
        if !service.is_empty() && !services.iter().any(|known| known == service) {
            services.push(service.to_owned());
        }
    }
    services
}

#[cfg(test)]
mod tests;
