//! `plimsoll metrics`: one exposition on standard output, or the catalog.

use std::process::ExitCode;

use plimsoll_wire::{describe, prometheus};

use crate::collectors::{self, Attempts, Collectors};
use crate::pipeline::{self, Pipeline};
use crate::settings::Settings;
use crate::{engines, output};

/// The formats of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What the command line of `plimsoll metrics` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Print the catalog instead of values.
    pub(crate) describe: bool,
    /// The format of the exposition.
    pub(crate) format: Format,
}

/// Prints one exposition, or the catalog.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    if options.describe {
        output::print(&describe::markdown())?;
        return Ok(ExitCode::SUCCESS);
    }
    collectors::check(settings)?;
    let selection = pipeline::selection(settings);
    let format = match options.format {
        Format::Text => prometheus::Format::Text,
        Format::OpenMetrics => prometheus::Format::OpenMetrics { created: settings.openmetrics_created },
    };
    let snapshot = pipeline::runtime()?.block_on(async {
        let pipeline = Pipeline::start(settings, selection.clone())?;
        let own = Collectors::start(settings, Attempts::Once, &pipeline.samples, &pipeline.inbox)?;
        let (snapshot, ()) = tokio::join!(pipeline.with_engine(), own.first_round());
        let snapshot = snapshot?;
        pipeline.first_look_at_disks().await;
        // Some of them may have told later than the engine.
        drop(snapshot);
        anyhow::Ok(pipeline.samples.fresh().await)
    })?;
    engines::troubles(&snapshot).iter().for_each(|trouble| output::warn(trouble));
    let mut text = Vec::new();
    prometheus::encode(format, &snapshot, &selection, &mut text);
    output::bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}
