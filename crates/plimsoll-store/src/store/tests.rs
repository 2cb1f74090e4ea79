//! What goes in comes out, whatever happens in between: read straight from the file and from memory.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::block::{Block, ColumnKey, SeriesId};
use crate::{Range, Tier};

#[path = "../../tests/common/fleet.rs"]
mod fleet;
use fleet::Fleet;

const ALWAYS: Range = Range { from: i64::MIN, until: i64::MAX };

/// A time that is a multiple of an hour.
const START: Millis = 1_763_700_000_000 / 3_600_000 * 3_600_000;

type Rows = BTreeMap<(u32, Millis), Vec<(SeriesId, u64)>>;

fn options(folder: &Path) -> Options {
    Options { flush_every: Duration::from_secs(3600), ..Options::new(folder.join("history.db")) }
}

/// Every sample of some blocks.
fn rows_of(container: u32, block: &Block, rows: &mut Rows) {
    for (index, at) in block.times.iter().enumerate() {
        let row = block.columns.iter().filter_map(|column| Some((column.key.series, column.values[index]?)));
        rows.insert((container, *at), row.collect());
    }
}

/// Every sample of a file's sealed blocks, the later written over the earlier.
fn sealed(path: &Path) -> Rows {
    let file = File::read_only(path).unwrap();
    let mut rows = Rows::new();
    let mut containers = vec![0];
    file.identities(|id, _, _| containers.push(id)).unwrap();
    for container in containers {
        let left_out = file
            .blocks(Tier::Raw, container, ALWAYS, |head, bytes| {
                let block = Block::decode(bytes, |_| true).unwrap();
                assert_eq!((head.first, head.last), (block.times[0], *block.times.last().unwrap()));
                rows.retain(|(of, at), _| *of != container || !(head.first..=head.last).contains(at));
                rows_of(container, &block, &mut rows);
            })
            .unwrap();
        assert_eq!(left_out, 0);
    }
    rows
}

/// What a store would answer: sealed, waiting and open.
fn all(store: &Store) -> Rows {
    let mut rows = Rows::new();
    let spans = store.shared.unwritten_spans();
    let unwritten: Vec<(u32, Block)> = spans
        .keys()
        .flat_map(|id| {
            store.shared.unwritten(*id, ALWAYS, |_: ColumnKey| true).into_iter().map(|block| (*id, block))
        })
        .collect();
    rows.extend(sealed(&store.shared.path));
    for (container, block) in unwritten {
        let (first, last) = (block.times[0], *block.times.last().unwrap());
        rows.retain(|(of, at), _| *of != container || !(first..=last).contains(at));
        rows_of(container, &block, &mut rows);
    }
    rows
}

/// What a snapshot should have left behind.
fn expect(fleet: &Fleet, store: &Store, rows: &mut Rows) {
    let at = (fleet.snapshot.at / 1_000_000) as i64;
    let mut hot = store.shared.lock();
    let mut buffer = crate::row::RowBuffer::new();
    for (index, row) in fleet.snapshot.containers.iter().enumerate() {
        // Numbers are given in order.
        let id = index as u32 + 1;
        rows.insert((id, at), buffer.container(row, &mut hot.tracker.dictionary).to_vec());
    }
    rows.insert((0, at), buffer.host(&fleet.snapshot, &mut hot.tracker.dictionary).to_vec());
}

#[derive(Clone, Debug)]
enum Step {
    Samples(u16),
    Gap(i64),
    Flush,
    Reopen,
    /// As after a kill: nothing is written on the way out.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u16..400).prop_map(Step::Samples),
        1 => (2_000i64..2_000_000).prop_map(Step::Gap),
        3 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_goes_in_comes_out(steps in prop::collection::vec(step(), 1..12), seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = Fleet::new(3, seed);
        let mut store = Store::open(options(folder.path())).unwrap();
        let (mut expected, mut at) = (Rows::new(), START);
        for step in steps {
            match step {
                Step::Samples(count) => {
                    for _ in 0..count {
                        at += 1000;
                        store.append(fleet.at(at));
                        expect(&fleet, &store, &mut expected);
                    }
                }
                Step::Gap(gap) => at += gap,
                Step::Flush => {
                    store.flush();
                }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(options(folder.path())).unwrap();
                }
                Step::Kill => {
                    store.flush();
                    store.abandon();
                    store = Store::open(options(folder.path())).unwrap();
                }
            }
            prop_assert!(all(&store) == expected);
        }
        store.close();
        let path = folder.path().join("history.db");
        prop_assert!(sealed(&path) == expected);
    }
}
