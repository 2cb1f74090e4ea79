//! Which commands there are.

/// The commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sub {
    /// Measure and serve.
    Agent,
    /// The live table.
    Stats,
    /// One exposition.
    Metrics,
    /// What the history holds.
    History,
    /// The history as files.
    Export,
    /// What can be read here.
    Check,
    /// Ask a running agent.
    Healthcheck,
    /// Completions for a shell.
    Completions,
    /// Man pages.
    Man,
}

impl Sub {
    pub(crate) const ALL: [Sub; 9] = [
        Sub::Agent,
        Sub::Stats,
        Sub::History,
        Sub::Export,
        Sub::Metrics,
        Sub::Check,
        Sub::Healthcheck,
        Sub::Completions,
        Sub::Man,
    ];

    /// The command with a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sub| sub.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Sub::Agent => "agent",
            Sub::Stats => "stats",
            Sub::Metrics => "metrics",
            Sub::History => "history",
            Sub::Export => "export",
            Sub::Check => "check",
            Sub::Healthcheck => "healthcheck",
            Sub::Completions => "completions",
            Sub::Man => "man",
        }
    }

    /// Whether the command shows the merged settings on request.
    pub(crate) fn prints_config(self) -> bool {
        matches!(self, Sub::Agent | Sub::Stats | Sub::Metrics | Sub::Check | Sub::History | Sub::Export)
    }
}
