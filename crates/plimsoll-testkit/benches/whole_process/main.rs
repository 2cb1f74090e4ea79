//! What the agent costs as a whole: the released program, real containers, a real engine.
//!
//! ```text
//! cargo build --release
//! cargo bench -p plimsoll-testkit --bench whole_process -- [PROGRAM] [OPTIONS]
//!
//! PROGRAM           the plimsoll to measure; target/release/plimsoll unless told otherwise
//! --containers N    start so many, of which two are busy (200)
//! --awake N         and, for one more figure, so many that wake up ten times a second (a quarter of the others)
//! --seconds N       measure for so long, in windows of 10 seconds (60)
//! --churn N         have containers come and go for so many seconds, in cgroups and a fake engine (120)
//! --pattern GLOB    start none and measure the running containers with such names
//! --keep            leave the containers to later runs with --pattern 'plimsoll-bench-*'; one without removes them
//! --engine SOCKET   the engine's socket (/var/run/docker.sock)
//! ```
//!
//! It prints a table and asserts nothing: a figure beside its bar is for a person to judge, and the bars are meant for
//! 200 containers (a few have to share what the process costs by itself). Processor time is what the kernel's scheduler
//! counted for the agent's threads, in nanoseconds; how busy the machine is with other things still shows in it
//! (caches, processors that share a core), so windows are shown too.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod abuse;
mod agent;
mod api;
mod containers;
mod history;
mod interrupt;
mod options;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;
use plimsoll_testkit::proxy::Proxy;

use crate::agent::Agent;
use crate::containers::Fleet;
use crate::options::Options;
use crate::table::{Bar, Spread, Table, micros, millis};

/// The agent's own default.
const INTERVAL: Duration = Duration::from_secs(1);

/// Measured at a time, to show how noisy the machine is.
const WINDOW: Duration = Duration::from_secs(10);

/// After its start the agent takes every container for an active one, for two seconds. Those are over by then.
const SETTLES: Duration = Duration::from_secs(5);

const STARTS: u32 = 5;
const SCRAPES: u32 = 20;

/// Older than this a sample is not served to a scrape, and the agent makes another one for it.
const OUTLIVES_A_SAMPLE: Duration = Duration::from_millis(150);

