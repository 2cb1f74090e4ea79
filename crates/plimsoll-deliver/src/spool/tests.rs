use std::io::{Seek as _, SeekFrom, Write as _};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const BOUND: u64 = 16 << 20;

fn row(seq: u64, size: usize) -> Row {
    let mut hash = seq;
    let mut next = |_| {
        hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (hash >> 56) as u8
    };
    let body = (0..size).map(&mut next).collect();
    Row { seq, format: "lines+gzip".into(), points: seq + 1, raw_bytes: 10, first: -1, last: i64::MAX, body }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/tsdb.spool");
    (folder, path)
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let (_folder, path) = folder();
    let mut spool = Spool::open(&path, BOUND).unwrap().spool;
    spool.insert(&[row(1, 100), row(2, 0), row(3, 100_000)], true).unwrap();
    spool.remove(&[2, 77]).unwrap();
    spool.sync().unwrap();
    drop(spool);
    let opened = Spool::open(&path, BOUND).unwrap();
    assert_eq!(
        opened.rows.iter().map(|row| (row.seq, row.points, row.bytes)).collect::<Vec<_>>(),
        [(1, 2, 100), (3, 4, 100_000)]
    );
    assert_eq!(opened.damage, None);
    assert_eq!(opened.spool.load(3).unwrap(), Some(row(3, 100_000)));
    assert_eq!(opened.spool.load(2).unwrap(), None);
}

#[test]
fn the_second_agent_is_refused_and_somebody_may_look() {
    let (_folder, path) = folder();
    let mut first = Spool::open(&path, BOUND).unwrap().spool;
    first.insert(&[row(1, 10)], false).unwrap();
    assert!(matches!(Spool::open(&path, BOUND), Err(SpoolError::InUse(_))));
    assert_eq!(Spool::look(&path).unwrap().len(), 1);
    drop(first);
    assert!(Spool::open(&path, BOUND).is_ok());
}

#[test]
fn a_full_spool_refuses_and_takes_again_when_there_is_room() {
    let (_folder, path) = folder();
    let mut spool = Spool::open(&path, BOUND).unwrap().spool;
    let mut written = 0;
    while spool.insert(&[row(written + 1, 1 << 20)], false).is_ok() {
        written += 1;
        assert!(written < 32, "the bound is not held");
    }
    assert!(written >= 12, "{written}");
    assert!(spool.file_bytes() <= BOUND);
    spool.remove(&[1, 2]).unwrap();
    spool.insert(&[row(99, 1 << 20)], true).unwrap();
    assert_eq!(spool.load(99).unwrap().map(|row| row.seq), Some(99));
}

#[test]
fn a_later_version_and_a_file_of_something_else_are_set_aside() {
    for is_later in [true, false] {
        let (folder, path) = folder();
        let mut spool = Spool::open(&path, BOUND).unwrap().spool;
        spool.insert(&[row(1, 10)], true).unwrap();
        if is_later {
            spool.connection.execute_batch("PRAGMA user_version = 2").unwrap();
        }
        drop(spool);
        if !is_later {
            std::fs::write(
                &path,
                "this is a letter, not a database, and it is long enough to be read as a header of one"
                    .repeat(9),
            )
            .unwrap();
        }
        let opened = Spool::open(&path, BOUND).unwrap();
        let damage = opened.damage.unwrap();
        assert_eq!((opened.rows.len(), damage.rows), (0, 0), "{damage:?}");
        assert!(damage.set_aside.unwrap().exists());
        drop(opened.spool);
        assert_eq!(Spool::open(&path, BOUND).unwrap().damage, None);
        drop(folder);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However bytes are flipped or torn away, the spool opens, and every row that is given is one that was written.
    #[test]
    fn damage_costs_rows_and_never_the_start(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6), torn in prop::option::of(1u64..50)) {
        let (_folder, path) = folder();
        let mut spool = Spool::open(&path, BOUND).unwrap().spool;
        let written: Vec<Row> = (1..=40).map(|seq| row(seq, 3000)).collect();
        spool.insert(&written, true).unwrap();
        drop(spool);
        let mut file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, bit) in &flips {
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&bytes[at..=at]).unwrap();
        }
        if let Some(torn) = torn {
            file.set_len(bytes.len() as u64 * (100 - torn) / 100).unwrap();
        }
        drop(file);
        let opened = Spool::open(&path, BOUND).unwrap();
        for facts in &opened.rows {
            if let Ok(Some(found)) = opened.spool.load(facts.seq) {
                prop_assert_eq!(&found, &written[facts.seq as usize - 1]);
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_a_body_costs_that_row_alone() {
    let (_folder, path) = folder();
    let mut spool = Spool::open(&path, BOUND).unwrap().spool;
    spool.insert(&(1..=40).map(|seq| row(seq, 3000)).collect::<Vec<_>>(), true).unwrap();
    drop(spool);
    let bytes = std::fs::read(&path).unwrap();
    let body = row(20, 3000).body;
    let at = bytes.windows(64).position(|window| window == &body[100..164]).unwrap();
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&[!bytes[at]]).unwrap();
    drop(file);
    let opened = Spool::open(&path, BOUND).unwrap();
    assert_eq!(opened.rows.len(), 40);
    let lost: Vec<u64> = (1..=40).filter(|seq| opened.spool.load(*seq).unwrap().is_none()).collect();
    assert_eq!(lost, [20]);
}

#[test]
fn one_flipped_bit_costs_one_row_nearly_always() {
    let (_folder, path) = folder();
    let mut spool = Spool::open(&path, BOUND).unwrap().spool;
    spool.insert(&(1..=100).map(|seq| row(seq, 3000)).collect::<Vec<_>>(), true).unwrap();
    drop(spool);
    let whole = std::fs::read(&path).unwrap();
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut all, mut few) = (0, 0);
    for _ in 0..150 {
        let mut bytes = whole.clone();
        let at = dice.usize(0..bytes.len());
        bytes[at] ^= 1 << dice.u8(0..8);
        std::fs::write(&path, &bytes).unwrap();
        let opened = Spool::open(&path, BOUND).unwrap();
        let kept = opened.rows.iter().filter(|row| matches!(opened.spool.load(row.seq), Ok(Some(_)))).count();
        all += usize::from(kept == 100);
        few += usize::from(kept < 99);
        drop(opened);
    }
    // The first page and the inner ones of the tree are a hundredth of the file: what they lead to is lost with them.
    assert!(few <= 6, "{few} of 150 flips cost more than one row; {all} cost none");
}
