//! The processor time of a batch in line protocol: what the four measurements of the default schema look like, for 1,000
//! containers. Criterion's elements are lines, so its throughput is lines a second.
//!
//! `cargo bench -p plimsoll-wire --bench lines`

mod processor_time;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use plimsoll_wire::line_protocol::{Encoder, Precision, parse_line, retain};
use plimsoll_wire::point::{Point, Tally, Value};

use crate::processor_time::ProcessorTime;

const START: i64 = 1_795_223_743_003_874_862;

/// A measurement, the tag that its points have beside the container's, and the fields.
type Measurement = (&'static str, Option<(&'static str, &'static str)>, &'static [&'static str]);

const MEASUREMENTS: [Measurement; 4] = [
    ("cpu", None, &["usage_percent", "system_percent", "user_percent"]),
    ("memory", None, &["usage_bytes", "limit_bytes", "usage_percent"]),
    ("network", Some(("interface", "eth0")), &["rx_bytes", "tx_bytes", "rx_packets", "tx_packets"]),
    ("blockio", Some(("device", "/dev/nvme0n1")), &["read_bytes", "write_bytes", "read_ops", "write_ops"]),
];

fn points(containers: u64) -> Vec<Point> {
    let mut points = Vec::new();
    for n in 0..containers {
        let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (measurement, tag, fields) in MEASUREMENTS {
            let mut point = Point::default();
            point.begin(measurement, START);
            point.tag("container_id", &format!("{mixed:016x}{n:048x}"));
            point.tag("container_name", &format!("project-{}-service-{}-1", n / 12, n % 12));
            if let Some((name, value)) = tag {
                point.tag(name, value);
            }
            point.tag("host", "node-17.example.com");
            for (at, field) in fields.iter().enumerate() {
                let value = mixed >> (24 + at);
                let percent = Value::Nano(value % 100_000_000_000);
                point
                    .field(field, if field.ends_with("_percent") { percent } else { Value::Unsigned(value) });
            }
            points.push(point);
        }
    }
    points
}

fn main() {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).configure_from_args();
    let points = points(1_000);
    let (mut encoder, mut tally) = (Encoder::new(Precision::Milliseconds), Tally::default());
    points.iter().for_each(|point| encoder.push(point, &mut tally));
    let body = encoder.take();
    assert_eq!(tally.accepted, 4_000);

    let mut group = criterion.benchmark_group("line protocol, 1,000 containers");
    group.throughput(Throughput::Elements(tally.accepted));
    group.bench_function(format!("encode, {} bytes", body.len()), |bencher| {
        bencher.iter(|| {
            for point in &points {
                encoder.push(black_box(point), &mut tally);
            }
            black_box(encoder.take());
        });
    });
    group.bench_function("retain every other", |bencher| {
        bencher.iter(|| retain(black_box(&body), Precision::Milliseconds, &mut |index, _| index % 2 == 0));
    });
    let mut point = Point::default();
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            for line in black_box(&body).trim_ascii_end().split(|byte| *byte == b'\n') {
                black_box(parse_line(line, Precision::Milliseconds, 0, &mut point).is_ok());
            }
        });
    });
    group.finish();
    criterion.final_summary();
}
