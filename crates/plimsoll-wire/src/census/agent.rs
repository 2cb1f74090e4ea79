//! The JSON of the Census agent API, both ways: a Census server scans our agents, and our scan reads Census agents.
//!
//! | call | answer |
//! |---|---|
//! | `GET /health` | [`Health`], with status 503 if the engine is down |
//! | `GET /info` | [`Info`] |
//! | `GET /api/containers[?stats=true]` | a list of [`Container`]s |
//! | `GET /api/images` | a list of [`Image`]s, as Docker has it |
//! | `GET /api/telemetry` | [`Telemetry`] |
//!
//! Agents of several years answer, and one odd container must not hide the others: whatever a field cannot hold is as if it
//! were not there, and an element that is no object is left out and counted. Every answer, list and text is bounded. Keys of
//! newer agents that say nothing about containers (`plugin_data`) are passed over.
//!
//! ```
//! use plimsoll_wire::census::agent::{encode, list, Container};
//!
//! let containers = list::<Container>(br#"[{"name":"web","image":"nginx","restart_count":"?","networks":null},5]"#)?;
//! assert_eq!((containers.items[0].name.as_str(), containers.items[0].restart_count), ("web", 0));
//! assert_eq!(containers.skipped, 1);
//! assert!(encode(&containers.items).starts_with(r#"[{"id":"","name":"web","image":"nginx","#));
//! # Ok::<(), plimsoll_wire::census::agent::AgentError>(())
//! ```

mod inventory;
mod lenient;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use inventory::sizes;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// The most elements of a list of containers or images; what is beyond is left out and counted.
pub const MAX_ITEMS: usize = 20_000;

/// The most elements of a list within a container or an image, and the most labels.
pub const MAX_INNER: usize = 512;

/// The longest text that is kept, in bytes; longer ones are cut.
pub const MAX_TEXT: usize = 4 * 1024;

/// A container. In an answer to `?stats=true` the last four figures are there for those that run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// The engine's identifier.
    #[serde(deserialize_with = "lenient::text")]
    pub id: String,
    /// Its name, without a slash in front.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// The image that it was made from, as it was asked for.
    #[serde(deserialize_with = "lenient::text")]
    pub image: String,
    /// The identifier of that image.
    #[serde(deserialize_with = "lenient::text")]
    pub image_id: String,
    /// Names of that image.
    #[serde(deserialize_with = "lenient::texts")]
    pub image_tags: Vec<String>,
    /// Bytes of that image; Census' own agents always say 0.
    #[serde(deserialize_with = "lenient::value")]
    pub image_size: u64,
    /// `running`, `exited`, `paused`, ...
    #[serde(deserialize_with = "lenient::text")]
    pub state: String,
    /// The same for people: `Up 16 minutes`.
    #[serde(deserialize_with = "lenient::text")]
    pub status: String,
    /// How often the engine has started it again.
    #[serde(deserialize_with = "lenient::value")]
    pub restart_count: u32,
    /// Ports that it has.
    #[serde(deserialize_with = "lenient::list")]
    pub ports: Vec<Port>,
    /// Its labels.
    #[serde(deserialize_with = "lenient::labels")]
    pub labels: BTreeMap<String, String>,
    /// When it was made, in milliseconds since the epoch.
    #[serde(with = "lenient::moment")]
    pub created: Option<i64>,
    /// The number of its host; an agent says 0.
    #[serde(deserialize_with = "lenient::value")]
    pub host_id: i64,
    /// The name of its host; an agent says nothing.
    #[serde(deserialize_with = "lenient::text")]
    pub host_name: String,
    /// When it was looked at, in milliseconds since the epoch.
    #[serde(with = "lenient::moment")]
    pub scanned_at: Option<i64>,
    /// Processor time, in percent of one processor.
    #[serde(deserialize_with = "lenient::decimal", skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory in bytes; Census' own agents count the page cache.
    #[serde(deserialize_with = "lenient::value", skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<u64>,
    /// The memory that it may use, in bytes. Where there is no limit, Census' own agents say the host's.
    #[serde(deserialize_with = "lenient::value", skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The memory in percent of the limit.
    #[serde(deserialize_with = "lenient::decimal", skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Names of its networks.
    #[serde(deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// What is mounted into it.
    #[serde(deserialize_with = "lenient::list", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Mount>,
    /// Legacy links to other containers.
    #[serde(deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// The Compose project that it belongs to; empty if to none.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub compose_project: String,
    /// When it was started, in milliseconds since the epoch; only agents from 2.0 on say so.
    #[serde(with = "lenient::moment", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Its networks with addresses; only agents from 2.0 on have it.
    #[serde(deserialize_with = "lenient::list", skip_serializing_if = "Vec::is_empty")]
    pub network_details: Vec<Network>,
    /// Whether there is a newer image; an agent does not know.
    #[serde(deserialize_with = "lenient::value")]
    pub update_available: bool,
    /// When that was looked up, in milliseconds since the epoch.
    #[serde(with = "lenient::moment")]
    pub last_update_check: Option<i64>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The port inside.
    #[serde(deserialize_with = "lenient::value")]
    pub private_port: u16,
    /// The port of the host; 0 if it is not published.
    #[serde(deserialize_with = "lenient::value", skip_serializing_if = "lenient::is_zero")]
    pub public_port: u16,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub protocol: String,
    /// The address of the host.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub ip: String,
}

