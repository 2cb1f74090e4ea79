//! Counting.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use plimsoll_model::census::{ImageUse, Report};

use super::{ContainerInventory, HostInventory, Identity, Inventory, Via};
use crate::census::images::Naming;
use crate::census::{MAX_AGENT_VERSIONS, MAX_COUNT, MAX_IMAGE, MAX_IMAGES, MAX_VERSION};

/// A container that was restarted more often than this is counted as restless.
const MANY_RESTARTS: u32 = 10;

/// Networks that every engine makes for itself: Docker's three, and Podman's.
const BUILT_IN_NETWORKS: [&str; 4] = ["bridge", "host", "none", "podman"];

impl Inventory {
    /// The report of this scan, made at `now_ms`, in milliseconds since the epoch, with images called as `naming` says.
    ///
    /// Images, networks and Compose projects of the same name on two hosts are one, as in v1; a volume is shared only within
    /// a host. Means are over the containers of which the figure is known. The memory limit is the sum of
    /// limits that were set. Of more than [`MAX_IMAGES`] names the most used are listed, and names that no hub takes are
    /// left out of the list; they are counted all the same.
    #[must_use]
    pub fn report(&self, who: &Identity, naming: &Naming, now_ms: i64) -> Report {
        let containers = || self.hosts.iter().flat_map(|host| &host.containers);
        let count = |is_one: &dyn Fn(&ContainerInventory) -> bool| {
            containers().filter(|container| is_one(container)).count() as u64
        };
        let in_state = |state: &'static str| count(&move |container| container.state == state);
        let (running, stopped, paused) = (in_state("running"), in_state("exited"), in_state("paused"));
        let total = count(&|_| true);

        let busy = |container: &&ContainerInventory| {
            container.state == "running"
                && (container.cpu_percent.is_some_and(|cpu| cpu > 0.0)
                    || container.memory_bytes.is_some_and(|bytes| bytes > 0))
        };
        let cpu = mean(containers().filter(busy).filter_map(|container| container.cpu_percent));
        let memory =
            mean(containers().filter(busy).filter_map(|container| container.memory_bytes).map(float));
        let restarts = containers().filter_map(|container| container.restart_count);
        let links =
            containers().map(|container| distinct(&container.networks) + distinct(&container.volumes));

        let images = self.images();
        let of_hosts = self.hosts.iter().flat_map(|host| &host.networks);
        let of_containers = containers().flat_map(|container| &container.networks);
        let networks: BTreeSet<_> = of_hosts.chain(of_containers).map(String::as_str).collect();
        let projects: BTreeSet<_> = containers().filter_map(project).collect();
        Report {
            installation_id: who.installation_id.clone(),
            version: who.version.clone(),
            timestamp_ms: Some(now_ms),
            host_count: self.hosts.len() as u64,
            agent_count: self.hosts.iter().filter(|host| host.via == Via::Agent).count() as u64,
            total_containers: total,
            scan_interval_seconds: who.scan_interval_seconds,
            images: listed(&images, naming),
            agent_versions: self.agent_versions(),
            containers_running: running,
            containers_stopped: stopped,
            containers_paused: paused,
            containers_other: total - running - stopped - paused,
            avg_cpu_percent: cpu,
            avg_memory_bytes: whole(memory),
            total_memory_limit: sum(containers().filter_map(|container| container.memory_limit)),
            avg_restarts: mean(restarts.map(f64::from)),
            high_restart_containers: count(&|container| {
                container.restart_count.is_some_and(|restarts| restarts > MANY_RESTARTS)
            }),
            total_image_size: sum(images.values().map(|image| image.size_bytes)),
            unique_images: images.len() as u64,
            timezone: who.timezone.clone(),
            compose_project_count: projects.len() as u64,
            containers_in_compose: count(&|container| project(container).is_some()),
            network_count: networks.len() as u64,
            custom_network_count: networks.iter().filter(|name| !BUILT_IN_NETWORKS.contains(name)).count()
                as u64,
            shared_volume_count: self.hosts.iter().map(shared_volumes).sum(),
            containers_with_deps: count(&|container| !container.depends_on.is_empty()),
            total_dependencies: containers().map(|container| container.depends_on.len() as u64).sum(),
            avg_connections_per_container: mean(links.map(float)),
        }
    }

