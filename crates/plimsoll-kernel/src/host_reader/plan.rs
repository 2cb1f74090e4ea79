//! Which families of the catalog take which numbers of the machine's files.

use plimsoll_model::catalog::{CATALOG, HostField, Shape};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Collector, Family, HostLabels, Unit};

use crate::parse::host;

/// The files of the pressure of each resource on the whole machine.
pub(super) const RESOURCES: [&str; 3] = ["pressure/cpu", "pressure/memory", "pressure/io"];

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
const SECTOR: u64 = 512;
const KIB: u64 = 1024;

/// A family, and where its numbers stand.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its position in the catalog.
    pub(super) family: u16,
    /// What a number of the file is to be multiplied by.
    pub(super) factor: u64,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Columns of each processor's times; `first` is where their labels begin among the processor's.
    Processor {
        modes: &'static [(&'static str, usize)],
        first: usize,
    },
    Stat(usize),
    Load(usize),
    Memory(usize),
    /// A resource by position, and a line.
    Pressure(usize, usize),
    Disk(usize),
    Interface(usize),
    Vmstat(usize),
    Time,
}

/// Words that are looked for in a file, and their last numbers.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<&'static str>,
    pub(super) values: Vec<Option<u64>>,
}

impl Words {
    /// Looks for one more.
    fn want(&mut self, word: &'static str) -> usize {
        self.words.push(word);
        self.values.push(None);
        self.words.len() - 1
    }

    /// Takes the numbers of a file over; where it could not be read, there are none.
    pub(super) fn take(&mut self, bytes: Option<&[u8]>) {
        self.values.fill(None);
        host::fields(bytes.unwrap_or_default(), &self.words, |word, value| self.values[word] = Some(value));
    }

    pub(super) fn value(&self, word: &str) -> Option<u64> {
        self.words.iter().position(|known| *known == word).and_then(|position| self.values[position])
    }
}

/// The families in the order of the catalog, and the numbers that belong to the machine as a whole.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) families: Vec<Planned>,
    pub(super) stat: Words,
    pub(super) memory: Words,
    pub(super) vmstat: Words,
    pub(super) load: [Option<u64>; 3],
    pub(super) pressure: [[Option<u64>; 2]; RESOURCES.len()],
    /// The modes of all families of processors, one after the other.
    modes: Vec<&'static str>,
}

impl Plan {
    pub(super) fn new(ticks: u64) -> Self {
        let mut plan = Self {
            families: Vec::new(),
            stat: Words::default(),
            memory: Words::default(),
            vmstat: Words::default(),
            load: [None; 3],
            pressure: [[None; 2]; RESOURCES.len()],
            modes: Vec::new(),
        };
        for (index, family) in CATALOG.iter().enumerate() {
            let Shape::Host(field) = family.shape else { continue };
            let place = plan.place(field).filter(|_| family.collector == Collector::Host);
            if let (Some(place), Ok(index)) = (place, u16::try_from(index)) {
                plan.families.push(Planned { family: index, factor: factor(family, field, ticks), place });
            }
        }
        plan
    }

    fn place(&mut self, field: HostField) -> Option<Place> {
        Some(match field {
            HostField::Processor(modes) => {
                let first = self.modes.len();
                self.modes.extend(modes.iter().map(|(mode, _)| *mode));
                Place::Processor { modes, first }
            }
            HostField::Stat(word) => Place::Stat(self.stat.want(word)),
            HostField::Memory(word) => Place::Memory(self.memory.want(word)),
            HostField::Vmstat(word) => Place::Vmstat(self.vmstat.want(word)),
            HostField::Load(column) => Place::Load(column),
            HostField::Disk(column) => Place::Disk(column),
            HostField::Interface(column) => Place::Interface(column),
            HostField::Pressure { resource, full } => {
                let is_of = |file: &&str| file.strip_prefix("pressure/") == Some(resource);
                Place::Pressure(RESOURCES.iter().position(is_of)?, usize::from(full))
            }
            HostField::Time => Place::Time,
            HostField::Mount(_) => return None,
        })
    }

    /// The labels of every series of a processor.
    pub(super) fn labels_of_processor(&self, processor: u64) -> Vec<HostLabels> {
        let processor = processor.to_string();
        self.modes.iter().map(|mode| labels([processor.as_bytes(), mode.as_bytes()])).collect()
    }
}

/// What the file's numbers are to be multiplied by, to be on the family's scale.
fn factor(family: &Family, field: HostField, ticks: u64) -> u64 {
    match (field, family.unit) {
        (HostField::Processor(_), _) => SECOND / ticks,
        (HostField::Stat(_), Unit::Seconds) => SECOND,
        (HostField::Memory(_), Unit::Bytes) => KIB,
        (HostField::Disk(_), Unit::Bytes) => SECTOR,
        (HostField::Disk(_), Unit::Seconds) => MILLISECOND,
        // The parsers of load and pressure have done it, and everything else is a count.
        _ => 1,
    }
}

/// Values of labels as they are kept: text of a bounded length.
pub(crate) fn labels<const N: usize>(values: [&[u8]; N]) -> HostLabels {
    values.iter().map(|value| bounded(&String::from_utf8_lossy(value), MAX_TEXT).into()).collect()
}
