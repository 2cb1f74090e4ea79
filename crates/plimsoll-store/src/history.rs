//! Asking: what a history answers, from the file and from what the agent has not written yet.
//!
//! A [`History`] reads only. It has a few connections of its own to the file, so questions do not wait for the agent's writing,
//! nor the agent for them. Every question is a blocking call: an async program asks from a thread that may block.
//!
//! ```no_run
//! use plimsoll_store::{Function, History, Range, Selector, SeriesQuery};
//!
//! let history = History::open("/var/lib/plimsoll/history.db".as_ref())?;
//! let answer = history.series(&SeriesQuery {
//!     selector: Selector::of_container("web"),
//!     metrics: vec!["container_cpu_usage_seconds_total".to_owned()],
//!     range: Range { from: 1_763_700_000_000, until: 1_763_703_600_000 },
//!     step: Some(10_000),
//!     function: Some(Function::Rate),
//! })?;
//! for series in &answer.series {
//!     println!("{}: {} points", answer.lines[series.line].name, series.points.len());
//! }
//! # Ok::<(), plimsoll_store::Error>(())
//! ```

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use plimsoll_model::Snapshot;

use crate::asking::Connections;
use crate::grid::check;
use crate::hot::Shared;
use crate::query::{
    self, AggregateAnswer, AggregateQuery, Event, EventQuery, ExportQuery, Line, Sample, Selector,
    SeriesAnswer, SeriesCost, SeriesQuery, Summary, TopAnswer, TopQuery, select::select,
};
use crate::{Error, Millis, Range};

/// A history to ask. Clones share connections and caches.
#[derive(Clone)]
pub struct History {
    inner: Arc<Connections>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl History {
    /// Opens a file to read, beside an agent that writes it or without one. What the agent has not sealed yet is taken from
    /// the journal, so it is at most as far behind as the journal.
    ///
    /// # Errors
    /// [`Error`] where there is no such file, where it cannot be read, or where it is no history of this version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let history = Self::new(path, None);
        // Reads the names, so that what cannot be read says so here.
        history.inner.ask(|_| Ok(()))?;
        Ok(history)
    }

    /// The history of an agent in this process.
    pub(crate) fn of_agent(shared: Arc<Shared>) -> Self {
        let path = shared.path.clone();
        Self::new(&path, Some(shared))
    }

    fn new(path: &Path, agent: Option<Arc<Shared>>) -> Self {
        Self { inner: Arc::new(Connections::new(path, agent)) }
    }

    /// The lines of the selected containers that have samples in the range, by name.
    ///
    /// # Errors
    /// Those of a selection: [`Error::NoSuchContainer`], [`Error::Ambiguous`], [`Error::BadPattern`]; [`Error::UpsideDown`].
    pub fn containers(&self, selector: &Selector, range: Range) -> Result<Vec<Line>, Error> {
        check(range)?;
        self.inner.ask(|asking| {
            let chosen = select(asking.directory(), &asking.newest(), selector, range)?;
            Ok(chosen.into_iter().map(|chosen| chosen.line).collect())
        })
    }

    /// Series at multiples of a step; see [`SeriesQuery`].
    ///
    /// # Errors
    /// Those of a selection and of metrics: [`Error::UnknownMetric`], [`Error::NotKept`], [`Error::NotACounter`]; those of
    /// bounds: [`Error::UpsideDown`], [`Error::NoStep`], [`Error::TooManyPoints`], [`Error::TooManySeries`].
    pub fn series(&self, query: &SeriesQuery) -> Result<SeriesAnswer, Error> {
        self.inner.ask(|asking| query::series(asking, query))
    }

    /// Figures over a window; see [`AggregateQuery`].
    ///
    /// # Errors
    /// As [`History::series`], without those of a step.
    pub fn aggregate(&self, query: &AggregateQuery) -> Result<AggregateAnswer, Error> {
        self.inner.ask(|asking| query::aggregate(asking, query))
    }

    /// The lines with most of something; see [`TopQuery`].
    ///
    /// # Errors
    /// As [`History::aggregate`].
    pub fn top(&self, query: &TopQuery) -> Result<TopAnswer, Error> {
        self.inner.ask(|asking| query::top(asking, query))
    }

    /// Events in order of time; where there are more than `count`, the latest.
    ///
    /// # Errors
    /// Those of a selection; [`Error::UpsideDown`].
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>, Error> {
        self.inner.ask(|asking| query::events(asking, query))
    }

    /// Everything as it was at a moment, from the finest tier that has it. A container is there if it has a sample at most
    /// three intervals (at least ten seconds) before, or a point of a coarser tier that contains the moment.
    ///
    /// Processor use in per cent is that of the time since the sample before.
    ///
    /// # Errors
    /// Only where the file cannot be read.
    pub fn at(&self, at: Millis) -> Result<Snapshot, Error> {
        self.inner.ask(|asking| query::at(asking, at))
    }

    /// Hands every stored number to `take`: container after container, each in order of time, until it breaks. Needs the
    /// memory of one block, however long the range.
    ///
    /// # Errors
    /// Those of a selection and of metrics; [`Error::UpsideDown`].
    pub fn export(
        &self,
        query: &ExportQuery,
        take: &mut dyn FnMut(&Sample<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.inner.ask(|asking| query::export(asking, query, take))
    }

    /// Like [`Self::export`], with the samples of one label set after those of another, as OpenMetrics wants them of a metric;
    /// one that began after the first was read is left out. Each label set costs a reading of its own, because those of a
    /// container are too many to be kept: ask for one metric, nearly all of which have one.
    ///
    /// # Errors
    /// Those of [`Self::export`].
    pub fn export_by_series(
        &self,
        query: &ExportQuery,
        take: &mut dyn FnMut(&Sample<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut known: Vec<Vec<(String, String)>> = Vec::new();
        let mut turn = 0;
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() && (turn == 0 || turn < known.len()) {
            self.export(query, &mut |sample| {
                if turn == 0 && !known.iter().any(|labels| *labels == sample.labels) {
                    known.push(sample.labels.to_vec());
                }
                if known.get(turn).is_some_and(|labels| *labels == sample.labels) {
                    flow = take(sample);
                }
                flow
            })?;
            turn += 1;
        }
        Ok(())
    }

    /// What there is, and what it costs in all.
    ///
    /// # Errors
    /// Only where the file cannot be read.
    pub fn summary(&self) -> Result<Summary, Error> {
        self.inner.ask(query::summary)
    }

    /// What each metric of the selected containers costs, the dearest first.
    ///
    /// # Errors
    /// Those of a selection.
    pub fn costs(&self, selector: &Selector) -> Result<Vec<SeriesCost>, Error> {
        self.inner.ask(|asking| query::costs(asking, selector))
    }
}
