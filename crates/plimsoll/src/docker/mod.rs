//! Containers of Docker or Podman: start them, and follow what they use.
//!
//! [`DockerSupport`] is the way in. It creates, starts, stops and removes containers, and collects a
//! [`MetricDataPoint`] of each one that is monitored every few seconds: from the kernel where the containers run on it, so
//! that the engine has no work with it, else from the engine's API. The last 1000 points are kept in a ring of fixed size
//! ([`ContainerMetrics`]), and summarised over any window when asked ([`AggregatedMetrics`]).
//!
//! A container is made, started and watched in this order; the first point comes within an interval.
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll::docker::{ContainerConfig, DockerError, DockerSupport};
//!
//! async fn watched(image: &str) -> Result<(DockerSupport, String), DockerError> {
//!     // A point in two seconds, for an hour.
//!     let docker = DockerSupport::new_with_metrics(Some(Duration::from_secs(2)), Some(1800)).await?;
//!     let id = docker.create_container("encoder", "run-1", &ContainerConfig::new(image)).await?;
//!     docker.start_container(&id).await?;
//!     docker.start_metrics_collection(&id).await?;
//!     Ok((docker, id))
//! }
//! ```
//!
//! # Asking
//!
//! A window without points has no figures, and a container that is not monitored has neither.
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! async fn report(docker: &DockerSupport, id: &str) {
//!     let Some(used) = docker.get_container_metrics_last_minutes(id, 15).await else {
//!         return println!("nothing was collected in a quarter of an hour");
//!     };
//!     println!("{} points, {:.0} % of a core at most", used.sample_count, used.peak_cpu_percent);
//!     println!("{} to {} MiB, {} restarts", used.min_memory_mb, used.peak_memory_mb, used.restart_count);
//!     for point in docker.get_recent_metric_points(id, 3).await {
//!         println!("up for {} s: {} MiB", point.uptime_secs, point.memory_mb);
//!     }
//! }
//! ```
//!
//! # Export
//!
//! [`DockerSupport::export_container_metrics_json`] gives the last 100 points, the figures of 5, 15 and 60 minutes, the uptime
//! and the restarts as one value. Other formats are a matter of the fields:
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! /// One gauge for Prometheus' text format.
//! async fn exposition(docker: &DockerSupport, id: &str) -> Option<String> {
//!     let used = docker.get_container_metrics_last_minutes(id, 1).await?;
//!     let bytes = used.avg_memory_mb << 20;
//!     Some(format!("# TYPE node_memory_bytes gauge\nnode_memory_bytes{{id=\"{id}\"}} {bytes}\n"))
//! }
//! ```
//!
//! # Alerts
//!
//! Memory above 90 % of the limit, processor above 80 % of a core and more than three restarts are [built
//! in](AlertRule::built_in); [`DockerSupport::alerts`] tells which of them hold, and a program can bring rules of its own.
//!
//! # Ending
//!
//! [`DockerSupport::stop_metrics_collection`] forgets a container's points, [`DockerSupport::stop_container`] and
//! [`DockerSupport::remove_container`] end it. When the [`DockerSupport`] is dropped, its thread and its tasks end; containers go
//! on.

mod alert;
mod collector;
mod config;
mod engine;
mod error;
mod export;
mod names;
mod point;
mod policy;
mod reading;
mod ring;
mod support;

pub use alert::{Alert, AlertRule};
pub use collector::{
    DEFAULT_DATA_POINTS, DEFAULT_INTERVAL, MAX_DATA_POINTS, MAX_INTERVAL, MAX_MONITORED, MIN_INTERVAL,
    MetricsCollector, MetricsOptions,
};
pub use config::{ContainerConfig, MAX_ID, Mount, MountSource, RestartPolicy};
pub use error::{DockerError, Result};
pub use names::{NODE_LABEL, SESSION_LABEL, container_name};
pub use point::{AggregatedMetrics, MetricDataPoint};
pub use policy::PullPolicy;
pub use ring::ContainerMetrics;
pub use support::DockerSupport;
