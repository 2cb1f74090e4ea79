//! What it costs to have the numbers from the engine's API.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::agent::Agent;
use crate::containers::Fleet;
use crate::options::Options;
use crate::table::{Bar, Table, micros};
use crate::{Costs, SETTLES, interrupt};

/// How many containers; the bar is meant for so many.
const CONTAINERS: usize = 50;

/// The bar, in microseconds of processor time for a sample of one container.
const BAR: f64 = 150.0;

/// Seconds of measuring.
const SECONDS: u64 = 30;

/// How every sample begins.
const SAMPLE: &[u8] = b"{\"read\":";

/// The agent's processor time for a sample that the engine sends: one a second and container, or a little fewer
/// where it has many.
pub(crate) fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let fleet = Fleet::start_asleep(CONTAINERS)?;
    let mut agent = Agent::start_with(options, &options.engine, &fleet.pattern, &["--source", "api"])?;
    interrupt::pause(SETTLES)?;
    let id = fleet.ids.first().context("a container")?.clone();
    let engine = options.engine.clone();
    let pace = std::thread::spawn(move || samples_a_second(&engine, &id));
    let costs = Costs::measure(&mut agent, SECONDS)?;
    let pace = pace.join().ok().context("the stream of samples")??;
    let whole = costs.per_second() / pace / fleet.running as f64;
    table.row(
        &format!("numbers from the engine's API, {}: processor time per sample", fleet.describe()),
        micros(whole),
        Bar::below(whole * 1e6, &format!("{BAR} µs"), BAR),
    );
    table.row("  samples of a container that the engine sent in a second", format!("{pace:.2}"), Bar::none());
    Ok(())
}

/// How often the engine sends a container's numbers.
fn samples_a_second(engine: &Path, id: &str) -> anyhow::Result<f64> {
    let mut stream = UnixStream::connect(engine)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /containers/{id}/stats?stream=true HTTP/1.0\r\n\r\n")?;
    let (began, mut bytes, mut part) = (Instant::now(), Vec::new(), [0; 4096]);
    while began.elapsed() < Duration::from_secs(SECONDS) {
        let length = stream.read(&mut part)?;
        ensure!(length > 0, "the engine ended the stream");
        bytes.extend_from_slice(&part[..length]);
    }
    let samples = bytes.windows(SAMPLE.len()).filter(|window| *window == SAMPLE).count();
    Ok(samples as f64 / began.elapsed().as_secs_f64())
}
