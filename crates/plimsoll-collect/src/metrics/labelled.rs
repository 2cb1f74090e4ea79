//! Containers that say by their labels that they have metrics: each of them is a collector of its own, for as long as it
//! runs, so that one that hangs, floods or lies concerns no other, and it shows how each one does.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_model::custom::{CollectorState, CustomCollector, is_of_an_agent};
use plimsoll_model::text::bounded;
use plimsoll_model::{Snapshot, State};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::collector::Collector;
use super::config::CollectorConfig;
use super::http::labels::wants;
use super::http::{HttpOfLabels, Lookup};
use super::turns::{About, Board, Budget, FIRST_LOOK, MANY, SPREAD, Scheduled, Task, run, state};
use crate::{Samples, nanos};

/// The name of the collector that looks for such containers, and the type of those that ask them.
pub const SCRAPE_LABELS: &str = "scrape-labels";

/// The most containers that are asked because of their labels.
pub const MAX_LABELLED: usize = 256;

/// How many of them are asked at the same time.
const AT_ONCE: usize = 32;

/// The time between two looks at which containers there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much of a container's name is in the name of its collector, in bytes.
const MAX_SHOWN: usize = 128;

/// How containers are asked that say so by labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByLabels {
    /// The time between two questions to one of them.
    pub interval: Duration,
    /// How long an answer may take; no longer than the interval.
    pub timeout: Duration,
}

/// The containers to ask, each with the name of its collector, and how many there are beyond the bound.
fn wanted(snapshot: &Snapshot) -> (BTreeMap<String, Arc<str>>, usize) {
    let mut wanted = BTreeMap::new();
    let mut surplus = 0;
    for row in &snapshot.containers {
        let container = &*row.container;
        let runs = matches!(container.state, State::Running | State::Other(_));
        if !runs || container.id.is_empty() || !wants(container) {
            continue;
        }
        if wanted.len() >= MAX_LABELLED {
            surplus += 1;
            continue;
        }
        let mut name = format!("container:{}", bounded(container.display_name(), MAX_SHOWN));
        if wanted.contains_key(&name) {
            // Two engines may have a container of one name.
            name = format!("{name}:{}", container.short_id());
        }
        wanted.insert(name, Arc::from(&*container.id));
    }
    (wanted, surplus)
}

/// Looks for such containers again and again, and has each of them asked.
pub(super) async fn follow(how: ByLabels, samples: Samples, board: Arc<Board>) {
    let (turns, budget) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::<Budget>::default());
    let mut tasks: BTreeMap<String, (Arc<str>, Task)> = BTreeMap::new();
    let mut shown = None;
    board.put(CustomCollector { state: own_state(how, None, 0, 0), ..CustomCollector::default() });
    // Before the engines have told, there is nobody to ask.
    let _ = timeout(FIRST_LOOK, samples.ready()).await;
    let lookup = {
        let samples = samples.clone();
        let lookup: Lookup = Arc::new(move |id| {
            let snapshot = samples.latest();
            super::readings::row(&snapshot, id).map(|row| Arc::clone(&row.container))
        });
        lookup
    };
    loop {
        let (wanted, surplus) = wanted(&samples.latest());
        tasks.retain(|name, (id, _)| wanted.get(name) == Some(id));
        // One that was ended while it told something may have come back.
        board.keep_of_type(SCRAPE_LABELS, |name| name == SCRAPE_LABELS || tasks.contains_key(name));
        budget.keep_only(|name| tasks.contains_key(name));
        let few = u32::try_from(wanted.len()).unwrap_or(MANY).min(MANY);
        let spread = SPREAD * few / MANY;
        let known: HashSet<&String> = tasks.keys().collect();
        let new: Vec<_> = wanted.iter().filter(|(name, _)| !known.contains(name)).collect();
        for (name, id) in new {
            let Some(scheduled) = collector(how, name, id, &lookup) else { continue };
            let families = Arc::default();
            board.put(CustomCollector { state: state(&scheduled, None, 0), families });
            let about =
                About { container: Arc::clone(id), turns: Arc::clone(&turns), budget: Arc::clone(&budget) };
            let run = run(scheduled.clone(), Some(about), spread, samples.clone(), Arc::clone(&board));
            tasks.insert(name.clone(), (Arc::clone(id), Task { scheduled, handle: tokio::spawn(run) }));
        }
        let now = own_state(how, Some(surplus == 0), tasks.len(), surplus);
        if shown.as_ref() != Some(&now) {
            shown = Some(now.clone());
            board.put(CustomCollector { state: now, ..CustomCollector::default() });
        }
        sleep(LOOK_EVERY).await;
    }
}

