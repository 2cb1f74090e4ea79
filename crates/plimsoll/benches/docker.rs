//! What asking the library costs: a summary over 1,000 points, in processor time.
//!
//! `cargo bench -p plimsoll --no-default-features --features docker --bench docker`
//!
//! With these features the program is not built along with it: that would take the place of the released one.

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};

use criterion::Criterion;
use plimsoll::docker::{ContainerMetrics, MetricDataPoint};

use crate::processor_time::ProcessorTime;

const POINTS: u64 = 1000;

fn main() {
    let mut metrics = ContainerMetrics::new("4f1d", 1000);
    let point = |second: u64| MetricDataPoint {
        timestamp: UNIX_EPOCH + Duration::from_secs(5 * second),
        cpu_percent: (second % 100) as f32,
        memory_mb: 100 + second % 50,
        memory_limit_mb: Some(256),
        network_rx_bytes: Some(second * 1500),
        network_tx_bytes: Some(second * 700),
        uptime_secs: second,
    };
    (0..POINTS).for_each(|second| metrics.add(&point(second)));
    let now = UNIX_EPOCH + Duration::from_secs(5 * POINTS);
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let mut group = criterion.benchmark_group("library");
    group.bench_function("get_container_metrics over 1,000 points", |bencher| {
        bencher.iter(|| black_box(black_box(&metrics).aggregate(Duration::from_secs(86_400), now)));
    });
    group.bench_function("a point more in a full ring", |bencher| {
        let mut metrics = metrics.clone();
        bencher.iter(|| metrics.add(black_box(&point(7))));
    });
    group.bench_function("the JSON", |bencher| bencher.iter(|| black_box(metrics.to_json(now))));
    group.finish();
    criterion.final_summary();
}
