//! Which engines there are on this machine, and those that the user's settings name.
//!
//! First comes the engine that the `docker` command would talk to, then Podman's remote one, then whatever listens in one
//! of the usual places. Nothing is connected to: a socket that exists is an engine that may be there. The environment is an
//! argument, [`Surroundings`], because only the program reads it.
//!
//! ```no_run
//! use plimsoll_engine::{Surroundings, discover};
//!
//! let surroundings = Surroundings {
//!     home: Some("/home/me".into()),
//!     docker_host: Some("ssh://me@build.example".to_owned()),
//!     ..Surroundings::default()
//! };
//! let discovery = discover(&surroundings);
//! for found in &discovery.found {
//!     println!("{} ({})", found.endpoint, found.origin);
//! }
//! for problem in &discovery.problems {
//!     println!("{problem}");
//! }
//! ```

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::context::{self, ContextError, DEFAULT};
use crate::surroundings::{CONTAINER_HOST, DOCKER_HOST, SYSTEM_SOCKET, USUAL, docker_host};
use crate::{Endpoint, Flavour, Found, Surroundings};

/// How many engines are found at most. What is beyond is a [`Problem`].
pub const MAX_ENGINES: usize = 32;

/// How many entries of one folder are looked at.
const MAX_ENTRIES: usize = 1024;

/// Something in the settings that is wrong, and what to do about it, in one line. It does not hide other engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is: `DOCKER_HOST`, `context prod`.
    pub subject: String,
    /// What is wrong, and what to try.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What [`discover`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// The engines, the `docker` command's own first if the settings name one. No two of one flavour have the same
    /// qualifier.
    pub found: Vec<Found>,
    /// What is wrong in the settings.
    pub problems: Vec<Problem>,
}

/// The places where system-wide engines listen, below the root, and those of users. The star stands for what tells one
/// from another.
const SYSTEM_PLACES: [(&str, &str); 5] = [
    (SYSTEM_SOCKET, ""),
    ("run/docker.sock", ""),
    ("run/podman/podman.sock", ""),
    ("run/user/*/docker.sock", ""),
    ("run/user/*/podman/podman.sock", ""),
];

/// Below `XDG_RUNTIME_DIR`. The last is Podman's machine (a virtual machine) on Linux.
const RUNTIME_PLACES: [&str; 2] = ["docker.sock", "podman/podman.sock"];
const RUNTIME_MACHINES: (&str, &str) = ("podman/*-api.sock", "machine");

/// Below the home folder, with their qualifiers. `/tmp` and its like are left out on purpose: anybody may listen there.
const HOME_PLACES: [(&str, &str); 10] = [
    (".docker/run/docker.sock", "desktop"),
    (".docker/desktop/docker.sock", "desktop"),
    (".colima/docker.sock", "colima"),
    (".colima/*/docker.sock", "colima"),
    (".config/colima/*/docker.sock", "colima"),
    (".orbstack/run/docker.sock", "orbstack"),
    (".rd/docker.sock", "rancher"),
    (".local/share/containers/podman/machine/podman.sock", "machine"),
    (".local/share/containers/podman/machine/*/podman.sock", "machine"),
    (".local/share/containers/podman/machine/*/*/podman.sock", "machine"),
];

/// Folders in the place of a star that name no instance: the first one of its program, or a kind of virtual machine.
const PLAIN: [&str; 7] = ["default", "podman-machine-default", "qemu", "applehv", "libkrun", "wsl", "hyperv"];

/// Looks for engines. It reads folders and small files and connects to nothing.
pub fn discover(surroundings: &Surroundings) -> Discovery {
    let mut search = Search::default();
    search.settings(&chooser(surroundings), chosen(surroundings));
    search.settings(CONTAINER_HOST, container_host(surroundings));
    for (pattern, qualifier) in SYSTEM_PLACES {
        search.places(&surroundings.root, pattern, qualifier);
    }
    if let Some(folder) = &surroundings.xdg_runtime_dir {
        for pattern in RUNTIME_PLACES {
            search.places(folder, pattern, &surroundings.uid.to_string());
        }
        search.places(folder, RUNTIME_MACHINES.0, RUNTIME_MACHINES.1);
    }
    if let Some(folder) = &surroundings.home {
        for (pattern, qualifier) in HOME_PLACES {
            search.places(folder, pattern, qualifier);
        }
    }
    search.end()
}

/// The engine that the settings choose for the `docker` command; `None` where they leave it the usual socket.
fn chosen(surroundings: &Surroundings) -> Option<Result<Found, ContextError>> {
    if let Some(found) = docker_host(surroundings) {
        let origin = || DOCKER_HOST.to_owned();
        return Some(found.map_err(|source| ContextError::Endpoint { origin: origin(), source }));
    }
    let name = match surroundings.docker_context.clone().filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(name)),
        None => context::current(surroundings),
    };
    match name {
        Ok(name) => {
            let name = name.filter(|name| name != DEFAULT)?;
            Some(context::context(surroundings, &name))
        }
        Err(error) => Some(Err(error)),
    }
}

