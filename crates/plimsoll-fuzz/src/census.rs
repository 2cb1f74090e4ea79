//! What strangers send to a census, and what its agents answer.

use std::collections::BTreeSet;
use std::fmt::Debug;

use plimsoll_model::census::Report;
use plimsoll_wire::census::agent::{self, Container, Health, Image, Info, MAX_INNER, MAX_TEXT, Telemetry};
use plimsoll_wire::census::images::{Naming, normalise, registry, trend_name};
use plimsoll_wire::census::inventory::{HostInventory, Identity, Inventory};
use plimsoll_wire::census::zones::{REGIONS, region};
use plimsoll_wire::census::{
    DecodeError, MAX_AGENT_VERSIONS, MAX_COUNT, MAX_IMAGE, MAX_IMAGES, MAX_INSTALLATION_ID, MAX_TIMEZONE,
    MAX_VERSION, decode, encode, encode_pretty,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reports, answers of agents, and names of images: what is read is within bounds, is written, and is read again as it was;
/// what is refused is refused in a few words; and what a scan of such an agent reports is what a census takes.
pub fn census(bytes: &[u8]) {
    let read = decode(bytes);
    assert_eq!(decode(bytes), read, "the same bytes, another report");
    match read {
        Ok(report) => check_report(&report),
        Err(error) => check_message(error.status(), &error.to_string()),
    }

    check_object::<Info>(bytes);
    check_object::<Health>(bytes);
    check_object::<Telemetry>(bytes);
    check_list::<Image>(bytes);
    check_list::<Container>(bytes);
    check_scan(bytes);
    if let Ok(name) = std::str::from_utf8(bytes) {
        check_name(name);
    }
}

fn check_report(report: &Report) {
    let is_text = |text: &str, most| !text.contains(char::is_control) && text.chars().count() <= most;
    assert!(!report.installation_id.is_empty() && is_text(&report.installation_id, MAX_INSTALLATION_ID));
    assert!(is_text(&report.version, MAX_VERSION) && is_text(&report.timezone, MAX_TIMEZONE));
    assert!(report.agent_versions.len() <= MAX_AGENT_VERSIONS && report.images.len() <= MAX_IMAGES);
    assert!(report.agent_versions.keys().all(|version| is_text(version, MAX_VERSION)));
    let names: BTreeSet<_> = report.images.iter().map(|image| &image.image).collect();
    assert_eq!(names.len(), report.images.len(), "an image comes twice");
    for image in &report.images {
        assert!(!image.image.is_empty() && is_text(&image.image, MAX_IMAGE));
        assert!(image.containers <= MAX_COUNT && image.size_bytes <= MAX_COUNT);
        check_name(&image.image);
    }
    for value in [report.avg_cpu_percent, report.avg_restarts, report.avg_connections_per_container] {
        assert!(value.is_finite() && value.is_sign_positive());
    }
    assert!(report.host_count <= MAX_COUNT && report.total_image_size <= MAX_COUNT);
    assert!(REGIONS.contains(&region(&report.timezone)));
    check_again(report);
}

fn check_again(report: &Report) {
    let (mut body, mut pretty) = (String::new(), String::new());
    encode(report, &mut body);
    encode_pretty(report, &mut pretty);
    for body in [body, pretty] {
        match decode(body.as_bytes()) {
            Ok(again) => assert_eq!(again, *report),
            // Some characters are longer when they are written, and lines are indented.
            Err(error) => assert_eq!(error.status(), 413, "{error}"),
        }
    }
}

fn check_message(status: u16, text: &str) {
    assert!(matches!(status, 400 | 413));
    assert!(text.len() <= DecodeError::MAX_TEXT && !text.contains(char::is_control), "{text:?}");
}

fn check_name(name: &str) {
    assert!(name.ends_with(normalise(name)) && name.contains(trend_name(name)));
    assert!(name.is_empty() || !trend_name(name).is_empty() && !normalise(name).is_empty());
    assert!(!registry(name).title.is_empty() && !registry(name).short().is_empty());
    let hashed = Naming::Hashed(b"salt".to_vec()).name(name).expect("a hash for every name");
    assert!(hashed.len() == "sha256:".len() + 32 && trend_name(&hashed) == hashed);
}

fn check_object<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    match agent::object::<T>(bytes) {
        Ok(read) => assert_eq!(agent::object(agent::encode(&read).as_bytes()), Ok(read)),
        Err(error) => assert!(error.to_string().len() < 512, "{error}"),
    }
}

fn check_list<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    match agent::list::<T>(bytes) {
        Ok(read) => {
            let again = agent::list::<T>(agent::encode(&read.items).as_bytes()).expect("it was made here");
            assert_eq!((again.items, again.skipped), (read.items, 0));
        }
        Err(error) => assert!(error.to_string().len() < 512, "{error}"),
    }
}

fn check_scan(bytes: &[u8]) {
    let Ok(containers) = agent::list::<Container>(bytes) else { return };
    for container in &containers.items {
        assert!(container.labels.len() <= MAX_INNER && container.networks.len() <= MAX_INNER);
        assert!(container.name.len() <= MAX_TEXT && container.image.len() <= MAX_TEXT);
    }
    let images = agent::list::<Image>(bytes).map(|images| agent::sizes(&images.items)).unwrap_or_default();
    let containers = containers.items.iter().map(Container::inventory).collect();
    let inventory =
        Inventory { hosts: vec![HostInventory { containers, images, ..HostInventory::default() }] };
    let who = Identity { installation_id: "a1b2".to_owned(), ..Identity::default() };
    for naming in [Naming::Plain, Naming::Normalised, Naming::Hashed(b"salt".to_vec()), Naming::Omitted] {
        check_report(&inventory.report(&who, &naming, 0));
    }
}
