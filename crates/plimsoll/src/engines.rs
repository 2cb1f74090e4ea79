//! Which engines are listened to, and what is said when one does not answer.

use std::path::{Path, PathBuf};

use plimsoll_collect::Which;
use plimsoll_engine::{Discovery, Endpoint, Found, Problem, StateFiles, Surroundings, context, discover};
use plimsoll_model::Snapshot;
use plimsoll_model::agent::{Engine, EngineState};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::value::{AUTO, CONTEXT, NONE};

/// The host's file system, with the files that engines write for themselves.
const HOST: &str = "/";

/// How many homes of users are looked at for such files.
const MAX_HOMES: usize = 256;

/// Where `auto` looks, for whoever has to find out why nothing was found.
const PLACES: &str = "DOCKER_HOST, DOCKER_CONTEXT and the current context of docker, CONTAINER_HOST, \
    /var/run/docker.sock, /run/podman/podman.sock, users' sockets below /run/user and XDG_RUNTIME_DIR, and those of \
    Docker Desktop, Colima, OrbStack, Rancher Desktop and Podman's machine below HOME";

/// What to do where no engine is found.
pub(crate) const START_ONE: &str = "start an engine, let this user use its socket, in a container mount it (-v \
    /var/run/docker.sock:/var/run/docker.sock:ro), name its address with --engine, or do without: --engine none";

/// The engines that the settings name, or leave to be found.
pub(crate) fn which(settings: &Settings) -> Which {
    let surroundings = settings.surroundings.clone();
    match &*settings.engine {
        [word] if word == NONE => Which::None,
        [word] if word == AUTO => Which::Found(Box::new(move || discover(&surroundings))),
        entries => Which::Named(named(entries, &surroundings)),
    }
}

/// The files in which engines write down what their containers are called.
pub(crate) fn state_files() -> StateFiles {
    let users = std::fs::read_dir(Path::new(HOST).join("home")).into_iter().flatten().flatten();
    let mut homes: Vec<PathBuf> = users.take(MAX_HOMES).map(|user| user.path()).collect();
    homes.push(Path::new(HOST).join("root"));
    StateFiles::usual(Path::new(HOST), homes.iter().map(PathBuf::as_path))
}

/// The engines of a list. What is wrong with one of them hides no other.
pub(crate) fn named(entries: &[String], surroundings: &Surroundings) -> Discovery {
    let mut discovery = Discovery::default();
    for entry in entries {
        let found = match entry.strip_prefix(CONTEXT) {
            Some(name) => context(surroundings, name)
                .map_err(|error| Problem { subject: format!("context {name}"), text: error.to_string() }),
            None => entry
                .parse::<Endpoint>()
                .map(|endpoint| surroundings.named(endpoint, "--engine"))
                .map_err(|error| Problem { subject: entry.clone(), text: error.to_string() }),
        };
        match found {
            // The same one twice is one.
            Ok(found) if discovery.found.iter().any(|other| other.endpoint == found.endpoint) => {}
            Ok(found) => discovery.found.push(distinct(&discovery.found, found)),
            Err(problem) => discovery.problems.push(problem),
        }
    }
    discovery
}

/// An engine with no more of a name than tells it from those before it: the only Docker is `docker`.
fn distinct(before: &[Found], mut next: Found) -> Found {
    let own = std::mem::take(&mut next.qualifier);
    let mut count = 0;
    while before.iter().any(|other| may_be_confused(other, &next)) {
        count += 1;
        next.qualifier = match (count, &*own) {
            (_, "") => (count + 1).to_string(),
            (1, own) => own.to_owned(),
            (_, own) => format!("{own}-{count}"),
        };
    }
    next
}

/// What has no flavour yet may turn out to be of any.
fn may_be_confused(one: &Found, other: &Found) -> bool {
    let same_flavour = one.flavour.is_none() || other.flavour.is_none() || one.flavour == other.flavour;
    same_flavour && one.qualifier == other.qualifier
}

