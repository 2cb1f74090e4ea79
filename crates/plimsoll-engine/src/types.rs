//! What an engine answers, and how it is read from the wire.
//!
//! Every type has a twin `…Wire` that mirrors the JSON and cannot fail on a field. What identifies a thing is a `String`
//! that is empty if the engine does not say it; everything else that may be missing is an `Option`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Flavour;
use crate::lenient::{Elements, Entries, Labels, Moment, Object, Text, Texts, nested, scalar, split_array};
use crate::mounts::{Mount, MountWire, mounts};

/// The engine's versions (`GET /version`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// The engine's own version, for example `20.10.24+dfsg1`. Free text.
    pub version: Option<String>,
    /// The newest API version it speaks, for example `1.41`.
    pub api_version: String,
    /// The oldest API version it speaks.
    pub min_api_version: Option<String>,
    /// The operating system of the engine's host: `linux`, `windows`.
    pub os: Option<String>,
    /// Its processor architecture, in Go's words: `amd64`, `arm64`.
    pub arch: Option<String>,
    /// Its kernel's release.
    pub kernel: Option<String>,
    /// The family that it belongs to: Podman has a component named `Podman Engine`.
    pub flavour: Flavour,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct VersionWire {
    #[serde(rename = "Version", deserialize_with = "scalar")]
    version: Option<String>,
    #[serde(rename = "ApiVersion", deserialize_with = "scalar")]
    api_version: Option<String>,
    #[serde(rename = "MinAPIVersion", deserialize_with = "scalar")]
    min_api_version: Option<String>,
    #[serde(rename = "Os", deserialize_with = "scalar")]
    os: Option<String>,
    #[serde(rename = "Arch", deserialize_with = "scalar")]
    arch: Option<String>,
    #[serde(rename = "KernelVersion", deserialize_with = "scalar")]
    kernel: Option<String>,
    #[serde(rename = "Components")]
    components: Elements<ComponentWire>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ComponentWire {
    #[serde(deserialize_with = "scalar")]
    name: Option<String>,
}

impl From<VersionWire> for Version {
    fn from(wire: VersionWire) -> Self {
        let VersionWire { version, api_version, min_api_version, os, arch, kernel, components } = wire;
        let api_version = api_version.unwrap_or_default();
        let podman = |component: &ComponentWire| component.name.as_deref() == Some("Podman Engine");
        let is_podman = components.items.iter().any(podman);
        let flavour = if is_podman { Flavour::Podman } else { Flavour::Docker };
        Self { version, api_version, min_api_version, os, arch, kernel, flavour }
    }
}

/// What the engine says about itself and its host (`GET /info`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The engine's identifier, made at its first start.
    pub id: Option<String>,
    /// The host's name.
    pub name: Option<String>,
    /// The storage driver: `overlay2`, `overlayfs`, `vfs`.
    pub driver: Option<String>,
    /// Who makes the cgroups: `cgroupfs`, `systemd` or `none`.
    pub cgroup_driver: Option<String>,
    /// `1` or `2`; absent before API 1.41.
    pub cgroup_version: Option<String>,
    /// True if the engine runs without root: Docker says it among its security options, Podman in a word of its own.
    pub rootless: bool,
    /// How many processors the engine may use.
    pub ncpu: Option<u64>,
    /// The host's memory in bytes.
    pub mem_total: Option<u64>,
    /// The engine's own version.
    pub server_version: Option<String>,
    /// Where the engine keeps its data.
    pub docker_root_dir: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InfoWire {
    #[serde(rename = "ID", deserialize_with = "scalar")]
    id: Option<String>,
    #[serde(deserialize_with = "scalar")]
    name: Option<String>,
    #[serde(deserialize_with = "scalar")]
    driver: Option<String>,
    #[serde(deserialize_with = "scalar")]
    cgroup_driver: Option<String>,
    #[serde(deserialize_with = "scalar")]
    cgroup_version: Option<String>,
    security_options: Texts,
    #[serde(deserialize_with = "scalar")]
    rootless: Option<bool>,
    #[serde(rename = "NCPU", deserialize_with = "scalar")]
    ncpu: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    mem_total: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    server_version: Option<String>,
    #[serde(deserialize_with = "scalar")]
    docker_root_dir: Option<String>,
}

impl From<InfoWire> for Info {
    fn from(wire: InfoWire) -> Self {
        let rootless = |option: &Text| option.as_str().split(',').any(|part| part == "name=rootless");
        Self {
            rootless: wire.rootless == Some(true) || wire.security_options.items.iter().any(rootless),
            id: wire.id,
            name: wire.name,
            driver: wire.driver,
            cgroup_driver: wire.cgroup_driver,
            cgroup_version: wire.cgroup_version,
            // An engine that could not find these out writes zero.
            ncpu: wire.ncpu.filter(|&ncpu| ncpu > 0),
            mem_total: wire.mem_total.filter(|&bytes| bytes > 0),
            server_version: wire.server_version,
            docker_root_dir: wire.docker_root_dir,
        }
    }
}

/// All containers of an engine (`GET /containers/json?all=1`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The containers, in the engine's order.
    pub containers: Vec<Summary>,
    /// Elements of the listing that could not be used: no object, or without a usable id.
    pub broken: usize,
}

