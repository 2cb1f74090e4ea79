//! Figures over a window, and who has most.

use std::collections::BTreeMap;

use crate::asking::Asking;
use crate::directory::Output;
use crate::fetch::Source;
use crate::grid::{Observation, check};
use crate::query::evaluate::observe;
use crate::query::metric::Metric;
use crate::query::select::{Chosen, select};
use crate::query::series::{metrics, unit};
use crate::query::{
    Aggregate, AggregateAnswer, AggregateQuery, Function, MAX_SERIES, Rank, TopAnswer, TopQuery, tiers,
};
use crate::{Error, Millis, Range, Tier};

/// Which percentiles an [`Aggregate`] has.
const PERCENTILES: [u64; 4] = [50, 90, 95, 99];

/// Answers a question for figures.
pub(crate) fn aggregate(asking: &Asking<'_>, query: &AggregateQuery) -> Result<AggregateAnswer, Error> {
    check(query.range)?;
    let metrics = metrics(&query.metrics)?;
    let newest = asking.newest();
    let chosen = select(asking.directory(), &newest, &query.selector, query.range)?;
    let outputs = asking.directory().outputs(&metrics);
    let tier = tiers::of_window(query.range, asking.interval(), chosen.len());
    let tier = tiers::reaching_back(asking.source(), &newest, &chosen, query.range, tier)?;
    let found = asking.for_each(&chosen, |source, chosen| {
        let mut figures: BTreeMap<usize, Figures> = BTreeMap::new();
        let coarsest = observe(source, chosen, &outputs, tier, query.range, |output, seen| {
            let of_rates = outputs.get(output).and_then(|output| metrics.get(output.metric));
            let of_rates = of_rates.is_some_and(Metric::is_counter);
            figures.entry(output).or_insert_with(|| Figures::new(of_rates)).add(seen);
        })?;
        let aggregates = figures.into_iter().filter_map(|(index, figures)| {
            let output = outputs.get(index)?;
            figures.aggregate(metrics.get(output.metric)?, output)
        });
        Ok((coarsest, aggregates.collect::<Vec<_>>()))
    })?;
    let mut answer = AggregateAnswer { tier: Tier::Raw, lines: Vec::new() };
    let mut series = 0;
    for (chosen, (coarsest, aggregates)) in chosen.into_iter().zip(found) {
        series += aggregates.len();
        if series > MAX_SERIES {
            return Err(Error::TooManySeries { series });
        }
        if !aggregates.is_empty() {
            answer.tier = answer.tier.max(coarsest.unwrap_or(Tier::Raw));
            answer.lines.push((chosen.line, aggregates));
        }
    }
    Ok(answer)
}

/// Answers a question for the lines with most of something.
pub(crate) fn top(asking: &Asking<'_>, query: &TopQuery) -> Result<TopAnswer, Error> {
    check(query.range)?;
    let metric = Metric::by_name(&query.metric)?;
    if query.rank == Rank::Increase {
        metric.function(Some(Function::Increase))?;
    }
    let newest = asking.newest();
    let chosen = select(asking.directory(), &newest, &query.selector, query.range)?;
    let outputs = asking.directory().outputs(&[metric]);
    let tier = tiers::of_rank(query.rank, query.range, asking.interval(), chosen.len());
    let tier = tiers::reaching_back(asking.source(), &newest, &chosen, query.range, tier)?;
    // The window begins with a whole point: what is ranked over a week need not read samples for its first minutes.
    let step = tier.step().unwrap_or(1);
    let range = Range { from: query.range.from.div_euclid(step).saturating_mul(step), ..query.range };
    let found = asking.for_each(&chosen, |source, chosen| {
        let (coarsest, figures) = sum(source, chosen, &outputs, tier, range, metric.is_counter())?;
        Ok((coarsest, figures.rank(query.rank)))
    })?;
    let unit = unit(&metric, Function::Last);
    let mut answer = TopAnswer { family: metric.family, tier: Tier::Raw, lines: Vec::new() };
    for (chosen, (coarsest, value)) in chosen.into_iter().zip(found) {
        if let Some(value) = value {
            answer.tier = answer.tier.max(coarsest.unwrap_or(Tier::Raw));
            answer.lines.push((chosen.line, value / unit));
        }
    }
    // Of equals the first by name, as the lines are.
    answer.lines.sort_by(|a, b| b.1.total_cmp(&a.1));
    answer.lines.truncate(query.count);
    Ok(answer)
}

/// The figures of all series of a line together: at each time they are added up.
fn sum(
    source: Source<'_>,
    chosen: &Chosen,
    outputs: &[Output],
    tier: Tier,
    range: Range,
    of_rates: bool,
) -> Result<(Option<Tier>, Figures), Error> {
    let mut figures = Figures::new(of_rates);
    if outputs.len() < 2 {
        let coarsest = observe(source, chosen, outputs, tier, range, |_, seen| figures.add(seen))?;
        return Ok((coarsest, figures));
    }
    let mut sums: BTreeMap<Millis, Observation> = BTreeMap::new();
    let coarsest = observe(source, chosen, outputs, tier, range, |_, seen| {
        sums.entry(seen.at).and_modify(|sum| sum.join(seen)).or_insert(*seen);
    })?;
    sums.values().for_each(|sum| figures.add(sum));
    Ok((coarsest, figures))
}

