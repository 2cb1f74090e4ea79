//! Rows: the numbers of one subject at one time, as they are stored. Buffers are kept, so that a row of a container costs no
//! allocation once the buffer has grown to the widest.

use plimsoll_model::catalog::SlotIndex as _;
use plimsoll_model::{
    Collector, ContainerRow, DeviceSlot, Family, InterfaceSlot, Kind, Profile, Selection, Sink, Snapshot,
};

use crate::block::SeriesId;
use crate::series::Dictionary;

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
        let host = [Collector::Machine, Collector::Process, Collector::Engine];
        Self {
            row: Vec::new(),
            host: Selection::of_profile(Profile::Full).narrowed(&host, &[]),
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
        self.ordered()
    }

    /// What is stored of the host, by series, ascending.
    pub(crate) fn host(&mut self, snapshot: &Snapshot, dictionary: &mut Dictionary) -> &[(SeriesId, u64)] {
        self.row.clear();
        let mut sink =
            HostSink { row: &mut self.row, labels: &mut self.labels, dictionary, family: None, series: None };
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
    series: Option<SeriesId>,
}

impl Sink for HostSink<'_> {
    fn family(&mut self, family: &'static Family) {
        self.family = (family.kind != Kind::Info).then_some(family);
    }

    fn labels(&mut self, _: &[&str], values: &[&str]) {
        self.series = None;
        let Some(family) = self.family else { return };
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
