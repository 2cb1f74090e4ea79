//! What was found of a container, as rows of a snapshot; and the account of the work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_kernel::disk::Space;
use plimsoll_model::agent::{Capability, CollectorReport};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{DetailField, DetailRow, MAX_DETAILS};

use super::subject::{Storage, Wanted};

/// A second, in nanoseconds.
const SECOND: u64 = Duration::from_secs(1).as_nanos() as u64;

/// What is known of a container's disk. Each part stays until it is measured again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Bytes of the writable layer, and when they were measured, on the monotonic clock.
    pub(crate) usage: Option<(u64, u64)>,
    /// The device that it is on.
    pub(crate) device: String,
    pub(crate) space: Option<Space>,
    pub(crate) log: Option<u64>,
    pub(crate) rootfs: Option<u64>,
    /// Bytes of volumes, by their place on the machine.
    pub(crate) volumes: Vec<(String, u64)>,
}

/// What a container takes on disk, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskNumbers {
    rows: Vec<DetailRow>,
    /// Where in `rows` the age stands, and when what it is the age of was measured.
    age: Option<(usize, u64)>,
}

impl DiskNumbers {
    /// The rows, and how many more there were than are shown.
    pub(crate) fn new(told: &Told, storage: &Storage, wanted: Wanted) -> (Self, u64) {
        use DetailField as F;
        let mut numbers = Self::default();
        let device: &[&str] = &[&told.device];
        if wanted.layers {
            let space = told.space.as_ref();
            // A file system that makes inodes as it needs them says that it has none.
            let inodes = space.filter(|space| space.inodes > 0);
            numbers.add(F::DiskUsage, device, told.usage.map(|(bytes, _)| bytes));
            numbers.add(F::DiskLimit, device, space.map(|space| space.size));
            numbers.add(F::DiskInodes, device, inodes.map(|space| space.inodes));
            numbers.add(F::DiskInodesFree, device, inodes.map(|space| space.inodes_free));
            if let Some((_, measured)) = told.usage {
                numbers.age = Some((numbers.rows.len(), measured));
                numbers.add(F::DiskAge, &[], Some(0));
            }
            numbers.add(F::DiskLog, &[], told.log);
        }
        if wanted.rootfs {
            numbers.add(F::DiskRootfs, &[], told.rootfs);
        }
        let mut shown = HashSet::new();
        if wanted.volumes {
            for mount in storage.mounts.iter().filter(|mount| mount.kind == "volume") {
                let found = told.volumes.iter().find(|(source, _)| *source == mount.source);
                let labels = (&*mount.name, &*mount.destination);
                if shown.insert(labels) {
                    numbers.add(F::DiskVolume, &[labels.0, labels.1], found.map(|(_, bytes)| *bytes));
                }
            }
        }
        let mut shown = HashSet::new();
        if wanted.mounts {
            for mount in &storage.mounts {
                let writable = if mount.writable { "true" } else { "false" };
                let labels = [&*mount.source, &*mount.destination, &*mount.kind, writable];
                if shown.insert(labels) {
                    numbers.add(F::Mount, &labels, Some(1));
                }
            }
        }
        let left_out = numbers.rows.len().saturating_sub(MAX_DETAILS);
        numbers.rows.truncate(MAX_DETAILS);
        (numbers, left_out as u64)
    }

    fn add(&mut self, field: DetailField, labels: &[&str], value: Option<u64>) {
        if let Some(value) = value {
            let labels = labels.iter().map(|label| Box::from(bounded(label, MAX_TEXT))).collect();
            self.rows.push(DetailRow { field, labels, value });
        }
    }

    /// The rows, as they are at this time of the monotonic clock.
    pub(crate) fn rows_at(&mut self, mono: u64) -> &[DetailRow] {
        if let Some((index, measured)) = self.age
            && let Some(row) = self.rows.get_mut(index)
        {
            // Whole seconds: more would be noise in the history.
            row.value = mono.saturating_sub(measured) / SECOND * SECOND;
        }
        &self.rows
    }
}

/// Whether layers are seen, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No container was looked at yet.
    #[default]
    Unknown,
    All,
    /// Not this container's, whose layer the engine says is there.
    Not(Arc<str>),
}

