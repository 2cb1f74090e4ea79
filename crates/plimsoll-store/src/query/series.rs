//! Series at multiples of a step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_model::Scale;

use crate::asking::Asking;
use crate::grid::{Cell, Grid};
use crate::query::evaluate::observe;
use crate::query::metric::Metric;
use crate::query::select::select;
use crate::query::{Function, MAX_ANSWER_POINTS, MAX_SERIES, Series, SeriesAnswer, SeriesQuery, tiers};
use crate::{Error, Tier};

/// Answers a question for series.
pub(crate) fn series(asking: &Asking<'_>, query: &SeriesQuery) -> Result<SeriesAnswer, Error> {
    let metrics = metrics(&query.metrics)?;
    let functions: Vec<Function> =
        metrics.iter().map(|metric| metric.function(query.function)).collect::<Result<_, _>>()?;
    let step = query.step.unwrap_or_else(|| Grid::usual_step(query.range));
    let grid = Grid::new(query.range, step)?;
    let newest = asking.newest();
    let chosen = select(asking.directory(), &newest, &query.selector, grid.range())?;
    let outputs = asking.directory().outputs(&metrics);
    let base = tiers::of_step(step);
    let tier = tiers::reaching_back(asking.source(), &newest, &chosen, grid.range(), base)?;
    let grid = if tier == base { grid } else { Grid::new(query.range, tiers::raised(step, tier))? };

    let mut answer = SeriesAnswer {
        step: grid.step,
        from: grid.from,
        tier: Tier::Raw,
        series: Vec::new(),
        lines: Vec::new(),
    };
    // Counted while they are made, so that too many are never there.
    let so_far = AtomicUsize::new(0);
    let found = asking.for_each(&chosen, |source, chosen| {
        let mut cells: BTreeMap<usize, Vec<Cell>> = BTreeMap::new();
        let coarsest = observe(source, chosen, &outputs, tier, grid.range(), |output, seen| {
            let Some(point) = grid.point(seen.at) else { return };
            let cells = cells.entry(output).or_insert_with(|| vec![Cell::default(); grid.points]);
            if let Some(cell) = cells.get_mut(point) {
                cell.add(seen);
            }
        })?;
        let mut series = Vec::new();
        for (index, cells) in cells {
            let Some(output) = outputs.get(index) else { continue };
            let (Some(metric), Some(&function)) = (metrics.get(output.metric), functions.get(output.metric))
            else {
                continue;
            };
            let unit = unit(metric, function);
            let points: Vec<_> =
                cells.iter().map(|cell| cell.value(function).map(|value| value / unit)).collect();
            if points.iter().any(Option::is_some) {
                let (family, labels) = (metric.family, output.labels.clone());
                series.push(Series { line: 0, family, labels, function, points });
            }
        }
        let count = so_far.fetch_add(series.len(), Ordering::Relaxed) + series.len();
        if count > MAX_SERIES {
            return Err(Error::TooManySeries { series: count });
        }
        if count.saturating_mul(grid.points) > MAX_ANSWER_POINTS {
            return Err(Error::AnswerTooLong { points: count.saturating_mul(grid.points) });
        }
        Ok((coarsest, series))
    })?;
    for (chosen, (coarsest, series)) in chosen.into_iter().zip(found) {
        if series.is_empty() {
            continue;
        }
        answer.tier = answer.tier.max(coarsest.unwrap_or(Tier::Raw));
        let line = answer.lines.len();
        answer.series.extend(series.into_iter().map(|series| Series { line, ..series }));
        answer.lines.push(chosen.line);
    }
    Ok(answer)
}

/// The metrics of these names, each once.
pub(crate) fn metrics(names: &[String]) -> Result<Vec<Metric>, Error> {
    let mut metrics: Vec<Metric> = Vec::new();
    for name in names {
        let metric = Metric::by_name(name)?;
        if metrics.iter().all(|known| known.family.name != metric.family.name) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

/// What a number on the family's scale is divided by to be in the family's unit.
pub(crate) fn unit(metric: &Metric, function: Function) -> f64 {
    match metric.family.scale {
        _ if function == Function::Count => 1.0,
        Scale::One => 1.0,
        Scale::Nano => 1e9,
    }
}
