//! Real trees in temporary folders.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use rustix::fs::CWD;
use tempfile::TempDir;

use super::*;

static RUN: AtomicBool = AtomicBool::new(false);

fn briskly(stop: &AtomicBool) -> Gait<'_> {
    Gait { budget: u32::MAX, deadline: Duration::from_secs(600), stop }
}

fn found(root: &Path) -> Usage {
    walk(root, &briskly(&RUN)).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, bytes: usize) -> u64 {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&vec![b'x'; bytes]).unwrap();
    // Until then a file system may not have decided how many blocks it takes.
    file.sync_all().unwrap();
    path.metadata().unwrap().blocks() * BLOCK
}

fn own(path: &Path) -> u64 {
    path.metadata().unwrap().blocks() * BLOCK
}

#[test]
fn a_tree_takes_what_its_files_and_folders_take() {
    let root = folder();
    let below = root.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let files = write(&root.path().join("one"), 100_000) + write(&below.join("two"), 1);
    let folders: u64 = [root.path(), &root.path().join("a"), &below].into_iter().map(own).sum();
    assert_eq!(found(root.path()), Usage { bytes: files + folders, entries: 5, failures: 0 });
    let link = root.path().with_extension("link");
    symlink(root.path(), &link).unwrap();
    let through = walk(&link, &briskly(&RUN));
    fs::remove_file(&link).unwrap();
    assert_eq!(through.unwrap().entries, 5, "the root may be a link");
}

#[test]
fn holes_take_nothing() {
    let root = folder();
    let empty = found(root.path()).bytes;
    let mut file = fs::File::create(root.path().join("sparse")).unwrap();
    file.seek(SeekFrom::Start(1 << 40)).unwrap();
    file.write_all(b"x").unwrap();
    file.sync_all().unwrap();
    let bytes = found(root.path()).bytes - empty;
    assert!(bytes < 1 << 20, "{bytes}");
}

#[test]
fn a_file_with_many_names_counts_once() {
    let root = folder();
    let bytes = write(&root.path().join("0"), 50_000);
    fs::create_dir(root.path().join("below")).unwrap();
    for name in ["1", "2", "below/3"] {
        fs::hard_link(root.path().join("0"), root.path().join(name)).unwrap();
    }
    // One that has a name outside as well.
    let outside = folder();
    let other = write(&outside.path().join("name"), 30_000);
    fs::hard_link(outside.path().join("name"), root.path().join("4")).unwrap();
    let folders = own(root.path()) + own(&root.path().join("below"));
    assert_eq!(found(root.path()), Usage { bytes: bytes + other + folders, entries: 7, failures: 0 });
}

#[test]
fn beyond_the_bound_each_name_counts_as_its_share() {
    let stop = AtomicBool::new(false);
    let mut walk = Walk {
        device: 0,
        usage: Usage::default(),
        links: (0..MAX_LINKS as u64).map(|inode| (inode + 10, 1)).collect(),
        buffer: Vec::new(),
        began: Instant::now(),
        gait: briskly(&stop),
        has_openat2: true,
        steps: 0,
        read: 0,
    };
    let root = folder();
    let bytes = write(&root.path().join("0"), 64 * 1024);
    fs::hard_link(root.path().join("0"), root.path().join("1")).unwrap();
    let mut stat = rustix::fs::stat(root.path().join("0")).unwrap();
    stat.st_ino = 1;
    assert_eq!(walk.share(&stat) + walk.share(&stat), bytes);
    assert_eq!(walk.links.len(), MAX_LINKS);
    stat.st_ino = 10;
    assert_eq!(walk.share(&stat), 0, "one that is remembered");
    assert_eq!(walk.links.len(), MAX_LINKS - 1, "all of its names were seen");
}

#[test]
fn links_are_not_followed_wherever_they_lead() {
    let root = folder();
    let outside = folder();
    write(&outside.path().join("large"), 1 << 20);
    symlink(".", root.path().join("self")).unwrap();
    symlink("..", root.path().join("up")).unwrap();
    symlink("/", root.path().join("all")).unwrap();
    symlink(outside.path(), root.path().join("out")).unwrap();
    symlink("nowhere", root.path().join("broken")).unwrap();
    symlink("loop", root.path().join("loop")).unwrap();
    let usage = found(root.path());
    assert_eq!((usage.entries, usage.failures), (7, 0));
    assert!(usage.bytes < 1 << 20);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let root = folder();
    // Opening it for reading would wait for a writer for ever.
    rustix::fs::mknodat(CWD, root.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    assert_eq!(found(root.path()).entries, 3);
}

/// A chain of folders that is far deeper than a path may be long, each with a file and another folder in it.
fn deep(root: &Path, depth: u64) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        for name in ["d", "e"] {
            rustix::fs::mkdirat(&at, name, Mode::RWXU).unwrap();
        }
        rustix::fs::openat(&at, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", flags, Mode::empty()).unwrap();
    }
}

/// Takes such a chain away again from its top: each folder's chain moves up before the folder goes.
fn remove_deep(root: &Path) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, flags, Mode::empty()).unwrap();
    while let Ok(first) = rustix::fs::openat(&top, "d", flags, Mode::empty()) {
        // The last one is empty.
        let _ignored = (
            rustix::fs::unlinkat(&first, "e", AtFlags::REMOVEDIR),
            rustix::fs::unlinkat(&first, "f", AtFlags::empty()),
            rustix::fs::renameat(&first, "d", &top, "next"),
        );
        rustix::fs::unlinkat(&top, "d", AtFlags::REMOVEDIR).unwrap();
        let _ignored = rustix::fs::renameat(&top, "next", &top, "d");
    }
}

