//! A Podman of its own: storage, configuration and API socket in a temporary folder, containers and all removed when it
//! is dropped.
//!
//! It needs root, `podman`, `runc` and a static `/bin/busybox` (Debian: `podman`, `runc`, `busybox-static`), and for pods
//! `catatonit`. It lives beside whatever Podman the machine has, and shares with it only the kernel, among that the
//! cgroup `libpod_parent`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;

use crate::{image, wait_until};

/// The image of all tests, as [`docker::IMAGE`](crate::docker::IMAGE).
pub const IMAGE: &str = "localhost/plimsoll-test:busybox";

/// A service starts in a fraction of a second on a quiet machine.
const START: Duration = Duration::from_secs(30);

/// The limits and the managers are those that work everywhere: without `CAP_SYS_RESOURCE` no limit may be raised,
/// without systemd there is none to ask, and crun refuses hybrid cgroups. Networks are its own, so that it cannot
/// remove anybody else's.
const CONFIGURATION: &str = r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_config_dir = "FOLDER/networks"
"#;

/// A Podman with its API on a socket.
#[derive(Debug)]
pub struct Podman {
    dir: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    /// Starts a Podman without containers, with [`IMAGE`].
    ///
    /// # Panics
    /// If there is no Podman, or it does not start; the text says what it said.
    #[track_caller]
    pub fn start() -> Self {
        // A socket's path must be short, and the temporary folder of a test need not be.
        let dir = tempfile::Builder::new().prefix("plimsoll-podman-").tempdir_in("/tmp").unwrap();
        let configuration = CONFIGURATION.replace("FOLDER", dir.path().to_str().unwrap());
        std::fs::write(dir.path().join("containers.conf"), configuration).unwrap();
        let mut podman = Self { dir, service: None };
        let archive = podman.dir.path().join("image.tar");
        image::write(&archive);
        podman.expect(&["import", archive.to_str().unwrap(), IMAGE]);
        podman.serve();
        podman
    }

    /// Where its API answers.
    pub fn socket(&self) -> PathBuf {
        self.path("podman.sock")
    }

    /// Starts a container of [`IMAGE`] in the background and gives its id. `args` are options, and after `--` the
    /// command; without one it sleeps.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn run(&self, name: &str, args: &[&str]) -> String {
        let mut halves = args.splitn(2, |arg| *arg == "--");
        let options = halves.next().unwrap_or_default();
        let command = halves.next().unwrap_or(&["sleep", "100000"]);
        self.expect(&[&["run", "-d", "--name", name], options, &[IMAGE], command].concat())
    }

    /// What `podman ARGS…` says to standard output, without white space at the ends.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn expect(&self, args: &[&str]) -> String {
        let output = self.command(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            output.status.success(),
            "podman {}: {}: {}",
            args.join(" "),
            output.status,
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs `podman ARGS…`, whatever comes of it.
    ///
    /// # Panics
    /// If there is no Podman.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> Output {
        self.program(args).output().unwrap_or_else(|error| {
            panic!("podman: {error}; install podman, runc and catatonit (Debian: apt-get install podman runc catatonit)")
        })
    }

    fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.env("CONTAINERS_CONF", self.path("containers.conf"));
        command.env("TMPDIR", self.dir.path()).env_remove("CONTAINER_HOST");
        // conmon leaves a file called `oom` wherever it is when a container runs out of memory.
        command.current_dir(self.dir.path());
        let folders = [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "libpod")];
        for (option, folder) in folders {
            command.arg(option).arg(self.path(folder));
        }
        // The only driver that needs nothing of the file system below.
        command.args(["--storage-driver", "vfs"]).args(args);
        command
    }

    /// Kills the service, as a crash would. Containers and the command go on without it.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill_service(&mut self) {
        let mut service = self.service.take().unwrap();
        service.kill().unwrap();
        service.wait().unwrap();
    }

    /// Starts the service that [`Podman::kill_service`] has killed.
    ///
    /// # Panics
    /// If it does not start; the text says what it said.
    #[track_caller]
    pub fn serve(&mut self) {
        let address = format!("unix://{}", self.socket().display());
        let log = self.path("service.log");
        let mut command = self.program(&["system", "service", "--time=0", &address]);
        let output = File::create(&log).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let service = self.service.insert(command.spawn().unwrap());
        let socket = self.dir.path().join("podman.sock");
        wait_until(START, "podman's service to listen", || {
            let ended = service.try_wait().unwrap();
            assert!(ended.is_none(), "podman system service ended: {}", read(&log));
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Podman {
    fn drop(&mut self) {
        let pods = self.program(&["pod", "ps", "--quiet", "--no-trunc"]).output();
        let removals: [&[&str]; 3] = [
            &["pod", "rm", "--all", "--force", "--time=0"],
            &["rm", "--all", "--force", "--time=0"],
            &["network", "prune", "--force"],
        ];
        for args in removals {
            let said = self.program(args).output();
            if let Some(said) = said.ok().filter(|said| !said.status.success()) {
                eprintln!("podman {}: {}", args.join(" "), String::from_utf8_lossy(&said.stderr));
            }
        }
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        let pods = pods.map(|said| said.stdout).unwrap_or_default();
        String::from_utf8_lossy(&pods).lines().for_each(remove_pod_cgroup);
    }
}

/// Podman 4.3 leaves a pod's cgroup behind on a hybrid machine, in the v2 hierarchy.
fn remove_pod_cgroup(pod: &str) {
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let _ = std::fs::remove_dir(hierarchy.path().join("libpod_parent").join(pod));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn it_answers_and_leaves_nothing_behind() {
        let podman = Podman::start();
        let id = podman.run("web", &[]);
        assert_eq!(
            podman.expect(&["inspect", "--format", "{{.Id}} {{.State.Status}}", "web"]),
            format!("{id} running")
        );
        let other = podman.run("echo", &["--network", "none", "--", "sh", "-c", "echo hello; sleep 1000"]);
        wait_until(START, "its word", || podman.expect(&["logs", &other]) == "hello");
        let mut stream = std::os::unix::net::UnixStream::connect(podman.socket()).unwrap();
        stream.write_all(b"GET /containers/json HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains(&id) && reply.contains(&other), "{reply}");
        assert!(!podman.command(&["inspect", "nobody"]).status.success());
        let pid = podman.expect(&["inspect", "--format", "{{.State.Pid}}", &id]);
        let folder = podman.dir.path().to_owned();
        drop(podman);
        assert!(!folder.exists(), "{}", folder.display());
        assert!(!Path::new("/proc").join(pid).exists());
    }
}
