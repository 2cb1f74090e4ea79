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
    let mut writer = Writer { encoder, tier: asked.tier, buffer: Vec::new(), out, failed: None };
    writer.encoder.begin(&mut writer.buffer);
    if asked.format == Format::OpenMetrics {
        for family in families {
            let query = ExportQuery { metrics: vec![family.name.to_owned()], ..query.clone() };
            match history.export_by_series(&query, &mut |sample| writer.take(sample)) {
                // Of everything, some is not kept.
                Ok(()) | Err(Error::NotKept { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if writer.failed.is_some() {
                break;
            }
        }
    } else {
        history.export(&query, &mut |sample| writer.take(sample))?;
    }
    if let Some(failure) = writer.failed.take() {
        return Err(failure);
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

/// Writes samples to an answer.
struct Writer<'a> {
    encoder: Encoder,
    tier: Tier,
    buffer: Vec<u8>,
    out: &'a mut Out,
    /// Why nothing more can be written.
    failed: Option<Failure>,
}

impl Writer<'_> {
    fn take(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        self.encoder.sample(&written(sample, self.tier), &mut self.buffer);
        self.failed = self.flush().err();
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
