//! Where a value came from, for messages and for `--print-config`.

use std::fmt;
use std::path::PathBuf;

use crate::text;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// Nobody set it, and the command has a default of its own.
    Command(&'static str),
    /// A line of a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("default"),
            Origin::Command(name) => write!(formatter, "default of plimsoll {name}"),
            Origin::File { path, line } => {
                write!(formatter, "{}:{line}", text::printable(&path.display().to_string()))
            }
            Origin::Environment(name) => write!(formatter, "environment {name}"),
            Origin::Flag(flag) => write!(formatter, "flag --{flag}"),
        }
    }
}
