//! The factory that everybody shares.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use plimsoll_collect::metrics::{
    CollectorBuilder, CollectorConfig, CollectorError, CollectorFactory, Readings, register_built_in,
    register_custom, register_host,
};

use plimsoll_kernel::Roots;

use crate::environment;

static SHARED: LazyLock<CollectorFactory> = LazyLock::new(|| {
    let factory = CollectorFactory::with_defaults(defaults(&environment::collectors()));
    // A factory that is new has room for them and none of their names.
    if let Err(error) = fill(&factory) {
        tracing::error!("{error}");
    }
    factory
});

fn fill(factory: &CollectorFactory) -> Result<(), CollectorError> {
    let readings = Arc::new(Readings::found_from(environment::surroundings()));
    register_built_in(factory, &readings)?;
    register_host(factory, &Roots::default())?;
    register_custom(factory, Arc::new(move |id: &str| readings.container(id)))
}

/// The factory that a program's parts share. It has the built-in types, which read the containers of every engine that the
/// `docker` and `podman` commands would find; `host` and `filesystem` for the machine; and `exec` and `http`.
///
/// When it is used for the first time it reads the environment: where engines are, and `METRICS_COLLECTION_INTERVAL`,
/// `METRICS_TIMEOUT` (both in seconds) and `METRICS_RETRY_ATTEMPTS` for what a configuration does not say. One of these that is
/// no such number is mentioned in the log, and counts as not set.
#[must_use]
pub fn collector_factory() -> &'static CollectorFactory {
    &SHARED
}

/// A builder for a collector of the [shared factory](collector_factory).
pub fn create_collector_builder() -> CollectorBuilder {
    SHARED.builder()
}

/// The defaults, as the variables change them.
fn defaults(variables: &[(&'static str, Option<String>); 3]) -> CollectorConfig {
    let mut config = CollectorConfig::default();
    let [interval, timeout, retries] = variables;
    let seconds =
        |text: &str| text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    take(timeout, &mut config, |config, text| seconds(text).map(|time| config.timeout = time));
    take(interval, &mut config, |config, text| seconds(text).map(|time| config.collection_interval = time));
    take(retries, &mut config, |config, text| text.parse().ok().map(|count| config.retry_attempts = count));
    config.timeout = config.timeout.min(config.collection_interval);
    config
}

/// Takes a variable over, unless the configuration could not be run like that.
fn take(
    (name, value): &(&'static str, Option<String>),
    config: &mut CollectorConfig,
    apply: impl FnOnce(&mut CollectorConfig, &str) -> Option<()>,
) {
    let Some(text) = value else { return };
    let mut changed = CollectorConfig { name: "default".to_owned(), ..config.clone() };
    let is_taken = apply(&mut changed, text.trim()).is_some();
    // A timeout may come before the interval that it belongs to.
    let checked =
        CollectorConfig { timeout: changed.timeout.min(changed.collection_interval), ..changed.clone() };
    if is_taken && checked.check().is_ok() {
        *config = CollectorConfig { name: String::new(), ..changed };
    } else {
        tracing::warn!("the variable {name} is {text:?}, which cannot be used; it counts as not set");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(interval: &str, timeout: &str, retries: &str) -> (u64, u64, u32) {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let config = defaults(&[("I", given(interval)), ("T", given(timeout)), ("R", given(retries))]);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        (millis(config.collection_interval), millis(config.timeout), config.retry_attempts)
    }

    #[test]
    fn variables_change_the_defaults_as_far_as_they_can_be_used() {
        for (interval, timeout, retries, expected) in [
            ("", "", "", (30_000, 10_000, 3)),
            ("60", "20", "5", (60_000, 20_000, 5)),
            ("0.5", "", "0", (500, 500, 0)),
            ("5", "2.5", "", (5000, 2500, 3)),
            ("0", "-1", "many", (30_000, 10_000, 3)),
            ("often", "", "101", (30_000, 10_000, 3)),
        ] {
            assert_eq!(with(interval, timeout, retries), expected, "{interval:?} {timeout:?} {retries:?}");
        }
    }

    #[test]
    fn the_shared_factory_has_the_built_in_types() {
        let types = collector_factory().types();
        for name in ["cpu", "memory", "network", "disk", "lifecycle", "exec", "http", "host", "filesystem"] {
            assert!(types.iter().any(|known| known == name), "{types:?}");
        }
        let defaults = collector_factory().create_default_collectors().unwrap();
        assert_eq!(defaults.len(), 5, "{defaults:?}");
    }
}
