//! What can go wrong, in words that say what to do about it.

use std::path::PathBuf;

use crate::{Range, query::MAX_POINTS};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// More points in all than an answer may have.
    #[error(
        "{points} points or more in all, and {} at most are answered; ask for a longer step, a shorter range, or fewer \
         containers or metrics",
        crate::MAX_ANSWER_POINTS
    )]
    AnswerTooLong {
        /// How many there were when it was given up.
        points: usize,
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
    /// Another process writes this file.
    #[error("the history {} is in use by another agent; stop that one or choose another path", .path.display())]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("cannot write the history {}; check the permissions of its folder, or choose another path", .path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no file, or it may not be read.
    #[error("cannot open the history {}; check the path, and that an agent has written there", .path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a history of Plimsoll and is left as it is; choose another path", .path.display())]
    NotAHistory {
        /// Which.
        path: PathBuf,
    },
    /// A newer version of Plimsoll wrote the file.
    #[error("the history {} has format {version}, and this version knows formats up to {known}; update it", .path.display())]
    NewerVersion {
        /// Which.
        path: PathBuf,
        /// The file's format.
        version: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The file is not what was written.
    #[error("the history {} is damaged; the agent sets it aside when it next opens it, and begins anew", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the history {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file cannot be written just now.
    #[error("cannot write to the history {}", .path.display())]
    Unwritten {
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

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Ambiguous { .. }
            | Self::UnknownMetric { .. }
            | Self::NotKept { .. }
            | Self::NotACounter { .. }
            | Self::BadPattern { .. }
            | Self::UpsideDown { .. }
            | Self::NoStep(_)
            | Self::TooManyPoints { .. }
            | Self::AnswerTooLong { .. }
            | Self::TooManySeries { .. } => ErrorKind::Bad,
            Self::NoSuchContainer { .. } => ErrorKind::NotFound,
            Self::Locked { .. } | Self::NotAHistory { .. } | Self::NewerVersion { .. } => ErrorKind::Conflict,
            Self::Unwritable { .. }
            | Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Unwritten { .. } => ErrorKind::Unavailable,
            Self::Damaged { .. } => ErrorKind::Internal,
        }
    }
}

/// Whether SQLite says that a file is not what was written.
pub(crate) fn says_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, text) => {
            matches!(failure.code, DatabaseCorrupt | NotADatabase)
                // A table that went missing, with a page that held it.
                || text.as_deref().is_some_and(|text| text.starts_with("no such") || text.starts_with("malformed"))
        }
        // The statements are the program's own: what is wrong is what they are about, such as a column under another name.
        rusqlite::Error::SqlInputError { .. } => true,
        // A column holds another type than the schema lets in.
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// An error of reading.
pub(crate) fn reading(path: &std::path::Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    |source| {
        let path = path.to_owned();
        if says_damaged(&source) {
            Error::Damaged { path, source }
        } else {
            Error::Unreadable { path, source }
        }
    }
}

/// An error of writing.
pub(crate) fn writing(path: &std::path::Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    |source| {
        let path = path.to_owned();
        if says_damaged(&source) {
            Error::Damaged { path, source }
        } else {
            Error::Unwritten { path, source }
        }
    }
}
