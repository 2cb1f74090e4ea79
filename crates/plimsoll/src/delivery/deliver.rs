//! `plimsoll deliver`: measures and delivers without serving anything.

mod dry;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use futures_util::stream;
use plimsoll_deliver::Intake;
use plimsoll_model::Snapshot;
use tracing::info;

use super::{Delivery, choose, work};
use crate::collectors::{self, Attempts, Collectors};
use crate::pipeline::{self, BUILD, Pipeline};
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::signals::{self, Wish, Wishes};

/// Two samples of a round by hand are not further apart than this.
const ROUND: Duration = Duration::from_secs(1);

/// What to do where a running agent has the spool.
const INSTEAD: &str = "`plimsoll flush` has that agent send what it has; otherwise end it, or give this command another folder with \
                       --spool";

/// What the end of its help shows.
pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll deliver --dry-run
      What would be sent now, target by target, in the target's own words. Nothing is sent.

  plimsoll deliver --once --target tsdb
      One sample to one target, then a summary: points, bytes, time, and what the target said. For cron, and for a first try.

  PLIMSOLL_TARGET_TYPE=influxdb-v3 PLIMSOLL_TARGET_URL=http://localhost:8181 PLIMSOLL_TARGET_DATABASE=test \\
    plimsoll deliver --once
      Without a configuration file.

  plimsoll deliver
      Until a signal ends it. `plimsoll agent` does the same and serves /metrics.

Exit code 0 if every point was delivered, 1 if a target did not take some, 2 for what is wrong in the settings.";

/// What the command line of `plimsoll deliver` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// One sample, and the end.
    pub(crate) once: bool,
    /// Print what would be sent; implies `once`.
    pub(super) dry_run: bool,
    /// Names of targets; all where there is none.
    pub(super) targets: Vec<String>,
}

/// The arguments of `plimsoll deliver`, beside those of settings.
pub(crate) fn arguments() -> Vec<Arg> {
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    vec![
        switch("once").help("Deliver one sample, print a summary, and end"),
        switch("dry-run").help("Print what would be sent for one sample, send nothing, and end"),
        choose::target_argument("Only to this target of the configuration; can be repeated"),
    ]
}

/// What `plimsoll deliver` is asked for.
pub(crate) fn options(matches: &ArgMatches) -> Options {
    let dry_run = matches.get_flag("dry-run");
    Options { once: dry_run || matches.get_flag("once"), dry_run, targets: choose::targets_named(matches) }
}

/// Measures, and delivers.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let chosen = choose::chosen(settings, &options.targets)?;
    collectors::check(settings)?;
    let runtime = pipeline::runtime()?;
    if options.dry_run {
        let ticks = runtime.block_on(two_ticks(settings))?;
        return dry::print(settings, &chosen, &ticks);
    }
    let outcome = if options.once {
        runtime.block_on(once(settings, &chosen))
    } else {
        let mut only = settings.clone();
        only.target = chosen.into_iter().cloned().collect();
        runtime.block_on(until_ended(&only))
    };
    runtime.shutdown_background();
    outcome
}

/// For one round: every tick is taken.
fn each_tick(table: &TargetTable) -> TargetTable {
    let mut table = table.clone();
    table.config.every = 1;
    table
}

async fn once(settings: &Settings, chosen: &[&TargetTable]) -> anyhow::Result<ExitCode> {
    let mut opened = Vec::new();
    for table in chosen {
        let table = each_tick(table);
        opened.push((work::open(&table, settings, INSTEAD)?, table));
    }
    let ticks = two_ticks(settings).await?;
    let mut works = Vec::new();
    for (target, table) in opened {
        let intake = stream::iter(ticks.clone().map(Intake::Tick));
        works.push(work::begin(target, &table, settings, intake)?);
    }
    let outcomes = work::finish(works).await;
    work::tell("", &outcomes)?;
    let is_complete = outcomes.iter().all(work::Outcome::is_complete);
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Two samples, since a percentage needs two readings.
async fn two_ticks(settings: &Settings) -> anyhow::Result<[Arc<Snapshot>; 2]> {
    let settings = Settings { interval: settings.interval.min(ROUND), ..settings.clone() };
    let pipeline = Pipeline::start(&settings, pipeline::selection(&settings))?;
    let own = Collectors::start(&settings, Attempts::Once, &pipeline.samples, &pipeline.inbox)?;
    let (snapshot, ()) = tokio::join!(pipeline.with_engine(), own.first_round());
    drop(snapshot?);
    let mut samples = pipeline.samples.clone();
    Ok([samples.tick().await, samples.tick().await])
}

/// What the agent does, but for its pages.
async fn until_ended(settings: &Settings) -> anyhow::Result<ExitCode> {
    let ended = std::pin::pin!(signals::ended());
    let flushes = Wishes::listen(Wish::Flush);
    let pipeline = Pipeline::start(settings, pipeline::selection(settings))?;
    info!("plimsoll {} measures every {:?} and serves nothing", BUILD.version, settings.interval);
    let own = Collectors::start(settings, Attempts::AsConfigured, &pipeline.samples, &pipeline.inbox)?;
    let delivery = Delivery::start(settings, &pipeline.samples, &pipeline.inbox)?;
    let flusher = delivery.flusher();
    tokio::select! {
        () = ended => {}
        () = flusher.on_signals(flushes) => {}
    }
    drop(own);
    delivery.stop();
    info!("ended");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = |arguments: &[&str]| {
            let whole = [&["plimsoll", "deliver"], arguments].concat();
            let matches = crate::cli::command().try_get_matches_from(whole).unwrap();
            super::options(matches.subcommand_matches("deliver").unwrap())
        };
        assert_eq!(options(&[]), Options::default());
        let dry = Options { once: true, dry_run: true, targets: vec!["a".into(), "b".into()] };
        assert_eq!(options(&["--dry-run", "--target", "a", "--target=b"]), dry);
        assert_eq!(options(&["--once"]), Options { once: true, ..Options::default() });
    }
}
