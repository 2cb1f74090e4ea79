//! A scan by a running agent: what its engines list, with the numbers of its own snapshot.

use futures_util::future::join_all;
use plimsoll_engine::{Client, Flavour};
use plimsoll_model::Snapshot;
use plimsoll_model::agent::Engine;
use plimsoll_wire::census::inventory::Inventory;

use super::engine::{self, Told};
use super::host::{Host, hosts};
use crate::failure::Failure;
use crate::settings::Settings;

/// What each engine that answers tells, by its address.
///
/// # Errors
/// If none answers.
pub(super) async fn told(settings: &Settings, snapshot: &Snapshot) -> Result<Vec<(String, Told)>, Failure> {
    let found = hosts(&[], settings)?.hosts;
    let up: Vec<&Engine> = snapshot.agent.engines.iter().filter(|engine| engine.is_up()).collect();
    let engines = found.into_iter().filter_map(|host| match host {
        Host::Engine(found) => {
            let address = found.endpoint.to_string();
            let engine = up.iter().find(|engine| *engine.endpoint == *address)?;
            Some((found, address, flavour(engine)))
        }
        Host::Agent(_) => None,
    });
    let asking = engines.map(|(found, address, flavour)| async move {
        let client = Client::new(found.endpoint);
        client.version().await?;
        let mut told = engine::listed(&client).await?;
        told.numbers = engine::numbers(snapshot, &address);
        engine::complete(&client, flavour, &mut told).await;
        Ok::<_, plimsoll_engine::Error>((address, told))
    });
    let (answers, failures): (Vec<_>, Vec<_>) = join_all(asking).await.into_iter().partition(Result::is_ok);
    let told: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    match failures.into_iter().find_map(Result::err) {
        Some(error) if told.is_empty() => Err(Failure::world("no engine answers").because(error)),
        None if told.is_empty() => Err(Failure::world("no engine answers")),
        _ => Ok(told),
    }
}

/// What there is, for a report.
///
/// # Errors
/// As [`told`].
pub(super) async fn inventory(settings: &Settings, snapshot: &Snapshot) -> Result<Inventory, Failure> {
    let told = told(settings, snapshot).await?;
    Ok(Inventory {
        hosts: told.into_iter().map(|(address, told)| engine::inventory(&address, told)).collect(),
    })
}

/// The family of an engine by the name that it has in labels.
fn flavour(engine: &Engine) -> Flavour {
    if engine.name.starts_with(Flavour::Podman.name()) { Flavour::Podman } else { Flavour::Docker }
}
