//! Engines that misbehave.

use std::time::{Duration, Instant};

use plimsoll_testkit::fake_engine::FakeContainer;
use plimsoll_testkit::footprint::Footprint;
use plimsoll_testkit::noise::{NOISES, Noise, events, quiet};

use crate::agent::{Agent, SOON};
use crate::machine::{Machine, PREFIX, containers};
use crate::{MISSED, MOST_MEMORY, mib};

/// How long each noise lasts: longer than any of the agent's time limits for one request.
const LASTS: Duration = Duration::from_secs(6);

/// Between two scrapes meanwhile.
const SCRAPES: Duration = Duration::from_millis(200);

/// How many agents bear a noise at the same time, each its own.
const AT_ONCE: usize = 4;

/// Scrapes for so long. Gives the longest time that one took.
fn scrape_for(agent: &Agent, time: Duration) -> Duration {
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < time {
        let asked = Instant::now();
        let scrape = agent.metrics();
        longest = longest.max(asked.elapsed());
        assert!(
            scrape.containers().iter().filter(|name| name.starts_with(PREFIX)).count() == 8,
            "all are shown"
        );
        assert_eq!(scrape.all("container_cpu_usage_seconds_total", &[]).len(), 8, "all have numbers");
        std::thread::sleep(SCRAPES);
    }
    longest
}

/// Waits until the agent hears of what happens now. Gives whether it stayed small and in time.
fn is_well(agent: &Agent, machine: &Machine, what: &str, longest: Duration) -> bool {
    let began = Instant::now();
    quiet(&machine.engine);
    // Its reconnection: what is sent before reaches nobody.
    plimsoll_testkit::wait_until(SOON, "the agent listens again", || machine.engine.subscribers() == 1);
    let id = machine.engine.put(FakeContainer::new(what));
    machine.engine.emit("create", &id, &[]);
    let scrape = agent.wait_for("a new container is shown", |scrape| scrape.containers().contains(what));
    let recovered = began.elapsed();
    machine.engine.remove(&id);
    machine.engine.emit("destroy", &id, &[]);
    agent.wait_for("it goes", |scrape| !scrape.containers().contains(what));
    let footprint = Footprint::of(agent.id());
    let missed = scrape.value("plimsoll_ticks_missed_total", &[]).unwrap();
    let peak = footprint.peak.saturating_sub(footprint.files);
    println!(
        "{what}: peak {} beside the program, the longest scrape {longest:?}, recovered after {recovered:?}, ticks missed {missed}",
        mib(peak)
    );
    peak <= MOST_MEMORY && missed <= MISSED
}

#[test]
fn an_engine_that_misbehaves_does_no_harm() {
    let bear = |noise: &Noise| {
        let machine = Machine::new();
        let agent = Agent::start(&machine, &[]);
        agent.wait_ready();
        (noise.make)(&machine.engine);
        let longest = scrape_for(&agent, LASTS);
        is_well(&agent, &machine, noise.name, longest)
    };
    for noises in NOISES.chunks(AT_ONCE) {
        let borne: Vec<_> = std::thread::scope(|scope| {
            let bearing: Vec<_> = noises.iter().map(|noise| scope.spawn(|| bear(noise))).collect();
            bearing.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for (noise, is_borne) in noises.iter().zip(borne) {
            assert!(is_borne, "{}: more than {}, or ticks missed", noise.name, mib(MOST_MEMORY));
        }
    }
}

#[test]
fn ten_thousand_events_a_second_do_no_harm() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let ids: Vec<_> = containers().map(|(_, id, _)| id.to_owned()).collect();
    let longest = std::thread::scope(|scope| {
        let sender = scope.spawn(|| events(&machine.engine, &ids, 10_000, Duration::from_secs(10)));
        let longest = scrape_for(&agent, Duration::from_secs(10));
        println!("{} events were sent", sender.join().unwrap());
        longest
    });
    assert!(is_well(&agent, &machine, "10,000 events a second", longest));
}
