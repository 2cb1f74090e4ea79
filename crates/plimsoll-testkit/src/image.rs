//! The image of all tests, made of this machine's busybox without a registry.

use std::path::Path;
use std::process::Command;

/// Writes an archive for an engine to import: a static busybox with a link for each of its programs.
///
/// # Panics
/// If there is no static `/bin/busybox` (Debian: `busybox-static`), or no `tar`.
pub(crate) fn write(archive: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for folder in ["bin", "tmp", "proc", "sys", "dev", "etc"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox"))
        .unwrap_or_else(|error| panic!("/bin/busybox: {error}; install busybox-static"));
    let applets = Command::new("/bin/busybox").arg("--list").output().unwrap();
    for applet in String::from_utf8(applets.stdout).unwrap().lines() {
        // The list names busybox itself, and a link to itself would replace it.
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
    }
    let tar = Command::new("tar").arg("-cf").arg(archive).arg("-C").arg(root).arg(".").output().unwrap();
    assert!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
}
