//! A container is as it was asked for.

use plimsoll::docker::{ContainerConfig, Mount, NODE_LABEL, RestartPolicy, SESSION_LABEL};
use plimsoll_testkit::docker::{try_docker, unique_name};
use plimsoll_testkit::wait_until;
use serde_json::{Value, json};

use crate::world::{Engine, Ids, SOON};

/// A network of Docker's, removed in the end.
struct Network(String);

impl Network {
    fn new() -> Self {
        let name = unique_name("network");
        plimsoll_testkit::docker::docker(&["network", "create", "--driver", "bridge", "--internal", &name]);
        Self(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        try_docker(&["network", "rm", &self.0]).ok();
    }
}

#[tokio::test]
async fn limits_environment_mounts_labels_user_folder_and_policy() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        let ids = Ids::new(&engine, "configured");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("word"), "from outside").unwrap();
        let source = folder.path().to_str().unwrap();
        let script = "id -u; id -g; pwd; echo \"$GREETING\"; cat /in/word; touch /in/x 2>/dev/null || echo sealed; \
                      touch /scratch/x && echo scratch; sleep 1000";
        let config = ContainerConfig {
            env: [("GREETING".to_owned(), "a=b 'c' ü".to_owned())].into(),
            mounts: vec![Mount::bind(source, "/in").read_only(), Mount::tmpfs("/scratch")],
            labels: [("tier".to_owned(), "back".to_owned())].into(),
            user: Some("1234:5678".to_owned()),
            working_dir: Some("/tmp".to_owned()),
            memory_bytes: Some(48 << 20),
            cpus: Some(0.25),
            pids: Some(33),
            restart_policy: RestartPolicy::OnFailure { max_retries: Some(3) },
            ..engine.shell(script)
        };
        let id = ids.create(&docker, &config).await;
        docker.start_container(&id).await.unwrap();
        let expected = "1234\n5678\n/tmp\na=b 'c' ü\nfrom outside";
        wait_until(SOON, "its words", || engine.command(&["logs", &id]).contains("scratch"));
        let words = engine.command(&["logs", &id]);
        assert!(words.starts_with(expected) && words.contains("sealed"), "{words}");

        let told = engine.inspect(&id);
        let host = &told["HostConfig"];
        assert_eq!(host["Memory"], 48 << 20);
        // Podman writes down what it makes of it.
        let cpus = (&host["NanoCpus"], &host["CpuQuota"]);
        assert!(*cpus.0 == 250_000_000 || *cpus.1 == 25_000, "{cpus:?}");
        assert_eq!(host["PidsLimit"], 33);
        assert_eq!(host["RestartPolicy"], json!({"Name": "on-failure", "MaximumRetryCount": 3}));
        assert_eq!(host["NetworkMode"], "none");
        let config = &told["Config"];
        assert_eq!(config["Labels"]["tier"], "back");
        assert_eq!((&config["User"], &config["WorkingDir"]), (&json!("1234:5678"), &json!("/tmp")));
        assert_eq!(told["Name"].as_str().unwrap().trim_start_matches('/'), ids.name());
    }
}

#[tokio::test]
async fn a_network_and_a_volume_of_docker() {
    let Some(engine) = Engine::docker() else { return };
    let docker = engine.connect().await;
    let (network, volume) = (Network::new(), unique_name("volume"));
    let ids = Ids::new(&engine, "connected");
    let config = ContainerConfig {
        network: Some(network.0.clone()),
        mounts: vec![Mount::volume(&*volume, "/data")],
        restart_policy: RestartPolicy::UnlessStopped,
        ..engine.shell("sleep 1000")
    };
    let id = ids.create(&docker, &config).await;
    docker.start_container(&id).await.unwrap();
    let told = engine.inspect(&id);
    assert!(
        told["NetworkSettings"]["Networks"][&network.0]["IPAddress"]
            .as_str()
            .is_some_and(|ip| !ip.is_empty())
    );
    assert_eq!(
        (&told["Mounts"][0]["Name"], &told["Mounts"][0]["Destination"]),
        (&json!(volume), &json!("/data"))
    );
    assert_eq!(told["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    docker.remove_container(&id, true).await.unwrap();
    // Named, so it is the caller's.
    engine.command(&["volume", "rm", &volume]);
}

#[tokio::test]
async fn any_ids_make_a_container_and_stay_as_they_are() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        let long = "n".repeat(5000);
        let hostile = ["", "a/../b c", "Ünï\u{202e}cödé 🐳", "\"quoted\" \\ $(x) `y`\n\t", "--rm", &long];
        for node in hostile {
            let ids = Ids::new(&engine, node);
            let id = ids.create(&docker, &engine.shell("true")).await;
            let labels: Value = engine.inspect(&id)["Config"]["Labels"].clone();
            assert_eq!(labels[NODE_LABEL], node);
            assert_eq!(labels[SESSION_LABEL], *ids.session);
            assert!(!docker.is_container_running(&ids.name()).await.unwrap());
            docker.remove_container(&ids.name(), false).await.unwrap();
        }
    }
}
