//! Containers that come and go by the thousand leave a file and a memory of bounded size.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::time::Duration;

use common::fleet::Fleet;
use common::{ALWAYS, START, options, samples};
use plimsoll_store::{History, Options, Store};

const AT_ONCE: usize = 20;
const MOST: usize = 300;

#[test]
fn thousands_of_containers_leave_a_bounded_file() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_containers: MOST,
        max_bytes: 4 << 20,
        keep_every: Duration::ZERO,
        ..options(folder.path())
    };
    let store = Store::open(options).unwrap();
    let mut fleet = Fleet::new(AT_ONCE, 1);
    let mut at = START;
    let mut largest = 0;
    for _ in 0..120 {
        for _ in 0..6 {
            at += 1000;
            store.append(fleet.at(at));
        }
        fleet.snapshot.containers.clear();
        for _ in 0..AT_ONCE {
            fleet.add();
        }
        store.flush();
        largest = largest.max(store.figures().used_bytes);
    }
    let summary = store.history().summary().unwrap();
    assert!(summary.containers <= MOST as u64, "{summary:?}");
    assert!(summary.containers >= MOST as u64 / 2, "{summary:?}");
    assert!(summary.lines <= MOST as u64, "{summary:?}");
    assert!(summary.series < 200, "{summary:?}");
    assert!(largest < 5 << 20, "{largest}");
    let figures = store.figures();
    assert_eq!((figures.lost_containers, figures.damaged, figures.trouble), (0, 0, None));
    assert!(!samples(&store.history(), ALWAYS).is_empty());
}

#[test]
fn the_bound_in_bytes_decides() {
    let folder = tempfile::tempdir().unwrap();
    let bound = 1 << 20;
    let options = Options { max_bytes: bound, keep_every: Duration::ZERO, ..options(folder.path()) };
    let store = Store::open(options).unwrap();
    let mut fleet = Fleet::new(4, 1);
    fleet.calm = 1;
    let mut at = START;
    for _ in 0..60 {
        for _ in 0..100 {
            at += 1000;
            store.append(fleet.at(at));
        }
        store.flush();
        assert!(store.figures().used_bytes <= bound + (1 << 18), "{:?}", store.figures());
    }
    let found = samples(&store.history(), ALWAYS);
    let (first, last) = (found.keys().next().unwrap().0, found.keys().next_back().unwrap().0);
    assert!(first > START, "the oldest went");
    assert_eq!(last, at, "the newest is there");
    store.close();
    let size = std::fs::metadata(folder.path().join("history.db")).unwrap().len();
    assert!(size <= bound + (1 << 18), "{size}");
}

#[test]
fn an_ended_history_gives_its_free_pages_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut fleet = Fleet::new(20, 1);
    for second in 0..400 {
        store.append(fleet.at(START + second * 1000));
        if second % 8 == 0 {
            store.flush();
        }
    }
    store.close();
    let summary = History::open(&folder.path().join("history.db")).unwrap().summary().unwrap();
    assert_eq!(summary.free_bytes, 0, "the journal's pages are of no use any more: {summary:?}");
}
