//! A Docker engine of the test's own: real, and free to be restarted, hung and killed.
//!
//! It shares nothing with the machine's own engine but the kernel: it has its own containerd, data and sockets in a
//! directory of its own, and network and mount namespaces of its own, so neither bridges nor mounts meet. Its containers
//! have no network. What it started goes away with it, also after a test that panicked, and the next one clears up
//! after a test that was killed.
//!
//! ```no_run
//! use plimsoll_testkit::dockerd::{Dockerd, Restore};
//!
//! let mut engine = Dockerd::start(Restore::Live);
//! let containers = engine.api().ask("GET", "/containers/json?all=1", None).unwrap();
//! assert!(containers.as_array().unwrap().is_empty());
//! engine.restart();
//! ```

mod api;
mod leftovers;

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::docker::{IMAGE, try_docker};
use crate::image;
use crate::program;
use crate::wait_until;

pub use api::Api;

/// How long the engine may take to answer after its start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What becomes of the containers when the engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// They go on, and the engine finds them again (`--live-restore`).
    Live,
    /// The engine ends them before it ends.
    Stop,
}

/// A running engine. It and all its containers are gone when this is dropped.
#[derive(Debug)]
pub struct Dockerd {
    dir: TempDir,
    restore: Restore,
    /// Keeps the namespaces while the engine is down.
    namespaces: Child,
    containerd: Child,
    daemon: Option<Child>,
}

impl Dockerd {
    /// Starts an engine that has [`IMAGE`] and no container.
    ///
    /// # Panics
    /// If a program is missing, or it does not answer; the text says what was lacking.
    #[must_use]
    pub fn start(restore: Restore) -> Self {
        leftovers::remove();
        for (program, package) in [("dockerd", "docker.io"), ("containerd", "containerd"), ("runc", "runc")] {
            program::need(program, package);
        }
        let dir = tempfile::Builder::new().prefix(&leftovers::prefix()).tempdir().unwrap();
        let path = dir.path().display();
        std::fs::write(dir.path().join("docker.json"), "{}").unwrap();
        let containerd = format!(
            "version = 2\nroot = \"{path}/containerd\"\nstate = \"{path}/containerd-state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{path}/containerd.sock\"\n"
        );
        std::fs::write(dir.path().join("containerd.toml"), containerd).unwrap();
        // Shims put their sockets below /run/containerd, whoever started them. That there are namespaces now, a file
        // tells; its path also marks the process as ours.
        let hold = format!(
            "mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && touch {path}/ready && exec tail -f {path}/ready"
        );
        let namespaces = spawn(Command::new("unshare").args(["--net", "--mount", "sh", "-c", &hold]), &dir);
        wait_until(PATIENCE, "namespaces: this needs root and util-linux", || {
            dir.path().join("ready").exists()
        });
        let configured = format!("{path}/containerd.toml");
        let containerd = spawn(enter(&namespaces).args(["containerd", "--config", &configured]), &dir);
        let mut engine = Self { dir, restore, namespaces, containerd, daemon: None };
        engine.up();
        let made = tempfile::tempdir().unwrap();
        let host = format!("unix://{}", engine.socket().display());
        let archive = made.path().join("image.tar");
        image::write(&archive);
        try_docker(&["-H", &host, "import", archive.to_str().unwrap(), IMAGE])
            .unwrap_or_else(|error| panic!("{error}\n{}", engine.log()));
        engine
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// To drive it.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.socket())
    }

    /// Starts it again after [`Self::stop`] or [`Self::kill`], and waits until it answers.
    ///
    /// # Panics
    /// With its log, if it does not answer.
    pub fn up(&mut self) {
        let path = self.dir.path().display();
        let mut command = enter(&self.namespaces);
        command.args(["dockerd", "--bridge=none", "--iptables=false", "--shutdown-timeout=5"]);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        for (option, file) in [
            ("--config-file", "docker.json"),
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "docker.pid"),
            ("--containerd", "containerd.sock"),
        ] {
            command.arg(option).arg(format!("{path}/{file}"));
        }
        command.arg("-H").arg(format!("unix://{path}/docker.sock"));
        if self.restore == Restore::Live {
            command.arg("--live-restore");
        }
        let mut daemon = spawn(&mut command, &self.dir);
        let api = self.api();
        wait_until(PATIENCE, "dockerd answers", || {
            let ended = daemon.try_wait().unwrap();
            assert!(ended.is_none(), "dockerd ended with {ended:?}:\n{}", self.log());
            api.request("GET", "/_ping", None).is_ok()
        });
        self.daemon = Some(daemon);
    }

    /// Ends it as an administrator does, by SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Has it die at once, by SIGKILL.
    ///
    /// # Panics
    /// If it does not end.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it and starts it again.
    ///
    /// # Panics
    /// If it does not end, or does not answer.
    pub fn restart(&mut self) {
        self.stop();
        self.up();
    }

    /// Has it take connections and answer nothing, until [`Self::resume`].
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Self::hang`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// What it and its containerd logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        if let Some(daemon) = &self.daemon {
            // One that has ended already cannot be told.
            kill_process(Pid::from_child(daemon), signal).ok();
        }
    }

    fn end(&mut self, signal: Signal) {
        self.resume();
        self.signal(signal);
        if let Some(mut daemon) = self.daemon.take() {
            wait_until(PATIENCE, "dockerd ends", || daemon.try_wait().unwrap().is_some());
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        leftovers::end(self.dir.path());
        let children = [self.daemon.as_mut(), Some(&mut self.containerd), Some(&mut self.namespaces)];
        for child in children.into_iter().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A command within the namespaces. `nsenter` becomes the command, so its process is the child.
fn enter(namespaces: &Child) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &namespaces.id().to_string(), "-n", "-m", "--"]);
    command
}

fn spawn(command: &mut Command, dir: &TempDir) -> Child {
    let log = File::options().create(true).append(true).open(dir.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("{command:?}: {error}; install util-linux"),
        _ => panic!("{command:?}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn run(api: &Api, name: &str) -> String {
        let body = json!({"Image": IMAGE, "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": "none"}});
        let made = api.ask("POST", &format!("/containers/create?name={name}"), Some(&body)).unwrap();
        let id = made["Id"].as_str().unwrap().to_owned();
        api.ask("POST", &format!("/containers/{id}/start"), None).unwrap();
        id
    }

    #[test]
    fn containers_live_through_a_restart_and_die_with_the_engine() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let mut engine = Dockerd::start(Restore::Live);
        let api = engine.api();
        let id = run(&api, "first");
        let pid = |api: &Api| {
            api.ask("GET", &format!("/containers/{id}/json"), None).unwrap()["State"]["Pid"].clone()
        };
        let before = pid(&api);
        engine.restart();
        assert_eq!(pid(&api), before);
        engine.kill();
        engine.up();
        assert_eq!(pid(&api), before);
        api.ask("POST", &format!("/containers/{id}/pause"), None).unwrap();
        engine.hang();
        let dir = engine.dir.path().to_owned();
        drop(engine);
        assert!(!dir.exists());
        wait_until(PATIENCE, "the container's process is gone", || {
            !Path::new(&format!("/proc/{before}")).exists()
        });
        assert!(leftovers::cgroups(&id).is_empty(), "its cgroups are gone");
    }
}
