//! Restarts are counted, by hand and by policy, and are an alert when they are too many.

use plimsoll::docker::{AlertRule, ContainerConfig, DockerSupport, RestartPolicy};
use plimsoll_testkit::wait_until_async;

use crate::world::{Engine, Ids, POLITE, SOON};

async fn wait_restarts(docker: &DockerSupport, id: &str, count: u32) {
    let what = format!("{count} restarts");
    wait_until_async(SOON, &what, async || {
        docker.get_container_metrics(id, SOON).await.is_some_and(|metrics| metrics.restart_count == count)
    })
    .await;
}

#[tokio::test]
async fn by_hand() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        let ids = Ids::new(&engine, "restarted");
        let id = ids.monitored(&docker, &engine.shell(POLITE)).await;
        wait_restarts(&docker, &id, 0).await;
        for count in 1..=4 {
            engine.command(&["restart", "-t", "5", &id]);
            wait_restarts(&docker, &id, count).await;
        }
        let alerts = docker.alerts(&id, SOON).await.unwrap();
        assert!(
            alerts.iter().any(|alert| alert.rule == AlertRule::RestartsAbove { restarts: 3 }),
            "{alerts:?}"
        );
        assert_eq!(docker.export_container_metrics_json(&id).await.unwrap()["restart_count"], 4);
    }
}

#[tokio::test]
async fn by_policy() {
    let Some(engine) = Engine::docker() else { return };
    let docker = engine.connect().await;
    let ids = Ids::new(&engine, "crashing");
    let config = ContainerConfig {
        restart_policy: RestartPolicy::OnFailure { max_retries: Some(4) },
        ..engine.shell("sleep 0.5; exit 3")
    };
    let id = ids.monitored(&docker, &config).await;
    wait_restarts(&docker, &id, 4).await;
    assert_eq!(engine.inspect(&id)["RestartCount"], 4, "as Docker counts");
}
