//! Containers of Docker or Podman: start them, and follow what they use.
//!
//! [`DockerSupport`] is the way in. It creates, starts, stops and removes containers, and collects a
//! [`MetricDataPoint`] of each one that is monitored every few seconds: from the kernel where the containers run on it, so
//! that the engine has no work with it, else from the engine's API. The last 1000 points are kept in a ring of fixed size
//! ([`ContainerMetrics`]), and summarised over any window when asked ([`AggregatedMetrics`]).
//!
//! ```no_run
//! use plimsoll::docker::DockerSupport;
//! use std::time::Duration;
//!
//! # async fn run(config: plimsoll::docker::ContainerConfig) -> Result<(), Box<dyn std::error::Error>> {
//! // Create Docker support with metrics collection enabled
//! let docker_support = DockerSupport::new_with_metrics(
//!     Some(Duration::from_secs(5)),  // Collect every 5 seconds
//!     Some(1000),                     // Store up to 1000 data points
//! ).await?;
//!
//! // Create and start a container
//! let container_id = docker_support
//!     .create_container("node_id", "session_id", &config)
//!     .await?;
//!
//! docker_support.start_container(&container_id).await?;
//!
//! // Start collecting metrics
//! docker_support.start_metrics_collection(&container_id).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Asking
//!
//! The first point comes within an interval after the collection was started.
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # async fn run(docker_support: DockerSupport, container_id: String) {
//! // Get aggregated metrics for the last 5 minutes
//! if let Some(metrics) = docker_support
//!     .get_container_metrics_last_minutes(&container_id, 5)
//!     .await
//! {
//!     println!("Average CPU: {:.2}%", metrics.avg_cpu_percent);
//!     println!("Peak Memory: {} MB", metrics.peak_memory_mb);
//!     println!("Restart Count: {}", metrics.restart_count);
//! }
//!
//! // Get recent data points
//! let recent_points = docker_support
//!     .get_recent_metric_points(&container_id, 10)
//!     .await;
//!
//! for point in recent_points {
//!     println!("Timestamp: {:?}", point.timestamp);
//!     println!("  CPU: {:.2}%", point.cpu_percent);
//!     println!("  Memory: {} MB", point.memory_mb);
//! }
//! # }
//! ```
//!
//! # Export
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # async fn run(docker_support: DockerSupport, container_id: String) -> Result<(), serde_json::Error> {
//! // Export all metrics as JSON
//! if let Some(json) = docker_support
//!     .export_container_metrics_json(&container_id)
//!     .await
//! {
//!     // JSON includes:
//!     // - Recent data points (last 100)
//!     // - Aggregates for 5, 15, and 60 minutes
//!     // - Container uptime and restart count
//!     println!("{}", serde_json::to_string_pretty(&json)?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! For Prometheus:
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # async fn run(docker_support: DockerSupport, container_id: String) -> Option<()> {
//! // Export metrics in Prometheus format
//! let metrics = docker_support
//!     .get_container_metrics_last_minutes(&container_id, 1)
//!     .await?;
//!
//! println!("# HELP container_cpu_percent Container CPU usage");
//! println!("# TYPE container_cpu_percent gauge");
//! println!("container_cpu_percent{{container=\"{}\"}} {}",
//!     container_id, metrics.avg_cpu_percent);
//!
//! println!("# HELP container_memory_bytes Container memory usage");
//! println!("# TYPE container_memory_bytes gauge");
//! println!("container_memory_bytes{{container=\"{}\"}} {}",
//!     container_id, metrics.avg_memory_mb * 1_048_576);
//! # Some(())
//! # }
//! ```
//!
//! For Grafana:
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # use serde_json::json;
//! # use std::time::UNIX_EPOCH;
//! # async fn run(docker_support: DockerSupport, container_id: String) {
//! let points = docker_support
//!     .get_recent_metric_points(&container_id, 1000)
//!     .await;
//!
//! // Convert to Grafana-compatible format
//! let series = points.iter().map(|point| {
//!     json!({
//!         "timestamp": point.timestamp
//!             .duration_since(UNIX_EPOCH)
//!             .unwrap()
//!             .as_millis(),
//!         "cpu_percent": point.cpu_percent,
//!         "memory_mb": point.memory_mb,
//!     })
//! }).collect::<Vec<_>>();
//! # }
//! ```
//!
//! # Alerts
//!
//! The conditions below are also [built in](AlertRule::built_in): [`DockerSupport::alerts`] tells which of them hold.
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # async fn run(docker_support: DockerSupport, container_id: String) -> Option<()> {
//! // Check for resource limit violations
//! let metrics = docker_support
//!     .get_container_metrics_last_minutes(&container_id, 5)
//!     .await?;
//!
//! // Alert on high memory usage
//! if let Some(limit) = metrics.memory_limit_mb {
//!     let usage_percent = (metrics.avg_memory_mb as f32 / limit as f32) * 100.0;
//!     if usage_percent > 90.0 {
//!         println!("WARNING: Container {} using {:.1}% of memory limit",
//!             container_id, usage_percent);
//!     }
//! }
//!
//! // Alert on high CPU usage
//! if metrics.avg_cpu_percent > 80.0 {
//!     println!("WARNING: Container {} CPU usage: {:.1}%",
//!         container_id, metrics.avg_cpu_percent);
//! }
//!
//! // Alert on frequent restarts
//! if metrics.restart_count > 3 {
//!     println!("WARNING: Container {} restarted {} times",
//!         container_id, metrics.restart_count);
//! }
//! # Some(())
//! # }
//! ```
//!
//! # Cleaning up
//!
//! ```no_run
//! # use plimsoll::docker::DockerSupport;
//! # use std::time::Duration;
//! # async fn run(docker_support: DockerSupport, container_id: String) -> Result<(), plimsoll::docker::DockerError> {
//! // Stop metrics collection
//! docker_support.stop_metrics_collection(&container_id).await?;
//!
//! // Stop and remove container
//! docker_support.stop_container(&container_id, Duration::from_secs(5)).await?;
//! docker_support.remove_container(&container_id, true).await?;
//! # Ok(())
//! # }
//! ```

mod alert;
mod collector;
mod config;
mod engine;
mod environment;
mod error;
mod export;
mod names;
mod point;
mod reading;
mod ring;
mod support;

pub use alert::{Alert, AlertRule};
pub use collector::{
    DEFAULT_DATA_POINTS, DEFAULT_INTERVAL, MAX_DATA_POINTS, MAX_INTERVAL, MAX_MONITORED, MIN_INTERVAL,
    MetricsCollector, MetricsOptions,
};
pub use config::{ContainerConfig, MAX_ID, Mount, MountSource, PullPolicy, RestartPolicy};
pub use error::{DockerError, Result};
pub use names::{NODE_LABEL, SESSION_LABEL, container_name};
pub use point::{AggregatedMetrics, MetricDataPoint};
pub use ring::ContainerMetrics;
pub use support::DockerSupport;