fn collector(how: ByLabels, name: &str, id: &Arc<str>, lookup: &Lookup) -> Option<Scheduled> {
    let config = CollectorConfig {
        collection_interval: how.interval,
        timeout: how.timeout,
        // The next time is soon enough, as it is for Prometheus.
        retry_attempts: 0,
        ..CollectorConfig::new(SCRAPE_LABELS)
    };
    let asks = HttpOfLabels::new(Arc::clone(id), Arc::clone(lookup));
    let collector = match Collector::of_system(config, asks) {
        Ok(collector) => collector.renamed(name.to_owned()),
        Err(error) => {
            tracing::error!("a container cannot be asked: {}", error.chain());
            return None;
        }
    };
    collector.reserve(is_of_an_agent);
    Some(Scheduled { type_name: SCRAPE_LABELS.to_owned(), collector: Arc::new(collector) })
}

/// How the search itself does: its values are the containers that it found.
fn own_state(how: ByLabels, success: Option<bool>, found: usize, surplus: usize) -> CollectorState {
    let last_error = match surplus {
        0 => String::new(),
        more => format!(
            "{more} more containers have such labels: {MAX_LABELLED} are asked at most; leave some out with --exclude-label"
        ),
    };
    CollectorState {
        name: SCRAPE_LABELS.to_owned(),
        type_name: SCRAPE_LABELS.to_owned(),
        healthy: true,
        success,
        interval: nanos(LOOK_EVERY),
        timeout: nanos(how.timeout),
        values: Some(found as u64),
        last_error,
        ..CollectorState::default()
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_model::{Container, ContainerRow};

    use super::super::check::MAX_OF_ALL;
    use super::*;

    fn row(id: &str, name: &str, state: State, label: &str) -> ContainerRow {
        let mut container = Container::new(id, "docker".into());
        (container.name, container.state) = (name.to_owned(), state);
        container.labels.insert(label.to_owned(), "true".to_owned());
        ContainerRow::new(container.into())
    }

    #[test]
    fn only_so_many_that_run_and_want_it_are_asked() {
        let label = "prometheus.io/scrape";
        let with = |containers| Snapshot { containers, ..Snapshot::default() };
        let (found, surplus) = wanted(&with(vec![
            row("a1", "web", State::Running, label),
            row("a2", "web", State::Running, label),
            row("a3", "paused", State::Paused, label),
            row("a4", "ended", State::Exited, label),
            row("a5", "silent", State::Running, "other"),
        ]));
        let found: Vec<_> = found.iter().map(|(name, id)| (&**name, &**id)).collect();
        assert_eq!((found, surplus), (vec![("container:web", "a1"), ("container:web:a2", "a2")], 0));
        let many =
            (0..MAX_LABELLED + 3).map(|n| row(&format!("b{n}"), &format!("n{n}"), State::Running, label));
        let (found, surplus) = wanted(&with(many.collect()));
        assert_eq!((found.len(), surplus), (MAX_LABELLED, 3));
    }

    #[test]
    fn all_together_have_no_more_values_than_there_may_be() {
        let budget = Budget::default();
        assert_eq!(budget.take("a", MAX_OF_ALL - 10), MAX_OF_ALL - 10);
        assert_eq!(budget.take("b", 100), 10);
        assert_eq!(budget.take("a", 5), 5);
        assert_eq!(budget.take("b", 100), 100);
        assert_eq!(budget.take("a", MAX_OF_ALL), MAX_OF_ALL - 100);
        budget.keep_only(|name| name == "a");
        assert_eq!(budget.take("a", MAX_OF_ALL), MAX_OF_ALL);
    }
}
