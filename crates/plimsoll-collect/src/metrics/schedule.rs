//! Runs collectors again and again, each at its own interval, and hands what they last told to the sampler's snapshots.
//!
//! Each collector has a task of its own, so one that hangs concerns no other, and none of them concerns the sampler: it
//! finds the last values in its inbox.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_model::custom::{CustomCollector, is_reserved};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::CollectorError;
use super::labelled::{self, ByLabels, SCRAPE_LABELS};
use super::turns::{Board, MANY, REPORT_EVERY, SPREAD, Scheduled, Task, report, run, state};
use crate::inbox::Inbox;
use crate::{MAX_AGE, Samples};

/// What a change of the schedule did, by names of collectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescheduled {
    /// Those that run from now on.
    pub started: Vec<String>,
    /// Those that do not run any more. One whose configuration changed is here and among the started.
    pub stopped: Vec<String>,
    /// Those that were not touched.
    pub kept: Vec<String>,
}

/// Collectors that run. They end when this is dropped.
#[derive(Debug)]
pub struct Schedule {
    samples: Samples,
    board: Arc<Board>,
    tasks: BTreeMap<String, Task>,
    /// Has containers asked that say so by labels.
    by_labels: Option<(ByLabels, JoinHandle<()>)>,
    reporter: JoinHandle<()>,
}

impl Schedule {
    /// A schedule without collectors. Containers are those that `samples` show; reports go to `inbox`. Needs a tokio
    /// runtime.
    #[must_use]
    pub fn new(samples: Samples, inbox: Arc<Inbox>) -> Self {
        let board = Arc::<Board>::default();
        let reporter = tokio::spawn(report(Arc::clone(&board), inbox));
        Self { samples, board, tasks: BTreeMap::new(), by_labels: None, reporter }
    }

    /// Has each running container asked that says so by labels such as `prometheus.io/scrape`, or nobody any more. Each is a
    /// collector of its own, called `container:NAME`; one called `scrape-labels` looks for them.
    pub fn ask_by_labels(&mut self, how: Option<ByLabels>) {
        if self.by_labels.as_ref().map(|(how, _)| *how) == how {
            return;
        }
        if let Some((_, task)) = self.by_labels.take() {
            task.abort();
            self.board.keep_of_type(SCRAPE_LABELS, |_| false);
        }
        self.by_labels = how.map(|how| {
            let follow = labelled::follow(how, self.samples.clone(), Arc::clone(&self.board));
            (how, tokio::spawn(follow))
        });
    }

    /// Runs these collectors, and no others. One that runs already with the same type and configuration goes on as if
    /// nothing had happened, with its health and its values.
    ///
    /// # Errors
    /// If two of them have the same name. Then nothing has changed.
    pub fn replace(&mut self, wanted: Vec<Scheduled>) -> Result<Rescheduled, CollectorError> {
        let mut names = HashSet::new();
        if let Some(twice) = wanted.iter().find(|one| !names.insert(one.collector.name())) {
            return Err(CollectorError::Duplicate { name: twice.collector.name().to_owned() });
        }
        let mut done = Rescheduled::default();
        let goes_on = |name: &str, task: &Task| {
            wanted.iter().any(|one| one.collector.name() == name && one.is_as(&task.scheduled))
        };
        let stopped: Vec<String> = self
            .tasks
            .iter()
            .filter(|(name, task)| !goes_on(name, task))
            .map(|(name, _)| name.clone())
            .collect();
        for name in stopped {
            if let Some(task) = self.tasks.remove(&name) {
                let collector = Arc::clone(&task.scheduled.collector);
                drop(task);
                tokio::spawn(async move { collector.cleanup().await });
            }
            self.board.remove(&name);
            done.stopped.push(name);
        }
        let few = u32::try_from(wanted.len()).unwrap_or(MANY).min(MANY);
        let spread = SPREAD * few / MANY;
        for scheduled in wanted {
            let name = scheduled.collector.name().to_owned();
            if self.tasks.contains_key(&name) {
                done.kept.push(name);
                continue;
            }
            if scheduled.collector.config().enabled {
                scheduled.collector.reserve(is_reserved);
                let state = state(&scheduled, None, 0);
                self.board.put(CustomCollector { state, families: Arc::default() });
                let run = run(scheduled.clone(), None, spread, self.samples.clone(), Arc::clone(&self.board));
                self.tasks.insert(name.clone(), Task { scheduled, handle: tokio::spawn(run) });
                done.started.push(name);
            }
        }
        Ok(done)
    }

    /// Waits until each collector has ended its first collection, but no longer than `patience`. A [fresh](Samples::fresh)
    /// snapshot after that has what they told.
    pub async fn first_round(&self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let is_over = self.board.lock().values().all(|collector| collector.state.success.is_some());
            if is_over || timeout_at(until, sleep(REPORT_EVERY)).await.is_err() {
                // What was told last reaches the sampler with the next report, and a snapshot from before that stays
                // fresh for a while.
                sleep(2 * REPORT_EVERY + MAX_AGE).await;
                return;
            }
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.reporter.abort();
        if let Some((_, task)) = &self.by_labels {
            task.abort();
        }
    }
}
