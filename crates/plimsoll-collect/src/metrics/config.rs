//! How a collector is run, and what may not be asked of one.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_model::text::MAX_TEXT;

use super::value::is_label_name;

/// The shortest time between two collections. More often than this, the kernel's own bookkeeping is too coarse.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest time between two collections.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The most attempts after a first one that failed.
pub const MAX_RETRIES: u32 = 100;

/// The longest first wait before another attempt.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(3600);

/// The longest name of a collector, in bytes: it is a label of the metrics about collectors.
pub const MAX_NAME: usize = 64;

/// The most labels that a collector adds to its values.
pub const MAX_CUSTOM_LABELS: usize = 16;

/// The labels that say which container a value is about. They cannot be set by hand.
pub(crate) const BUILT_IN_LABELS: [&str; 5] = ["name", "image", "id", "container_id", "container_name"];

/// How one collector is run.
///
/// ```
/// use std::time::Duration;
/// use plimsoll_collect::metrics::CollectorConfig;
///
/// let config = CollectorConfig { collection_interval: Duration::from_secs(5), ..CollectorConfig::new("mine") };
/// let error = config.check().unwrap_err();
/// assert_eq!(error.to_string(), "timeout is 10s, which is longer than collection_interval, 5s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CollectorConfig {
    /// The name, by which registry, log and metrics know it: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Whether it collects at all.
    pub enabled: bool,
    /// The time between two collections: [`MIN_INTERVAL`] to [`MAX_INTERVAL`].
    pub collection_interval: Duration,
    /// How long one attempt may take; no longer than the interval.
    pub timeout: Duration,
    /// How often a collection that failed is tried again, [`MAX_RETRIES`] times at most. No attempt begins after the
    /// interval has passed.
    pub retry_attempts: u32,
    /// The wait before the second attempt. It doubles with each further one, and is shortened at random by up to a half.
    pub retry_delay: Duration,
    /// Labels that every value gets.
    pub custom_labels: BTreeMap<String, String>,
    /// What the type of the collector asks for.
    pub parameters: BTreeMap<String, serde_json::Value>,
}

/// The configuration of no name: every 30 seconds, for 10 seconds at most, with 3 further attempts after 5 seconds and more.
impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            enabled: true,
            collection_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            retry_attempts: 3,
            retry_delay: Duration::from_secs(5),
            custom_labels: BTreeMap::new(),
            parameters: BTreeMap::new(),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct ConfigError {
    /// The field, by its name in [`CollectorConfig`].
    pub setting: &'static str,
    /// What is wrong with it, to be read after the name.
    pub problem: String,
}

impl ConfigError {
    /// A complaint about a field.
    #[must_use]
    pub fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

impl CollectorConfig {
    /// The usual configuration, of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Makes sure that a collector can be run like this.
    ///
    /// # Errors
    /// What is wrong, with the first field that is.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, problem: String| Err(ConfigError { setting, problem });
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.bytes().all(is_name_byte) {
            let problem = format!(
                "is {:?}: it takes 1 to {MAX_NAME} letters, digits, '_', '-' and '.'",
                plimsoll_model::text::bounded(&self.name, MAX_NAME)
            );
            return wrong("name", problem);
        }
        let interval = self.collection_interval;
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
            return wrong(
                "collection_interval",
                format!("is {interval:?}: it takes {MIN_INTERVAL:?} to a day"),
            );
        }
        let timeout = self.timeout;
        if timeout.is_zero() {
            return wrong("timeout", "is zero: nothing can be collected in no time".to_owned());
        }
        if timeout > interval {
            let problem = format!("is {timeout:?}, which is longer than collection_interval, {interval:?}");
            return wrong("timeout", problem);
        }
        if self.retry_attempts > MAX_RETRIES {
            return wrong("retry_attempts", format!("is {}: {MAX_RETRIES} at most", self.retry_attempts));
        }
        if self.retry_delay > MAX_RETRY_DELAY {
            return wrong("retry_delay", format!("is {:?}: an hour at most", self.retry_delay));
        }
        if self.custom_labels.len() > MAX_CUSTOM_LABELS {
            let problem = format!("are {}: {MAX_CUSTOM_LABELS} at most", self.custom_labels.len());
            return wrong("custom_labels", problem);
        }
        for (name, value) in &self.custom_labels {
            let shown = plimsoll_model::text::bounded(name, MAX_NAME);
            if !is_label_name(name) || name.len() > MAX_NAME {
                let problem = format!(
                    "have the name {shown:?}: it takes letters, digits and '_', no digit first, not '__' first, {MAX_NAME} at most"
                );
                return wrong("custom_labels", problem);
            }
            if BUILT_IN_LABELS.contains(&name.as_str()) {
                let problem = format!(
                    "have the name {shown:?}, which says what container a value is about: take another one"
                );
                return wrong("custom_labels", problem);
            }
            if value.len() > MAX_TEXT {
                return wrong("custom_labels", format!("have more than {MAX_TEXT} bytes in {shown:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut CollectorConfig)) -> CollectorConfig {
        let mut config = CollectorConfig::new("mine");
        change(&mut config);
        config
    }

    #[test]
    fn the_defaults_are_the_documents() {
        let config = CollectorConfig::new("mine");
        assert_eq!(config.check(), Ok(()));
        assert!(config.enabled);
        assert_eq!((config.retry_attempts, config.retry_delay), (3, Duration::from_secs(5)));
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        let label = |name: &str| {
            let name = name.to_owned();
            config(|config| drop(config.custom_labels.insert(name, "x".into())))
        };
        for (config, expected) in [
            (CollectorConfig::new(""), "name is \"\""),
            (CollectorConfig::new("a b"), "name is \"a b\""),
            (CollectorConfig::new("n".repeat(65)), "name is"),
            (config(|c| c.collection_interval = Duration::ZERO), "collection_interval is 0ns"),
            (config(|c| c.collection_interval = Duration::from_secs(90_000)), "collection_interval is"),
            (config(|c| c.timeout = Duration::ZERO), "timeout is zero"),
            (config(|c| c.timeout = Duration::from_secs(31)), "timeout is 31s, which is longer than"),
            (config(|c| c.retry_attempts = 101), "retry_attempts is 101: 100 at most"),
            (config(|c| c.retry_delay = Duration::from_secs(3601)), "retry_delay is"),
            (label("id"), "custom_labels have the name \"id\""),
            (label("container_id"), "custom_labels have the name"),
            (label("9"), "custom_labels have the name \"9\""),
            (label("__name__"), "custom_labels have the name"),
            (
                config(|c| drop(c.custom_labels.insert("a".into(), "x".repeat(1025)))),
                "custom_labels have more",
            ),
            (
                config(|c| c.custom_labels = (0..17).map(|n| (format!("l{n}"), String::new())).collect()),
                "custom_labels are 17",
            ),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
