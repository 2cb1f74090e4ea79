//! What it costs to keep a history.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::agent::Agent;
use crate::containers::Fleet;
use crate::options::Options;
use crate::table::{Bar, Table, micros};
use crate::{INTERVAL, MEBI, SETTLES, interrupt, mebibytes};

/// The bar for processor time that it adds, in microseconds for a sample of one container.
const BAR: f64 = 5.0;

/// How long it is watched: it seals each container's samples every five minutes.
const WATCHED: Duration = Duration::from_secs(600);

/// Two agents side by side, one with a history and one without, so that what else the machine does concerns both.
pub(crate) fn measure(options: &Options, fleet: &Fleet, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("history.db");
    let path = file.to_str().context("a path in Unicode")?;
    let mut without = Agent::start_on(options, &options.engine, &fleet.pattern)?;
    let mut with = Agent::start_with(options, &options.engine, &fleet.pattern, &["--history", path])?;
    interrupt::pause(SETTLES)?;

    let (began, written) = (Instant::now(), with.written()?);
    let before = (without.processor_time()?, with.processor_time()?);
    while began.elapsed() < WATCHED {
        interrupt::pause(INTERVAL)?;
        // Threads that end take their time along: look often enough to have seen it.
        without.processor_time()?;
        with.processor_time()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let samples = fleet.running as f64 * seconds;
    let each = |now: Duration, before: Duration| (now - before).as_secs_f64() / samples;
    let (plain, kept) = (each(without.processor_time()?, before.0), each(with.processor_time()?, before.1));
    let (resident, written) = (with.resident()?, with.written()? - written);
    table.row(
        &format!("processor time that a history adds per container and sample, {}", fleet.describe()),
        format!("{} ({} with, {} without)", micros(kept - plain), micros(kept), micros(plain)),
        Bar::below((kept - plain) * 1e6, &format!("{BAR} µs"), BAR),
    );
    table.row(
        &format!("resident memory with ten minutes of history, {} containers", fleet.running),
        mebibytes(resident),
        Bar::below(resident as f64, "45 MiB", 45.0 * MEBI),
    );
    let rate = written as f64 / seconds;
    table.row(
        "written to disk a second, on average",
        format!("{:.1} KiB", rate / 1024.0),
        Bar::below(rate, "1 MiB", MEBI),
    );
    let size = std::fs::metadata(&file)?.len();
    table.row("  the history's file after it", mebibytes(size), Bar::none());
    Ok(())
}
