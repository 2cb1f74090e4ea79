//! Containers of a real Docker, through its command line.
//!
//! The command finds its engine as it does for a user (`DOCKER_HOST`, contexts). Tests that need an engine ask
//! [`available`] first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The image of all tests: a static busybox with links to it, imported from this machine's `/bin/busybox`.
pub const IMAGE: &str = "plimsoll-test:busybox";

/// Runs `docker` with these arguments and gives what it printed, without white space at the ends.
///
/// # Errors
/// With what it printed to standard error, if it fails or is not there.
pub fn try_docker(args: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(args).output().map_err(|error| format!("docker: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("docker {}: {}: {}", args.join(" "), output.status, text(&output.stderr)))
    }
}

/// As [`try_docker`].
///
/// # Panics
/// If the command fails.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    try_docker(args).unwrap_or_else(|error| panic!("{error}"))
}

/// True if there is a `docker` command and an engine that answers it.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| try_docker(&["version", "--format", "{{.Server.Version}}"]).is_ok())
}

/// Makes [`IMAGE`] if the engine does not have it.
///
/// # Panics
/// If there is no static `/bin/busybox` (Debian: `busybox-static`), or the import fails.
pub fn ensure_image() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        if try_docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]).is_ok() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        docker(&["import", image_archive(dir.path()).to_str().unwrap(), IMAGE]);
    });
}

/// Packs [`IMAGE`] into an archive in this directory, to be imported by an engine.
pub(crate) fn image_archive(dir: &Path) -> PathBuf {
    let (root, archive) = (dir.join("root"), dir.join("image.tar"));
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
    let tar = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".").output().unwrap();
    assert!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
    archive
}

/// A name that no other test uses: `plimsoll-test-<pid>-<n>-<name>`.
pub fn unique_name(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("plimsoll-test-{}-{}-{name}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A container that is removed by force when this is dropped.
#[derive(Debug)]
pub struct Container {
    id: String,
    name: String,
}

impl Container {
    /// Starts a container of [`IMAGE`] in the background (`docker run -d`), with these options and this command.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn run(name: &str, options: &[&str], command: &[&str]) -> Self {
        Self::make(&["run", "-d"], name, options, command)
    }

    /// Creates a container without starting it (`docker create`).
    ///
    /// # Panics
    /// If it cannot be created.
    #[track_caller]
    pub fn create(name: &str, options: &[&str], command: &[&str]) -> Self {
        Self::make(&["create"], name, options, command)
    }

    #[track_caller]
    fn make(verb: &[&str], name: &str, options: &[&str], command: &[&str]) -> Self {
        ensure_image();
        let name = unique_name(name);
        // First the guard: `docker run` can leave a container behind although it fails.
        let mut container = Self { id: String::new(), name };
        let named = ["--name", &container.name];
        container.id = docker(&[verb, &named, options, &[IMAGE], command].concat());
        container
    }

    /// The full id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole name, as the engine has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `docker <verb…> <this container>`, for example `&["stop", "-t", "0"]`.
    ///
    /// # Panics
    /// If the command fails.
    #[track_caller]
    pub fn docker(&self, verb: &[&str]) -> String {
        docker(&[verb, &[self.name.as_str()]].concat())
    }

    /// Runs a command in it and gives what it printed.
    ///
    /// # Panics
    /// If the command fails.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> String {
        docker(&[&["exec", self.name.as_str()], command].concat())
    }

    /// What the engine knows about it, through a template such as `{{.State.Pid}}`.
    ///
    /// # Panics
    /// If the command fails.
    #[track_caller]
    pub fn inspect(&self, template: &str) -> String {
        self.docker(&["inspect", "--format", template])
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // By name: it also finds what `docker run` created and could not start. One that is gone is what we want.
        match try_docker(&["rm", "-f", "-v", &self.name]) {
            Err(error) if !error.contains("No such container") => eprintln!("{error}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        assert_ne!(unique_name("web"), unique_name("web"));
    }

    #[test]
    fn a_container_lives_as_long_as_its_guard() {
        if !available() {
            return;
        }
        let container = Container::run("guard", &["--network", "none"], &["sleep", "1000"]);
        assert_eq!(container.inspect("{{.Id}} {{.State.Status}}"), format!("{} running", container.id()));
        assert_eq!(container.exec(&["echo", "hello"]), "hello");
        let name = container.name().to_owned();
        drop(container);
        assert!(try_docker(&["inspect", &name]).is_err());
    }
}
