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

/// The exit code of who was killed by SIGKILL.
const KILLED: i64 = 137;

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
    let before = begun(world);
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
    let world = &*world;
    let (unheard, found) = std::thread::scope(|scope| {
        let is_up =
            || world.agent.metrics().all("plimsoll_engine_up", &[]).iter().all(|sample| sample.value == 1.0);
        let looking = scope.spawn(move || {
            wait_until(BACK_WITHIN, "the agent finds the engine again", is_up);
            back.elapsed()
        });
        let unheard = take_over(world, trouble, &before, &victims);
        done += world.batch(AT_ONCE, random);
        (unheard, looking.join().unwrap())
    });
    for (slot, id, starts) in unheard {
        let mut subject = world.subjects[slot].lock().unwrap();
        // Started again before the agent could look: the code of the run before is lost.
        if let Some(subject) = subject.as_mut().filter(|subject| subject.id == id && subject.starts > starts)
            && let Some((_, is_told)) = subject.unheard.last_mut()
        {
            *is_told = false;
        }
    }
    println!("{trouble:?}: the agent had the engine back within {found:?}");
    world.compare(&format!("{trouble:?}"));
    done
}

/// Takes over what became of the containers. Gives those whose end only an inspection tells of, as long as they are not
/// started again: where they stand, their ids and starts.
fn take_over(
    world: &World,
    trouble: Trouble,
    before: &[(usize, Value)],
    victims: &[&(usize, Value)],
) -> Vec<(usize, String, u64)> {
    let mut unheard = Vec::new();
    for (slot, before) in before {
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
            Trouble::Restart | Trouble::Crash => {
                if reconcile(world, subject, before) {
                    unheard.push((*slot, subject.id.clone(), subject.starts));
                }
            }
        }
    }
    unheard
}

/// The containers that ran or run: where they stand, and what the engine says of them.
fn begun(world: &World) -> Vec<(usize, Value)> {
    let mut begun = Vec::new();
    for (slot, subject) in world.subjects.iter().enumerate() {
        if let Some(subject) = subject.lock().unwrap().as_ref().filter(|subject| subject.starts > 0) {
            begun.push((slot, inspect(&world.api, &subject.id)));
        }
    }
    begun
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

/// Takes over what became of a container. Gives whether it ended, it is still so, and only an inspection tells of it.
fn reconcile(world: &World, subject: &mut Subject, before: &Value) -> bool {
    let mut now = Value::Null;
    wait_until(PATIENCE, "the engine has made up its mind", || {
        now = inspect(&world.api, &subject.id);
        let status = now["State"]["Status"].as_str().unwrap_or_default();
        matches!(status, "running" | "paused") || (status == "exited" && !is_about_to_start(subject, &now))
    });
    let is_same_run = now["State"]["StartedAt"] == before["State"]["StartedAt"];
    if is_same_run && (now["State"]["Status"] != "exited" || subject.phase == Phase::Exited) {
        return false;
    }
    let mut is_unheard = false;
    if subject.phase.lives() {
        subject.ended();
        let heard = world.witness.of(&subject.id).ends;
        is_unheard = heard.len() + subject.unheard.len() < subject.deaths as usize;
        if is_unheard {
            // The code of its last run is there for all to see, until it runs again.
            let code = if is_same_run { now["State"]["ExitCode"].as_i64().unwrap_or(0) } else { KILLED };
            subject.unheard.push((code, is_same_run));
        } else if !is_same_run {
            subject.perhaps.extend(heard.last());
        }
    }
    if !is_same_run {
        subject.started();
        subject.by_either += 1;
        subject.used = now["RestartCount"].as_u64().unwrap_or(0);
    }
    is_unheard && is_same_run
}

/// Whether an engine that has just begun will start a container again that it found dead.
fn is_about_to_start(subject: &Subject, now: &Value) -> bool {
    let code = now["State"]["ExitCode"].as_i64().unwrap_or(0);
    code != 0 && now["RestartCount"].as_u64().unwrap_or(0) < subject.policy
}
