//! The metric catalog: every family that can be emitted, defined once.
//!
//! Name, kind, unit, help, labels and source of a metric stand in [`CATALOG`] and nowhere else.
//! Encoders, the documentation and the collectors' switches derive from it; what is not in it cannot be
//! shown, because [`crate::Snapshot::visit`] walks the catalog.
//!
//! ```
//! use plimsoll_model::catalog::{Family, Profile};
//!
//! let usage = Family::by_name("container_memory_usage_bytes").unwrap();
//! assert_eq!(usage.source.v2, "memory.current");
//! assert_eq!(usage.profile, Profile::Minimal);
//! ```

pub(crate) mod cadvisor;
mod delivery;
mod details;
mod families;
mod framework;
mod host;
mod slots;

pub use cadvisor::{CADVISOR, CadvisorFamily};
pub use details::{DetailField, MAX_DETAIL_LABELS};
pub use families::{AgentFamily, DeliveryField, InfoFamily};
pub use framework::{FRAMEWORK, FrameworkGroup, FrameworkMetric};
pub use host::{HostField, MAX_HOST_LABELS, MountField};
pub use slots::{DeviceSlot, InterfaceSlot, Slot, SlotIndex};

/// Every metric family, in the order in which they are shown.
pub static CATALOG: &[Family] = &JOINED;

const TABLES: [&[Family]; 6] =
    [families::CONTAINERS, details::DETAILS, host::HOST, families::AGENT, delivery::DELIVERY, families::LAST];

const COUNT: usize = {
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        count += TABLES[table].len();
        table += 1;
    }
    count
};

/// The tables in one: a slice that is put together cannot grow, so its length is the sum of theirs.
static JOINED: [Family; COUNT] = {
    let mut joined = [families::AGENT[0]; COUNT];
    let (mut table, mut at) = (0, 0);
    while table < TABLES.len() {
        let mut next = 0;
        while next < TABLES[table].len() {
            joined[at] = TABLES[table][next];
            (at, next) = (at + 1, next + 1);
        }
        table += 1;
    }
    joined
};

/// How a family's values behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while its subject lives; falls to zero with a new life.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; the labels are the message.
    Info,
    /// An established name whose values behave as they do in the kernel's file, and nobody says how. Shown as untyped, and
    /// otherwise treated as a gauge.
    Untyped,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number: events, processes, a code.
    None,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Per cent; the help text names the scale.
    Percent,
    /// A fraction of one.
    Ratio,
    /// Processor cores.
    Cores,
    /// Microseconds, where an established name fixes them.
    Microseconds,
    /// Memory pages.
    Pages,
}

impl Unit {
    /// The unit's word as the documentation shows it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Percent => "percent",
            Self::Ratio => "ratio",
            Self::Cores => "cores",
            Self::Microseconds => "microseconds",
            Self::Pages => "pages",
        }
    }
}

/// What the integer in a slot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The value itself.
    One,
    /// Billionths: nanoseconds of a second, and fixed-point numbers with nine decimals.
    Nano,
}

/// How much is shown. Each profile contains the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// About thirty series a container: what an overview needs.
    Minimal,
    /// Everything that is cheap and that people ask for.
    #[default]
    Default,
    /// Everything the agent reads.
    Full,
}

impl Profile {
    /// Every profile with its name in settings.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("minimal", Self::Minimal), ("default", Self::Default), ("full", Self::Full)];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Default => "default",
            Self::Full => "full",
        }
    }
}