fn main() -> ExitCode {
    interrupt::listen();
    let run = Options::read(std::env::args().skip(1)).and_then(|options| match options {
        Some(options) => measure(&options),
        None => Ok(()),
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whole_process: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let fleet = Fleet::find_or_start(options)?;
    let mut table = Table::default();
    starts(options, &fleet, &mut table)?;
    quiet_minute(options, &fleet, &mut table)?;
    history::measure(options, &fleet, &mut table)?;
    if options.awake > 0 {
        let awake = Fleet::start_awake(options)?;
        all_awake(options, &awake, &mut table)?;
    }
    api::measure(options, &mut table)?;
    abuse::churn(options, &mut table)?;
    abuse::noise(options, &mut table)?;
    let size = std::fs::metadata(&options.program)?.len();
    table.row("binary", mebibytes(size), Bar::below(size as f64, "12 MiB", 12.0 * MEBI));
    println!("{table}");
    Ok(())
}

/// From the start of the process to its first complete sample.
fn starts(options: &Options, fleet: &Fleet, table: &mut Table) -> anyhow::Result<()> {
    let mut seconds = Vec::new();
    for _ in 0..STARTS {
        let agent = Agent::start(options, &options.engine, fleet)?;
        seconds.push(agent.ready_after.as_secs_f64());
        drop(agent);
        interrupt::pause(INTERVAL)?;
    }
    let spread = Spread::of(&seconds);
    table.row(
        &format!("process start to first complete sample, {} containers, {STARTS} starts", fleet.running),
        spread.show(millis),
        Bar::below(spread.median, "500 ms", 0.5),
    );
    Ok(())
}

/// A minute in which nobody asks the agent for anything; what it then holds; what scrapes cost.
fn quiet_minute(options: &Options, fleet: &Fleet, table: &mut Table) -> anyhow::Result<()> {
    let containers = fleet.running;
    let proxy = Proxy::start(&options.engine);
    let mut agent = Agent::start(options, proxy.socket(), fleet)?;
    interrupt::pause(SETTLES)?;

    proxy.forget();
    let costs = Costs::measure(&mut agent, options.seconds)?;
    let requests = proxy.requests();
    let resident = agent.resident()?;
    costs.tell(&fleet.describe(), containers, Some(50.0), table);
    tell_requests(&requests, fleet, costs.seconds(), table);
    table.row(
        &format!("resident memory after it, {containers} containers"),
        mebibytes(resident),
        Bar::below(resident as f64, "25 MiB", 25.0 * MEBI),
    );
    table.row("threads, open descriptors", agent.threads_and_descriptors()?, Bar::none());

    let scrape = agent.get("/metrics", false)?.body;
    let text = String::from_utf8_lossy(&scrape);
    let shown = text.lines().filter(|line| line.starts_with("container_cpu_usage_seconds_total{")).count();
    ensure!(shown == containers, "the agent shows {shown} running containers instead of {containers}");
    let missed = text.lines().find_map(|line| line.strip_prefix("plimsoll_ticks_missed_total "));
    table.row("samples that the agent left out", missed.unwrap_or("unknown").to_owned(), Bar::none());

    for gzip in [false, true] {
        let kind = if gzip { "gzip" } else { "plain" };
        let background = costs.per_second();
        let bytes = agent.get("/metrics", gzip)?.body.len();
        let fresh = per_scrape(&mut agent, gzip, OUTLIVES_A_SAMPLE, background)?;
        let shared = per_scrape(&mut agent, gzip, Duration::ZERO, background)?;
        table.row(
            &format!("/metrics, {containers} containers, {kind}, {bytes} bytes: processor time"),
            format!("{} with a sample of its own, {} without", millis(fresh), millis(shared)),
            Bar::none(),
        );
    }
    let resident = agent.resident()?;
    table.row(
        &format!("resident memory after {} scrapes", 4 * SCRAPES + 3),
        mebibytes(resident),
        Bar::below(resident as f64, "25 MiB", 25.0 * MEBI),
    );
    Ok(())
}

/// What the agent asked the engine for. On a machine where others start containers no minute is quiet, and what the
/// agent asks about those is counted apart.
fn tell_requests(requests: &[(String, String)], fleet: &Fleet, seconds: u64, table: &mut Table) {
    let mut kinds = BTreeMap::new();
    let mut others = 0;
    for (method, path) in requests {
        let is_id = |part: &&str| part.trim_start_matches("sha256:").len() == 64;
        let id = path.split('/').find(is_id);
        others += usize::from(id.is_some_and(|id| !fleet.ids.contains(id)));
        *kinds.entry(format!("{method} {}", path.replace(id.unwrap_or("ID"), "ID"))).or_insert(0) += 1;
    }
    let own = requests.len() - others;
    let mut measured = own.to_string();
    if others > 0 {
        measured += &format!(", and {others} about containers that others started meanwhile");
    }
    table.row(
        &format!("engine requests in {seconds} s, besides the open event stream"),
        measured,
        Bar::below(own as f64, "1 a minute", 1.0_f64.max(seconds as f64 / 60.0)),
    );
    if requests.len() > 1 {
        for (kind, count) in kinds {
            table.row(&format!("  {kind}"), count.to_string(), Bar::none());
        }
    }
}

/// What a container costs that never sleeps.
fn all_awake(options: &Options, fleet: &Fleet, table: &mut Table) -> anyhow::Result<()> {
    let mut agent = Agent::start(options, &options.engine, fleet)?;
    interrupt::pause(SETTLES)?;
    let costs = Costs::measure(&mut agent, options.seconds / 2)?;
    costs.tell(&fleet.describe(), fleet.running, None, table);
    Ok(())
}

/// The agent's processor time per second in each window.
struct Costs {
    windows: Vec<f64>,
    /// The shares of all processor time.
    user: f64,
    system: f64,
}

impl Costs {
    fn measure(agent: &mut Agent, seconds: u64) -> anyhow::Result<Self> {
        // From the middle of a second, so that each window has as many samples as seconds: the agent samples at
        // whole seconds.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let part = Duration::from_nanos(u64::from(wall.subsec_nanos()));
        interrupt::pause(INTERVAL + INTERVAL / 2 - part)?;

        let (user, system) = agent.user_and_system()?;
        let began = Instant::now();
        let mut windows = Vec::new();
        for number in 1..=(seconds / WINDOW.as_secs()).max(1) {
            let before = agent.processor_time()?;
            let end = began + WINDOW * u32::try_from(number)?;
            while Instant::now() < end {
                interrupt::pause(INTERVAL.min(end - Instant::now()))?;
                // Threads that end take their time along: look often enough to have seen it.
                agent.processor_time()?;
            }
            let spent = agent.processor_time()? - before;
            windows.push(spent.as_secs_f64() / WINDOW.as_secs_f64());
        }
        let now = agent.user_and_system()?;
        let (user, system) = (now.0 - user, now.1 - system);
        let all = (user + system).max(f64::MIN_POSITIVE);
        Ok(Self { windows, user: user / all, system: system / all })
    }

    fn seconds(&self) -> u64 {
        self.windows.len() as u64 * WINDOW.as_secs()
    }

    /// Seconds of processor time in a second.
    fn per_second(&self) -> f64 {
        self.windows.iter().sum::<f64>() / self.windows.len() as f64
    }

    fn tell(&self, who: &str, containers: usize, bar: Option<f64>, table: &mut Table) {
        let per_sample = INTERVAL.as_secs_f64() / containers as f64;
        let whole = self.per_second() * per_sample;
        let windows: Vec<f64> = self.windows.iter().map(|window| window * per_sample).collect();
        let seconds = self.seconds();
        table.row(
            &format!("processor time per container and sample, {who}, {seconds} s"),
            micros(whole),
            bar.map_or_else(Bar::none, |bar| Bar::below(whole * 1e6, "50 µs", bar)),
        );
        table.row("  in windows of 10 s", Spread::of(&windows).show(micros), Bar::none());
        let parts = format!("{} user, {} system", micros(whole * self.user), micros(whole * self.system));
        table.row("  of which", parts, Bar::none());
    }
}

/// The agent's processor time for a scrape, without what its own samples take meanwhile.
fn per_scrape(agent: &mut Agent, gzip: bool, gap: Duration, background: f64) -> anyhow::Result<f64> {
    let (began, before) = (Instant::now(), agent.processor_time()?);
    for _ in 0..SCRAPES {
        interrupt::pause(gap)?;
        agent.get("/metrics", gzip)?;
        agent.processor_time()?;
    }
    // The agent still closes the last connection.
    interrupt::pause(Duration::from_millis(20))?;
    let spent = (agent.processor_time()? - before).as_secs_f64();
    Ok((spent - background * began.elapsed().as_secs_f64()) / f64::from(SCRAPES))
}

const MEBI: f64 = 1_048_576.0;

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MEBI)
}
