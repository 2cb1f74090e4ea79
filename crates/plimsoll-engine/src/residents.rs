//! What there is on an engine's host, for an inventory: containers with their networks and volumes, images with their
//! sizes. One request each, whatever the number of containers, and with the options that cost the engine least: sizes of
//! containers, which it would have to add up file by file, are not asked for.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::client::{Client, MAX_LISTING};
use crate::lenient::{Elements, Entries, Labels, Moment, Text, Texts, nested, scalar};
use crate::mounts::{Mount, MountWire, mount, text};
use crate::podman;
use crate::types::{Nothing, elements, usable_id, without_slash};
use crate::{MAX_INNER, Result};

/// All containers of an engine, with what they are connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residents {
    /// The containers, in the engine's order.
    pub containers: Vec<Resident>,
    /// Elements of the listing that could not be used: no object, or without a usable id.
    pub broken: usize,
}

/// A container and what it is connected to, as a listing tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// The full id.
    pub id: String,
    /// The name without its leading `/`.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id, for example `sha256:…`.
    pub image_id: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`, or Podman's words.
    pub state: String,
    /// The state in the engine's sentence: `Up 2 minutes`.
    pub status: String,
    /// When it was created, in nanoseconds since the Unix epoch; listings have whole seconds only.
    pub created: Option<u64>,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// The names of the networks that it is attached to.
    pub networks: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// Its ports.
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// The port in the container.
    pub private: u64,
    /// The port on the host; absent where it is not published.
    pub public: Option<u64>,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// The host's address that it is published at; empty where it is not.
    pub ip: String,
}

/// An image, as a listing shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSummary {
    /// The image's id, for example `sha256:…`.
    pub id: String,
    /// The references that point to it, for example `busybox:latest`.
    pub tags: Vec<String>,
    /// The references by content, for example `busybox@sha256:…`.
    pub digests: Vec<String>,
    /// Its size in bytes, layers that it shares with others included.
    pub size: Option<u64>,
    /// When it was built, in seconds since the Unix epoch.
    pub created: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ResidentWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    names: Texts,
    #[serde(deserialize_with = "scalar")]
    image: Option<Text>,
    #[serde(rename = "ImageID", deserialize_with = "scalar")]
    image_id: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    state: Option<String>,
    #[serde(deserialize_with = "scalar")]
    status: Option<String>,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    labels: Labels,
    #[serde(deserialize_with = "nested")]
    network_settings: NetworksWire,
    mounts: Elements<MountWire>,
    ports: Elements<PortWire>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct NetworksWire {
    networks: Entries<Nothing>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct PortWire {
    #[serde(rename = "PrivatePort", deserialize_with = "scalar")]
    private: Option<u64>,
    #[serde(rename = "PublicPort", deserialize_with = "scalar")]
    public: Option<u64>,
    #[serde(rename = "Type", deserialize_with = "scalar")]
    protocol: Option<String>,
    #[serde(rename = "IP", deserialize_with = "scalar")]
    ip: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ImageSummaryWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    repo_tags: Texts,
    repo_digests: Texts,
    #[serde(deserialize_with = "scalar")]
    size: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    created: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct LibpodWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    restarts: Option<u64>,
    mounts: Texts,
}

/// What Podman's own listing tells of a container that its Docker-compatible one does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibpodResident {
    /// How often its restart policy started it again; absent in older versions.
    pub restarts: Option<u64>,
    /// Whether anything is mounted into it. What that is, only an inspection tells.
    pub has_mounts: bool,
}

impl Client {
    /// Lists all containers with what they are connected to, in every state (`GET /containers/json?all=1`).
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn residents(&self) -> Result<Residents> {
        let (path, body) = self.get("/containers/json?all=1", MAX_LISTING).await?;
        residents(&body).ok_or_else(|| self.reply(&path, "it is no JSON array", &body))
    }

    /// Lists the images (`GET /images/json`).
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn images(&self) -> Result<Vec<ImageSummary>> {
        let (path, body) = self.get("/images/json", MAX_LISTING).await?;
        images(&body).ok_or_else(|| self.reply(&path, "it is no JSON array", &body))
    }

    /// What Podman tells of its containers beyond Docker's API, by id (`GET /libpod/containers/json?all=true`). Podman alone
    /// knows this path.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn libpod_residents(&self) -> Result<BTreeMap<String, LibpodResident>> {
        let path = podman::path("/containers/json?all=true");
        let body = self.transport.get(&path, MAX_LISTING).await?;
        libpod(&body).ok_or_else(|| self.reply(&path, "it is no JSON array", &body))
    }
}

fn texts(texts: Texts) -> Vec<String> {
    // What images without a name have in the place of one.
    let named = texts.items.into_iter().filter(|text| !text.as_str().starts_with("<none>"));
    named.map(Text::into_string).collect()
}

fn residents(body: &[u8]) -> Option<Residents> {
    let (wires, broken) = elements::<ResidentWire>(body)?;
    let mut residents = Residents { containers: Vec::with_capacity(wires.len()), broken };
    for wire in wires {
        match resident(wire) {
            Some(resident) => residents.containers.push(resident),
            None => residents.broken += 1,
        }
    }
    Some(residents)
}

fn resident(wire: ResidentWire) -> Option<Resident> {
    // Names of legacy links (`/other/alias`) are not its own.
    let names = wire.names.items;
    let own = names.iter().find(|name| !without_slash(name.as_str()).contains('/')).or_else(|| names.first());
    Some(Resident {
        id: usable_id(wire.id)?,
        name: own.map(|name| without_slash(name.as_str()).to_owned()).unwrap_or_default(),
        image: text(wire.image),
        image_id: text(wire.image_id),
        state: wire.state.unwrap_or_default(),
        status: wire.status.unwrap_or_default(),
        created: wire.created.map(|moment| moment.0),
        labels: wire.labels.map,
        networks: wire
            .network_settings
            .networks
            .items
            .into_iter()
            .map(|(name, _)| name.into_string())
            .collect(),
        mounts: wire.mounts.items.into_iter().take(MAX_INNER).map(mount).collect(),
        ports: wire.ports.items.into_iter().take(MAX_INNER).filter_map(port).collect(),
    })
}

fn port(wire: PortWire) -> Option<Port> {
    Some(Port {
        private: wire.private?,
        public: wire.public.filter(|&port| port > 0),
        protocol: wire.protocol.unwrap_or_default(),
        ip: wire.ip.unwrap_or_default(),
    })
}

fn images(body: &[u8]) -> Option<Vec<ImageSummary>> {
    let (wires, _) = elements::<ImageSummaryWire>(body)?;
    let image = |wire: ImageSummaryWire| {
        Some(ImageSummary {
            id: wire.id.filter(|id| !id.is_cut())?.into_string(),
            tags: texts(wire.repo_tags),
            digests: texts(wire.repo_digests),
            size: wire.size,
            created: wire.created,
        })
    };
    Some(wires.into_iter().filter_map(image).collect())
}

fn libpod(body: &[u8]) -> Option<BTreeMap<String, LibpodResident>> {
    let (wires, _) = elements::<LibpodWire>(body)?;
    let resident = |wire: LibpodWire| {
        let has_mounts = !wire.mounts.items.is_empty();
        Some((usable_id(wire.id)?, LibpodResident { restarts: wire.restarts, has_mounts }))
    };
    Some(wires.into_iter().filter_map(resident).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_networks_volumes_and_ports() {
        let body = br#"[
            {"Id": "a1", "Names": ["/db/alias", "/web"], "Image": "nginx:1", "ImageID": "sha256:aa", "State": "running",
             "Status": "Up 2 minutes", "Created": 1700000000, "Labels": {"com.docker.compose.project": "shop"},
             "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}, "shop_default": {}}},
             "Mounts": [
                {"Type": "volume", "Name": "data", "Source": "", "Destination": "/data", "RW": true},
                {"Type": "bind", "Name": "/srv", "Source": "/srv", "Destination": "/srv", "RW": false},
                5],
             "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": "0.0.0.0"}, {"PrivatePort": 443, "Type": "tcp"}]},
            {"Id": "b2", "Names": null, "NetworkSettings": null, "Mounts": null, "Ports": {}, "State": 7},
            {"Names": ["/nobody"]}, "x"]"#;
        let residents = residents(body).unwrap();
        assert_eq!((residents.containers.len(), residents.broken), (2, 2));
        let web = &residents.containers[0];
        assert_eq!(
            (&*web.name, &*web.state, web.created),
            ("web", "running", Some(1_700_000_000_000_000_000))
        );
        assert_eq!(web.networks, ["bridge", "shop_default"]);
        let mounts: Vec<_> =
            web.mounts.iter().map(|mount| (&*mount.kind, &*mount.name, mount.writable)).collect();
        assert_eq!(mounts, [("volume", "data", true), ("bind", "", false)]);
        let ports: Vec<_> = web.ports.iter().map(|port| (port.private, port.public)).collect();
        assert_eq!(ports, [(80, Some(8080)), (443, None)]);
        assert_eq!(residents.containers[1], Resident { id: "b2".to_owned(), ..Resident::default() });
        assert_eq!(super::residents(b"{}"), None);
    }

    #[test]
    fn images_have_sizes() {
        let body = br#"[
            {"Id": "sha256:aa", "RepoTags": ["nginx:1"], "RepoDigests": ["<none>@<none>"], "Size": 142000000, "Created": 5},
            {"Id": "sha256:bb", "RepoTags": null, "Size": -1},
            {"RepoTags": ["x"]}]"#;
        let images = images(body).unwrap();
        let told: Vec<_> = images
            .iter()
            .map(|image| (&*image.id, image.tags.len(), image.digests.len(), image.size))
            .collect();
        assert_eq!(told, [("sha256:aa", 1, 0, Some(142_000_000)), ("sha256:bb", 0, 0, None)]);
    }

    #[test]
    fn podman_tells_more() {
        let body = br#"[{"Id": "a", "Restarts": 3, "Mounts": ["/data"]}, {"Id": "b", "Mounts": null}, {"Restarts": 1}]"#;
        let told = libpod(body).unwrap();
        let a = LibpodResident { restarts: Some(3), has_mounts: true };
        assert_eq!(told, BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), LibpodResident::default())]));
    }
}
