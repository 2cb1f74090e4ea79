//! Names of block devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll_model::{DeviceRow, DeviceSlot, Values};

use crate::parse::block::DeviceNumbers;

/// The most devices of one container that are shown.
pub const MAX_DEVICES: usize = 64;

/// The most names that are remembered.
const MAX_NAMES: usize = 4096;

/// Block devices' names by number, each looked up once under `/sys/dev/block`.
#[derive(Debug)]
pub(crate) struct DeviceNames {
    directory: PathBuf,
    known: Vec<((u32, u32), Arc<str>)>,
}

impl DeviceNames {
    pub(crate) fn new(sysfs: &Path) -> Self {
        Self { directory: sysfs.join("dev/block"), known: Vec::new() }
    }

    /// `/dev/NAME`, or `MAJOR:MINOR` where the machine does not tell.
    pub(crate) fn of(&mut self, major: u32, minor: u32) -> Arc<str> {
        if let Some((_, name)) = self.known.iter().find(|(number, _)| *number == (major, minor)) {
            return Arc::clone(name);
        }
        let link = self.directory.join(format!("{major}:{minor}"));
        let target = std::fs::read_link(link).ok();
        let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let name: Arc<str> = match name {
            // The kernel writes `!` where a device's name has a slash.
            Some(name) => format!("/dev/{}", name.replace('!', "/")).into(),
            None => format!("{major}:{minor}").into(),
        };
        if self.known.len() < MAX_NAMES {
            self.known.push(((major, minor), Arc::clone(&name)));
        }
        name
    }
}

/// The device rows of a container while its files are read.
pub(crate) struct Devices<'a> {
    pub(crate) names: &'a mut DeviceNames,
    pub(crate) rows: &'a mut Vec<DeviceRow>,
    /// Collects which numbers there are.
    pub(crate) said: &'a mut DeviceNumbers,
    /// Counts devices beyond [`MAX_DEVICES`].
    pub(crate) dropped: &'a mut u64,
}

impl Devices<'_> {
    pub(crate) fn set(&mut self, major: u32, minor: u32, slot: DeviceSlot, value: u64) {
        let name = self.names.of(major, minor);
        self.said.set(slot, 0);
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.values.set(slot, value);
        } else if self.rows.len() < MAX_DEVICES {
            let mut values = Values::default();
            values.set(slot, value);
            self.rows.push(DeviceRow { name, number: Some((major, minor)), values });
        } else {
            *self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("dev/block")).unwrap();
        std::os::unix::fs::symlink(
            "../../devices/virtual/block/cciss!c0d0",
            root.path().join("dev/block/104:0"),
        )
        .unwrap();
        let mut names = DeviceNames::new(root.path());
        assert_eq!(&*names.of(104, 0), "/dev/cciss/c0d0");
        assert_eq!(&*names.of(8, 1), "8:1");
    }

    #[test]
    fn a_container_with_too_many_devices_is_cut_and_counted() {
        let mut names = DeviceNames::new(Path::new("/nowhere"));
        let (mut rows, mut dropped) = (vec![], 0);
        let mut said = DeviceNumbers::default();
        let mut devices =
            Devices { names: &mut names, rows: &mut rows, said: &mut said, dropped: &mut dropped };
        for minor in 0..MAX_DEVICES as u32 + 3 {
            devices.set(8, minor, DeviceSlot::Reads, 1);
        }
        assert_eq!((rows.len(), dropped), (MAX_DEVICES, 3));
    }
}
