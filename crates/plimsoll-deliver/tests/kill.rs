//! A process that is killed while it writes loses nothing of what it had committed: with `durability = "always"`, what was
//! said to be on disk is there after the next start, byte for byte.
//!
//! The process is this test's own program, started anew with [`FOLDER`]. It works as a target of the agent does, and writes the
//! number of each batch to its output once the batch is committed. `PLIMSOLL_KILLS` is how often it is killed.

#![allow(clippy::disallowed_methods, reason = "the child is told by its environment what to do")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation is a test's purpose"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::unfold;
use plimsoll_deliver::config::{Compression, Durability, TargetConfig, TargetKind};
use plimsoll_deliver::courier::Outgoing;
use plimsoll_deliver::spool::Spool;
use plimsoll_deliver::target::spool_path;
use plimsoll_deliver::verdict::{Answer, Fault};
use plimsoll_deliver::{Common, Intake, Target, Transport};
use plimsoll_wire::point::{Point, Value};
use tokio::sync::mpsc;

/// Tells this program to be the one that is killed: the folder of its spool, and the number of its first point.
const FOLDER: &str = "PLIMSOLL_KILL_FOLDER";
const FIRST: &str = "PLIMSOLL_KILL_FIRST";

/// Points of a batch.
const POINTS: u64 = 20;

fn config() -> TargetConfig {
    TargetConfig {
        compression: Some(Compression::None),
        durability: Durability::Always,
        backoff: (Duration::from_millis(1), Duration::from_millis(1)),
        ..TargetConfig::new("kill", TargetKind::InfluxV2)
    }
}

/// A batch of points with the numbers from `first` on, which are their times.
fn points(first: u64) -> Intake {
    let point = |n: u64| {
        let mut point = Point::default();
        point.begin("p", i64::try_from(n).unwrap() * 1_000_000);
        point.tag("id", &format!("{n:0100}"));
        point.field("v", Value::Unsigned(n));
        point
    };
    Intake::Points((first..first + POINTS).map(point).collect())
}

/// The numbers of the points in a body.
fn numbers(body: &[u8]) -> Vec<u64> {
    let body = std::str::from_utf8(body).unwrap();
    body.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// The program that is killed. What is handed to the transport is committed: the courier gives nothing out before.
///
/// One request in three is answered, so that rows leave the file as well as they come; such numbers are printed as delivered.
#[test]
fn the_program_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let sent = std::sync::atomic::AtomicU64::new(0);
    let send = move |outgoing: &Outgoing| {
        let is_taken = sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(3);
        let word = if is_taken { "delivered" } else { "committed" };
        let mut lines = String::new();
        for number in numbers(&outgoing.body) {
            lines += &format!("{word} {number}\n");
        }
        // One call of the system, so that no line is cut, however many there are below a pipe's size.
        std::io::stdout().write_all(lines.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        let answer = if is_taken {
            Ok(Answer { status: 204, ..Answer::default() })
        } else {
            Err(Fault { reason: "connect", message: String::new(), may_have_arrived: false })
        };
        async move { answer }.boxed()
    };
    let folder = Path::new(&folder);
    let transport = Transport::Custom(Box::new(send));
    let target =
        Target::new(config(), &Common::default(), Some(folder), Duration::from_secs(1), transport).unwrap();
    let without_end = unfold((), move |()| {
        first += POINTS;
        async move {
            tokio::task::yield_now().await;
            Some((points(first - POINTS), ()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(target.run(Box::pin(without_end), mpsc::channel(1).1, Duration::ZERO));
}

#[test]
fn nothing_that_was_committed_is_lost_by_kill_9() {
    let kills: u64 = std::env::var("PLIMSOLL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let folder = tempfile::tempdir().unwrap();
    let mut dice = fastrand::Rng::with_seed(11);
    // Of all lives: what was committed, and what the target has.
    let (mut committed, mut delivered) = (BTreeSet::new(), BTreeSet::new());
    let (mut first, mut checked, mut rows) = (0, 0, 0);
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_program_that_is_killed", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // It is killed at any moment after so many lines, which it has written faster than they are read.
        let (enough, mut seen) = (dice.u64(1..400), 0);
        let mut line = String::new();
        let mut is_killed = false;
        loop {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                break;
            }
            let word = line
                .trim_end()
                .rsplit_once(' ')
                .and_then(|(word, number)| Some((word.rsplit(' ').next()?, number.parse::<u64>().ok()?)));
            match word {
                Some(("committed", number)) => drop(committed.insert(number)),
                Some(("delivered", number)) => drop(delivered.insert(number)),
                _ => continue,
            }
            seen += 1;
            if seen >= enough && !is_killed {
                std::thread::sleep(Duration::from_micros(dice.u64(0..3000)));
                child.kill().unwrap();
                is_killed = true;
            }
        }
        child.wait().unwrap();
        assert!(is_killed, "life {kill} ended by itself after {seen} lines");

        let opened = Spool::open(&spool_path(folder.path(), "kill"), 16 << 20).unwrap();
        assert_eq!(opened.damage, None, "life {kill}");
        let mut found = BTreeSet::new();
        for row in &opened.rows {
            let body = opened.spool.load(row.seq).unwrap().unwrap().body;
            let numbers = numbers(&body);
            assert_eq!(numbers.len() as u64, row.points);
            found.extend(numbers);
        }
        let lost: Vec<_> =
            committed.iter().filter(|n| !found.contains(n) && !delivered.contains(n)).collect();
        assert!(lost.is_empty(), "life {kill}: committed and gone: {lost:?}");
        checked += seen;
        rows = opened.rows.len();
        first = found.last().max(committed.last()).max(delivered.last()).map_or(0, |last| last + 1);
        // What is delivered needs not be looked for again, and a spool that only grows would end the test by its bound.
        committed.retain(|number| !delivered.contains(number));
        if found.len() as u64 > 200 * POINTS {
            let mut spool = opened.spool;
            spool.remove(&opened.rows.iter().map(|row| row.seq).collect::<Vec<_>>()).unwrap();
            committed.clear();
        }
    }
    println!("{kills} kills: 0 of {checked} committed points lost; {rows} batches waited at the end");
}
