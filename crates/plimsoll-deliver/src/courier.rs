//! The courier of a target: what is sent next, and what becomes of it by what the target answers. It owns queue and account, so
//! that a point cannot leave the one without entering a column of the other.
//!
//! It knows time only as it is told, and sends nothing itself: whoever drives it asks [`Courier::next`], sends, and reports with
//! [`Courier::settle`].

mod settle;

pub use settle::Moment;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::account::Account;
use crate::backoff::Backoff;
use crate::batch::{Batch, PACKED};
use crate::config::{TargetConfig, TargetKind};
use crate::format::{Coding, Format};
use crate::queue::{Lost, Queue};
use crate::stages::format_of;

/// How a target does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing was sent yet.
    #[default]
    Starting,
    /// The last request was answered as it should be.
    Up,
    /// The last request was not answered, or with an error that passes.
    Retrying,
    /// It refuses our name or token.
    Unauthorized,
    /// It does not know what we name: a database, a bucket, a path.
    NotFound,
    /// It takes requests, and refuses them as a whole for another reason.
    Refusing,
}

impl TargetState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Starting, Self::Up, Self::Retrying, Self::Unauthorized, Self::NotFound, Self::Refusing];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Retrying => "retrying",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Refusing => "refusing",
        }
    }
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The batch that it is of; stays the same for all attempts, restarts included.
    pub seq: u64,
    /// The part of the batch, as positions of points in it; all of it where it was never cut.
    pub part: (u64, u64),
    /// What the body is written in.
    pub format: Format,
    /// Points in the body.
    pub points: u64,
    /// The latest time in the batch, in Unix nanoseconds.
    pub last: i64,
    /// The body.
    pub body: Vec<u8>,
}

/// A point that the target does not want, with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, as in metrics.
    pub reason: &'static str,
    /// In the target's words.
    pub message: String,
    /// What the body is written in.
    pub format: Format,
    /// The refused points, uncompressed; empty where it is not known which they are.
    pub body: Vec<u8>,
    /// How many they are.
    pub points: u64,
}

/// Figures about requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests by outcome: an HTTP status, or the reason why there was none.
    pub outcomes: BTreeMap<String, u64>,
    /// Batches, or parts of them, that were sent more than once.
    pub retries: u64,
    /// The time from the latest sample of the last delivered batch to its acknowledgement, in nanoseconds.
    pub lag: Option<u64>,
}

/// Decides for one target.
#[derive(Debug)]
pub struct Courier {
    kind: TargetKind,
    /// How the target takes bodies.
    coding: Coding,
    max_retries: Option<u32>,
    max_in_flight: usize,
    fresh_lane: bool,
    account: Account,
    queue: Queue,
    backoff: Backoff,
    paused_until: Option<Instant>,
    state: TargetState,
    trouble: String,
    /// The largest body, before compression, that may still be accepted, once one was refused for its size.
    largest: Option<u64>,
    /// The latest batch that was ever sent: those after it are fresh.
    freshest: u64,
    /// Whether the target did not understand remote write 2.0.
    version_1: bool,
    in_flight: usize,
    failures: u64,
    /// Whether somebody wants to know what was refused.
    keeps_dead: bool,
    dead: Vec<DeadLetter>,
    requests: Requests,
}

/// Dead letters that wait to be written: a target that refuses all must not fill the memory.
const MAX_DEAD: usize = 1000;

/// How long a target that waits for somebody's hand is left alone, at most.
const HOLD: Duration = Duration::from_secs(30);

impl Courier {
    /// A courier over a queue. What waits there already counts as collected; `lost` of it was lost.
    #[must_use]
    pub fn new(config: &TargetConfig, queue: Queue, lost: &[Lost]) -> Self {
        let mut account = Account::default();
        account.collect(queue.points());
        let mut courier = Self {
            kind: config.kind,
            coding: format_of(config).coding,
            max_retries: config.max_retries,
            max_in_flight: config.max_in_flight.max(1),
            fresh_lane: config.fresh_lane,
            account,
            queue,
            backoff: Backoff::new(config.backoff.0, config.backoff.1),
            paused_until: None,
            state: TargetState::default(),
            trouble: String::new(),
            largest: None,
            freshest: 0,
            version_1: false,
            in_flight: 0,
            failures: 0,
            keeps_dead: config.dead_letter.is_some(),
            dead: Vec::new(),
            requests: Requests::default(),
        };
        for lost in lost {
            courier.account.collect(lost.points);
            courier.account.drop(lost.reason, lost.points);
        }
        courier
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account, for those who take points in before they are in a batch.
    pub fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// How the target does.
    #[must_use]
    pub fn state(&self) -> TargetState {
        self.state
    }

    /// Whether the target takes nothing at the moment, and something waits for it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !matches!(self.state, TargetState::Starting | TargetState::Up) && !self.queue.is_empty()
    }

    /// What is wrong, in a sentence; empty while nothing is.
    #[must_use]
    pub fn trouble(&self) -> &str {
        &self.trouble
    }