/// A container as a listing shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The full id. Only letters, digits and `_.-`, so it may become part of a path.
    pub id: String,
    /// The name without its leading `/`. Names of legacy links (`/other/alias`) are not it.
    pub name: String,
    /// The image as it was asked for: a reference, or an id if the reference has since moved to another image.
    pub image: String,
    /// The image's id, for example `sha256:…`.
    pub image_id: String,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`; Podman also says `configured`,
    /// `initialized`, `stopping` and `stopped`.
    pub state: String,
    /// When it was created, in nanoseconds since the Unix epoch. Listings have whole seconds only.
    pub created: Option<u64>,
    /// `bridge`, `host`, `none`, `container:<id>` or the name of a network.
    pub network_mode: Option<String>,
    /// Its health; absent if the engine does not say it in listings (before API 1.52).
    pub health: Option<Health>,
    /// How many texts were cut and labels dropped to keep this container within the bounds of
    /// [`MAX_TEXT`](crate::MAX_TEXT) and [`MAX_LABELS`](crate::MAX_LABELS).
    pub truncated: usize,
}

/// The state of a container's health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`, or `none` if the container has no health check.
    pub status: String,
    /// How many checks have failed in a row.
    pub failing_streak: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HealthWire {
    #[serde(deserialize_with = "scalar")]
    status: Option<String>,
    #[serde(deserialize_with = "scalar")]
    failing_streak: Option<u64>,
}

