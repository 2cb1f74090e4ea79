//! What the built-in collectors of 200 real containers cost through the registry, beside the agent's own pass over them.
//! Wants a Docker engine.
//!
//! `cargo bench -p plimsoll-collect --bench registry [-- NUMBER]`, by default 200.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints what it measured"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_collect::metrics::{
    CollectorConfig, CollectorFactory, CollectorRegistry, Readings, register_built_in,
};
use plimsoll_collect::{Engines, Inbox, Options, Sampler, SamplerThread, Which};
use plimsoll_engine::{Discovery, Endpoint, Found};
use plimsoll_kernel::{Kernel, Roots};
use plimsoll_testkit::docker::Container;

const ROUNDS: usize = 20;

/// How many containers are started at the same time.
const AT_ONCE: usize = 4;

fn main() {
    let number = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(200);
    let containers = start(number);
    let ids: Vec<&str> = containers.iter().map(Container::id).collect();
    // As many threads as the agent has for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options::default();
        let inbox = Arc::<Inbox>::default();
        let kernel = Kernel::probe(Roots::default(), &options.selection);
        let sampler = Sampler::new(kernel, options.clone(), Arc::clone(&inbox));
        let (_thread, mut samples) = SamplerThread::start(sampler, Duration::from_secs(1)).unwrap();
        let found = Found::new(Endpoint::Unix("/var/run/docker.sock".into()), "a benchmark");
        let discovery = Discovery { found: vec![found], problems: Vec::new() };
        let engines = tokio::spawn(Engines::new(Which::Named(discovery), None, options, inbox).run());
        samples.ready().await;

        let factory = CollectorFactory::with_defaults(CollectorConfig::default());
        register_built_in(&factory, &Arc::new(Readings::of(samples.clone()))).unwrap();
        let registry = CollectorRegistry::new();
        for collector in factory.create_default_collectors().unwrap().into_values() {
            registry.register_collector(collector).unwrap();
        }
        assert!(registry.initialize_all().await.is_empty());
        let (mut ticks, mut collections, mut values) = (Vec::new(), Vec::new(), 0);
        // The first passes read everything.
        for round in 0..ROUNDS + 8 {
            let tick = samples.tick().await;
            // Later than what a scrape would be given.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let began = Instant::now();
            let collected = registry.collect_all_metrics_of(&ids).await;
            let took = began.elapsed();
            if round >= 8 {
                ticks.push(Duration::from_nanos(tick.agent.pass_duration.unwrap_or(0)));
                collections.push(took);
                values = collected.iter().map(|container| container.metrics.len()).sum();
            }
        }
        ticks.sort_unstable();
        collections.sort_unstable();
        let (tick, collection) = (ticks[ROUNDS / 2], collections[ROUNDS / 2]);
        println!(
            "{number} containers: a pass takes {tick:.2?}, five collectors through the registry {collection:.2?} with a pass \
             of their own, {values} values: {:.2} times a pass",
            collection.as_secs_f64() / tick.as_secs_f64()
        );
        engines.abort();
    });
    runtime.shutdown_background();
}

fn start(number: usize) -> Vec<Container> {
    let each = number.div_ceil(AT_ONCE);
    std::thread::scope(|scope| {
        let starters: Vec<_> = (0..AT_ONCE)
            .map(|part| {
                let mine = each.min(number.saturating_sub(part * each));
                let start = || Container::run("bench", &[], &["sleep", "100000"]);
                scope.spawn(move || (0..mine).map(|_| start()).collect::<Vec<_>>())
            })
            .collect();
        starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect()
    })
}
