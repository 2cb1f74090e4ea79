//! Where images come from.

/// When an image is pulled from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time: the registry decides what the reference means.
    Always,
    /// If the engine does not have it.
    #[default]
    IfNotPresent,
    /// Never: the engine has to have it.
    Never,
}
