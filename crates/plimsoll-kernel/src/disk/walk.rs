//! How much space a tree of files takes, by looking at each of them.
//!
//! A tree may have millions of files, directories with as many entries, and be deeper than a path may be long; and whoever
//! owns it changes it meanwhile, perhaps on purpose. So a walk goes from directory to directory by descriptors, never by paths,
//! and needs the same little memory for every tree:
//!
//! - A directory is read twice, a buffer at a time: first its files are counted, then its directories are entered. Of what waits
//!   to be entered only the rest of one buffer is remembered.
//! - The deepest [`MAX_OPEN`] directories stay open. Of those above it is remembered where they were read to; coming back, the
//!   walk goes through `..` and makes sure that it is the same directory.
//! - Files with several names are remembered until all of them were seen, up to [`MAX_LINKS`] at a time.
//!
//! No symbolic link is followed and no mount entered. What disappears in front of the walk was not there.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat};
use rustix::io::Errno;

/// The most directories of one walk that are open at once.
pub const MAX_OPEN: usize = 32;

/// The most files with several names that are remembered at once. Of those beyond, each name counts as its share of the file,
/// which adds up to the file where all of its names are in the tree.
pub const MAX_LINKS: usize = 100_000;

/// The deepest directory that is entered. Of each one above the present the place is remembered, so this bounds memory.
pub const MAX_DEPTH: usize = 100_000;

/// Bytes of a directory that are read at once.
const BUFFER: usize = 32 * 1024;

/// After how many entries the clock is looked at.
const CHECK_EVERY: u64 = 64;

/// The longest sleep at a time, so that a walk that is to end does so soon.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// The unit of a file's blocks, whatever the file system's own is.
const BLOCK: u64 = 512;

/// How a walk is kept from being a burden.
#[derive(Clone, Copy, Debug)]
pub struct Gait<'a> {
    /// The most entries that are looked at in a second.
    pub budget: u32,
    /// How long the walk may take.
    pub deadline: Duration,
    /// Ends the walk when it becomes true.
    pub stop: &'a AtomicBool,
}

/// What a tree was found to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on disk: what is allocated, not what could be read. Holes take nothing, a file with several names counts once.
    pub bytes: u64,
    /// Files, directories and everything else that has a name, the root included.
    pub entries: u64,
    /// Entries that were there and could not be looked at, or were too deep.
    pub failures: u64,
}

/// Why a walk has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The root could not be opened.
    #[error("the folder cannot be opened: {0}")]
    Root(Errno),
    /// It took too long.
    #[error("counting was not done in time")]
    Deadline,
    /// A directory was moved away while the walk was below it, and there is no way back.
    #[error("a folder was moved while its files were counted")]
    Moved,
    /// It was told to stop.
    #[error("counting was ended")]
    Stopped,
    /// The system has no descriptor or memory left.
    #[error("the system does not let the walk go on: {0}")]
    Exhausted(Errno),
}

impl WalkError {
    /// Whether there is no such folder.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Root(Errno::NOENT))
    }
}

/// Adds up what the tree below `root` takes, `root` itself included.
///
/// # Errors
/// See [`WalkError`]. A part of a tree is no answer, so there is none where the walk did not come to its end; single entries
/// that cannot be looked at are counted and left out.
pub fn walk(root: &Path, gait: &Gait<'_>) -> Result<Usage, WalkError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    // A link is followed here alone: whoever names the root means what it leads to.
    let open = |flags| rustix::fs::open(root, flags, Mode::empty());
    let root = open(flags | OFlags::NOATIME)
        .or_else(|error| if error == Errno::PERM { open(flags) } else { Err(error) })
        .map_err(WalkError::Root)?;
    let found = rustix::fs::fstat(&root).map_err(WalkError::Root)?;
    let mut walk = Walk {
        device: found.st_dev,
        usage: Usage::default(),
        links: HashMap::new(),
        buffer: Vec::with_capacity(BUFFER),
        began: Instant::now(),
        gait: *gait,
        has_openat2: true,
        steps: 0,
        read: 0,
    };
    walk.usage.bytes = allocated(&found);
    walk.usage.entries = 1;
    walk.tree(root, &found)?;
    Ok(walk.usage)
}

struct Walk<'a> {
    /// The file system that is not left.
    device: u64,
    usage: Usage,
    /// Files with several names, and how many of them were not seen yet.
    links: HashMap<u64, u64>,
    buffer: Vec<u8>,
    began: Instant,
    gait: Gait<'a>,
    /// Whether the kernel has the call that notices mounts by itself. They show in the device's number, too, unless a part of
    /// this very file system is mounted in it.
    has_openat2: bool,
    /// Entries that were looked at.
    steps: u64,
    /// Entries that were read.
    read: u64,
}

