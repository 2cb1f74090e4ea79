//! How targets do, and the request that they send now. Both are of this moment, and need no history.

use std::collections::BTreeMap;

use plimsoll_model::Snapshot;
use plimsoll_model::agent::Target;
use plimsoll_model::catalog::DeliveryField as Field;
use plimsoll_store::Millis;
use serde::Serialize;

use super::failure::Failure;
use crate::Flushed;

/// Nanoseconds in a second, and in a millisecond.
const SECOND: f64 = 1e9;
const MILLI: u64 = 1_000_000;

#[derive(Serialize)]
struct Targets<'a> {
    at: Millis,
    targets: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    r#type: &'a str,
    address: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    trouble: &'a str,
    collected: u64,
    delivered: u64,
    rejected: BTreeMap<&'a str, u64>,
    dropped: BTreeMap<&'a str, u64>,
    queued: u64,
    resent: u64,
    queued_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_age: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<f64>,
}

/// Answers with all targets, in the order of the configuration.
pub(super) fn answer(snapshot: &Snapshot) -> Result<Vec<u8>, Failure> {
    let targets = snapshot.agent.targets.iter().map(One::from).collect();
    let at = Millis::try_from(snapshot.at / MILLI).unwrap_or(Millis::MAX);
    Ok(serde_json::to_vec(&Targets { at, targets })?)
}

impl<'a> From<&'a Target> for One<'a> {
    fn from(target: &'a Target) -> Self {
        let points = |outcome: &str| target.figure(Field::Points, &[outcome, ""]).unwrap_or_default();
        let by_reason = |outcome: &str| {
            let of_it = target
                .figures
                .iter()
                .filter(|figure| figure.field == Field::Points && figure.labels[0] == outcome);
            of_it.filter(|figure| figure.value > 0).map(|figure| (&*figure.labels[1], figure.value)).collect()
        };
        let sum = |field| {
            let of_it = target.figures.iter().filter(|figure| figure.field == field);
            of_it.map(|figure| figure.value).sum()
        };
        let seconds = |field| target.figure(field, &[]).map(|nanos| nanos as f64 / SECOND);
        Self {
            name: &target.name,
            r#type: target.type_name,
            address: &target.address,
            state: target.state,
            trouble: &target.trouble,
            collected: points("collected"),
            delivered: points("delivered"),
            rejected: by_reason("rejected"),
            dropped: by_reason("dropped"),
            queued: sum(Field::QueuePoints),
            resent: points("resent"),
            queued_bytes: sum(Field::QueueBytes),
            oldest_age: seconds(Field::QueueAge),
            capacity: seconds(Field::QueueCapacity),
            lag: seconds(Field::Lag),
        }
    }
}

#[derive(Serialize)]
struct Flushes<'a> {
    targets: &'a [Flushed],
}

/// Says what came of a flush.
pub(super) fn flushed(done: &[Flushed]) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec(&Flushes { targets: done })?)
}
