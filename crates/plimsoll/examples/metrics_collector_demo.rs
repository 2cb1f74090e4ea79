//! The collector framework on a real container: the built-in collectors, one that is configured by hand, health, Prometheus'
//! format, clean-up.
//!
//! ```sh
//! cargo run --example metrics_collector_demo [IMAGE]
//! ```
//!
//! It needs an engine that `docker` would find, and an image with a shell; `busybox` if none is named, which is pulled
//! if it is not there. Where no registry is in reach, `scripts/busybox-image.sh NAME:TAG` makes one. The container is
//! removed in any case, also with Ctrl-C.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll::docker::{ContainerConfig, DockerSupport};
use plimsoll::metrics::{CollectorRegistry, collector_factory, create_collector_builder};

/// Half a core of work, and an end at once when it is asked to.
const WORK: &str =
    "trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05; done";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    println!("It did not work: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        println!("   because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let session =
        format!("demo-{}-{}", std::process::id(), SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
    println!("1. Something to look at");
    let docker = DockerSupport::new().await?;
    let config = ContainerConfig {
        command: ["sh", "-c", WORK].map(str::to_owned).to_vec(),
        memory_bytes: Some(64 << 20),
        ..ContainerConfig::new(image)
    };
    let id = docker.create_container("example-node", &session, &config).await?;
    let outcome = tokio::select! {
        outcome = demo(&docker, &id) => outcome,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into).and(Err("interrupted".into())),
    };
    println!("6. Cleaning up");
    docker.remove_container(&id, true).await?;
    outcome
}

async fn demo(docker: &DockerSupport, id: &str) -> Result<(), Box<dyn Error>> {
    docker.start_container(id).await?;
    println!("   {id}");

    println!("2. A registry with the built-in collectors");
    let registry = CollectorRegistry::new();
    for (name, collector) in collector_factory().create_default_collectors()? {
        println!("   {name}: {:?}", collector.get_metric_types());
        registry.register_collector(collector)?;
    }
    for (name, error) in registry.initialize_all().await {
        println!("   {name} is not ready: {}", error.chain());
    }

    println!("3. Everything that they know of the container");
    let metrics = registry.collect_all_metrics(id).await;
    if metrics.is_empty() {
        return Err("nothing was collected; does the container run?".into());
    }
    for metric in &metrics {
        println!("   {}: {} {}", metric.name, metric.value, metric.unit);
    }

    println!("4. One that is configured by hand, in Prometheus' format");
    let collector = create_collector_builder()
        .name("custom_cpu_monitor")
        .enabled(true)
        .interval(Duration::from_secs(30))
        .timeout(Duration::from_secs(10))
        .custom_labels([("environment", "production")])
        .build("cpu")?;
    collector.initialize().await?;
    for metric in collector.collect_with_error_handling(id).await? {
        println!("   {}", metric.to_prometheus_format());
    }
    collector.cleanup().await;

    println!("5. How they do");
    for (name, status) in registry.statuses() {
        println!(
            "   {name}: healthy {}, {} runs, {} errors",
            status.is_healthy, status.runs, status.error_count
        );
    }
    registry.cleanup_all().await;
    Ok(())
}
