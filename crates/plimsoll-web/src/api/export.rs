//! Every stored number of a time, as it comes out of the history.

use std::io::Write;
use std::ops::ControlFlow;

use plimsoll_model::Family;
use plimsoll_model::catalog::{CATALOG, Kind};
use plimsoll_store::{ExportQuery, History, Sample, Tier};
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
    let mut families: Vec<&'static Family> = CATALOG
        .iter()
        .filter(|family| family.kind != Kind::Info)
        .filter(|family| query.metrics.is_empty() || query.metrics.iter().any(|name| *name == family.name))
        .collect();
    if query.selector.host == families.iter().any(|family| family.is_of_container()) {
        // What cannot be in the answer needs no column.
        families.retain(|family| family.is_of_container() != query.selector.host);
    }
    let encoder = Encoder::new(asked.format, &families, asked.tier != Tier::Raw);
    let mut writer = Writer { encoder, tier: asked.tier, buffer: Vec::new(), out };
    writer.encoder.begin(&mut writer.buffer);
    if asked.format == Format::OpenMetrics {
        by_series(history, &query, &families, &mut writer)?;
    } else {
        writer.read(history, &query, |_| true)?;
    }
    writer.encoder.end(&mut writer.buffer);
    writer.flush()
}

/// The history gives the series of a metric side by side, and OpenMetrics wants one after the other. To keep none of them in
/// memory, each is a reading of its own; nearly all metrics have one series.
fn by_series(
    history: &History,
    query: &ExportQuery,
    families: &[&'static Family],
    writer: &mut Writer<'_>,
) -> Result<(), Failure> {
    // Names and patterns are judged even where no metric is left to be read.
    if families.is_empty() {
        return writer.read(history, query, |_| true);
    }
    for family in families {
        let query = ExportQuery { metrics: vec![family.name.to_owned()], ..query.clone() };
        let mut known: Vec<Vec<(String, String)>> = Vec::new();
        let mut turn = 0;
        loop {
            writer.read(history, &query, |sample| {
                let position = known.iter().position(|labels| *labels == sample.labels);
                position.unwrap_or_else(|| {
                    known.push(sample.labels.to_vec());
                    known.len() - 1
                }) == turn
            })?;
            turn += 1;
            if turn >= known.len() {
                break;
            }
        }
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