/// Something that is mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// The name of the volume, or the path on the host.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// Where it is inside.
    #[serde(deserialize_with = "lenient::text")]
    pub destination: String,
    /// `volume`, `bind` or `tmpfs`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
    /// Whether it can be written to.
    #[serde(deserialize_with = "lenient::value")]
    pub rw: bool,
}

/// A network that a container is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Its name.
    #[serde(deserialize_with = "lenient::text")]
    pub network_name: String,
    /// The container's address there.
    #[serde(deserialize_with = "lenient::text")]
    pub ip_address: String,
    /// What the container is called there.
    #[serde(deserialize_with = "lenient::texts")]
    pub aliases: Vec<String>,
}

/// An image, as Docker lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Image {
    /// Containers that use it; -1 if nobody counted.
    #[serde(deserialize_with = "lenient::value")]
    pub containers: i64,
    /// When it was made, in seconds since the epoch.
    #[serde(deserialize_with = "lenient::value")]
    pub created: i64,
    /// Its identifier.
    #[serde(deserialize_with = "lenient::text")]
    pub id: String,
    /// Its labels; Docker says `null` if there are none.
    #[serde(deserialize_with = "lenient::optional_labels")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The identifier of the image below it.
    #[serde(deserialize_with = "lenient::text")]
    pub parent_id: String,
    /// Its names with digests.
    #[serde(deserialize_with = "lenient::optional_texts")]
    pub repo_digests: Option<Vec<String>>,
    /// Its names with tags; `<none>:<none>` or nothing if it has lost them.
    #[serde(deserialize_with = "lenient::optional_texts")]
    pub repo_tags: Option<Vec<String>>,
    /// Bytes that it shares with others; -1 if nobody counted.
    #[serde(deserialize_with = "lenient::value")]
    pub shared_size: i64,
    /// Its bytes.
    #[serde(deserialize_with = "lenient::value")]
    pub size: i64,
    /// The same, for programs of before Docker 1.10.
    #[serde(deserialize_with = "lenient::value")]
    pub virtual_size: i64,
}

