//! The queue without a target: what is on disk, what is in memory, and what gives way.

use plimsoll_wire::line_protocol::Precision;
use tempfile::TempDir;

use super::*;
use crate::format::{Coding, Content};

const LINES: Format = Format { content: Content::Lines(Precision::Seconds), coding: Coding::None };
const SECOND: i64 = 1_000_000_000;

fn limits() -> Limits {
    Limits {
        points: 1_000_000,
        memory: 100_000_000,
        max_age: 0,
        when_full: WhenFull::DropOldest,
        durability: Durability::Interval,
        interval: SECOND,
    }
}

/// A batch of points at these seconds.
fn batch(seconds: std::ops::Range<u64>) -> Batch {
    let body: String = seconds.clone().map(|n| format!("p v={n}i {n}\n")).collect();
    Batch {
        format: LINES,
        points: seconds.end - seconds.start,
        raw_bytes: body.len() as u64,
        first: seconds.start.cast_signed() * SECOND,
        last: (seconds.end.cast_signed() - 1) * SECOND,
        body: body.into_bytes(),
    }
}

fn open(limits: Limits) -> (TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let opened = Spool::open(&folder.path().join("t.spool"), 16 << 20).unwrap();
    (folder, Queue::new(limits, Some((opened.spool, opened.rows))).0)
}

/// The sums that are kept are those that could be counted.
fn check(queue: &Queue) {
    let count = |of: fn(&Entry) -> u64| queue.entries.values().map(of).sum::<u64>();
    assert_eq!(queue.points, count(|entry| entry.points));
    assert_eq!(queue.disk_points, count(|entry| if entry.on_disk { entry.points } else { 0 }));
    assert_eq!(queue.disk, count(|entry| if entry.on_disk { disk_of(entry.bytes) } else { 0 }));
    assert_eq!(queue.memory, count(|entry| entry.body.as_ref().map_or(0, |body| body.len() as u64)));
    for (seq, entry) in &queue.entries {
        assert_eq!(queue.unwritten.contains(seq), !entry.on_disk && queue.spool.is_some(), "{seq}");
        assert_eq!(queue.cached.contains(seq), entry.on_disk && entry.body.is_some(), "{seq}");
        assert!(entry.on_disk || entry.body.is_some(), "{seq} is nowhere");
    }
    assert!(queue.unwritten.union(&queue.cached).all(|seq| queue.entries.contains_key(seq)));
}

#[test]
fn a_full_disk_degrades_to_memory_and_recovers() {
    for durability in [Durability::Interval, Durability::Always] {
        let (folder, mut queue) = open(Limits { durability, ..limits() });
        let mut now = Instant::now();
        assert!(queue.push([batch(0..10)], now).is_empty());
        queue.spool.as_mut().unwrap().fill(true);
        let large = |n: u64| Batch { body: vec![b'#'; 100_000], ..batch(n..n + 10) };
        for n in 1..6 {
            assert!(queue.push([large(n * 10)], now).is_empty(), "nothing is lost");
            check(&queue);
        }
        assert!(queue.is_without_disk() && queue.disk_failures() > 0);
        assert_eq!((queue.points(), queue.points_on_disk()), (60, 10));
        assert!(queue.memory() >= 500_000);
        assert_eq!(queue.next(true), Some(6), "what is in memory can be sent");
        assert_eq!(queue.body(6).unwrap().len(), 100_000);
        // It is tried again, and again in vain.
        now = queue.wakes_at().unwrap();
        queue.tend(now);
        assert!(queue.is_without_disk());
        check(&queue);
        // Within a second of there being room all is on disk.
        queue.spool.as_mut().unwrap().fill(false);
        let due = queue.wakes_at().unwrap();
        assert!(due <= now + Duration::from_secs(1));
        queue.tend(due);
        assert!(!queue.is_without_disk());
        assert_eq!(queue.points_on_disk(), 60);
        check(&queue);
        drop(queue);
        let opened = Spool::open(&folder.path().join("t.spool"), 16 << 20).unwrap();
        assert_eq!(opened.rows.len(), 6);
    }
}

