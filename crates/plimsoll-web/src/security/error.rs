//! What is wrong with a configuration or one of its files, and what to do about it.

use std::path::Path;

/// Why connections cannot be made safe as it was asked for. Never holds a password, a key, a token or a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SecurityError {
    what: String,
    remedy: String,
}

impl SecurityError {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// Of one file.
    pub(super) fn of(path: &Path, what: &str, remedy: impl Into<String>) -> Self {
        Self::new(format!("{}: {what}", path.display()), remedy)
    }

    /// Prefixed with the file in which it was found.
    pub(super) fn within(self, path: &Path) -> Self {
        Self { what: format!("{}: {}", path.display(), self.what), ..self }
    }

    /// What helps, in one line.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}
