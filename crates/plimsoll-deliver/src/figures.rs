//! What a target tells of itself, for metrics and commands.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::account::Account;
use crate::batch::{Batch, Cause};
use crate::config::TargetConfig;
use crate::courier::{Courier, Requests, TargetState};
use crate::queue::Queue;

/// Figures about batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Closed batches by cause.
    pub closed: BTreeMap<Cause, u64>,
    /// Points in closed batches.
    pub points: u64,
    /// Bytes in closed batches before compression.
    pub raw_bytes: u64,
    /// Bytes in closed batches.
    pub bytes: u64,
    /// Bytes of bodies that were sent, again included.
    pub sent_bytes: u64,
    /// The time that requests took, in nanoseconds.
    pub request_time: u64,
    /// The time that the stages took up to the batch, in nanoseconds.
    pub encoding: u64,
    /// Fields that a format cannot carry, of points that it can.
    pub fields_refused: u64,
}

impl Batches {
    pub(crate) fn closed(&mut self, batch: &Batch, cause: Cause) {
        *self.closed.entry(cause).or_default() += 1;
        self.points += batch.points;
        self.raw_bytes += batch.raw_bytes;
        self.bytes += batch.body.len() as u64;
    }
}

/// What a target tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// How it does.
    pub state: TargetState,
    /// What is wrong; empty while nothing is.
    pub trouble: String,
    /// Where all points are.
    pub account: Account,
    /// Batches.
    pub batches: Batches,
    /// Requests.
    pub requests: Requests,
    /// Points in the batch that is being filled.
    pub open_points: u64,
    /// Points that wait on disk.
    pub disk_points: u64,
    /// Bytes that wait in memory.
    pub memory_bytes: u64,
    /// Bytes that wait on disk.
    pub disk_bytes: u64,
    /// The size of the spool's file.
    pub spool_bytes: u64,
    /// Transactions of the spool.
    pub spool_commits: u64,
    /// How often the disk took nothing.
    pub disk_failures: u64,
    /// Batches that were found damaged at start.
    pub damaged: u64,
    /// The age of the oldest sample that waits, in nanoseconds.
    pub oldest_age: Option<u64>,
    /// How long an outage could last from now on before something is dropped, in nanoseconds.
    pub capacity: Option<u64>,
    /// Requests under way.
    pub in_flight: u64,
}

impl Figures {
    pub(crate) fn of(
        config: &TargetConfig,
        courier: &Courier,
        batches: &Batches,
        open_points: u64,
        damaged: u64,
        wall: i64,
        running: Duration,
    ) -> Self {
        let queue = courier.queue();
        let age = queue.oldest().and_then(|oldest| u64::try_from(wall.saturating_sub(oldest)).ok());
        Self {
            name: config.name.clone(),
            kind: config.kind.name(),
            state: courier.state(),
            trouble: courier.trouble().to_owned(),
            account: courier.account().clone(),
            batches: batches.clone(),
            requests: courier.requests().clone(),
            open_points,
            disk_points: queue.points_on_disk(),
            memory_bytes: queue.memory(),
            disk_bytes: queue.disk(),
            spool_bytes: queue.spool().map_or(0, crate::spool::Spool::file_bytes),
            spool_commits: queue.spool().map_or(0, crate::spool::Spool::commits),
            disk_failures: queue.disk_failures(),
            damaged,
            oldest_age: age,
            capacity: capacity(queue, batches, running),
            in_flight: courier.in_flight() as u64,
        }
    }
}

/// How long an outage could last, at the pace at which batches were closed so far.
fn capacity(queue: &Queue, batches: &Batches, running: Duration) -> Option<u64> {
    let at_pace = |room: u64, so_far: u64| {
        let nanos = running.as_nanos().checked_mul(u128::from(room))?.checked_div(u128::from(so_far))?;
        u64::try_from(nanos).ok()
    };
    let by_bytes = at_pace(queue.room(), batches.bytes)?;
    Some(by_bytes.min(at_pace(queue.room_points(), batches.points)?))
}
