//! `/proc/PID/mountinfo`: what is mounted where.

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number, which no other mount has in any namespace.
    pub id: u64,
    /// Where it is mounted, seen from the process's root.
    pub point: Vec<u8>,
    /// What kind of file system it is, such as `ext4`.
    pub fs_type: Vec<u8>,
    /// What is mounted, in the file system's own words: mostly a device.
    pub device: Vec<u8>,
    /// Whether the mount or the file system is read-only.
    pub read_only: bool,
}

/// The mounts, at most `most` of those for which `is_wanted` holds, and how many more there were.
///
/// A line is `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS…] - TYPE DEVICE OPTIONS`, with one space between. What a word
/// holds of spaces, tabs, line feeds and backslashes is written as `\` and three octal digits. A device can be an empty word.
#[must_use]
pub fn mounts(bytes: &[u8], most: usize, is_wanted: impl Fn(&Mount) -> bool) -> (Vec<Mount>, u64) {
    let (mut mounts, mut left_out) = (Vec::new(), 0);
    for mount in bytes.split(|byte| *byte == b'\n').filter_map(mount).filter(is_wanted) {
        if mounts.len() < most {
            mounts.push(mount);
        } else {
            left_out += 1;
        }
    }
    (mounts, left_out)
}

/// The numbers of all mounts.
pub fn ids(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let first = |line: &[u8]| super::number(line.split(|byte| *byte == b' ').next()?);
    bytes.split(|byte| *byte == b'\n').filter_map(first)
}

/// What is mounted where the file system's number is this one: the device, in the file system's own words.
#[must_use]
pub fn device(bytes: &[u8], major: u32, minor: u32) -> Option<Vec<u8>> {
    let number = format!("{major}:{minor}");
    let is_it = |line: &&[u8]| line.split(|byte| *byte == b' ').nth(2) == Some(number.as_bytes());
    let mut found = bytes.split(|byte| *byte == b'\n').filter(is_it).filter_map(mount);
    found.next().map(|mount| mount.device).filter(|device| !device.is_empty())
}

/// The folder that takes what is written below `/`, where that is an overlay: the writable layer of a container.
///
/// Of several mounts in one place the last is seen. In the overlay's own options a comma in a path has a backslash before it.
#[must_use]
pub fn upper_directory(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut upper = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(found) = mount(line).filter(|mount| mount.point == b"/") else { continue };
        upper = None;
        if found.fs_type != b"overlay" {
            continue;
        }
        let options = line.rsplit(|byte| *byte == b' ').next().map(unescaped).unwrap_or_default();
        let mut rest = &*options;
        while !rest.is_empty() {
            let mut option = Vec::new();
            let mut at = 0;
            while at < rest.len() && rest[at] != b',' {
                at += usize::from(rest[at] == b'\\' && at + 1 < rest.len());
                option.push(rest[at]);
                at += 1;
            }
            if let Some(path) = option.strip_prefix(b"upperdir=") {
                upper = Some(path.to_owned());
            }
            rest = rest.get(at + 1..).unwrap_or_default();
        }
    }
    upper.filter(|path| path.starts_with(b"/"))
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = super::number(words.next()?)?;
    let point = unescaped(words.nth(3)?);
    let options = words.next()?;
    // A word that is a dash alone ends the tags.
    words.find(|word| *word == b"-")?;
    let (fs_type, device, super_options) = (words.next()?, words.next()?, words.next()?);
    let is_read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro");
    Some(Mount {
        id,
        fs_type: unescaped(fs_type),
        device: unescaped(device),
        read_only: is_read_only(options) || is_read_only(super_options),
        point,
    })
    .filter(|mount| mount.point.starts_with(b"/") && !mount.fs_type.is_empty())
}

/// A word without the kernel's escapes.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| *first == b'\\').and_then(octal);
        plain.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    plain
}

fn octal(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    u8::from_str_radix(text, 8).ok()
}

/// Whether node_exporter shows mounts of this kind by default: not what the kernel makes up, nor the layers of containers.
#[must_use]
pub fn is_shown_type(fs_type: &[u8]) -> bool {
    const HIDDEN: &[&str] = &[
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "fusectl",
        "hugetlbfs",
        "iso9660",
        "mqueue",
        "nsfs",
        "overlay",
        "proc",
        "procfs",
        "pstore",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "squashfs",
        "sysfs",
        "tracefs",
    ];
    !HIDDEN.iter().any(|hidden| hidden.as_bytes() == fs_type)
}

