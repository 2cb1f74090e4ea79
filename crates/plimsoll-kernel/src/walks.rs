//! Walks over a container's processes and tasks: descriptors, what the scheduler counted, states.
//!
//! A container may have thousands of them. A walk takes a list of them at its beginning, visits a bounded number in each pass,
//! and shows what it found at its end; until then, what the walk before found stays.

use std::collections::HashMap;
use std::fmt::{Arguments, Write as _};
use std::path::{Path, PathBuf};

use plimsoll_model::{DetailField as Field, Details};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::parse::number;
use crate::parse::process::{Schedstat, TASK_STATES, schedstat, task_state};
use crate::proc_file::read_whole;

/// The most processes or tasks that a walk visits in one pass.
const VISITS: usize = 64;

/// The most descriptors that it looks at in one pass.
const LOOKS: usize = 512;

/// The most processes or tasks of one container that are visited.
pub(crate) const MAX_LISTED: usize = 32_768;

/// What a walk looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Descriptors,
    Schedstat,
    States,
}

/// The `/proc` that the walks are in.
pub(crate) struct Proc<'a> {
    pub(crate) root: &'a Path,
    /// Space for a path.
    pub(crate) path: &'a mut PathBuf,
    pub(crate) buffer: &'a mut Vec<u8>,
    /// Whether the size of a directory `fd` is how many descriptors it has, as since Linux 6.2.
    pub(crate) has_counts: bool,
}

impl Proc<'_> {
    fn at(&mut self, name: Arguments<'_>) -> &Path {
        self.path.clear();
        self.path.push(self.root);
        let mut text = std::mem::take(self.path).into_os_string();
        // Writing into memory cannot fail.
        let _ignored = text.write_fmt(format_args!("/{name}"));
        *self.path = text.into();
        self.path
    }

    fn read(&mut self, name: Arguments<'_>) -> Result<&[u8], Errno> {
        let path = self.at(name);
        let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let length = read_whole(&opened, self.buffer)?;
        Ok(&self.buffer[..length])
    }

    fn directory(&mut self, name: Arguments<'_>) -> Result<Dir, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Dir::new(rustix::fs::open(self.at(name), flags, Mode::empty())?)
    }
}

/// Whether the process or task has ended.
fn has_ended(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH)
}

/// A walk that is made again and again.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Processes, or tasks.
    list: Vec<u32>,
    /// The next one in the list; at its end, nothing is going on.
    next: usize,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Descriptors(Descriptors),
    Schedstat(Box<Ledger>),
    States([u64; TASK_STATES.len()]),
}

/// Descriptors that were counted so far. What may not be looked at of one process is not known of the container.
#[derive(Debug, Default)]
struct Descriptors {
    /// The process that was not finished.
    open: Option<Dir>,
    all: u64,
    sockets: u64,
    hides_all: bool,
    hides_sockets: bool,
}

/// What the scheduler counted: of those that are there, and of those that were. Tasks end, and their sum must not fall.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    tasks: HashMap<u32, Schedstat>,
    seen: HashMap<u32, Schedstat>,
    ended: Schedstat,
}

impl Ledger {
    /// Takes in what the walk found.
    fn close(&mut self) {
        for (task, before) in &self.tasks {
            // Another task may have got the number of one that ended.
            let goes_on =
                self.seen.get(task).is_some_and(|now| now.run >= before.run && now.periods >= before.periods);
            if !goes_on {
                self.ended = sum(self.ended, *before);
            }
        }
        std::mem::swap(&mut self.tasks, &mut self.seen);
        self.seen.clear();
    }

    fn total(&self) -> Schedstat {
        self.tasks.values().fold(self.ended, |total, one| sum(total, *one))
    }
}

fn sum(one: Schedstat, other: Schedstat) -> Schedstat {
    Schedstat {
        run: one.run.saturating_add(other.run),
        waited: one.waited.saturating_add(other.waited),
        periods: one.periods.saturating_add(other.periods),
    }
}

impl Walk {
    pub(crate) fn new(sight: Sight) -> Self {
        let found = match sight {
            Sight::Descriptors => Found::Descriptors(Descriptors::default()),
            Sight::Schedstat => Found::Schedstat(Box::default()),
            Sight::States => Found::States([0; TASK_STATES.len()]),
        };
        Self { list: Vec::new(), next: 0, found }
    }

    /// Whether a walk has begun and not ended.
    pub(crate) fn is_going(&self) -> bool {
        self.next < self.list.len()
    }

    /// Begins anew with an empty list, to be filled by [`Walk::list`].
    pub(crate) fn begin(&mut self) {
        self.list.clear();
        self.next = 0;
        match &mut self.found {
            Found::Descriptors(found) => *found = Descriptors::default(),
            Found::Schedstat(ledger) => ledger.seen.clear(),
            Found::States(counts) => counts.fill(0),
        }
    }

