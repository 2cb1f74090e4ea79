//! Collectors of your own: how much memory the kernel says is left on this machine, how busy it is, and what becomes of a
//! collector that breaks.
//!
//! ```sh
//! cargo run --example custom_collector
//! ```
//!
//! It needs no engine.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use plimsoll::metrics::{
    BoxError, Collected, Collector, CollectorError, CollectorRegistry, MetricType, MetricValue,
    SystemMetricsCollector, collector_factory,
};

/// Tells what `/proc/meminfo` says of one field.
struct Meminfo {
    field: String,
}

impl SystemMetricsCollector for Meminfo {
    fn get_metric_types(&self) -> Vec<MetricType> {
        vec![MetricType::System]
    }

    async fn initialize(&self) -> Result<(), BoxError> {
        // Whatever is wrong for good shows here, and is tried again with each collection.
        read(&self.field).await.map(drop)
    }

    async fn collect_system_metrics(&self) -> Collected {
        let bytes = read(&self.field).await?;
        Ok(vec![
            MetricValue::new("machine_meminfo_bytes", bytes)
                .label("field", self.field.as_str())
                .unit("bytes")
                .help("A field of /proc/meminfo."),
        ])
    }
}

/// A file of `/proc` is read at once. What may block, such as a file on a network, belongs into `spawn_blocking`.
async fn read(field: &str) -> Result<f64, BoxError> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let words = line.ok_or_else(|| format!("/proc/meminfo has no field {field:?}"))?;
    let kibibytes: f64 = words.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CollectorError> {
    // From now on `meminfo` is a type like any other, here and wherever else the factory is used.
    let factory = collector_factory();
    factory.register_collector_type("meminfo", |config| {
        let field = config.parameters.get("field").and_then(|field| field.as_str()).unwrap_or("MemAvailable");
        let meminfo = Meminfo { field: field.to_owned() };
        Collector::of_system(config, meminfo)
    })?;

    let registry = CollectorRegistry::new();
    let builder = || factory.builder().interval(Duration::from_secs(5)).retries(0, Duration::ZERO);
    registry.register_collector(builder().name("available").build("meminfo")?)?;
    registry.register_collector(builder().name("broken").parameter("field", "Kittens").build("meminfo")?)?;
    // A closure is enough for something small, and this kind may even block.
    let load = Collector::blocking(builder().config("load"), || {
        let text = std::fs::read_to_string("/proc/loadavg")?;
        let first = text.split(' ').next().unwrap_or_default().parse()?;
        Ok(vec![MetricValue::new("machine_load_one_minute", first)])
    })?;
    registry.register_collector(load)?;

    for metric in registry.collect_all_metrics("").await {
        println!("{}", metric.to_prometheus_format());
    }
    for (name, status) in registry.statuses() {
        match status.last_error {
            None => println!("{name}: fine"),
            Some(error) => println!("{name}: {error}"),
        }
    }
    registry.cleanup_all().await;
    Ok(())
}
