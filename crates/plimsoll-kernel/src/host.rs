//! Clocks, and the agent's own process.

use std::mem::MaybeUninit;

use plimsoll_model::agent::Process;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::time::{ClockId, clock_gettime};

/// Monotonic time in nanoseconds.
#[must_use]
pub fn monotonic() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The time of day, in Unix nanoseconds.
pub(crate) fn realtime() -> u64 {
    nanos(ClockId::Realtime)
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The agent's own process. Keeps `/proc/self/statm` open, so that asking costs little.
#[derive(Debug)]
pub struct OwnProcess {
    statm: Option<std::fs::File>,
    open_fds: Option<u64>,
}

impl OwnProcess {
    /// Opens what is needed.
    #[must_use]
    pub fn open() -> Self {
        let mut own = Self { statm: std::fs::File::open("/proc/self/statm").ok(), open_fds: None };
        own.count_descriptors();
        own
    }

    /// Counts the open descriptors. It lists a directory, so it is done seldom.
    pub fn count_descriptors(&mut self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open("/proc/self/fd", flags, Mode::empty());
        self.open_fds = directory.ok().map(|directory| {
            let mut space = [MaybeUninit::uninit(); 4096];
            let (mut entries, mut count) = (RawDir::new(directory, &mut space), 0u64);
            while let Some(entry) = entries.next() {
                count += u64::from(entry.is_ok());
            }
            // Not `.`, `..` and the listing's own.
            count.saturating_sub(3)
        });
    }

    /// What the process uses now. Descriptors are as of the last count.
    #[must_use]
    pub fn usage(&self) -> Process {
        let page = rustix::param::page_size() as u64;
        let mut bytes = [0; 128];
        let length =
            self.statm.as_ref().and_then(|file| rustix::io::pread(file, &mut bytes, 0).ok()).unwrap_or(0);
        let mut pages =
            crate::parse::words(&bytes[..length]).map(|word| Some(crate::parse::number(word)? * page));
        Process {
            cpu: Some(nanos(ClockId::ProcessCPUTime)),
            virtual_memory: pages.next().flatten(),
            resident: pages.next().flatten(),
            open_fds: self.open_fds,
            max_fds: crate::descriptors::maximum(),
        }
    }
}

/// When the machine was booted, in Unix nanoseconds. The kernel writes whole seconds (`told`), which the clocks make
/// exact where they are about the same boot.
pub(crate) fn boot_time(told: u64) -> Option<u64> {
    let nanos = |clock| {
        let time = rustix::time::clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec).ok()?)
    };
    let told = told.checked_mul(1_000_000_000)?;
    let exact =
        nanos(rustix::time::ClockId::Realtime)?.checked_sub(nanos(rustix::time::ClockId::Boottime)?)?;
    Some(if exact.abs_diff(told) < 2_000_000_000 { exact } else { told })
}

/// The release of this kernel, such as `6.1.0-18-amd64`.
#[must_use]
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = OwnProcess::open().usage();
        assert!(usage.resident > Some(0) && usage.virtual_memory > usage.resident);
        assert!(usage.open_fds > Some(0) && usage.max_fds >= usage.open_fds);
        assert!(usage.cpu > Some(0));
    }
}
