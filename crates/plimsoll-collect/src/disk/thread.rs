//! The thread that goes from container to container, and the helper that does the looking.
//!
//! A call into a file system never returns when it is a network's whose server is gone. So a helper looks; when it does not come
//! back long after it should have, it is left where it is stuck, its container with it, and another one goes on with the others.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plimsoll_kernel::Roots;
use plimsoll_kernel::disk::{HostPaths, step_back};

use super::subject::Subject;
use super::table::{Disk, Shared};
use super::visit::{Found, Visitor};

/// How much longer than its deadlines a look may take before its helper counts as stuck.
const GRACE: Duration = Duration::from_secs(30);

/// The most helpers that are stuck. With so many, nothing is measured any more until one comes back.
const MAX_STUCK: usize = 4;

/// How often it is looked whether the end has come.
const LOOK: Duration = Duration::from_millis(200);

/// Measures what containers take on disk, on a thread of its own.
#[derive(Debug)]
pub struct DiskThread {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl DiskThread {
    /// Starts to measure what watchers with this [`Disk`] tell of.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(disk: &Disk, roots: &Roots) -> io::Result<Self> {
        let shared = Arc::clone(&disk.shared);
        let paths = HostPaths::open(roots);
        let thread = std::thread::Builder::new().name("disk".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let visitor = || Visitor::new(paths.clone(), shared.pace, shared.wanted);
                let patience = |subject: &Subject| visitor().patience(subject).saturating_add(GRACE);
                let look = || -> Look {
                    let mut visitor = visitor();
                    Box::new(move |subject, stop| visitor.look(subject, stop))
                };
                go_round(&shared, &look, &patience);
            }
        })?;
        Ok(Self { shared, thread })
    }

    /// Ends it. A helper that is stuck ends with the process.
    pub fn stop(self) {
        self.shared.stop();
        let _ignored = self.thread.join();
    }
}

/// A helper, as the thread has it.
struct Helper {
    jobs: SyncSender<Subject>,
    answers: Receiver<(Found, Duration)>,
    /// Whether it came back from its last job.
    is_idle: Arc<AtomicBool>,
}

/// Looks at containers; [`Visitor::look`], but for tests.
pub(super) type Look = Box<dyn FnMut(&Subject, &AtomicBool) -> Found + Send>;

/// Goes from container to container to the end. Each helper has a `look` of its own, and is waited for with `patience`.
pub(super) fn go_round(
    shared: &Arc<Shared>,
    look: &dyn Fn() -> Look,
    patience: &dyn Fn(&Subject) -> Duration,
) {
    let stuck: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut helper: Option<Helper> = None;
    while let Some(subject) = shared.next() {
        let (is_stuck, many) = {
            let stuck = stuck.lock().unwrap_or_else(PoisonError::into_inner);
            (stuck.contains(&subject.id), stuck.len() >= MAX_STUCK)
        };
        if is_stuck || many {
            shared.found(&subject.id, None, Duration::ZERO);
            continue;
        }
        let at_work = match helper.take() {
            Some(helper) => helper,
            None => match start_helper(look(), shared, &stuck) {
                Ok(helper) => helper,
                Err(error) => {
                    tracing::debug!("no thread to look at {}: {error}", subject.name);
                    shared.found(&subject.id, None, Duration::ZERO);
                    continue;
                }
            },
        };
        let (id, name) = (subject.id.clone(), subject.name.clone());
        let patience = patience(&subject);
        at_work.is_idle.store(false, Ordering::Relaxed);
        if at_work.jobs.send(subject).is_err() {
            continue;
        }
        match answer(&at_work, patience, shared) {
            Some((found, took)) => {
                shared.found(&id, Some(found), took);
                helper = Some(at_work);
            }
            None if shared.is_stopped() => return,
            None => {
                tracing::warn!("the disk of {name} does not answer; it is left alone until it does");
                let mut stuck = stuck.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have come back in this very moment.
                if !at_work.is_idle.load(Ordering::Relaxed) {
                    stuck.insert(id.clone());
                }
                drop(stuck);
                shared.found(&id, None, patience);
            }
        }
    }
}

/// Waits for what the helper found; `None` where it does not come back, or the end came.
fn answer(helper: &Helper, patience: Duration, shared: &Shared) -> Option<(Found, Duration)> {
    let began = Instant::now();
    while began.elapsed() < patience && !shared.is_stopped() {
        match helper.answers.recv_timeout(LOOK) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

fn start_helper(
    mut look: Look,
    shared: &Arc<Shared>,
    stuck: &Arc<Mutex<HashSet<String>>>,
) -> io::Result<Helper> {
    let (jobs, waiting) = sync_channel::<Subject>(1);
    let (sender, answers) = sync_channel(1);
    let is_idle = Arc::new(AtomicBool::new(true));
    let (shared, stuck, idle) = (Arc::clone(shared), Arc::clone(stuck), Arc::clone(&is_idle));
    std::thread::Builder::new().name("disk walk".to_owned()).spawn(move || {
        step_back();
        while let Ok(subject) = waiting.recv() {
            let began = Instant::now();
            let found = look(&subject, &shared.stop);
            {
                let mut stuck = stuck.lock().unwrap_or_else(PoisonError::into_inner);
                idle.store(true, Ordering::Relaxed);
                stuck.remove(&subject.id);
            }
            // Nobody takes it any more if it comes too late.
            if sender.try_send((found, began.elapsed())).is_err() {
                return;
            }
        }
    })?;
    Ok(Helper { jobs, answers, is_idle })
}
