//! A container's life cycle: starts, ends and restarts, counted once although two sources tell of them.
//!
//! The engine's events tell of every start and end in order, but are lost while the connection is. An
//! inspection tells the present truth, but only its last step, and may run ahead of the events. So each
//! of them counts what the other has not told yet: what an inspection saw first is marked as awaited, and
//! its event, when it comes, is not counted again.
//!
//! The engine counts restarts by policy itself (`RestartCount`, which falls back to 0 on a start by
//! hand), so a start that this count does not explain was made by hand.

mod saved;
mod told;

pub use saved::{Past, Saved};
pub use told::Told;

use crate::catalog::Slot;
use crate::container::{Health, State};
use crate::values::Values;

/// What an inspection tells about a container's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Whether the container runs now.
    pub running: bool,
    /// Whether its restart policy is about to start it again: that start is already in `restart_count`.
    pub restarting: bool,
    /// When it was created, in Unix nanoseconds.
    pub created: Option<u64>,
    /// When it last started.
    pub started: Option<u64>,
    /// When it last ended.
    pub finished: Option<u64>,
    /// The exit code; the engine resets it on a start, so it means something only while not running.
    pub exit_code: Option<u64>,
    /// Whether the last end was for lack of memory.
    pub oom_killed: Option<bool>,
    /// Health checks failed in a row.
    pub failing_streak: Option<u64>,
    /// Restarts by policy since the last start by hand.
    pub restart_count: Option<u64>,
}

/// How late the event of a start may be, in nanoseconds: Podman writes it when the container runs already, and takes its time
/// on a busy machine. A later one is of another start.
const LATEST_START_EVENT: u64 = 10_000_000_000;

/// An end whose event has not come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AwaitedEnd {
    /// When it was, as the engine told; the event is no older.
    told: u64,
    /// The same, but not before the start of its run.
    end: u64,
}

/// The life of one container, as far as the agent saw it.
///
/// ```
/// use plimsoll_model::lifecycle::{Inspection, Lifecycle};
///
/// let mut life = Lifecycle::first_seen(100);
/// life.inspected(&Inspection { running: true, started: Some(50), ..Inspection::default() });
/// life.died(200, Some(137));
/// life.started(300);
/// assert_eq!(life.restarts(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    seen: u64,
    facts: Inspection,
    was_inspected: bool,
    exits: [u64; 3],
    by_policy: u64,
    by_hand: u64,
    /// Starts whose cause is not known yet.
    unexplained: u64,
    /// Restarts that the engine has decided on but not made yet.
    announced: u64,
    /// The engine's restart count when the agent first saw the container.
    before: u64,
    life: u64,
    ooms: u64,
    last_start_event: Option<u64>,
    last_die_event: Option<u64>,
    /// The latest event that was taken in.
    last_event: Option<u64>,
    /// Events up to this one were taken in before the agent was away, and may be told again.
    resumed_after: Option<u64>,
    /// The start that an inspection told of, and whose event has not come yet.
    awaited_start: Option<u64>,
    /// Starts before that one which an inspection implied, and whose events may still come.
    awaited_earlier_starts: u64,
    /// The end that an inspection told of, and whose event has not come yet.
    awaited_end: Option<AwaitedEnd>,
    /// The start of a run that one inspection told from its start to its end.
    awaited_run: Option<u64>,
    /// Since when events are heard; earlier ones will not come any more.
    heard_since: u64,
    /// What the engine told since the agent started.
    told: Told,
}

impl Lifecycle {
    /// A container that the agent learns of at `now`, in Unix nanoseconds.
    #[must_use]
    pub fn first_seen(now: u64) -> Self {
        Self { seen: now, ..Self::default() }
    }

    /// A container that was made while events are heard: all that happens to it will be told, from the first start on.
    #[must_use]
    pub fn made(now: u64) -> Self {
        let facts = Inspection { restart_count: Some(0), ..Inspection::default() };
        Self { seen: now, was_inspected: true, facts, ..Self::default() }
    }

    /// A new stream of events begins at `at`: what the one before has not told, no event will.
    pub fn heard_since(&mut self, at: u64) {
        self.heard_since = at;
        self.awaited_start = None;
        self.awaited_earlier_starts = 0;
        self.awaited_end = None;
        self.awaited_run = None;
    }

