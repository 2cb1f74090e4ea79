//! Several engines, none, and those that misbehave.

use std::time::Duration;

use plimsoll::docker::{ContainerConfig, DockerError, DockerSupport};
use plimsoll_testkit::fake_engine::{Behaviour, FakeContainer, FakeEngine};
use plimsoll_testkit::wait_until_async;

use crate::world::{Engine, Ids, OPTIONS, POLITE, SOON};

#[tokio::test]
async fn two_engines_know_their_own_containers() {
    let engines = Engine::all();
    let mut known = Vec::new();
    for engine in &engines {
        let docker = engine.connect().await;
        let mut ids = Ids::new(engine, "same");
        // Names are an engine's own.
        ids.session = format!("both-{}", std::process::id());
        let id = ids.monitored(&docker, &engine.shell(POLITE)).await;
        known.push((docker, ids, id));
    }
    for (docker, _, id) in &known {
        wait_until_async(SOON, "points", async || docker.get_recent_metric_points(id, 3).await.len() == 3)
            .await;
        assert_eq!(docker.get_monitored_containers().await, [id.as_str()]);
        for (_, _, other) in known.iter().filter(|(_, _, other)| other != id) {
            let error = docker.is_container_running(other).await.unwrap_err();
            assert!(matches!(error, DockerError::NoSuchContainer { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let deaf = folder.path().join("deaf.sock");
    drop(std::os::unix::net::UnixListener::bind(&deaf).unwrap());
    for socket in [folder.path().join("missing.sock"), deaf] {
        let endpoint = format!("unix://{}", socket.display());
        let error = DockerSupport::connect(&endpoint, Some(OPTIONS)).await.unwrap_err();
        assert!(matches!(error, DockerError::NoEngine { .. }), "{error}");
        assert!(error.to_string().contains(&endpoint), "{error}");
    }
}

#[tokio::test]
async fn an_engine_that_goes_away_and_one_that_does_not_want_us() {
    let mut engine = FakeEngine::start();
    let endpoint = format!("unix://{}", engine.socket().display());
    let docker = DockerSupport::connect(&endpoint, None).await.unwrap();
    let refused = || Behaviour::Status(403, "not you".to_owned());
    for path in ["/containers", "/images"] {
        engine.set_behaviour(path, refused());
    }
    let error = docker.create_container("n", "s", &ContainerConfig::new("x")).await.unwrap_err();
    assert!(matches!(error, DockerError::PermissionDenied { .. }), "{error}");
    let error = docker.is_container_running("x").await.unwrap_err();
    assert!(matches!(error, DockerError::PermissionDenied { .. }), "{error}");
    engine.set_behaviour("/version", refused());
    let error = DockerSupport::connect(&endpoint, None).await.unwrap_err();
    assert!(matches!(error, DockerError::PermissionDenied { .. }), "{error}");
    engine.stop();
    let error = docker.stop_container("x", Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, DockerError::NoEngine { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_none() {
    let engine = FakeEngine::start();
    let docker =
        DockerSupport::connect(&format!("unix://{}", engine.socket().display()), None).await.unwrap();
    engine.set_behaviour("/images/x:1", Behaviour::Status(200, r#"{"Id":"sha256:0"}"#.to_owned()));
    let config = ContainerConfig::new("x:1");
    for behaviour in [
        Behaviour::Garbage(b"\x16\x03\x01 no HTTP".to_vec()),
        Behaviour::Status(500, "no space left".to_owned()),
        Behaviour::Status(201, "{}".to_owned()),
        Behaviour::Status(201, r#"{"Id":"../../x"}"#.to_owned()),
        Behaviour::Status(201, "[]".to_owned()),
        Behaviour::Huge(4 << 20),
        Behaviour::CloseMidBody,
    ] {
        engine.set_behaviour("/containers/create", behaviour.clone());
        let error = docker.create_container("n", "s", &config).await.unwrap_err();
        assert!(matches!(error, DockerError::Engine { .. }), "{behaviour:?}: {error}");
    }
    // A pull that fails does so in the middle of an answer that began well.
    engine.set_behaviour("/images/x:1", Behaviour::Status(404, "no such image".to_owned()));
    let report =
        concat!(r#"{"status":"Pulling","id":"1"}"#, "\n", r#"{"error":"toomanyrequests: slow down"}"#, "\n");
    engine.set_behaviour("/images/create", Behaviour::Status(200, report.to_owned()));
    let error = docker.create_container("n", "s", &config).await.unwrap_err();
    assert!(matches!(error, DockerError::PullFailed { .. }), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("slow down"));
    let report = r#"{"errorDetail":{"message":"manifest unknown"}}"#;
    engine.set_behaviour("/images/create", Behaviour::Status(200, report.to_owned()));
    let error = docker.create_container("n", "s", &config).await.unwrap_err();
    assert!(matches!(error, DockerError::ImageNotFound { .. }), "{error}");
    assert_eq!(engine.asked("/containers/create"), 7, "nothing is sent twice, and nothing without its image");
}

#[tokio::test]
async fn numbers_of_another_kernel_come_from_the_api_and_only_those_that_are_wanted() {
    let engine = FakeEngine::start();
    engine.set_kernel("0.0.0-elsewhere");
    let (wanted, other) = (engine.put(FakeContainer::new("wanted")), engine.put(FakeContainer::new("other")));
    let endpoint = format!("unix://{}", engine.socket().display());
    let docker = DockerSupport::connect(&endpoint, Some(OPTIONS)).await.unwrap();
    docker.start_metrics_collection("wanted").await.unwrap();
    wait_until_async(SOON, "points", async || docker.get_recent_metric_points(&wanted, 3).await.len() == 3)
        .await;
    let streams = |id: &str| engine.asked(&format!("/containers/{id}/stats"));
    assert_eq!((streams(&wanted), streams(&other)), (1, 0));
}
