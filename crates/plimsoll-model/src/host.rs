//! The machine's own numbers, as one reading found them.

use std::sync::Arc;

use crate::catalog::{CATALOG, Collector, Family, Shape};

/// The values of a family's labels, in the order of [`Family::labels`]. Readings share them.
pub type HostLabels = Arc<[Box<str>]>;

/// One number of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRow {
    /// The family's position in the catalog.
    pub family: u16,
    /// The values of its labels.
    pub labels: HostLabels,
    /// The number, on the family's [`crate::Scale`].
    pub value: u64,
}

/// What one reading of the machine found, for the families of one collector whose shape is [`Shape::Host`]. It does not
/// change any more, so that snapshots share it.
///
/// ```
/// use plimsoll_model::{Family, Host, HostRow};
///
/// let family = Family::by_name("node_load1").unwrap();
/// let row = HostRow { family: family.index() as u16, labels: [].into(), value: 250_000_000 };
/// let host = Host::new(1_795_223_743_003_874_862, None, vec![row]);
/// let found: Vec<_> = host.iter().map(|(family, labels, value)| (family.name, labels.len(), value)).collect();
/// assert_eq!(found, [("node_load1", 0, 250_000_000)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// When it was read, in Unix nanoseconds.
    pub at: u64,
    /// When the machine was booted, in Unix nanoseconds: since then its counters count.
    pub boot: Option<u64>,
    /// How many disks, interfaces, processors and mounts were left out because there were too many, since the reader was
    /// opened.
    pub left_out: u64,
    /// In the order of the catalog.
    rows: Vec<HostRow>,
}

impl Host {
    /// A reading of these rows. They are put into the order of the catalog, which costs nothing where they are in it; a row
    /// that does not fit its family is left out.
    #[must_use]
    pub fn new(at: u64, boot: Option<u64>, mut rows: Vec<HostRow>) -> Self {
        rows.retain(|row| {
            let family = CATALOG.get(usize::from(row.family));
            family.is_some_and(|family| {
                matches!(family.shape, Shape::Host(_)) && family.labels.len() == row.labels.len()
            })
        });
        if !rows.is_sorted_by_key(|row| row.family) {
            rows.sort_by_key(|row| row.family);
        }
        Self { at, boot, left_out: 0, rows }
    }

    /// Every number with its family and the values of the family's labels, in the order of the catalog.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Family, &HostLabels, u64)> {
        self.rows.iter().map(|row| (&CATALOG[usize::from(row.family)], &row.labels, row.value))
    }

    /// The rows of the family at this position of the catalog.
    pub(crate) fn rows_of(&self, family: usize) -> &[HostRow] {
        let start = self.rows.partition_point(|row| usize::from(row.family) < family);
        let length = self.rows[start..].partition_point(|row| usize::from(row.family) == family);
        &self.rows[start..start + length]
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The machine in a snapshot: the last reading of each collector that reads it, by pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostParts {
    /// Of [`Collector::Host`].
    pub system: Option<Arc<Host>>,
    /// Of [`Collector::Filesystem`].
    pub filesystem: Option<Arc<Host>>,
}

impl HostParts {
    /// The last reading of a collector.
    #[must_use]
    pub fn of(&self, collector: Collector) -> Option<&Arc<Host>> {
        match collector {
            Collector::Host => self.system.as_ref(),
            Collector::Filesystem => self.filesystem.as_ref(),
            _ => None,
        }
    }

    /// How much was left out in both because there was too much of it.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        [&self.system, &self.filesystem].into_iter().flatten().map(|host| host.left_out).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Selection, Sink, Snapshot};

    fn row(name: &str, labels: &[&str], value: u64) -> HostRow {
        let family = u16::try_from(Family::by_name(name).map_or(CATALOG.len(), Family::index)).unwrap();
        HostRow { family, labels: labels.iter().map(|label| Box::from(*label)).collect(), value }
    }

    #[test]
    fn rows_come_in_the_order_of_the_catalog() {
        let host = Host::new(
            1,
            None,
            vec![
                row("node_forks_total", &[], 3),
                row("node_load1", &[], 1),
                row("node_disk_io_now", &["vda"], 2),
                row("node_disk_io_now", &["vdb"], 0),
            ],
        );
        let found: Vec<_> = host.iter().map(|(family, _, value)| (family.name, value)).collect();
        let expected =
            [("node_load1", 1), ("node_disk_io_now", 2), ("node_disk_io_now", 0), ("node_forks_total", 3)];
        assert_eq!(found, expected);
        let of = |name| host.rows_of(Family::by_name(name).map_or(0, Family::index));
        assert_eq!(of("node_disk_io_now").len(), 2);
        assert!(of("node_load5").is_empty());
    }

    /// Takes the names and values that it is told, with starts of counters.
    #[derive(Default)]
    struct Told {
        name: &'static str,
        labels: String,
        samples: Vec<(&'static str, String, u64, Option<u64>)>,
    }

    impl Sink for Told {
        fn family(&mut self, family: &'static Family) {
            self.name = family.name;
        }

        fn labels(&mut self, names: &[&str], values: &[&str]) {
            let pairs = names.iter().zip(values).map(|(name, value)| format!("{name}={value}"));
            self.labels = pairs.collect::<Vec<_>>().join(",");
        }

        fn sample(&mut self, _: Option<usize>, value: u64, start: Option<u64>) {
            self.samples.push((self.name, self.labels.clone(), value, start));
        }
    }

    #[test]
    fn a_snapshot_shows_what_its_readings_have() {
        let mut system =
            Host::new(1, Some(7), vec![row("node_forks_total", &[], 3), row("node_load1", &[], 1)]);
        system.left_out = 4;
        let labels = ["/dev/vda", "/", "ext4"];
        let mounts = Host::new(1, None, vec![row("node_filesystem_files", &labels, 5)]);
        let host = HostParts { system: Some(system.into()), filesystem: Some(mounts.into()) };
        let snapshot = Snapshot { host, ..Snapshot::default() };
        let mut told = Told::default();
        snapshot.visit(&Selection::default(), &mut told);
        let of_host: Vec<_> =
            told.samples.iter().filter(|sample| sample.0.starts_with("node_")).cloned().collect();
        let label_text = "device=/dev/vda,mountpoint=/,fstype=ext4";
        let expected = [
            ("node_load1", String::new(), 1, Some(7)),
            ("node_forks_total", String::new(), 3, Some(7)),
            ("node_filesystem_files", label_text.to_owned(), 5, None),
        ];
        assert_eq!(of_host, expected);
        assert!(
            told.samples.iter().any(|(_, labels, value, _)| labels == "reason=too_many_rows" && *value == 4)
        );
        let mut told = Told::default();
        snapshot.visit(&Selection::default().narrowed(&[Collector::Filesystem], &[]), &mut told);
        assert_eq!(told.samples, expected[2..], "each collector is switched by itself");
    }

    #[test]
    fn what_does_not_fit_its_family_is_left_out() {
        let strange = HostRow { family: u16::MAX, labels: [].into(), value: 1 };
        let rows = vec![row("node_load1", &["label"], 1), row("machine_cpu_cores", &[], 2), strange];
        assert!(Host::new(1, None, rows).is_empty());
    }
}
