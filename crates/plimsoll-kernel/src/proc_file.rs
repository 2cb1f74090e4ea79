//! A file of `/proc` that is read again and again.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// A file of up to this size comes whole in one read; a longer list comes in pieces.
const ONE_READ: usize = 3072;

/// The longest file that is read.
const MAX_FILE: usize = 1 << 20;

/// A file that stays open. Where it could not be opened for want of descriptors or rights, each reading tries again.
#[derive(Debug)]
pub(crate) struct ProcFile {
    name: &'static str,
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(OwnedFd),
    /// The kernel does not have it, and will not.
    Absent,
}

impl ProcFile {
    /// Opens the file. Failures are counted under its name.
    pub(crate) fn new(name: &'static str, path: PathBuf) -> Self {
        let mut file = Self { name, path, state: State::Closed };
        // Why it failed will be seen at the first reading.
        let _ignored = file.open();
        file
    }

    /// A file that is not to be read.
    pub(crate) fn absent(name: &'static str) -> Self {
        Self { name, path: PathBuf::new(), state: State::Absent }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    fn open(&mut self) -> Result<(), Errno> {
        match rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(descriptor) => {
                self.state = State::Open(descriptor);
                Ok(())
            }
            Err(error) => {
                if is_for_good(error) {
                    self.state = State::Absent;
                }
                Err(error)
            }
        }
    }

    /// Reads the whole file into the buffer. `None` where there is nothing to read; a failure is counted.
    pub(crate) fn read<'a>(
        &mut self,
        buffer: &'a mut Vec<u8>,
        errors: &mut Vec<(&'static str, u64)>,
    ) -> Option<&'a [u8]> {
        if matches!(self.state, State::Closed)
            && let Err(error) = self.open()
        {
            self.count(error, errors);
        }
        let State::Open(descriptor) = &self.state else { return None };
        match read_whole(descriptor, buffer) {
            Ok(length) => Some(&buffer[..length]),
            Err(error) => {
                // Opened anew next time: what it belonged to may be gone.
                self.state = if is_for_good(error) { State::Absent } else { State::Closed };
                self.count(error, errors);
                None
            }
        }
    }

    fn count(&self, error: Errno, errors: &mut Vec<(&'static str, u64)>) {
        if is_for_good(error) {
            return;
        }
        match errors.iter_mut().find(|(name, _)| *name == self.name) {
            Some((_, count)) => *count += 1,
            None => errors.push((self.name, 1)),
        }
    }
}

/// Whether the kernel says that it has no such thing. Pressure that is switched off at boot opens, and cannot be read.
fn is_for_good(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP | Errno::NOTDIR)
}

/// Reads a file from its beginning and returns its length. The buffer grows with the longest file.
pub(crate) fn read_whole(descriptor: &OwnedFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    let mut length = 0;
    loop {
        let read = rustix::io::pread(descriptor, &mut buffer[length..], length as u64)?;
        length += read;
        if read == 0 || (length == read && read < ONE_READ) {
            return Ok(length);
        }
        if length == buffer.len() {
            if length >= MAX_FILE {
                return Ok(length);
            }
            buffer.resize(length * 2, 0);
        }
    }
}
