//! When it is dropped, nothing of it is left: no task, no thread, no descriptor. Alone in its process, to count them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use plimsoll::docker::{DockerSupport, MetricsOptions};
use plimsoll_testkit::fake_engine::{FakeContainer, FakeEngine};
use plimsoll_testkit::wait_until_async;

const SOON: Duration = Duration::from_secs(30);

fn samplers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim() == "sampler").count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn nothing_is_left_when_it_is_dropped() {
    let engine = FakeEngine::start();
    // Its numbers come from the API, so there are streams, too.
    engine.set_kernel("0.0.0-elsewhere");
    let id = engine.put(FakeContainer::new("web"));
    let endpoint = format!("unix://{}", engine.socket().display());
    let options = MetricsOptions { interval: Duration::from_millis(100), max_data_points: 10 };
    let mut before = None;
    for _ in 0..5 {
        let docker = DockerSupport::connect(&endpoint, Some(options)).await.unwrap();
        docker.start_metrics_collection(&id).await.unwrap();
        wait_until_async(SOON, "a point", async || !docker.get_recent_metric_points(&id, 1).await.is_empty())
            .await;
        assert_eq!(samplers(), 1);
        assert!(tasks() >= 3, "the watcher, the stream, the one that takes points");
        drop(docker);
        assert_eq!(samplers(), 0, "the thread is waited for");
        wait_until_async(SOON, "all tasks to end", async || tasks() == 0).await;
        wait_until_async(SOON, "the engine to be left alone", async || engine.subscribers() == 0).await;
        // The engine in this process has descriptors of its own, which it closes a little later.
        let before = *before.get_or_insert_with(descriptors);
        wait_until_async(SOON, "all descriptors to be closed", async || descriptors() <= before).await;
    }
}
