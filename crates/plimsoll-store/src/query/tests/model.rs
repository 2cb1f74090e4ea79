//! A history held to a naive one: a list of samples that answers the same questions by looking at all of them.

use proptest::prelude::*;

use super::world::{DAY_ZERO, Numbers, World};
use crate::{Function, Millis, Range, Selector, SeriesQuery, Tier};

const USAGE: &str = "container_memory_usage_bytes";
const WORKING_SET: &str = "container_memory_working_set_bytes";
const USAGE_PERCENT: &str = "container_memory_usage_percent";
const CPU: &str = "container_cpu_usage_seconds_total";
const CPU_PERCENT: &str = "container_cpu_usage_percent";
const RECEIVED: &str = "container_network_receive_bytes_total";

/// The farthest that samples are adjacent.
const GAP: Millis = 2_500;

/// A container's samples, where its blocks end, and whether it was rolled up to its end.
#[derive(Clone, Debug)]
struct Life {
    samples: Vec<(Millis, Numbers)>,
    borders: Vec<usize>,
    is_finished: bool,
}

fn numbers() -> impl Strategy<Value = (Option<u64>, Option<u64>, Option<u64>, u64, u64, bool)> {
    let sometimes = |range: std::ops::Range<u64>| prop_oneof![1 => Just(None), 9 => range.prop_map(Some)];
    (
        sometimes(0..5_000),
        sometimes(0..6_000),
        sometimes(1..9_000),
        0..2_000_000_000u64,
        0..900u64,
        prop::bool::weighted(0.03),
    )
}

/// Samples a second apart, sometimes more: a little, or for so long that nothing is known between them.
fn life() -> impl Strategy<Value = Life> {
    let step = prop_oneof![
        30 => 990..1_010i64,
        2 => 1_010..3_500i64,
        1 => 3_500..200_000i64,
    ];
    let samples = prop::collection::vec((step, numbers()), 1..250);
    (samples, prop::collection::vec(0usize..260, 0..6), any::<bool>()).prop_map(
        |(steps, mut borders, finish)| {
            let (mut at, mut cpu, mut received) = (0, 0u64, 0u64);
            let mut samples = Vec::new();
            for (step, (usage, inactive, limit, more_cpu, more_received, is_reset)) in steps {
                at += step;
                (cpu, received) =
                    if is_reset { (more_cpu, 0) } else { (cpu + more_cpu, received + more_received) };
                samples.push((at, Numbers { usage, inactive, limit, cpu, received }));
            }
            borders.sort_unstable();
            if finish {
                borders.push(samples.len());
            }
            borders.dedup();
            let is_finished = finish && samples.len() == *borders.last().unwrap_or(&0);
            Life { samples, borders, is_finished }
        },
    )
}

/// What the naive history knows of a step.
#[derive(Default)]
struct Step {
    values: Vec<u64>,
    increase: u64,
    covered: Millis,
}

impl Step {
    fn value(&self, function: Function) -> Option<f64> {
        let any = |value: Option<u64>| value.map(|value| value as f64);
        let values = &self.values;
        match function {
            Function::Last => any(values.last().copied()),
            Function::Min => any(values.iter().copied().min()),
            Function::Max => any(values.iter().copied().max()),
            Function::Mean => (!values.is_empty())
                .then(|| values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64),
            Function::Count => (!values.is_empty()).then_some(values.len() as f64),
            Function::Rate => (self.covered > 0).then(|| self.increase as f64 * 1e3 / self.covered as f64),
            Function::Increase => (self.covered > 0).then_some(self.increase as f64),
        }
    }
}