/// Whether a mount here is shown. Left out is what node_exporter leaves out: the kernel's own folders and what Docker and
/// Podman mount for containers; and all of `/run`, as Debian's package does: there engines mount a tmpfs for each container.
#[must_use]
pub fn is_shown_point(point: &[u8]) -> bool {
    const HIDDEN: &[&str] = &["/dev", "/proc", "/run", "/sys"];
    const HIDDEN_BELOW: &[&str] = &["/var/lib/docker/", "/var/lib/containers/storage/"];
    let is_in = |hidden: &&str| {
        let rest = point.strip_prefix(hidden.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let is_below = |hidden: &&str| {
        let rest = point.strip_prefix(hidden.as_bytes());
        rest.is_some_and(|rest| !rest.is_empty())
    };
    !HIDDEN.iter().any(is_in) && !HIDDEN_BELOW.iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_a_number() {
        let text = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n42 27 254:0 /x /x rw - ext4 /dev/other rw\n50 27 0:25 / /m rw - fuse  ro\n";
        assert_eq!(device(text, 254, 0).as_deref(), Some(&b"/dev/vda"[..]));
        assert_eq!((device(text, 25, 4), device(text, 0, 25), device(b"", 0, 0)), (None, None, None));
    }

    #[test]
    fn the_layer_that_is_written_to() {
        let overlay = |options: &str| format!("9 8 0:5 / / rw,relatime - overlay overlay {options}\n");
        for (text, upper) in [
            (overlay("rw,lowerdir=/l1:/l2,upperdir=/d/1/diff,workdir=/d/1/work"), Some("/d/1/diff")),
            (overlay("rw,upperdir=/with\\040space"), Some("/with space")),
            (overlay("rw,upperdir=/with\\134,comma,workdir=/w"), Some("/with,comma")),
            (overlay("ro,lowerdir=/l1:/l2"), None),
            (overlay("rw,upperdir=relative"), None),
            (overlay("rw,upperdir="), None),
            (overlay("rw,upperdir=/below") + "10 9 8:1 / / rw - ext4 /dev/sda1 rw\n", None),
            ("9 8 0:5 / /other rw - overlay overlay rw,upperdir=/x\n".to_owned(), None),
            (overlay("\\"), None),
            (String::new(), None),
        ] {
            assert_eq!(upper_directory(text.as_bytes()).as_deref(), upper.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn lines_as_kernels_write_them() {
        let text = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
42 27 254:0 /var/lib/docker /var/lib/docker rw,relatime shared:1 master:7 - ext4 /dev/vda rw,discard
50 27 0:25 / /mnt/my\\040disk\\011\\134\\012 ro,nosuid - tmpfs model\\040x rw,size=4k
51 27 0:26 / /mnt/empty rw - fuse.sshfs  ro,x
52 27 0:27 / rw
no line
53 27 0:28 / relative rw - ext4 /dev/vdb rw
54 27 0:29 /- /- rw - xfs - rw
";
        let (mounts, left_out) = mounts(text, 10, |_| true);
        let mount = |id, point: &[u8], fs_type: &[u8], device: &[u8], read_only| Mount {
            id,
            point: point.to_vec(),
            fs_type: fs_type.to_vec(),
            device: device.to_vec(),
            read_only,
        };
        let expected = [
            mount(27, b"/", b"ext4", b"/dev/vda", false),
            mount(42, b"/var/lib/docker", b"ext4", b"/dev/vda", false),
            mount(50, b"/mnt/my disk\t\\\n", b"tmpfs", b"model x", true),
            mount(51, b"/mnt/empty", b"fuse.sshfs", b"", true),
            mount(54, b"/-", b"xfs", b"-", false),
        ];
        assert_eq!(mounts, expected);
        assert_eq!(ids(text).collect::<Vec<_>>(), [27, 42, 50, 51, 52, 53, 54]);
        assert_eq!(left_out, 0);
    }

    #[test]
    fn the_list_is_bounded() {
        let line = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n";
        let (found, left_out) = mounts(&line.repeat(5), 3, |_| true);
        assert_eq!((found.len(), left_out), (3, 2));
        let (found, left_out) = mounts(&line.repeat(5), 3, |mount| mount.id == 1);
        assert_eq!((found.len(), left_out), (0, 0), "what nobody wants is not left out");
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for (word, plain) in
            [("a\\040b", "a b"), ("\\04", "\\04"), ("\\999", "\\999"), ("\\777", "\\777"), ("\\", "\\")]
        {
            assert_eq!(unescaped(word.as_bytes()), plain.as_bytes(), "{word}");
        }
    }

    #[test]
    fn what_is_shown() {
        for point in [
            "/",
            "/home",
            "/var/lib/docker",
            "/var/lib/docker/",
            "/devices",
            "/srv/run",
            "/mnt/data",
            "/boot",
        ] {
            assert!(is_shown_point(point.as_bytes()), "{point}");
        }
        for point in
            ["/dev", "/dev/shm", "/run/user/0", "/proc", "/sys/fs", "/var/lib/docker/overlay2/x/merged"]
        {
            assert!(!is_shown_point(point.as_bytes()), "{point}");
        }
        for (fs_type, shown) in
            [("ext4", true), ("tmpfs", true), ("overlay", false), ("cgroup2", false), ("fuse", true)]
        {
            assert_eq!(is_shown_type(fs_type.as_bytes()), shown, "{fs_type}");
        }
    }
}