    /// Whether an event is news; one that was taken in before the agent was away is not.
    fn is_news(&mut self, at: u64) -> bool {
        let is_news = Some(at) > self.resumed_after;
        if is_news {
            self.last_event = self.last_event.max(Some(at));
        }
        is_news
    }

    /// The engine's event: started at `at`.
    pub fn started(&mut self, at: u64) {
        if !self.is_news(at) {
            return;
        }
        self.last_start_event = Some(at);
        // What an inspection has yet to tell for the first time, it tells with this start included.
        if !self.was_inspected {
            return;
        }
        // Events come in order: that of an end before this start was lost. But a process that ended at once may have
        // done so before the event of its start was written, whether one inspection told both or two.
        let is_of_awaited_run = self.awaited_run.take_if(|start| at >= *start).is_some();
        let is_late = |start: u64| at >= start && at - start <= LATEST_START_EVENT;
        let late_for = self.awaited_start.filter(|start| is_late(*start));
        let is_over = |awaited: &AwaitedEnd| late_for.is_some_and(|start| start <= awaited.end);
        self.awaited_end.take_if(|awaited| at > awaited.end && !is_of_awaited_run && !is_over(awaited));
        match self.awaited_start {
            // The engine logs an event after it has set the time that it shows in an inspection.
            Some(start) if at >= start => {
                self.awaited_start = None;
                self.awaited_earlier_starts = 0;
            }
            Some(_) if self.awaited_earlier_starts > 0 => self.awaited_earlier_starts -= 1,
            _ => self.count_start(at),
        }
    }

    /// The engine's event: ended at `at`.
    pub fn died(&mut self, at: u64, exit_code: Option<u64>) {
        if !self.is_news(at) {
            return;
        }
        self.last_die_event = Some(at);
        let in_awaited_run = self.awaited_start.is_some_and(|start| at >= start);
        if let Some(awaited) = self.awaited_end.take_if(|awaited| at >= awaited.told) {
            let is_of_a_later_run = in_awaited_run && self.awaited_start > Some(awaited.end);
            if !is_of_a_later_run {
                return;
            }
        }
        self.count_exit(exit_code);
        if in_awaited_run {
            // Events come in order: those of earlier starts were lost.
            self.awaited_start = None;
            self.awaited_earlier_starts = 0;
        }
        if Some(at) > self.facts.finished {
            self.facts.finished = Some(at);
            self.facts.exit_code = exit_code;
        }
    }

    /// The engine's event: a process was killed for lack of memory at `at`.
    pub fn ran_out_of_memory(&mut self, at: u64) {
        if self.is_news(at) {
            self.ooms += 1;
        }
    }

    /// The engine's answer to an inspection.
    pub fn inspected(&mut self, found: &Inspection) {
        let told_end = found.finished;
        let mut found = found.clone();
        if !found.running && !found.restarting && found.finished.is_some() {
            // What has ended did so after it started. Podman writes the start down when the process may be over.
            found.finished = found.finished.max(found.started);
        }
        let found = &found;
        let first = !std::mem::replace(&mut self.was_inspected, true);
        if first {
            self.announced = u64::from(found.restarting && found.restart_count > Some(0));
            self.before = found.restart_count.unwrap_or(0) - self.announced;
            if found.running && found.started > self.last_start_event {
                self.awaited_start = found.started.filter(|start| *start >= self.heard_since);
            }
            let (finished, exit_code) = (self.facts.finished, self.facts.exit_code);
            let is_of_earlier_end = self.is_of_earlier_end(found);
            self.facts = found.clone();
            // While it runs, the engine shows 0 for the exit code of a run that has not ended.
            if found.running || found.finished.is_none() {
                self.facts.exit_code = exit_code;
            }
            if is_of_earlier_end {
                self.facts.finished = finished;
            }
            self.ooms = self.ooms.max(u64::from(found.oom_killed == Some(true)));
            self.see_start_before(found);
            return;
        }
        let end_is_new = self.see_end(found, told_end);
        let start_is_new = self.see_start(found);
        if end_is_new && start_is_new {
            self.awaited_run = self.awaited_start;
        }
        self.explain_starts(found);
        if found.oom_killed == Some(true) && !found.running {
            self.ooms = self.ooms.max(1);
        }
        // An event comes a little later than what it tells of: of the same run, the inspection has the exact times.
        let is_of_earlier_start = found.started < self.facts.started
            && (self.last_start_event != self.facts.started
                || is_between(self.last_die_event, found.started, self.facts.started));
        let is_of_earlier_end = self.is_of_earlier_end(found);
        let known = std::mem::replace(&mut self.facts, found.clone());
        self.facts.created = found.created.or(known.created);
        if is_of_earlier_start {
            self.facts.started = known.started;
        }
        if is_of_earlier_end {
            self.facts.finished = known.finished;
        }
        if found.running || found.finished.is_none() || is_of_earlier_end {
            self.facts.exit_code = known.exit_code;
        }
        self.facts.restart_count = found.restart_count.or(known.restart_count);
    }

