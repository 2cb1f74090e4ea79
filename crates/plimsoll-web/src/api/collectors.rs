//! How collectors do. That is of this moment, and needs no history.

use std::collections::BTreeMap;

use plimsoll_model::custom::CollectorState;
use plimsoll_model::{Collector, Snapshot};
use plimsoll_store::Millis;
use serde::Serialize;

use super::failure::Failure;

/// The type of the agent's own collectors.
const BUILT_IN: &str = "built-in";

/// Nanoseconds in a second, and in a millisecond.
const SECOND: f64 = 1e9;
const MILLI: u64 = 1_000_000;

#[derive(Serialize)]
struct Collectors<'a> {
    at: Millis,
    collectors: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    r#type: &'a str,
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(flatten)]
    on_the_framework: Option<Scheduled<'a>>,
}

/// What is known of those that are scheduled.
#[derive(Serialize)]
struct Scheduled<'a> {
    interval: f64,
    timeout: f64,
    runs: u64,
    failures: BTreeMap<&'a str, u64>,
    skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<u64>,
    dropped: BTreeMap<&'a str, u64>,
    unhealthy_containers: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<Millis>,
    #[serde(skip_serializing_if = "str::is_empty")]
    last_error: &'a str,
}

/// Answers with all collectors: the agent's own, then those that are scheduled.
pub(super) fn answer(snapshot: &Snapshot) -> Result<Vec<u8>, Failure> {
    let own = Collector::ALL.iter().filter_map(|collector| {
        let report = &snapshot.agent.collectors[*collector];
        let success = report.success?;
        Some(One {
            name: collector.name(),
            r#type: BUILT_IN,
            healthy: success,
            success: Some(success),
            duration: report.duration.map(seconds),
            on_the_framework: None,
        })
    });
    let scheduled = snapshot.custom.iter().map(|collector| One::from(&collector.state));
    let at = Millis::try_from(snapshot.at / MILLI).unwrap_or(Millis::MAX);
    Ok(serde_json::to_vec(&Collectors { at, collectors: own.chain(scheduled).collect() })?)
}

impl<'a> From<&'a CollectorState> for One<'a> {
    fn from(state: &'a CollectorState) -> Self {
        let last_success = state.last_success.and_then(|at| Millis::try_from(at / MILLI).ok());
        Self {
            name: &state.name,
            r#type: &state.type_name,
            healthy: state.healthy,
            success: state.success,
            duration: state.duration.map(seconds),
            on_the_framework: Some(Scheduled {
                interval: seconds(state.interval),
                timeout: seconds(state.timeout),
                runs: state.runs,
                failures: state.failures.iter().copied().collect(),
                skipped: state.skipped,
                values: state.values,
                dropped: state.left_out.iter().copied().collect(),
                unhealthy_containers: state.unhealthy_containers,
                last_success,
                last_error: &state.last_error,
            }),
        }
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / SECOND
}
