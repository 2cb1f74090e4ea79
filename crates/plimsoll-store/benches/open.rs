//! How long it takes to open a history of 1 GiB after its agent was killed.
//!
//! `cargo bench -p plimsoll-store --bench open [-- MEGABYTES]`
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

#[path = "../tests/common/fleet.rs"]
mod fleet;

use std::time::{Duration, Instant};

use fleet::Fleet;
use plimsoll_store::{Options, Store};

const CONTAINERS: usize = 200;
const START: i64 = 1_763_700_000_000 / 3_600_000 * 3_600_000;

/// How often a history is opened.
const TIMES: usize = 5;

fn main() {
    let megabytes: u64 = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1024);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let options =
        Options { flush_every: Duration::from_secs(3600), max_bytes: 16 << 30, ..Options::new(path.clone()) };
    let mut fleet = Fleet::new(CONTAINERS, 1);
    // A history that grows fast: every number moves all the time.
    fleet.calm = 1;
    let mut store = Store::open(options.clone()).unwrap();
    let (mut at, started) = (START, Instant::now());
    while store.figures().file_bytes < megabytes << 20 {
        for _ in 0..8 {
            at += 1000;
            store.append(fleet.at(at));
        }
        store.flush();
    }
    println!(
        "made {} MiB of {} s in {:.0} s",
        store.figures().file_bytes >> 20,
        (at - START) / 1000,
        started.elapsed().as_secs_f64()
    );
    for _ in 0..TIMES {
        // Up to five minutes of samples are in the journal alone.
        for _ in 0..300 {
            at += 1000;
            store.append(fleet.at(at));
            if at % 8000 == 0 {
                store.flush();
            }
        }
        store.abandon();
        let started = Instant::now();
        store = Store::open(options.clone()).unwrap();
        let opened = started.elapsed();
        let history = store.history();
        let lines = history
            .containers(
                &plimsoll_store::Selector::default(),
                plimsoll_store::Range { from: at - 60_000, until: at + 1 },
            )
            .unwrap();
        println!(
            "opened in {:.3} s; {} lines of the last minute after {:.3} s",
            opened.as_secs_f64(),
            lines.len(),
            started.elapsed().as_secs_f64()
        );
    }
    store.abandon();
}
