//! A command and all that it starts, as one process group.

use std::collections::HashMap;
use std::io;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How often processes are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looking at processes takes no more than one part in so many of the time, however many the machine has.
const LOOK_SHARE: u32 = 20;

/// A command that runs, with all that is in its process group. When this is dropped, all of it is killed.
pub(super) struct Group {
    /// The command itself. It must not be reaped before the group is killed: as long as it is there, if only as a zombie,
    /// its number is no other group's.
    child: Child,
    /// Its number, which is the group's.
    leader: Option<Pid>,
}

impl Group {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, leader })
    }

    /// Its standard output and error.
    pub(super) fn pipes(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        self.child.stdout.take().zip(self.child.stderr.take())
    }

    /// Waits until the command itself has ended. It is not reaped.
    pub(super) async fn ended(&self) {
        // Before the first look: what ends after it is told.
        let mut told = signal(SignalKind::child()).ok();
        while self.runs() {
            let news = async {
                match &mut told {
                    Some(told) => drop(told.recv().await),
                    None => std::future::pending().await,
                }
            };
            // Another part of the program may have taken the signal for itself.
            drop(tokio::time::timeout(LOOK_EVERY, news).await);
        }
    }

    fn runs(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.leader.is_some_and(|leader| matches!(waitid(WaitId::Pid(leader), options), Ok(None)))
    }

    /// Waits until the group has more than this many processes, and gives their number.
    pub(super) async fn crowd(&self, limit: usize) -> usize {
        let Some(leader) = self.leader else { return std::future::pending().await };
        let group = leader.as_raw_nonzero().get();
        loop {
            // A command that does not take long is not looked at at all.
            sleep(LOOK_EVERY).await;
            // Where there is no `/proc`, there is nothing to see.
            let found = tokio::task::spawn_blocking(move || processes(group)).await.unwrap_or_default();
            if found > limit {
                return found;
            }
        }
    }

    /// Kills what is left, and tells how the command ended.
    pub(super) async fn end(mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.child.wait().await
    }

    /// Before anything is reaped, and once: after that, the number may be another group's.
    fn kill(&mut self) {
        if let Some(leader) = self.leader.take() {
            // If there is nobody any more, all the better.
            kill_process_group(leader, Signal::KILL).ok();
        }
    }
}

/// The runtime reaps what is killed here.
impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes of all groups, as they were last looked at: one look serves all commands that run.
static LAST_LOOK: Mutex<Option<Look>> = Mutex::new(None);

struct Look {
    next: Instant,
    processes: HashMap<i32, usize>,
}

/// How many processes a group has.
fn processes(group: i32) -> usize {
    // Held while looking, so that only one does; these are threads that may wait.
    let mut last = LAST_LOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let look = match last.take() {
        Some(look) if began < look.next => look,
        _ => {
            let processes = look();
            Look { next: began + LOOK_EVERY.max(began.elapsed() * LOOK_SHARE), processes }
        }
    };
    last.insert(look).processes.get(&group).copied().unwrap_or_default()
}

fn look() -> HashMap<i32, usize> {
    let mut groups = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Ok(stat) = std::fs::read(entry.path().join("stat"))
            && let Some(group) = group_of(&stat)
        {
            *groups.entry(group).or_default() += 1;
        }
    }
    groups
}

/// The process group in `/proc/PID/stat`. The name before it may hold anything, parentheses and line feeds included.
fn group_of(stat: &[u8]) -> Option<i32> {
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let text = std::str::from_utf8(stat.get(behind..)?).ok()?;
    text.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        for (stat, expected) in [
            (&b"17 (sh) S 1 42 17 0 -1"[..], Some(42)),
            (b"17 (a) b) (\n) R 1 9 17", Some(9)),
            (b"17 (sh) S 1", None),
            (b"17 (sh) S 1 x", None),
            (b"17 (sh)", None),
            (b"17 (\xff\xfe) S 1 42 17", Some(42)),
            (b"", None),
        ] {
            assert_eq!(group_of(stat), expected);
        }
    }
}