    /// Whether an inspection does not know of the last end yet.
    fn is_of_earlier_end(&self, found: &Inspection) -> bool {
        found.finished < self.facts.finished
            && (self.last_die_event != self.facts.finished
                || is_between(self.last_start_event, found.finished, self.facts.finished))
    }

    /// Counts the start that was told before the first inspection, if that is older than the start.
    fn see_start_before(&mut self, found: &Inspection) {
        let Some(start) = self.last_start_event else { return };
        let end = found.finished.max(self.last_die_event);
        let ended_in_between = end > found.started && Some(start) > end;
        if found.started.is_none() || ended_in_between {
            self.count_start(start);
        }
    }

    /// `told` is the time of the end in the engine's own words: its event may be older than the start that was written
    /// down late. Returns whether the end is news.
    fn see_end(&mut self, found: &Inspection, told: Option<u64>) -> bool {
        let is_new = told > self.facts.finished && told > self.last_die_event;
        // The exit code of an end that a new run has followed is lost, and with it its class.
        if is_new && !found.running {
            let awaited = told.zip(found.finished).map(|(told, end)| AwaitedEnd { told, end });
            self.awaited_end = awaited.filter(|awaited| awaited.end >= self.heard_since);
            self.count_exit(found.exit_code);
        }
        is_new
    }

    /// Returns whether the start is news.
    fn see_start(&mut self, found: &Inspection) -> bool {
        let is_new = found.started > self.facts.started && found.started > self.last_start_event;
        if is_new {
            // The start of a run that goes on is told by the next event, if any.
            self.awaited_start = found.started.filter(|start| found.running || *start >= self.heard_since);
            self.count_start(found.started.unwrap_or(0));
        }
        is_new
    }

    fn explain_starts(&mut self, found: &Inspection) {
        if let (Some(now), Some(before)) = (found.restart_count, self.facts.restart_count) {
            // A fall is a start by hand, which also calls off what was announced.
            self.announced = if now >= before { self.announced + (now - before) } else { now };
        }
        let explained = self.unexplained.min(self.announced);
        self.by_policy += explained;
        self.announced -= explained;
        self.by_hand += self.unexplained - explained;
        self.unexplained = 0;
        if found.running && self.announced > 0 {
            // It runs, so the announced restarts were made, and their events are late or lost.
            self.by_policy += self.announced;
            self.life += self.announced;
            self.awaited_earlier_starts += self.announced;
            self.announced = 0;
        }
    }

    fn count_start(&mut self, at: u64) {
        let is_first = self.facts.started.is_none();
        self.facts.started = self.facts.started.max(Some(at));
        self.life += 1;
        self.ooms = 0;
        if !is_first {
            self.unexplained += 1;
        }
    }

    fn count_exit(&mut self, exit_code: Option<u64>) {
        if let Some(code) = exit_code {
            self.exits[if code == 0 {
                0
            } else if code > 128 {
                1
            } else {
                2
            }] += 1;
        }
    }

