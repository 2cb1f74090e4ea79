//! Samples one by one, from the history into a file.

use std::collections::HashSet;
use std::ops::ControlFlow;

use plimsoll_model::catalog::CATALOG;
use plimsoll_model::{Collector, Family, Kind};
use plimsoll_store::{Error, ExportQuery, History, Sample, Selector, Tier};
use plimsoll_wire::export::{self, Encoder, Format, Identity, Statistics};

use super::{Options, Target};
use crate::history::open::failure;
use crate::history::show;
use crate::output;

/// So much is gathered before it is written.
const BUFFER: usize = 64 * 1024;

/// Writes every sample that is asked for.
pub(super) fn run(
    history: &History,
    format: Format,
    selectors: &[Selector],
    options: &Options,
    target: &mut Target,
) -> anyhow::Result<()> {
    let query = |selector: &Selector, metrics: Vec<String>| ExportQuery {
        selector: selector.clone(),
        metrics,
        range: options.range,
        tier: options.tier,
    };
    // What is wrong with the question shows before anything is written.
    for selector in selectors {
        let stop = &mut |_: &Sample<'_>| ControlFlow::Break(());
        history.export(&query(selector, options.metrics.clone()), stop).map_err(failure)?;
    }
    let families = families(options);
    let points = options.tier != Tier::Raw;
    let mut writer = Writer {
        encoder: Encoder::new(format, &families, points),
        step: options.tier.step().unwrap_or(0),
        buffer: Vec::with_capacity(2 * BUFFER),
        target,
        samples: 0,
        failed: None,
    };
    writer.encoder.begin(&mut writer.buffer);
    let mut told = Told::default();
    if format == Format::OpenMetrics {
        for family in families {
            told.forget();
            for selector in selectors {
                let query = query(selector, vec![family.name.to_owned()]);
                match history.export_by_series(&query, &mut |sample| writer.take_new(sample, &mut told)) {
                    // Of everything, some is not kept.
                    Ok(()) | Err(Error::NotKept { .. }) => {}
                    Err(error) => return Err(failure(error)),
                }
                told.next();
            }
        }
    } else {
        for selector in selectors {
            let take = &mut |sample: &Sample<'_>| writer.take_new(sample, &mut told);
            history.export(&query(selector, options.metrics.clone()), take).map_err(failure)?;
            told.next();
        }
    }
    if writer.samples == 0 && writer.failed.is_none() {
        output::warn(&nothing(history, options.tier));
    }
    writer.finish()
}

/// The families that can occur.
fn families(options: &Options) -> Vec<&'static Family> {
    if options.metrics.is_empty() {
        let is_kept = |family: &&Family| match family.collector {
            Collector::Machine | Collector::Process | Collector::Engine => options.host,
            Collector::Agent => false,
            _ => !options.host && family.kind != Kind::Info,
        };
        return CATALOG.iter().filter(is_kept).collect();
    }
    let mut families: Vec<_> = options.metrics.iter().filter_map(|name| Family::by_name(name)).collect();
    let mut known = HashSet::new();
    families.retain(|family| known.insert(family.name));
    families
}

/// Which containers were written already: words of the command line can mean the same one. A container that was renamed has
/// a part in two lines.
#[derive(Debug, Default)]
struct Told {
    before: Vec<(u32, String)>,
    now: Vec<(u32, String)>,
    /// Whether the last of `now` is in `before`.
    last: bool,
}

impl Told {
    fn is_told(&mut self, sample: &Sample<'_>) -> bool {
        let Some(member) = sample.member else { return false };
        let is_it = |known: &(u32, String)| known.0 == sample.line.id && known.1 == member.id;
        if !self.now.last().is_some_and(is_it) {
            self.last = self.before.iter().any(is_it);
            self.now.push((sample.line.id, member.id.clone()));
        }
        self.last
    }

    /// The next word of the command line.
    fn next(&mut self) {
        self.before.append(&mut self.now);
    }

    fn forget(&mut self) {
        self.before.clear();
    }
}

/// Says that there was no sample, and when there are some.
fn nothing(history: &History, tier: Tier) -> String {
    let summary = history.summary().unwrap_or_default();
    let span = summary.tiers.iter().find(|found| found.tier == tier).and_then(|found| found.span);
    match span {
        Some((first, last)) => format!(
            "there are no such samples; {} goes from {} to {} ({})",
            tier.name(),
            show::local(first),
            show::local(last),
            show::zone()
        ),
        None => format!("there are no such samples; the history has nothing of the tier {}", tier.name()),
    }
}

struct Writer<'a> {
    encoder: Encoder,
    /// The time of a point.
    step: i64,
    buffer: Vec<u8>,
    target: &'a mut Target,
    samples: u64,
    /// Why nothing more can be written.
    failed: Option<anyhow::Error>,
}

impl Writer<'_> {
    /// Takes a sample that is not of a container that was written already.
    fn take_new(&mut self, sample: &Sample<'_>, told: &mut Told) -> ControlFlow<()> {
        if told.is_told(sample) { ControlFlow::Continue(()) } else { self.take(sample) }
    }

    fn take(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        let found = export::Sample {
            container: sample.member.map(|member| Identity {
                name: &member.name,
                image: &member.image,
                id: &member.id,
            }),
            family: sample.family,
            labels: sample.labels,
            at: sample.at,
            value: sample.value,
            start: sample.start,
            statistics: sample.statistics.map(|point| Statistics {
                length: self.step,
                min: point.min,
                max: point.max,
                mean: point.mean,
                count: point.count,
                increase: point.increase,
            }),
        };
        self.samples += 1;
        self.encoder.sample(&found, &mut self.buffer);
        if self.buffer.len() >= BUFFER {
            self.failed = self.target.write(&self.buffer).err();
            self.buffer.clear();
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.encoder.end(&mut self.buffer);
        self.target.write(&self.buffer)
    }
}
