//! The engines that are listened to, as the sampler was last told of them.

use std::sync::Arc;

use plimsoll_model::agent::{Capability, CollectorReport, Engine};
use plimsoll_model::container::LabelLoss;

use crate::source::Origin;

/// An engine that is listened to, as it was last told of.
#[derive(Debug)]
pub(crate) struct Listened {
    pub(crate) engine: Engine,
    pub(crate) origin: Arc<Origin>,
    pub(crate) label_loss: LabelLoss,
    pub(crate) duration: Option<u64>,
}

/// What all engines together are as a collector.
pub(crate) fn report(engines: &[Listened]) -> CollectorReport {
    CollectorReport {
        duration: engines.iter().filter_map(|listened| listened.duration).max(),
        success: (!engines.is_empty()).then(|| engines.iter().all(|listened| listened.engine.is_up())),
        timeouts: engines.iter().map(|listened| listened.engine.timeouts).reduce(|a, b| a + b),
    }
}

/// What the agent may do with the sockets of engines: one capability a family, as several engines of one
/// family share it.
pub(crate) fn sockets(engines: &[Engine]) -> Vec<Capability> {
    let of = |feature: &'static str, family: &str| {
        let engines: Vec<_> = engines.iter().filter(|engine| engine.name.starts_with(family)).collect();
        let down = engines.iter().find(|engine| !engine.is_up());
        let reason = match down {
            Some(engine) => engine.trouble.to_string(),
            None => engines.iter().map(|engine| &*engine.endpoint).collect::<Vec<_>>().join(", "),
        };
        let remedy = match down {
            Some(_) => "start the engine, let this user use it, or name another address with --engine",
            None => "",
        };
        (!engines.is_empty()).then(|| Capability {
            feature,
            available: down.is_none(),
            reason,
            remedy: remedy.into(),
        })
    };
    [of("docker_socket", "docker"), of("podman_socket", "podman")].into_iter().flatten().collect()
}
