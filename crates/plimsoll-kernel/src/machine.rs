//! What the machine is made of, and which one it is: the kernel's topology of processors, and the names that system and
//! firmware gave it. Read once, as it does not change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use plimsoll_model::agent::MachineFacts;
use plimsoll_model::text::{MAX_TEXT, bounded};

use crate::layout::Roots;

/// The most processors whose place is looked up.
const MAX_PROCESSORS: usize = 8192;

/// Where systems keep the name of the machine and say what they are.
const MACHINE_ID: [&str; 2] = ["etc/machine-id", "var/lib/dbus/machine-id"];
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

pub(crate) fn facts(roots: &Roots) -> MachineFacts {
    // Inside a container, our own files are the image's; the machine's are those of its first process, for who may look.
    let of_system = |places: [&str; 2]| {
        let of_machine = places.map(|place| roots.procfs.join("1/root").join(place));
        let here = places.map(|place| Path::new("/").join(place));
        of_machine.into_iter().chain(here).map(line_or_more).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let places = places(&roots.sysfs.join("devices/system/cpu"));
    let count = |of: fn(&Place) -> Option<Vec<u64>>| -> Option<u64> {
        let distinct: BTreeSet<Vec<u64>> = places.iter().filter_map(of).collect();
        u64::try_from(distinct.len()).ok().filter(|count| *count > 0)
    };
    MachineFacts {
        boot_id: line_or_more(roots.procfs.join("sys/kernel/random/boot_id")),
        machine_id: of_system(MACHINE_ID),
        system_uuid: line_or_more(roots.sysfs.join("class/dmi/id/product_uuid")),
        kernel_version: line_or_more(roots.procfs.join("sys/kernel/osrelease")),
        os_version: pretty_name(&of_system(OS_RELEASE)),
        physical_cores: count(|place| Some(vec![place.socket?, place.core?])),
        sockets: count(|place| Some(vec![place.socket?])),
        books: count(|place| Some(vec![place.book?])),
        drawers: count(|place| Some(vec![place.drawer?])),
    }
}

/// A small text without the white space around it; empty where it cannot be read.
fn line_or_more(path: PathBuf) -> String {
    std::fs::read_to_string(path)
        .map(|text| bounded(text.trim(), 4 * MAX_TEXT).to_owned())
        .unwrap_or_default()
}

/// Where a processor is.
struct Place {
    socket: Option<u64>,
    core: Option<u64>,
    book: Option<u64>,
    drawer: Option<u64>,
}

/// The places of the processors that are online.
fn places(folder: &Path) -> Vec<Place> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_processor = |name: &str| {
        name.strip_prefix("cpu")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let processors = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_processor));
    let places = processors.take(MAX_PROCESSORS).map(|entry| {
        let topology = entry.path().join("topology");
        // What does not apply is -1, which is no number here.
        let number = |name: &str| line_or_more(topology.join(name)).parse().ok();
        Place {
            socket: number("physical_package_id"),
            core: number("core_id"),
            book: number("book_id"),
            drawer: number("drawer_id"),
        }
    });
    places.collect()
}

/// `PRETTY_NAME` of an `os-release`.
fn pretty_name(text: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("");
    bounded(value.trim().trim_matches(['"', '\'']), MAX_TEXT).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_says_what_it_is() {
        for (text, expected) in [
            ("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", "Debian GNU/Linux 12 (bookworm)"),
            ("PRETTY_NAME='Alpine'\n", "Alpine"),
            ("PRETTY_NAME=Arch", "Arch"),
            ("NAME=x\n", ""),
            ("", ""),
        ] {
            assert_eq!(pretty_name(text), expected, "{text:?}");
        }
    }

    #[test]
    fn cores_are_counted_once_however_many_threads_they_have() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        // Two sockets of two cores with two threads each; the last processor is offline, and has no topology.
        for cpu in 0..8 {
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            write(&format!("{topology}/physical_package_id"), &format!("{}\n", cpu / 4));
            write(&format!("{topology}/core_id"), &format!("{}\n", cpu / 2 % 2));
            write(&format!("{topology}/book_id"), "-1\n");
        }
        write("sys/devices/system/cpu/cpu8/online", "0\n");
        write("sys/devices/system/cpu/cpufreq/policy0/x", "");
        write("proc/sys/kernel/random/boot_id", "4a0d\n");
        write("proc/sys/kernel/osrelease", "6.1.0-41\n");
        write("proc/1/root/etc/machine-id", "0123\n");
        write("proc/1/root/usr/lib/os-release", "PRETTY_NAME=\"Test 1\"\n");
        write("sys/class/dmi/id/product_uuid", "uuid-1\n");
        let roots = Roots {
            procfs: root.path().join("proc"),
            sysfs: root.path().join("sys"),
            cgroup: root.path().to_owned(),
        };
        let found = facts(&roots);
        assert_eq!((found.physical_cores, found.sockets), (Some(4), Some(2)));
        assert_eq!((found.books, found.drawers), (None, None), "only some machines have them");
        assert_eq!(found.labels(), ["4a0d", "0123", "uuid-1"]);
        assert_eq!(found.kernel_version, "6.1.0-41");
    }
}
