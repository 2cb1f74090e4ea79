//! What tests that were killed leave behind: directories whose names say who made them, and the processes that were
//! started in those.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// How the names of directories of this process begin, of a kind that `kind` begins.
pub(crate) fn prefix(kind: &str) -> String {
    format!("{kind}{}-", std::process::id())
}

/// The directories of a kind whose makers are no more.
pub(crate) fn orphans(kind: &str) -> Vec<PathBuf> {
    let is_orphan = |name: &str| {
        let maker = name.strip_prefix(kind).and_then(|rest| rest.split('-').next());
        maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    let all = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    all.filter(|entry| is_orphan(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect()
}

/// The processes of these programs whose command line names a directory. Others may name it too: an editor, a shell.
pub(crate) fn processes(dir: &Path, programs: &[&str]) -> Vec<i32> {
    let dir = dir.to_string_lossy();
    let is_ours = |pid: i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let program = words.split('\0').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        programs.contains(&program) && words.contains(&*dir)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| is_ours(*pid)).collect()
}

/// Kills a process.
pub(crate) fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // One that is gone is what is wanted.
        kill_process(pid, Signal::KILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_a_process_that_is_gone_made_is_found() {
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let kind = "plimsoll-leftovers-test-";
        let orphan = tempfile::Builder::new().prefix(&format!("{kind}{}-", gone.id())).tempdir().unwrap();
        let ours = tempfile::Builder::new().prefix(&prefix(kind)).tempdir().unwrap();
        assert_eq!(orphans(kind), [orphan.path()]);

        let file = ours.path().join("file");
        fs::write(&file, "").unwrap();
        let mut tail = Command::new("tail").arg("-f").arg(&file).spawn().unwrap();
        let pid = i32::try_from(tail.id()).unwrap();
        crate::wait_until(std::time::Duration::from_secs(10), "tail runs", || {
            processes(ours.path(), &["tail"]) == [pid]
        });
        assert!(processes(ours.path(), &["cat"]).is_empty());
        kill(pid);
        assert!(!tail.wait().unwrap().success());
    }
}