#[test]
fn a_tree_may_be_deeper_than_any_path() {
    const DEPTH: u64 = 10_000;
    let root = folder();
    deep(root.path(), DEPTH);
    let usage = walk(root.path(), &briskly(&RUN));
    remove_deep(root.path());
    assert_eq!(usage.map(|usage| (usage.entries, usage.failures)), Ok((1 + 3 * DEPTH, 0)));
}

#[test]
fn a_folder_may_have_many_folders() {
    let root = folder();
    for number in 0..5000 {
        fs::create_dir(root.path().join(format!("a-rather-long-name-for-a-folder-{number}"))).unwrap();
    }
    // One of them is so deep that the folder of all is closed meanwhile, and has to be found again where it was left.
    let mut path = root.path().join("a-rather-long-name-for-a-folder-2500");
    for _ in 0..2 * MAX_OPEN {
        path.push("x");
    }
    fs::create_dir_all(path).unwrap();
    let usage = found(root.path());
    assert_eq!((usage.entries, usage.failures), (1 + 5000 + 2 * MAX_OPEN as u64, 0));
}

#[test]
fn a_tree_that_changes_meanwhile_is_survived() {
    /// Ends the other thread also where this one fails.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (root, elsewhere) = (folder(), folder());
    let stop = AtomicBool::new(false);
    let path = |one: u32, other: u32| root.path().join(format!("{}/{}", one % 50, other % 7));
    for one in 0..50 {
        fs::create_dir(root.path().join(one.to_string())).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0u32;
            while !stop.load(Ordering::Relaxed) {
                number = number.wrapping_add(1);
                let (at, other) = (path(number, number), path(number / 3, number / 5));
                // Each of these fails as often as not.
                let _ignored = (
                    fs::create_dir(&at),
                    fs::write(at.join("file"), b"x"),
                    fs::rename(&at, &other),
                    symlink(elsewhere.path(), &at),
                    fs::remove_dir_all(&other),
                    fs::remove_file(&other),
                );
            }
        });
        let _ends = Ends(&stop);
        for _ in 0..200 {
            match walk(root.path(), &briskly(&RUN)) {
                Ok(usage) => assert!(usage.entries >= 1 && usage.failures == 0, "{usage:?}"),
                Err(error) => assert_eq!(error, WalkError::Moved),
            }
        }
    });
}

#[test]
fn who_moves_a_folder_away_leads_the_walk_nowhere() {
    // The walk is as deep as it can be without keeping the top open, and there the way back leads elsewhere.
    let (root, elsewhere) = (folder(), folder());
    let found = rustix::fs::stat(root.path()).unwrap();
    let stop = AtomicBool::new(false);
    let mut walk = Walk {
        device: found.st_dev,
        usage: Usage::default(),
        links: HashMap::new(),
        buffer: Vec::new(),
        began: Instant::now(),
        gait: briskly(&stop),
        has_openat2: true,
        steps: 0,
        read: 0,
    };
    let level = Level { directory: None, inode: found.st_ino, waiting: Vec::new(), place: 0 };
    fs::create_dir(root.path().join("below")).unwrap();
    let below = fs::File::open(root.path().join("below")).unwrap();
    assert!(walk.back(below.as_fd(), &level).is_ok());
    fs::rename(root.path().join("below"), elsewhere.path().join("below")).unwrap();
    assert_eq!(walk.back(below.as_fd(), &level).map(drop), Err(WalkError::Moved));
}

/// Mounts something for as long as it lives.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where this user may not mount anything.
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let done = std::process::Command::new("mount").args(arguments).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ignored = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn no_mount_is_entered() {
    let (root, other) = (folder(), folder());
    fs::create_dir_all(other.path().join("below")).unwrap();
    write(&other.path().join("below/file"), 1 << 20);
    for name in ["tmpfs", "bind"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let empty = found(root.path());
    let Some(_tmpfs) = Mounted::new(&["-t", "tmpfs", "none"], &root.path().join("tmpfs")) else { return };
    write(&root.path().join("tmpfs/file"), 1 << 20);
    let source = other.path().to_str().unwrap();
    // A part of the same file system, mounted here: its device's number is the tree's own.
    let _bind = Mounted::new(&["--bind", source], &root.path().join("bind"));
    let usage = found(root.path());
    assert_eq!(
        (usage.failures, usage.entries),
        (0, empty.entries - 2),
        "what is mounted is no part of the tree"
    );
    assert!(usage.bytes <= empty.bytes, "{usage:?} {empty:?}");
}

#[test]
fn a_walk_ends_when_it_is_told_to_and_when_it_takes_too_long() {
    let root = folder();
    for number in 0..1000 {
        fs::write(root.path().join(number.to_string()), b"").unwrap();
    }
    let stopped = AtomicBool::new(true);
    assert_eq!(walk(root.path(), &briskly(&stopped)), Err(WalkError::Stopped));
    let late = Gait { deadline: Duration::ZERO, ..briskly(&RUN) };
    assert_eq!(walk(root.path(), &late), Err(WalkError::Deadline));
    // Ten seconds' worth at this budget.
    let slow = Gait { budget: 100, deadline: Duration::from_millis(50), ..briskly(&RUN) };
    assert_eq!(walk(root.path(), &slow), Err(WalkError::Deadline));
    assert_eq!(walk(&root.path().join("missing"), &briskly(&RUN)), Err(WalkError::Root(Errno::NOENT)));
    assert_eq!(walk(&root.path().join("1"), &briskly(&RUN)), Err(WalkError::Root(Errno::NOTDIR)));
}
