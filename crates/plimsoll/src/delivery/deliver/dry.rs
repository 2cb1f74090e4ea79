//! What would be sent, in the target's own words, and nobody is asked.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use plimsoll_deliver::batch::Batch;
use plimsoll_deliver::config::TargetKind;
use plimsoll_deliver::http::HttpTransport;
use plimsoll_deliver::readable::readable;
use plimsoll_deliver::stages::{Stages, format_of};
use plimsoll_model::Snapshot;
use plimsoll_wire::point::Tally;
use tokio::time::Instant;

use crate::delivery::{common, refused};
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::text::printable;

/// Prints the batches that the later of two samples makes.
pub(super) fn print(
    settings: &Settings,
    chosen: &[&TargetTable],
    ticks: &[Arc<Snapshot>; 2],
) -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    for table in chosen {
        out.push_str(&of_target(settings, table, ticks)?);
    }
    output::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn of_target(settings: &Settings, table: &TargetTable, ticks: &[Arc<Snapshot>; 2]) -> anyhow::Result<String> {
    let table = super::each_tick(table);
    let head = head(&table)?;
    let mut stages = Stages::new(&table.config, &common(settings));
    let (mut batches, mut tally) = (Vec::new(), Tally::default());
    for tick in ticks {
        // The earlier one is for the percentages of the later one.
        batches.clear();
        tally = Tally::default();
        let now = Instant::now();
        let mut closed = Vec::new();
        stages.take(tick, now, &mut tally, &mut closed);
        batches.extend(closed.into_iter().map(|(batch, _)| batch));
        batches.extend(stages.batcher_mut().close());
    }
    let config = &table.config;
    let points: u64 = batches.iter().map(|batch| batch.points).sum();
    let mut out =
        format!("# {} ({}): points {points}, batches {}\n", config.name, config.kind.name(), batches.len());
    for (reason, points) in &tally.refused {
        let _ = writeln!(out, "# points that the format cannot carry ({reason}): {points}");
    }
    for batch in &batches {
        out.push_str(&head);
        out.push_str(&body(batch)?);
        out.push('\n');
    }
    Ok(out)
}

/// How a batch gets there, as comments.
fn head(table: &TargetTable) -> Result<String, Failure> {
    let config = &table.config;
    let lines = match config.kind {
        TargetKind::File => vec![format!("append to {}", config.path.display())],
        TargetKind::Stdout => vec!["print to standard output".to_owned()],
        TargetKind::Nats => vec![format!("publish as {} at {}", config.subject, table.place())],
        _ => HttpTransport::new(config).map_err(|error| refused(table, error))?.describe(format_of(config)),
    };
    Ok(lines.iter().map(|line| format!("# {}\n", printable(line))).collect())
}

fn body(batch: &Batch) -> anyhow::Result<String> {
    let size = format!("# bytes: {}, before compression {}\n", batch.body.len(), batch.raw_bytes);
    Ok(size + &readable(batch.format, &batch.body)?)
}
