//! Container metrics as a library: start a container, follow what it uses, ask for averages and peaks, export JSON.
//!
//! Plimsoll reads what containers use of processor, memory and network from the kernel, without a call to the engine for
//! each sample; where the kernel is out of reach, as with Docker Desktop or an engine on another machine, it asks the
//! engine. Docker and Podman are the same to it.
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll::docker::{ContainerConfig, DockerSupport};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let docker = DockerSupport::new_with_metrics(Some(Duration::from_secs(1)), None).await?;
//! let config = ContainerConfig { memory_bytes: Some(256 << 20), ..ContainerConfig::new("python:3.13-slim") };
//! let id = docker.create_container("camera-1", "session-7", &config).await?;
//! docker.start_container(&id).await?;
//! docker.start_metrics_collection(&id).await?;
//! tokio::time::sleep(Duration::from_secs(10)).await;
//! if let Some(used) = docker.get_container_metrics_last_minutes(&id, 5).await {
//!     println!("{:.1} % of a core, {} MiB at most", used.avg_cpu_percent, used.peak_memory_mb);
//! }
//! docker.remove_container(&id, true).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`docker`] is that; [`metrics`] is a framework for collectors, with those of containers built in.
//!
//! The crate is also the program `plimsoll`, an agent with a web server and a command line. A program that wants the
//! library alone leaves that out:
//!
//! ```toml
//! plimsoll = { version = "0.1", default-features = false, features = ["docker", "metrics"] }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

#[cfg(feature = "docker")]
pub mod docker;
#[cfg(any(feature = "docker", feature = "metrics"))]
mod environment;
#[cfg(feature = "metrics")]
pub mod metrics;

/// That the example of the chapter on collectors compiles.
#[cfg(all(doctest, feature = "metrics"))]
#[doc = include_str!("../../../docs/collectors.md")]
struct Collectors;

/// That the example of the guide compiles.
#[cfg(all(doctest, feature = "docker"))]
#[doc = include_str!("../../../docs/library.md")]
struct Guide;