/// What the observations of a window come to: of rates, or of values.
#[derive(Debug)]
struct Figures {
    of_rates: bool,
    samples: u64,
    increase: u128,
    covered: u64,
    min: f64,
    max: f64,
    last: f64,
    sum: u128,
    /// Each value, and how much it counts.
    values: Vec<(f64, u64)>,
}

impl Figures {
    fn new(of_rates: bool) -> Self {
        Self {
            of_rates,
            samples: 0,
            increase: 0,
            covered: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            last: 0.0,
            sum: 0,
            values: Vec::new(),
        }
    }

    fn add(&mut self, seen: &Observation) {
        self.samples += seen.count;
        self.increase += u128::from(seen.increase);
        self.covered += seen.covered;
        self.sum += seen.sum;
        if !self.of_rates {
            let mean = seen.sum as f64 / seen.count.max(1) as f64;
            self.take(seen.min as f64, seen.max as f64, seen.last as f64, mean, seen.count);
        } else if let Some(rate) = seen.rate() {
            self.take(rate, rate, rate, rate, seen.covered);
        }
    }

    fn take(&mut self, min: f64, max: f64, last: f64, middle: f64, weight: u64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.last = last;
        self.values.push((middle, weight));
    }

    fn mean(&self) -> f64 {
        if self.of_rates {
            self.increase as f64 * 1e3 / self.covered.max(1) as f64
        } else {
            self.sum as f64 / self.samples.max(1) as f64
        }
    }

    /// On the family's scale; `None` where nothing is known.
    fn rank(mut self, rank: Rank) -> Option<f64> {
        if self.values.is_empty() {
            return None;
        }
        Some(match rank {
            Rank::Mean => self.mean(),
            Rank::Max => self.max,
            Rank::Min => self.min,
            Rank::Last => self.last,
            Rank::P95 => percentiles(&mut self.values, [95])[0],
            Rank::Increase => self.increase as f64,
        })
    }

    fn aggregate(mut self, metric: &Metric, output: &Output) -> Option<Aggregate> {
        if self.values.is_empty() {
            return None;
        }
        let unit = unit(metric, Function::Last);
        Some(Aggregate {
            family: metric.family,
            labels: output.labels.clone(),
            samples: self.samples,
            min: self.min / unit,
            max: self.max / unit,
            mean: self.mean() / unit,
            last: self.last / unit,
            percentiles: percentiles(&mut self.values, PERCENTILES).map(|value| value / unit),
            increase: self.of_rates.then_some(self.increase as f64 / unit),
        })
    }
}

/// The least value that so many of a hundred are not above, by their weights; 0 where there is no value.
fn percentiles<const N: usize>(values: &mut [(f64, u64)], wanted: [u64; N]) -> [f64; N] {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: u128 = values.iter().map(|(_, weight)| u128::from(*weight)).sum();
    wanted.map(|percent| {
        let mut below = 0;
        let found = values.iter().find(|(_, weight)| {
            below += u128::from(*weight);
            below * 100 >= total * u128::from(percent)
        });
        found.or(values.last()).map_or(0.0, |(value, _)| *value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_data() {
        let each = |numbers: &[u64]| numbers.iter().map(|number| (*number as f64, 1)).collect::<Vec<_>>();
        for (mut values, expected) in [
            (each(&[7]), [7.0; 4]),
            (each(&(1..=100).collect::<Vec<_>>()), [50.0, 90.0, 95.0, 99.0]),
            (each(&(1..=100).rev().collect::<Vec<_>>()), [50.0, 90.0, 95.0, 99.0]),
            (each(&[1, 2, 3, 4]), [2.0, 4.0, 4.0, 4.0]),
            // A point of a tier counts as often as it has samples.
            (vec![(1.0, 95), (9.0, 5)], [1.0, 1.0, 1.0, 9.0]),
            (Vec::new(), [0.0; 4]),
        ] {
            assert_eq!(percentiles(&mut values, PERCENTILES), expected, "{values:?}");
        }
    }

    #[test]
    fn a_counter_has_figures_of_its_rate() {
        let mut figures = Figures::new(true);
        figures.add(&Observation::sample(0, 100));
        figures.add(&Observation { increase: 50, covered: 1_000, ..Observation::sample(1_000, 150) });
        figures.add(&Observation { increase: 10, covered: 1_000, ..Observation::sample(2_000, 10) });
        assert_eq!((figures.min, figures.max, figures.last, figures.mean()), (10.0, 50.0, 10.0, 30.0));
        assert_eq!((figures.samples, figures.increase), (3, 60));
    }
}
