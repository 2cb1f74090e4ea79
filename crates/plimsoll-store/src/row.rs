//! Rows: the numbers of one subject at one time, as they are stored. Buffers are kept, so that a row of a container costs no
//! allocation once the buffer has grown to the widest.

use plimsoll_model::catalog::SlotIndex as _;
use plimsoll_model::{
    Collector, ContainerRow, DeviceSlot, Family, InterfaceSlot, Kind, Profile, Selection, Sink, Snapshot,
};

use crate::block::{MAX_ROW, SeriesId};
use crate::series::Dictionary;

/// The collectors whose numbers are stored as the host's.
pub(crate) const HOST_COLLECTORS: [Collector; 5] =
    [Collector::Machine, Collector::Process, Collector::Engine, Collector::Host, Collector::Filesystem];

/// The most series of one family of the host, so that a machine with a thousand processors still has its memory and disks in a
/// row. What is beyond is not stored, and counted.
const MAX_OF_FAMILY: usize = MAX_ROW / 4;

/// The most details of one container, so that it still has its other numbers in a row.
const MAX_DETAILS: usize = MAX_ROW / 4;

/// A row that is put together again and again.
#[derive(Debug)]
pub(crate) struct RowBuffer {
    row: Vec<(SeriesId, u64)>,
    /// What is stored of the host.
    host: Selection,
    /// The values of labels of the host's present series.
    labels: Vec<String>,
}

impl RowBuffer {
    pub(crate) fn new() -> Self {
        Self {
            row: Vec::new(),
            host: Selection::of_profile(Profile::Full).narrowed(&HOST_COLLECTORS, &[]),
            labels: Vec::new(),
        }
    }

    /// What is stored of a container, by series, ascending.
    pub(crate) fn container(
        &mut self,
        row: &ContainerRow,
        dictionary: &mut Dictionary,
    ) -> &[(SeriesId, u64)] {
        self.row.clear();
        for (slot, series) in dictionary.slots() {
            if let Some(value) = row.values.get(*slot) {
                self.row.push((*series, value));
            }
        }
        for interface in &row.interfaces {
            let part = dictionary.interface(&interface.name);
            for slot in InterfaceSlot::ALL {
                let series = part[slot.index()];
                self.row.extend(series.zip(interface.values.get(*slot)));
            }
        }
        for device in &row.devices {
            let part = dictionary.device(&device.name);
            for slot in DeviceSlot::ALL {
                let series = part[slot.index()];
                self.row.extend(series.zip(device.values.get(*slot)));
            }
        }
        for detail in row.details.iter().take(MAX_DETAILS) {
            self.row.extend(dictionary.detail(detail).map(|series| (series, detail.value)));
        }
        self.ordered()
    }

    /// What is stored of the host, by series, ascending.
    pub(crate) fn host(&mut self, snapshot: &Snapshot, dictionary: &mut Dictionary) -> &[(SeriesId, u64)] {
        self.row.clear();
        let mut sink = HostSink {
            row: &mut self.row,
            labels: &mut self.labels,
            dictionary,
            family: None,
            of_family: 0,
            series: None,
        };
        snapshot.visit(&self.host, &mut sink);
        self.ordered()
    }

    /// Of two values of one series (two interfaces of one name) the first holds.
    fn ordered(&mut self) -> &[(SeriesId, u64)] {
        if !self.row.is_sorted_by(|one, next| one.0 < next.0) {
            self.row.sort_by_key(|(series, _)| *series);
            self.row.dedup_by_key(|(series, _)| *series);
        }
        &self.row
    }
}

/// Collects the host's numbers.
struct HostSink<'a> {
    row: &'a mut Vec<(SeriesId, u64)>,
    labels: &'a mut Vec<String>,
    dictionary: &'a mut Dictionary,
    family: Option<&'static Family>,
    /// How many series of the family there were so far.
    of_family: usize,
    series: Option<SeriesId>,
}

impl Sink for HostSink<'_> {
    fn family(&mut self, family: &'static Family) {
        self.family = (family.kind != Kind::Info).then_some(family);
        self.of_family = 0;
    }

    fn labels(&mut self, _: &[&str], values: &[&str]) {
        self.series = None;
        let Some(family) = self.family else { return };
        self.of_family += 1;
        if self.of_family > MAX_OF_FAMILY || self.row.len() >= MAX_ROW {
            self.dictionary.refuse();
            return;
        }
        self.labels.resize_with(values.len(), String::new);
        for (kept, value) in self.labels.iter_mut().zip(values) {
            kept.clear();
            kept.push_str(value);
        }
        self.series = self.dictionary.own(family, self.labels);
    }

    fn sample(&mut self, _: Option<usize>, value: u64, _: Option<u64>) {
        self.row.extend(self.series.map(|series| (series, value)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plimsoll_model::{Host, HostRow};

    use super::*;
    use crate::series::MAX_HOST_NAMES;

    /// A snapshot of a machine with so many of each.
    fn machine(processors: usize, disks: usize, name: &str) -> Snapshot {
        let row = |family: &str, labels: &[String]| HostRow {
            family: u16::try_from(Family::by_name(family).unwrap().index()).unwrap(),
            labels: labels.iter().map(|label| Box::from(label.as_str())).collect(),
            value: 1,
        };
        let of_processor = |number: usize| {
            let modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
            modes.map(|mode| row("node_cpu_seconds_total", &[number.to_string(), mode.to_owned()]))
        };
        let mut rows: Vec<HostRow> = (0..processors).flat_map(of_processor).collect();
        rows.push(row("node_load1", &[]));
        rows.extend((0..disks).map(|disk| row("node_disk_io_now", &[format!("{name}{disk}")])));
        let mut snapshot = Snapshot::default();
        snapshot.host.system = Some(Arc::new(Host::new(1, None, rows)));
        snapshot
    }

    #[test]
    fn a_thousand_processors_leave_room_for_the_rest() {
        let (mut rows, mut dictionary) = (RowBuffer::new(), Dictionary::new([]));
        let few = rows.host(&machine(0, 0, ""), &mut dictionary).len();
        let many = machine(1024, 3, "sd");
        for tick in 1..=2 {
            assert_eq!(rows.host(&many, &mut dictionary).len(), few + MAX_OF_FAMILY + 3);
            assert_eq!(dictionary.refused(), tick * (1024 * 8 - MAX_OF_FAMILY as u64));
        }
    }

    #[test]
    fn names_that_come_and_go_do_not_take_all_room() {
        let (mut rows, mut dictionary) = (RowBuffer::new(), Dictionary::new([]));
        let each = MAX_OF_FAMILY;
        for day in 0..=MAX_HOST_NAMES / each {
            rows.host(&machine(0, each, &format!("dm{day}-")), &mut dictionary);
        }
        // The last day's did not fit, nor one of the day before: the load has a name too.
        assert_eq!(dictionary.refused(), each as u64 + 1);
        // What a new file begins with is known to be the host's.
        let mut again = Dictionary::new(dictionary.every_name());
        rows.host(&machine(0, 1, "other"), &mut again);
        assert_eq!(again.refused(), 1);
        assert_eq!(
            rows.host(&machine(0, 1, "dm0-"), &mut again).len(),
            rows.host(&machine(0, 0, ""), &mut again).len() + 1
        );
    }
}
