//! The processor time of a report of 50 images: read from its body, and written.
//!
//! `cargo bench -p plimsoll-wire --bench census`

mod processor_time;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_model::census::{ImageUse, Report};
use plimsoll_wire::census::{decode, encode};

use crate::processor_time::ProcessorTime;

fn report() -> Report {
    let registries =
        ["", "ghcr.io/", "lscr.io/linuxserver/", "quay.io/prometheus/", "registry.example.com:5000/team/"];
    let image = |n: u64| ImageUse {
        image: format!("{}service-{n}:v1.{n}.0", registries[usize::try_from(n % 5).unwrap_or_default()]),
        containers: 1 + n % 4,
        size_bytes: 142_000_000 + n * 7_919_317,
    };
    Report {
        installation_id: "a1b2c3d4-e5f6-7890-abcd-ef1234567890".to_owned(),
        version: "1.6.0".to_owned(),
        timestamp_ms: Some(1_760_644_800_123),
        host_count: 3,
        agent_count: 2,
        total_containers: 123,
        scan_interval_seconds: 300,
        images: (0..50).map(image).collect(),
        agent_versions: BTreeMap::from([("1.5.0".to_owned(), 1), ("1.6.0".to_owned(), 1)]),
        containers_running: 120,
        containers_stopped: 2,
        containers_paused: 1,
        avg_cpu_percent: 2.893_571_428_571_428,
        avg_memory_bytes: 136_478_448,
        total_memory_limit: 10_000_000_000,
        avg_restarts: 0.57,
        high_restart_containers: 2,
        total_image_size: 16_701_966_436,
        unique_images: 50,
        timezone: "Europe/Berlin".to_owned(),
        compose_project_count: 12,
        containers_in_compose: 110,
        network_count: 20,
        custom_network_count: 17,
        shared_volume_count: 4,
        containers_with_deps: 31,
        total_dependencies: 42,
        avg_connections_per_container: 1.392_857_142_857_142_8,
        ..Report::default()
    }
}

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let report = report();
    let mut body = String::new();
    encode(&report, &mut body);
    assert_eq!(decode(body.as_bytes()).as_ref(), Ok(&report));

    let mut group = criterion.benchmark_group("census");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(body.as_bytes()))));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            body.clear();
            encode(black_box(&report), &mut body);
        });
    });
    group.finish();
    criterion.final_summary();
}