    /// Restarts: the engine's count when the agent first saw the container, and all starts since.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.before + self.by_policy + self.by_hand + self.unexplained
    }

    /// Which of its lives, as the agent counts, the container is in.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Out-of-memory kills in this life that the engine told of.
    #[must_use]
    pub fn ooms_in_life(&self) -> u64 {
        self.ooms
    }

    /// When the container was created, in Unix nanoseconds.
    #[must_use]
    pub fn created_at(&self) -> Option<u64> {
        self.facts.created
    }

    /// When it last started, in Unix nanoseconds.
    #[must_use]
    pub fn started_at(&self) -> Option<u64> {
        self.facts.started
    }

    /// When the agent first saw it, in Unix nanoseconds.
    #[must_use]
    pub fn seen_at(&self) -> u64 {
        self.seen
    }

    /// The engine told an event, whatever it means; its word for it.
    pub fn heard(&mut self, word: &str) {
        self.told.count(word);
    }

    /// What the engine told since the agent started.
    #[must_use]
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Takes over the creation time and health of a listing, where an inspection has not told them.
    pub fn listed(&mut self, created: Option<u64>, failing_streak: Option<u64>) {
        self.facts.created = self.facts.created.or(created);
        self.facts.failing_streak = failing_streak.or(self.facts.failing_streak);
    }

    /// Writes everything that is known into a container's slots. `now` is Unix time in nanoseconds.
    pub fn fill(&self, state: &State, health: Health, now: u64, values: &mut Values<Slot, { Slot::COUNT }>) {
        let facts = &self.facts;
        values.set(Slot::State, u64::from(*state == State::Running));
        values.set_option(Slot::Status, state.code());
        for (slot, which) in [
            (Slot::HealthNone, Health::None),
            (Slot::HealthStarting, Health::Starting),
            (Slot::HealthHealthy, Health::Healthy),
            (Slot::HealthUnhealthy, Health::Unhealthy),
        ] {
            values.set(slot, u64::from(health == which));
        }
        if health != Health::None {
            values.set_option(Slot::HealthFailingStreak, facts.failing_streak);
        }
        values.set_option(Slot::Created, facts.created);
        values.set_option(Slot::Started, facts.started);
        values.set_option(Slot::Finished, facts.finished);
        values.set_option(Slot::ExitCode, facts.exit_code);
        values.set_option(Slot::OomKilled, facts.oom_killed.map(u64::from));
        values.set(Slot::LastSeen, now);
        if self.was_inspected {
            values.set(Slot::ExitsZero, self.exits[0]);
            values.set(Slot::ExitsSignal, self.exits[1]);
            values.set(Slot::ExitsError, self.exits[2]);
            values.set(Slot::Restarts, self.restarts());
            values.set(Slot::StartsPolicy, self.by_policy);
            values.set(Slot::StartsManual, self.by_hand);
        }
        if matches!(state, State::Running | State::Paused) {
            values.set_option(Slot::Uptime, facts.started.map(|started| now.saturating_sub(started)));
        }
    }
}

