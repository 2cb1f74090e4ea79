//! Which family of engines answers.

/// The family of an engine: the Docker API is spoken by both, and each has its own words in it.
///
/// ```
/// use plimsoll_engine::Flavour;
///
/// assert_eq!(Flavour::Podman.name(), "podman");
/// assert_eq!(Flavour::default(), Flavour::Docker);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Docker, and everything that does not say to be something else.
    #[default]
    Docker,
    /// Podman.
    Podman,
}

impl Flavour {
    /// `docker` or `podman`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}
