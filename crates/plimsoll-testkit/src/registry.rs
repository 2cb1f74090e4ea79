//! A registry of images of its own, on a loopback port, which engines talk to without TLS.
//!
//! It needs `docker-registry` (Debian: `docker-registry`).

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use crate::docker::try_docker;
use crate::wait_until;

/// It starts in a fraction of a second on a quiet machine.
const START: Duration = Duration::from_secs(30);

/// How often another port is tried, where somebody else was faster to take the one that was free.
const TRIES: u32 = 5;

/// A registry. It and its images are gone when this is dropped.
#[derive(Debug)]
pub struct Registry {
    dir: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Registry {
    /// Starts an empty registry.
    ///
    /// # Panics
    /// If it is not there, or does not start; the text says what it said.
    #[must_use]
    pub fn start() -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            match Self::try_start() {
                Ok(registry) => return registry,
                Err(log) => said = log,
            }
        }
        panic!("docker-registry does not start: {said}");
    }

    fn try_start() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let path = dir.path().display();
        let configuration = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {path}/images}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n"
        );
        let file = dir.path().join("registry.yml");
        std::fs::write(&file, configuration).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(file).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("docker-registry: {error}; install it (Debian: apt-get install docker-registry)")
        });
        let mut registry = Self { dir, port, process };
        let mut ended = false;
        wait_until(START, "the registry to listen", || {
            ended = registry.process.try_wait().unwrap().is_some();
            ended || registry.answers()
        });
        let log = || std::fs::read_to_string(registry.dir.path().join("log")).unwrap_or_default();
        if ended { Err(log()) } else { Ok(registry) }
    }

    /// Whether somebody answers there as a registry does.
    fn answers(&self) -> bool {
        let mut answer = String::new();
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n")?;
            stream.read_to_string(&mut answer)
        });
        asked.is_ok() && answer.contains("registry/2.0")
    }

    /// The reference of an image here: `127.0.0.1:PORT/NAME`.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Pushes an image that Docker has, under another name, which Docker then forgets.
    ///
    /// # Panics
    /// If Docker does not do it.
    pub fn push(&self, image: &str, name: &str) -> String {
        let reference = self.reference(name);
        for args in [&["tag", image, &reference][..], &["push", "--quiet", &reference], &["rmi", &reference]]
        {
            try_docker(args).unwrap_or_else(|error| panic!("{error}"));
        }
        reference
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
