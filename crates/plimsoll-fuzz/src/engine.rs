//! An engine's answers and its stream of events.

use std::collections::BTreeMap;

use plimsoll_engine::{
    Action, BlockStats, Details, Endpoint, Event, Identity, Image, Info, Kind, Listing, MAX_BLOCK_ENTRIES,
    MAX_INNER, MAX_LABELS, MAX_PODMAN_CONTAINERS, MAX_TEXT, PodMembership, PodmanSample, Stats, Version,
    fuzzing,
};
use serde::de::IgnoredAny;

use crate::chunks::chunks;

/// A container in a listing that no neighbour may harm.
const GOOD_CONTAINER: &[u8] = br#"{"Id":"0a1b","Names":["/good"]}"#;

/// An event that nothing before it may harm.
const GOOD_EVENT: &[u8] = br#"
{"Type":"container","Action":"die","Actor":{"ID":"0a1b","Attributes":{"exitCode":"137"}},"timeNano":1}
"#;

/// Bodies of answers: a listing, a container, an image, the engine's facts and versions, samples of numbers.
pub fn engine_replies(body: &[u8]) {
    let listing = fuzzing::listing(body);
    assert_eq!(fuzzing::listing(body), listing, "the same bytes, another answer");
    listing.iter().for_each(check_listing);
    neighbours_are_left_alone(body);

    let details = fuzzing::details(body);
    assert_eq!(fuzzing::details(body), details, "the same bytes, another answer");
    details.iter().for_each(check_details);
    fuzzing::image(body).iter().for_each(check_image);
    fuzzing::info(body).iter().for_each(check_info);
    fuzzing::version(body).iter().for_each(check_version);
    fuzzing::pods(body).iter().for_each(check_pods);

    let stats = Stats::parse(body);
    assert_eq!(Stats::parse(body), stats, "the same bytes, another answer");
    stats.iter().for_each(check_stats);
    let sample = fuzzing::podman_sample(body);
    assert_eq!(fuzzing::podman_sample(body), sample, "the same bytes, another answer");
    sample.iter().for_each(check_podman_sample);
}

/// Whatever stands between two good elements of a listing, as long as it is a JSON value.
fn neighbours_are_left_alone(element: &[u8]) {
    if serde_json::from_slice::<IgnoredAny>(element).is_err() {
        return;
    }
    let body = [b"[", GOOD_CONTAINER, b",", element, b",", GOOD_CONTAINER, b"]"].concat();
    let listing = fuzzing::listing(&body).expect("an array is a listing");
    assert_eq!(listing.containers.len() + listing.broken, 3, "{listing:?}");
    for good in [listing.containers.first(), listing.containers.last()] {
        assert_eq!(good.map(|container| (&*container.id, &*container.name)), Some(("0a1b", "good")));
    }
}

/// What holds for every listing.
pub(crate) fn check_listing(listing: &Listing) {
    for container in &listing.containers {
        check_id(&container.id);
        let texts = [&container.name, &container.image, &container.image_id, &container.state];
        texts.into_iter().chain(&container.network_mode).for_each(|text| check_text(text));
        check_labels(&container.labels);
        assert_ne!(container.created, Some(0), "a moment that never was");
    }
}

/// What holds for every container's details.
fn check_details(details: &Details) {
    check_id(&details.id);
    let texts = [&details.name, &details.image, &details.image_id, &details.status];
    let options = [
        &details.restart_policy,
        &details.hostname,
        &details.network_mode,
        &details.runtime,
        &details.cgroup_parent,
    ];
    texts.into_iter().chain(options.into_iter().flatten()).for_each(|text| check_text(text));
    check_labels(&details.labels);
    assert!(details.networks.len() <= MAX_INNER);
    for network in &details.networks {
        check_text(&network.name);
        let options = [&network.ip_address, &network.ipv6_address, &network.mac];
        options.into_iter().flatten().for_each(|text| check_text(text));
    }
    assert_ne!(details.pid, Some(0), "no process has this number");
    for moment in [details.created, details.started_at, details.finished_at] {
        assert_ne!(moment, Some(0), "a moment that never was");
    }
    if matches!(&*details.status, "created" | "running" | "paused") {
        assert_eq!(details.exit_code, None, "it has not ended");
    }
}

fn check_image(image: &Image) {
    check_text(&image.id);
    assert!(!image.id.is_empty() && image.tags.len() <= MAX_INNER && image.digests.len() <= MAX_INNER);
    image.tags.iter().chain(&image.digests).for_each(|text| check_text(text));
    check_labels(&image.labels);
}

fn check_info(info: &Info) {
    let texts = [
        &info.id,
        &info.name,
        &info.driver,
        &info.cgroup_driver,
        &info.cgroup_version,
        &info.server_version,
        &info.docker_root_dir,
    ];
    texts.into_iter().flatten().for_each(|text| check_text(text));
    assert!(info.ncpu != Some(0) && info.mem_total != Some(0), "zero stands for what was not found out");
}

fn check_version(version: &Version) {
    let texts = [&version.version, &version.min_api_version, &version.os, &version.arch, &version.kernel];
    check_text(&version.api_version);
    texts.into_iter().flatten().for_each(|text| check_text(text));
}

/// What holds for all pods' members.
fn check_pods(pods: &BTreeMap<String, PodMembership>) {
    for (id, pod) in pods {
        check_id(id);
        check_id(&pod.pod_id);
        check_text(&pod.pod_name);
    }
}

