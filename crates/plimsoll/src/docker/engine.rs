//! Which engine is talked to.

use std::time::Duration;

use plimsoll_engine::{
    Client, Endpoint, Error, Flavour, Found, MAX_ENGINES, Surroundings, Timeouts, discover,
};

use super::error::{DockerError, Result};

/// How long an engine may take for an ordinary answer. Podman runs programs to tell its version.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(15) };

/// What is being done here, for errors.
const DOING: &str = "looking for a container engine";

/// An engine that answered.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) flavour: Flavour,
}

/// Connects to the engine at this address.
pub(super) async fn connect(endpoint: Endpoint) -> Result<Connected> {
    let doing = format!("connecting to {endpoint}");
    try_one(endpoint).await.map_err(|error| DockerError::engine(doing, error))
}

/// Connects to the engine that the `docker` command would talk to; if its settings name none, to the first that answers
/// in the usual places, those of Docker before those of Podman.
pub(super) async fn find(surroundings: &Surroundings) -> Result<Connected> {
    let discovery = discover(surroundings);
    let mut candidates = discovery.found;
    match candidates.iter().position(Found::is_dockers_choice) {
        Some(named) => candidates = vec![candidates.swap_remove(named)],
        // Who names an engine means that one: nothing must be started on another because of a typing error.
        None => {
            if let Some(problem) = discovery.problems.first().filter(|_| candidates.len() < MAX_ENGINES) {
                return Err(none(problem.to_string(), None));
            }
        }
    }
    candidates.sort_by_key(|found| found.flavour == Some(Flavour::Podman));
    let mut failures = Vec::new();
    for found in candidates {
        match try_one(found.endpoint).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failures.push(error),
        }
    }
    // That one may not is more of a hint than that others are not there.
    let denied = failures.iter().position(Error::is_permission);
    if let Some(denied) = denied {
        return Err(DockerError::engine(DOING, failures.swap_remove(denied)));
    }
    let tried: Vec<_> = failures.iter().map(ToString::to_string).collect();
    let nothing =
        "there is no socket in the usual places, such as /var/run/docker.sock and /run/podman/podman.sock";
    let tried = if tried.is_empty() { nothing.to_owned() } else { tried.join("; ") };
    Err(none(tried, failures.pop()))
}

fn none(tried: String, source: Option<Error>) -> DockerError {
    DockerError::NoEngine { doing: DOING.to_owned(), tried, source: source.map(Box::new) }
}

async fn try_one(endpoint: Endpoint) -> std::result::Result<Connected, Error> {
    let client = Client::with_timeouts(endpoint, TIMEOUTS);
    let flavour = client.version().await?.flavour;
    Ok(Connected { client, flavour })
}
