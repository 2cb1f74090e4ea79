//! How much of the disk containers take: trees of files by a [`walk`], logs by their names, and what file systems and
//! project quotas tell at once.

mod log;
mod place;
mod space;
mod walk;

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

pub use log::{MAX_LOGS, log_bytes};
pub use place::HostPaths;
pub use space::Space;
pub use walk::{Gait, MAX_DEPTH, MAX_LINKS, MAX_OPEN, Usage, WalkError, walk};

/// Puts the calling thread behind all others for the processor and, with that, for the disk: what a thread of the policy
/// `SCHED_IDLE` reads and writes is of the I/O class idle unless it asked for another (`task_nice_ioclass` in the kernel's
/// `linux/ioprio.h`). There is no way back without a privilege.
pub fn step_back() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_err() {
        // The next best: the lowest of the ordinary levels. Without the right to that nothing is lost but courtesy.
        let _ignored = rustix::process::setpriority_process(None, 19);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_steps_back_alone() {
        // The scheduling policy is field 41 of proc_pid_stat(5); names have no blanks here.
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let after_name = stat.rsplit_once(')').unwrap().1;
            after_name.split_whitespace().nth(41 - 3).unwrap().to_owned()
        };
        let before = policy();
        let stepped_back = std::thread::spawn(move || {
            super::step_back();
            policy()
        });
        const SCHED_IDLE: &str = "5";
        assert_eq!((stepped_back.join().unwrap().as_str(), policy()), (SCHED_IDLE, before));
    }
}
