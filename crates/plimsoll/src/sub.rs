//! Which commands there are.

/// The commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sub {
    /// Measure and serve.
    Agent,
    /// The same in cAdvisor's place.
    Cadvisor,
    /// The live table.
    Stats,
    /// One exposition.
    Metrics,
    /// What the history holds.
    History,
    /// The history as files.
    Export,
    /// Delivery without a server.
    Deliver,
    /// What waits on disk.
    Spool,
    /// Points of others.
    Import,
    /// Tell a running agent to send.
    Flush,
    /// What can be read here.
    Check,
    /// Ask a running agent.
    Healthcheck,
    /// What there is, and who is told of it.
    Census,
    /// Of the census: a look at hosts.
    CensusScan,
    /// Of the census: a report.
    CensusReport,
    /// Of the census: who this installation is.
    CensusId,
    /// Of the census: who counts.
    CensusServe,
    /// Of the census: what another one has.
    CensusImport,
    /// Of the census: what this one has.
    CensusExport,
    /// Of the census: what is to be gone.
    CensusForget,
    /// Completions for a shell.
    Completions,
    /// Man pages.
    Man,
}

impl Sub {
    pub(crate) const ALL: [Sub; 15] = [
        Sub::Agent,
        Sub::Cadvisor,
        Sub::Stats,
        Sub::History,
        Sub::Export,
        Sub::Metrics,
        Sub::Deliver,
        Sub::Spool,
        Sub::Import,
        Sub::Flush,
        Sub::Census,
        Sub::Check,
        Sub::Healthcheck,
        Sub::Completions,
        Sub::Man,
    ];

    /// The commands of `plimsoll census`.
    pub(crate) const CENSUS: [Sub; 7] = [
        Sub::CensusScan,
        Sub::CensusReport,
        Sub::CensusId,
        Sub::CensusServe,
        Sub::CensusImport,
        Sub::CensusExport,
        Sub::CensusForget,
    ];

    /// The command with a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sub| sub.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Sub::Agent => "agent",
            Sub::Cadvisor => "cadvisor",
            Sub::Stats => "stats",
            Sub::Metrics => "metrics",
            Sub::History => "history",
            Sub::Export => "export",
            Sub::Deliver => "deliver",
            Sub::Spool => "spool",
            Sub::Import => "import",
            Sub::Flush => "flush",
            Sub::Check => "check",
            Sub::Healthcheck => "healthcheck",
            Sub::Census => "census",
            Sub::CensusScan => "scan",
            Sub::CensusReport => "report",
            Sub::CensusId => "id",
            Sub::CensusServe => "serve",
            Sub::CensusImport => "import",
            Sub::CensusExport => "export",
            Sub::CensusForget => "forget",
            Sub::Completions => "completions",
            Sub::Man => "man",
        }
    }

    /// Whether the command shows the merged settings on request.
    pub(crate) fn prints_config(self) -> bool {
        !matches!(
            self,
            Sub::Flush
                | Sub::Census
                | Sub::CensusId
                | Sub::CensusServe
                | Sub::CensusImport
                | Sub::CensusExport
                | Sub::CensusForget
                | Sub::Healthcheck
                | Sub::Completions
                | Sub::Man
        )
    }
}