/// What an agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The version of the agent.
    #[serde(deserialize_with = "lenient::text")]
    pub version: String,
    /// The name of its machine.
    #[serde(deserialize_with = "lenient::text")]
    pub hostname: String,
    /// The operating system, by Go's name: `linux`.
    #[serde(deserialize_with = "lenient::text")]
    pub os: String,
    /// The architecture, by Go's name: `amd64`.
    #[serde(deserialize_with = "lenient::text")]
    pub arch: String,
    /// The version of the engine.
    #[serde(deserialize_with = "lenient::text")]
    pub docker_version: String,
    /// When the agent was started, in milliseconds since the epoch.
    #[serde(with = "lenient::moment")]
    pub started_at: Option<i64>,
}

/// How an agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `healthy`, or `unhealthy` if the engine is down.
    #[serde(deserialize_with = "lenient::text")]
    pub status: String,
    /// The agent's clock, in milliseconds since the epoch.
    #[serde(with = "lenient::moment")]
    pub time: Option<i64>,
    /// Why the engine is thought to be down.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub docker_error: String,
}

/// What an agent says of itself for a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    /// The version of the agent.
    #[serde(deserialize_with = "lenient::text")]
    pub version: String,
    /// Containers in every state.
    #[serde(deserialize_with = "lenient::value")]
    pub container_count: u64,
    /// How many of them of each image.
    #[serde(deserialize_with = "lenient::list")]
    pub image_stats: Vec<ImageCount>,
    /// The version of the engine.
    #[serde(deserialize_with = "lenient::text")]
    pub docker_version: String,
    /// The operating system, by Go's name.
    #[serde(deserialize_with = "lenient::text")]
    pub os: String,
    /// The architecture, by Go's name.
    #[serde(deserialize_with = "lenient::text")]
    pub arch: String,
}

/// How many containers of an image there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageCount {
    /// The image.
    #[serde(deserialize_with = "lenient::text")]
    pub image: String,
    /// How many.
    #[serde(deserialize_with = "lenient::value")]
    pub count: u64,
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// How many elements were left out, because they are no objects or too many.
    pub skipped: usize,
}

/// An answer that is none of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError(String);

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reading the agent's answer: {}; is it a Census agent that listens there?", self.0)
    }
}

impl std::error::Error for AgentError {}

/// Reads an answer that is one object: [`Info`], [`Health`], [`Telemetry`].
///
/// # Errors
/// If it is longer than [`MAX_ANSWER`] or no JSON object.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, AgentError> {
    let text = text_of(body)?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(AgentError("it is no JSON object".to_owned()));
    }
    serde_json::from_str(text).map_err(not_json)
}

/// Reads an answer that is a list: of [`Container`]s or of [`Image`]s. Go's `null` is an empty one.
///
/// # Errors
/// If it is longer than [`MAX_ANSWER`] or no JSON list.
pub fn list<T: DeserializeOwned>(body: &[u8]) -> Result<Listing<T>, AgentError> {
    let elements: Option<Vec<&RawValue>> = serde_json::from_str(text_of(body)?).map_err(not_json)?;
    let elements = elements.unwrap_or_default();
    let read = elements.iter().take(MAX_ITEMS).filter(|element| element.get().starts_with('{'));
    let items: Vec<T> = read.filter_map(|element| serde_json::from_str(element.get()).ok()).collect();
    Ok(Listing { skipped: elements.len() - items.len(), items })
}

/// An answer as JSON.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(answer: &T) -> String {
    // The types above cannot fail to be written.
    serde_json::to_string(answer).unwrap_or_default()
}

fn text_of(body: &[u8]) -> Result<&str, AgentError> {
    if body.len() > MAX_ANSWER {
        let reason = format!("it has {} bytes, and at most {MAX_ANSWER} are read", body.len());
        return Err(AgentError(reason));
    }
    std::str::from_utf8(body)
        .map_err(|error| AgentError(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1)))
}

#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn not_json(error: serde_json::Error) -> AgentError {
    // Of a value that is not wanted it would say what it is, at any length.
    let reason =
        if error.is_data() { "it is no JSON list or has a key twice".to_owned() } else { error.to_string() };
    AgentError(reason)
}

#[cfg(test)]
mod tests;
