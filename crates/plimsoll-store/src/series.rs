//! The dictionary of series: a number for each metric name with its labels, for the whole file.
//!
//! The numbers of a container's slots are given out once and in the order of the slots, so a row is put together in
//! order by looking into an array. Names that come from outside (interfaces, devices, engines) are bounded.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_model::catalog::{CATALOG, Shape, SlotIndex as _};
use plimsoll_model::{DetailField, DetailLabels, DetailRow, DeviceSlot, Family, InterfaceSlot, Kind, Slot};

use crate::block::SeriesId;
use crate::file::SeriesRecord;
use crate::point::WorkingSet;

/// The most names of series in one file. What is beyond is not stored, and counted.
pub(crate) const MAX_SERIES_NAMES: u32 = 65_536;

/// Slots that follow from others and the sample's time, and are not stored. The working set has points of its own in coarser
/// tiers, so it has a number.
const DERIVED: [Slot; 5] =
    [Slot::LastSeen, Slot::Uptime, Slot::CpuPercent, Slot::MemoryWorkingSet, Slot::MemoryUsagePercent];

/// The series of a named part of a container: one for each slot, none where the dictionary was full.
type Part<const N: usize> = [Option<SeriesId>; N];

/// The most names of series of the machine itself (disks, network devices, mounts). Mount points and network devices come and
/// go with containers, and must not take the room of all other names in the course of years.
pub(crate) const MAX_HOST_NAMES: usize = 16_384;

/// The most names of series whose labels come with a container's number: what is mounted or talks there comes and goes, too.
pub(crate) const MAX_DETAIL_NAMES: usize = 16_384;

/// The series of a family that is about no container, by the values of its labels.
type Own = HashMap<Box<[String]>, SeriesId>;

/// Names and numbers of series.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// What is stored of a container, by number.
    slots: Vec<(Slot, SeriesId)>,
    interfaces: HashMap<Arc<str>, Part<{ InterfaceSlot::COUNT }>>,
    devices: HashMap<Arc<str>, Part<{ DeviceSlot::COUNT }>>,
    details: HashMap<(DetailField, DetailLabels), SeriesId>,
    /// Of the families that are about no container.
    own: HashMap<&'static str, Own>,
    /// How many of those are the machine's.
    host_names: usize,
    /// By number, whether the series is a counter.
    counters: Vec<bool>,
    working_set: Option<WorkingSet>,
    /// Names that the file does not have yet.
    unsaved: Vec<SeriesRecord>,
    /// Names that were refused because there are too many.
    refused: u64,
}

impl Dictionary {
    /// The dictionary of a file that has these names.
    pub(crate) fn new(known: impl IntoIterator<Item = SeriesRecord>) -> Self {
        let mut dictionary = Self {
            slots: Vec::with_capacity(Slot::COUNT),
            interfaces: HashMap::new(),
            devices: HashMap::new(),
            details: HashMap::new(),
            own: HashMap::new(),
            host_names: 0,
            // Number 0 is the row itself.
            counters: vec![false],
            working_set: None,
            unsaved: Vec::new(),
            refused: 0,
        };
        let mut named: HashMap<usize, SeriesId> = HashMap::new();
        for record in known {
            dictionary.learn(&record, &mut named);
        }
        dictionary.give_slots_numbers(&named);
        dictionary
    }

    /// Takes over a name of the file.
    fn learn(&mut self, record: &SeriesRecord, slots: &mut HashMap<usize, SeriesId>) {
        let id = SeriesId(record.id);
        let Some(index) = index_of(id) else { return };
        if self.counters.len() <= index {
            self.counters.resize(index + 1, false);
        }
        // A family of another version: its number stays taken.
        let Some(family) = Family::by_name(&record.metric) else { return };
        self.counters[index] = family.kind == Kind::Counter;
        let values: Vec<&str> = record.labels.iter().map(|(_, value)| &**value).collect();
        match family.shape {
            Shape::Container(cells) => {
                let cell = cells.iter().find(|cell| cell.values == values);
                slots.extend(cell.map(|cell| (cell.slot.index(), id)));
            }
            Shape::Interface(slot) => {
                if let [name] = values[..] {
                    self.interfaces.entry(name.into()).or_default()[slot.index()] = Some(id);
                }
            }
            Shape::Device(slot) => {
                if let [name] = values[..] {
                    self.devices.entry(name.into()).or_default()[slot.index()] = Some(id);
                }
            }
            Shape::Detail(field) => {
                let labels = values.into_iter().map(Box::from).collect();
                self.details.insert((field, labels), id);
            }
            Shape::Agent(_) | Shape::Host(_) => {
                let values = values.into_iter().map(str::to_owned).collect();
                self.own.entry(family.name).or_default().insert(values, id);
                self.host_names += usize::from(matches!(family.shape, Shape::Host(_)));
            }
            Shape::Info(_) => {}
        }
    }

