//! Targets at work for one command: fed, waited for, and summed up.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use futures_util::Stream;
use futures_util::future::join_all;
use plimsoll_deliver::config::TargetKind;
use plimsoll_deliver::spool::SpoolError;
use plimsoll_deliver::{Figures, Intake, Target, TargetError};
use tokio::sync::{mpsc, oneshot};

use super::lock;
use super::progress::Progress;
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::signals;
use crate::text::printable;

/// Opens a target for a command, with its spool if it has one. It connects to nobody yet. `instead` is what to do about a spool
/// that a running agent has.
pub(super) fn open(table: &TargetTable, settings: &Settings, instead: &str) -> Result<Target, Failure> {
    super::target(table, settings).map(Target::patiently).map_err(|error| match error {
        TargetError::Spool(SpoolError::InUse(path)) => in_use(&table.config.name, &path, instead),
        error => super::refused(table, error),
    })
}

/// That a running agent has a spool.
pub(super) fn in_use(target: &str, path: &std::path::Path, instead: &str) -> Failure {
    let what = format!("the spool of {target} is in use by a running agent ({})", path.display());
    Failure::world(what).remedy(instead)
}

/// A target in its thread.
#[derive(Debug)]
pub(super) struct Work {
    heading: String,
    has_spool: bool,
    figures: Arc<Mutex<Figures>>,
    ended: oneshot::Receiver<()>,
}

/// Lets a target work until `intake` has ended and everything is delivered, or nothing moves any more.
pub(super) fn begin(
    target: Target,
    table: &TargetTable,
    settings: &Settings,
    intake: impl Stream<Item = Intake> + Send + 'static,
) -> anyhow::Result<Work> {
    let config = &table.config;
    let figures = target.figures();
    // A request that is under way has its time.
    let drain = settings.drain_timeout.max(config.timeout);
    let (_, obeyed) = mpsc::channel(1);
    let (tell, ended) = oneshot::channel();
    super::in_thread(&config.name, async move {
        target.run(Box::pin(intake), obeyed, drain).await;
        // Whoever wanted to know may have been interrupted.
        let _ = tell.send(());
    })?;
    let place = table.place();
    let place = if place.is_empty() { String::new() } else { format!(", {place}") };
    let heading = format!("{} ({}{place})", config.name, config.kind.name());
    Ok(Work { heading, has_spool: table.has_spool(), figures, ended })
}

/// What became of the points of a target.
#[derive(Debug)]
pub(super) struct Outcome {
    heading: String,
    has_spool: bool,
    pub(super) figures: Figures,
}

/// Waits until all are done, or somebody does not want to wait any longer.
pub(super) async fn finish(mut works: Vec<Work>) -> Vec<Outcome> {
    let shown: Vec<_> = works.iter().map(Work::figures).collect();
    let _progress = Progress::show(move || progress(&shown));
    tokio::select! {
        biased;
        _ = join_all(works.iter_mut().map(|work| &mut work.ended)) => {}
        // What is closed is on disk already, where there is a spool.
        () = signals::ended() => {}
    }
    // A target publishes its last figures before it ends.
    let outcome = |Work { heading, has_spool, figures, .. }| {
        let figures = lock(&figures).clone();
        Outcome { heading, has_spool, figures }
    };
    works.into_iter().map(outcome).collect()
}

/// How far targets are, in a line.
pub(super) fn progress(targets: &[Arc<Mutex<Figures>>]) -> String {
    let states = targets.iter().map(|figures| {
        let figures = lock(figures);
        let (account, trouble) = (&figures.account, &figures.trouble);
        let trouble = if trouble.is_empty() { String::new() } else { format!(" ({trouble})") };
        format!("{}: delivered {}, waiting {}{trouble}", figures.name, account.delivered(), account.queued())
    });
    states.collect::<Vec<_>>().join("; ")
}

impl Work {
    /// Its figures at any time.
    pub(super) fn figures(&self) -> Arc<Mutex<Figures>> {
        Arc::clone(&self.figures)
    }
}

impl Outcome {
    /// Whether every point was delivered.
    pub(super) fn is_complete(&self) -> bool {
        let account = &self.figures.account;
        account.rejected() + account.dropped() + account.queued() + self.figures.damaged == 0
    }

    fn told(&self) -> String {
        let account = &self.figures.account;
        let mut told = format!(
            "{}: collected {}, delivered {}, rejected {}{}, dropped {}{}, waiting {}",
            self.heading,
            account.collected(),
            account.delivered(),
            account.rejected(),
            reasons(account.rejected_by_reason()),
            account.dropped(),
            reasons(account.dropped_by_reason()),
            account.queued(),
        );
        if account.queued() > 0 {
            told.push_str(if self.has_spool { " (kept in the spool)" } else { " (lost: it has no spool)" });
        }
        told = printable(&told);
        if self.figures.damaged > 0 {
            let _ = write!(told, "\n  batches of its spool that were damaged: {}", self.figures.damaged);
        }
        if !self.figures.trouble.is_empty() {
            let _ = write!(told, "\n  trouble: {}", printable(&self.figures.trouble));
        }
        told.push('\n');
        told
    }
}

fn reasons(by_reason: &std::collections::BTreeMap<&'static str, u64>) -> String {
    let told: Vec<_> = by_reason.iter().map(|(reason, points)| format!("{reason} {points}")).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

/// Prints what became of everything: where points are printed as well, beside them.
pub(super) fn tell(before: &str, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let told: String = outcomes.iter().map(Outcome::told).collect();
    let prints_points = |outcome: &Outcome| outcome.figures.kind == TargetKind::Stdout.name();
    if outcomes.iter().any(prints_points) {
        for line in before.lines().chain(told.lines()) {
            output::warn(line);
        }
        return Ok(());
    }
    output::print(&format!("{before}{told}"))
}