/// Files that engines write for themselves: Docker's, the list of Podman and CRI-O, and OCI bundles.
pub fn state_files(bytes: &[u8]) {
    let (docker, bundle) = (fuzzing::docker_state(bytes), fuzzing::bundle(bytes));
    assert_eq!((fuzzing::docker_state(bytes), fuzzing::bundle(bytes)), (docker.clone(), bundle.clone()));
    for identity in docker.iter().chain(&bundle) {
        assert_ne!(*identity, Identity::default(), "nothing, as if it were something");
        check_identity(identity);
    }
    for (id, identity) in fuzzing::storage(bytes) {
        check_id(&id);
        check_identity(&identity);
    }
}

fn check_identity(identity: &Identity) {
    identity.name.iter().chain(&identity.image).for_each(|text| check_text(text));
    // What is known of the pod comes on top.
    const POD_LABELS: usize = 4;
    assert!(identity.labels.len() <= MAX_LABELS + POD_LABELS);
    identity.labels.iter().flat_map(|(key, value)| [key, value]).for_each(|text| check_text(text));
    assert_ne!(identity.created, Some(0), "a moment that never was");
}

/// What holds for every sample of a container.
fn check_stats(stats: &Stats) {
    assert!(stats.is_running() || *stats == Stats::default(), "numbers of what does not run: {stats:?}");
    assert!(stats.networks.len() <= MAX_INNER);
    assert!(stats.block.bytes.len().max(stats.block.operations.len()) <= MAX_BLOCK_ENTRIES);
    stats.networks.iter().for_each(|(name, _)| check_text(name));
    stats.os_type.iter().for_each(|text| check_text(text));
    for percent in [stats.cpu_percent(), stats.cpu_percent_since(stats), stats.memory_percent()] {
        assert!(percent.is_none_or(|percent| percent.is_finite() && percent >= 0.0), "{percent:?} %");
    }
    let used = stats.memory_used();
    assert!(used <= stats.memory.usage || used == stats.memory.private_working_set, "{:?}", stats.memory);
    assert!(stats.network_io().is_none() || !stats.networks.is_empty(), "a sum of nothing");
    assert!(
        stats.block_io().is_none()
            || stats.block != BlockStats::default()
            || stats.storage.read_bytes.is_some()
    );
}

/// What holds for every sample of all containers.
pub(crate) fn check_podman_sample(sample: &PodmanSample) {
    assert!(sample.containers.len() <= MAX_PODMAN_CONTAINERS);
    for container in &sample.containers {
        check_id(&container.id);
        container.name.iter().for_each(|text| check_text(text));
        assert!(container.read.is_some_and(|read| read > 0), "numbers of what does not run");
        assert!(container.networks.len() <= MAX_INNER);
        container.networks.iter().for_each(|(name, _)| check_text(name));
        let io = container.network_io();
        assert!(io.is_none() || container.network_received.is_some() || !container.networks.is_empty());
    }
}

/// Addresses of engines, one a line: what is taken is shown in a form that is taken for the same again.
pub fn endpoint(bytes: &[u8]) {
    for text in String::from_utf8_lossy(bytes).split('\n') {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => {
                let shown = endpoint.to_string();
                assert_eq!(shown.parse(), Ok(endpoint), "{text:?} is shown as {shown:?}");
            }
            Err(error) => assert!(error.to_string().len() < 8 * 1024, "a message without end"),
        }
    }
}

/// The stream of events: cut anywhere it says the same, and damage ends with its line.
pub fn event_stream(bytes: &[u8]) {
    let whole = fuzzing::events([bytes]);
    assert_eq!(fuzzing::events(chunks(bytes, 1)), whole, "cut where the bytes say");
    assert_eq!(fuzzing::events(bytes.chunks(1)), whole, "cut everywhere");
    whole.0.iter().for_each(check_event);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    // An object is two bytes at least, and so is what is skipped with its line.
    assert!(whole.0.len() <= bytes.len() / 2 && whole.1 <= (lines + bytes.len() / 2) as u64);

    let (events, _) = fuzzing::events([bytes, GOOD_EVENT]);
    assert_eq!(events[..whole.0.len()], whole.0, "what follows changed what was there");
    let last = events.last().expect("a good event on a line of its own");
    assert_eq!((&last.action, last.exit_code), (&Action::Die, Some(137)));
    let (events, _) = fuzzing::events([b"?".as_slice(), GOOD_EVENT, bytes]);
    assert_eq!(events[1..], whole.0, "what came before changed what follows");
}

/// What holds for every event.
pub(crate) fn check_event(event: &Event) {
    let texts = [&event.container, &event.name, &event.image, &event.old_name, &event.network];
    texts.into_iter().flatten().for_each(|text| check_text(text));
    if let Action::Health(word) | Action::Other(word) = &event.action {
        check_text(word);
    }
    assert!(event.kind == Kind::Network || event.container.is_some());
    assert!(event.exit_code.is_none() || event.action == Action::Die);
    assert!(event.old_name.is_none() || event.action == Action::Rename);
    assert_ne!(event.time_nano, Some(0), "a moment that never was");
}

/// It may become part of a path.
fn check_id(id: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    assert!(!id.is_empty() && !id.starts_with('.') && id.bytes().all(is_plain), "the id {id:?}");
    check_text(id);
}

fn check_text(text: &str) {
    assert!(text.len() <= MAX_TEXT, "{} bytes of text", text.len());
}

fn check_labels(labels: &BTreeMap<String, String>) {
    assert!(labels.len() <= MAX_LABELS);
    labels.iter().flat_map(|(key, value)| [key, value]).for_each(|text| check_text(text));
}