/// A directory that the walk is in or below.
struct Level {
    /// Absent while too many are open.
    directory: Option<OwnedFd>,
    inode: u64,
    /// Directories in it that were read and not entered yet, the next one last, each with the place behind it.
    waiting: Vec<(CString, u64)>,
    /// Behind which place in the directory the walk is.
    place: u64,
}

impl Walk<'_> {
    fn tree(&mut self, root: OwnedFd, found: &Stat) -> Result<(), WalkError> {
        let mut levels = Vec::new();
        levels.extend(self.enter(root, found.st_ino)?);
        // All levels below this one are open.
        let mut first_open = 0;
        while let Some(depth) = levels.len().checked_sub(1) {
            match self.next(&mut levels[depth])? {
                Some((directory, inode)) if levels.len() >= MAX_DEPTH => {
                    drop((directory, inode));
                    self.usage.failures += 1;
                }
                Some((directory, inode)) => {
                    levels.extend(self.enter(directory, inode)?);
                    if levels.len() - first_open > MAX_OPEN {
                        levels[first_open].directory = None;
                        levels[first_open].waiting = Vec::new();
                        first_open += 1;
                    }
                }
                None => {
                    let Some(done) = levels.pop() else { break };
                    if let (Some(above), Some(done)) = (levels.last_mut(), &done.directory)
                        && above.directory.is_none()
                    {
                        above.directory = Some(self.back(done.as_fd(), above)?);
                        first_open = levels.len() - 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts what is in a directory. Returns its level, if there are directories to enter.
    fn enter(&mut self, directory: OwnedFd, inode: u64) -> Result<Option<Level>, WalkError> {
        let mut has_directories = false;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(directory.as_fd(), buffer.spare_capacity_mut());
        let mut outcome = Ok(());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    outcome = self.failed(error);
                    break;
                }
            };
            match entry.file_type() {
                _ if is_dots(entry.file_name()) => {}
                FileType::Directory => has_directories = true,
                _ => match self.count(directory.as_fd(), entry.file_name()) {
                    Ok(is_directory) => has_directories |= is_directory,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                },
            }
            outcome = self.pace();
            if outcome.is_err() {
                break;
            }
        }
        self.buffer = buffer;
        outcome?;
        if !has_directories {
            return Ok(None);
        }
        // From the beginning once more, this time for the directories.
        if rustix::fs::seek(&directory, SeekFrom::Start(0)).is_err() {
            self.usage.failures += 1;
            return Ok(None);
        }
        Ok(Some(Level { directory: Some(directory), inode, waiting: Vec::new(), place: 0 }))
    }

    /// Adds an entry that is no directory, and returns whether it is one after all.
    fn count(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, WalkError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let found = match rustix::fs::statat(directory, name, flags) {
            Ok(found) => found,
            Err(error) => return self.failed(error).map(|()| false),
        };
        // Some file systems do not tell in the directory what an entry is. What became a directory since is entered, too.
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Ok(true);
        }
        // A file can be mounted over.
        if found.st_dev == self.device {
            self.usage.entries += 1;
            self.usage.bytes = self.usage.bytes.saturating_add(self.share(&found));
        }
        Ok(false)
    }

    /// What a file's name adds: all of it for the first, nothing for the others.
    fn share(&mut self, found: &Stat) -> u64 {
        #[allow(clippy::useless_conversion, reason = "it is narrower on other processors")]
        let names = u64::from(found.st_nlink);
        if names <= 1 {
            return allocated(found);
        }
        let has_room = self.links.len() < MAX_LINKS;
        match self.links.get_mut(&found.st_ino) {
            Some(unseen) => {
                *unseen -= 1;
                if *unseen == 0 {
                    self.links.remove(&found.st_ino);
                }
                0
            }
            None if has_room => {
                self.links.insert(found.st_ino, names - 1);
                allocated(found)
            }
            None => allocated(found) / names,
        }
    }

    /// Opens the next directory in this one, and adds what it takes itself.
    fn next(&mut self, level: &mut Level) -> Result<Option<(OwnedFd, u64)>, WalkError> {
        loop {
            if level.waiting.is_empty() && !self.read_on(level)? {
                return Ok(None);
            }
            let (Some(directory), Some((name, place))) = (&level.directory, level.waiting.pop()) else {
                return Ok(None);
            };
            level.place = place;
            self.pace()?;
            let opened = self.open(directory.as_fd(), &name);
            let found = opened.and_then(|opened| Ok((rustix::fs::fstat(&opened)?, opened)));
            match found {
                Ok((found, opened)) if found.st_dev == self.device => {
                    self.usage.entries += 1;
                    self.usage.bytes = self.usage.bytes.saturating_add(allocated(&found));
                    return Ok(Some((opened, found.st_ino)));
                }
                // Another file system: what is there is not of this tree.
                Ok(_) | Err(Errno::XDEV) => {}
                Err(error) => self.failed(error)?,
            }
        }
    }

    /// Reads the directory's entries on until there is a directory among them. Returns whether there was one.
    fn read_on(&mut self, level: &mut Level) -> Result<bool, WalkError> {
        let Some(directory) = &level.directory else { return Ok(false) };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(directory.as_fd(), buffer.spare_capacity_mut());
        let mut outcome = Ok(());
        // What the kernel told in one go has to be taken in one go.
        while level.waiting.is_empty() || !entries.is_buffer_empty() {
            let Some(entry) = entries.next() else { break };
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    outcome = self.failed(error);
                    break;
                }
            };
            if is_maybe_directory(entry.file_type()) && !is_dots(entry.file_name()) {
                level.waiting.push((entry.file_name().to_owned(), entry.next_entry_cookie()));
            }
            self.read += 1;
            if self.read.is_multiple_of(CHECK_EVERY) {
                outcome = self.check(self.began.elapsed());
            }
            if outcome.is_err() {
                break;
            }
        }
        self.buffer = buffer;
        outcome?;
        level.waiting.reverse();
        Ok(!level.waiting.is_empty())
    }

    /// Opens a directory by its name in another one, if it is one and nothing is mounted there.
    fn open(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Only the owner of a file, and who may act for all owners, may leave its time of access alone.
        match self.open_as(directory, name, flags | OFlags::NOATIME) {
            Err(Errno::PERM) => self.open_as(directory, name, flags),
            outcome => outcome,
        }
    }

    fn open_as(&mut self, directory: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.has_openat2 {
            let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve) {
                Err(Errno::NOSYS) => self.has_openat2 = false,
                // Filters of system calls that are older than the call refuse it so.
                Err(Errno::PERM) if !flags.contains(OFlags::NOATIME) => self.has_openat2 = false,
                outcome => return outcome,
            }
        }
        rustix::fs::openat(directory, name, flags, Mode::empty())
    }

    /// Opens the directory above, where it is still the one that the walk came through, and goes on behind its place.
    fn back(&mut self, below: BorrowedFd<'_>, level: &Level) -> Result<OwnedFd, WalkError> {
        let opened = self.open(below, c"..").map_err(|_| WalkError::Moved)?;
        let found = rustix::fs::fstat(&opened).map_err(|_| WalkError::Moved)?;
        if (found.st_dev, found.st_ino) != (self.device, level.inode) {
            return Err(WalkError::Moved);
        }
        rustix::fs::seek(&opened, SeekFrom::Start(level.place)).map_err(|_| WalkError::Moved)?;
        Ok(opened)
    }

    fn failed(&mut self, error: Errno) -> Result<(), WalkError> {
        match error {
            // What is gone, or became something else, was not there.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE => Ok(()),
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Err(WalkError::Exhausted(error)),
            _ => {
                self.usage.failures += 1;
                Ok(())
            }
        }
    }

    /// Counts an entry that was looked at, and sleeps where the walk is ahead of its budget.
    fn pace(&mut self) -> Result<(), WalkError> {
        self.steps += 1;
        if !self.steps.is_multiple_of(CHECK_EVERY) {
            return Ok(());
        }
        let due =
            Duration::from_micros(self.steps.saturating_mul(1_000_000) / u64::from(self.gait.budget.max(1)));
        loop {
            let elapsed = self.began.elapsed();
            self.check(elapsed)?;
            match due.checked_sub(elapsed) {
                Some(ahead) if !ahead.is_zero() => std::thread::sleep(ahead.min(LONGEST_SLEEP)),
                _ => return Ok(()),
            }
        }
    }

    fn check(&self, elapsed: Duration) -> Result<(), WalkError> {
        if self.gait.stop.load(Ordering::Relaxed) {
            return Err(WalkError::Stopped);
        }
        if elapsed >= self.gait.deadline { Err(WalkError::Deadline) } else { Ok(()) }
    }
}

/// Bytes on disk.
pub(super) fn allocated(found: &Stat) -> u64 {
    u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(BLOCK)
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn is_maybe_directory(kind: FileType) -> bool {
    matches!(kind, FileType::Directory | FileType::Unknown)
}

#[cfg(test)]
mod tests;