#[test]
fn without_a_disk_memory_has_its_bound() {
    let (_folder, mut queue) = open(Limits { memory: 1000, ..limits() });
    queue.spool.as_mut().unwrap().fill(true);
    let now = Instant::now();
    let mut lost = 0;
    for n in 0..50 {
        lost += queue.push([batch(n * 10..n * 10 + 10)], now).iter().map(|lost| lost.points).sum::<u64>();
        assert!(queue.memory() <= 1000);
        check(&queue);
    }
    assert_eq!(lost + queue.points(), 500);
    assert!(lost > 0 && queue.entries.last_key_value().is_some_and(|(seq, _)| *seq == 50), "the oldest went");
}

#[test]
fn batches_that_come_together_are_one_transaction() {
    let (_folder, mut queue) = open(Limits { durability: Durability::Always, ..limits() });
    let before = queue.spool().unwrap().commits();
    queue.push((0..20).map(|n| batch(n * 10..n * 10 + 10)), Instant::now());
    assert_eq!(queue.spool().unwrap().commits() - before, 1);
    assert_eq!(queue.points_on_disk(), 200);
    check(&queue);
}

#[test]
fn bodies_leave_memory_and_come_back_from_disk() {
    let (_folder, mut queue) = open(limits());
    let now = Instant::now();
    for n in 0..20 {
        let body = vec![b'a' + u8::try_from(n).unwrap(); 1 << 19];
        queue.push([Batch { body, ..batch(n..n + 1) }], now);
        assert!(queue.memory() <= CACHE);
        check(&queue);
    }
    for seq in 1..=20 {
        let body = queue.body(seq).unwrap();
        assert!(body.len() == 1 << 19 && body[0] == b'a' + u8::try_from(seq - 1).unwrap());
    }
}

#[test]
fn thinning_leaves_ticks_of_a_coarser_interval_on_disk_as_in_memory() {
    let (folder, mut queue) = open(Limits { points: 100, when_full: WhenFull::Thin, ..limits() });
    let now = Instant::now();
    let mut lost = 0;
    for n in 0..40 {
        for gone in queue.push([batch(n * 8..n * 8 + 8)], now) {
            assert_eq!(gone.reason, "thinned");
            lost += gone.points;
        }
        assert!(queue.points() <= 100);
        check(&queue);
    }
    assert_eq!(lost + queue.points(), 320);
    drop(queue);
    let spool = Spool::open(&folder.path().join("t.spool"), 16 << 20).unwrap();
    let mut times = Vec::new();
    for row in &spool.rows {
        let body = spool.spool.load(row.seq).unwrap().unwrap().body;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(body.lines().count() as u64, row.points);
        times.extend(body.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()));
    }
    // The gap before a point is a power of two; it never grows with time, and every point is a multiple of the gap after it.
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert!(times.iter().zip(&gaps).all(|(time, gap)| gap.is_power_of_two() && time % gap == 0), "{times:?}");
    assert!(gaps[0] >= 4 && gaps.ends_with(&[1; 8]), "{gaps:?}");
}

#[test]
fn random_lives_keep_their_sums() {
    for seed in 0..100 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let when_full = [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Thin][dice.usize(0..3)];
        let (_folder, mut queue) = open(Limits { points: 200, memory: 2000, when_full, ..limits() });
        let (mut now, mut made, mut gone) = (Instant::now(), 0, 0);
        for _ in 0..60 {
            match dice.u64(0..6) {
                0 | 1 => {
                    let batches: Vec<_> =
                        (0..dice.u64(1..4)).map(|n| batch(made + n * 8..made + n * 8 + 8)).collect();
                    made += 8 * batches.len() as u64;
                    gone += queue.push(batches, now).iter().map(|lost| lost.points).sum::<u64>();
                }
                2 => {
                    if let Some(seq) = queue.next(dice.bool()) {
                        let points = dice.u64(1..=queue.get(seq).unwrap().points);
                        queue.settle(seq, points);
                        gone += points;
                    }
                }
                3 => queue.spool.as_mut().unwrap().fill(dice.bool()),
                4 => {
                    gone +=
                        queue.next(false).and_then(|seq| queue.give_up(&[seq], "x")).map_or(0, |l| l.points);
                }
                _ => {
                    now += Duration::from_secs(1);
                    queue.tend(now);
                }
            }
            check(&queue);
            assert_eq!(gone + queue.points(), made, "seed {seed}");
        }
    }
}
