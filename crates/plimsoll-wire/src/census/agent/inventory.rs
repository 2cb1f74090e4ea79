//! What an agent answers as what a scan finds.

use std::collections::BTreeMap;

use super::{Container, Image};
use crate::census::inventory::{ContainerInventory, depends_on};

/// Compose's label with the services that a container depends on.
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

const MIB: u64 = 1024 * 1024;

const MB: u64 = 1_000_000;

impl Container {
    /// This container as a scan has it.
    ///
    /// A Census agent gives the host's memory as the limit of a container that has none. People set limits of whole
    /// megabytes, and what a kernel calls its memory is hardly ever a whole number of them: that tells the two apart.
    #[must_use]
    pub fn inventory(&self) -> ContainerInventory {
        let volumes = self.volumes.iter().filter(|mount| mount.kind == "volume" && !mount.name.is_empty());
        let is_limit = |bytes: &u64| *bytes > 0 && (bytes.is_multiple_of(MIB) || bytes.is_multiple_of(MB));
        ContainerInventory {
            id: self.id.clone(),
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: self.image_id.clone(),
            image_size: Some(self.image_size).filter(|bytes| *bytes > 0),
            state: self.state.to_ascii_lowercase(),
            restart_count: Some(self.restart_count),
            networks: self.networks.clone(),
            volumes: volumes.map(|mount| mount.name.clone()).collect(),
            compose_project: Some(self.compose_project.clone()).filter(|project| !project.is_empty()),
            depends_on: self.labels.get(DEPENDS_ON).map(|label| depends_on(label)).unwrap_or_default(),
            cpu_percent: self.cpu_percent,
            memory_bytes: self.memory_usage,
            memory_limit: self.memory_limit.filter(is_limit),
        }
    }
}

/// Sizes of images in bytes by every name that a container may have for them: names with tag, with digest, without the tag
/// `latest`, and the identifier. This is what [`HostInventory::images`](crate::census::inventory::HostInventory::images)
/// wants.
#[must_use]
pub fn sizes(images: &[Image]) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for image in images {
        let Some(size) = u64::try_from(image.size).ok().filter(|bytes| *bytes > 0) else { continue };
        let names = image.repo_tags.iter().chain(&image.repo_digests).flatten();
        for name in names.filter(|name| !name.starts_with("<none>")) {
            sizes.insert(name.clone(), size);
            if let Some(short) = name.strip_suffix(":latest") {
                sizes.insert(short.to_owned(), size);
            }
        }
        if !image.id.is_empty() {
            sizes.insert(image.id.clone(), size);
        }
    }
    sizes
}