macro_rules! collectors {
    ($($variant:ident $name:literal $about:literal,)*) => {
        /// A group of families that is read, timed, and switched on and off as one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Collector {
            $(#[doc = $about] $variant,)*
        }

        impl Collector {
            /// Every collector, in the order of the catalog.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in settings, queries and labels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it collects, in one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

collectors! {
    Container "container" "Identity, state and life cycle of containers, stopped ones included.",
    Cpu "cpu" "Processor time, throttling and limits.",
    Pressure "pressure" "Pressure stall information (PSI).",
    Memory "memory" "Memory use by kind, limits, events and faults.",
    Io "io" "Block I/O per device.",
    Network "network" "Traffic per network interface.",
    Sockets "sockets" "Sockets in use per protocol.",
    Processes "processes" "Processes, threads and their limits.",
    Percpu "percpu" "Processor time by processor; cgroup v1 only. Off unless switched on.",
    Disk "disk" "Space that containers take: writable layers by quota or a slow walk, logs, and what is left.",
    Rootfs "rootfs" "Size of containers' whole root file systems, which the engine counts at some cost. Off unless switched on.",
    Volumes "volumes" "Space that containers' volumes take. Off unless switched on.",
    Mounts "mounts" "What is mounted into containers. Off unless switched on.",
    Images "images" "Images, build cache and volumes of the engines, and their space. Off unless switched on.",
    Cpuset "cpuset" "Processors that containers may run on. Off unless switched on.",
    Numa "numa" "Pages of memory by NUMA node. Off unless switched on.",
    Hugetlb "hugetlb" "Memory in huge pages, by their size, and limits. Off unless switched on.",
    Blkio "blkio" "Limits of block I/O, and what the schedulers BFQ and CFQ of cgroup v1 count: times, queues, merges. Off unless switched on.",
    Schedstat "schedstat" "Time that tasks ran and waited for a processor, as the scheduler counts it. Off unless switched on.",
    Tasks "tasks" "Tasks by state. Off unless switched on.",
    Descriptors "descriptors" "Open file descriptors and sockets. Off unless switched on.",
    Ulimits "ulimits" "Resource limits of the first process. Off unless switched on.",
    Tcp "tcp" "TCP connections by state. Off unless switched on.",
    TcpStats "tcpstats" "What TCP did in the network namespace: opens, resets, retransmits. Off unless switched on.",
    Udp "udp" "UDP sockets, their queues and drops. Off unless switched on.",
    Events "events" "Events that the engines told, by action. Off unless switched on.",
    Engine "engine" "The container engines: reachable, version, containers by state.",
    Machine "machine" "Cores, memory and swap of the machine.",
    Host "host" "The machine under node_exporter's names: processors, load, memory, pressure, disks, network devices.",
    Filesystem "filesystem" "Space and inodes of the machine's mounted file systems, under node_exporter's names.",
    Process "process" "The agent's own process.",
    Custom "custom" "Collectors of your own: commands, addresses, programs; and how they do.",
    Agent "agent" "The agent's account of its own work; always on.",
}

impl Collector {
    /// The collector of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|collector| collector.name() == name)
    }

    /// Whether it is off unless it is switched on, whatever the profile: few need what it shows, or it costs more than the
    /// rest.
    #[must_use]
    pub const fn is_opt_in(self) -> bool {
        use Collector::{
            Blkio, Cpuset, Descriptors, Events, Hugetlb, Images, Mounts, Numa, Percpu, Rootfs, Schedstat,
            Tasks, Tcp, TcpStats, Udp, Ulimits, Volumes,
        };
        matches!(
            self,
            Percpu
                | Cpuset
                | Numa
                | Hugetlb
                | Blkio
                | Rootfs
                | Volumes
                | Mounts
                | Images
                | Schedstat
                | Tasks
                | Descriptors
                | Ulimits
                | Tcp
                | TcpStats
                | Udp
                | Events
        )
    }

    /// Whether a setting can switch it off. The agent's account of itself stays.
    #[must_use]
    pub fn is_optional(self) -> bool {
        self != Self::Agent
    }
}

/// Since when a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Since the container's last start: the kernel's counters begin anew with each cgroup.
    Life,
    /// Since the container was created.
    Created,
    /// Since the agent first saw the container.
    Seen,
    /// Since the agent started.
    Agent,
    /// Since the machine was booted.
    Boot,
}

/// Where a number comes from, for the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The kernel's file and field on cgroup v1, or the one source where the layout does not matter.
    pub v1: &'static str,
    /// The same on cgroup v2.
    pub v2: &'static str,
}

/// One metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name in Prometheus formats, `_total` included.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// What a value counts, as shown.
    pub unit: Unit,
    /// What the stored integer stands for.
    pub scale: Scale,
    /// The collector that it belongs to.
    pub collector: Collector,
    /// The smallest profile that shows it.
    pub profile: Profile,
    /// Since when a counter counts; meaningless for the other kinds.
    pub start: Start,
    /// Where the number comes from.
    pub source: Source,
    /// Label names beyond `name`, `image` and `id`.
    pub labels: &'static [&'static str],
    /// Where its values stand in a snapshot.
    pub shape: Shape,
}

/// Where a family's values stand in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In a container's fixed slots, one cell for each combination of the family's labels.
    Container(&'static [Cell]),
    /// In the row of each interface of a container.
    Interface(InterfaceSlot),
    /// In the row of each block device of a container.
    Device(DeviceSlot),
    /// In a container's details, one row for each series.
    Detail(DetailField),
    /// In a container's identity; the value is 1.
    Info(InfoFamily),
    /// In what the agent knows of engines, machine and itself.
    Agent(AgentFamily),
    /// In a reading of the machine ([`crate::Host`]), one row for each series.
    Host(HostField),
}

/// One number of a container: its slot, and the values of the family's labels for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The slot that holds the number.
    pub slot: Slot,
    /// The values of [`Family::labels`], in their order.
    pub values: &'static [&'static str],
}

