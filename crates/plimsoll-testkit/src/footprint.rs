//! What a process holds, as the kernel counts it.

use std::fs;

/// A process's memory, threads and descriptors at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory in bytes.
    pub resident: u64,
    /// The most that it ever was.
    pub peak: u64,
    /// How much of the resident memory is of files, in bytes: the program's own above all, which is several times as large
    /// where it is not optimised.
    pub files: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Footprint {
    /// Of this process.
    ///
    /// # Panics
    /// If there is no such process, or it is another user's.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            value
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .unwrap_or_else(|_| panic!("{name} of {pid}: {status}"))
        };
        Self {
            resident: field("VmRSS:") * 1024,
            peak: field("VmHWM:") * 1024,
            files: field("RssFile:") * 1024,
            threads: field("Threads:"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something() {
        let before = Footprint::of(std::process::id());
        assert!(before.resident > 0 && before.peak >= before.resident && before.threads > 0, "{before:?}");
        let _file = fs::File::open("/proc/self/status").unwrap();
        assert!(Footprint::of(std::process::id()).descriptors > 0);
    }
}
