//! How long answers take, of a history with 200 containers: `cargo bench -p plimsoll-store --features bench --bench query`.
//! Processor time of all threads together: what a machine with one processor would need, however busy this one is.
#![allow(clippy::panic, clippy::print_stdout, reason = "a benchmark prints its figures")]

use criterion::{Criterion, criterion_group, criterion_main};
use plimsoll_store::{
    AggregateQuery, Function, History, Millis, Range, Rank, Selector, SeriesQuery, TopQuery,
    bench::write_history,
};

#[path = "../../plimsoll-wire/benches/processor_time/mod.rs"]
mod processor_time;

use processor_time::ProcessorTime;

const CONTAINERS: u32 = 200;
const HOUR: Millis = 3_600_000;
/// Not a multiple of anything, as now never is.
const NOW: Millis = 1_763_712_345_678;

const CPU: &str = "container_cpu_usage_seconds_total";
const MEMORY: &str = "container_memory_working_set_bytes";

fn queries(criterion: &mut Criterion<ProcessorTime>) {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => panic!("no folder for the benchmark's file: {error}"),
    };
    let path = folder.path().join("history.db");
    if let Err(error) = write_history(&path, CONTAINERS, NOW) {
        panic!("the benchmark's file cannot be written: {error}");
    }
    let history = match History::open(&path) {
        Ok(history) => history,
        Err(error) => panic!("the benchmark's file cannot be read: {error}"),
    };
    let series = |selector: Selector,
                  metric: &str,
                  hours: Millis,
                  step: Option<Millis>,
                  function: Option<Function>| SeriesQuery {
        selector,
        metrics: vec![metric.to_owned()],
        range: Range { from: NOW - hours * HOUR, until: NOW },
        step,
        function,
    };
    let one = series(Selector::of_container("c0"), MEMORY, 24, None, None);
    let odd = series(Selector::of_container("c0"), MEMORY, 24, Some(24 * HOUR / 500), None);
    let processors = series(Selector::default(), CPU, 1, None, None);
    let top = TopQuery {
        selector: Selector::default(),
        metric: MEMORY.to_owned(),
        range: Range { from: NOW - 7 * 24 * HOUR, until: NOW },
        rank: Rank::Mean,
        count: 10,
    };
    let window = AggregateQuery {
        selector: Selector::default(),
        metrics: vec![MEMORY.to_owned()],
        range: Range { from: NOW - HOUR, until: NOW },
    };
    let mut group = criterion.benchmark_group("query");
    group.sample_size(20);
    group.bench_function("one series, 24 hours, 480 points (bar 5 ms)", |b| {
        b.iter(|| history.series(&one).map_or(0, |answer| answer.series.len()));
    });
    group.bench_function("one series, 24 hours, 500 points at a step that only samples have", |b| {
        b.iter(|| history.series(&odd).map_or(0, |answer| answer.series.len()));
    });
    group.bench_function("CPU of 200 containers over an hour (bar 60 ms)", |b| {
        b.iter(|| history.series(&processors).map_or(0, |answer| answer.series.len()));
    });
    group.bench_function("top 10 of memory over a week (bar 60 ms)", |b| {
        b.iter(|| history.top(&top).map_or(0, |answer| answer.lines.len()));
    });
    group.bench_function("figures and percentiles of 200 containers over an hour", |b| {
        b.iter(|| history.aggregate(&window).map_or(0, |answer| answer.lines.len()));
    });
    group.bench_function("a moment of 200 containers", |b| {
        b.iter(|| history.at(NOW - 600_000).map_or(0, |snapshot| snapshot.containers.len()));
    });
    group.bench_function("open", |b| b.iter(|| History::open(&path).is_ok()));
    group.finish();
    for (what, answer) in [("one", &one), ("odd", &odd), ("processors", &processors)] {
        if let Ok(answer) = history.series(answer) {
            println!(
                "{what}: {} series of {} points from {:?}, every {} ms",
                answer.series.len(),
                answer.series.first().map_or(0, |series| series.points.len()),
                answer.tier,
                answer.step
            );
        }
    }
    if let Ok(answer) = history.top(&top) {
        println!("top: {} lines from {:?}", answer.lines.len(), answer.tier);
    }
    if let Ok(summary) = history.summary() {
        println!("file: {summary:?}");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = queries
}
criterion_main!(benches);
