//! What the fake engine knows, and its answers.

use serde_json::{Value, json};

use super::container::FakeContainer;
use super::stats::AllStats;
use super::{Behaviour, HOST_MEMORY, IMAGE_SIZE};
use crate::http::Head;

/// Podman's own path for who is in which pod, in the version that clients ask for.
const MEMBERS: &str = "/v4.0.0/libpod/containers/json";

#[derive(Debug)]
pub(super) struct State {
    pub(super) containers: Vec<FakeContainer>,
    pub(super) behaviours: Vec<(String, Behaviour)>,
    pub(super) requests: Vec<(String, String)>,
    pub(super) connections: usize,
    pub(super) api: (u16, u16),
    pub(super) least: (u16, u16),
    /// The events of the past with their times, for those who ask what they missed.
    pub(super) history: Vec<(u64, Vec<u8>)>,
    /// How it calls itself; every fake has another.
    pub(super) id: String,
    /// The release of the kernel that it says it runs on: this one, unless told otherwise.
    pub(super) kernel: String,
    pub(super) stats: AllStats,
}

/// The moment in `since=SECONDS.NANOSECONDS`, in nanoseconds.
pub(super) fn since(path: &str) -> Option<u64> {
    let (_, value) = path.split_once("since=")?;
    let (seconds, nanos) = value.split('&').next().unwrap().split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + nanos.parse::<u64>().ok()?)
}

/// `/v1.41/info?x` is version 1.41 and path `/info`.
pub(super) fn split_version(path: &str) -> (Option<(u16, u16)>, String) {
    let path = path.split('?').next().unwrap();
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, rest) = rest.split_once('/')?;
        let (major, minor) = version.split_once('.')?;
        Some(((major.parse().ok()?, minor.parse().ok()?), format!("/{rest}")))
    });
    match versioned {
        Some((version, path)) => (Some(version), path),
        None => (None, path.to_owned()),
    }
}

impl State {
    pub(super) fn answer(&self, head: &Head, version: Option<(u16, u16)>, path: &str) -> (u16, String) {
        let message = |status, text: String| (status, json!({ "message": text }).to_string());
        let Self { api, least, .. } = self;
        let shown = |(major, minor): (u16, u16)| format!("{major}.{minor}");
        match version {
            Some(asked) if asked > *api => {
                let (asked, api) = (shown(asked), shown(*api));
                let text =
                    format!("client version {asked} is too new. Maximum supported API version is {api}");
                return message(400, text);
            }
            // This one is plain text, as in the real engine.
            Some(asked) if asked < *least => {
                let (asked, least) = (shown(asked), shown(*least));
                let text = format!(
                    "client version {asked} is too old. Minimum supported API version is {least}, please upgrade your \
                     client to a newer version\n"
                );
                return (400, text);
            }
            _ => {}
        }
        if head.method != "GET" {
            return message(405, "the fake engine only reads".to_owned());
        }
        match path {
            "/_ping" => (200, "OK".to_owned()),
            "/version" => (200, self.version_json().to_string()),
            "/info" => (200, self.info_json().to_string()),
            "/events" => (200, String::new()),
            "/images/json" => (200, self.images_json().to_string()),
            MEMBERS => {
                let members = self.containers.iter().map(FakeContainer::member_json);
                (200, Value::Array(members.collect()).to_string())
            }
            "/containers/json" => {
                let all = head.path.contains("all=1") || head.path.contains("all=true");
                let shown = self.containers.iter().filter(|container| all || container.pid > 0);
                let api = version.unwrap_or(*api);
                (200, Value::Array(shown.map(|container| container.summary_json(api)).collect()).to_string())
            }
            _ => {
                let id = |kind: &str| path.strip_prefix(kind).and_then(|rest| rest.strip_suffix("/json"));
                if let Some(id) = id("/containers/") {
                    match self.containers.iter().find(|container| container.id == id || container.name == id)
                    {
                        Some(container) => (200, container.details_json().to_string()),
                        None => message(404, format!("No such container: {id}")),
                    }
                } else if let Some(id) = id("/images/") {
                    let image =
                        self.containers.iter().find(|known| known.image == id || known.image_id == id);
                    match image {
                        Some(container) => (200, image_json(container).to_string()),
                        None => message(404, format!("No such image: {id}")),
                    }
                } else {
                    message(404, "page not found".to_owned())
                }
            }
        }
    }

    /// Each image once, in the order of the containers.
    fn images_json(&self) -> Value {
        let mut images: Vec<Value> = Vec::new();
        for FakeContainer { image, image_id, .. } in &self.containers {
            if images.iter().all(|known| known["Id"] != **image_id) {
                images.push(json!({
                    "Id": image_id, "ParentId": "", "RepoTags": [image], "RepoDigests": null, "Created": 1_700_000_000,
                    "Size": IMAGE_SIZE, "VirtualSize": IMAGE_SIZE, "SharedSize": -1, "Labels": null, "Containers": -1,
                }));
            }
        }
        images.into()
    }

    fn version_json(&self) -> Value {
        json!({
            "Platform": {"Name": ""}, "Version": "0.0.0-fake", "ApiVersion": format!("{}.{}", self.api.0, self.api.1),
            "MinAPIVersion": format!("{}.{}", self.least.0, self.least.1), "Os": "linux", "Arch": "amd64",
            "KernelVersion": self.kernel,
        })
    }

    fn info_json(&self) -> Value {
        json!({
            "ID": self.id, "Name": "host-1", "Containers": self.containers.len(), "Driver": "overlay2",
            "CgroupDriver": "cgroupfs", "CgroupVersion": "2", "NCPU": 2, "MemTotal": HOST_MEMORY,
            "DockerRootDir": "/var/lib/docker", "ServerVersion": "0.0.0-fake",
            "SecurityOptions": ["name=seccomp,profile=default"], "OperatingSystem": "Fake", "OSType": "linux",
        })
    }
}

fn image_json(container: &FakeContainer) -> Value {
    json!({
        "Id": container.image_id, "RepoTags": [container.image], "RepoDigests": [],
        "Created": "2023-11-14T22:13:20Z", "Config": {"Labels": {"maintainer": "fake"}}, "Size": IMAGE_SIZE,
    })
}