/// The values of a metric in a container's samples; of processor use in per cent, those of adjacent samples.
fn values(metric: &str, samples: &[(Millis, Numbers)]) -> Vec<(Millis, u64)> {
    let working_set = |numbers: &Numbers| {
        let (usage, inactive) = (numbers.usage?, numbers.inactive?);
        Some(if inactive < usage { usage - inactive } else { usage })
    };
    let of = |(index, (at, numbers)): (usize, &(Millis, Numbers))| {
        let value = match metric {
            USAGE => numbers.usage,
            WORKING_SET => working_set(numbers),
            USAGE_PERCENT => {
                working_set(numbers).zip(numbers.limit).map(|(part, limit)| part * 100_000_000_000 / limit)
            }
            CPU => Some(numbers.cpu),
            RECEIVED => Some(numbers.received),
            _ => index.checked_sub(1).and_then(|before| {
                let (then, before) = samples[before];
                let grown = numbers.cpu.checked_sub(before.cpu).unwrap_or(numbers.cpu);
                let apart = (at - then).unsigned_abs() * 1_000_000;
                (at - then <= GAP)
                    .then(|| u64::try_from(u128::from(grown) * 100_000_000_000 / u128::from(apart)).unwrap())
            }),
        };
        Some((*at, value?))
    };
    samples.iter().enumerate().filter_map(of).collect()
}

fn expected(
    metric: &str,
    lives: &[Life],
    range: Range,
    step: Millis,
    function: Function,
) -> Vec<Option<f64>> {
    let from = range.from.div_euclid(step) * step;
    let points = usize::try_from((range.until - from + step - 1) / step).unwrap();
    let mut steps: Vec<Step> = (0..points).map(|_| Step::default()).collect();
    for life in lives {
        let mut before: Option<(Millis, u64)> = None;
        for (at, value) in values(metric, &life.samples) {
            let point = usize::try_from((at - from).div_euclid(step)).ok();
            if let Some(step) = point.and_then(|point| steps.get_mut(point)) {
                step.values.push(value);
                if let Some((then, earlier)) = before.filter(|(then, _)| at - then <= GAP) {
                    step.increase += value.checked_sub(earlier).unwrap_or(value);
                    step.covered += at - then;
                }
            }
            before = Some((at, value));
        }
    }
    let unit = match metric {
        _ if function == Function::Count => 1.0,
        CPU | CPU_PERCENT | USAGE_PERCENT => 1e9,
        _ => 1.0,
    };
    steps.iter().map(|step| step.value(function).map(|value| value / unit)).collect()
}

fn tell(world: &mut World, lives: &[Life]) {
    for (index, life) in lives.iter().enumerate() {
        let id = format!("{index:064x}");
        let container = world.container(&id, "web", life.samples[0].0);
        world.add(container, &life.samples, &life.borders);
        if life.is_finished {
            world.finish(container);
        }
    }
}

