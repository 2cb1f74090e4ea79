//! `/proc/PID/cgroup`, `/proc/PID/stat`, `/proc/PID/status`, `/proc/PID/mountinfo`, `/proc/stat`, `/proc/meminfo`, and lists of processors.

use super::{number, pairs, words};

/// One line of `/proc/PID/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The hierarchy's controllers, as the kernel joins them; empty for the v2 hierarchy.
    pub controllers: String,
    /// The process's place below the hierarchy's root.
    pub path: String,
}

/// `/proc/PID/cgroup`: `ID:CONTROLLERS:PATH` a line. A path can hold colons.
#[must_use]
pub fn cgroups(bytes: &[u8]) -> Vec<Membership> {
    let text = String::from_utf8_lossy(bytes);
    let membership = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        // The kernel adds this to the path of a cgroup that was removed while processes were left in it.
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        Some(Membership { controllers: controllers.to_owned(), path: path.to_owned() })
    };
    text.split('\n').filter_map(membership).take(64).collect()
}

/// `starttime` of `/proc/PID/stat`: ticks since boot. The command's name before it can hold anything, so
/// the last `)` ends it.
#[must_use]
pub fn start_ticks(bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    number(words(&bytes[end + 1..]).nth(19)?)
}

/// What `/proc/stat` says of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Processors that are online.
    pub cpus: Option<u64>,
    /// When the machine was booted, in Unix seconds.
    pub boot_time: Option<u64>,
}

/// `/proc/stat`.
#[must_use]
pub fn stat(bytes: &[u8]) -> Stat {
    let mut found = Stat::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.starts_with(b"cpu") && line.get(3).is_some_and(u8::is_ascii_digit) {
            found.cpus = Some(found.cpus.unwrap_or(0) + 1);
        } else if let Some(time) = line.strip_prefix(b"btime ") {
            found.boot_time = number(time.trim_ascii());
        }
    }
    found
}

/// What `/proc/meminfo` says of the machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// `MemTotal`.
    pub memory: Option<u64>,
    /// `SwapTotal`.
    pub swap: Option<u64>,
}

/// `/proc/meminfo`, whose `kB` are 1,024 bytes.
#[must_use]
pub fn meminfo(bytes: &[u8]) -> MemInfo {
    let mut found = MemInfo::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let (key, value) = (words.next(), words.next());
        let bytes = value.and_then(number).and_then(|kib| kib.checked_mul(1024));
        match key {
            Some(b"MemTotal:") => found.memory = bytes,
            Some(b"SwapTotal:") => found.swap = bytes,
            _ => {}
        }
    }
    found
}

/// The number of processors in a list such as `0-3,8`. An empty list says nothing.
///
/// ```
/// assert_eq!(plimsoll_kernel::parse::proc::cpu_list(b"0-3,8\n"), Some(5));
/// ```
#[must_use]
pub fn cpu_list(bytes: &[u8]) -> Option<u64> {
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return None;
    }
    text.split(|byte| *byte == b',').try_fold(0u64, |count, part| {
        let mut ends = part.splitn(2, |byte| *byte == b'-');
        let first = number(ends.next()?)?;
        let last = ends.next().map_or(Some(first), number)?;
        count.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// `nr_descendants` and `nr_dying_descendants` of `cgroup.stat`.
#[must_use]
pub fn descendants(bytes: &[u8]) -> (Option<u64>, Option<u64>) {
    let mut found = (None, None);
    pairs(bytes, |key, value| match key {
        b"nr_descendants" => found.0 = Some(value),
        b"nr_dying_descendants" => found.1 = Some(value),
        _ => {}
    });
    found
}

/// How many process namespaces there are from that of this `/proc` down to the process's own, by `NSpid` of
/// `/proc/PID/status`: its number in each.
#[must_use]
pub fn namespaces_below(bytes: &[u8]) -> Option<usize> {
    let numbers = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:"))?;
    Some(words(numbers).count())
}

/// Which directory of its file system a mount point shows, by `/proc/PID/mountinfo`; of several mounts there, the last
/// is the one that is seen. `None` where nothing is mounted there.
#[must_use]
pub fn mounted_part<'a>(bytes: &'a [u8], mount_point: &std::path::Path) -> Option<&'a [u8]> {
    let wanted = mount_point.as_os_str().as_encoded_bytes();
    bytes.rsplit(|byte| *byte == b'\n').find_map(|line| {
        // Its id, its parent's, the device, the directory, the mount point.
        let mut words = words(line).skip(3);
        let part = words.next()?;
        (words.next()? == wanted).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_sees_of_the_machine() {
        let depth = |status: &[u8]| namespaces_below(status);
        assert_eq!(depth(b"Name:\tx\nNSpid:\t4711\t7\nNSpgid:\t1\n"), Some(2));
        assert_eq!(depth(b"NSpid:\t7\n"), Some(1));
        assert_eq!(depth(b"Name:\tNSpid:\n"), None, "kernels before 4.1 have no such line");
        let mounts = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            35 31 0:32 /docker/4e9c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\nbroken\n";
        let part = |path: &str| mounted_part(mounts, path.as_ref()).map(String::from_utf8_lossy);
        assert_eq!(part("/sys/fs/cgroup/memory").as_deref(), Some("/docker/4e9c"));
        assert_eq!(part("/sys/fs/cgroup").as_deref(), Some("/"));
        assert_eq!(part("/sys/fs/cgroup/cpu"), None);
    }

    #[test]
    fn memberships() {
        let found = cgroups(b"9:name=systemd:/docker/a\n2:cpu,cpuacct:/x:y\n0::/system.slice/docker-a.scope (deleted)\nbroken\n");
        let seen: Vec<_> = found.iter().map(|m| (&*m.controllers, &*m.path)).collect();
        assert_eq!(
            seen,
            [("name=systemd", "/docker/a"), ("cpu,cpuacct", "/x:y"), ("", "/system.slice/docker-a.scope")]
        );
    }

    #[test]
    fn a_path_ends_with_its_line_and_not_before() {
        // Found by fuzzing: a carriage return is a character of a name like any other.
        for text in [b"0::/a\r".as_slice(), b"0::/a\r\n", b"1:cpu:/b\n0::/a\r\n"] {
            assert_eq!(cgroups(text).last().map(|m| m.path.clone()), Some("/a\r".to_owned()));
        }
    }

    #[test]
    fn a_command_can_be_called_anything() {
        let text = b"42 (a) R 1 (b)) S 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 123456 0 0";
        assert_eq!(start_ticks(text), Some(123_456));
    }

    #[test]
    fn the_machine() {
        let found = stat(b"cpu  1 2\ncpu0 1\ncpu1 1\nintr 5\nbtime 1795223000\n");
        assert_eq!(found, Stat { cpus: Some(2), boot_time: Some(1_795_223_000) });
        let found = meminfo(b"MemTotal:       2048 kB\nMemFree: 1 kB\nSwapTotal:  0 kB\n");
        assert_eq!(found, MemInfo { memory: Some(2_097_152), swap: Some(0) });
    }

    #[test]
    fn processor_lists() {
        let cases: &[(&[u8], Option<u64>)] =
            &[(b"0\n", Some(1)), (b"0-1\n", Some(2)), (b"\n", None), (b"3-1", None), (b"a", None)];
        for (text, expected) in cases {
            assert_eq!(cpu_list(text), *expected);
        }
    }
}