/// What chooses it, for whoever has to find the mistake.
fn chooser(surroundings: &Surroundings) -> String {
    let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    match &surroundings.docker_context {
        _ if is_set(&surroundings.docker_host) => DOCKER_HOST.to_owned(),
        Some(name) if !name.is_empty() => format!("context {name}"),
        _ => "currentContext".to_owned(),
    }
}

fn container_host(surroundings: &Surroundings) -> Option<Result<Found, ContextError>> {
    let origin = CONTAINER_HOST;
    let text = surroundings.container_host.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
    let found = match text.parse() {
        Ok(endpoint) => Ok(Found { flavour: Some(Flavour::Podman), ..Found::new(endpoint, origin) }),
        Err(source) => Err(ContextError::Endpoint { origin: origin.to_owned(), source }),
    };
    Some(found)
}

#[derive(Default)]
struct Search {
    /// Each with its identity.
    found: Vec<(String, Found)>,
    problems: Vec<Problem>,
    left_out: usize,
}

impl Search {
    fn settings(&mut self, subject: &str, outcome: Option<Result<Found, ContextError>>) {
        match outcome {
            Some(Ok(found)) => self.add(found),
            Some(Err(error)) => {
                self.problems.push(Problem { subject: subject.to_owned(), text: error.to_string() });
            }
            None => {}
        }
    }

    fn places(&mut self, base: &Path, pattern: &str, qualifier: &str) {
        for (path, star) in expand(base, pattern) {
            if is_socket(&path) {
                let qualifier = match star.as_str() {
                    "" => qualifier.to_owned(),
                    star if qualifier.is_empty() => star.to_owned(),
                    star if PLAIN.contains(&star) => qualifier.to_owned(),
                    star => format!("{qualifier}-{star}"),
                };
                self.add(Found { qualifier, ..Found::new(Endpoint::Unix(path), USUAL) });
            }
        }
    }

    fn add(&mut self, found: Found) {
        let identity = found.identity();
        if let Some((_, same)) = self.found.iter_mut().find(|(other, _)| *other == identity) {
            // The name of an engine should not change with what `docker` is set to at the moment.
            if found.origin == USUAL && same.origin != USUAL {
                same.qualifier = found.qualifier;
            }
            same.flavour = same.flavour.or(found.flavour);
        } else if self.found.len() < MAX_ENGINES {
            self.found.push((identity, found));
        } else {
            self.left_out += 1;
        }
    }

    fn end(mut self) -> Discovery {
        if self.left_out > 0 {
            let text = format!(
                "more than {MAX_ENGINES} engines were found and {} left out; name those to watch",
                self.left_out
            );
            self.problems.push(Problem { subject: "engines".to_owned(), text });
        }
        let mut found: Vec<Found> = Vec::with_capacity(self.found.len());
        for (_, mut next) in self.found {
            let wanted = next.qualifier.clone();
            let mut count = 1;
            while found.iter().any(|other| confusable(other, &next)) {
                count += 1;
                next.qualifier =
                    if wanted.is_empty() { count.to_string() } else { format!("{wanted}-{count}") };
            }
            found.push(next);
        }
        Discovery { found, problems: self.problems }
    }
}

/// True if the two could end up with the same name: what has no flavour yet may turn out to be of any.
fn confusable(one: &Found, other: &Found) -> bool {
    let same_flavour = one.flavour.is_none() || other.flavour.is_none() || one.flavour == other.flavour;
    same_flavour && one.qualifier == other.qualifier
}

/// The paths that a pattern stands for, each with what its (last) star stands for. Folders that cannot be read have none.
fn expand(base: &Path, pattern: &str) -> Vec<(PathBuf, String)> {
    let mut paths = vec![(base.to_owned(), String::new())];
    for part in pattern.split('/') {
        let Some((before, after)) = part.split_once('*') else {
            paths.iter_mut().for_each(|(path, _)| path.push(part));
            continue;
        };
        let mut next = Vec::new();
        for (folder, _) in paths {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten().take(MAX_ENTRIES);
            let mut names: Vec<String> =
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort_unstable();
            next.extend(names.into_iter().filter_map(|name| {
                let star = name.strip_prefix(before)?.strip_suffix(after)?.to_owned();
                Some((folder.join(name), star))
            }));
            next.truncate(MAX_ENTRIES);
        }
        paths = next;
    }
    paths
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(not(unix))]
fn is_socket(_: &Path) -> bool {
    false
}