    /// Adds a list of processes or tasks, one a line. Returns how many were too many.
    pub(crate) fn list(&mut self, bytes: &[u8]) -> u64 {
        let mut left_out = 0;
        for line in bytes.split(|byte| *byte == b'\n') {
            // Whoever is in another process namespace has the number 0 here.
            let Some(one) = number(line).and_then(|one| u32::try_from(one).ok()).filter(|one| *one > 0)
            else {
                continue;
            };
            if self.list.len() < MAX_LISTED {
                self.list.push(one);
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// The sums that must not fall, to be kept while the container's files are opened anew.
    pub(crate) fn into_ledger(self) -> Option<Box<Ledger>> {
        match self.found {
            Found::Schedstat(ledger) => Some(ledger),
            Found::Descriptors(_) | Found::States(_) => None,
        }
    }

    /// Goes on from these sums.
    pub(crate) fn resume(&mut self, kept: Box<Ledger>) -> Option<Box<Ledger>> {
        match &mut self.found {
            Found::Schedstat(ledger) => {
                *ledger = kept;
                None
            }
            Found::Descriptors(_) | Found::States(_) => Some(kept),
        }
    }

    /// Visits some more. At the end of the list, `details` says what was found. An error ends the walk.
    pub(crate) fn go_on(&mut self, procfs: &mut Proc<'_>, details: &mut Details) -> Result<(), Errno> {
        let mut looks = LOOKS;
        for _ in 0..VISITS {
            let Some(one) = self.list.get(self.next) else { break };
            let visited = match &mut self.found {
                Found::Descriptors(found) => found.visit(*one, procfs, &mut looks),
                Found::Schedstat(ledger) => procfs.read(format_args!("{one}/schedstat")).map(|bytes| {
                    ledger.seen.extend(schedstat(bytes).map(|found| (*one, found)));
                    true
                }),
                // `/proc/TID/stat` would add up the whole process.
                Found::States(counts) => procfs.read(format_args!("{one}/task/{one}/stat")).map(|bytes| {
                    if let Some(state) = task_state(bytes) {
                        counts[state] += 1;
                    }
                    true
                }),
            };
            match visited {
                Ok(is_done) => self.next += usize::from(is_done),
                Err(error) if has_ended(error) => {
                    if let Found::Descriptors(found) = &mut self.found {
                        found.open = None;
                    }
                    self.next += 1;
                }
                Err(error) => {
                    self.next = self.list.len();
                    return Err(error);
                }
            }
            if looks == 0 {
                break;
            }
        }
        if !self.is_going() && !self.list.is_empty() {
            self.publish(details);
        }
        Ok(())
    }

    fn publish(&mut self, details: &mut Details) {
        let mut pass = details.refill();
        match &mut self.found {
            Found::Descriptors(found) => {
                if !found.hides_all {
                    pass.set(Field::FileDescriptors, &[], found.all);
                }
                if !found.hides_sockets {
                    pass.set(Field::Sockets, &[], found.sockets);
                }
            }
            Found::Schedstat(ledger) => {
                ledger.close();
                let total = ledger.total();
                pass.set(Field::SchedRun, &[], total.run);
                pass.set(Field::SchedWaited, &[], total.waited);
                pass.set(Field::SchedPeriods, &[], total.periods);
            }
            Found::States(counts) => {
                for (state, count) in TASK_STATES.iter().zip(counts) {
                    pass.set(Field::TasksState, &[state], *count);
                }
            }
        }
    }
}

impl Descriptors {
    /// Looks at a process's descriptors. Returns whether that was all of them.
    fn visit(&mut self, process: u32, procfs: &mut Proc<'_>, looks: &mut usize) -> Result<bool, Errno> {
        let mut directory = match self.open.take() {
            Some(open) => open,
            None => match procfs.directory(format_args!("{process}/fd")) {
                Err(Errno::ACCESS | Errno::PERM) => {
                    // Looking inside takes the right to trace the process; the size is for everybody. It counts a number
                    // that is set aside for what a call waits for, too.
                    self.hides_sockets = true;
                    self.hides_all |= !procfs.has_counts;
                    let size = rustix::fs::stat(procfs.at(format_args!("{process}/fd")))?.st_size;
                    self.all += u64::try_from(size).unwrap_or(0);
                    return Ok(true);
                }
                opened => opened?,
            },
        };
        while *looks > 0 {
            let Some(entry) = directory.read() else { return Ok(true) };
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            *looks -= 1;
            self.all += 1;
            match is_socket(&directory, name, procfs.buffer) {
                Ok(is_socket) => self.sockets += u64::from(is_socket),
                // It was closed meanwhile.
                Err(error) if has_ended(error) => {}
                Err(Errno::ACCESS | Errno::PERM) => self.hides_sockets = true,
                Err(error) => return Err(error),
            }
        }
        self.open = Some(directory);
        Ok(false)
    }
}

/// Whether a descriptor is a socket: its link says `socket:[NUMBER]`.
fn is_socket(directory: &Dir, name: &std::ffi::CStr, buffer: &mut [u8]) -> Result<bool, Errno> {
    let length = rustix::fs::readlinkat_raw(directory.fd()?, name, &mut *buffer)?;
    Ok(buffer[..length].starts_with(b"socket:"))
}

/// Whether the size of a directory `fd` is how many descriptors it has: in the kernel's own `/proc` since Linux 6.2.
pub(crate) fn has_counts(procfs: &Path) -> bool {
    let own = procfs.join("self/fd");
    let is_proc = rustix::fs::statfs(procfs).is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC);
    is_proc && rustix::fs::stat(&own).is_ok_and(|found| found.st_size > 0)
}
