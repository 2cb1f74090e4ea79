//! Collectors by the name of their type, and a builder for one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::collector::Collector;
use super::config::CollectorConfig;
use super::error::CollectorError;

/// The most types of one factory.
pub const MAX_TYPES: usize = 1024;

type Constructor = Arc<dyn Fn(CollectorConfig) -> Result<Collector, CollectorError> + Send + Sync>;

/// Makes collectors by the name of their type.
///
/// ```
/// use plimsoll_collect::metrics::{Collected, Collector, CollectorConfig, CollectorFactory, MetricValue, SystemMetricsCollector};
///
/// struct Constant(f64);
///
/// impl SystemMetricsCollector for Constant {
///     async fn collect_system_metrics(&self) -> Collected {
///         Ok(vec![MetricValue::new("constant", self.0)])
///     }
/// }
///
/// let factory = CollectorFactory::default();
/// factory.register_collector_type("constant", |config| {
///     let value = config.parameters.get("value").and_then(|value| value.as_f64()).unwrap_or(1.0);
///     Collector::of_system(config, Constant(value))
/// })?;
/// let collector = factory.create_collector("constant", CollectorConfig::new("one"))?;
/// assert_eq!(collector.name(), "one");
/// let error = factory.create_collector("constance", CollectorConfig::new("two")).unwrap_err();
/// assert!(error.to_string().ends_with("there is no type \"constance\"; there are constant"));
/// # Ok::<(), plimsoll_collect::metrics::CollectorError>(())
/// ```
#[derive(Clone, Default)]
pub struct CollectorFactory {
    types: Arc<RwLock<BTreeMap<String, Type>>>,
    defaults: Arc<RwLock<CollectorConfig>>,
}

#[derive(Clone)]
struct Type {
    create: Constructor,
    /// Whether it is one of those that [`CollectorFactory::create_default_collectors`] makes.
    is_default: bool,
}

impl fmt::Debug for CollectorFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorFactory").field("types", &self.types()).finish_non_exhaustive()
    }
}

impl CollectorFactory {
    /// A factory that knows no type, and gives this configuration to what is made without one.
    #[must_use]
    pub fn with_defaults(defaults: CollectorConfig) -> Self {
        Self { defaults: Arc::new(RwLock::new(defaults)), ..Self::default() }
    }

    /// Registers a type: a function that makes a collector of a configuration.
    ///
    /// # Errors
    /// If there is a type of this name, or there are [`MAX_TYPES`].
    pub fn register_collector_type(
        &self,
        name: &str,
        create: impl Fn(CollectorConfig) -> Result<Collector, CollectorError> + Send + Sync + 'static,
    ) -> Result<(), CollectorError> {
        self.register(name, Type { create: Arc::new(create), is_default: false })
    }

    /// The same, of a type that [`CollectorFactory::create_default_collectors`] makes one of.
    pub(crate) fn register_default_type(
        &self,
        name: &str,
        create: impl Fn(CollectorConfig) -> Result<Collector, CollectorError> + Send + Sync + 'static,
    ) -> Result<(), CollectorError> {
        self.register(name, Type { create: Arc::new(create), is_default: true })
    }

    fn register(&self, name: &str, new: Type) -> Result<(), CollectorError> {
        let name = name.to_owned();
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        if types.contains_key(&name) {
            return Err(CollectorError::Duplicate { name });
        }
        if types.len() >= MAX_TYPES {
            return Err(CollectorError::TooMany { name, limit: MAX_TYPES });
        }
        types.insert(name, new);
        Ok(())
    }

    /// The names of the types, sorted.
    #[must_use]
    pub fn types(&self) -> Vec<String> {
        self.types.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The configuration of what is made without one of its own; its name is empty.
    #[must_use]
    pub fn default_config(&self) -> CollectorConfig {
        self.defaults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a collector.
    ///
    /// # Errors
    /// If there is no such type, which lists those that there are; if it cannot be run with this configuration.
    pub fn create_collector(
        &self,
        type_name: &str,
        config: CollectorConfig,
    ) -> Result<Collector, CollectorError> {
        // The constructor runs without the lock: it may be somebody's who registers another type in it.
        let create = self.types.read().unwrap_or_else(PoisonError::into_inner).get(type_name).cloned();
        match create {
            Some(found) => (found.create)(config),
            None => Err(CollectorError::UnknownType { asked: type_name.to_owned(), known: self.types() }),
        }
    }

    /// Makes one of each built-in type, by name, which is that of its type.
    ///
    /// # Errors
    /// If the default configuration is one that a collector cannot be run with.
    pub fn create_default_collectors(&self) -> Result<BTreeMap<String, Arc<Collector>>, CollectorError> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner).clone();
        let default = types.into_iter().filter(|(_, found)| found.is_default);
        let made = default.map(|(name, found)| {
            let config = CollectorConfig { name: name.clone(), ..self.default_config() };
            Ok((name, Arc::new((found.create)(config)?)))
        });
        made.collect()
    }

    /// A builder for a collector of this factory.
    pub fn builder(&self) -> CollectorBuilder {
        CollectorBuilder { factory: self.clone(), config: self.default_config(), has_timeout: false }
    }
}

/// Puts the configuration of one collector together. What is not said is as the factory has it; a timeout that is not said
/// is no longer than the interval, and a name that is not said is that of the type.
///
/// `build` makes the collector, and can be called again.
#[derive(Clone, Debug)]
#[must_use = "a collector is made by `build`"]
pub struct CollectorBuilder {
    factory: CollectorFactory,
    config: CollectorConfig,
    has_timeout: bool,
}

impl CollectorBuilder {
    /// The name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Whether it collects at all.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.config.enabled = enabled;
        self
    }

    /// The time between two collections.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.config.collection_interval = interval;
        self
    }

    /// How long an attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self.has_timeout = true;
        self
    }

    /// How often a failed collection is tried again, and how long it waits the first time.
    pub fn retries(mut self, attempts: u32, delay: Duration) -> Self {
        self.config.retry_attempts = attempts;
        self.config.retry_delay = delay;
        self
    }

    /// Labels that every value gets, beside those that were named before.
    pub fn custom_labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.config.custom_labels.extend(labels);
        self
    }

    /// What the type asks for.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.config.parameters.insert(name.into(), value.into());
        self
    }

    /// The configuration so far, as a collector of the type would get it.
    #[must_use]
    pub fn config(&self, type_name: &str) -> CollectorConfig {
        let mut config = self.config.clone();
        if config.name.is_empty() {
            type_name.clone_into(&mut config.name);
        }
        if !self.has_timeout {
            config.timeout = config.timeout.min(config.collection_interval);
        }
        config
    }

    /// Makes a collector of this type.
    ///
    /// # Errors
    /// As [`CollectorFactory::create_collector`].
    pub fn build(&self, type_name: &str) -> Result<Collector, CollectorError> {
        self.factory.create_collector(type_name, self.config(type_name))
    }
}
