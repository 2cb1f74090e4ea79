//! What the agent makes of engines that misbehave, and of containers that come and go many times a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use plimsoll_testkit::churn::Churn;
use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
use plimsoll_testkit::footprint::Footprint;
use plimsoll_testkit::noise::{NOISES, events, quiet};

use crate::agent::Agent;
use crate::interrupt;
use crate::options::Options;
use crate::table::{Bar, Table, millis};
use crate::{MEBI, mebibytes};

/// How many come each second.
const PER_SECOND: u32 = 50;

/// How many containers a misbehaving engine has.
const CONTAINERS: usize = 200;

/// How long each noise lasts: longer than any of the agent's time limits for one request.
const LASTS: Duration = Duration::from_secs(10);

/// Events a second.
const EVENTS: usize = 10_000;

/// Between two scrapes.
const SCRAPES: Duration = Duration::from_millis(250);

/// How long the agent may take to get over it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Containers that come and go.
pub(crate) fn churn(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let engine = FakeEngine::start();
    let agent = Agent::start_on(options, engine.socket(), "*")?;
    let mut churn = Churn::new(PER_SECOND);
    let settle = |churn: &mut Churn| {
        churn.clear(&engine);
        wait(|| Ok(!scrape(&agent)?.1.contains("container_status{")))?;
        anyhow::Ok(Footprint::of(agent.id()))
    };
    // What the first containers make it allocate, it keeps.
    churn.run(&engine, Duration::from_secs(3));
    let before = settle(&mut churn)?;
    let time = Duration::from_secs(options.churn);
    let (mut rows, mut wrong, mut longest) = (0, 0, Duration::ZERO);
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| churn.run(&engine, time));
        while !coming.is_finished() {
            let (took, text) = scrape(&agent)?;
            longest = longest.max(took);
            for (family, wanted) in [
                ("container_memory_limit_bytes{name=\"", Churn::memory_limit as fn(&str) -> Option<u64>),
                ("container_threads_max{name=\"", Churn::task_limit),
            ] {
                for line in text.lines().filter_map(|line| line.strip_prefix(family)) {
                    let name = line.split('"').next().unwrap_or_default();
                    let value = line.rsplit(' ').next().and_then(|value| value.parse().ok());
                    rows += 1;
                    wrong += u64::from(value.is_none() || value != wanted(name));
                }
            }
            std::thread::sleep(SCRAPES);
        }
        anyhow::Ok(())
    })?;
    let after = settle(&mut churn)?;
    let what = format!("{} containers, {PER_SECOND} a second coming and going", churn.count());
    table.row(
        &format!("{what}: wrong rows of {rows}"),
        wrong.to_string(),
        Bar::below(wrong as f64, "0", 0.0),
    );
    for (name, before, after, slack) in [
        ("threads", before.threads, after.threads, 0),
        // Idle connections to the engine.
        ("descriptors", before.descriptors, after.descriptors, 4),
    ] {
        let bar = Bar::below(after as f64, &before.to_string(), (before + slack) as f64);
        table.row(&format!("  {name} before and after"), format!("{before}, {after}"), bar);
    }
    table.row(
        "  resident memory before and after, and its peak",
        format!("{}, {}, {}", mebibytes(before.resident), mebibytes(after.resident), mebibytes(after.peak)),
        Bar::below(after.resident as f64, "2 MiB more", before.resident as f64 + 2.0 * MEBI),
    );
    table.row("  samples left out; longest scrape", in_time(&agent, longest)?, Bar::none());
    Ok(())
}

/// Engines that misbehave.
pub(crate) fn noise(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    for noise in NOISES {
        one(options, table, noise.name, noise.make)?;
    }
    one(options, table, &format!("{EVENTS} events a second"), |engine| {
        let ids: Vec<_> = names().map(|name| plimsoll_testkit::fake_engine::id_of(&name)).collect();
        events(engine, &ids, EVENTS, LASTS);
    })
}

fn one(
    options: &Options,
    table: &mut Table,
    what: &str,
    make: impl Fn(&FakeEngine) + Sync,
) -> anyhow::Result<()> {
    let engine = FakeEngine::start();
    for name in names() {
        engine.put(FakeContainer::new(&name).state("exited"));
    }
    let agent = Agent::start_on(options, engine.socket(), "*")?;
    let mut longest = Duration::ZERO;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            make(&engine);
            std::thread::sleep(LASTS.saturating_sub(began.elapsed()));
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            longest = longest.max(scrape(&agent)?.0);
            std::thread::sleep(SCRAPES);
        }
        anyhow::Ok(())
    })?;
    quiet(&engine);
    let began = Instant::now();
    wait(|| Ok(engine.subscribers() == 1))?;
    let id = engine.put(FakeContainer::new("newcomer").state("exited"));
    engine.emit("create", &id, &[]);
    wait(|| Ok(scrape(&agent)?.1.contains("name=\"newcomer\"")))?;
    let recovered = began.elapsed();
    let peak = Footprint::of(agent.id()).peak;
    table.row(
        &format!("engine with {CONTAINERS} containers and {what}: peak of memory"),
        mebibytes(peak),
        Bar::below(peak as f64, "64 MiB", 64.0 * MEBI),
    );
    let told = format!("{}; {}", in_time(&agent, longest)?, millis(recovered.as_secs_f64()));
    table.row("  samples left out; longest scrape; hears again after", told, Bar::none());
    Ok(())
}

fn names() -> impl Iterator<Item = String> {
    (0..CONTAINERS).map(|number| format!("noisy-{number}"))
}

/// How long a scrape took, and what it said.
fn scrape(agent: &Agent) -> anyhow::Result<(Duration, String)> {
    let asked = Instant::now();
    let body = agent.get("/metrics", false)?.body;
    Ok((asked.elapsed(), String::from_utf8(body)?))
}

fn in_time(agent: &Agent, longest: Duration) -> anyhow::Result<String> {
    let text = scrape(agent)?.1;
    let missed = text.lines().find_map(|line| line.strip_prefix("plimsoll_ticks_missed_total "));
    Ok(format!("{}; {}", missed.context("no ticks")?, millis(longest.as_secs_f64())))
}

fn wait(mut condition: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !condition()? {
        ensure!(began.elapsed() < PATIENCE, "the agent has not got over it after {PATIENCE:?}");
        interrupt::pause(Duration::from_millis(20))?;
    }
    Ok(())
}
