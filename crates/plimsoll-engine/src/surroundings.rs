//! What decides where engines are: the variables and folders of the `docker` and `podman` commands, and how the first
//! reads an address.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Certificates, Endpoint, EndpointError, Flavour};

/// The variable that names the `docker` command's engine.
pub(crate) const DOCKER_HOST: &str = "DOCKER_HOST";

/// The variable that names Podman's engine.
pub(crate) const CONTAINER_HOST: &str = "CONTAINER_HOST";

/// The ports of `tcp://host` without a port, as the `docker` command completes it: without and with TLS.
const DOCKER_PORTS: [u16; 2] = [2375, 2376];

/// Where the `docker` command looks when nothing else is said.
pub(crate) const SYSTEM_SOCKET: &str = "var/run/docker.sock";

/// What decides where engines are: the variables that the `docker` and `podman` commands read, and the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The user's home folder (`HOME`).
    pub home: Option<PathBuf>,
    /// The user's number.
    pub uid: u32,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of the `docker` command's settings; `~/.docker` if absent.
    pub docker_config: Option<PathBuf>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// Whether `DOCKER_TLS_VERIFY` is set and not empty; what it says does not matter to `docker` either.
    pub docker_tls_verify: bool,
    /// `DOCKER_CERT_PATH`: the folder of `ca.pem`, `cert.pem` and `key.pem`; the folder of settings if absent.
    pub docker_cert_path: Option<PathBuf>,
    /// Podman's `CONTAINER_HOST`.
    pub container_host: Option<String>,
    /// Where the file system begins: `/`, or another folder in tests and where the host's is mounted.
    pub root: PathBuf,
}

/// User 0 on the real file system, with no variable set.
impl Default for Surroundings {
    fn default() -> Self {
        Self {
            home: None,
            uid: 0,
            xdg_runtime_dir: None,
            docker_config: None,
            docker_host: None,
            docker_context: None,
            docker_tls_verify: false,
            docker_cert_path: None,
            container_host: None,
            root: PathBuf::from("/"),
        }
    }
}

impl Surroundings {
    /// An engine that somebody named by its address, with TLS where the `docker` command would use it: at `https://`, and
    /// at `tcp://` if `DOCKER_TLS_VERIFY` says so. `origin` is who named it, for logs.
    pub fn named(&self, endpoint: Endpoint, origin: &str) -> Found {
        let tls = self.docker_tls_verify || matches!(endpoint, Endpoint::Tls { .. });
        let endpoint = if tls { endpoint.with_tls(docker_certificates(self)) } else { endpoint };
        Found::new(endpoint, origin)
    }

    pub(crate) fn docker_folder(&self) -> Option<PathBuf> {
        self.docker_config.clone().or_else(|| Some(self.home.as_ref()?.join(".docker")))
    }
}

/// An engine that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What its place suggests it is; absent where nothing does, as with most remote ones.
    pub flavour: Option<Flavour>,
    /// What tells it from others of its flavour: empty for a system-wide one, `1000` for the user's of that number,
    /// `colima`, `orbstack`, `desktop`, `rancher`, `machine` (Podman's), a context's name, or a host.
    pub qualifier: String,
    /// How it was found, for logs: `DOCKER_HOST`, `context prod`, `the usual place`.
    pub origin: String,
}

impl Found {
    /// An engine that somebody named, with what its address tells: the qualifier is the host, or the socket's own name.
    pub fn new(endpoint: Endpoint, origin: &str) -> Self {
        let (flavour, qualifier) = match &endpoint {
            Endpoint::Unix(path) => (Flavour::of_socket(&real(path).to_string_lossy()), socket_name(path)),
            Endpoint::Tcp { host, .. } | Endpoint::Tls { host, .. } => (None, host.clone()),
            Endpoint::Ssh(ssh) => (ssh.socket.as_deref().and_then(Flavour::of_socket), ssh.host.clone()),
        };
        Self { endpoint, flavour, qualifier, origin: origin.to_owned() }
    }

    /// Whether the settings of the `docker` command name it, so that this command would talk to no other.
    pub fn is_dockers_choice(&self) -> bool {
        self.origin != USUAL && self.origin != CONTAINER_HOST
    }

    /// The same for the same engine, by whatever name its socket goes.
    pub(crate) fn identity(&self) -> String {
        match &self.endpoint {
            Endpoint::Unix(path) => real(path).display().to_string(),
            other => other.to_string(),
        }
    }
}

/// The engine of `DOCKER_HOST`, if it is set.
pub(crate) fn docker_host(surroundings: &Surroundings) -> Option<Result<Found, EndpointError>> {
    let text = surroundings.docker_host.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
    let endpoint = as_docker_reads(text, surroundings.docker_tls_verify);
    Some(endpoint.map(|endpoint| surroundings.named(endpoint, DOCKER_HOST)))
}

/// The address, with the abbreviations that the `docker` command understands: no port, or no `tcp://`.
fn as_docker_reads(text: &str, tls: bool) -> Result<Endpoint, EndpointError> {
    let port = DOCKER_PORTS[usize::from(tls)];
    text.parse().or_else(|error| {
        let url = if text.contains("://") { text.to_owned() } else { format!("tcp://{text}") };
        let tcp = url.starts_with("tcp://");
        let complete = format!("{}:{port}", url.trim_end_matches('/'));
        let completed = url.parse().or_else(|_| complete.parse());
        if tcp { completed.map_err(|_| error) } else { Err(error) }
    })
}

fn docker_certificates(surroundings: &Surroundings) -> Certificates {
    let folder = surroundings.docker_cert_path.clone().filter(|path| !path.as_os_str().is_empty());
    let Some(folder) = folder.or_else(|| surroundings.docker_folder()) else {
        return Certificates::default();
    };
    Certificates {
        // If it is missing, connecting says so.
        ca: Some(folder.join("ca.pem")),
        certificate: existing(folder.join("cert.pem")),
        key: existing(folder.join("key.pem")),
        verify: true,
    }
}

/// The usual socket, whether it exists or not.
pub(crate) fn system_socket(surroundings: &Surroundings) -> Found {
    let path = surroundings.root.join(SYSTEM_SOCKET);
    Found { qualifier: String::new(), ..Found::new(Endpoint::Unix(path), USUAL) }
}

pub(crate) const USUAL: &str = "the usual place";

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What tells a socket from others: its own name, or, where that says nothing, its folder's.
fn socket_name(path: &Path) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let own = stem(path).filter(|stem| !["docker", "podman"].contains(&stem.as_str()));
    own.or_else(|| stem(path.parent()?)).unwrap_or_default()
}

pub(crate) fn existing(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}
