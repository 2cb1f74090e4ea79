//! What can be asked of a history, and what is answered.

mod at;
mod evaluate;
mod events;
mod export;
pub(crate) mod metric;
mod overview;
pub(crate) mod select;
mod series;
mod tiers;
mod window;

pub(crate) use {
    at::at,
    events::events,
    export::export,
    overview::{costs, summary},
    series::series,
    window::{aggregate, top},
};

use std::collections::BTreeMap;

use plimsoll_model::Family;

use crate::{Millis, Range, Tier};

/// The most points that one series of an answer has.
pub const MAX_POINTS: usize = 11_000;

/// The most series that one answer has.
pub const MAX_SERIES: usize = 10_000;

/// The most points that all series of an answer have together: what bounds its memory.
pub const MAX_ANSWER_POINTS: usize = 4_000_000;

/// The most events that one answer has.
pub const MAX_EVENTS: usize = 10_000;

/// How many points a series has, at most, where no step is asked for.
pub const USUAL_POINTS: usize = 500;

/// Which containers are meant: those that match all that is said. Nothing said means every container.
///
/// A *line* is what goes on when a container is created anew under the same name, or for the same Compose service; answers
/// are by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// A container: its name, or its id, or the beginning of it (at least [`Selector::MIN_ID`] characters).
    pub container: Option<String>,
    /// A pattern of names, with `*` and `?`.
    pub name: Option<String>,
    /// A pattern of images, with `*` and `?`.
    pub image: Option<String>,
    /// Engine labels: a key, and a pattern of its value or, where that is absent, any value.
    pub labels: Vec<(String, Option<String>)>,
    /// A Compose project.
    pub project: Option<String>,
    /// A Compose service.
    pub service: Option<String>,
    /// The engine's name.
    pub engine: Option<String>,
    /// The host, engines and the agent instead of containers.
    pub host: bool,
}

impl Selector {
    /// The fewest characters by which an id is recognised.
    pub const MIN_ID: usize = 4;

    /// One container, by name or id.
    #[must_use]
    pub fn of_container(name_or_id: &str) -> Self {
        Self { container: Some(name_or_id.to_owned()), ..Self::default() }
    }
}

/// A container as the history knows it: the last one of its line, and when others of the line were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's number in this file.
    pub id: u32,
    /// The name of the last container.
    pub name: String,
    /// The engine's name.
    pub engine: String,
    /// The containers of the line that were asked for and have samples, in order of time. The host is a line without any,
    /// named `host`.
    pub containers: Vec<Member>,
}

/// A container of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The full id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The image, as it was asked for.
    pub image: String,
    /// Engine labels.
    pub labels: BTreeMap<String, String>,
    /// When the container was created, where the engine told.
    pub created: Option<Millis>,
    /// When it was first seen in this line.
    pub since: Millis,
    /// The last sample.
    pub last: Millis,
}

/// What is done with the samples of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The last.
    Last,
    /// The least.
    Min,
    /// The largest.
    Max,
    /// The mean.
    Mean,
    /// How many there were.
    Count,
    /// Of a counter: how much it grew, a second. A reset counts from zero.
    Rate,
    /// Of a counter: how much it grew.
    Increase,
}

/// A question for series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Of which containers.
    pub selector: Selector,
    /// Which metrics, by the names of the catalog.
    pub metrics: Vec<String>,
    /// When.
    pub range: Range,
    /// A point for each so many milliseconds, at multiples of that since 1970. Without it, the finest usual step with at most
    /// [`USUAL_POINTS`] points.
    pub step: Option<Millis>,
    /// What is done with the samples of a step: without it, the rate of counters and the mean of everything else.
    pub function: Option<Function>,
}

/// An answer to a [`SeriesQuery`].
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesAnswer {
    /// The step that was taken: what was asked for, or more where the history of that time is kept more coarsely.
    pub step: Millis,
    /// The first point's time; the others follow in steps. A point stands for the time from it to the next.
    pub from: Millis,
    /// The coarsest tier that was read.
    pub tier: Tier,
    /// The series; one without any point in the range is left out.
    pub series: Vec<Series>,
    /// The lines that they are of, each once, in the same order.
    pub lines: Vec<Line>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Whose it is: a position in [`SeriesAnswer::lines`].
    pub line: usize,
    /// Which metric.
    pub family: &'static Family,
    /// Labels beyond those that say whose it is.
    pub labels: Vec<(String, String)>,
    /// What the points are.
    pub function: Function,
    /// The points, in the unit of the family (or that a second); a step without samples has none.
    pub points: Vec<Option<f64>>,
}

/// A question for figures over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateQuery {
    /// Of which containers.
    pub selector: Selector,
    /// Which metrics, by the names of the catalog.
    pub metrics: Vec<String>,
    /// The window.
    pub range: Range,
}

/// Figures of one series over a window. Those of a counter are of its rate, a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which metric.
    pub family: &'static Family,
    /// Labels beyond those that say whose it is.
    pub labels: Vec<(String, String)>,
    /// How many samples there are.
    pub samples: u64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The last.
    pub last: f64,
    /// The 50th, 90th, 95th and 99th percentile: the least number that so many of a hundred are not above. Of samples where
    /// they are kept and not too many, else of a coarser tier's means, each as often as it has samples; see
    /// [`AggregateAnswer::tier`]. Rates count by the time that they are of.
    pub percentiles: [f64; 4],
    /// Of a counter: how much it grew in all.
    pub increase: Option<f64>,
}

