//! What is mounted into containers, as listings and inspections tell it alike.

use serde::Deserialize;

use crate::MAX_INNER;
use crate::lenient::{Elements, Text, scalar};

/// Something that is mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// `volume`, `bind`, `tmpfs`.
    pub kind: String,
    /// A volume's name; empty for others.
    pub name: String,
    /// Where it is on the engine's host; empty where that is not told, or too long.
    pub source: String,
    /// Where it is in the container.
    pub destination: String,
    /// Whether the container may write to it.
    pub writable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct MountWire {
    #[serde(rename = "Type", deserialize_with = "scalar")]
    kind: Option<String>,
    #[serde(deserialize_with = "scalar")]
    name: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    source: Option<Text>,
    #[serde(deserialize_with = "scalar")]
    destination: Option<Text>,
    #[serde(rename = "RW", deserialize_with = "scalar")]
    writable: Option<bool>,
}

/// Mounts, as far as there are not too many.
pub(crate) fn mounts(mounts: Elements<MountWire>) -> Vec<Mount> {
    mounts.items.into_iter().take(MAX_INNER).map(mount).collect()
}

/// A mount as it is told.
pub(crate) fn mount(wire: MountWire) -> Mount {
    let kind = wire.kind.unwrap_or_default();
    // Podman names bind mounts, too: by their source.
    let name = if kind == "volume" { text(wire.name) } else { String::new() };
    let writable = wire.writable.unwrap_or(false);
    // A path that was cut is another one.
    let source = text(wire.source.filter(|source| !source.is_cut()));
    Mount { kind, name, source, destination: text(wire.destination), writable }
}

/// A text, empty where there is none.
pub(crate) fn text(text: Option<Text>) -> String {
    text.map(Text::into_string).unwrap_or_default()
}
