//! What a container is to be like, as the Engine API has it (`POST /containers/create`). What is absent or empty is left
//! to the image and the engine.

use std::collections::BTreeMap;

use serde::Serialize;

/// A container to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// The image, by reference or id.
    pub image: String,
    /// The command and its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Environment variables, `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whom it runs as: a name or a number, with a group behind a colon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the command starts: an absolute path inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What concerns the host.
    pub host_config: HostSpec,
}

/// The part of a container that concerns the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostSpec {
    /// The most memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The most processor time, in billionths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// The most processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<u64>,
    /// `bridge`, `host`, `none`, `container:<id>` or the name of a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// When the engine starts it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartSpec>,
    /// What is mounted inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
}

/// A restart policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartSpec {
    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub name: String,
    /// How often at most; with `on-failure` alone, 0 for as often as it takes.
    pub maximum_retry_count: u32,
}

/// Something that is mounted inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountSpec {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The path on the engine's host, or the volume's name; empty for what has neither.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The path inside.
    pub target: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
}
