//! Space and inodes of the machine's mounted file systems.
//!
//! Asking a file system is a system call that never returns when a network mount's server is gone. So helper threads ask: one
//! that got stuck is left with its mount, and another one goes on with the others.

use std::collections::{HashSet, VecDeque};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_model::catalog::{CATALOG, HostField, MountField, Shape};
use plimsoll_model::{Host, HostRow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::host::realtime;
use crate::host_reader::labels;
use crate::layout::Roots;
use crate::locate::{View, view};
use crate::parse::mounts::{Mount, ids, is_shown_point, is_shown_type, mounts};

/// The most mounts that are shown.
pub const MAX_MOUNTS: usize = 512;

/// The most threads that ask file systems at once, those included that got stuck in earlier readings. Mounts for which none is
/// left are reported as not answering.
pub const MAX_MOUNT_THREADS: usize = 16;

/// When the threads have told nothing for so long, one more is started.
const SLOW: Duration = Duration::from_millis(20);

/// The most bytes of a list of mounts that are looked at: some ten thousand mounts.
const MAX_MOUNT_LIST: u64 = 4 << 20;

/// After which time the list is read again though no mount has changed: that a file system was made read-only after an error is
/// in the list, and is told to nobody.
const LONGEST_KNOWN: Duration = Duration::from_secs(60);

/// What a file system says of itself, in bytes and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    size: Option<u64>,
    free: Option<u64>,
    avail: Option<u64>,
    files: u64,
    files_free: u64,
}

/// Asks a file system; [`ask`], but for tests.
type Ask = dyn Fn(&Path) -> Result<Usage, Errno> + Send + Sync;

/// Reads the machine's file systems: those that process 1 sees, which node_exporter would show.
pub struct FilesystemReader {
    /// The list of mounts; `None` where the machine's are not seen.
    list: Option<PathBuf>,
    reach: Reach,
    ask: Arc<Ask>,
    helpers: Arc<Helpers>,
    left_out: AtomicU64,
    failures: AtomicU64,
    /// The mounts that were found the last time.
    known: Mutex<Option<Known>>,
}

/// Mounts, for as long as nobody mounts or unmounts anything.
#[derive(Debug)]
struct Known {
    /// The list that they were read from. The kernel tells of changes to who keeps it open.
    list: std::fs::File,
    read: Instant,
    mounts: Vec<Mount>,
}

/// How the places in the list of mounts are reached from this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They are its own.
    Plain,
    /// Below the root of process 1.
    Below(PathBuf),
    /// They are the places of another namespace, into which this process may not look. What stands at the same place here
    /// would be another file system.
    Not,
}

/// What all helper threads of a reader share.
#[derive(Debug, Default)]
struct Helpers {
    /// How many there are.
    threads: AtomicUsize,
    /// The mounts that are being asked, by number.
    asked: Mutex<HashSet<u64>>,
}

/// A mount that is to be asked.
struct Job {
    /// Its position in the reading.
    index: usize,
    mount: u64,
    path: PathBuf,
}

/// The mounts of one reading that nobody has asked yet. It is emptied when the reading ends.
type Queue = Arc<Mutex<VecDeque<Job>>>;

type Answer = (usize, Result<Usage, Errno>);

impl std::fmt::Debug for FilesystemReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { list, reach, ask: _, helpers, left_out, failures, known: _ } = self;
        let mut out = f.debug_struct("FilesystemReader");
        out.field("list", list).field("reach", reach).field("helpers", helpers);
        out.field("left_out", left_out).field("failures", failures).finish()
    }
}

impl FilesystemReader {
    /// Finds out which list of mounts is the machine's, and how to reach what it names.
    ///
    /// It is that of process 1. An agent in a container has mounts of its own, so it goes through the root of process 1, if the
    /// kernel lets it (`SYS_PTRACE`); otherwise each mount is reported as not answering. Where `/proc` shows the processes of a
    /// container alone, process 1 is not the machine's, and there is nothing to read.
    #[must_use]
    pub fn open(roots: &Roots) -> Self {
        Self::new(roots, Arc::new(ask))
    }