    fn agent_versions(&self) -> BTreeMap<String, u64> {
        let mut versions = BTreeMap::new();
        let agents = self.hosts.iter().filter(|host| host.via == Via::Agent);
        for version in agents.filter_map(|host| host.agent_version.as_deref()) {
            let is_fit = !version.is_empty() && is_taken(version, MAX_VERSION);
            if is_fit && (versions.len() < MAX_AGENT_VERSIONS || versions.contains_key(version)) {
                *versions.entry(version.to_owned()).or_default() += 1;
            }
        }
        versions
    }

    /// How much each image is used over all hosts, by its name as engines have it.
    fn images(&self) -> HashMap<&str, Used> {
        let mut images: HashMap<&str, Used> = HashMap::new();
        for host in &self.hosts {
            for container in host.containers.iter().filter(|container| !container.image.is_empty()) {
                let of_host = || host.images.get(&container.image).copied();
                let size = container.image_size.filter(|size| *size > 0).or_else(of_host);
                let used = images.entry(&container.image).or_default();
                used.containers += 1;
                used.size_bytes = used.size_bytes.max(size.unwrap_or_default()).min(MAX_COUNT);
            }
        }
        images
    }
}

#[derive(Clone, Copy, Default)]
struct Used {
    containers: u64,
    /// The largest of the sizes on the hosts: they differ where a tag was moved.
    size_bytes: u64,
}

/// The images as the report has them: the most used first.
fn listed(images: &HashMap<&str, Used>, naming: &Naming) -> Vec<ImageUse> {
    let mut named: BTreeMap<String, ImageUse> = BTreeMap::new();
    for (image, used) in images {
        let Some(name) = naming.name(image).filter(|name| is_taken(name, MAX_IMAGE)) else { continue };
        let listed = named.entry(name.clone().into_owned()).or_default();
        listed.image = name.into_owned();
        listed.containers += used.containers;
        listed.size_bytes = listed.size_bytes.max(used.size_bytes);
    }
    let mut listed: Vec<_> = named.into_values().collect();
    // Stable, so that what is used as much stays in the order of names.
    listed.sort_by_key(|image| std::cmp::Reverse(image.containers));
    listed.truncate(MAX_IMAGES);
    listed
}

/// Whether a hub takes this text.
fn is_taken(text: &str, most: usize) -> bool {
    !text.contains(char::is_control) && text.chars().count() <= most
}

fn project(container: &ContainerInventory) -> Option<&str> {
    container.compose_project.as_deref().filter(|project| !project.is_empty())
}

/// Volumes of a host that two or more containers have.
fn shared_volumes(host: &HostInventory) -> u64 {
    let mut users: HashMap<&str, u64> = HashMap::new();
    for container in &host.containers {
        let volumes: HashSet<_> = container.volumes.iter().map(String::as_str).collect();
        for volume in volumes {
            *users.entry(volume).or_default() += 1;
        }
    }
    users.values().filter(|users| **users >= 2).count() as u64
}

fn distinct(names: &[String]) -> u64 {
    names.iter().collect::<HashSet<_>>().len() as u64
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add).min(MAX_COUNT)
}

/// The mean of those that are numbers; 0 without any.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let fit = values.filter(|value| value.is_finite() && *value >= 0.0);
    let (count, mean) = fit.fold((0.0, 0.0), |(count, mean), value| {
        // As it goes, so that no sum overflows.
        (count + 1.0, mean + (value - mean) / (count + 1.0))
    });
    if count > 0.0 { mean } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
fn float(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(value: f64) -> u64 {
    (value.round() as u64).min(MAX_COUNT)
}