/// Puts lives one after the other, the first at a moment that no step is a multiple of.
fn one_after_another(lives: &mut [Life], pauses: &[Millis]) {
    let mut begin = DAY_ZERO + 7_003_400;
    for (life, pause) in lives.iter_mut().zip(pauses) {
        begin += pause;
        for (at, _) in &mut life.samples {
            *at += begin;
        }
        begin = life.samples.last().unwrap().0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_are_those_of_a_list_of_samples(
        mut lives in prop::collection::vec(life(), 1..3),
        pauses in prop::collection::vec(1_000..600_000i64, 3),
        questions in prop::collection::vec(
            (
                prop::sample::select(vec![USAGE, WORKING_SET, USAGE_PERCENT, CPU, CPU_PERCENT, RECEIVED]),
                prop::sample::select(vec![1_000, 2_500, 10_000, 30_000, 60_000, 180_000, 3_600_000i64]),
                prop::sample::select(vec![
                    Function::Last, Function::Min, Function::Max, Function::Mean, Function::Count, Function::Rate,
                    Function::Increase,
                ]),
                (0.0..1.0f64, 0.0..1.0f64),
            ),
            1..30,
        ),
    ) {
        one_after_another(&mut lives, &pauses);
        let mut world = World::new();
        tell(&mut world, &lives);
        let history = world.history();
        let first = lives[0].samples[0].0 - 5_000;
        let length = lives.last().unwrap().samples.last().unwrap().0 + 5_000 - first;
        for (metric, step, function, (one, other)) in questions {
            let place = |share: f64| first + (length as f64 * share) as Millis;
            let range = Range { from: place(one.min(other)), until: place(one.max(other)) };
            let counter = matches!(metric, CPU | RECEIVED);
            if matches!(function, Function::Rate | Function::Increase) && !counter {
                continue;
            }
            // What a tier's points do not know: see `derive.rs`.
            let is_raw = step % 10_000 != 0;
            let has_no_spread = counter && matches!(function, Function::Min | Function::Max | Function::Mean);
            if !is_raw && (has_no_spread || matches!(metric, CPU_PERCENT | USAGE_PERCENT)) {
                continue;
            }
            let points = (range.until - range.from) / step;
            if points > 10_000 {
                continue;
            }
            let answer = history.series(&SeriesQuery {
                selector: Selector::of_container("web"),
                metrics: vec![metric.to_owned()],
                range,
                step: Some(step),
                function: Some(function),
            }).unwrap();
            let expected = expected(metric, &lives, range, step, function);
            let question = format!("{metric} {function:?} of {range:?} by {step}");
            prop_assert_eq!(answer.step, step, "{}", question);
            let Some(series) = answer.series.first() else {
                prop_assert!(expected.iter().all(Option::is_none), "{}: nothing, not {:?}", question, expected);
                continue;
            };
            prop_assert_eq!(answer.series.len(), 1);
            prop_assert_eq!(series.points.len(), expected.len(), "{}", question);
            // Means of a tier are rounded, and those of the next are means of them.
            let rounding = if function == Function::Mean && !is_raw { 1.6 } else { 0.0 };
            for (index, (got, expected)) in series.points.iter().zip(&expected).enumerate() {
                let is_right = match (got, expected) {
                    (None, None) => true,
                    (Some(got), Some(expected)) => (got - expected).abs() <= rounding + expected.abs() * 1e-9,
                    _ => false,
                };
                prop_assert!(is_right, "{}: {:?}, not {:?} at {} from {:?}", question, got, expected, index, answer.tier);
            }
        }
    }

    #[test]
    fn windows_are_those_of_a_list_of_samples(
        mut lives in prop::collection::vec(life(), 1..3),
        pauses in prop::collection::vec(1_000..100_000i64, 3),
        windows in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 1..6),
    ) {
        one_after_another(&mut lives, &pauses);
        let mut world = World::new();
        tell(&mut world, &lives);
        let history = world.history();
        let first = lives[0].samples[0].0 - 5_000;
        let length = lives.last().unwrap().samples.last().unwrap().0 + 5_000 - first;
        for (one, other) in windows {
            let place = |share: f64| first + (length as f64 * share) as Millis;
            let range = Range { from: place(one.min(other)), until: place(one.max(other)) };
            if range.length() == 0 {
                continue;
            }
            let query = crate::AggregateQuery {
                selector: Selector::of_container("web"),
                metrics: vec![USAGE.to_owned(), CPU.to_owned()],
                range,
            };
            let answer = history.aggregate(&query).unwrap();
            let inside: Vec<u64> = lives
                .iter()
                .flat_map(|life| values(USAGE, &life.samples))
                .filter(|(at, _)| range.contains(*at))
                .map(|(_, value)| value)
                .collect();
            let found = answer.lines.first().and_then(|(_, found)| found.iter().find(|found| found.family.name == USAGE));
            prop_assert_eq!(found.map(|found| found.samples), (!inside.is_empty()).then_some(inside.len() as u64));
            if let Some(found) = found {
                // Some of it may have been read from the ten-second tier, where it is as exact but for means.
                prop_assert_eq!(found.min, *inside.iter().min().unwrap() as f64);
                prop_assert_eq!(found.max, *inside.iter().max().unwrap() as f64);
                prop_assert_eq!(found.last, *inside.last().unwrap() as f64);
                if answer.tier == Tier::Raw {
                    let mut sorted = inside.clone();
                    sorted.sort_unstable();
                    for (percent, got) in [50, 90, 95, 99].into_iter().zip(found.percentiles) {
                        let rank = (sorted.len() * percent).div_ceil(100).max(1);
                        prop_assert_eq!(got, sorted[rank - 1] as f64, "{} of {:?}", percent, sorted);
                    }
                }
            }
        }
    }
}