/// How it goes with measuring what containers take on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskWork {
    pub(crate) report: CollectorReport,
    /// What could not be read so far, by what it is.
    pub(crate) errors: [(&'static str, u64); 3],
    pub(crate) seen: Seen,
    /// Rows that were left out so far.
    pub(crate) left_out: u64,
}

impl DiskWork {
    /// Whether layers can be measured here, once that is known.
    pub(crate) fn capability(&self) -> Option<Capability> {
        let (available, reason, remedy) = match &self.seen {
            Seen::Unknown => return None,
            Seen::All => (true, "the files of containers' layers are seen".to_owned(), ""),
            Seen::Not(which) => (
                false,
                format!("{which} is not seen from here, so the engine is asked to count, seldom"),
                "run as root on the machine; in a container, with --pid host and --cap-add SYS_PTRACE, or with the engine's \
                 folder mounted in the same place",
            ),
        };
        Some(Capability { feature: "layers", available, reason, remedy: remedy.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_engine::Mount;

    use super::*;

    fn mount(kind: &str, name: &str, destination: &str) -> Mount {
        Mount {
            kind: kind.to_owned(),
            name: name.to_owned(),
            source: format!("/volumes/{name}"),
            destination: destination.to_owned(),
            writable: kind == "volume",
        }
    }

    fn all() -> Wanted {
        Wanted { layers: true, rootfs: true, volumes: true, mounts: true, images: true }
    }

    #[test]
    fn rows_stand_in_the_order_of_families_and_are_as_old_as_the_pass_says() {
        let space = Space { size: 100, free: 40, inodes: 9, inodes_free: 3 };
        let told = Told {
            usage: Some((5, 2 * SECOND)),
            device: "/dev/vda".to_owned(),
            space: Some(space),
            log: Some(6),
            rootfs: Some(7),
            volumes: vec![("/volumes/data".to_owned(), 8)],
        };
        // An engine that tells the same mount twice makes no series twice; a volume that was not measured has none.
        let mounts = vec![
            mount("volume", "data", "/a"),
            mount("volume", "data", "/b"),
            mount("volume", "data", "/a"),
            mount("volume", "other", "/c"),
            mount("bind", "", "/etc"),
        ];
        let storage = Storage { mounts, ..Storage::default() };
        let (mut numbers, left_out) = DiskNumbers::new(&told, &storage, all());
        assert_eq!(left_out, 0);
        let rows = numbers.rows_at(5 * SECOND + 1).to_vec();
        assert!(rows.is_sorted_by_key(|row| row.field));
        let values = |field| -> Vec<u64> {
            rows.iter().filter(|row| row.field == field).map(|row| row.value).collect()
        };
        use DetailField as F;
        for (field, expected) in [
            (F::DiskUsage, &[5][..]),
            (F::DiskLimit, &[100]),
            (F::DiskInodes, &[9]),
            (F::DiskInodesFree, &[3]),
            (F::DiskAge, &[3 * SECOND]),
            (F::DiskLog, &[6]),
            (F::DiskRootfs, &[7]),
            (F::DiskVolume, &[8, 8]),
            (F::Mount, &[1, 1, 1, 1]),
        ] {
            assert_eq!(values(field), expected, "{field:?}");
        }
        let (mut nothing, _) = DiskNumbers::new(&Told::default(), &Storage::default(), all());
        assert!(nothing.rows_at(SECOND).is_empty(), "what was not measured is absent");
        let few = Wanted { mounts: true, ..Wanted::default() };
        let (mut numbers, _) = DiskNumbers::new(&told, &storage, few);
        assert!(
            numbers.rows_at(0).iter().all(|row| row.field == F::Mount),
            "what is not wanted is not shown"
        );
    }

    #[test]
    fn rows_are_bounded() {
        let mounts = (0..MAX_DETAILS + 5).map(|n| mount("bind", "", &format!("/{n}"))).collect();
        let storage = Storage { mounts, ..Storage::default() };
        let (mut numbers, left_out) = DiskNumbers::new(&Told::default(), &storage, all());
        assert_eq!((numbers.rows_at(0).len(), left_out), (MAX_DETAILS, 5));
    }

    #[test]
    fn file_systems_without_a_number_of_inodes_have_none() {
        let told = Told { space: Some(Space { size: 1, ..Space::default() }), ..Told::default() };
        let (mut numbers, _) = DiskNumbers::new(&told, &Storage::default(), all());
        let fields: Vec<_> = numbers.rows_at(0).iter().map(|row| row.field).collect();
        assert_eq!(fields, [DetailField::DiskLimit]);
    }
}
