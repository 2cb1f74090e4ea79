//! A walk of a million files: how many it looks at in a second, and by how much the process grows meanwhile. Once in one folder,
//! once spread over ten thousand; the trees are made in a temporary folder, which takes longer than the walks.
//!
//! `cargo bench -p plimsoll-kernel --bench walk [-- FILES]`

#![allow(clippy::print_stdout, reason = "it is what a benchmark is for")]

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use plimsoll_kernel::disk::{Gait, walk};

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    let files = asked.unwrap_or(1_000_000);
    for (name, folders) in [("one folder", 1), ("ten thousand folders", 10_000)] {
        let root = tempfile::tempdir().expect("a temporary folder");
        make(root.path(), files, folders);
        let stop = AtomicBool::new(false);
        let gait = Gait { budget: u32::MAX, deadline: Duration::from_secs(3600), stop: &stop };
        // From here on the kernel remembers the most that the process had.
        std::fs::write("/proc/self/clear_refs", "5").expect("a kernel with clear_refs");
        let (before, began) = (peak(), Instant::now());
        let usage = walk(root.path(), &gait).expect("a tree that nobody else changes");
        let (took, grown) = (began.elapsed(), peak().saturating_sub(before));
        assert_eq!(usage.entries, (files + 1 + if folders > 1 { folders } else { 0 }) as u64);
        println!(
            "walk/{files} files, {name}: {:.0} files/s, {:.2} s, {grown} KiB more memory at most",
            usage.entries as f64 / took.as_secs_f64(),
            took.as_secs_f64()
        );
    }
}

fn make(root: &Path, files: usize, folders: usize) {
    for folder in 0..folders {
        let at = if folders > 1 { root.join(folder.to_string()) } else { root.to_owned() };
        std::fs::create_dir_all(&at).expect("room for a folder");
        for file in 0..files / folders {
            File::create(at.join(format!("file-{file}"))).expect("room for a file");
        }
    }
}

/// The most memory that the process had in use at once, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
