//! Random sequences of success, error, timeout, panic and recovery, in paused time: what a collector does is what a
//! simple model says of attempts, waits, health and probes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plimsoll_collect::metrics::{
    Collected, Collector, CollectorConfig, CollectorError, LONGEST_PROBE, LONGEST_RETRY, MetricValue, Reason,
    SystemMetricsCollector, UNHEALTHY_AFTER,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::time::{Instant, sleep};

const SEQUENCES: u32 = 10_000;

/// The runtime's clock has milliseconds, and wakes no earlier than asked.
const SLACK: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Success,
    Error,
    Hang,
    Panic,
}

impl Step {
    fn reason(self) -> Option<Reason> {
        match self {
            Self::Success => None,
            Self::Error => Some(Reason::Error),
            Self::Hang => Some(Reason::Timeout),
            Self::Panic => Some(Reason::Panic),
        }
    }
}

/// Does what it is told, and remembers when.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<(VecDeque<Step>, Vec<Instant>)>>);

impl SystemMetricsCollector for Scripted {
    async fn collect_system_metrics(&self) -> Collected {
        let step = {
            let mut script = self.0.lock().unwrap();
            script.1.push(Instant::now());
            script.0.pop_front().unwrap_or(Step::Success)
        };
        match step {
            Step::Success => Ok(vec![MetricValue::new("fine", 1.0)]),
            Step::Error => Err("as told".into()),
            Step::Hang => std::future::pending().await,
            // As a panic does, but for the message on standard error.
            Step::Panic => std::panic::resume_unwind(Box::new("as told")),
        }
    }
}

/// Collections in a row that failed, and between which times the next probe comes.
#[derive(Default)]
struct Model {
    failures: u32,
    probe: Option<(Instant, Instant)>,
    counts: [u64; 3],
    runs: u64,
}

fn doubled(wait: Duration, times: u32) -> Duration {
    (0..times).fold(wait, |wait, _| (wait * 2).min(Duration::from_secs(1 << 40)))
}

async fn follow(config: CollectorConfig, steps: Vec<Step>, pauses: Vec<Duration>) {
    let script = Scripted::default();
    let all = steps.clone();
    script.0.lock().unwrap().0.extend(steps);
    let collector = Collector::of_system(config.clone(), script.clone()).unwrap();
    let (interval, timeout) = (config.collection_interval, config.timeout);
    let mut model = Model::default();
    for pause in pauses {
        sleep(pause).await;
        let (began, done) = (Instant::now(), model.runs as usize);
        let outcome = collector.collect_with_error_handling("").await;
        let times = script.0.lock().unwrap().1[done..].to_vec();
        let taken: Vec<Step> =
            (done..done + times.len()).map(|n| all.get(n).copied().unwrap_or(Step::Success)).collect();
        model.runs += times.len() as u64;
        for reason in taken.iter().filter_map(|step| step.reason()) {
            model.counts[reason as usize] += 1;
        }
        if let Err(CollectorError::Unhealthy { retry_in, .. }) = &outcome {
            let (earliest, latest) = model.probe.expect("only who is unhealthy rests");
            assert!(times.is_empty() && began < latest + SLACK, "it should have been tried");
            assert!((earliest..=latest + SLACK).contains(&(began + *retry_in)));
            continue;
        }
        if let Some((earliest, _)) = model.probe {
            assert!(began + SLACK >= earliest, "it should have rested");
        }
        // Each attempt comes after the one before has ended and a wait between half and all of the doubled delay.
        let most = if model.failures < UNHEALTHY_AFTER { 1 + config.retry_attempts as usize } else { 1 };
        assert!((1..=most).contains(&times.len()), "{} attempts of {most}", times.len());
        assert_eq!(times[0], began);
        let end_of = |n: usize| times[n] + if taken[n] == Step::Hang { timeout } else { Duration::ZERO };
        for n in 1..times.len() {
            assert_ne!(taken[n - 1], Step::Success, "who succeeded is not tried again");
            let wait = times[n] - end_of(n - 1);
            let longest =
                doubled(config.retry_delay, n as u32 - 1).min(LONGEST_RETRY.max(config.retry_delay));
            assert!(wait + SLACK >= longest / 2 && wait <= longest + 2 * SLACK, "{wait:?} of {longest:?}");
            assert!(times[n] - began < interval + 2 * SLACK, "an attempt after the interval");
        }
        let last = times.len() - 1;
        if taken[last] != Step::Success && times.len() < most {
            let longest = doubled(config.retry_delay, last as u32).min(LONGEST_RETRY.max(config.retry_delay));
            assert!(end_of(last) - began + longest + SLACK >= interval, "there was time for another attempt");
        }
        match taken[last] {
            Step::Success => {
                assert_eq!(outcome.unwrap().len(), 1);
                (model.failures, model.probe) = (0, None);
            }
            failed => {
                assert_eq!(outcome.unwrap_err().reason(), failed.reason());
                model.failures += 1;
                let ended = Instant::now();
                assert!(ended + SLACK >= end_of(last) && ended <= end_of(last) + SLACK);
                model.probe = (model.failures >= UNHEALTHY_AFTER).then(|| {
                    let longest = doubled(interval, model.failures - UNHEALTHY_AFTER + 1)
                        .min(LONGEST_PROBE.max(interval));
                    (ended + (longest / 2).max(interval), ended + longest)
                });
            }
        }
        let status = collector.get_status();
        assert_eq!(status.is_healthy, model.failures < UNHEALTHY_AFTER);
        assert_eq!((status.runs, status.error_count), (model.runs, model.counts.iter().sum()));
        assert!(
            Reason::ALL
                .iter()
                .all(|reason| status.failures[*reason as usize].1 == model.counts[*reason as usize])
        );
    }
}

#[test]
fn ten_thousand_lives_are_as_the_model_says() {
    let step = prop_oneof![
        3 => Just(Step::Success), 3 => Just(Step::Error), 1 => Just(Step::Hang), 1 => Just(Step::Panic)
    ];
    // A run of one kind, so that long illnesses come up.
    let steps = prop::collection::vec((step, 1..12usize), 1..6)
        .prop_map(|runs| runs.into_iter().flat_map(|(step, count)| vec![step; count]).collect::<Vec<_>>());
    let pauses = prop::collection::vec((0..40_000u64).prop_map(Duration::from_millis), 1..24);
    let config =
        (100..30_000u64, 1..=100u64, 0..5u32, 0..8000u64).prop_map(|(interval, percent, retries, delay)| {
            CollectorConfig {
                collection_interval: Duration::from_millis(interval),
                timeout: Duration::from_millis((interval * percent / 100).max(1)),
                retry_attempts: retries,
                retry_delay: Duration::from_millis(delay),
                ..CollectorConfig::new("scripted")
            }
        });
    let mut runner =
        TestRunner::new(Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() });
    runner
        .run(&(config, steps, pauses), |(config, steps, pauses)| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(follow(config, steps, pauses));
            Ok(())
        })
        .unwrap();
}
