//! PostgreSQL.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use super::server::directory;
use crate::port::Port;
use crate::{program, wait_until};

/// How long it may take to answer after its start, and to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of its log is told when it does not start, in bytes.
const TOLD: usize = 4096;

/// A PostgreSQL, with the data of nobody else in it. It writes through to the disk as it does in earnest, and asks nobody
/// for a password. Its superuser is `postgres`.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    user: Option<(u32, u32)>,
    child: Option<Child>,
    port: Port,
    dir: TempDir,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts an empty one. It refuses to run as root, so that root lends it to `postgres` or `nobody`.
    ///
    /// # Panics
    /// If it is not installed, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        let dir = directory();
        let user = getuid().is_root().then(unprivileged);
        if let Some((user, group)) = user {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        let (bin, databases) = (programs(), AtomicU32::new(0));
        let mut one = Self { bin, user, child: None, port: Port::reserve(), dir, databases };
        let made = one
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(one.dir.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        one.spawn();
        one
    }

    /// Makes an empty database, and gives the address of it.
    ///
    /// # Panics
    /// If it refuses.
    #[track_caller]
    pub fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run(&self.url(), &format!("CREATE DATABASE {name}"));
        format!("postgres://postgres@{}/{name}?sslmode=disable", self.port.address())
    }

    /// The address of a database that is always there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres?sslmode=disable", self.port.address())
    }

    /// Has `psql` run statements in the database of an address, and gives what they answer, one line a row.
    ///
    /// # Panics
    /// If one fails.
    #[track_caller]
    pub fn run(&self, url: &str, sql: &str) -> String {
        let file = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
        std::fs::write(file.path(), sql).unwrap();
        let arguments =
            ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--file"];
        let done =
            Command::new(self.bin.join("psql")).args(arguments).arg(file.path()).arg(url).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    /// Its main process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Has all of its processes die at once, by SIGKILL.
    ///
    /// # Panics
    /// If one of them stays.
    #[track_caller]
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let all = kill_tree(child.id());
        child.wait().unwrap();
        wait_until(PATIENCE, "all processes of PostgreSQL are gone", || {
            all.iter().all(|pid| !Path::new("/proc").join(pid.to_string()).exists())
        });
    }

    /// Ends it as an administrator does who does not wait for clients.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), Signal::INT);
        wait_until(PATIENCE, "PostgreSQL ends", || child.try_wait().unwrap().is_some());
    }

    /// Starts it again, after killing it if it still runs, on the same port and with the same data, and waits until it
    /// answers.
    ///
    /// # Panics
    /// With the end of its log, if it does not answer.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    /// The end of what it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TOLD)..]).into_owned()
    }

    #[track_caller]
    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let port = self.port.number().to_string();
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .arg("-k")
            .arg(self.dir.path())
            .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until(PATIENCE, "PostgreSQL answers", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "PostgreSQL does not start: {ended:?}\n{}", self.log());
            let asked =
                self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status().unwrap();
            asked.success()
        });
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_tree(child.id());
            child.wait().ok();
        }
    }
}

/// Where its programs are: Debian keeps those of each version in a directory of its own.
#[track_caller]
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/postgres").exists());
    let newest = newest.max_by_key(|path| number(path)).map(|path| path.join("bin"));
    newest.unwrap_or_else(|| {
        program::need("postgres", "postgresql").parent().map(Path::to_owned).expect("a directory")
    })
}

/// User and group of somebody who may do nothing.
fn unprivileged() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |wanted: &str| {
        let mut words = users.lines().find(|line| line.split(':').next() == Some(wanted))?.split(':').skip(2);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).expect("a user other than root")
}

/// Kills a process and those that it has started, and says which.
fn kill_tree(parent: u32) -> Vec<u32> {
    // It would start others in place of those that die, and they would hold on to its memory.
    signal(parent, Signal::STOP);
    wait_until(PATIENCE, "PostgreSQL has stopped", || {
        stat(parent).is_none_or(|(state, _)| "TZ".contains(&state))
    });
    let mut all = children(parent);
    all.push(parent);
    all.iter().for_each(|pid| signal(*pid, Signal::KILL));
    all
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them is in brackets and may have any in it.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| stat(*pid).is_some_and(|(_, of)| of == parent);
    numbers.filter(is_child).collect()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that has ended already cannot be told.
        kill_process(pid, signal).ok();
    }
}
