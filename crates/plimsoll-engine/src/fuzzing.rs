//! Doors to the parsers for the fuzzers (`fuzz/`), which have bytes and no engine. Only with the feature `fuzzing`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::events::{self, Event};
use crate::lenient::Object;
use crate::podman::{self, PodMembership, PodmanSample};
use crate::state_files::{Identity, parse};
use crate::types::{self, Details, Image, Info, Listing, Version};

/// The body of a listing; `None` if it is no complete JSON array.
#[must_use]
pub fn listing(body: &[u8]) -> Option<Listing> {
    types::listing(body)
}

/// The body of a container's details; `None` if it is no object with a usable id.
#[must_use]
pub fn details(body: &[u8]) -> Option<Details> {
    object(body).and_then(types::details)
}

/// The body of an image's details; `None` if it is no object with an id.
#[must_use]
pub fn image(body: &[u8]) -> Option<Image> {
    object(body).and_then(types::image)
}

/// The body of an engine's facts; `None` if it is no object.
#[must_use]
pub fn info(body: &[u8]) -> Option<Info> {
    object::<types::InfoWire>(body).map(Info::from)
}

/// The body of an engine's versions; `None` if it is no object.
#[must_use]
pub fn version(body: &[u8]) -> Option<Version> {
    object::<types::VersionWire>(body).map(Version::from)
}

/// The body of Podman's own listing; `None` if it is no complete JSON array.
#[must_use]
pub fn pods(body: &[u8]) -> Option<BTreeMap<String, PodMembership>> {
    podman::pods(body)
}

/// A sample of all of Podman's containers; `None` if it is no object.
#[must_use]
pub fn podman_sample(body: &[u8]) -> Option<PodmanSample> {
    podman::sample(body)
}

/// Docker's `config.v2.json`; `None` if it says nothing.
#[must_use]
pub fn docker_state(bytes: &[u8]) -> Option<Identity> {
    parse::docker(bytes)
}

/// The `containers.json` of Podman and CRI-O.
#[must_use]
pub fn storage(bytes: &[u8]) -> Vec<(String, Identity)> {
    parse::storage(bytes)
}

/// An OCI bundle's `config.json`; `None` if it says nothing.
#[must_use]
pub fn bundle(bytes: &[u8]) -> Option<Identity> {
    parse::bundle(bytes)
}

/// The events of a stream that comes in these chunks and then ends, and how many lines were none.
pub fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, u64) {
    events::read(chunks)
}

fn object<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Option<T> {
    serde_json::from_slice::<Object<T>>(body).ok()?.0
}
