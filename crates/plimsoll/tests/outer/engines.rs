//! Several engines, none, and what is wrong with one of them: the others go on.
//!
//! Where engines are found by themselves, this machine's own are found, too: those tests look for theirs alone.

use std::path::Path;

use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine, id_of};

use crate::agent::Agent;
use crate::exposition::Exposition;
use crate::machine::{Machine, containers};
use crate::process::{Done, run, run_with};

/// An engine that is not the machine's, with one container of this name.
fn other(name: &str) -> FakeEngine {
    let engine = FakeEngine::start();
    engine.set_behaviour("/info", Behaviour::Status(200, r#"{"ID": "OTHER"}"#.to_owned()));
    engine.put(FakeContainer::new(name).id(&id_of("other")));
    engine
}

fn address(engine: &FakeEngine) -> String {
    format!("unix://{}", engine.socket().display())
}

/// One exposition of the machine's engine and this one, and what was said about it.
#[track_caller]
fn beside(machine: &Machine, engine: &str) -> (Exposition, Done) {
    let own = address(&machine.engine);
    let done = run(&machine.on(&["metrics", "--engine", &own, "--engine", engine]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let exposition = Exposition::parse(&done.out);
    assert_eq!(exposition.value("plimsoll_engine_up", &[("endpoint", &own)]), Some(1.0));
    assert!(exposition.value("container_memory_usage_bytes", &[("name", "plimsoll-cap-busy")]).is_some());
    (exposition, done)
}

#[track_caller]
fn warned(done: &Done, parts: &[&str]) {
    assert_eq!(done.err.lines().count(), 1, "one line: {}", done.err);
    for part in parts {
        assert!(done.err.contains(part), "{part:?} is missing: {}", done.err);
    }
}

#[test]
fn two_engines_with_a_container_of_the_same_name() {
    let machine = Machine::new();
    let other = other("plimsoll-cap-idle");
    let (exposition, done) = beside(&machine, &address(&other));
    assert_eq!(done.err, "");
    let same = exposition.all("container_info", &[("name", "plimsoll-cap-idle")]);
    assert_eq!(same.len(), 2, "{same:?}");
    assert_ne!(same[0].label("id"), same[1].label("id"));
    let mut engines: Vec<&str> = same.iter().map(|sample| sample.label("engine")).collect();
    engines.sort_unstable();
    assert_eq!(engines[0], "docker");
    assert!(engines[1].starts_with("docker-"), "{engines:?}");
}

#[test]
fn an_engine_that_is_down_hides_no_other() {
    let machine = Machine::new();
    let absent = machine.root().join("absent.sock");
    let absent = format!("unix://{}", absent.display());
    let (exposition, done) = beside(&machine, &absent);
    warned(&done, &["plimsoll: docker", &absent, "does not answer"]);
    assert_eq!(exposition.value("plimsoll_engine_up", &[("endpoint", &absent)]), Some(0.0));
    let down = [("endpoint", &*absent), ("state", "unreachable")];
    assert_eq!(exposition.all("plimsoll_engine_info", &down).len(), 1);

    let own = address(&machine.engine);
    let two = ["--engine", &own, "--engine", &absent, "--no-stream", "--format", "{{.Name}}"];
    let done = run(&machine.on(&[&["stats"], &two[..]].concat()));
    warned(&done, &[&absent]);
    assert_eq!(done.ok().lines().count(), 8);

    // Without any, each is told of.
    let second = absent.replace("absent", "absent-too");
    let message = run(&machine.on(&["metrics", "--engine", &absent, "--engine", &second])).failed(1);
    for part in ["no container engine answers", &absent, &second, "to do:", "--engine"] {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
}

#[test]
fn a_context_that_points_nowhere() {
    let machine = Machine::new();
    let (exposition, done) = beside(&machine, "context:nowhere");
    warned(&done, &["context nowhere: there is no docker context \"nowhere\""]);
    let wrong = [("endpoint", "context nowhere"), ("state", "misconfigured")];
    assert_eq!(exposition.all("plimsoll_engine_info", &wrong).len(), 1, "{}", done.out);
    assert_eq!(exposition.value("plimsoll_engine_up", &wrong[..1]), Some(0.0));
}

#[test]
fn an_engine_that_is_too_old() {
    let machine = Machine::new();
    let old = other("old");
    old.set_api((1, 39), (1, 12));
    let (exposition, done) = beside(&machine, &address(&old));
    warned(&done, &["1.39", &address(&old)]);
    let unsupported = [("endpoint", &*address(&old)), ("state", "unsupported")];
    assert_eq!(exposition.all("plimsoll_engine_info", &unsupported).len(), 1, "{}", done.out);
    let own = address(&machine.engine);
    let both = ["check", "--engine", &own, "--engine", &address(&old), "--listen", "127.0.0.1:0"];
    let told = run(&machine.on(&both)).ok();
    assert!(told.contains("ok      docker at ") && told.contains("use a newer engine"), "{told}");
}

#[test]
fn without_any_engine_containers_are_recognised() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &["--engine", "none"]);
    agent.wait_ready();
    let scrape = agent.metrics();
    for (name, id, _) in containers() {
        let id = [("id", &id[..12])];
        assert!(scrape.value("container_memory_usage_bytes", &id).is_some(), "{name}");
    }
    assert!(scrape.all("plimsoll_engine_up", &[]).is_empty());
    assert!(machine.engine.requests().is_empty(), "nobody is asked");
    let health = agent.get("/health", &[]);
    assert_eq!(health.code, 200, "no engine is missed: {}", health.text());
    assert_eq!(agent.log().with("listening to no engine").len(), 1, "{}", agent.log().all());
    let told = run(&machine.on(&["check", "--engine", "none", "--listen", "127.0.0.1:0"])).ok();
    assert!(told.contains("recognised by their cgroups"), "{told}");
}

#[test]
fn engines_are_found_where_the_environment_says() {
    let machine = Machine::new();
    let of_user = other("of-user");
    let folder = |path: &Path| path.to_str().unwrap().to_owned();
    let home = tempfile::tempdir().unwrap();
    let home = folder(home.path());
    let runtime = folder(of_user.socket().parent().unwrap());
    let host = address(&machine.engine);
    let auto = ["metrics", "--engine", "auto"];
    let told = |variables: &[(&str, &str)]| {
        let done = run_with(variables, &machine.on(&auto));
        (Exposition::parse(&done.out), done.err)
    };

    let (exposition, _) = told(&[("HOME", &home), ("DOCKER_HOST", &host), ("XDG_RUNTIME_DIR", &runtime)]);
    for endpoint in [&host, &address(&of_user)] {
        let up = exposition.value("plimsoll_engine_up", &[("endpoint", endpoint)]);
        assert_eq!(up, Some(1.0), "{endpoint}");
    }
    assert!(exposition.containers().contains("of-user"), "{:?}", exposition.containers());

    let (exposition, err) =
        told(&[("HOME", &home), ("DOCKER_CONTEXT", "nowhere"), ("XDG_RUNTIME_DIR", &runtime)]);
    assert_eq!(exposition.value("plimsoll_engine_up", &[("endpoint", "context nowhere")]), Some(0.0));
    assert!(err.lines().any(|line| line.starts_with("plimsoll: context nowhere: ")), "{err}");
    assert!(exposition.containers().contains("of-user"), "{:?}", exposition.containers());
}