impl Family {
    /// The family with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        CATALOG.iter().find(|family| family.name == name)
    }

    /// The position in [`CATALOG`].
    #[must_use]
    pub fn index(&self) -> usize {
        CATALOG.iter().position(|family| family.name == self.name).unwrap_or(CATALOG.len())
    }

    /// Whether each series of the family is about one container, and so carries `name`, `image` and `id`.
    #[must_use]
    pub fn is_of_container(&self) -> bool {
        !matches!(self.shape, Shape::Agent(_) | Shape::Host(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_slot_has_one_place_in_the_catalog() {
        let (mut container, mut interface, mut device, mut details) = (vec![], vec![], vec![], vec![]);
        for family in CATALOG {
            match family.shape {
                Shape::Container(cells) => container.extend(cells.iter().map(|cell| cell.slot)),
                Shape::Interface(slot) => interface.push(slot),
                Shape::Device(slot) => device.push(slot),
                Shape::Detail(field) => details.push(field),
                Shape::Info(_) | Shape::Agent(_) | Shape::Host(_) => {}
            }
        }
        for slot in Slot::ALL {
            // Swap is shown under two names: cAdvisor's, and the one with its unit.
            let expected = if *slot == Slot::MemorySwap { 2 } else { 1 };
            assert_eq!(container.iter().filter(|s| *s == slot).count(), expected, "{slot:?}");
        }
        for slot in InterfaceSlot::ALL {
            assert_eq!(interface.iter().filter(|s| *s == slot).count(), 1, "{slot:?}");
        }
        for slot in DeviceSlot::ALL {
            assert_eq!(device.iter().filter(|s| *s == slot).count(), 1, "{slot:?}");
        }
        assert!(details.is_sorted_by(|a, b| a < b), "one family each, in the order of the fields");
    }

    #[test]
    fn families_follow_the_conventions() {
        let mut names = HashSet::new();
        for family in CATALOG {
            let name = family.name;
            assert!(names.insert(name), "{name} stands twice");
            // node_exporter keeps the kernel's words as they are.
            let capitals = name.starts_with("node_memory_");
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(name.bytes().all(|b| is_plain(b) || (capitals && b.is_ascii_uppercase())), "{name}");
            assert_eq!(name.starts_with("node_"), matches!(family.shape, Shape::Host(_)), "{name}");
            // cAdvisor's names of a gauge and of a counter.
            let is_total = name.ends_with("_total") && name != "container_fs_inodes_total";
            let is_counter = family.kind == Kind::Counter && name != "container_hugetlb_failcnt";
            assert_eq!(is_total, is_counter, "{name}: _total is for counters");
            assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}: _info is for infos");
            assert!(family.help.ends_with('.') && family.help.is_ascii(), "{name}: {}", family.help);
            assert!(!family.source.v1.is_empty() || !family.source.v2.is_empty(), "{name} has no source");
            let mut labels: Vec<_> = ["name", "image", "id"].iter().chain(family.labels).collect();
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), 3 + family.labels.len(), "{name} repeats a label");
            if matches!(family.shape, Shape::Detail(_)) {
                assert!(family.labels.len() <= MAX_DETAIL_LABELS, "{name}");
            }
            if let Shape::Container(cells) = family.shape {
                for cell in cells {
                    assert_eq!(cell.values.len(), family.labels.len(), "{name} {:?}", cell.slot);
                }
            }
        }
    }

    #[test]
    fn families_of_the_machine_have_their_labels() {
        for family in CATALOG {
            let Shape::Host(field) = family.shape else { continue };
            let (name, labels) = (family.name, family.labels);
            assert!(labels.len() <= MAX_HOST_LABELS, "{name}");
            let expected: &[&str] = match field {
                HostField::Processor(_) => &["cpu", "mode"],
                HostField::Disk(_) | HostField::Interface(_) => &["device"],
                HostField::Mount(_) => &["device", "mountpoint", "fstype"],
                _ => &[],
            };
            assert_eq!(labels, expected, "{name}");
            let collector =
                if matches!(field, HostField::Mount(_)) { Collector::Filesystem } else { Collector::Host };
            assert_eq!(family.collector, collector, "{name}");
            assert_eq!(&CATALOG[family.index()], family);
        }
    }

    #[test]
    fn the_last_family_counts_the_others() {
        assert_eq!(CATALOG.last().map(|family| family.shape), Some(Shape::Agent(AgentFamily::Series)));
    }

    #[test]
    fn collectors_are_found_by_name() {
        for collector in Collector::ALL {
            assert_eq!(Collector::by_name(collector.name()), Some(*collector));
        }
        assert_eq!(Collector::by_name("cpus"), None);
    }

    #[test]
    fn the_minimal_profile_stays_small() {
        let cells: usize = CATALOG
            .iter()
            .filter(|family| family.profile == Profile::Minimal && family.is_of_container())
            .map(|family| if let Shape::Container(cells) = family.shape { cells.len() } else { 1 })
            .sum();
        assert!((20..=32).contains(&cells), "{cells} series a container");
    }
}
