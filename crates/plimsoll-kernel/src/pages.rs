//! Sizes of memory pages.

use std::path::Path;

use crate::parse::number;

/// The bytes of an ordinary page.
pub(crate) fn ordinary() -> u64 {
    rustix::param::page_size() as u64
}

/// A size of huge pages, as the hugetlb controller writes it in the names of its files: `64KB`, `2MB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageSize {
    text: [u8; Self::LONGEST],
    length: usize,
}

impl PageSize {
    /// No processor has pages of a million gigabytes.
    const LONGEST: usize = 8;

    /// From a number of kibibytes.
    fn of(kibibytes: u64) -> Option<Self> {
        let (number, unit) = match kibibytes {
            0 => return None,
            1..0x400 => (kibibytes, "KB"),
            0x400..0x10_0000 => (kibibytes >> 10, "MB"),
            _ => (kibibytes >> 20, "GB"),
        };
        let written = format!("{number}{unit}");
        let mut text = [0; Self::LONGEST];
        text.get_mut(..written.len())?.copy_from_slice(written.as_bytes());
        Some(Self { text, length: written.len() })
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

/// The sizes of huge pages that this kernel has, the smallest first: the directories `hugepages-2048kB` below
/// `/sys/kernel/mm/hugepages`.
pub(crate) fn huge(sysfs: &Path) -> Vec<PageSize> {
    let entries = std::fs::read_dir(sysfs.join("kernel/mm/hugepages")).into_iter().flatten().flatten();
    let kibibytes = |name: &str| number(name.strip_prefix("hugepages-")?.strip_suffix("kB")?.as_bytes());
    let mut found: Vec<u64> = entries.filter_map(|entry| kibibytes(entry.file_name().to_str()?)).collect();
    found.sort_unstable();
    found.into_iter().filter_map(PageSize::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_the_controller_does() {
        let root = tempfile::tempdir().unwrap();
        for name in ["1048576kB", "2048kB", "64kB", "16777216kB", "0kB", "xkB", "18446744073709551615kB"] {
            let name = format!("kernel/mm/hugepages/hugepages-{name}");
            std::fs::create_dir_all(root.path().join(name)).unwrap();
        }
        std::fs::create_dir_all(root.path().join("kernel/mm/hugepages/other")).unwrap();
        let sizes = huge(root.path());
        let sizes: Vec<_> = sizes.iter().map(PageSize::as_str).collect();
        assert_eq!(sizes, ["64KB", "2MB", "1GB", "16GB"]);
        assert_eq!(huge(Path::new("/nowhere")), []);
    }
}
