//! What delivery costs and holds, beside the bars that were set for it.
//!
//! `cargo bench -p plimsoll-deliver --bench delivery [-- http] [spool] [cost] [outage] [--ticks N]`, by default all of them, and an
//! outage of 8,640 ticks: a day of one every ten seconds.
//!
//! Each figure is a row `| what | measured | bar |`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints what it measured"
)]

mod cost;
mod load;
mod outage;
mod spool;
#[path = "../../../plimsoll-wire/benches/synthetic/mod.rs"]
mod synthetic;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Prints a figure and its bar, with what came of it.
fn row(what: &str, measured: &str, bar: &str, is_ok: bool) {
    let verdict = match (bar.is_empty(), is_ok) {
        (true, _) => String::new(),
        (false, true) => format!("{bar}: ok"),
        (false, false) => format!("{bar}: over"),
    };
    println!("| delivery: {what} | {measured} | {verdict} |");
}

/// The processor time of this thread so far.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// The memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ticks = words.iter().position(|word| word == "--ticks").map(|at| words[at + 1].parse().unwrap());
    // The outage is first: what other measurements leave in memory would be counted with what it takes.
    let all = ["outage", "http", "spool", "cost"];
    let named: Vec<&str> = all.into_iter().filter(|name| words.iter().any(|word| word == name)).collect();
    for name in if named.is_empty() { all.to_vec() } else { named } {
        match name {
            "http" => cost::http(),
            "cost" => cost::per_point(),
            "spool" => spool::commits(),
            _ => {
                outage::a_day(ticks.unwrap_or(8640), &["cpu", "memory", "network", "blockio"]);
                outage::a_day(ticks.unwrap_or(8640), &[]);
            }
        }
    }
}
