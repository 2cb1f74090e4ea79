//! What the framework costs for a run of a collector that does nothing, and for one with ten values.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll_collect::metrics::{
    Collected, Collector, CollectorConfig, ContainerMetricsCollector, MetricValue, SystemMetricsCollector,
};

struct Nothing;

impl SystemMetricsCollector for Nothing {
    async fn collect_system_metrics(&self) -> Collected {
        Ok(Vec::new())
    }
}

struct Ten;

impl ContainerMetricsCollector for Ten {
    async fn collect_container_metrics(&self, id: &str) -> Collected {
        let value = |n: usize| {
            let names = ["a_total", "b_total", "c", "d", "e", "f", "g", "h", "i", "j"];
            MetricValue::new(names[n], 1.0).label("container_id", id)
        };
        Ok((0..10).map(value).collect())
    }
}

fn runs(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let nothing = Collector::of_system(CollectorConfig::new("nothing"), Nothing).unwrap();
    let ten = Collector::of_container(CollectorConfig::new("ten"), Ten).unwrap();
    let mut group = criterion.benchmark_group("framework");
    for (name, collector) in [("nothing", &nothing), ("ten values", &ten)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                runtime.block_on(async {
                    let began = std::time::Instant::now();
                    for _ in 0..count {
                        collector.collect_with_error_handling("0123456789ab").await.unwrap();
                    }
                    began.elapsed()
                })
            });
        });
    }
}

criterion_group!(benches, runs);
criterion_main!(benches);
