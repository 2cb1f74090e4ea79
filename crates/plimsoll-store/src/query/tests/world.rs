//! A file made for a test, block by block, and what it was made of.

use std::sync::Arc;

use plimsoll_model::{Container, ContainerRow, InterfaceRow, InterfaceSlot, Slot, Snapshot, Values};
use tempfile::TempDir;

use crate::chunk::Chunk;
use crate::file::File;
use crate::history::History;
use crate::journal::Journal;
use crate::roller::Roller;
use crate::row::RowBuffer;
use crate::series::Dictionary;
use crate::{Millis, Tier};

pub(super) const INTERVAL: Millis = 1_000;

/// When the stories of these tests happen; a multiple of a day.
pub(super) const DAY_ZERO: Millis = 20_000 * 86_400_000;

/// What a test's container has at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) usage: Option<u64>,
    pub(super) inactive: Option<u64>,
    pub(super) limit: Option<u64>,
    /// Nanoseconds.
    pub(super) cpu: u64,
    pub(super) received: u64,
}

pub(super) struct World {
    folder: TempDir,
    file: File,
    dictionary: Dictionary,
    rows: RowBuffer,
    roller: Roller,
    journal: Journal,
    next: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = File::open(&folder.path().join("history.db")).unwrap();
        let dictionary = Dictionary::new([]);
        let roller = Roller::default();
        let mut world = Self {
            folder,
            file,
            dictionary,
            rows: RowBuffer::new(),
            roller,
            journal: Journal::new(1),
            next: 1,
        };
        world.save_names();
        world
    }

    fn save_names(&mut self) {
        for record in self.dictionary.take_unsaved() {
            self.file.put_series(&record).unwrap();
        }
        self.roller.counters = self.dictionary.counters().to_vec();
        self.roller.working_set = self.dictionary.working_set();
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn history(&self) -> History {
        History::open(&self.folder.path().join("history.db")).unwrap()
    }

    /// A container that is seen for the first time.
    pub(super) fn container(&mut self, id: &str, name: &str, at: Millis) -> u32 {
        self.container_with(id, name, "nginx:1.27", &[], at)
    }

    pub(super) fn container_with(
        &mut self,
        id: &str,
        name: &str,
        image: &str,
        labels: &[(&str, &str)],
        at: Millis,
    ) -> u32 {
        let number = self.next;
        self.next += 1;
        self.rename(number, id, name, image, labels, at);
        number
    }

    pub(super) fn rename(
        &mut self,
        number: u32,
        id: &str,
        name: &str,
        image: &str,
        labels: &[(&str, &str)],
        at: Millis,
    ) {
        let mut container = Container::new(id, "docker".into());
        name.clone_into(&mut container.name);
        image.clone_into(&mut container.image);
        container.labels =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.file.put_container(number, &container, Some(at - 500), at).unwrap();
    }

    /// Adds samples: a block ends before each of `borders` (positions), and what is behind the last goes into the journal.
    pub(super) fn add(&mut self, container: u32, samples: &[(Millis, Numbers)], borders: &[usize]) {
        let mut from = 0;
        for border in borders.iter().copied().filter(|border| *border <= samples.len()) {
            if border > from {
                self.seal(container, &samples[from..border]);
                from = border;
            }
        }
        let mut chunk = Chunk::new(INTERVAL);
        for (at, numbers) in &samples[from..] {
            let row = self.row(numbers);
            let row = self.rows.container(&row, &mut self.dictionary).to_vec();
            assert!(self.journal.push(container, &mut chunk, *at, &row));
        }
        self.save_names();
        if let Some(record) = self.journal.take() {
            self.file.put_journal(&record.bytes).unwrap();
        }
        if let Some((last, _)) = samples.last() {
            self.file.touch_container(container, *last, *last).unwrap();
        }
    }

    fn seal(&mut self, container: u32, samples: &[(Millis, Numbers)]) {
        let mut chunk = Chunk::new(INTERVAL);
        for (at, numbers) in samples {
            let row = self.row(numbers);
            assert!(chunk.push(*at, self.rows.container(&row, &mut self.dictionary)));
        }
        self.save_names();
        self.file.put_block(Tier::Raw, container, &chunk.seal()).unwrap();
        let (first, last) = (chunk.first_time().unwrap(), chunk.last_time().unwrap());
        self.roller.sealed(&self.file, INTERVAL, container, first, last + 1).unwrap();
    }

    /// Adds a block of the host's samples.
    pub(super) fn add_host(&mut self, samples: &[Snapshot]) {
        let mut chunk = Chunk::new(INTERVAL);
        for snapshot in samples {
            let at = (snapshot.at / 1_000_000).cast_signed();
            assert!(chunk.push(at, self.rows.host(snapshot, &mut self.dictionary)));
        }
        self.save_names();
        self.file.put_block(Tier::Raw, 0, &chunk.seal()).unwrap();
    }

    /// Rolls up what there is of a container that is gone.
    pub(super) fn finish(&mut self, container: u32) {
        self.roller.finish(&self.file, INTERVAL, container).unwrap();
    }

    /// Drops every block of a tier that ends before a moment.
    pub(super) fn forget(&mut self, tier: Tier, before: Millis) {
        let mut heads = Vec::new();
        self.file.block_heads(|head| heads.push(*head)).unwrap();
        for head in heads.iter().filter(|head| head.tier == tier && head.last < before) {
            self.file.delete_block(head).unwrap();
        }
    }

    fn row(&self, numbers: &Numbers) -> ContainerRow {
        let mut row = ContainerRow::new(Arc::new(Container::new("", "docker".into())));
        row.values.set_option(Slot::MemoryUsage, numbers.usage);
        row.values.set_option(Slot::MemoryInactiveFile, numbers.inactive);
        row.values.set_option(Slot::MemoryLimit, numbers.limit);
        row.values.set(Slot::CpuUsage, numbers.cpu);
        row.values.set(Slot::Started, DAY_ZERO.unsigned_abs() * 1_000_000);
        row.values.set(Slot::Status, 1);
        row.values.set(Slot::State, 1);
        let mut values = Values::default();
        values.set(InterfaceSlot::RxBytes, numbers.received);
        values.set(InterfaceSlot::TxBytes, 7);
        row.interfaces.push(InterfaceRow { name: "eth0".into(), network: "".into(), values });
        row
    }
}

/// So many samples, one each second, with a memory use that the function gives.
pub(super) fn every_second(from: Millis, count: i64, usage: impl Fn(i64) -> u64) -> Vec<(Millis, Numbers)> {
    let sample = |second: i64| {
        let numbers = Numbers {
            usage: Some(usage(second)),
            inactive: Some(0),
            limit: Some(1_000),
            cpu: second.unsigned_abs() * 500_000_000,
            received: second.unsigned_abs() * 100,
        };
        (from + second * 1_000, numbers)
    };
    (0..count).map(sample).collect()
}
