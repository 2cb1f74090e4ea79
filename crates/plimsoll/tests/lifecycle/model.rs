//! What is known for certain of one container: what was done to it, and what that means for its counts.

use serde_json::Value;

use crate::witness::Heard;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Created,
    Running,
    Paused,
    Exited,
}

impl Phase {
    /// The code that `container_status` has for it.
    pub(crate) fn code(self) -> f64 {
        match self {
            Self::Exited => 0.0,
            Self::Running => 1.0,
            Self::Paused => 2.0,
            Self::Created => 4.0,
        }
    }

    /// Whether there are processes.
    pub(crate) fn lives(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// From at least to at most, where not all can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Range {
    pub(crate) fn exactly(count: u64) -> Self {
        Self { least: count, most: count }
    }

    pub(crate) fn has(self, value: f64) -> bool {
        value >= self.least as f64 && value <= self.most as f64
    }
}

/// How often a container ended, by the classes of `container_exits_total`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exits(pub(crate) [Range; 3]);

impl Exits {
    pub(crate) const CLASSES: [&'static str; 3] = ["0", "signal", "error"];

    /// The class of an exit code.
    pub(crate) fn class(code: i64) -> usize {
        match code {
            0 => 0,
            129.. => 1,
            _ => 2,
        }
    }

    pub(crate) fn heard(ends: &[i64]) -> Self {
        let count = |class| ends.iter().filter(|code| Self::class(**code) == class).count() as u64;
        Self([0, 1, 2].map(count).map(Range::exactly))
    }
}

/// A container, as the operations left it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) phase: Phase,
    /// Restarts that its policy allows; 0 for no policy.
    pub(crate) policy: u64,
    /// Restarts that its policy made since the last start by hand.
    pub(crate) used: u64,
    pub(crate) starts: u64,
    pub(crate) by_policy: u64,
    /// Starts whose cause nobody can tell (the engine made them when it came back).
    pub(crate) by_either: u64,
    pub(crate) deaths: u64,
    /// Ends that happened while nobody listened, by exit code: `true` if an inspection can still tell the code.
    pub(crate) unheard: Vec<(i64, bool)>,
    /// Ends that the witness heard of, and the agent perhaps not: the engine was about to end.
    pub(crate) perhaps: Vec<i64>,
    pub(crate) memory: u64,
    pub(crate) nano_cpus: u64,
    /// Out-of-memory kills of the run that goes on: seen by the agent in the kernel's counter, and all.
    pub(crate) seen_kills: u64,
    pub(crate) kills: u64,
    /// The same of runs that are over: (seen, all).
    pub(crate) past_kills: Vec<(u64, u64)>,
    /// What was done to it, for whoever reads a failure.
    pub(crate) story: Vec<String>,
    /// It was told that the agent is wrong about it; that is not repeated.
    pub(crate) is_wrong: bool,
}

impl Subject {
    pub(crate) fn new(id: String, name: String, policy: u64, memory: u64) -> Self {
        Self {
            id,
            name,
            phase: Phase::Created,
            policy,
            used: 0,
            starts: 0,
            by_policy: 0,
            by_either: 0,
            deaths: 0,
            unheard: Vec::new(),
            perhaps: Vec::new(),
            memory,
            nano_cpus: 0,
            seen_kills: 0,
            kills: 0,
            past_kills: Vec::new(),
            story: Vec::new(),
            is_wrong: false,
        }
    }

    /// The id as the metrics have it.
    pub(crate) fn short(&self) -> &str {
        &self.id[..12]
    }

    /// A run ended, and with it the kernel's counters.
    pub(crate) fn ended(&mut self) {
        self.deaths += 1;
        self.phase = Phase::Exited;
    }

    /// A run begins.
    pub(crate) fn started_by_hand(&mut self) {
        self.used = 0;
        self.started();
    }

    /// The policy has it run again after an end, as long as it allows.
    pub(crate) fn ended_by_itself(&mut self) {
        self.ended();
        if self.used < self.policy {
            self.used += 1;
            self.by_policy += 1;
            self.started();
        }
    }

    pub(crate) fn started(&mut self) {
        if self.starts > 0 {
            self.past_kills.push((self.seen_kills, self.kills));
        }
        (self.seen_kills, self.kills) = (0, 0);
        self.starts += 1;
        self.phase = Phase::Running;
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.starts.saturating_sub(1)
    }

    pub(crate) fn exits(&self, heard: &Heard) -> Exits {
        let mut exits = Exits::heard(&heard.ends);
        for (code, is_told) in &self.unheard {
            let class = &mut exits.0[Exits::class(*code)];
            class.most += 1;
            class.least += u64::from(*is_told);
        }
        for code in &self.perhaps {
            exits.0[Exits::class(*code)].least -= 1;
        }
        exits
    }

    /// Kills over all runs: what the engine told or the agent must have seen, to what the kernel did.
    pub(crate) fn all_kills(&self, heard: &Heard, details: &Value) -> Range {
        let mut range = Range::default();
        let runs = self.past_kills.iter().copied().chain([(self.seen_kills, self.kills)]);
        for (run, (seen, kills)) in runs.enumerate() {
            let told = heard.ooms.get(run).copied().unwrap_or(0);
            range.least += told.max(seen);
            range.most += told.max(kills);
        }
        // It is about the last run, and only once that is over.
        let told = heard.ooms.last().copied().unwrap_or(0).max(self.seen_kills);
        if details["State"]["OOMKilled"] == true && !self.phase.lives() && told == 0 {
            range.least += 1;
        }
        range.most = range.most.max(range.least);
        range
    }
}
