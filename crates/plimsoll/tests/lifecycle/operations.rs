//! What can be done to a container, and what the model makes of it.

use std::time::Duration;

use plimsoll_testkit::docker::IMAGE;
use plimsoll_testkit::dockerd::Api;
use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::model::{Phase, Subject};
use crate::random::Random;

/// How long an operation may take.
const PATIENCE: Duration = Duration::from_secs(30);

const MIB: u64 = 1024 * 1024;

/// What runs in every container. It ends well when asked to, badly on USR1, starves a child on HUP and itself on USR2.
const SCRIPT: &str =
    "trap 'exit 0' TERM; trap 'exit 3' USR1; trap 'tail /dev/zero' HUP; trap 'exec tail /dev/zero' USR2
while :; do sleep 100000 & wait $!; kill $! 2>/dev/null; done";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Start,
    Stop,
    Kill,
    /// It ends by itself, with an error.
    Fail,
    /// Somebody who is not the engine kills its first process.
    KillFromOutside,
    /// A child of the first process is killed for lack of memory.
    StarveChild,
    /// The first process is.
    Starve,
    Pause,
    Unpause,
    Rename,
    Update,
    Restart,
    /// Several restarts, one right after the other.
    Restarts,
    KillAndStart,
    Remove,
}

use Operation::*;

/// What can be done in each phase; what stands twice happens more often.
pub(crate) fn choices(phase: Phase) -> &'static [Operation] {
    match phase {
        Phase::Created => &[Start, Start, Start, Start, Rename, Update, Remove],
        Phase::Running => &[
            Stop,
            Kill,
            Kill,
            Fail,
            Fail,
            KillFromOutside,
            StarveChild,
            Starve,
            Pause,
            Pause,
            Rename,
            Update,
            Restart,
            Restart,
            Restarts,
            KillAndStart,
            KillAndStart,
            Remove,
        ],
        Phase::Paused => &[Unpause, Unpause, Unpause, Rename, Kill, Restart, Remove],
        Phase::Exited => &[Start, Start, Start, Start, Restart, Rename, Update, Remove],
    }
}

/// Makes a container that does not run yet.
pub(crate) fn create(api: &Api, name: &str, random: &mut Random) -> Subject {
    let policy = random.pick(&[0, 0, 0, 2, 5]);
    make(api, name, policy, random.pick(&[16, 24, 32]) * MIB, SCRIPT)
}

/// Makes a container that works a little all the time, and starts it.
pub(crate) fn create_steady(api: &Api, name: &str) -> Subject {
    let mut subject = make(api, name, 0, 16 * MIB, "while :; do usleep 20000; done");
    act(api, &subject.id, "start");
    subject.started_by_hand();
    subject
}

fn make(api: &Api, name: &str, policy: u64, memory: u64, script: &str) -> Subject {
    let restart = match policy {
        0 => json!({"Name": "no"}),
        most => json!({"Name": "on-failure", "MaximumRetryCount": most}),
    };
    let body = json!({
        "Image": IMAGE, "Cmd": ["sh", "-c", script],
        "HostConfig": {"NetworkMode": "none", "Memory": memory, "MemorySwap": memory, "RestartPolicy": restart},
    });
    let made = api.ask("POST", &format!("/containers/create?name={name}"), Some(&body)).unwrap();
    Subject::new(made["Id"].as_str().unwrap().to_owned(), name.to_owned(), policy, memory)
}

