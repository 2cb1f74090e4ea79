//! Names without any socket: what engines write down for themselves.
//!
//! Where no engine may be asked, its containers can still be recognised by their cgroups, which give an id. The engines'
//! own files know the rest, and root may read them:
//!
//! | engine | file | what it knows |
//! |---|---|---|
//! | Docker | `containers/ID/config.v2.json` below its data root | all |
//! | Podman, CRI-O | `DRIVER-containers/containers.json` below the storage's root | name, image, creation |
//! | CRI-O | `DRIVER-containers/ID/userdata/config.json` below the storage's run root | pod and labels |
//! | containerd | `NAMESPACE/ID/config.json` below its task folder | name, image, pod |
//!
//! Podman keeps labels and pods in a data base, so these are not to be had here. What pods are called stands among the
//! labels, under the names that Kubernetes uses everywhere: `io.kubernetes.pod.name` and the like.
//!
//! ```no_run
//! use std::path::Path;
//! use plimsoll_engine::StateFiles;
//!
//! let files = StateFiles::usual(Path::new("/"), [Path::new("/home/me")]);
//! if let Some(identity) = files.find("4e9cbdb5459bd37b25b5e16003c71dbe673852d5699c296980221b36d8d3c0be") {
//!     println!("{:?} of {:?}", identity.name, identity.image);
//! }
//! ```
//!
//! Everything here reads with `std::fs`: call it where blocking is allowed. A file that is missing, forbidden, larger than
//! its bound or no JSON is the same as one that does not know the container. Of several places that know one, the first is
//! believed, and the host's come before those of its users, who could write there what they like.

pub(crate) mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file about one container that is read, in bytes. Ordinary ones have ten thousand.
pub const MAX_STATE_FILE: u64 = 1024 * 1024;

/// The largest file about all containers that is read, in bytes: some ten thousand containers.
pub const MAX_STATE_LIST: u64 = 32 * 1024 * 1024;

/// How many folders are looked into at each place that has one for each storage driver or namespace.
const MAX_FOLDERS: usize = 64;

/// What a container is called and made of, as far as its engine's files say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its name without a leading `/`. For containers of Kubernetes `k8s_CONTAINER_POD_NAMESPACE`, and more after it
    /// where the engine itself names it so.
    pub name: Option<String>,
    /// The image as it was asked for.
    pub image: Option<String>,
    /// Its labels, and what is known of its pod.
    pub labels: BTreeMap<String, String>,
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created: Option<u64>,
}

impl Identity {
    /// With what this one does not know from another. Lists know whole names, bundles the parts.
    fn completed_by(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            name: self.name.or(other.name),
            image: other.image.or(self.image),
            labels: other.labels,
            created: other.created.or(self.created),
        }
    }
}

/// Where the engines' files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateFiles {
    /// Data roots of Docker.
    pub docker: Vec<PathBuf>,
    /// Roots and run roots of the storage that Podman and CRI-O use.
    pub storage: Vec<PathBuf>,
    /// Task folders of containerd.
    pub tasks: Vec<PathBuf>,
}

impl StateFiles {
    /// The usual places below `root`, where the host's file system is, and below the homes of users whose engines run
    /// without root, as the host calls them.
    pub fn usual<'a>(root: &Path, homes: impl IntoIterator<Item = &'a Path>) -> Self {
        let below = |path: &str| root.join(path);
        let mut files = Self {
            docker: vec![below("var/lib/docker"), below("var/snap/docker/common/var-lib-docker")],
            storage: vec![below("var/lib/containers/storage"), below("run/containers/storage")],
            tasks: vec![
                below("run/containerd/io.containerd.runtime.v2.task"),
                below("run/k3s/containerd/io.containerd.runtime.v2.task"),
            ],
        };
        for home in homes {
            let share = root.join(home.strip_prefix("/").unwrap_or(home)).join(".local/share");
            files.docker.push(share.join("docker"));
            files.storage.push(share.join("containers/storage"));
        }
        files
    }

    /// What is known about one container, by its full id.
    pub fn find(&self, id: &str) -> Option<Identity> {
        self.find_all([id]).remove(id)
    }

    /// What is known about these containers, by their full ids; each list is read once for all of them.
    pub fn find_all<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Identity> {
        let mut found: BTreeMap<&str, Identity> = BTreeMap::new();
        for id in ids.into_iter().filter(|id| is_id(id)) {
            found.insert(id, Identity::default());
        }
        let storage: Vec<PathBuf> =
            self.storage.iter().flat_map(|root| folders(root, "-containers")).collect();
        let tasks: Vec<PathBuf> = self.tasks.iter().flat_map(|root| folders(root, "")).collect();
        // Those of which a list has nothing to add.
        let mut settled = BTreeSet::new();
        for (&id, identity) in &mut found {
            let docker =
                self.docker.iter().map(|root| root.join("containers").join(id).join("config.v2.json"));
            let containerd = tasks.iter().map(|folder| folder.join(id).join("config.json"));
            let stored = storage.iter().map(|folder| folder.join(id).join("userdata/config.json"));
            if let Some(known) = first(docker, parse::docker).or_else(|| first(containerd, parse::bundle)) {
                *identity = known;
                settled.insert(id);
            } else {
                *identity = first(stored, parse::bundle).unwrap_or_default();
            }
        }
        for folder in &storage {
            for list in ["containers.json", "volatile-containers.json"] {
                let list = read(&folder.join(list), MAX_STATE_LIST);
                for (id, stored) in list.as_deref().map(parse::storage).unwrap_or_default() {
                    if let Some((&id, identity)) = found.get_key_value(id.as_str())
                        && settled.insert(id)
                    {
                        let identity = stored.completed_by(identity);
                        found.insert(id, identity);
                    }
                }
            }
        }
        let known = found.into_iter().filter(|(_, identity)| *identity != Identity::default());
        known.map(|(id, identity)| (id.to_owned(), identity)).collect()
    }
}

/// How often the restart policy of Docker has started containers again, by their full ids, from what Docker writes down below
/// its data root: its listings do not tell, and an inspection of each container costs Docker work. A container of which the
/// files do not tell is not among them. Blocks, as everything here.
pub fn docker_restarts<'a>(root: &Path, ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let restarts = |id: &str| {
        let path = root.join("containers").join(id).join("config.v2.json");
        parse::docker_restarts(&read(&path, MAX_STATE_FILE)?, id)
    };
    let ids = ids.into_iter().filter(|id| is_id(id));
    ids.filter_map(|id| Some((id.to_owned(), restarts(id)?))).collect()
}

/// What the first of these files that knows the container says.
fn first(mut paths: impl Iterator<Item = PathBuf>, parse: fn(&[u8]) -> Option<Identity>) -> Option<Identity> {
    paths.find_map(|path| parse(&read(&path, MAX_STATE_FILE)?))
}

/// An id becomes part of a path: nothing else may pass. containerd takes names as ids too.
fn is_id(id: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !id.is_empty() && id.len() <= 256 && !id.starts_with('.') && id.bytes().all(good)
}

/// The folders in this one whose names end so.
fn folders(root: &Path, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let entries = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(end));
    entries.take(MAX_FOLDERS).map(|entry| entry.path()).collect()
}

/// The whole file, if it is a file and no larger than this.
fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    // A pipe in its place would block for ever.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let read = File::open(path).ok()?.take(limit + 1).read_to_end(&mut bytes).ok()?;
    u64::try_from(read).is_ok_and(|read| read <= limit).then_some(bytes)
}

#[cfg(test)]
mod tests;