impl HealthWire {
    fn health(self) -> Option<Health> {
        self.status.map(|status| Health { status, failing_streak: self.failing_streak })
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SummaryWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    names: Texts,
    #[serde(deserialize_with = "scalar")]
    image: Option<Text>,
    #[serde(rename = "ImageID", deserialize_with = "scalar")]
    image_id: Option<Text>,
    labels: Labels,
    #[serde(deserialize_with = "scalar")]
    state: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    #[serde(deserialize_with = "nested")]
    host_config: HostConfigWire,
    #[serde(deserialize_with = "nested")]
    health: HealthWire,
}

/// Reads a listing; `None` if it is no complete JSON array.
pub(crate) fn listing(body: &[u8]) -> Option<Listing> {
    let (elements, broken) = elements::<SummaryWire>(body)?;
    let mut listing = Listing { containers: Vec::with_capacity(elements.len()), broken };
    for wire in elements {
        match summary(wire) {
            Some(summary) => listing.containers.push(summary),
            None => listing.broken += 1,
        }
    }
    Some(listing)
}

/// The usable elements of an array, and how many were not; `None` if it is no complete JSON array.
pub(crate) fn elements<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Option<(Vec<T>, usize)> {
    let body = String::from_utf8_lossy(body);
    match serde_json::from_str::<Elements<T>>(&body) {
        Ok(elements) => elements.is_array.then_some((elements.items, elements.broken)),
        // One element is so odd that the parser stopped: save the others, one by one.
        Err(_) => {
            let (mut items, mut broken) = (Vec::new(), 0);
            for element in split_array(body.as_bytes())? {
                match serde_json::from_slice::<Object<T>>(element) {
                    Ok(Object(Some(item))) => items.push(item),
                    Ok(Object(None)) | Err(_) => broken += 1,
                }
            }
            Some((items, broken))
        }
    }
}

fn summary(wire: SummaryWire) -> Option<Summary> {
    let id = usable_id(wire.id)?;
    let mut truncated = wire.labels.truncated + wire.names.dropped;
    let mut names = wire.names.items;
    let own = names.iter().position(|name| !without_slash(name.as_str()).contains('/')).unwrap_or(0);
    let name = if own < names.len() { names.swap_remove(own).count(&mut truncated) } else { String::new() };
    let mut text = |text: Option<Text>| text.map(|text| text.count(&mut truncated));
    Some(Summary {
        id,
        name: without_slash(&name).to_owned(),
        image: text(wire.image).unwrap_or_default(),
        image_id: text(wire.image_id).unwrap_or_default(),
        state: text(wire.state).unwrap_or_default(),
        network_mode: text(wire.host_config.network_mode),
        labels: wire.labels.map,
        created: wire.created.map(|moment| moment.0),
        health: wire.health.health(),
        truncated,
    })
}

/// An id names a container in paths and maps: a cut or a strange one would name another or nothing.
pub(crate) fn usable_id(id: Option<Text>) -> Option<String> {
    let id = id.filter(|id| !id.is_cut())?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (id.as_str().bytes().all(good) && !id.as_str().starts_with('.')).then(|| id.as_str().to_owned())
}

pub(crate) fn without_slash(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

/// A container in detail (`GET /containers/{id}/json`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The full id. Only letters, digits and `_.-`, so it may become part of a path.
    pub id: String,
    /// The name without its leading `/`.
    pub name: String,
    /// The image as it was asked for (`Config.Image`).
    pub image: String,
    /// The image's id, for example `sha256:…`.
    pub image_id: String,
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created: Option<u64>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`; Podman also says `configured`,
    /// `initialized`, `stopping` and `stopped`.
    pub status: String,
    /// Its first process, as the engine's host numbers it; absent if it is not running.
    pub pid: Option<u32>,
    /// How its last run ended. Absent while it runs or is paused, where engines write a zero that nobody returned, and
    /// if it never ran (status `created`), where they write zero or their own failure to start it.
    pub exit_code: Option<i64>,
    /// When it was last started, in nanoseconds since the Unix epoch; absent if never.
    pub started_at: Option<u64>,
    /// When it last ended, in nanoseconds since the Unix epoch; absent if never. It may lie a little before
    /// [`started_at`](Self::started_at) for a container that ends at once, as engines write the two down independently.
    pub finished_at: Option<u64>,
    /// True if the engine learned that the kernel killed it for lack of memory; cleared at the next start.
    pub oom_killed: Option<bool>,
    /// Its health; absent if it has no health check.
    pub health: Option<Health>,
    /// How often the restart policy started it again; engines reset it at a manual start.
    pub restart_count: Option<u64>,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: Option<String>,
    /// The host name inside the container.
    pub hostname: Option<String>,
    /// `bridge`, `host`, `none`, `container:<id>` or the name of a network.
    pub network_mode: Option<String>,
    /// The OCI runtime: `runc`, `crun`.
    pub runtime: Option<String>,
    /// The parent cgroup, if one was asked for.
    pub cgroup_parent: Option<String>,
    /// The container's labels.
    pub labels: BTreeMap<String, String>,
    /// The networks it is attached to, by name.
    pub networks: Vec<NetworkEndpoint>,
    /// The TCP ports that it or its image says it listens at, in order.
    pub exposed_ports: Vec<u16>,
    /// The names of the volumes that it has mounted.
    pub volumes: Vec<String>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// The folder on the engine's host that takes what it writes (`GraphDriver.Data.UpperDir`). Drivers that keep no such
    /// folder, and engines that leave layers to containerd, tell none.
    pub upper_dir: Option<String>,
    /// The file on the engine's host that its log goes to, where it goes to one.
    pub log_path: Option<String>,
    /// How many texts were cut and labels and networks dropped to keep this container within the bounds of
    /// [`MAX_TEXT`](crate::MAX_TEXT), [`MAX_LABELS`](crate::MAX_LABELS) and [`MAX_INNER`](crate::MAX_INNER).
    pub truncated: usize,
}

/// A container's attachment to one network. While the container does not run, it has no addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkEndpoint {
    /// The network's name.
    pub name: String,
    /// The IPv4 address.
    pub ip_address: Option<String>,
    /// The length of its network prefix in bits.
    pub prefix_len: Option<u8>,
    /// The global IPv6 address.
    pub ipv6_address: Option<String>,
    /// The length of its network prefix in bits.
    pub ipv6_prefix_len: Option<u8>,
    /// The MAC address.
    pub mac: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct DetailsWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    name: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    image: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    #[serde(deserialize_with = "nested")]
    state: StateWire,
    #[serde(deserialize_with = "scalar")]
    restart_count: Option<u64>,
    #[serde(deserialize_with = "nested")]
    host_config: HostConfigWire,
    #[serde(deserialize_with = "nested")]
    config: ConfigWire,
    #[serde(deserialize_with = "nested")]
    network_settings: NetworkSettingsWire,
    mounts: Elements<MountWire>,
    #[serde(deserialize_with = "nested")]
    graph_driver: GraphDriverWire,
    #[serde(deserialize_with = "scalar")]
    log_path: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct GraphDriverWire {
    #[serde(deserialize_with = "nested")]
    data: GraphDataWire,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct GraphDataWire {
    #[serde(deserialize_with = "scalar")]
    upper_dir: Option<Text>,
}

/// What a container takes on disk, as the engine counts (`GET /containers/{id}/json?size=1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes that it wrote to its own layer: lengths of files, not blocks on disk.
    pub rw: Option<u64>,
    /// Bytes of its whole root file system, the image's included.
    pub rootfs: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct SizesWire {
    #[serde(rename = "SizeRw", deserialize_with = "scalar")]
    rw: Option<u64>,
    #[serde(rename = "SizeRootFs", deserialize_with = "scalar")]
    rootfs: Option<u64>,
}

impl From<SizesWire> for Sizes {
    fn from(wire: SizesWire) -> Self {
        // An engine that did not count says nothing of the layer, and 0 of the whole, which is never empty.
        Self { rw: wire.rw, rootfs: wire.rootfs.filter(|bytes| *bytes > 0) }
    }
}

/// What an engine keeps beside containers, and what it takes on disk (`GET /system/df`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many images.
    pub images: Option<u64>,
    /// Bytes of all images' layers, each counted once.
    pub images_bytes: Option<u64>,
    /// Bytes of the build cache.
    pub build_cache_bytes: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct VolumesWire {
    volumes: Elements<SizeWire>,
}

impl VolumesWire {
    pub(crate) fn count(&self) -> Option<u64> {
        self.volumes.is_array.then(|| (self.volumes.items.len() + self.volumes.broken) as u64)
    }
}

/// The old form has lists, the one of API 1.52 totals; newer engines can answer with either or both.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct KeptWire {
    #[serde(deserialize_with = "scalar")]
    layers_size: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    builder_size: Option<u64>,
    images: Elements<SizeWire>,
    build_cache: Elements<SizeWire>,
    #[serde(deserialize_with = "nested")]
    image_usage: TotalWire,
    #[serde(deserialize_with = "nested")]
    build_cache_usage: TotalWire,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct SizeWire {
    #[serde(deserialize_with = "scalar")]
    size: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    shared_size: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    shared: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct TotalWire {
    #[serde(deserialize_with = "scalar")]
    total_count: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    total_size: Option<u64>,
}

impl From<KeptWire> for Kept {
    fn from(wire: KeptWire) -> Self {
        let KeptWire { layers_size, builder_size, images, build_cache, image_usage, build_cache_usage } =
            wire;
        let listed = images.is_array.then_some(images.items.len() as u64);
        // Podman of old tells no sum: what each image has for itself, and what they share counted once at least.
        let own = |image: &SizeWire| image.size.unwrap_or(0).saturating_sub(image.shared_size.unwrap_or(0));
        let shared = images.items.iter().filter_map(|image| image.shared_size).max().unwrap_or(0);
        let added = images.items.iter().map(own).fold(shared, u64::saturating_add);
        // Where nothing was ever built, newer engines tell a total without a number.
        let built = build_cache.items.iter().filter(|part| part.shared != Some(true));
        let built = built.filter_map(|part| part.size).fold(0, u64::saturating_add);
        Self {
            images: listed.or(image_usage.total_count),
            images_bytes: layers_size
                .filter(|bytes| *bytes > 0)
                .or(image_usage.total_size)
                .or(images.is_array.then_some(added)),
            build_cache_bytes: build_cache_usage
                .total_size
                .or(build_cache.is_array.then_some(built))
                .or(builder_size),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct StateWire {
    #[serde(deserialize_with = "scalar")]
    status: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    pid: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    exit_code: Option<i64>,
    #[serde(rename = "OOMKilled", deserialize_with = "scalar")]
    oom_killed: Option<bool>,
    #[serde(deserialize_with = "scalar")]
    started_at: Option<Moment>,
    #[serde(deserialize_with = "scalar")]
    finished_at: Option<Moment>,
    #[serde(deserialize_with = "nested")]
    health: HealthWire,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfigWire {
    #[serde(deserialize_with = "scalar")]
    network_mode: Option<Text>,
    #[serde(deserialize_with = "nested")]
    restart_policy: RestartPolicyWire,
    #[serde(deserialize_with = "scalar")]
    runtime: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    cgroup_parent: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct RestartPolicyWire {
    #[serde(deserialize_with = "scalar")]
    name: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct ConfigWire {
    #[serde(deserialize_with = "scalar")]
    image: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    hostname: Option<Text>,
    labels: Labels,
    exposed_ports: Entries<Nothing>,
}

/// An object of which only its being there is of interest.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Nothing {}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct NetworkSettingsWire {
    networks: Entries<NetworkWire>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NetworkWire {
    #[serde(rename = "IPAddress", deserialize_with = "scalar")]
    ip_address: Option<String>,
    #[serde(rename = "IPPrefixLen", deserialize_with = "scalar")]
    prefix_len: Option<u64>,
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "scalar")]
    ipv6_address: Option<String>,
    #[serde(rename = "GlobalIPv6PrefixLen", deserialize_with = "scalar")]
    ipv6_prefix_len: Option<u64>,
    #[serde(rename = "MacAddress", deserialize_with = "scalar")]
    mac: Option<String>,
}

/// `None` if there is no usable id.
pub(crate) fn details(wire: DetailsWire) -> Option<Details> {
    let DetailsWire {
        state, host_config, config, network_settings: NetworkSettingsWire { networks }, ..
    } = wire;
    let id = usable_id(wire.id)?;
    let mut truncated = config.labels.truncated + networks.truncated;
    let mut text = |text: Option<Text>| text.map(|text| text.count(&mut truncated));
    let status = text(state.status).unwrap_or_default();
    let not_ended = ["created", "configured", "initialized", "running", "paused", "stopping"];
    let ended = !not_ended.contains(&status.as_str());
    let ran = state.started_at.is_some() || state.finished_at.is_some();
    let mounts = mounts(wire.mounts);
    // A path that was cut is another one.
    let path = |path: Option<Text>| {
        path.filter(|path| !path.is_cut() && path.as_str().starts_with('/')).map(Text::into_string)
    };
    Some(Details {
        id,
        name: without_slash(&text(wire.name).unwrap_or_default()).to_owned(),
        image: text(config.image).unwrap_or_default(),
        image_id: text(wire.image).unwrap_or_default(),
        created: wire.created.map(|moment| moment.0),
        status,
        pid: state.pid.filter(|&pid| pid > 0).and_then(|pid| pid.try_into().ok()),
        exit_code: state.exit_code.filter(|_| ended && ran),
        started_at: state.started_at.map(|moment| moment.0),
        finished_at: state.finished_at.map(|moment| moment.0),
        oom_killed: state.oom_killed,
        health: state.health.health(),
        restart_count: wire.restart_count,
        restart_policy: text(host_config.restart_policy.name),
        hostname: text(config.hostname),
        network_mode: text(host_config.network_mode),
        runtime: text(host_config.runtime),
        cgroup_parent: text(host_config.cgroup_parent),
        labels: config.labels.map,
        networks: networks.items.into_iter().map(|(name, wire)| network(name.as_str(), wire)).collect(),
        exposed_ports: tcp_ports(&config.exposed_ports),
        volumes: mounts.iter().map(|mount| &mount.name).filter(|name| !name.is_empty()).cloned().collect(),
        mounts,
        upper_dir: path(wire.graph_driver.data.upper_dir),
        log_path: path(wire.log_path),
        truncated,
    })
}

/// The ports of `PORT/tcp`, sorted; others are nobody's who speaks HTTP.
fn tcp_ports(exposed: &Entries<Nothing>) -> Vec<u16> {
    let number = |name: &str| {
        let digits = name.strip_suffix("/tcp").unwrap_or(name);
        digits.parse().ok().filter(|port| *port > 0)
    };
    let mut ports: Vec<u16> = exposed.items.iter().filter_map(|(name, _)| number(name.as_str())).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn network(name: &str, wire: NetworkWire) -> NetworkEndpoint {
    let prefix = |address: &Option<String>, length: Option<u64>| {
        address.as_ref().and(length).and_then(|bits| u8::try_from(bits).ok())
    };
    NetworkEndpoint {
        name: name.to_owned(),
        prefix_len: prefix(&wire.ip_address, wire.prefix_len),
        ipv6_prefix_len: prefix(&wire.ipv6_address, wire.ipv6_prefix_len),
        ip_address: wire.ip_address,
        ipv6_address: wire.ipv6_address,
        mac: wire.mac,
    }
}

/// An image (`GET /images/{id}/json`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image's id, for example `sha256:…`.
    pub id: String,
    /// The references that point to it, for example `busybox:latest`.
    pub tags: Vec<String>,
    /// The references by content, for example `busybox@sha256:…`.
    pub digests: Vec<String>,
    /// When it was built, in nanoseconds since the Unix epoch; absent in images built reproducibly.
    pub created: Option<u64>,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ImageWire {
    #[serde(deserialize_with = "scalar")]
    id: Option<Text>,
    repo_tags: Texts,
    repo_digests: Texts,
    #[serde(deserialize_with = "scalar")]
    created: Option<Moment>,
    #[serde(deserialize_with = "nested")]
    config: ConfigWire,
}

/// `None` if there is no id.
pub(crate) fn image(wire: ImageWire) -> Option<Image> {
    let texts = |texts: Texts| texts.items.into_iter().map(|text| text.as_str().to_owned()).collect();
    Some(Image {
        id: wire.id.filter(|id| !id.is_cut())?.as_str().to_owned(),
        tags: texts(wire.repo_tags),
        digests: texts(wire.repo_digests),
        created: wire.created.map(|moment| moment.0),
        labels: wire.config.labels.map,
    })
}

#[cfg(test)]
mod tests;
