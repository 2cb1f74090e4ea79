//! Collectors: of CPU, memory, network, disk and life cycle of containers, and of your own.
//!
//! Who writes a collector writes what to collect, and gets the rest for nothing: a time in which each run has to end, retries
//! with growing waits, health, a look at what it says, Prometheus' format. One that fails, hangs or panics takes no other
//! along.
//!
//! ```no_run
//! use plimsoll::metrics::{CollectorRegistry, collector_factory};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = CollectorRegistry::new();
//! for collector in collector_factory().create_default_collectors()?.into_values() {
//!     registry.register_collector(collector)?;
//! }
//! registry.initialize_all().await;
//! for metric in registry.collect_all_metrics("web-server").await {
//!     println!("{}: {} {}", metric.name, metric.value, metric.unit);
//! }
//! registry.cleanup_all().await;
//! # Ok(())
//! # }
//! ```
//!
//! A collector that is configured by hand:
//!
//! ```no_run
//! use std::time::Duration;
//! use plimsoll::metrics::create_collector_builder;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let collector = create_collector_builder()
//!     .name("custom_cpu_monitor")
//!     .enabled(true)
//!     .interval(Duration::from_secs(30))
//!     .timeout(Duration::from_secs(10))
//!     .custom_labels([("environment", "production")])
//!     .build("cpu")?;
//! collector.initialize().await?;
//! for metric in collector.collect_with_error_handling("web-server").await? {
//!     println!("{}", metric.to_prometheus_format());
//! }
//! println!("healthy: {}", collector.get_status().is_healthy);
//! collector.cleanup().await;
//! # Ok(())
//! # }
//! ```
//!
//! And one of your own, which is a type of the factory from then on:
//!
//! ```
//! use plimsoll::metrics::{
//!     Collected, Collector, ContainerMetricsCollector, MetricValue, collector_factory, create_collector_builder,
//! };
//!
//! struct Answer;
//!
//! impl ContainerMetricsCollector for Answer {
//!     async fn collect_container_metrics(&self, container_id: &str) -> Collected {
//!         Ok(vec![MetricValue::new("custom_metric", 42.0).label("container_id", container_id)])
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! collector_factory().register_collector_type("custom", |config| Collector::of_container(config, Answer))?;
//! let values = create_collector_builder().build("custom")?.collect_with_error_handling("abc").await?;
//! assert_eq!(values[0].value, 42.0);
//! # Ok(())
//! # }
//! ```
//!
//! The built-in collectors read through one sampler, from the kernel where containers run on it, else from their engine's
//! API; a container costs one reading however many of them ask. Docker and Podman are found where their own commands would
//! find them. Failed attempts go to the log (`tracing`, target `plimsoll_collect::metrics`) at the level debug, changes of health at
//! info and warn.

mod shared;

pub use plimsoll_collect::metrics::{
    BoxError, Collected, Collector, CollectorBuilder, CollectorConfig, CollectorError, CollectorFactory,
    CollectorRegistry, CollectorStatus, ConfigError, ContainerMetrics, ContainerMetricsCollector, MetricKind,
    MetricType, MetricValue, Nonsense, Readings, Reason, Scope, SystemMetricsCollector, register_built_in,
};
pub use plimsoll_engine::{Discovery, Endpoint, Found};
pub use shared::{collector_factory, create_collector_builder};
