//! Several collectors, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};

use super::collector::{Collector, CollectorStatus, Scope};
use super::error::CollectorError;
use super::value::{ContainerMetrics, MetricValue};

/// The most collectors in one registry.
pub const MAX_COLLECTORS: usize = 4096;

/// How many containers are collected at the same time.
const AT_ONCE: usize = 16;

/// Collectors, by name. One that fails never stops the others: its error is in its status and in the log, and the values of
/// the others are there.
///
/// ```
/// use plimsoll_collect::metrics::{
///     Collected, Collector, CollectorConfig, CollectorRegistry, ContainerMetricsCollector, MetricValue,
/// };
///
/// struct Length;
///
/// impl ContainerMetricsCollector for Length {
///     async fn collect_container_metrics(&self, container_id: &str) -> Collected {
///         Ok(vec![MetricValue::new("id_length", container_id.len() as f64)])
///     }
/// }
///
/// struct Broken;
///
/// impl ContainerMetricsCollector for Broken {
///     async fn collect_container_metrics(&self, _: &str) -> Collected {
///         panic!("nobody is hurt")
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = CollectorRegistry::default();
/// let config = CollectorConfig { retry_attempts: 0, ..CollectorConfig::default() };
/// let named = |name: &str| CollectorConfig { name: name.to_owned(), ..config.clone() };
/// registry.register_collector(Collector::of_container(named("length"), Length)?)?;
/// registry.register_collector(Collector::of_container(named("broken"), Broken)?)?;
/// let metrics = registry.collect_all_metrics("0123456789ab").await;
/// assert_eq!(metrics[0].value, 12.0);
/// assert_eq!(registry.statuses()["broken"].error_count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct CollectorRegistry {
    collectors: RwLock<BTreeMap<String, Arc<Collector>>>,
}

impl CollectorRegistry {
    /// A registry without collectors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a collector in.
    ///
    /// # Errors
    /// If there is one of its name, or there are [`MAX_COLLECTORS`].
    pub fn register_collector(&self, collector: impl Into<Arc<Collector>>) -> Result<(), CollectorError> {
        let collector = collector.into();
        let name = collector.name().to_owned();
        let mut collectors = self.collectors.write().unwrap_or_else(PoisonError::into_inner);
        if collectors.contains_key(&name) {
            return Err(CollectorError::Duplicate { name });
        }
        if collectors.len() >= MAX_COLLECTORS {
            return Err(CollectorError::TooMany { name, limit: MAX_COLLECTORS });
        }
        collectors.insert(name, collector);
        Ok(())
    }

    /// Takes a collector out, and gives it back, to be cleaned up if it is not to be used any more.
    pub fn unregister_collector(&self, name: &str) -> Option<Arc<Collector>> {
        self.collectors.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// The collector of this name.
    #[must_use]
    pub fn get_collector(&self, name: &str) -> Option<Arc<Collector>> {
        self.collectors.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All collectors, by name.
    #[must_use]
    pub fn collectors(&self) -> Vec<Arc<Collector>> {
        self.collectors.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How all collectors do, by name.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<String, CollectorStatus> {
        let collectors = self.collectors();
        collectors.iter().map(|collector| (collector.name().to_owned(), collector.get_status())).collect()
    }

    /// Gets all enabled collectors ready, all at the same time. Tells which ones could not; they try again when they
    /// collect.
    pub async fn initialize_all(&self) -> BTreeMap<String, CollectorError> {
        let enabled = self.collectors().into_iter().filter(|collector| collector.config().enabled);
        let outcomes = enabled.map(|collector| async move {
            let outcome = collector.initialize().await;
            outcome.err().map(|error| (collector.name().to_owned(), error))
        });
        join_all(outcomes).await.into_iter().flatten().collect()
    }

    /// Collects everything: of this container, and what belongs to none. All collectors run at the same time, so this takes as
    /// long as the slowest, with its retries: its interval at most.
    pub async fn collect_all_metrics(&self, container_id: &str) -> Vec<MetricValue> {
        collect(&self.collectors(), container_id).await
    }

    /// Collects what there is of each of these containers, sixteen at a time, in their order. What belongs to no
    /// container is not among it.
    pub async fn collect_all_metrics_of(&self, container_ids: &[&str]) -> Vec<ContainerMetrics> {
        let mut collectors = self.collectors();
        collectors.retain(|collector| collector.scope() == Scope::Container);
        let collectors = &collectors;
        // Made first: a stream that borrows its closure cannot be sent to another thread.
        let collected: Vec<_> = container_ids
            .iter()
            .enumerate()
            .map(|(place, id)| async move {
                let timestamp = SystemTime::now();
                let metrics = collect(collectors, id).await;
                (place, ContainerMetrics { container_id: (*id).to_owned(), timestamp, metrics })
            })
            .collect();
        // Whoever is done makes room for the next, and the order is made in the end.
        let mut collected: Vec<_> = stream::iter(collected).buffer_unordered(AT_ONCE).collect().await;
        collected.sort_unstable_by_key(|(place, _)| *place);
        collected.into_iter().map(|(_, metrics)| metrics).collect()
    }

    /// Lets all collectors give back what they hold. They stay registered, and can be used again.
    pub async fn cleanup_all(&self) {
        let collectors = self.collectors();
        join_all(collectors.iter().map(|collector| collector.cleanup())).await;
    }
}

async fn collect(collectors: &[Arc<Collector>], id: &str) -> Vec<MetricValue> {
    let enabled = collectors.iter().filter(|collector| collector.config().enabled);
    let outcomes = enabled.map(|collector| async move {
        let outcome = collector.collect_with_error_handling(id).await;
        outcome.unwrap_or_else(|error| {
            tracing::debug!("{}", error.chain());
            Vec::new()
        })
    });
    join_all(outcomes).await.into_iter().flatten().collect()
}
