//! Files that are not what was written: set aside or repaired and counted, and never a wrong answer.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::fs;

use common::fleet::Fleet;
use common::{ALWAYS, START, Samples, expect, options, samples, try_samples};
use plimsoll_store::{Error, ErrorKind, EventQuery, History, Millis, Selector, Store};

const CONTAINERS: usize = 3;
const SAMPLES: Millis = 700;

/// A file with some history, and what is in it.
fn original() -> (Vec<u8>, Samples) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    let mut fleet = Fleet::new(CONTAINERS, 7);
    let mut expected = Samples::new();
    for sample in 0..SAMPLES {
        store.append(fleet.at(START + sample * 1000));
        expect(&fleet.snapshot, &mut expected);
        if sample % 100 == 0 {
            store.flush();
        }
    }
    store.close();
    (fs::read(folder.path().join("history.db")).unwrap(), expected)
}

/// Opens a file that may be damaged, goes on with it, and opens it again. Every sample that is told must be right, and a file
/// that cannot be read must be set aside.
fn survives(bytes: &[u8], expected: &Samples, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    fs::write(folder.path().join("history.db.lock"), []).unwrap();
    fs::write(&path, bytes).unwrap();
    let mut fleet = Fleet::new(CONTAINERS, 7);
    let later = START + 3_600_000;
    let mut known = expected.clone();
    for round in 0..2 {
        let store = Store::open(options(folder.path())).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let mut new = Samples::new();
        for sample in 0..20 {
            store.append(fleet.at(later + (round * 20 + sample) * 1000));
            expect(&fleet.snapshot, &mut known);
            expect(&fleet.snapshot, &mut new);
        }
        store.flush();
        store.seal();
        store.flush();
        let history = store.history();
        let found = try_samples(&history, ALWAYS).or_else(|error| {
            assert!(matches!(error, Error::Damaged { .. }), "{what}: {error:?}");
            store.flush();
            assert!(store.figures().set_aside > 0, "{what}: a file that cannot be read was kept");
            try_samples(&history, ALWAYS)
        });
        let found = found.unwrap_or_else(|error| panic!("{what}: {error:?} of a new file"));
        for (key, values) in &found {
            let right = known.get(key).unwrap_or_else(|| panic!("{what}: {key:?} was never taken"));
            for (metric, value) in values {
                assert_eq!(right.get(metric), Some(value), "{what}: {key:?} {metric}");
            }
        }
        if store.figures().set_aside == 0 {
            assert!(new.keys().all(|key| found.contains_key(key)), "{what}: what is new is missing");
        }
        let _ = history.events(&EventQuery { selector: Selector::default(), range: ALWAYS, count: 100 });
        let _ = history.summary();
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

#[test]
fn flipped_bits_make_gaps_and_never_a_wrong_number() {
    let (bytes, expected) = original();
    let mut random = Random(1);
    for round in 0..60 {
        let mut damaged = bytes.clone();
        let flips = 1 + random.below(4);
        let mut what = format!("round {round}:");
        for _ in 0..flips {
            let at = random.below(damaged.len());
            let bit = random.below(8);
            damaged[at] ^= 1 << bit;
            what.push_str(&format!(" bit {bit} of {at}"));
        }
        survives(&damaged, &expected, &what);
    }
}

#[test]
fn a_file_that_is_cut_is_set_aside_or_mended() {
    let (bytes, expected) = original();
    let mut random = Random(2);
    let lengths =
        (0..20).map(|_| random.below(bytes.len())).chain([0, 1, 99, 100, 512, 8192, bytes.len() - 1]);
    for length in lengths {
        survives(&bytes[..length], &expected, &format!("cut to {length}"));
    }
}

#[test]
fn torn_pages_are_set_aside_or_mended() {
    let (bytes, expected) = original();
    let mut random = Random(3);
    for page in 0..bytes.len() / 8192 {
        let mut torn = bytes.clone();
        let half = page * 8192 + 4096 * random.below(2);
        torn[half..half + 4096].fill(0);
        survives(&torn, &expected, &format!("half of page {page} is torn"));
    }
}

#[test]
fn a_newer_file_is_set_aside_and_the_last_two_are_kept() {
    let (mut bytes, _) = original();
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    for round in 0..4 {
        fs::write(&path, &bytes).unwrap();
        let error = History::open(&path).unwrap_err();
        assert!(matches!(error, Error::NewerVersion { version: 99, .. }), "{error:?}");
        let store = Store::open(options(folder.path())).unwrap();
        assert_eq!(store.figures().set_aside, 1);
        store.append(Fleet::new(1, round).at(START));
        store.close();
        fs::remove_file(&path).unwrap();
    }
    let kept = fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(kept.filter(|name| name.contains(".newer-")).count(), 2);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let options = plimsoll_store::Options::new(path.clone());
    let (mut foreign, _) = original();
    foreign[68..72].copy_from_slice(b"Fire");
    for content in [b"Shopping list: milk, bread, and everything else.".to_vec(), foreign] {
        fs::write(&path, &content).unwrap();
        let error = Store::open(options.clone()).unwrap_err();
        assert!(matches!(error, Error::NotAHistory { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(matches!(History::open(&path), Err(Error::NotAHistory { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn one_agent_writes_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(folder.path())).unwrap();
    store.append(Fleet::new(2, 1).at(START));
    store.flush();
    let error = Store::open(options(folder.path())).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let reader = History::open(&folder.path().join("history.db")).unwrap();
    assert_eq!(samples(&reader, ALWAYS).len(), 2);
    store.close();
    Store::open(options(folder.path())).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_says_so() {
    let error = Store::open(plimsoll_store::Options::new("/proc/plimsoll/history.db".into())).unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = History::open("/nonexistent/history.db".as_ref()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
}
