//! Every stored number of a time, as it comes out of the history.

use std::io::Write;
use std::ops::ControlFlow;

use plimsoll_model::catalog::CATALOG;
use plimsoll_model::{Family, Kind};
use plimsoll_store::{Error, ExportQuery, History, Sample, Tier};
use plimsoll_wire::export::{Encoder, Format, Identity, Sample as Written, Statistics};

use super::body::Out;
use super::failure::Failure;
use super::parameters::Asked;

pub(super) fn export(history: &History, asked: &Asked, out: &mut Out) -> Result<(), Failure> {
    let query = ExportQuery {
        selector: asked.selector.clone(),
        metrics: asked.metrics.clone(),
        range: asked.range(),
        tier: asked.tier,
    };
    // What is wrong with the question shows before anything is written.
    history.export(&query, &mut |_| ControlFlow::Break(()))?;
    let families = families(&query);
    let encoder = Encoder::new(asked.format, &families, asked.tier != Tier::Raw);
    let mut writer = Writer { encoder, tier: asked.tier, buffer: Vec::new(), out };
    writer.encoder.begin(&mut writer.buffer);
    if asked.format == Format::OpenMetrics {
        for family in families {
            let query = ExportQuery { metrics: vec![family.name.to_owned()], ..query.clone() };
            by_series(history, &query, &mut writer)?;
        }
    } else {
        writer.read(history, &query, |_| true)?;
    }
    writer.encoder.end(&mut writer.buffer);
    writer.flush()
}

/// The families that can occur, in the order of the catalog.
fn families(query: &ExportQuery) -> Vec<&'static Family> {
    let is_asked = |family: &&Family| {
        if query.metrics.is_empty() {
            family.kind != Kind::Info && family.is_of_container() != query.selector.host
        } else {
            query.metrics.iter().any(|name| *name == family.name)
        }
    };
    CATALOG.iter().filter(is_asked).collect()
}

/// Writes a metric, series after series. The history gives them side by side, and too many to be kept, so each is a reading of
/// its own; nearly all metrics have one series.
fn by_series(history: &History, query: &ExportQuery, writer: &mut Writer<'_>) -> Result<(), Failure> {
    let mut known: Vec<Vec<(String, String)>> = Vec::new();
    let mut turn = 0;
    while turn == 0 || turn < known.len() {
        let read = writer.read(history, query, |sample| {
            // One that began after the first reading is left out.
            if turn == 0 && !known.iter().any(|labels| *labels == sample.labels) {
                known.push(sample.labels.to_vec());
            }
            known.get(turn).is_some_and(|labels| *labels == sample.labels)
        });
        match read {
            // Of everything, some is not kept.
            Err(Failure::Store(Error::NotKept { .. })) => return Ok(()),
            other => other?,
        }
        turn += 1;
    }
    Ok(())
}

/// Writes samples to an answer.
struct Writer<'a> {
    encoder: Encoder,
    tier: Tier,
    buffer: Vec<u8>,
    out: &'a mut Out,
}

impl Writer<'_> {
    /// Writes those of the samples that are wanted.
    fn read(
        &mut self,
        history: &History,
        query: &ExportQuery,
        mut is_wanted: impl FnMut(&Sample<'_>) -> bool,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        history.export(query, &mut |sample| {
            if is_wanted(sample) {
                self.encoder.sample(&written(sample, self.tier), &mut self.buffer);
                result = self.flush();
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn written<'a>(sample: &Sample<'a>, tier: Tier) -> Written<'a> {
    let container =
        sample.member.map(|member| Identity { name: &member.name, image: &member.image, id: &member.id });
    let statistics = sample.statistics.map(|point| Statistics {
        length: tier.step().unwrap_or(0),
        min: point.min,
        max: point.max,
        mean: point.mean,
        count: point.count,
        increase: point.increase,
    });
    Written {
        container,
        family: sample.family,
        labels: sample.labels,
        at: sample.at,
        value: sample.value,
        start: sample.start,
        statistics,
    }
}
