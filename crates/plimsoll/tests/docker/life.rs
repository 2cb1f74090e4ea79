//! From the creation of a container to its removal, with its numbers.

use std::time::{Duration, SystemTime};

use plimsoll::docker::{ContainerConfig, DockerError, DockerSupport};
use plimsoll_testkit::wait_until_async;

use crate::world::{Engine, Ids, OPTIONS, POLITE, SOON};

const BUSY: &str = "trap 'exit 0' TERM; while :; do :; done";

async fn wait_points(docker: &DockerSupport, id: &str, count: usize) {
    let what = format!("{count} points");
    wait_until_async(SOON, &what, async || docker.get_recent_metric_points(id, count).await.len() == count)
        .await;
}

#[tokio::test]
async fn a_whole_life_with_its_numbers() {
    for engine in Engine::all() {
        let docker = engine.connect().await;
        assert!(docker.is_metrics_enabled());
        let ids = Ids::new(&engine, "life");
        let config = ContainerConfig { memory_bytes: Some(64 << 20), cpus: Some(0.5), ..engine.shell(BUSY) };
        let id = ids.create(&docker, &config).await;
        assert!(!docker.is_container_running(&id).await.unwrap());
        let error = docker.start_metrics_collection(&id).await.unwrap_err();
        assert!(matches!(error, DockerError::NotRunning { .. }), "{error}");

        docker.start_container(&id).await.unwrap();
        docker.start_container(&id).await.unwrap();
        assert!(docker.is_container_running(&id).await.unwrap());
        assert!(docker.get_recent_metric_points(&id, 10).await.is_empty(), "nobody asked for them yet");
        docker.start_metrics_collection(&id).await.unwrap();
        docker.start_metrics_collection(&id).await.unwrap();
        assert_eq!(docker.get_monitored_containers().await, [&*id]);

        wait_points(&docker, &id, 5).await;
        let points = docker.get_recent_metric_points(&id, 5).await;
        assert!(points.is_sorted_by(|one, next| one.timestamp < next.timestamp));
        for point in &points {
            assert_eq!(point.memory_limit_mb, Some(64), "{point:?}");
            assert!((1..64).contains(&point.memory_mb), "{point:?}");
            assert_eq!((point.network_rx_bytes, point.network_tx_bytes), (None, None), "it has no network");
            // A busy machine gives it less than it may have, and measures it late.
            assert!((0.0..1000.0).contains(&point.cpu_percent), "{point:?}");
            assert!(point.timestamp <= SystemTime::now());
        }
        // By name and by the beginning of the id, as the engine's own command line.
        for asked in [&*id, &id[..12], &ids.name()] {
            let metrics = docker.get_container_metrics_last_minutes(asked, 5).await.unwrap();
            assert!(metrics.sample_count >= 5 && metrics.period_start < metrics.period_end);
            assert!(metrics.peak_cpu_percent > 0.0, "it does nothing but compute");
            assert!(metrics.min_cpu_percent <= metrics.avg_cpu_percent);
            assert!(metrics.avg_cpu_percent <= metrics.peak_cpu_percent);
            assert_eq!((metrics.restart_count, metrics.memory_limit_mb), (0, Some(64)));
        }
        assert!(docker.get_container_metrics(&id, Duration::ZERO).await.is_none(), "no point of no time");
        assert_eq!(docker.alerts(&id, SOON).await, Some(vec![]));
        let json = docker.export_container_metrics_json(&id).await.unwrap();
        assert!(json["data_points"].as_array().unwrap().len() >= 5);
        for window in ["last_5_minutes", "last_15_minutes", "last_60_minutes"] {
            assert_eq!(json["aggregates"][window]["memory_limit_mb"], 64, "{json}");
        }
        assert_eq!((&json["container_id"], &json["restart_count"]), (&id.clone().into(), &0.into()));

        docker.stop_container(&id, Duration::from_millis(1500)).await.unwrap();
        docker.stop_container(&id, Duration::ZERO).await.unwrap();
        assert!(!docker.is_container_running(&id).await.unwrap());
        let kept = docker.get_container_metrics(&id, SOON).await.unwrap().sample_count;
        assert!(kept >= 5, "what was collected stays");
        docker.start_container(&id).await.unwrap();
        wait_points(&docker, &id, kept + 3).await;

        docker.stop_metrics_collection(&id).await.unwrap();
        let error = docker.stop_metrics_collection(&id).await.unwrap_err();
        assert!(matches!(error, DockerError::NotMonitored { .. }), "{error}");
        assert!(docker.get_container_metrics(&id, SOON).await.is_none());
        assert!(docker.export_container_metrics_json(&id).await.is_none());
        docker.start_metrics_collection(&ids.name()).await.unwrap();
        docker.remove_container(&id, true).await.unwrap();
        assert!(docker.get_monitored_containers().await.is_empty(), "with the container go its metrics");
        let error = docker.is_container_running(&id).await.unwrap_err();
        assert!(matches!(error, DockerError::NoSuchContainer { .. }), "{error}");
    }
}

#[tokio::test]
async fn only_those_that_are_monitored_have_points() {
    let Some(engine) = Engine::docker() else { return };
    let docker = engine.connect().await;
    let (one, other) = (Ids::new(&engine, "one"), Ids::new(&engine, "other"));
    // Over the usual network there is traffic to count.
    let config = ContainerConfig { network: None, ..engine.shell(POLITE) };
    let monitored = one.monitored(&docker, &config).await;
    let ignored = other.create(&docker, &config).await;
    docker.start_container(&ignored).await.unwrap();
    wait_points(&docker, &monitored, 3).await;
    assert_eq!(docker.get_monitored_containers().await, [&*monitored]);
    assert!(docker.get_recent_metric_points(&ignored, 10).await.is_empty());
    let newest = docker.get_recent_metric_points(&monitored, 1).await.pop().unwrap();
    assert!(newest.network_rx_bytes.is_some() && newest.network_tx_bytes.is_some(), "{newest:?}");
    assert_eq!(newest.memory_limit_mb, None, "it has no limit");
    let collector = docker.metrics_collector().unwrap();
    assert_eq!(collector.options(), OPTIONS);
    assert_eq!(collector.metrics(&monitored).unwrap().max_data_points(), OPTIONS.max_data_points);
}
