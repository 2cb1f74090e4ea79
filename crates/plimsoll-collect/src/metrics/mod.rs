//! The collector framework: somebody writes what to collect, and gets scheduling, timeouts, retries, health and export for
//! nothing, without being able to hurt the rest.
//!
//! A [`Collector`] wraps a [`ContainerMetricsCollector`] or a [`SystemMetricsCollector`] with all that; a
//! [`CollectorRegistry`] holds several; a [`CollectorFactory`] makes them by the name of their type, most
//! comfortably through a [`CollectorBuilder`].
//!
//! ```
//! use std::time::Duration;
//! use plimsoll_collect::metrics::{Collected, Collector, CollectorFactory, CollectorRegistry, MetricValue, SystemMetricsCollector};
//!
//! struct Uptime(std::time::Instant);
//!
//! impl SystemMetricsCollector for Uptime {
//!     async fn collect_system_metrics(&self) -> Collected {
//!         Ok(vec![MetricValue::new("program_uptime_seconds", self.0.elapsed().as_secs_f64()).unit("seconds")])
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let factory = CollectorFactory::default();
//! let started = std::time::Instant::now();
//! factory.register_collector_type("uptime", move |config| Collector::of_system(config, Uptime(started)))?;
//!
//! let registry = CollectorRegistry::new();
//! let uptime = factory.builder().name("mine").interval(Duration::from_secs(5)).custom_labels([("env", "prod")]).build("uptime")?;
//! registry.register_collector(uptime)?;
//! for metric in registry.collect_all_metrics("").await {
//!     println!("{}", metric.to_prometheus_format());
//! }
//! registry.cleanup_all().await;
//! # Ok(())
//! # }
//! ```

mod built_in;
mod check;
mod collector;
mod config;
mod custom;
mod error;
mod exec;
mod factory;
mod health;
mod host;
mod http;
mod intake;
mod labelled;
mod output;
mod parameters;
pub mod parse;
mod readings;
mod registry;
mod schedule;
mod text;
mod textfile;
mod turns;
mod value;
mod work;

pub use built_in::register_built_in;
pub use check::{MAX_LABELS_OF_VALUE, MAX_METRIC_NAME, MAX_OF_ALL, MAX_VALUES, Nonsense};
pub use collector::{Collector, CollectorStatus, Scope};
pub use config::{
    CollectorConfig, ConfigError, MAX_CUSTOM_LABELS, MAX_INTERVAL, MAX_NAME, MAX_RETRIES, MAX_RETRY_DELAY,
    MIN_INTERVAL,
};
pub use custom::register as register_custom;
pub use error::{BoxError, CollectorError, Reason};
pub use exec::{
    COMMAND_HOME, COMMAND_PATH, Exec, ExecError, MAX_AT_ONCE, MAX_COMPLAINT, MAX_OUTPUT, MAX_PROCESSES,
};
pub use factory::{CollectorBuilder, CollectorFactory, MAX_TYPES};
pub use health::{LONGEST_PROBE, LONGEST_RETRY, UNHEALTHY_AFTER};
pub use host::{register_host, scheduled_host};
pub use http::{Http, HttpError, HttpOfContainers, Lookup, MAX_BODY, MAX_HEADERS, USUAL_PATH};
pub use labelled::{ByLabels, MAX_LABELLED, SCRAPE_LABELS};
pub use readings::Readings;
pub use registry::{CollectorRegistry, MAX_COLLECTORS};
pub use schedule::{Rescheduled, Schedule};
pub use textfile::{MAX_FILES, MAX_TEXTFILE, Textfile};
pub use turns::Scheduled;
pub use value::{ContainerMetrics, MetricKind, MetricType, MetricValue};
pub use work::{Collected, ContainerMetricsCollector, SystemMetricsCollector};
