//! A disk that fills and empties.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::fleet::Fleet;
use common::{ALWAYS, START, Samples, expect, options, samples};
use plimsoll_store::{Error, ErrorKind, Store};

/// A small disk, unmounted when it goes.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "plimsoll-test"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(status.success(), "this test has to mount a tmpfs, as root");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room that there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn what_a_full_disk_does_not_take_waits_for_room() {
    let disk = Disk::mount("2m");
    let store = Store::open(options(disk.path())).unwrap();
    let mut fleet = Fleet::new(8, 1);
    let (mut expected, mut at) = (Samples::new(), START);
    let mut sample = |store: &Store, count: usize| {
        for _ in 0..count {
            at += 1000;
            store.append(fleet.at(at));
            expect(&fleet.snapshot, &mut expected);
        }
        expected.clone()
    };
    for round in 0..3 {
        let expected = sample(&store, 100);
        store.flush();
        assert_eq!(store.figures().trouble, None, "round {round}");
        assert!(samples(&store.history(), ALWAYS) == expected);
        let filler = disk.fill();
        let mut expected = Samples::new();
        for _ in 0..4 {
            expected = sample(&store, 100);
            store.seal();
            store.flush();
        }
        let figures = store.figures();
        let trouble = figures.trouble.unwrap();
        assert!(trouble.contains("cannot write to the history"), "{trouble}");
        assert!(figures.waiting_bytes > 0);
        assert_eq!(figures.lost_disk, 0);
        assert!(samples(&store.history(), ALWAYS) == expected, "what waits can be asked for");
        std::fs::remove_file(filler).unwrap();
        store.flush();
        assert_eq!(store.figures().trouble, None);
        assert_eq!(store.figures().waiting_bytes, 0);
        assert!(samples(&store.history(), ALWAYS) == expected);
    }
    let expected = sample(&store, 10);
    store.flush();
    // Killed, and opened again: the journal has what came after the disk had room again.
    store.abandon();
    let store = Store::open(options(disk.path())).unwrap();
    assert!(samples(&store.history(), ALWAYS) == expected);
    assert_eq!(store.figures().set_aside, 0);
}

#[test]
fn a_history_that_cannot_begin_says_so() {
    let disk = Disk::mount("1m");
    disk.fill();
    let error = Store::open(options(disk.path())).unwrap_err();
    assert!(matches!(error, Error::Unwritten { .. } | Error::Unwritable { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!disk.path().join("history.db").exists(), "half a file is no file");
}

#[test]
fn what_waits_for_a_full_disk_is_bounded_and_the_oldest_goes_first() {
    const MOST: u64 = 16 << 20;
    let disk = Disk::mount("2m");
    let store = Store::open(options(disk.path())).unwrap();
    let mut fleet = Fleet::new(100, 1);
    // Every number moves all the time.
    fleet.calm = 1;
    let mut at = START;
    store.append(fleet.at(at));
    store.flush();
    let filler = disk.fill();
    let mut rounds = 0;
    while store.figures().lost_disk == 0 {
        for _ in 0..120 {
            at += 1000;
            store.append(fleet.at(at));
        }
        store.seal();
        store.flush();
        assert!(store.figures().waiting_bytes <= MOST, "{:?}", store.figures());
        rounds += 1;
        assert!(rounds < 100, "nothing is dropped: {:?}", store.figures());
    }
    let found = samples(&store.history(), ALWAYS);
    let rows = |at| found.keys().filter(|(time, _)| *time == at).count();
    assert_eq!(rows(at), 100, "the newest is there");
    assert!(rows(START + 1000) < 100, "some of the oldest is not");
    std::fs::remove_file(filler).unwrap();
    drop(store);
}
