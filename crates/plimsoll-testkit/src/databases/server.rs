//! The process behind a database.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::leftovers::{kill, orphans, prefix, processes};
use crate::port::Port;
use crate::wait_until;

/// The directories of all databases begin like this; the process that started one follows.
const PREFIX: &str = "plimsoll-database-";

/// The programs that run in them.
const PROGRAMS: [&str; 5] = ["influxd", "nats-server", "postgres", "prometheus", "victoria-metrics"];

/// How long a database may take to answer after its start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one look may take at whether it is up.
const LOOK: Duration = Duration::from_secs(2);

/// How much of its log is told when it does not start, in bytes.
const TOLD: usize = 4096;

/// What is known of a database before it starts.
pub(super) struct Plan {
    /// What it is called, as its process is.
    pub(super) name: &'static str,
    /// Where the program is.
    pub(super) program: PathBuf,
    /// The directory of its data and settings.
    pub(super) dir: TempDir,
    /// All its ports, which stay reserved while it is down.
    pub(super) ports: Vec<Port>,
    /// The port that answers HTTP.
    pub(super) http: SocketAddr,
    /// What answers with success once the database works.
    pub(super) health: &'static str,
    /// What it is started with.
    pub(super) args: Vec<String>,
}

/// A directory for a database, after what killed tests left behind is gone.
pub(super) fn directory() -> TempDir {
    for dir in orphans(PREFIX) {
        processes(&dir, &PROGRAMS).into_iter().for_each(kill);
        std::fs::remove_dir_all(dir).ok();
    }
    tempfile::Builder::new().prefix(&prefix(PREFIX)).tempdir().unwrap()
}

/// A database as a process. It and its data are gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    client: Client,
    health: &'static str,
    child: Option<Child>,
    dir: TempDir,
    _ports: Vec<Port>,
}

impl Server {
    /// Starts it and does not wait for it.
    pub(super) fn launch(plan: Plan) -> Self {
        let mut server = Self {
            name: plan.name,
            program: plan.program,
            args: plan.args,
            client: Client::new(plan.http),
            health: plan.health,
            child: None,
            dir: plan.dir,
            _ports: plan.ports,
        };
        server.spawn();
        server
    }

    /// Starts it and waits until it answers.
    pub(super) fn start(plan: Plan) -> Self {
        let mut server = Self::launch(plan);
        server.wait_until_up();
        server
    }

    /// To ask it over HTTP; NATS is asked there how it fares.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it answers that it works.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.child.is_some()
            && self.client.patience(LOOK).get(self.health).is_ok_and(|answer| answer.is_success())
    }

    /// Waits until it answers that it works.
    ///
    /// # Panics
    /// With the end of its log, if it ended or needs more than a minute.
    #[track_caller]
    pub fn wait_until_up(&mut self) {
        let what = format!("{} answers", self.name);
        wait_until(PATIENCE, &what, || {
            let child = self.child.as_mut().expect("started");
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} does not start: {status}\n{}", self.name, self.log());
            }
            self.is_up()
        });
    }

    /// Has it die at once, by SIGKILL.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it as an administrator does, by SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) {
        self.resume();
        self.end(Signal::TERM);
    }

    /// Starts it again, after killing it if it still runs, on the same ports and with the same data, and waits until it
    /// answers.
    ///
    /// # Panics
    /// With the end of its log, if it does not answer.
    #[track_caller]
    pub fn restart(&mut self) {
        self.relaunch();
        self.wait_until_up();
    }

    /// As [`Self::restart`], without waiting: a member of a cluster may need others to be up.
    pub fn relaunch(&mut self) {
        self.kill();
        self.spawn();
    }

    /// Has it take connections and answer nothing, until [`Self::resume`].
    ///
    /// # Panics
    /// If it does not run.
    #[track_caller]
    pub fn hang(&self) {
        let pid = self.pid().expect("a database that runs");
        self.signal(Signal::STOP);
        // The signal is on its way: until each thread has it, one of them may still answer.
        wait_until(PATIENCE, "all threads have stopped", || is_stopped(pid));
    }

    /// Ends [`Self::hang`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// The end of what it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TOLD)..]).into_owned()
    }

    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        self.child = Some(child);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // One that has ended already cannot be told.
            kill_process(Pid::from_child(child), signal).ok();
        }
    }

    #[track_caller]
    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        if let Some(child) = &mut self.child {
            let what = format!("{} ends", self.name);
            wait_until(PATIENCE, &what, || child.try_wait().unwrap().is_some());
        }
        self.child = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Whether all threads of a process are stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = threads.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
    // The state follows the name, which is in brackets and may have any in it.
    stats.into_iter().all(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T")))
}

/// Makes a database the server that it is.
macro_rules! is_a_server {
    ($database:ty) => {
        impl std::ops::Deref for $database {
            type Target = crate::databases::Server;

            fn deref(&self) -> &Self::Target {
                &self.server
            }
        }

        impl std::ops::DerefMut for $database {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.server
            }
        }
    };
}

pub(super) use is_a_server;
