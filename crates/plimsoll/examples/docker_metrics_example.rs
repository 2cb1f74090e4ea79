//! The whole way of the library on a real container: create, start, collect, ask, summarise, judge, export, clean up.
//!
//! ```sh
//! cargo run --example docker_metrics_example [IMAGE]
//! ```
//!
//! It needs an engine that `docker` would find, and an image with a shell; `busybox` if none is named, which is pulled
//! if it is not there. Where no registry is in reach, `scripts/busybox-image.sh NAME:TAG` makes one. Ctrl-C ends it at any
//! time. The container is removed in any case.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plimsoll::docker::{ContainerConfig, DockerError, DockerSupport, container_name};

/// Points in seconds rather than minutes, to have something to show soon.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many points are waited for.
const POINTS: usize = 8;

/// Half a core of work, some traffic on the disk, and an end at once when it is asked to.
const WORK: &str =
    "trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05; done";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    println!("It did not work: {error}");
    // The cause is not in the message.
    let mut cause = error.source();
    while let Some(error) = cause {
        println!("   because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    // Two runs at a time have two sessions.
    let session = format!(
        "example-{}-{}",
        std::process::id(),
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos()
    );

    println!("1. Connecting, with a point every {INTERVAL:?} and room for 600 of them");
    let docker = DockerSupport::new_with_metrics(Some(INTERVAL), Some(600)).await?;
    println!("   connected to {}", docker.endpoint());

    // Whether it ends well, with an error or with Ctrl-C: what was made is removed.
    let outcome = tokio::select! {
        outcome = pipeline(&docker, &image, &session) => outcome,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into).and(Err("interrupted".into())),
    };
    println!("9. Cleaning up");
    let name = container_name("example-node", &session);
    match docker.remove_container(&name, true).await {
        Ok(()) => println!("   {name} is removed"),
        Err(DockerError::NoSuchContainer { .. }) => println!("   nothing was made"),
        Err(error) => println!("   {error}"),
    }
    outcome
}

async fn pipeline(docker: &DockerSupport, image: &str, session: &str) -> Result<(), Box<dyn Error>> {
    println!("2. Creating a container of {image} with a limit of 64 MiB and one core");
    let config = ContainerConfig {
        command: ["sh", "-c", WORK].map(str::to_owned).to_vec(),
        env: [("PURPOSE".to_owned(), "example".to_owned())].into(),
        memory_bytes: Some(64 << 20),
        cpus: Some(1.0),
        pids: Some(64),
        ..ContainerConfig::new(image)
    };
    let id = docker.create_container("example-node", session, &config).await?;
    println!("   {id}");

    println!("3. Starting it");
    docker.start_container(&id).await?;
    println!("   running: {}", docker.is_container_running(&id).await?);

    println!("4. Collecting its metrics");
    docker.start_metrics_collection(&id).await?;
    println!("   monitored: {:?}", docker.get_monitored_containers().await);

    println!("5. Its last points, as they come");
    let mut shown = None;
    let mut count = 0;
    while count < POINTS {
        tokio::time::sleep(INTERVAL / 4).await;
        let newest = docker.get_recent_metric_points(&id, 1).await.pop();
        if let Some(point) = newest.filter(|point| shown != Some(point.timestamp)) {
            shown = Some(point.timestamp);
            count += 1;
            let limit = point.memory_limit_mb.map_or("no limit".to_owned(), |limit| format!("{limit} MiB"));
            println!(
                "   up {:>3} s: CPU {:6.2} %, memory {} MiB of {limit}, received {} bytes",
                point.uptime_secs,
                point.cpu_percent,
                point.memory_mb,
                point.network_rx_bytes.map_or("no".to_owned(), |bytes| bytes.to_string()),
            );
        } else if !docker.is_container_running(&id).await? {
            return Err("the container has ended; does its image have a shell (sh)?".into());
        }
    }

    println!("6. The last 5 minutes together");
    let metrics = docker.get_container_metrics_last_minutes(&id, 5).await.ok_or("no metrics")?;
    println!(
        "   CPU {:.2} % on average, {:.2} to {:.2} %; memory {} MiB on average, {} at most; {} points, {} restarts",
        metrics.avg_cpu_percent,
        metrics.min_cpu_percent,
        metrics.peak_cpu_percent,
        metrics.avg_memory_mb,
        metrics.peak_memory_mb,
        metrics.sample_count,
        metrics.restart_count,
    );

    println!("7. What deserves a word");
    let alerts = docker.alerts(&id, Duration::from_secs(300)).await.unwrap_or_default();
    if alerts.is_empty() {
        println!("   nothing");
    }
    for alert in alerts {
        println!("   {alert}");
    }

    println!("8. As JSON");
    let json = docker.export_container_metrics_json(&id).await.ok_or("no metrics")?;
    println!("{}", serde_json::to_string_pretty(&json)?);

    docker.stop_metrics_collection(&id).await?;
    docker.stop_container(&id, Duration::from_secs(5)).await?;
    Ok(())
}