/// Whether a moment lies after one and not after another.
fn is_between(moment: Option<u64>, after: Option<u64>, until: Option<u64>) -> bool {
    moment > after && moment <= until
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn running(started: u64, restart_count: u64) -> Inspection {
        Inspection {
            running: true,
            started: Some(started),
            exit_code: Some(0),
            restart_count: Some(restart_count),
            ..Inspection::default()
        }
    }

    fn exited(started: u64, finished: u64, code: u64, restart_count: u64) -> Inspection {
        Inspection {
            running: false,
            finished: Some(finished),
            exit_code: Some(code),
            ..running(started, restart_count)
        }
    }

    fn counts(life: &Lifecycle) -> (u64, u64, u64, [u64; 3]) {
        (life.restarts(), life.by_policy, life.by_hand, life.exits)
    }

    #[test]
    fn an_event_and_its_inspection_count_once_in_either_order() {
        for inspection_first in [false, true] {
            let mut life = Lifecycle::first_seen(0);
            life.inspected(&running(10, 0));
            if inspection_first {
                life.inspected(&exited(10, 20, 3, 0));
                life.died(21, Some(3));
                life.inspected(&running(30, 0));
                life.started(31);
            } else {
                life.died(21, Some(3));
                life.inspected(&exited(10, 20, 3, 0));
                life.started(31);
                life.inspected(&running(30, 0));
            }
            assert_eq!(counts(&life), (1, 0, 1, [0, 0, 1]), "inspection first: {inspection_first}");
            life.died(40, Some(137));
            life.started(51);
            life.inspected(&running(50, 0));
            assert_eq!(counts(&life), (2, 0, 2, [0, 1, 1]), "inspection first: {inspection_first}");
        }
    }

    #[test]
    fn times_are_those_of_inspections_whichever_comes_first() {
        let mut life = Lifecycle::first_seen(0);
        life.started(15);
        life.inspected(&running(10, 0));
        assert_eq!(life.started_at(), Some(10));
        life.died(25, Some(3));
        life.inspected(&exited(10, 20, 3, 0));
        assert_eq!(life.facts.finished, Some(20));
        life.started(35);
        // This one was under way while it started.
        life.inspected(&exited(10, 20, 3, 0));
        assert_eq!(life.started_at(), Some(35));
        life.inspected(&Inspection { finished: Some(20), ..running(30, 0) });
        assert_eq!(life.started_at(), Some(30));
        life.died(45, Some(4));
        life.inspected(&Inspection { finished: Some(20), ..running(30, 0) });
        assert_eq!((life.facts.finished, life.facts.exit_code), (Some(45), Some(4)));
        life.started(55);
        life.inspected(&exited(30, 40, 4, 0));
        assert_eq!(
            (life.started_at(), life.facts.finished, life.facts.exit_code),
            (Some(55), Some(40), Some(4))
        );
        life.inspected(&Inspection { finished: Some(40), ..running(50, 0) });
        assert_eq!((life.started_at(), life.facts.exit_code), (Some(50), Some(4)));
    }

    #[test]
    fn a_start_before_events_were_heard_swallows_no_later_one() {
        let mut life = Lifecycle::first_seen(100);
        life.heard_since(100);
        life.inspected(&running(10, 0));
        // The event of the end is late: Podman's come from several processes.
        life.started(201);
        life.died(202, Some(137));
        life.inspected(&running(200, 0));
        assert_eq!(counts(&life), (1, 0, 1, [0, 1, 0]));
    }

    #[test]
    fn an_end_at_once_is_one_end() {
        // Podman's times: the process was over before its start was written down, and before its event.
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&exited(10, 20, 0, 0));
        life.inspected(&exited(35, 30, 3, 0));
        assert_eq!(counts(&life), (1, 0, 1, [0, 0, 1]));
        life.started(36);
        life.died(40, Some(3));
        assert_eq!(counts(&life), (1, 0, 1, [0, 0, 1]));
        // The same, told by two inspections: the first still saw it run.
        let mut life = Lifecycle::made(0);
        life.inspected(&running(10, 0));
        life.inspected(&exited(10, 20, 3, 0));
        life.started(25);
        life.died(27, Some(3));
        assert_eq!(counts(&life), (0, 0, 0, [0, 0, 1]));
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&exited(10, 30, 0, 0));
        life.inspected(&exited(31, 32, 3, 0));
        life.started(33);
        life.died(34, Some(3));
        // Docker's: only the start's event is later than the end.
        life.inspected(&exited(50, 51, 3, 0));
        life.started(52);
        life.died(53, Some(3));
        assert_eq!(counts(&life), (2, 0, 2, [0, 0, 2]));
        // An end whose event was lost is not that of the next run.
        life.inspected(&running(60, 0));
        life.inspected(&exited(60, 70, 3, 0));
        life.started(61);
        life.inspected(&running(80, 0));
        life.started(81);
        life.died(90, Some(0));
        assert_eq!(counts(&life), (4, 0, 4, [1, 0, 3]));
    }

    #[test]
    fn an_inspection_that_overtakes_the_first_events_counts_nothing_twice() {
        let mut life = Lifecycle::made(0);
        assert_eq!(counts(&life), (0, 0, 0, [0; 3]));
        let created = Inspection { exit_code: Some(0), restart_count: Some(0), ..Inspection::default() };
        life.inspected(&created);
        assert_eq!(life.facts.exit_code, None, "it has never run");
        // Two runs, of which no event has come yet.
        life.inspected(&exited(30, 35, 3, 1));
        for (start, end) in [(11, 15), (31, 36)] {
            life.started(start);
            life.died(end, Some(3));
        }
        life.inspected(&exited(30, 35, 3, 1));
        assert_eq!(counts(&life), (1, 1, 0, [0, 0, 2]));
    }

    #[test]
    fn a_restart_by_policy_is_announced_before_it_is_made() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&running(10, 0));
        life.died(20, Some(1));
        life.inspected(&exited(10, 20, 1, 1));
        assert_eq!(life.restarts(), 0, "it is still waiting");
        life.started(31);
        life.inspected(&running(30, 1));
        assert_eq!(counts(&life), (1, 1, 0, [0, 0, 1]));
    }

    #[test]
    fn a_start_by_hand_resets_the_engines_count_and_not_ours() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&running(10, 7));
        assert_eq!(life.restarts(), 7);
        life.died(20, Some(0));
        life.inspected(&exited(10, 20, 0, 8));
        life.inspected(&exited(10, 20, 0, 8));
        life.started(31);
        life.inspected(&running(30, 0));
        assert_eq!(counts(&life), (8, 0, 1, [1, 0, 0]));
    }

    #[test]
    fn the_first_start_is_no_restart() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&Inspection { restart_count: Some(0), ..Inspection::default() });
        life.started(11);
        life.inspected(&running(10, 0));
        assert_eq!(counts(&life), (0, 0, 0, [0, 0, 0]));
        assert_eq!(life.life(), 1);
    }

    #[test]
    fn a_start_before_the_first_inspection_is_part_of_it() {
        let mut life = Lifecycle::first_seen(0);
        life.started(11);
        life.inspected(&running(10, 0));
        life.died(20, Some(0));
        life.started(31);
        assert_eq!(life.restarts(), 1);
    }

    #[test]
    fn a_first_inspection_may_be_older_than_the_events() {
        let created = Inspection { restart_count: Some(0), ..Inspection::default() };
        for (found, restarts) in [(created, 0), (exited(10, 20, 1, 0), 1), (running(30, 0), 0)] {
            let mut life = Lifecycle::first_seen(0);
            life.started(31);
            life.inspected(&found);
            life.inspected(&running(30, 0));
            assert_eq!(life.restarts(), restarts, "{found:?}");
            life.died(40, Some(1));
            life.started(51);
            life.inspected(&running(50, 0));
            assert_eq!(life.restarts(), restarts + 1, "{found:?}");
        }
        let mut life = Lifecycle::first_seen(0);
        life.died(20, Some(1));
        life.started(31);
        life.inspected(&running(10, 0));
        life.inspected(&running(30, 0));
        assert_eq!(counts(&life), (1, 0, 1, [0, 0, 1]), "it was inspected before it ended");
    }

    #[test]
    fn events_of_a_lost_stream_are_not_awaited() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&running(10, 0));
        // Ended, started and ended again while nobody listened.
        life.heard_since(100);
        life.inspected(&exited(30, 40, 3, 0));
        assert_eq!(counts(&life), (1, 0, 1, [0, 0, 1]));
        life.started(111);
        life.inspected(&Inspection { finished: Some(40), ..running(110, 0) });
        life.died(121, Some(3));
        life.inspected(&exited(110, 120, 3, 0));
        assert_eq!(counts(&life), (2, 0, 2, [0, 0, 2]));
        // Ended while nobody listened.
        life.started(131);
        life.inspected(&running(130, 0));
        life.heard_since(200);
        life.inspected(&exited(130, 140, 0, 0));
        life.started(211);
        life.inspected(&running(210, 0));
        life.died(221, Some(0));
        assert_eq!(counts(&life), (4, 0, 4, [2, 0, 2]));
    }

    #[test]
    fn an_awaited_event_that_was_lost_swallows_no_later_one() {
        let met = || {
            let mut life = Lifecycle::first_seen(0);
            life.inspected(&running(10, 0));
            life.inspected(&exited(10, 20, 3, 0));
            life
        };
        const SECOND: u64 = 1_000_000_000;
        let mut life = met();
        life.started(31 * SECOND);
        life.died(41 * SECOND, Some(4));
        assert_eq!(life.exits, [0, 0, 2], "its start tells that the event of the end at 20 was lost");
        let mut life = met();
        life.inspected(&running(30, 0));
        life.died(41, Some(4));
        assert_eq!(life.exits, [0, 0, 2], "the end at 41 is of the run that began at 30");
        let mut life = met();
        life.inspected(&running(30, 0));
        life.died(21, Some(3));
        life.started(31);
        life.died(41, Some(4));
        assert_eq!(counts(&life), (1, 0, 1, [0, 0, 2]), "late, not lost");
    }

    #[test]
    fn a_start_that_is_written_down_after_the_end_hides_no_event() {
        // The process ended at 20, its event is of 22, and the start was written down at 25.
        let found = exited(25, 20, 3, 0);
        for inspection_first in [false, true] {
            let mut life = Lifecycle::made(0);
            if inspection_first {
                life.inspected(&found);
                life.died(22, Some(3));
                life.started(26);
            } else {
                life.died(22, Some(3));
                life.started(26);
            }
            life.inspected(&found);
            assert_eq!(counts(&life), (0, 0, 0, [0, 0, 1]), "inspection first: {inspection_first}");
        }
    }

    #[test]
    fn a_container_that_is_about_to_be_restarted_is_met() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&Inspection { restarting: true, ..exited(10, 20, 1, 5) });
        assert_eq!(life.restarts(), 4, "the fifth is yet to come");
        life.started(31);
        life.inspected(&running(30, 5));
        assert_eq!(counts(&life), (5, 1, 0, [0; 3]));
    }

    #[test]
    fn what_happened_while_nobody_listened_is_found_by_inspection() {
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&running(10, 0));
        life.inspected(&running(90, 3));
        assert_eq!(counts(&life), (3, 3, 0, [0, 0, 0]));
        life.died(95, Some(2));
        assert_eq!(life.exits, [0, 0, 1]);
    }

    #[test]
    fn the_exit_code_of_a_running_container_is_that_of_its_last_run() {
        let mut values = Values::default();
        let mut life = Lifecycle::first_seen(0);
        life.inspected(&running(10, 0));
        life.fill(&State::Running, Health::None, 50, &mut values);
        assert_eq!(values.get(Slot::ExitCode), None, "it never ended");
        assert_eq!(values.get(Slot::Uptime), Some(40));
        life.died(60, Some(3));
        life.started(70);
        life.inspected(&Inspection { finished: Some(60), ..running(70, 0) });
        life.fill(&State::Running, Health::None, 80, &mut values);
        assert_eq!(values.get(Slot::ExitCode), Some(3));
    }

    proptest! {
        /// A container that is started and ended at random, with inspections at random moments that tell
        /// the truth, and events that come in order but late: every count must be right in the end.
        #[test]
        fn counts_are_exact(steps in prop::collection::vec((0u8..4, any::<bool>(), 0u64..200), 1..120)) {
            let mut life = Lifecycle::first_seen(0);
            let (mut now, mut truth) = (100, running(100, 0));
            life.inspected(&truth);
            let (mut restarts, mut exits) = (0, [0; 3]);
            let mut late: std::collections::VecDeque<(bool, u64, u64)> = [(true, 101, 0)].into();
            let mut last_total = 0;
            for (step, by_policy, code) in steps.into_iter().chain(std::iter::repeat_n((3, false, 0), 400)) {
                now += 10;
                match step {
                    0 if truth.running => {
                        truth = exited(truth.started.unwrap(), now, code, truth.restart_count.unwrap());
                        exits[if code == 0 { 0 } else if code > 128 { 1 } else { 2 }] += 1;
                        late.push_back((false, now + 1, code));
                    }
                    0 | 1 if !truth.running => {
                        let count = if by_policy { truth.restart_count.unwrap() + 1 } else { 0 };
                        truth = Inspection { finished: truth.finished, ..running(now, count) };
                        restarts += 1;
                        late.push_back((true, now + 1, 0));
                    }
                    // An inspection may run ahead of the events by one life, not by several: the agent
                    // inspects because of an event.
                    2 if late.len() <= 2 => life.inspected(&truth),
                    _ => match late.pop_front() {
                        Some((true, at, _)) => life.started(at),
                        Some((false, at, code)) => life.died(at, Some(code)),
                        None => {}
                    },
                }
                prop_assert!(life.restarts() >= last_total, "a counter fell");
                last_total = life.restarts();
            }
            life.inspected(&truth);
            prop_assert_eq!(life.restarts(), restarts);
            prop_assert_eq!(life.by_policy + life.by_hand, restarts);
            prop_assert_eq!(life.exits, exits);
        }
    }
}
