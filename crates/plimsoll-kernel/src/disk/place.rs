//! Where the engine's paths are for this process, and where a container's layer is when the engine does not say.

use std::path::{Component, Path, PathBuf};

use crate::filesystems::Reach;
use crate::layout::Roots;
use crate::parse::mounts::{device, upper_directory};

/// The most bytes of a process's list of mounts that are looked at.
const MAX_MOUNT_LIST: u64 = 4 << 20;

/// The places at which the machine's root may be for this process.
///
/// An agent on the machine itself has it at `/`. One in a container goes through the root of process 1, if the kernel lets it
/// (`SYS_PTRACE`), else through the folder in which the machine's `/proc` was given to it (`/rootfs` for `/rootfs/proc`), else
/// it has the folder mounted in the very same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPaths {
    procfs: PathBuf,
    roots: Vec<PathBuf>,
}

impl HostPaths {
    /// Finds out where the machine's root may be.
    #[must_use]
    pub fn open(roots: &Roots) -> Self {
        Self::new(&roots.procfs, &Reach::of(&roots.procfs))
    }

    fn new(procfs: &Path, reach: &Reach) -> Self {
        let below = match reach {
            Reach::Below(root) => Some(root.clone()),
            Reach::Plain | Reach::Not => None,
        };
        let around = procfs
            .parent()
            .filter(|around| *reach != Reach::Plain && procfs.ends_with("proc") && around.parent().is_some());
        let roots = [below, around.map(Path::to_owned), Some(PathBuf::from("/"))];
        Self { procfs: procfs.to_owned(), roots: roots.into_iter().flatten().collect() }
    }

    /// Where a path of the machine is, if something is there that this process may look at. Engines' paths hold ids, so what is
    /// at the same place elsewhere is not taken for it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        let relative = Path::new(path).strip_prefix("/").ok()?;
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || relative.as_os_str().is_empty() {
            return None;
        }
        let mut places = self.roots.iter().map(|root| root.join(relative));
        places.find(|place| std::fs::symlink_metadata(place).is_ok())
    }

    /// The writable layer of the container whose first process this is, as the kernel has it mounted. Engines that keep layers
    /// as snapshots of containerd do not tell it.
    #[must_use]
    pub fn layer_of_process(&self, pid: u32) -> Option<String> {
        String::from_utf8(upper_directory(&self.mounts(&pid.to_string())?)?).ok()
    }

    /// The device that a place is on, in its file system's own words: mostly `/dev/…`. The place is one of this process.
    #[must_use]
    pub fn device_of(&self, place: &Path) -> Option<String> {
        let number = rustix::fs::stat(place).ok()?.st_dev;
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        let mut lists = ["self", "1"].into_iter().filter_map(|process| self.mounts(process));
        let found = lists.find_map(|list| device(&list, major, minor))?;
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    /// A process's list of mounts.
    fn mounts(&self, process: &str) -> Option<Vec<u8>> {
        let list = std::fs::File::open(self.procfs.join(process).join("mountinfo")).ok()?;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(list, MAX_MOUNT_LIST), &mut text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_root_is_looked_for_where_it_may_be() {
        let roots = |procfs: &str, reach: &Reach| HostPaths::new(Path::new(procfs), reach).roots;
        let below = Reach::Below("/proc/1/root".into());
        assert_eq!(roots("/proc", &Reach::Plain), [Path::new("/")]);
        assert_eq!(roots("/rootfs/proc", &Reach::Plain), [Path::new("/")]);
        assert_eq!(roots("/proc", &Reach::Not), [Path::new("/")]);
        assert_eq!(roots("/rootfs/proc", &Reach::Not), [Path::new("/rootfs"), Path::new("/")]);
        assert_eq!(roots("/proc", &below), [Path::new("/proc/1/root"), Path::new("/")]);
    }

    #[test]
    fn only_what_is_there_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let layer = folder.path().join("var/layer");
        std::fs::create_dir_all(&layer).unwrap();
        let paths = HostPaths {
            procfs: "/proc".into(),
            roots: vec![folder.path().join("none"), folder.path().to_owned()],
        };
        assert_eq!(paths.find("/var/layer"), Some(layer));
        for path in ["/var/other", "var/layer", "/var/../var/layer", "/", ""] {
            assert_eq!(paths.find(path), None, "{path}");
        }
    }

    #[test]
    fn a_process_has_its_layer_in_its_list_of_mounts() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("7")).unwrap();
        let line = "90 80 0:55 / / rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/c/fs,workdir=/c/work\n";
        std::fs::write(folder.path().join("7/mountinfo"), line).unwrap();
        let paths = HostPaths { procfs: folder.path().to_owned(), roots: vec![] };
        assert_eq!(paths.layer_of_process(7).as_deref(), Some("/c/fs"));
        assert_eq!(paths.layer_of_process(8), None);
        let number = rustix::fs::stat(folder.path()).unwrap().st_dev;
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        std::fs::create_dir(folder.path().join("1")).unwrap();
        let line = format!("9 8 {major}:{minor} / / rw - ext4 /dev/disk rw\n");
        std::fs::write(folder.path().join("1/mountinfo"), line).unwrap();
        assert_eq!(paths.device_of(folder.path()).as_deref(), Some("/dev/disk"));
        assert_eq!(paths.device_of(&folder.path().join("missing")), None);
    }
}