/// Does one operation to a container. Gives how many it was, and whether the container is gone.
pub(crate) fn perform(
    api: &Api,
    subject: &mut Subject,
    operation: Operation,
    name: &str,
    random: &mut Random,
) -> (usize, bool) {
    subject.story.push(format!("{operation:?} while {:?}", subject.phase));
    let post = |what: &str| act(api, &subject.id, what);
    match operation {
        Start => {
            post("start");
            subject.started_by_hand();
        }
        Stop => {
            post("stop?t=1");
            subject.ended();
        }
        Kill => {
            post("kill");
            subject.ended();
        }
        KillAndStart => {
            post("kill");
            subject.ended();
            act(api, &subject.id, "start");
            subject.started_by_hand();
            return (2, false);
        }
        Restart => restart(api, subject),
        Restarts => {
            let times = 3 + random.below(8);
            (0..times).for_each(|_| restart(api, subject));
            return (times, false);
        }
        Fail => by_itself(api, subject, Signal::USR1),
        KillFromOutside => by_itself(api, subject, Signal::KILL),
        Starve => {
            subject.kills += 1;
            by_itself(api, subject, Signal::USR2);
        }
        StarveChild => starve_child(api, subject),
        Pause => {
            post("pause");
            subject.phase = Phase::Paused;
        }
        Unpause => {
            post("unpause");
            subject.phase = Phase::Running;
        }
        Rename => {
            post(&format!("rename?name={name}"));
            name.clone_into(&mut subject.name);
        }
        Update => {
            subject.memory = random.pick(&[16, 24, 32, 40]) * MIB;
            subject.nano_cpus = random.pick(&[300, 500, 1000]) * 1_000_000;
            let limits = json!({"Memory": subject.memory, "MemorySwap": subject.memory, "NanoCpus": subject.nano_cpus});
            let path = format!("/containers/{}/update", subject.id);
            // Refused as long as the kernel has not taken back what a starved child had.
            wait_until(PATIENCE, "new limits are accepted", || api.ask("POST", &path, Some(&limits)).is_ok());
        }
        Remove => {
            api.ask("DELETE", &format!("/containers/{}?force=1", subject.id), None).unwrap();
            return (1, true);
        }
    }
    (1, false)
}

/// What the engine says of a container.
pub(crate) fn inspect(api: &Api, id: &str) -> Value {
    api.ask("GET", &format!("/containers/{id}/json"), None).unwrap()
}

/// Kills of this run that the kernel has counted; `None` where there is no cgroup any more.
pub(crate) fn kernel_kills(details: &Value) -> Option<u64> {
    let pid = details["State"]["Pid"].as_i64().filter(|pid| *pid > 0)?;
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let v1 = cgroups.lines().find_map(|line| line.split_once(":memory:"));
    let v2 = cgroups.lines().find_map(|line| line.split_once("0::"));
    let path = match (v1, v2) {
        (Some((_, path)), _) => format!("/sys/fs/cgroup/memory{path}/memory.oom_control"),
        (None, Some((_, path))) => format!("/sys/fs/cgroup{path}/memory.events"),
        _ => return None,
    };
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

/// Sends a signal to the first process of a container, past the engine.
pub(crate) fn signal(details: &Value, signal: Signal) {
    let pid = details["State"]["Pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    // One that is gone cannot be told.
    kill_process(pid.expect("it has a process"), signal).ok();
}

#[track_caller]
fn act(api: &Api, id: &str, what: &str) {
    api.ask("POST", &format!("/containers/{id}/{what}"), None).unwrap();
}

fn restart(api: &Api, subject: &mut Subject) {
    act(api, &subject.id, "restart?t=1");
    if subject.phase.lives() {
        subject.ended();
    }
    subject.started_by_hand();
}

/// It ends without the engine's doing, and its policy decides what comes next.
fn by_itself(api: &Api, subject: &mut Subject, how: Signal) {
    let before = inspect(api, &subject.id);
    let started = &before["State"]["StartedAt"];
    subject.ended_by_itself();
    let (mut now, mut looks) = (before.clone(), 0);
    let what = format!("{} ends by {how:?}, and is {:?} then", subject.id, subject.phase);
    wait_until(PATIENCE, &what, || {
        let is_same = now["State"]["StartedAt"] == *started && now["State"]["Status"] == "running";
        // A process that has just begun does not listen yet, so it is told again.
        if is_same && looks % 20 == 0 {
            signal(&before, how);
        }
        looks += 1;
        now = inspect(api, &subject.id);
        is_settled(subject, &before, &now)
    });
}

/// Whether the engine has done what the model says follows from an end.
pub(crate) fn is_settled(subject: &Subject, before: &Value, now: &Value) -> bool {
    let status = now["State"]["Status"].as_str().unwrap_or_default();
    match subject.phase {
        Phase::Running => status == "running" && now["State"]["StartedAt"] != before["State"]["StartedAt"],
        _ => status == "exited",
    }
}

fn starve_child(api: &Api, subject: &mut Subject) {
    let details = inspect(api, &subject.id);
    let before = kernel_kills(&details).unwrap();
    let mut looks = 0;
    wait_until(PATIENCE, "a child is killed for lack of memory", || {
        if looks % 100 == 0 {
            signal(&details, Signal::HUP);
        }
        looks += 1;
        subject.kills = kernel_kills(&details).unwrap_or(before + 1);
        subject.kills > before
    });
}
