//! The contexts of the `docker` command: engines with names, in its folder of settings.
//!
//! A context is a file `contexts/meta/ID/meta.json` there, and `ca.pem`, `cert.pem` and `key.pem` in
//! `contexts/tls/ID/docker`, where ID is the SHA-256 of the context's name (`cli/context/store` of docker/cli). The
//! context `default` has no file: it is what `DOCKER_HOST` says, or the usual socket.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::surroundings::{DOCKER_HOST, Found, Surroundings, docker_host, existing, system_socket};
use crate::{Certificates, Endpoint, EndpointError, files};

/// The context that always exists.
pub(crate) const DEFAULT: &str = "default";

/// How many contexts are looked at to list their names.
const MAX_CONTEXTS: usize = 256;

/// Why a context gives no engine. Each message is one line that says what to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// Nobody made a context of that name.
    #[error("there is no docker context {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Its file, or that of the settings, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Its file is not what the `docker` command writes.
    #[error("{} {problem}; mend it, or make the context anew (docker context create)", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address is none, or none that this program knows.
    #[error("{origin}: {source}")]
    Endpoint {
        /// Who names the address: `DOCKER_HOST` or a context.
        origin: String,
        /// What is wrong with it.
        source: EndpointError,
    },
}

/// The engine of a context, as `docker --context NAME` would take it.
///
/// # Errors
/// See [`ContextError`].
pub fn context(surroundings: &Surroundings, name: &str) -> Result<Found, ContextError> {
    if name == DEFAULT {
        return match docker_host(surroundings) {
            Some(found) => {
                found.map_err(|source| ContextError::Endpoint { origin: DOCKER_HOST.to_owned(), source })
            }
            None => Ok(system_socket(surroundings)),
        };
    }
    let unknown = || ContextError::Unknown { name: name.to_owned(), known: contexts(surroundings) };
    let folder = surroundings.docker_folder().ok_or_else(unknown)?.join("contexts");
    let id = format!("{:x}", Sha256::digest(name));
    let path = folder.join("meta").join(&id).join("meta.json");
    let meta = json(&path)?.ok_or_else(unknown)?;
    let docker = meta.pointer("/Endpoints/docker");
    let Some(host) = docker.and_then(|docker| docker.get("Host")?.as_str()).filter(|host| !host.is_empty())
    else {
        return Err(ContextError::Broken { path, problem: "names no engine (Endpoints.docker.Host)" });
    };
    let origin = format!("context {name}");
    let endpoint: Endpoint =
        host.parse().map_err(|source| ContextError::Endpoint { origin: origin.clone(), source })?;
    let tls = folder.join("tls").join(&id).join("docker");
    let skip = docker.and_then(|docker| docker.get("SkipTLSVerify")?.as_bool()).unwrap_or(false);
    let certificates = Certificates {
        ca: existing(tls.join("ca.pem")),
        certificate: existing(tls.join("cert.pem")),
        key: existing(tls.join("key.pem")),
        verify: !skip,
    };
    let endpoint = match certificates == Certificates::default() {
        true => endpoint,
        false => endpoint.with_tls(certificates),
    };
    Ok(Found { qualifier: name.to_owned(), ..Found::new(endpoint, &origin) })
}

/// The names of all contexts, `default` first. One whose file is broken is left out.
pub fn contexts(surroundings: &Surroundings) -> Vec<String> {
    let folder = surroundings.docker_folder().map(|folder| folder.join("contexts/meta"));
    let folders = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let metas =
        folders.take(MAX_CONTEXTS).filter_map(|folder| json(&folder.path().join("meta.json")).ok()?);
    let mut names: Vec<String> =
        metas.filter_map(|meta| Some(meta.get("Name")?.as_str()?.to_owned())).collect();
    names.retain(|name| name != DEFAULT);
    names.sort_unstable();
    names.insert(0, DEFAULT.to_owned());
    names
}

/// The context that `docker context use` chose, if any.
pub(crate) fn current(surroundings: &Surroundings) -> Result<Option<String>, ContextError> {
    let Some(folder) = surroundings.docker_folder() else { return Ok(None) };
    let settings = json(&folder.join("config.json"))?;
    let name = settings.as_ref().and_then(|settings| settings.get("currentContext")?.as_str());
    Ok(name.filter(|name| !name.is_empty()).map(str::to_owned))
}

/// The file's JSON; `None` if there is no such file.
fn json(path: &Path) -> Result<Option<Value>, ContextError> {
    let bytes = match files::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ContextError::Unreadable { path: path.to_owned(), source }),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(ContextError::Broken { path: path.to_owned(), problem: "is no valid JSON" }),
    }
}
