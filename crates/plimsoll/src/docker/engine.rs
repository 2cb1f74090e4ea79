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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use plimsoll_testkit::fake_engine::FakeEngine;

    use super::*;

    /// A file system with sockets in the usual places, by links to where they are.
    fn with_sockets(places: &[(&str, &Path)]) -> (tempfile::TempDir, Surroundings) {
        let root = tempfile::tempdir().unwrap();
        for (place, socket) in places {
            let path = root.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(socket, path).unwrap();
        }
        let surroundings = Surroundings { root: root.path().to_owned(), ..Surroundings::default() };
        (root, surroundings)
    }

    fn address(engine: &FakeEngine) -> String {
        format!("unix://{}", engine.socket().display())
    }

    #[tokio::test]
    async fn podman_where_no_docker_answers() {
        let mut engines = [FakeEngine::start(), FakeEngine::start()];
        let [docker, podman] = &engines;
        let places = [("var/run/docker.sock", docker.socket()), ("run/podman/podman.sock", podman.socket())];
        let (_root, surroundings) = with_sockets(&places);
        // Another engine of Podman's settings does not come before Docker either.
        let settings = Surroundings { container_host: Some(address(podman)), ..surroundings.clone() };
        for surroundings in [&surroundings, &settings] {
            let found = find(surroundings).await.unwrap();
            assert!(found.client.endpoint().to_string().ends_with("var/run/docker.sock"));
        }
        engines[0].stop();
        let found = find(&surroundings).await.unwrap();
        assert!(found.client.endpoint().to_string().ends_with("podman.sock"));
        engines[1].stop();
        let error = find(&surroundings).await.err().unwrap();
        assert!(matches!(error, DockerError::NoEngine { .. }), "{error}");
    }

    #[tokio::test]
    async fn who_names_an_engine_gets_that_or_none() {
        let (mut named, usual) = (FakeEngine::start(), FakeEngine::start());
        let (_root, surroundings) = with_sockets(&[("var/run/docker.sock", usual.socket())]);
        let naming = |host: String| Surroundings { docker_host: Some(host), ..surroundings.clone() };
        let chosen = naming(address(&named));
        assert_eq!(find(&chosen).await.unwrap().client.endpoint().to_string(), address(&named));
        named.stop();
        for surroundings in [chosen, naming("carrier pigeon".to_owned())] {
            let error = find(&surroundings).await.err().unwrap();
            assert!(matches!(error, DockerError::NoEngine { .. }), "{error}");
        }
        let context = Surroundings { docker_context: Some("nowhere".to_owned()), ..surroundings };
        assert!(find(&context).await.err().unwrap().to_string().contains("nowhere"));
    }

    #[tokio::test]
    async fn no_engine_at_all() {
        let (_root, surroundings) = with_sockets(&[]);
        let message = find(&surroundings).await.err().unwrap().to_string();
        assert!(message.contains("/var/run/docker.sock") && message.contains("DOCKER_HOST"), "{message}");
    }
}