    /// Figures about requests.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The largest body, before compression, that the target may accept, once it refused one for its size.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        self.largest
    }

    /// Whether the target did not understand remote write 2.0, so that it gets 1.0.
    #[must_use]
    pub fn speaks_version_1(&self) -> bool {
        self.version_1
    }

    /// Requests that were not answered as they should be.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes the points that were refused since the last time, if there is a file for them.
    pub fn take_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.dead)
    }

    /// Queues closed batches, whose points are in the account already.
    pub fn push(&mut self, batches: impl IntoIterator<Item = Batch>, now: Instant) {
        let lost = self.queue.push(batches, now);
        self.lose(lost);
    }

    /// Gives up what is too old, and looks after the disk. `wall` is the time in Unix nanoseconds.
    pub fn tend(&mut self, now: Instant, wall: i64) {
        let lost = self.queue.expire(wall);
        self.lose(lost);
        self.queue.tend(now);
    }

    /// Puts everything on disk: the end.
    pub fn close(&mut self, now: Instant) {
        self.queue.close(now);
    }

    /// When there is something to do that nobody asks for: a pause ends, or the disk is due.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        let pause = self.paused_until.filter(|_| self.queue.next(false).is_some());
        [pause, self.queue.wakes_at()].into_iter().flatten().min()
    }

    /// Ends a pause: somebody asked for an attempt now.
    pub fn hurry(&mut self) {
        self.paused_until = None;
    }

    /// What is to be sent now, if anything is. The caller reports with [`Courier::settle`] what came of it.
    pub fn next(&mut self, now: Instant) -> Option<Outgoing> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        // A pause that is over is forgotten: it would wake whoever waits for it again and again.
        self.paused_until = None;
        loop {
            // A target that is in trouble gets one request to show that it is not any more.
            let is_well = matches!(self.state, TargetState::Up);
            if self.in_flight >= if is_well { self.max_in_flight } else { 1 } {
                return None;
            }
            let seq = self.choose()?;
            if let Some(outgoing) = self.prepare(seq) {
                self.in_flight += 1;
                self.freshest = self.freshest.max(seq);
                return Some(outgoing);
            }
        }
    }

    fn choose(&self) -> Option<u64> {
        let fresh =
            self.fresh_lane.then(|| self.queue.next(true)).flatten().filter(|seq| *seq > self.freshest);
        fresh.or_else(|| self.queue.next(false))
    }

    /// Makes the request of a batch; `None` where the batch is lost.
    fn prepare(&mut self, seq: u64) -> Option<Outgoing> {
        let Some(body) = self.queue.body(seq) else {
            self.give_up(seq, "damaged");
            return None;
        };
        self.cut_to_size(seq);
        let entry = self.queue.get_mut(seq)?;
        let part = entry.parts.last().copied().unwrap_or((0, entry.total));
        let is_whole = part == (0, entry.total);
        let (format, last, resent) = (entry.format, entry.last, entry.maybe_sent || entry.attempts > 0);
        let points = part.1 - part.0;
        entry.in_flight = true;
        let cut = if is_whole {
            Ok(body)
        } else {
            let keep = &mut |index: u64, _: i64| (part.0..part.1).contains(&index);
            format.retain(&body, keep).map(|retained| retained.body)
        };
        let made =
            cut.and_then(|body| if self.version_1 { format.in_version_1(&body) } else { Ok((format, body)) });
        // What waited was packed for the disk; the same bytes come of it each time.
        let made = made.and_then(|(format, body)| match format.coding {
            PACKED => format.in_coding(self.coding, body),
            _ => Ok((format, body)),
        });
        let Ok((format, body)) = made else {
            self.give_up(seq, "damaged");
            return None;
        };
        if resent {
            self.account.resend(points);
            self.requests.retries += 1;
        }
        Some(Outgoing { seq, part, format, points, last, body })
    }

    /// Cuts the next part until it is no larger than what the target accepts, as far as can be told from the whole.
    fn cut_to_size(&mut self, seq: u64) {
        let Some(largest) = self.largest else { return };
        let Some(entry) = self.queue.get_mut(seq) else { return };
        loop {
            let (from, to) = entry.parts.last().copied().unwrap_or((0, entry.total));
            let bytes = entry.raw_bytes.saturating_mul(to - from) / entry.total.max(1);
            if bytes <= largest || to - from <= 1 {
                return;
            }
            halve(&mut entry.parts, (from, to));
        }
    }

    fn give_up(&mut self, seq: u64, reason: &'static str) {
        let lost = self.queue.give_up(&[seq], reason);
        self.lose(lost);
    }

    fn lose(&mut self, lost: impl IntoIterator<Item = Lost>) {
        for lost in lost {
            self.account.drop(lost.reason, lost.points);
        }
    }
}

/// Replaces the last part by its two halves, the first of which is next.
fn halve(parts: &mut Vec<(u64, u64)>, (from, to): (u64, u64)) {
    parts.pop();
    let middle = from + (to - from) / 2;
    parts.push((middle, to));
    parts.push((from, middle));
}

#[cfg(test)]
mod tests;