    fn new(roots: &Roots, ask: Arc<Ask>) -> Self {
        let (list, reach) = seen(&roots.procfs);
        Self {
            list,
            reach,
            ask,
            helpers: Arc::default(),
            left_out: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    /// Asks every file system that is to be shown, and waits for their answers for no longer than `patience`.
    ///
    /// A mount that does not answer has `node_filesystem_device_error` 1 and nothing else. It is not asked again before the
    /// thread that got stuck with it has come back.
    #[must_use]
    pub fn read(&self, patience: Duration) -> Host {
        let at = realtime();
        let mounts = self.mounts();
        let answers = self.answers(&mounts, patience);
        let mut host = Host::new(at, None, rows(&mounts, &answers));
        host.left_out = self.left_out.load(Ordering::Relaxed);
        host
    }

    /// Whether the machine's file systems are seen. Where they are not, each reading is empty.
    #[must_use]
    pub fn sees_mounts(&self) -> bool {
        self.list.is_some()
    }

    /// How many mounts are waited for at present: between readings, those that are stuck.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.helpers.asked).len()
    }

    /// How often the list of mounts could not be read.
    #[must_use]
    pub fn read_errors(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The mounts that are shown, each series once.
    fn mounts(&self) -> Vec<Mount> {
        let Some(path) = &self.list else { return Vec::new() };
        let mut known = lock(&self.known);
        if let Some(known) = &*known
            && known.holds()
        {
            return known.mounts.clone();
        }
        // Opened before it is read: what changes from then on is told.
        let Some((list, text)) = std::fs::File::open(path).ok().and_then(|list| {
            let text = whole(&list)?;
            Some((list, text))
        }) else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            *known = None;
            return Vec::new();
        };
        let is_shown = |mount: &Mount| is_shown_type(&mount.fs_type) && is_shown_point(&mount.point);
        let (mut found, left_out) = mounts(&text, MAX_MOUNTS, is_shown);
        self.left_out.fetch_add(left_out, Ordering::Relaxed);
        let mut series = HashSet::new();
        found.retain(|mount| {
            series.insert((mount.device.clone(), mount.point.clone(), mount.fs_type.clone()))
        });
        *known = Some(Known { list, read: Instant::now(), mounts: found.clone() });
        found
    }

    /// What each mount answered; `None` where it has not, or was not asked.
    fn answers(&self, mounts: &[Mount], patience: Duration) -> Vec<Option<Usage>> {
        let mut answers = vec![None; mounts.len()];
        let asked = lock(&self.helpers.asked).clone();
        let jobs = mounts.iter().enumerate().filter(|(_, mount)| !asked.contains(&mount.id));
        let jobs: VecDeque<Job> = jobs
            .filter_map(|(index, mount)| {
                Some(Job { index, mount: mount.id, path: self.reach.path_of(&mount.point)? })
            })
            .collect();
        let mut left = jobs.len();
        let (sender, receiver) = sync_channel::<Answer>(left);
        let queue: Queue = Arc::new(Mutex::new(jobs));
        let deadline = Instant::now() + patience;
        let mut is_someone_there = left > 0 && self.start_helper(&queue, &sender);
        while left > 0 && is_someone_there {
            let remaining = deadline.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(remaining.min(SLOW)) {
                Ok((index, answer)) => {
                    answers[index] = answer.ok();
                    left -= 1;
                }
                Err(RecvTimeoutError::Timeout) if remaining > SLOW => {
                    if !lock(&queue).is_empty() {
                        self.start_helper(&queue, &sender);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => is_someone_there = false,
            }
        }
        // Whoever comes back after this finds nothing more to do.
        lock(&queue).clear();
        answers
    }

    /// Starts one more helper; `false` where there are too many, or the system has no thread left.
    fn start_helper(&self, queue: &Queue, sender: &SyncSender<Answer>) -> bool {
        let (helpers, ask) = (Arc::clone(&self.helpers), Arc::clone(&self.ask));
        let (queue, sender) = (Arc::clone(queue), sender.clone());
        if helpers.threads.fetch_add(1, Ordering::Relaxed) >= MAX_MOUNT_THREADS {
            helpers.threads.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let place = Place(Arc::clone(&helpers));
        let help = move || {
            // Given back when the thread ends, however it does.
            let _place = place;
            while let Some(job) = next(&queue) {
                lock(&helpers.asked).insert(job.mount);
                let answer = ask(&job.path);
                lock(&helpers.asked).remove(&job.mount);
                // There is room for every answer. Nobody takes it any more if it comes late.
                let _ignored = sender.try_send((job.index, answer));
            }
        };
        std::thread::Builder::new().name("mounts".to_owned()).spawn(help).is_ok()
    }
}

/// A thread's place among those that there may be.
struct Place(Arc<Helpers>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The list of the machine's mounts, where it is seen, and how to reach what it names.
fn seen(procfs: &Path) -> (Option<PathBuf>, Reach) {
    let (first, own) = (procfs.join("1/mountinfo"), procfs.join("self/mountinfo"));
    match (view(procfs), text(&first), text(&own)) {
        (View::Own, ..) => (None, Reach::Not),
        (_, Some(theirs), ours) => (Some(first), reach(procfs, &theirs, ours.as_deref())),
        // Processes of others are hidden. The agent is on the machine itself.
        (View::Host, None, _) => (Some(own), Reach::Plain),
        (View::FromBelow, None, _) => (None, Reach::Not),
    }
}

impl Reach {
    /// How the machine's own paths are reached, whose processes this `/proc` shows.
    pub(crate) fn of(procfs: &Path) -> Self {
        seen(procfs).1
    }

    fn path_of(&self, point: &[u8]) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let point = Path::new(std::ffi::OsStr::from_bytes(point));
        match self {
            Self::Plain => Some(point.to_owned()),
            Self::Below(root) => Some(root.join(point.strip_prefix("/").unwrap_or(point))),
            Self::Not => None,
        }
    }
}

/// How the mounts of process 1 are reached from this process, whose own mounts are `ours`. No two namespaces have a mount in
/// common, and each mount has a number of its own.
fn reach(procfs: &Path, theirs: &[u8], ours: Option<&[u8]>) -> Reach {
    let theirs: HashSet<u64> = ids(theirs).collect();
    let is_same = ours.map(|ours| ids(ours).any(|id| theirs.contains(&id)));
    let root = procfs.join("1/root");
    match is_same {
        Some(true) => Reach::Plain,
        // The name alone is not enough: the last component has to be looked up in there.
        Some(false) | None if std::fs::metadata(root.join(".")).is_ok() => Reach::Below(root),
        Some(false) => Reach::Not,
        None => Reach::Plain,
    }
}

impl Known {
    /// Whether they are still those that there are.
    fn holds(&self) -> bool {
        // The kernel's own lists have no size; of a copy nobody tells when it changes.
        let is_the_kernels = self.list.metadata().is_ok_and(|found| found.len() == 0);
        let mut asked = [PollFd::new(&self.list, PollFlags::PRI)];
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        let is_unchanged = poll(&mut asked, Some(&no_time)).is_ok_and(|told| told == 0);
        is_the_kernels && is_unchanged && self.read.elapsed() < LONGEST_KNOWN
    }
}

fn text(path: &Path) -> Option<Vec<u8>> {
    whole(&std::fs::File::open(path).ok()?)
}

fn whole(file: &std::fs::File) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_MOUNT_LIST).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Takes the next mount. A function of its own, so that the queue is not locked while the mount is asked.
fn next(queue: &Queue) -> Option<Job> {
    lock(queue).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole after every step, so that a thread that broke off has done no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the kernel. The unit of blocks is the fragment, as POSIX and `df` have it; with most file systems it is the block size.
fn ask(path: &Path) -> Result<Usage, Errno> {
    let found = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.checked_mul(found.f_frsize);
    Ok(Usage {
        size: bytes(found.f_blocks),
        free: bytes(found.f_bfree),
        avail: bytes(found.f_bavail),
        files: found.f_files,
        files_free: found.f_ffree,
    })
}

fn rows(mounts: &[Mount], answers: &[Option<Usage>]) -> Vec<HostRow> {
    let texts: Vec<_> =
        mounts.iter().map(|mount| labels([&mount.device, &mount.point, &mount.fs_type])).collect();
    let mut rows = Vec::new();
    for (family, entry) in CATALOG.iter().enumerate() {
        let Shape::Host(HostField::Mount(field)) = entry.shape else { continue };
        let Ok(family) = u16::try_from(family) else { continue };
        for ((mount, answer), labels) in mounts.iter().zip(answers).zip(&texts) {
            let value = match (field, answer) {
                (MountField::DeviceError, answer) => Some(u64::from(answer.is_none())),
                (_, None) => None,
                (MountField::ReadOnly, Some(_)) => Some(u64::from(mount.read_only)),
                (MountField::Size, Some(usage)) => usage.size,
                (MountField::Free, Some(usage)) => usage.free,
                (MountField::Avail, Some(usage)) => usage.avail,
                (MountField::Files, Some(usage)) => Some(usage.files),
                (MountField::FilesFree, Some(usage)) => Some(usage.files_free),
            };
            rows.extend(value.map(|value| HostRow { family, labels: Arc::clone(labels), value }));
        }
    }
    rows
}

#[cfg(test)]
mod tests;
