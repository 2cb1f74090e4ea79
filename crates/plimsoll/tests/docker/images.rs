//! The pull policy, against a real registry.

use plimsoll::docker::{ContainerConfig, DockerError, PullPolicy};
use plimsoll_testkit::docker::{IMAGE, docker, try_docker};
use plimsoll_testkit::registry::Registry;

use crate::world::{Engine, Ids};

/// An image's name, forgotten in the end.
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        try_docker(&["rmi", &self.0]).ok();
    }
}

fn is_here(image: &str) -> bool {
    try_docker(&["image", "inspect", image]).is_ok()
}

fn with_policy(image: &str, pull_policy: PullPolicy) -> ContainerConfig {
    ContainerConfig { command: vec!["true".to_owned()], pull_policy, ..ContainerConfig::new(image) }
}

#[tokio::test]
async fn an_image_is_pulled_as_the_policy_says() {
    let Some(engine) = Engine::docker() else { return };
    let registry = Registry::start();
    let image = Image(registry.push(IMAGE, "policy:1"));
    let support = engine.connect().await;
    let ids = Ids::new(&engine, "pulled");
    let create = async |policy| {
        let config = with_policy(&image.0, policy);
        let id = support.create_container(&ids.node, &ids.session, &config).await?;
        support.remove_container(&id, false).await
    };

    assert!(!is_here(&image.0));
    let error = create(PullPolicy::Never).await.unwrap_err();
    assert!(matches!(&error, DockerError::ImageNotFound { policy: PullPolicy::Never, .. }), "{error}");
    assert!(error.to_string().contains("PullPolicy::IfNotPresent"), "{error}");
    assert!(!is_here(&image.0), "never means never");

    create(PullPolicy::IfNotPresent).await.unwrap();
    assert!(is_here(&image.0));
    create(PullPolicy::Never).await.unwrap();

    // Another image goes by this name now, here; the registry has the one before.
    docker(&["rmi", &image.0]);
    let other = registry.reference("policy:2");
    let made = docker(&["run", "-d", "--network", "none", IMAGE, "true"]);
    docker(&["commit", &made, &other]);
    docker(&["rm", "-f", &made]);
    let _other = Image(other.clone());
    docker(&["tag", &other, &image.0]);
    let id_of = |image: &str| docker(&["image", "inspect", "--format", "{{.Id}}", image]);
    let local = id_of(&image.0);
    create(PullPolicy::IfNotPresent).await.unwrap();
    assert_eq!(id_of(&image.0), local, "what is here is good enough");
    create(PullPolicy::Always).await.unwrap();
    assert_ne!(id_of(&image.0), local, "the registry decides");
}

#[tokio::test]
async fn an_image_without_a_tag_is_the_latest_and_no_other() {
    let Some(engine) = Engine::docker() else { return };
    let registry = Registry::start();
    let (latest, other) = (registry.push(IMAGE, "tags:latest"), registry.push(IMAGE, "tags:other"));
    let (latest, other) = (Image(latest), Image(other));
    let support = engine.connect().await;
    let ids = Ids::new(&engine, "latest");
    ids.create(&support, &with_policy(&registry.reference("tags"), PullPolicy::IfNotPresent)).await;
    assert!(is_here(&latest.0) && !is_here(&other.0));
}

#[tokio::test]
async fn an_image_that_is_nowhere_and_a_registry_that_is_not_there() {
    let registry = Registry::start();
    for engine in Engine::all() {
        let support = engine.connect().await;
        let ids = Ids::new(&engine, "missing");
        let create = async |image: &str, policy| {
            support.create_container(&ids.node, &ids.session, &with_policy(image, policy)).await.unwrap_err()
        };
        // Port 1 is nobody's.
        let unreachable = "127.0.0.1:1/nobody:1";
        for policy in [PullPolicy::Always, PullPolicy::IfNotPresent] {
            let error = create(unreachable, policy).await;
            assert!(matches!(error, DockerError::PullFailed { .. }), "{error}");
            if matches!(engine, Engine::Docker) {
                let error = create(&registry.reference("nobody:1"), policy).await;
                let DockerError::ImageNotFound { policy: found, said: Some(_), .. } = &error else {
                    panic!("{error}")
                };
                assert_eq!(*found, policy);
            }
        }
        let error = create(unreachable, PullPolicy::Never).await;
        assert!(matches!(error, DockerError::ImageNotFound { said: None, .. }), "{error}");
    }
}