/// One line for each engine whose containers are not shown. A second address of one that answers is no trouble.
pub(crate) fn troubles(snapshot: &Snapshot) -> Vec<String> {
    let is_missing = |engine: &&Engine| !engine.is_up() && engine.state != EngineState::Duplicate;
    snapshot.agent.engines.iter().filter(is_missing).map(trouble).collect()
}

fn trouble(engine: &Engine) -> String {
    let (name, endpoint, trouble) = (&engine.name, &engine.endpoint, &engine.trouble);
    match engine.state {
        // Nobody knows whose containers these would be, and the trouble names what is wrong.
        EngineState::Misconfigured => format!("{endpoint}: {trouble}"),
        EngineState::Waiting => format!("{name} at {endpoint} has not answered yet"),
        _ if trouble.contains(&**endpoint) => format!("{name} does not answer: {trouble}"),
        _ => format!("{name} at {endpoint} does not answer: {trouble}"),
    }
}

/// That no engine answers, and that no container is known without one.
pub(crate) fn nobody(snapshot: &Snapshot) -> Failure {
    match &*troubles(snapshot) {
        [] => Failure::world(format!(
            "no container engine was found, and no container by its cgroup; looked at {PLACES}"
        ))
        .remedy(START_ONE),
        [one] => Failure::world(format!("the container engine does not answer: {one}"))
            .remedy("start the engine, let this user use it, or name another address with --engine"),
        many => Failure::world(format!("no container engine answers: {}", many.join("; ")))
            .remedy("start one of them, let this user use it, or name another address with --engine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_get_no_longer_names_than_they_need() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["unix:///run/user/1000/docker.sock"], &[""]),
            (&["unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"], &["", ""]),
            (&["unix:///nowhere/a/docker.sock", "unix:///nowhere/b/docker.sock"], &["", "b"]),
            (&["tcp://h:1", "tcp://h:2", "tcp://h:3"], &["", "h", "h-2"]),
            (&["tcp://h:1", "tcp://h:1"], &[""]),
            // What listens at an address of TCP may be either.
            (&["unix:///nowhere/podman.sock", "tcp://h:1"], &["", "h"]),
        ];
        for (entries, expected) in cases {
            let entries: Vec<String> = entries.iter().map(|&entry| entry.into()).collect();
            let found = named(&entries, &Surroundings::default()).found;
            let qualifiers: Vec<&str> = found.iter().map(|found| &*found.qualifier).collect();
            assert_eq!(qualifiers, expected, "{entries:?}");
        }
    }

    #[test]
    fn a_context_that_nobody_made_hides_no_other_engine() {
        let entries = ["context:nowhere".to_owned(), "unix:///run/a.sock".to_owned()];
        let discovery = named(&entries, &Surroundings::default());
        assert_eq!(discovery.found.len(), 1);
        assert_eq!(discovery.problems[0].subject, "context nowhere");
    }

    #[test]
    fn certificates_are_those_of_the_docker_command() {
        let surroundings =
            Surroundings { docker_cert_path: Some("/certificates".into()), ..Surroundings::default() };
        let found = named(&["https://h:2376".to_owned()], &surroundings).found;
        let Endpoint::Tls { certificates, .. } = &found[0].endpoint else { panic!("{found:?}") };
        assert_eq!(certificates.ca, Some("/certificates/ca.pem".into()));
    }

    #[test]
    fn each_engine_that_is_missing_is_told_of() {
        let engine = |endpoint: &str, state| Engine {
            state,
            trouble: "refused".into(),
            ..Engine::new("docker", endpoint)
        };
        let mut snapshot = Snapshot::default();
        assert!(nobody(&snapshot).to_string().contains("/var/run/docker.sock"));
        snapshot.agent.engines = vec![
            engine("unix:///a", EngineState::Up),
            engine("unix:///b", EngineState::Duplicate),
            engine("unix:///c", EngineState::Unreachable),
            engine("context x", EngineState::Misconfigured),
        ];
        assert_eq!(
            troubles(&snapshot),
            ["docker at unix:///c does not answer: refused", "context x: refused"]
        );
    }
}
