//! A Census agent's part of a scan.

use std::time::Duration;

use anyhow::Context as _;
use plimsoll_deliver::client::{HttpClient, Question, Reply};
use plimsoll_deliver::config::Secret;
use plimsoll_wire::census::agent::{self, Container, Image, Info};
use plimsoll_wire::census::inventory::{HostInventory, Via};

use crate::failure::Failure;
use crate::text;

/// Scans an agent, within this time. With `stats` it is asked for what containers use, which takes it a second.
///
/// # Errors
/// If it does not answer as an agent does, or does not take the token.
pub(super) async fn scan(
    url: &str,
    token: Option<&Secret>,
    stats: bool,
    within: Duration,
) -> anyhow::Result<HostInventory> {
    let client = HttpClient::new(url, None)?;
    let ask = async |path: &str, token: Option<&Secret>| {
        let question = Question::get(&format!("{url}{path}"), within, agent::MAX_ANSWER + 1);
        let question = Question { token: token.cloned(), ..question };
        let reply = client.ask(&question).await.map_err(|fault| anyhow::anyhow!(fault.message))?;
        taken(&reply)?;
        anyhow::Ok(reply.body)
    };
    let info: Info = agent::object(&ask("/info", None).await?)?;
    let path = if stats { "/api/containers?stats=true" } else { "/api/containers" };
    let (containers, images) = tokio::join!(ask(path, token), ask("/api/images", token));
    let containers = agent::list::<Container>(&containers?).context("its containers")?;
    // Sizes are worth less than the containers.
    let images = images.ok().and_then(|body| agent::list::<Image>(&body).ok()).unwrap_or_default();
    Ok(HostInventory {
        name: info.hostname,
        via: Via::Agent,
        agent_version: Some(info.version).filter(|version| !version.is_empty()),
        containers: containers.items.iter().map(Container::inventory).collect(),
        images: agent::sizes(&images.items),
        ..HostInventory::default()
    })
}

fn taken(reply: &Reply) -> Result<(), Failure> {
    match reply.status {
        200 => Ok(()),
        status @ (401 | 403) => Err(Failure::world(format!(
            "it does not take the token (status {status}): give the agent's with --token-file or PLIMSOLL_CENSUS_AGENT_TOKEN"
        ))),
        status => {
            let answer = String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)]).into_owned();
            Err(Failure::world(format!("it answers {status}: {}", text::quoted(&answer))))
        }
    }
}
