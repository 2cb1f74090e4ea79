//! Where what containers use is taken from.

use plimsoll_collect::SourceChoice;

/// Where a scan takes from what containers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Resources {
    /// As the setting `source` says: usually from the kernel where it is an engine's, else from its API.
    #[default]
    Auto,
    /// From the kernel alone.
    Kernel,
    /// From the engine's API.
    Api,
    /// Nothing of it.
    None,
}

impl Resources {
    /// Each with its word.
    pub(super) const ALL: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("kernel", Self::Kernel), ("api", Self::Api), ("none", Self::None)];

    /// Where a pipeline takes numbers from; `None` for no pipeline. What is not said here is as the setting `source` has it.
    pub(super) fn source(self, setting: SourceChoice) -> Option<SourceChoice> {
        match self {
            Self::Auto => Some(setting),
            Self::Kernel => Some(SourceChoice::Kernel),
            Self::Api => Some(SourceChoice::Api),
            Self::None => None,
        }
    }
}
