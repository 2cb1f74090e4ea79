//! What can become of the engine, and what the model makes of it.

use std::time::{Duration, Instant, SystemTime};

use plimsoll_testkit::wait_until;
use rustix::process::Signal;
use serde_json::Value;

use crate::model::{Phase, Subject};
use crate::operations::{inspect, is_settled, signal};
use crate::random::Random;
use crate::world::World;

/// How soon after its return the agent has to have found the engine again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// For how long the engine hangs.
const HANGS: Duration = Duration::from_secs(10);

/// How long the engine may take to set everything right.
const PATIENCE: Duration = Duration::from_secs(30);

/// Containers whose first process is killed meanwhile.
const VICTIMS: usize = 4;

/// Operations right after the return, before the agent can have noticed it.
const AT_ONCE: usize = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It ends in order and comes back.
    Restart,
    /// It dies and comes back.
    Crash,
    /// It answers nobody for a while.
    Hang,
}

/// Makes trouble, in which containers lose their first process, and looks whether all is right after it. Gives how
/// many operations there were.
pub(crate) fn make(world: &mut World, trouble: Trouble, random: &mut Random) -> usize {
    // The agent has not taken these in when the engine goes.
    let mut done = world.batch(AT_ONCE, random);
    let before = living(world);
    let victims: Vec<_> =
        before.iter().filter(|(_, now)| now["State"]["Status"] == "running").take(VICTIMS).collect();
    let back = match trouble {
        Trouble::Hang => {
            world.engine.hang();
            let until = Instant::now() + HANGS;
            kill(&victims);
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            world.engine.resume();
            Instant::now()
        }
        Trouble::Restart | Trouble::Crash => {
            if trouble == Trouble::Restart {
                world.engine.stop();
            } else {
                world.engine.kill();
            }
            kill(&victims);
            let since = SystemTime::now();
            world.engine.up();
            world.witness.listen(&world.api, since);
            Instant::now()
        }
    };
    for (slot, before) in &before {
        let mut subject = world.subjects[*slot].lock().unwrap();
        let subject = subject.as_mut().unwrap();
        let is_victim = victims.iter().any(|(victim, _)| victim == slot);
        subject.story.push(format!("{trouble:?}{}", if is_victim { " and killed meanwhile" } else { "" }));
        match trouble {
            Trouble::Hang if is_victim => {
                subject.ended_by_itself();
                wait_until(PATIENCE, "the engine notices the end", || {
                    is_settled(subject, before, &inspect(&world.api, &subject.id))
                });
            }
            Trouble::Hang => {}
            Trouble::Restart | Trouble::Crash => reconcile(world, subject, before),
        }
    }
    done += world.batch(AT_ONCE, random);
    let is_up =
        || world.agent.metrics().all("plimsoll_engine_up", &[]).iter().all(|sample| sample.value == 1.0);
    wait_until(BACK_WITHIN, "the agent finds the engine again", is_up);
    println!("{trouble:?}: the agent was back within {:?}", back.elapsed());
    world.compare(&format!("{trouble:?}"));
    done
}

/// The containers that have processes: where they stand, and what the engine says of them.
fn living(world: &World) -> Vec<(usize, Value)> {
    let mut living = Vec::new();
    for (slot, subject) in world.subjects.iter().enumerate() {
        if let Some(subject) = subject.lock().unwrap().as_ref().filter(|subject| subject.phase.lives()) {
            living.push((slot, inspect(&world.api, &subject.id)));
        }
    }
    living
}

fn kill(victims: &[&(usize, Value)]) {
    for (_, details) in victims {
        signal(details, Signal::KILL);
        let process = format!("/proc/{}/cgroup", details["State"]["Pid"]);
        wait_until(PATIENCE, "the process is gone", || {
            std::fs::read_to_string(&process).unwrap_or_default().is_empty()
        });
    }
}

/// Takes over what became of a container that ran when the engine went.
fn reconcile(world: &World, subject: &mut Subject, before: &Value) {
    let mut now = Value::Null;
    wait_until(PATIENCE, "the engine has made up its mind", || {
        now = inspect(&world.api, &subject.id);
        ["running", "paused", "exited"].iter().any(|settled| now["State"]["Status"] == *settled)
            && (now["State"]["Status"] != "exited" || !is_about_to_start(subject, &now))
    });
    let goes_on = now["State"]["StartedAt"] == before["State"]["StartedAt"];
    if goes_on && now["State"]["Status"] != "exited" {
        return;
    }
    subject.ended();
    let heard = world.witness.of(&subject.id);
    let is_heard = heard.ends.len() + subject.unheard.len() >= subject.deaths as usize;
    let code = heard.ends.last().copied().unwrap_or(0);
    if goes_on {
        // The code of its last run is still there for all to see.
        if !is_heard {
            subject.unheard.push((now["State"]["ExitCode"].as_i64().unwrap_or(0), true));
        }
    } else {
        if is_heard {
            subject.perhaps.push(code);
        } else {
            subject.unheard.push((137, false));
        }
        subject.started();
        subject.by_either += 1;
        subject.used = now["RestartCount"].as_u64().unwrap_or(0);
    }
    debug_assert!(subject.phase != Phase::Paused);
}

/// Whether an engine that has just begun will start a container again that it found dead.
fn is_about_to_start(subject: &Subject, now: &Value) -> bool {
    let code = now["State"]["ExitCode"].as_i64().unwrap_or(0);
    code != 0 && now["RestartCount"].as_u64().unwrap_or(0) < subject.policy
}