    fn give_slots_numbers(&mut self, named: &HashMap<usize, SeriesId>) {
        let mut all: HashMap<usize, SeriesId> = HashMap::new();
        for family in CATALOG {
            let Shape::Container(cells) = family.shape else { continue };
            for cell in cells {
                // Swap has two names, and is stored under the first.
                if all.contains_key(&cell.slot.index()) {
                    continue;
                }
                if DERIVED.contains(&cell.slot) && cell.slot != Slot::MemoryWorkingSet {
                    continue;
                }
                let known = named.get(&cell.slot.index()).copied();
                let Some(id) = known.or_else(|| self.name(family, cell.values)) else { continue };
                all.insert(cell.slot.index(), id);
                if !DERIVED.contains(&cell.slot) {
                    self.slots.push((cell.slot, id));
                }
            }
        }
        self.slots.sort_unstable_by_key(|(_, id)| *id);
        let of = |slot: Slot| all.get(&slot.index()).copied();
        self.working_set =
            match (of(Slot::MemoryWorkingSet), of(Slot::MemoryUsage), of(Slot::MemoryInactiveFile)) {
                (Some(series), Some(usage), Some(inactive_file)) => {
                    Some(WorkingSet { series, usage, inactive_file })
                }
                _ => None,
            };
    }

    /// Gives a new name a number, unless there are too many.
    fn name(&mut self, family: &Family, values: &[&str]) -> Option<SeriesId> {
        let id = u32::try_from(self.counters.len()).ok().filter(|id| *id <= MAX_SERIES_NAMES);
        let Some(id) = id else {
            self.refused += 1;
            return None;
        };
        self.counters.push(family.kind == Kind::Counter);
        let labels = family.labels.iter().zip(values);
        self.unsaved.push(SeriesRecord {
            id,
            metric: family.name.to_owned(),
            labels: labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        });
        Some(SeriesId(id))
    }

    /// What is stored of a container's slots, by number.
    pub(crate) fn slots(&self) -> &[(Slot, SeriesId)] {
        &self.slots
    }

    /// The series of an interface, by slot.
    pub(crate) fn interface(&mut self, name: &Arc<str>) -> &Part<{ InterfaceSlot::COUNT }> {
        if !self.interfaces.contains_key(name) {
            let mut part = Part::default();
            for family in CATALOG {
                if let Shape::Interface(slot) = family.shape {
                    part[slot.index()] = self.name(family, &[name]);
                }
            }
            // A name without numbers is not remembered: the file has no room for it, nor has memory.
            if part.iter().all(Option::is_none) {
                return &[None; InterfaceSlot::COUNT];
            }
            self.interfaces.insert(Arc::clone(name), part);
        }
        self.interfaces.get(name).unwrap_or(&[None; InterfaceSlot::COUNT])
    }

    /// The series of a device, by slot.
    pub(crate) fn device(&mut self, name: &Arc<str>) -> &Part<{ DeviceSlot::COUNT }> {
        if !self.devices.contains_key(name) {
            let mut part = Part::default();
            for family in CATALOG {
                if let Shape::Device(slot) = family.shape {
                    part[slot.index()] = self.name(family, &[name]);
                }
            }
            if part.iter().all(Option::is_none) {
                return &[None; DeviceSlot::COUNT];
            }
            self.devices.insert(Arc::clone(name), part);
        }
        self.devices.get(name).unwrap_or(&[None; DeviceSlot::COUNT])
    }

