//! The two kinds of engines.

use std::fmt;

/// Which engine answers, or is expected to. Both speak Docker's API; Podman has words of its own besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// Docker, also in Docker Desktop, Colima, OrbStack and Rancher Desktop; and whatever does not say to be
    /// something else.
    #[default]
    Docker,
    /// Podman, through its Docker-compatible API.
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

    /// What the path of a socket suggests: its name, or else that of its folder. Those above may be anybody's, even of a
    /// user who is called so.
    pub(crate) fn of_socket(path: &str) -> Option<Self> {
        let mut names = path.rsplit('/').take(2);
        names.find_map(|name| [Self::Podman, Self::Docker].into_iter().find(|it| name.contains(it.name())))
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
