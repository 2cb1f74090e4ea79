//! Whose numbers a file has, and under which names: read once and kept until the file changes.

use std::collections::HashMap;

use crate::block::SeriesId;
use crate::derive::{Recipe, WorkingSet};
use crate::file::{ContainerRecord, File};
use crate::query::metric::{Formula, Metric, stored_name};
use crate::{Error, Millis, Range};
use plimsoll_model::Slot;

/// Everything in a file that has a name.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// The series of each metric, in the order in which they were first seen.
    series: HashMap<String, Vec<SeriesName>>,
    /// The metric of each series, and its place in the list of that.
    by_id: HashMap<SeriesId, (String, usize)>,
    pub(crate) containers: HashMap<u32, ContainerRecord>,
    pub(crate) lines: Vec<LineEntry>,
}

/// A series of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeriesName {
    pub(crate) id: SeriesId,
    pub(crate) labels: Vec<(String, String)>,
}

/// A line, and when which container belonged to it.
#[derive(Debug)]
pub(crate) struct LineEntry {
    pub(crate) id: u32,
    pub(crate) engine: String,
    /// The name that its containers have in common; absent where they have something else, such as a Compose service.
    pub(crate) name: Option<String>,
    /// In order of time.
    pub(crate) spans: Vec<Membership>,
}

/// That a container belonged to a line in a range of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) container: u32,
    pub(crate) range: Range,
}

/// One series of a metric: its labels, and what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// A position among the metrics that were asked for.
    pub(crate) metric: usize,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) recipe: Recipe,
}

impl Directory {
    /// Reads it from a file.
    pub(crate) fn read(file: &File) -> Result<Self, Error> {
        let mut directory = Self::default();
        file.series(|record| {
            let id = SeriesId(record.id);
            let known = directory.series.entry(record.metric.clone()).or_default();
            directory.by_id.insert(id, (record.metric, known.len()));
            known.push(SeriesName { id, labels: record.labels });
        })?;
        file.containers(|record| {
            directory.containers.insert(record.id, record);
        })?;
        let mut positions = HashMap::new();
        file.lines(|record| {
            positions.insert(record.id, directory.lines.len());
            let name = common_name(&record.key);
            directory.lines.push(LineEntry { id: record.id, engine: record.engine, name, spans: Vec::new() });
        })?;
        // By container and in order of time: a span ends where the container's next one begins.
        let mut spans = Vec::new();
        file.spans(|record| spans.push(record))?;
        for (index, span) in spans.iter().enumerate() {
            let next = spans.get(index + 1).filter(|next| next.container == span.container);
            // A container's first span begins with its first sample, whatever the clock said then.
            let is_first = index
                .checked_sub(1)
                .and_then(|before| spans.get(before))
                .is_none_or(|b| b.container != span.container);
            let from = if is_first { Millis::MIN } else { span.since };
            let range = Range { from, until: next.map_or(Millis::MAX, |next| next.since) };
            let line = positions.get(&span.line).and_then(|position| directory.lines.get_mut(*position));
            if let Some(line) = line.filter(|_| directory.containers.contains_key(&span.container)) {
                line.spans.push(Membership { container: span.container, range });
            }
        }
        let containers = &directory.containers;
        let begin = |span: &Membership| {
            let seen = containers.get(&span.container).map_or(Millis::MIN, |record| record.first_seen);
            (span.range.from.max(seen), span.container)
        };
        for line in &mut directory.lines {
            line.spans.sort_by_key(begin);
        }
        directory.lines.retain(|line| !line.spans.is_empty());
        Ok(directory)
    }

    /// The series of a metric, by its stored name.
    pub(crate) fn series_of(&self, metric: &str) -> &[SeriesName] {
        self.series.get(metric).map_or(&[], Vec::as_slice)
    }

    /// The one series of a slot whose family has no labels.
    pub(crate) fn slot(&self, slot: Slot) -> Option<SeriesId> {
        self.series_of(stored_name(slot)).first().map(|series| series.id)
    }

    /// The metric and labels of a series.
    pub(crate) fn name_of(&self, id: SeriesId) -> Option<(&str, &SeriesName)> {
        let (metric, place) = self.by_id.get(&id)?;
        Some((metric, self.series_of(metric).get(*place)?))
    }

    /// Every series with the name of its metric.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, &SeriesName)> {
        self.series.iter().flat_map(|(metric, names)| names.iter().map(move |name| (metric.as_str(), name)))
    }

    /// How many names of series there are.
    pub(crate) fn series_count(&self) -> usize {
        self.by_id.len()
    }

    /// What the metrics are made of in this file; nothing for one that it has no number of.
    pub(crate) fn outputs(&self, metrics: &[Metric]) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (index, metric) in metrics.iter().enumerate() {
            let mut push = |labels: &[(String, String)], recipe| {
                outputs.push(Output { metric: index, labels: labels.to_vec(), recipe });
            };
            match metric.formula {
                Formula::Stored(name) => {
                    for series in self.series_of(name) {
                        let recipe = Recipe::Stored { series: series.id, counter: metric.is_counter() };
                        push(&series.labels, recipe);
                    }
                }
                Formula::WorkingSet => push(&[], Recipe::WorkingSet(self.working_set())),
                Formula::UsagePercent => {
                    if let Some(limit) = self.slot(Slot::MemoryLimit) {
                        push(&[], Recipe::UsagePercent { part: self.working_set(), limit });
                    }
                }
                Formula::CpuPercent => {
                    if let Some(usage) = self.slot(Slot::CpuUsage) {
                        push(&[], Recipe::CpuPercent { usage });
                    }
                }
                Formula::Uptime => {
                    if let Some(started) = self.slot(Slot::Started) {
                        push(&[], Recipe::Uptime { started, status: self.slot(Slot::Status) });
                    }
                }
                Formula::LastSeen => push(&[], Recipe::LastSeen),
            }
        }
        outputs
    }

    fn working_set(&self) -> WorkingSet {
        WorkingSet {
            usage: self.slot(Slot::MemoryUsage),
            inactive_file: self.slot(Slot::MemoryInactiveFile),
            own: self.slot(Slot::MemoryWorkingSet),
        }
    }
}

impl LineEntry {
    /// The name that a container had in this line. One that was renamed has another one now, in another line.
    pub(crate) fn name_of<'a>(&'a self, record: &'a ContainerRecord) -> &'a str {
        self.name.as_ref().unwrap_or(&record.name)
    }
}

/// The name in a line's key; see `identity.rs`.
fn common_name(key: &str) -> Option<String> {
    let [kind, name] = serde_json::from_str::<[String; 2]>(key).ok()?;
    (kind == "name").then_some(name)
}
