//! The built-in collectors: CPU, memory, network, disk and life cycle of containers, of Docker and Podman alike.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use plimsoll_model::catalog::{FRAMEWORK, FrameworkGroup, Scale};

use super::collector::Collector;
use super::error::{BoxError, CollectorError};
use super::factory::CollectorFactory;
use super::readings::{Readings, metric_type, row};
use super::value::{MetricKind, MetricType, MetricValue};
use super::work::{Collected, ContainerMetricsCollector};

/// Registers the types `cpu`, `memory`, `network`, `disk` and `lifecycle`, which read from `readings`.
///
/// # Errors
/// If the factory has types of these names.
pub fn register_built_in(factory: &CollectorFactory, readings: &Arc<Readings>) -> Result<(), CollectorError> {
    for group in FrameworkGroup::ALL {
        let readings = Arc::clone(readings);
        factory.register_default_type(group.name(), move |config| {
            Collector::of_container(config, BuiltIn { group, readings: Arc::clone(&readings) })
        })?;
    }
    Ok(())
}

struct BuiltIn {
    group: FrameworkGroup,
    readings: Arc<Readings>,
}

impl ContainerMetricsCollector for BuiltIn {
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![metric_type(self.group)]
    }

    async fn initialize(&self) -> Result<(), BoxError> {
        self.readings.acquire().await
    }

    async fn collect_container_metrics(&self, container_id: &str) -> Collected {
        let unknown = || CollectorError::NoSuchContainer { id: container_id.to_owned() };
        let snapshot = self.readings.snapshot().await.ok_or_else(unknown)?;
        let row = row(&snapshot, container_id).ok_or_else(unknown)?;
        let container = &row.container;
        let labels: BTreeMap<_, _> = [
            ("container_id".into(), container.short_id().to_owned()),
            ("container_name".into(), container.display_name().to_owned()),
            ("image".into(), container.image.clone()),
        ]
        .into();
        let timestamp = UNIX_EPOCH + Duration::from_nanos(snapshot.at);
        let told = FRAMEWORK.iter().filter(|metric| metric.group == self.group);
        let values = told.filter_map(|metric| {
            let is_counter = metric.name.ends_with("_total");
            Some(MetricValue {
                name: metric.name.into(),
                value: decimal(metric.value(row)?, metric.scale),
                timestamp,
                labels: labels.clone(),
                unit: metric.unit.word().into(),
                kind: if is_counter { MetricKind::Counter } else { MetricKind::Gauge },
                help: metric.help.into(),
            })
        });
        Ok(values.collect())
    }

    async fn cleanup(&self) {
        self.readings.release().await;
    }
}

pub(super) fn decimal(value: u64, scale: Scale) -> f64 {
    match scale {
        Scale::One => value as f64,
        Scale::Nano => value as f64 / 1e9,
    }
}
