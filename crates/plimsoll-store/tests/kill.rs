//! An agent that is killed at any moment loses seconds, and what it leaves behind can always be read.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "times of this century fit")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::fleet::Fleet;
use common::{START, Samples, expect, options, samples};
use plimsoll_store::{History, Millis, Options, Range, Store};

/// Names the folder in which this process is to play the agent.
const FOLDER: &str = "PLIMSOLL_TEST_AGENT_FOLDER";
const ROUND: &str = "PLIMSOLL_TEST_AGENT_ROUND";

const ROUNDS: u64 = 200;
const CONTAINERS: usize = 3;

/// The time that each round has for itself: all of them are within what is kept.
const ROUND_TIME: Millis = 300_000;

/// How many seconds of samples may be lost.
const MAY_BE_LOST: Millis = 10;

/// So many samples are taken from one flush to the next, at most. Up to three times as many are not written when the agent is
/// killed: those since the flush before began, while it ran, and since.
const SAMPLES_A_FLUSH: u64 = 3;

fn start_of(round: u64) -> Millis {
    START + round as Millis * ROUND_TIME
}

/// Not a test: what the killed process does.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test tells its other process through the environment")]
fn agent() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let options = Options { flush_every: Duration::from_millis(1), ..options(&folder) };
    let store = Store::open(options).unwrap();
    let mut fleet = Fleet::new(CONTAINERS, round);
    let mut out = std::io::stdout();
    let (mut flushes, mut since) = (store.figures().flushes, 0);
    for sample in 0.. {
        let at = start_of(round) + sample * 1000;
        // Told before it is taken, so that nothing is taken that was not told.
        writeln!(out, "at {at}").unwrap();
        out.flush().unwrap();
        store.append(fleet.at(at));
        if sample % 37 == 36 {
            store.seal();
        }
        since += 1;
        while since >= SAMPLES_A_FLUSH {
            let now = store.figures().flushes;
            if now > flushes {
                (flushes, since) = (now, 0);
            }
            std::thread::yield_now();
        }
    }
}

/// Lets an agent run until it has told of so many samples, and kills it; gives the last that it told of.
fn run_and_kill(folder: &Path, round: u64, count: usize) -> Option<Millis> {
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["agent", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let told =
        |line: std::io::Result<String>| line.unwrap().strip_prefix("at ").map(|at| at.parse().unwrap());
    let mut last = lines.by_ref().filter_map(told).take(count).last();
    agent.kill().unwrap();
    last = lines.filter_map(told).last().or(last);
    agent.wait().unwrap();
    last
}

/// The samples of a round up to a time, as they should be.
fn samples_of(round: u64, until: Millis) -> Samples {
    let mut fleet = Fleet::new(CONTAINERS, round);
    let mut expected = Samples::new();
    let mut at = start_of(round);
    while at <= until {
        expect(fleet.at(at), &mut expected);
        at += 1000;
    }
    expected
}

#[test]
fn an_agent_that_is_killed_loses_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut random: u64 = 0x5eed;
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let told = run_and_kill(folder.path(), round, (random >> 33) as usize % 80);
        let Some(told) = told.filter(|_| path.exists()) else { continue };
        let range = Range { from: start_of(round), until: start_of(round + 1) };
        let found = samples(&History::open(&path).unwrap(), range);
        let last = found.keys().next_back().map_or(range.from - 1000, |(at, _)| *at);
        assert!(told - last <= MAY_BE_LOST * 1000, "round {round}: {} ms are lost", told - last);
        assert!(found == samples_of(round, last), "round {round}: other samples than were taken");
        kept.push((range, found.len()));
    }
    assert!(kept.len() as u64 > ROUNDS / 2, "agents were killed before they did anything");
    let store = Store::open(options(folder.path())).unwrap();
    let figures = store.figures();
    assert_eq!((figures.set_aside, figures.damaged), (0, 0));
    let history = store.history();
    for (range, count) in kept {
        assert_eq!(samples(&history, range).len(), count, "what was there once is there for good");
    }
}
