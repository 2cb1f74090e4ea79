//! What is stored, sample by sample.

use std::ops::ControlFlow;

use plimsoll_model::catalog::{AgentFamily, CATALOG, HostField, Shape, Start};
use plimsoll_model::{Family, Slot};

use crate::asking::Asking;
use crate::block::ColumnKey;
use crate::derive::{Recipe, Trail, View};
use crate::directory::{Membership, Output};
use crate::fetch::Wanted;
use crate::grid::{Observation, check};
use crate::query::metric::Metric;
use crate::query::select::{Chosen, select};
use crate::query::series::metrics;
use crate::query::{ExportQuery, Line, Member, Sample, Statistics};
use crate::{Error, Millis, Range, Tier};

/// How many rows of a block are put in order of time at once.
const ROWS_AT_ONCE: usize = 64;

/// Hands every stored number to `take`.
pub(crate) fn export(
    asking: &Asking<'_>,
    query: &ExportQuery,
    take: &mut dyn FnMut(&Sample<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    check(query.range)?;
    let selector = &query.selector;
    let metrics =
        if query.metrics.is_empty() { Metric::all(selector.host) } else { metrics(&query.metrics)? };
    let chosen = select(asking.directory(), &asking.newest(), selector, query.range)?;
    let export = Export { asking, tier: query.tier, outputs: asking.directory().outputs(&metrics), metrics };
    for chosen in &chosen {
        for (index, span) in chosen.members.iter().enumerate() {
            let member = chosen.line.containers.get(index);
            if export.member(query.range, chosen, span, member, take)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

struct Export<'a> {
    asking: &'a Asking<'a>,
    tier: Tier,
    metrics: Vec<Metric>,
    outputs: Vec<Output>,
}

/// What a start is the start of: of the container or the agent, or of the machine.
#[derive(Clone, Copy)]
enum What {
    Life,
    Boot,
}

/// Whose samples are given, and since when their counters count.
struct Subject<'a> {
    line: &'a Line,
    member: Option<&'a Member>,
    created: Option<u64>,
    seen: Option<u64>,
    /// The start of the container, or of the agent for the host, as its samples told last.
    started: Option<u64>,
    /// When the machine was booted, as its samples told last.
    booted: Option<u64>,
}

impl Export<'_> {
    fn member(
        &self,
        range: Range,
        chosen: &Chosen,
        span: &Membership,
        member: Option<&Member>,
        take: &mut dyn FnMut(&Sample<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let source = self.asking.source();
        let bounds = match member {
            Some(member) => Range { from: member.since, until: member.last.saturating_add(1) },
            None => source.extent(self.tier, span.container)?,
        };
        // A point begins before the first sample in it.
        let early = bounds.from.saturating_sub(self.tier.step().unwrap_or(0));
        let range = Range { from: range.from.max(early), until: range.until.min(bounds.until) };
        let record = self.asking.directory().containers.get(&span.container);
        let nanos = |at: Millis| u64::try_from(at).ok().map(|at| at.saturating_mul(1_000_000));
        let mut subject = Subject {
            line: &chosen.line,
            member,
            created: record.and_then(|record| nanos(record.created?)),
            seen: record.and_then(|record| nanos(record.first_seen)),
            started: None,
            booted: None,
        };
        let starts = self.starts(member.is_none());
        let columns = |tier: Tier, key: ColumnKey| {
            starts
                .iter()
                .map(|(_, recipe)| recipe)
                .chain(self.outputs.iter().map(|output| &output.recipe))
                .any(|recipe| recipe.needs(tier, key))
        };
        let mut trails: Vec<Trail> = vec![None; self.outputs.len()];
        let mut from = range.from;
        while from < range.until {
            let window = Range { from, until: from.saturating_add(window(self.tier)).min(range.until) };
            from = window.until;
            let stretch =
                source.only(self.tier, span.container, window, Wanted { columns: &columns, before: true })?;
            for (holds, block) in stretch.parts() {
                for times in block.times.chunks(ROWS_AT_ONCE) {
                    let Some((first, last)) = times.first().zip(times.last()) else { continue };
                    let holds = Range {
                        from: holds.from.max(*first),
                        until: holds.until.min(last.saturating_add(1)),
                    };
                    let view = View { tier: self.tier, block, holds, asked: window };
                    if self.rows(&view, &starts, &mut trails, &mut subject, take).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gives some rows of a block in order of time.
    fn rows(
        &self,
        view: &View<'_>,
        starts: &[(What, Recipe)],
        trails: &mut [Trail],
        subject: &mut Subject<'_>,
        take: &mut dyn FnMut(&Sample<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut told = Vec::new();
        for (what, start) in starts {
            start.observe(view, &mut None, |seen| told.push((seen.at, *what, seen.last)));
        }
        told.sort_by_key(|(at, ..)| *at);
        let mut rows: Vec<(Millis, usize, Observation)> = Vec::new();
        for (index, (output, trail)) in self.outputs.iter().zip(trails).enumerate() {
            output.recipe.observe(view, trail, |seen| rows.push((seen.at, index, *seen)));
        }
        rows.sort_by_key(|(at, index, _)| (*at, *index));
        let mut told = told.into_iter().peekable();
        for (at, index, seen) in rows {
            while let Some((_, what, start)) = told.next_if(|(when, ..)| *when <= at) {
                match what {
                    What::Life => subject.started = Some(start),
                    What::Boot => subject.booted = Some(start),
                }
            }
            let Some(output) = self.outputs.get(index) else { continue };
            let Some(metric) = self.metrics.get(output.metric) else { continue };
            take(&Sample {
                line: subject.line,
                member: subject.member,
                family: metric.family,
                labels: &output.labels,
                at,
                value: seen.last,
                start: if metric.is_counter() { subject.start_of(metric.family) } else { None },
                statistics: (self.tier != Tier::Raw).then(|| Statistics {
                    min: seen.min,
                    max: seen.max,
                    mean: u64::try_from(
                        (seen.sum + u128::from(seen.count / 2)) / u128::from(seen.count.max(1)),
                    )
                    .unwrap_or(u64::MAX),
                    count: seen.count,
                    increase: metric.is_counter().then_some(seen.increase),
                }),
            })?;
        }
        ControlFlow::Continue(())
    }

    /// What tells when a container, or the agent, started; and, for the host, when that was booted.
    fn starts(&self, is_host: bool) -> Vec<(What, Recipe)> {
        let directory = self.asking.directory();
        let of_shape = |shape: Shape| {
            let family = CATALOG.iter().find(|family| family.shape == shape)?;
            Some(directory.series_of(family.name).first()?.id)
        };
        let (started, booted) = if is_host {
            (
                of_shape(Shape::Agent(AgentFamily::ProcessStart)),
                of_shape(Shape::Host(HostField::Stat("btime"))),
            )
        } else {
            (directory.slot(Slot::Started), None)
        };
        let recipe = |series| Recipe::Stored { series, counter: false };
        [(What::Life, started), (What::Boot, booted)]
            .into_iter()
            .filter_map(|(what, series)| Some((what, recipe(series?))))
            .collect()
    }
}

impl Subject<'_> {
    fn start_of(&self, family: &Family) -> Option<u64> {
        match family.start {
            Start::Life | Start::Agent => self.started,
            Start::Created => self.created,
            Start::Seen => self.seen,
            Start::Boot => self.booted,
        }
    }
}

/// How much time is read at once.
const fn window(tier: Tier) -> Millis {
    match tier.step() {
        None => 3_600_000,
        Some(step) => 1_000 * step,
    }
}