/// An answer to an [`AggregateQuery`].
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateAnswer {
    /// The coarsest tier that was read.
    pub tier: Tier,
    /// Lines, each with its figures.
    pub lines: Vec<(Line, Vec<Aggregate>)>,
}

/// By what containers are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rank {
    /// The mean.
    #[default]
    Mean,
    /// The largest.
    Max,
    /// The least.
    Min,
    /// The last.
    Last,
    /// The 95th percentile.
    P95,
    /// Of a counter: how much it grew.
    Increase,
}

/// A question for the containers with most of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopQuery {
    /// Among which containers.
    pub selector: Selector,
    /// Which metric; the series of one container (its interfaces, its devices) are added up.
    pub metric: String,
    /// The window. It begins with a whole point of the tier that is read, which may be a little earlier.
    pub range: Range,
    /// By what.
    pub rank: Rank,
    /// How many containers, at most.
    pub count: usize,
}

/// An answer to a [`TopQuery`].
#[derive(Clone, Debug, PartialEq)]
pub struct TopAnswer {
    /// Which metric.
    pub family: &'static Family,
    /// The coarsest tier that was read.
    pub tier: Tier,
    /// The containers, the one with most first, in the unit of the family (or that a second).
    pub lines: Vec<(Line, f64)>,
}

/// A question for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Of which containers.
    pub selector: Selector,
    /// When.
    pub range: Range,
    /// The most events that are wanted; the latest are given.
    pub count: usize,
}

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Millis,
    /// The container's full id.
    pub container: String,
    /// Its name then.
    pub name: String,
    /// What.
    pub what: Happening,
}

/// What happened. `count` is how often since the sample before; the details are of the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was created, or seen for the first time.
    Created,
    /// It started for the first time.
    Started,
    /// It started again.
    Restarted {
        /// How often.
        count: u64,
    },
    /// It ended.
    Exited {
        /// The exit code, where it is known.
        code: Option<u64>,
        /// How often.
        count: u64,
    },
    /// Processes of it were killed for lack of memory.
    OomKilled {
        /// How many.
        count: u64,
    },
    /// It was paused.
    Paused,
    /// It goes on.
    Unpaused,
    /// Its health check's result changed.
    Health {
        /// The result now: `none`, `starting`, `healthy`, `unhealthy`.
        now: String,
    },
    /// It has another name.
    Renamed {
        /// The name before.
        from: String,
    },
    /// A limit changed.
    Limit {
        /// The metric that shows the limit.
        metric: String,
        /// The limit before, on the metric's [`plimsoll_model::Scale`]; absent for none.
        from: Option<u64>,
        /// The limit now.
        to: Option<u64>,
    },
    /// It was removed.
    Removed,
}

impl Happening {
    /// One word for it, as JSON, files and the `events` answer have it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Restarted { .. } => "restarted",
            Self::Exited { .. } => "exited",
            Self::OomKilled { .. } => "oom_killed",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Health { .. } => "health",
            Self::Renamed { .. } => "renamed",
            Self::Limit { .. } => "limit",
            Self::Removed => "removed",
        }
    }
}

/// What a history holds, for people who ask what it costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The size of the file with its side files, in bytes.
    pub file_bytes: u64,
    /// The bound in bytes that the agent keeps; not known to those who only read the file.
    pub max_bytes: Option<u64>,
    /// Of these bytes, those that are free to be used again.
    pub free_bytes: u64,
    /// Each tier.
    pub tiers: Vec<TierSummary>,
    /// How many containers, and how many lines they make.
    pub containers: u64,
    /// Lines.
    pub lines: u64,
    /// Events.
    pub events: u64,
    /// Names of series.
    pub series: u64,
}

/// What a tier holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TierSummary {
    /// Which.
    pub tier: Tier,
    /// The first and the last sample; absent where there is none.
    pub span: Option<(Millis, Millis)>,
    /// Sealed blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The numbers in them, of one series at one time each.
    pub values: u64,
}

/// The cost of one metric in a container's history.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesCost {
    /// The metric's name.
    pub metric: String,
    /// Its series.
    pub series: u64,
    /// Its values.
    pub values: u64,
    /// Its share of the stored bytes, by what its columns have before compression.
    pub bytes: u64,
}

/// A question for what is stored, sample by sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportQuery {
    /// Of which containers.
    pub selector: Selector,
    /// Which metrics, by the names of the catalog; none means every metric.
    pub metrics: Vec<String>,
    /// When.
    pub range: Range,
    /// The tier whose points are wanted. What it does not have, or not yet, is left out.
    pub tier: Tier,
}

/// A sample, as [`crate::History::export`] gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The line, with those of its containers that were asked for.
    pub line: &'a Line,
    /// The container; absent for the host.
    pub member: Option<&'a Member>,
    /// Which metric.
    pub family: &'static Family,
    /// Labels beyond those that say whose it is, in the order of [`Family::labels`].
    pub labels: &'a [(String, String)],
    /// When; of a tier's point, where its time begins.
    pub at: Millis,
    /// The number, on the family's [`plimsoll_model::Scale`]; of a tier's point, the last.
    pub value: u64,
    /// Of a counter: since when it counts, in Unix nanoseconds, where that is known.
    pub start: Option<u64>,
    /// What else a tier's point says; absent for samples.
    pub statistics: Option<Statistics>,
}

/// What a tier's point says of its samples beside the last, on the family's [`plimsoll_model::Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The least.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// The mean, to the nearest integer.
    pub mean: u64,
    /// How many there are.
    pub count: u64,
    /// Of a counter: how much it grew.
    pub increase: Option<u64>,
}

#[cfg(test)]
mod tests;
