//! The end: by SIGTERM and by Ctrl-C, whatever the agent is at.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use plimsoll_testkit::fake_engine::Behaviour;
use plimsoll_testkit::wait_until;
use rustix::process::Signal;

use crate::agent::{Agent, SOON};
use crate::machine::Machine;

/// The agent ends within a second; the rest is for a machine that has much to do. What waits for a client or an engine
/// takes longer than this.
const END: Duration = Duration::from_secs(4);

#[track_caller]
fn ends(agent: &mut Agent, signal: Signal) {
    let status = agent.end(signal, END);
    assert_eq!(status.code(), Some(0), "{status}: {}", agent.log().all());
    wait_until(SOON, "it says so", || agent.log().with("ended").len() == 1);
    assert!(agent.log().with("panicked").is_empty(), "{}", agent.log().all());
}

#[test]
fn either_signal_ends_an_idle_agent() {
    let machine = Machine::new();
    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = Agent::start(&machine, &[]);
        agent.wait_ready();
        ends(&mut agent, signal);
    }
}

#[test]
fn clients_do_not_hold_it_up() {
    let machine = Machine::new();
    let mut agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let silent = agent.connect();
    let mut half = agent.connect();
    half.write_all(b"GET /metrics HT").unwrap();
    let mut kept = agent.connect();
    kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answered = [0; 15];
    kept.read_exact(&mut answered).unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200 OK");
    // Asks for much and reads nothing.
    let mut deaf = agent.connect();
    for _ in 0..50 {
        deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    ends(&mut agent, Signal::TERM);
    drop((silent, half, kept, deaf));
}

#[test]
fn an_engine_that_hangs_does_not_hold_it_up() {
    let machine = Machine::new();
    machine.engine.set_behaviour("/", Behaviour::Hang);
    let mut early = Agent::start(&machine, &[]);
    wait_until(SOON, "the engine was asked", || !machine.engine.requests().is_empty());
    assert_eq!(early.get("/-/ready", &[]).code, 503);
    ends(&mut early, Signal::INT);

    machine.engine.set_behaviour("/", Behaviour::Normal);
    machine.engine.set_behaviour("/containers/json", Behaviour::Hang);
    machine.engine.forget();
    let mut late = Agent::start(&machine, &[]);
    wait_until(SOON, "the engine was asked for its containers", || {
        machine.engine.asked("/containers/json") > 0
    });
    ends(&mut late, Signal::TERM);
}

#[test]
fn a_stream_of_tables_ends_quietly() {
    use crate::process::{Lines, Running, command};
    let machine = Machine::new();
    let spawned = command(&machine.on(&["stats", "--interval", "100ms"])).spawn();
    let mut stats = Running(spawned.unwrap());
    let lines = Lines::of(stats.0.stdout.take().unwrap());
    let told = Lines::of(stats.0.stderr.take().unwrap());
    wait_until(SOON, "two tables", || lines.with("CONTAINER ID").len() >= 2);
    rustix::process::kill_process(rustix::process::Pid::from_child(&stats.0), Signal::INT).unwrap();
    assert_eq!(stats.wait(END).code(), Some(0));
    assert_eq!(told.all(), "");
}
