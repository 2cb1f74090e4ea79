//! What cannot be done is refused with an error that says why.

use std::time::Duration;

use plimsoll::docker::{ContainerConfig, DockerError, DockerSupport, MetricsOptions, Mount};

use crate::world::{Engine, Ids, POLITE};

/// Every call that takes a container, and what it says of this one.
async fn refusals(docker: &DockerSupport, id: &str) -> Vec<DockerError> {
    vec![
        docker.start_container(id).await.unwrap_err(),
        docker.stop_container(id, Duration::ZERO).await.unwrap_err(),
        docker.remove_container(id, false).await.unwrap_err(),
        docker.remove_container(id, true).await.unwrap_err(),
        docker.is_container_running(id).await.unwrap_err(),
        docker.start_metrics_collection(id).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn containers_that_do_not_exist_whatever_they_are_called() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        let long = "x".repeat(100_000);
        let asked = [
            "plimsoll-nobody",
            "0123456789ab",
            "",
            ".",
            "..",
            "/",
            "../json",
            "json",
            "a/b",
            "a?force=1",
            "a%2fb",
            "a b",
            "ü",
            "a\0b",
            "a\r\nHost: x",
            "--help",
            &long,
        ];
        for id in asked {
            for error in refusals(&docker, id).await {
                assert!(matches!(error, DockerError::NoSuchContainer { .. }), "{id:.20}: {error}");
                let message = error.to_string();
                assert!(message.len() < 400 && !message.contains(char::is_control), "{message}");
            }
            assert!(docker.get_container_metrics(id, Duration::MAX).await.is_none());
            assert!(docker.get_recent_metric_points(id, usize::MAX).await.is_empty());
            assert!(docker.alerts(id, Duration::MAX).await.is_none());
        }
    }
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        let ids = Ids::new(&engine, "twice");
        let id = ids.create(&docker, &engine.shell(POLITE)).await;
        let again =
            docker.create_container(&ids.node, &ids.session, &engine.shell(POLITE)).await.unwrap_err();
        assert!(matches!(&again, DockerError::NameInUse { name } if *name == ids.name()), "{again}");

        docker.start_container(&id).await.unwrap();
        let error = docker.remove_container(&id, false).await.unwrap_err();
        assert!(matches!(error, DockerError::RunningNotForced { .. }), "{error}");
        assert!(error.to_string().contains("`force`"), "{error}");
        assert!(docker.is_container_running(&id).await.unwrap(), "it still runs");
        docker.stop_container(&id, Duration::from_secs(5)).await.unwrap();
        docker.remove_container(&id, false).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_engine_refuses_has_its_words() {
    let Some(engine) = Engine::docker() else { return };
    let docker = engine.connect().await;
    let words = |error: &DockerError| {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    };
    let ids = Ids::new(&engine, "refused");
    let mounts = vec![Mount::bind("/nowhere/at/all", "/in")];
    let config = ContainerConfig { mounts, ..engine.shell(POLITE) };
    let error = docker.create_container(&ids.node, &ids.session, &config).await.unwrap_err();
    assert!(
        matches!(error, DockerError::Engine { .. }) && words(&error).contains("/nowhere/at/all"),
        "{}",
        words(&error)
    );

    // Docker says 404 to both, as if there were no such container.
    let command = vec!["/no/such/program".to_owned()];
    let config = ContainerConfig { command, ..ContainerConfig::new(engine.image()) };
    let network = ContainerConfig { network: Some("plimsoll-no-network".to_owned()), ..engine.shell(POLITE) };
    for (node, config, word) in
        [("command", config, "no/such/program"), ("network", network, "plimsoll-no-network")]
    {
        let ids = Ids::new(&engine, node);
        let made = docker.create_container(&ids.node, &ids.session, &config).await;
        let error = match made {
            Ok(id) => docker.start_container(&id).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, DockerError::Engine { .. }), "{}", words(&error));
        assert!(words(&error).contains(word), "{}", words(&error));
    }
}

#[tokio::test]
async fn metrics_that_are_off_and_settings_that_cannot_be_meant() {
    let Some(engine) = Engine::docker() else { return };
    let docker = DockerSupport::connect(&engine.endpoint(), None).await.unwrap();
    assert!(!docker.is_metrics_enabled() && docker.metrics_collector().is_none());
    let ids = Ids::new(&engine, "unmeasured");
    let id = ids.create(&docker, &engine.shell(POLITE)).await;
    docker.start_container(&id).await.unwrap();
    for outcome in [docker.start_metrics_collection(&id).await, docker.stop_metrics_collection(&id).await] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, DockerError::MetricsDisabled { .. }), "{error}");
        assert!(error.to_string().contains("new_with_metrics"), "{error}");
    }
    assert!(docker.get_monitored_containers().await.is_empty());
    assert!(docker.export_container_metrics_json(&id).await.is_none());

    let millis = Duration::from_millis;
    for (interval, max_data_points) in
        [(millis(0), 10), (millis(1), 10), (Duration::MAX, 10), (millis(200), 0), (millis(200), usize::MAX)]
    {
        let options = MetricsOptions { interval, max_data_points };
        let error = DockerSupport::connect(&engine.endpoint(), Some(options)).await.unwrap_err();
        assert!(matches!(error, DockerError::InvalidConfig { .. }), "{error}");
    }
    let error = DockerSupport::connect("carrier pigeon", None).await.unwrap_err();
    assert!(matches!(error, DockerError::InvalidConfig { .. }), "{error}");
}
