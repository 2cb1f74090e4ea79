//! The machine itself as a collector, under node_exporter's names: `host` reads `/proc`, `filesystem` asks mounted file systems.
//!
//! The agent's own hand their readings to the sampler's snapshots, where they are part of the catalog; those of a program are
//! values like any other. Both run on a thread that may block, as a file system on a dead network does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use plimsoll_kernel::{FilesystemReader, HostReader, Roots};
use plimsoll_model::{Collector as Group, Host, Kind};

use super::built_in::decimal;
use super::collector::Collector;
use super::config::CollectorConfig;
use super::error::CollectorError;
use super::factory::CollectorFactory;
use super::turns::Scheduled;
use super::value::{MetricKind, MetricValue};
use crate::inbox::{Change, Inbox};

/// How long the file systems have to answer. A mount that does not is told of as broken, and left alone until it has.
const PATIENCE: Duration = Duration::from_secs(2);

/// The type of the agent's own collectors, which no configuration can name.
const BUILT_IN: &str = "built-in";

/// File systems fill up slowly, and asking them costs a system call each.
const FILESYSTEMS_EVERY: Duration = Duration::from_secs(5);

/// Registers the types `host` and `filesystem`.
///
/// # Errors
/// If the factory has types of these names.
pub fn register_host(factory: &CollectorFactory, roots: &Roots) -> Result<(), CollectorError> {
    for group in [Group::Host, Group::Filesystem] {
        let roots = roots.clone();
        factory.register_collector_type(group.name(), move |config| {
            let read = reader(group, &roots);
            Collector::blocking(config, move || Ok(values(&read())))
        })?;
    }
    Ok(())
}

/// The collector of one of these groups for the agent: what it reads goes to the sampler through `inbox`. The
/// machine's is read at `interval`.
///
/// # Errors
/// If the interval is none that a collector can have.
pub fn scheduled_host(
    group: Group,
    roots: &Roots,
    interval: Duration,
    inbox: Arc<Inbox>,
) -> Result<Scheduled, CollectorError> {
    let collection_interval = match group {
        Group::Filesystem => interval.max(FILESYSTEMS_EVERY),
        _ => interval,
    };
    let config = CollectorConfig {
        collection_interval,
        timeout: collection_interval,
        retry_attempts: 0,
        ..CollectorConfig::new(group.name())
    };
    let read = reader(group, roots);
    let collector = Collector::blocking(config, move || {
        // Where the inbox is full, the next reading is as good.
        drop(inbox.put(Change::Host { group, host: Arc::new(read()) }));
        Ok(Vec::new())
    })?;
    Ok(Scheduled { type_name: BUILT_IN.to_owned(), collector: Arc::new(collector) })
}

/// A function that reads a group. It opens what it needs when it is first called, on the thread that may block.
fn reader(group: Group, roots: &Roots) -> Box<dyn Fn() -> Host + Send + Sync> {
    let roots = roots.clone();
    if group == Group::Filesystem {
        let reader = FilesystemReader::open(&roots);
        return Box::new(move || reader.read(PATIENCE));
    }
    let reader: Mutex<Option<HostReader>> = Mutex::default();
    Box::new(move || {
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.get_or_insert_with(|| HostReader::open(&roots)).read()
    })
}

fn values(host: &Host) -> Vec<MetricValue> {
    let timestamp = UNIX_EPOCH + Duration::from_nanos(host.at);
    let value =
        |(family, labels, value): (&'static plimsoll_model::Family, &plimsoll_model::HostLabels, u64)| {
            let labels = family.labels.iter().zip(labels.iter());
            MetricValue {
                name: family.name.into(),
                value: decimal(value, family.scale),
                timestamp,
                labels: labels.map(|(name, text)| ((*name).into(), text.to_string())).collect(),
                unit: family.unit.word().into(),
                kind: match family.kind {
                    Kind::Counter => MetricKind::Counter,
                    Kind::Gauge | Kind::Info => MetricKind::Gauge,
                    Kind::Untyped => MetricKind::Untyped,
                },
                help: family.help.into(),
            }
        };
    host.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_is_a_collector_like_any_other() {
        let factory = CollectorFactory::default();
        register_host(&factory, &Roots::default()).unwrap();
        let host = factory.create_collector("host", CollectorConfig::new("host")).unwrap();
        let values = host.collect_with_error_handling("").await.unwrap();
        let load = values.iter().find(|value| value.name == "node_load1").unwrap();
        assert!(load.value >= 0.0 && load.kind == MetricKind::Gauge);
        let idle = |value: &&MetricValue| value.labels.get("mode").is_some_and(|mode| mode == "idle");
        let idle = values.iter().find(idle).unwrap();
        assert!(idle.value > 0.0 && idle.kind == MetricKind::Counter && idle.labels.contains_key("cpu"));
        let disks = factory.create_collector("filesystem", CollectorConfig::new("filesystem")).unwrap();
        let values = disks.collect_with_error_handling("").await.unwrap();
        let root = |value: &&MetricValue| value.labels.get("mountpoint").is_some_and(|place| place == "/");
        assert!(values.iter().any(|value| root(&value) && value.value > 0.0), "{values:?}");
        assert_eq!(disks.get_status().left_out.iter().map(|(_, count)| count).sum::<u64>(), 0);
    }
}