    /// The series of a number with labels of its own.
    pub(crate) fn detail(&mut self, detail: &DetailRow) -> Option<SeriesId> {
        let key = (detail.field, Arc::clone(&detail.labels));
        if let Some(id) = self.details.get(&key) {
            return Some(*id);
        }
        if self.details.len() >= MAX_DETAIL_NAMES {
            self.refuse();
            return None;
        }
        let family = CATALOG.iter().find(|family| family.shape == Shape::Detail(detail.field))?;
        let labels: Vec<&str> = detail.labels.iter().map(|label| &**label).collect();
        let id = self.name(family, &labels)?;
        self.details.insert(key, id);
        Some(id)
    }

    /// The series of a family that is about no container.
    pub(crate) fn own(&mut self, family: &'static Family, values: &[String]) -> Option<SeriesId> {
        if let Some(id) = self.own.get(family.name).and_then(|series| series.get(values)) {
            return Some(*id);
        }
        let is_of_host = matches!(family.shape, Shape::Host(_));
        if is_of_host && self.host_names >= MAX_HOST_NAMES {
            self.refuse();
            return None;
        }
        let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
        let id = self.name(family, &borrowed)?;
        self.own.entry(family.name).or_default().insert(values.into(), id);
        self.host_names += usize::from(is_of_host);
        Some(id)
    }

    /// Counts a number that is not stored because there are too many names.
    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// By number, whether a series is a counter.
    pub(crate) fn counters(&self) -> &[bool] {
        &self.counters
    }

    /// What the working set is made of.
    pub(crate) fn working_set(&self) -> Option<WorkingSet> {
        self.working_set
    }

    /// Whether there are names that the file does not have.
    pub(crate) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Takes the names that the file does not have.
    pub(crate) fn take_unsaved(&mut self) -> Vec<SeriesRecord> {
        std::mem::take(&mut self.unsaved)
    }

    /// How often a name was refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Every name: what a new file begins with.
    pub(crate) fn every_name(&self) -> Vec<SeriesRecord> {
        let mut names = Vec::with_capacity(self.counters.len());
        let mut tell = |family: &Family, values: &[&str], id: Option<SeriesId>| {
            let labels = family.labels.iter().zip(values);
            let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            names.extend(id.map(|id| SeriesRecord { id: id.0, metric: family.name.to_owned(), labels }));
        };
        let mut told = Vec::new();
        for family in CATALOG {
            match family.shape {
                Shape::Container(cells) => {
                    for cell in cells.iter().filter(|cell| !DERIVED.contains(&cell.slot)) {
                        let found = self.slots.iter().find(|(slot, _)| *slot == cell.slot);
                        if found.is_some() && !told.contains(&cell.slot) {
                            told.push(cell.slot);
                            tell(family, cell.values, found.map(|(_, id)| *id));
                        }
                    }
                    if let Some(working_set) =
                        self.working_set.filter(|_| cells[0].slot == Slot::MemoryWorkingSet)
                    {
                        tell(family, &[], Some(working_set.series));
                    }
                }
                Shape::Interface(slot) => {
                    self.interfaces.iter().for_each(|(name, part)| tell(family, &[name], part[slot.index()]));
                }
                Shape::Device(slot) => {
                    self.devices.iter().for_each(|(name, part)| tell(family, &[name], part[slot.index()]));
                }
                Shape::Detail(field) => {
                    for ((_, labels), id) in self.details.iter().filter(|((of, _), _)| *of == field) {
                        let labels: Vec<&str> = labels.iter().map(|label| &**label).collect();
                        tell(family, &labels, Some(*id));
                    }
                }
                Shape::Agent(_) | Shape::Host(_) => {
                    for (values, id) in self.own.get(family.name).into_iter().flatten() {
                        let values: Vec<&str> = values.iter().map(String::as_str).collect();
                        tell(family, &values, Some(*id));
                    }
                }
                Shape::Info(_) => {}
            }
        }
        names
    }
}

fn index_of(series: SeriesId) -> Option<usize> {
    usize::try_from(series.0).ok().filter(|index| *index <= MAX_SERIES_NAMES as usize)
}
