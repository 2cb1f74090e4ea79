//! What can go wrong, in words that say what to do about it.

use std::path::PathBuf;

use crate::{Range, query::MAX_POINTS};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has that name or id.
    #[error("no container {asked:?} in the history")]
    NoSuchContainer {
        /// The name or id.
        asked: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// More than one container's id begins so.
    #[error("more than one container's id begins with {asked:?}; give more of it")]
    Ambiguous {
        /// The beginning.
        asked: String,
        /// The full ids.
        ids: Vec<String>,
    },
    /// The catalog has no metric of that name.
    #[error("no metric {name:?}")]
    UnknownMetric {
        /// The name.
        name: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// A metric that is no number, or that is not kept.
    #[error("metric {name} is not kept in the history: {why}")]
    NotKept {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A rate or an increase of something that is no counter.
    #[error("{name} is not a counter, so it has no rate and no increase; try mean, min, max or last")]
    NotACounter {
        /// The metric.
        name: String,
    },
    /// A pattern that is none.
    #[error("the pattern {pattern:?} cannot be understood: {why}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// Why.
        why: &'static str,
    },
    /// A range that ends before it begins.
    #[error("the range ends ({}) before it begins ({})", .range.until, .range.from)]
    UpsideDown {
        /// The range.
        range: Range,
    },
    /// A step of nothing, or backwards.
    #[error("a step of {0} ms; it must be more than 0")]
    NoStep(i64),
    /// More points than an answer may have.
    #[error(
        "{points} points for a series, and {MAX_POINTS} at most are answered; ask for a longer step or a shorter range"
    )]
    TooManyPoints {
        /// How many.
        points: u64,
    },
    /// More series than an answer may have.
    #[error(
        "{series} series, and {} at most are answered; ask for fewer containers or metrics",
        crate::MAX_SERIES
    )]
    TooManySeries {
        /// How many.
        series: usize,
    },
    /// The file cannot be read.
    #[error("cannot read the history {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The question's.
    Bad,
    /// What was asked for does not exist.
    NotFound,
    /// Somebody else's.
    Conflict,
    /// Nobody's, for now.
    Unavailable,
    /// Ours.
    Internal,
}
