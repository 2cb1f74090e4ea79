//! One target at work: it takes ticks through the stages, sends what is due, and keeps its account.
//!
//! Everything about a target happens in one task, so that nothing has to be locked and no target can hold up another one's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{FuturesUnordered, Stream};
use futures_util::{FutureExt as _, StreamExt as _};
use plimsoll_model::Snapshot;
use plimsoll_wire::point::{Point, Tally};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{Instrument as _, info, warn};

use crate::batch::{Cause, Closed};
use crate::config::{Durability, MIN_DISK, TargetConfig};
use crate::courier::{Courier, Moment, Outgoing};
use crate::dead::DeadLetters;
use crate::error::TargetError;
use crate::figures::{Batches, Figures};
use crate::queue::{Limits, Queue};
use crate::spool::Spool;
use crate::stages::{Common, Stages};
use crate::transport::Transport;
use crate::verdict::{Answer, Fault};

/// What comes in.
#[derive(Clone, Debug)]
pub enum Intake {
    /// A tick of the agent.
    Tick(Arc<Snapshot>),
    /// Points of somebody else.
    Points(Vec<Point>),
}

/// What somebody wants of a target.
#[derive(Debug)]
pub enum Command {
    /// Everything that was taken in is to be sent now; answers when there is a verdict on all of it.
    Flush(oneshot::Sender<Flushed>),
}

/// What came of a flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Points that the target has taken since.
    pub delivered: u64,
    /// Points that it, or the format, has refused since.
    pub rejected: u64,
    /// Points that were given up since.
    pub dropped: u64,
    /// Points that still wait of those that were there when it began.
    pub queued: u64,
    /// What is wrong; empty while nothing is.
    pub trouble: String,
}

/// One target.
#[derive(Debug)]
pub struct Target {
    config: TargetConfig,
    stages: Stages,
    courier: Courier,
    transport: Arc<Transport>,
    dead: Option<DeadLetters>,
    batches: Batches,
    figures: Arc<Mutex<Figures>>,
    flushes: Vec<Flush>,
    /// Batches that were found damaged at start.
    damaged: u64,
    began: Instant,
    /// Whether whoever feeds it can wait.
    is_patient: bool,
    /// What such a target has been given and has no room for yet.
    pending: std::vec::IntoIter<Point>,
}

#[derive(Debug)]
struct Flush {
    answer: oneshot::Sender<Flushed>,
    /// The latest batch that it is about: what comes in later is nobody's question.
    up_to: u64,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    /// The requests that had failed when it began: one more failure is an answer too.
    failures: u64,
}

/// A request under way, with how long it took.
type Sending = futures_util::future::BoxFuture<'static, (Outgoing, Result<Answer, Fault>, Duration)>;

/// How often the account is published while nothing happens, and old batches are looked for.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// A batch may be larger than it should be by its last point, which has at most so many parts and about so many bytes.
const MAX_POINT_PARTS: u64 = 1024;
const MAX_POINT_BYTES: u64 = 1024 * 1024;
/// What is taken in at once before a flush. More than waits anywhere.
const MAX_AT_ONCE: usize = 10_000;

impl Target {
    /// Sets a target up: opens its spool, connects to nobody yet. `spool` is the folder of spools. `interval` is the time
    /// between two ticks.
    ///
    /// # Errors
    /// If the configuration cannot work, or another agent has the spool.
    pub fn new(
        config: TargetConfig,
        common: &Common,
        spool: Option<&std::path::Path>,
        interval: Duration,
        transport: Transport,
    ) -> Result<Self, TargetError> {
        let limits = Limits {
            points: config.queue_points,
            memory: config.queue_bytes,
            max_age: i64::try_from(config.max_age.as_nanos()).unwrap_or(i64::MAX),
            when_full: config.when_full,
            durability: config.durability,
            interval: i64::try_from(interval.as_nanos())
                .unwrap_or(i64::MAX)
                .saturating_mul(i64::try_from(config.every).unwrap_or(1)),
        };
        let mut damaged = 0;
        let opened = match spool.filter(|_| config.durability != Durability::None) {
            None => None,
            Some(folder) => {
                let opened = Spool::open(&spool_path(folder, &config.name), config.queue_disk.max(MIN_DISK))?;
                if let Some(damage) = &opened.damage {
                    damaged = damage.rows;
                    let place = damage
                        .set_aside
                        .as_ref()
                        .map_or(String::new(), |path| format!(" as {}", path.display()));
                    warn!(
                        target = config.name,
                        "the spool was damaged ({}) and set aside{place}; batches saved: {}, lost: {}",
                        damage.reason,
                        opened.rows.len(),
                        damage.rows
                    );
                }
                Some((opened.spool, opened.rows))
            }
        };
        let (queue, lost) = Queue::new(limits, opened);
        if !queue.is_empty() {
            info!(target = config.name, "points that waited in the spool: {}", queue.points());
        }
        Ok(Self {
            stages: Stages::new(&config, common),
            courier: Courier::new(&config, queue, &lost),
            transport: Arc::new(transport),
            dead: config.dead_letter.clone().map(DeadLetters::new),
            batches: Batches::default(),
            figures: Arc::default(),
            flushes: Vec::new(),
            damaged,
            began: Instant::now(),
            is_patient: false,
            pending: Vec::new().into_iter(),
            config,
        })
    }

    /// For who can wait, such as a reader of a file: points are taken only while the queue has room for them, so that none is
    /// dropped because they come faster than the target takes them; and at the end, the time to deliver the rest begins anew
    /// with each batch that is done, so that it bounds a standstill and not the work.
    #[must_use]
    pub fn patiently(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// The figures of this target, as they will be published.
    #[must_use]
    pub fn figures(&self) -> Arc<Mutex<Figures>> {
        Arc::clone(&self.figures)
    }

    /// Works until `intake` and `commands` have ended, then delivers what waits until `drain` has passed, and leaves the rest in
    /// the spool. Returns the last figures.
    pub async fn run(
        mut self,
        mut intake: impl Stream<Item = Intake> + Unpin,
        mut commands: mpsc::Receiver<Command>,
        drain: Duration,
    ) -> Figures {
        let name = tracing::info_span!("target", name = %self.config.name);
        async {
            let mut sending = FuturesUnordered::new();
            let mut tend = tokio::time::interval(TEND_EVERY);
            tend.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut ends_at = None;
            let (mut has_commands, mut has_ended) = (true, false);
            let mut left = u64::MAX;
            loop {
                self.take_pending();
                self.dispatch(&mut sending);
                self.answer_flushes(sending.is_empty());
                self.publish();
                let queued = self.courier.account().queued();
                let is_drained = queued == 0;
                if self.is_patient && ends_at.is_some() && queued < left {
                    ends_at = Some(Instant::now() + drain);
                    left = queued;
                }
                if ends_at.is_some_and(|at| is_drained || at <= Instant::now()) {
                    break;
                }
                if has_ended && ends_at.is_none() {
                    // What is open goes out, and what waits for its time does not wait any more.
                    self.close_batch(Cause::Flush);
                    self.courier.hurry();
                    ends_at = Some(Instant::now() + drain);
                    continue;
                }
                let wake = self.wakes_at().into_iter().chain(ends_at).min();
                let may_take = ends_at.is_none() && self.pending.len() == 0;
                tokio::select! {
                    biased;
                    Some((outgoing, outcome, took)) = sending.next() => {
                        self.batches.request_time += nanos(took);
                        self.settle(&outgoing, outcome);
                    }
                    command = commands.recv(), if has_commands => match command {
                        Some(command) => {
                            // Who asks for a flush means what was given before, also where it was not taken in yet.
                            has_ended |= may_take && self.take_all(&mut intake);
                            self.obey(command);
                        }
                        None => has_commands = false,
                    },
                    taken = intake.next(), if may_take => match taken {
                        Some(taken) => {
                            self.take(taken);
                            // Connections are tasks of this thread: they have their turn also while there is always more.
                            tokio::task::yield_now().await;
                        }
                        None => has_ended = true,
                    },
                    _ = tend.tick() => self.tend(),
                    () = until(wake) => self.tend(),
                }
            }
            self.courier.close(Instant::now());
            self.answer_flushes(true);
            self.bury();
            self.publish();
            let queued = self.courier.account().queued();
            if queued > 0 {
                let kept =
                    if self.courier.queue().spool().is_some() { "are kept in the spool" } else { "are lost" };
                warn!("{queued} points could not be delivered before the end and {kept}");
            }
            let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
            figures.clone()
        }
        .instrument(name)
        .await
    }

    /// Takes what waits for room, as far as there is some: a batch at a time, as each needs room anew.
    fn take_pending(&mut self) {
        while self.pending.len() > 0 && self.has_room() {
            let mut points = std::mem::take(&mut self.pending);
            let closed = self.take_in(|stages, now, tally, closed| {
                while closed.is_empty()
                    && let Some(mut point) = points.next()
                {
                    stages.take_point(&mut point, now, tally, closed);
                }
            });
            self.pending = points;
            self.queue(closed, self.pending.len() == 0);
        }
    }

    /// Whether the next batch, however large, can be queued without anything being given up for it.
    fn has_room(&self) -> bool {
        let queue = self.courier.queue();
        let fits = queue.room_points() >= self.stages.batcher().most_points().saturating_add(MAX_POINT_PARTS)
            && queue.room() >= self.config.max_bytes.saturating_add(MAX_POINT_BYTES);
        // One that is larger than the queue at its best must not wait for ever.
        fits || queue.is_empty()
    }

    /// Takes in what is there without waiting, up to a bound; `true` where that was the end.
    fn take_all(&mut self, intake: &mut (impl Stream<Item = Intake> + Unpin)) -> bool {
        for _ in 0..MAX_AT_ONCE {
            // Those that wait for room are before what comes.
            if self.pending.len() > 0 {
                return false;
            }
            match intake.next().now_or_never() {
                Some(Some(taken)) => self.take(taken),
                Some(None) => return true,
                None => return false,
            }
        }
        false
    }

    fn take(&mut self, taken: Intake) {
        match taken {
            Intake::Points(points) if self.is_patient => self.pending = points.into_iter(),
            taken => self.take_now(taken),
        }
    }

    fn take_now(&mut self, taken: Intake) {
        let closed = self.take_in(|stages, now, tally, closed| match taken {
            Intake::Tick(snapshot) => stages.take(&snapshot, now, tally, closed),
            Intake::Points(points) => {
                for mut point in points {
                    stages.take_point(&mut point, now, tally, closed);
                }
            }
        });
        self.queue(closed, true);
    }

    /// Takes points through the stages, and into the account. Gives the batches that were closed.
    fn take_in(
        &mut self,
        take: impl FnOnce(&mut Stages, Instant, &mut Tally, &mut Vec<Closed>),
    ) -> Vec<Closed> {
        self.hurry_or_not();
        if let Some(largest) = self.courier.largest() {
            self.stages.batcher_mut().shrink(largest);
        }
        let (mut tally, mut closed) = (Tally::default(), Vec::new());
        let began = std::time::Instant::now();
        take(&mut self.stages, Instant::now(), &mut tally, &mut closed);
        self.batches.encoding += nanos(began.elapsed());
        self.batches.fields_refused += tally.fields_refused;
        let account = self.courier.account_mut();
        account.collect(tally.accepted);
        for (reason, points) in tally.refused {
            account.collect(points);
            account.reject(reason, points);
        }
        closed
    }

    /// Queues batches. With the last of what came together, what is open is closed where all has to be on the disk.
    fn queue(&mut self, mut closed: Vec<Closed>, is_last: bool) {
        if is_last && self.config.durability == Durability::Always {
            let open = self.stages.batcher_mut().close();
            closed.extend(open.map(|batch| (batch, Cause::Tick)));
        }
        if !closed.is_empty() {
            closed.iter().for_each(|(batch, cause)| self.batches.closed(batch, *cause));
            self.courier.push(closed.into_iter().map(|(batch, _)| batch), Instant::now());
        }
        if self.courier.speaks_version_1() && self.stages.batcher().speaks_version_2() {
            self.close_batch(Cause::Flush);
            self.stages.use_version_1(&self.config);
        }
    }

    /// While the target is down, batches are filled to what they can hold.
    fn hurry_or_not(&mut self) {
        let is_unhurried = self.courier.is_waiting();
        self.stages.batcher_mut().set_unhurried(is_unhurried);
    }

    fn close_batch(&mut self, cause: Cause) {
        if let Some(batch) = self.stages.batcher_mut().close() {
            self.batches.closed(&batch, cause);
            self.courier.push([batch], Instant::now());
        }
    }

    fn tend(&mut self) {
        let now = Instant::now();
        if let Some(cause) = self.stages.batcher().due(now) {
            self.close_batch(cause);
        }
        self.courier.tend(now, wall_nanos());
        self.bury();
    }

    fn wakes_at(&self) -> Option<Instant> {
        [self.stages.batcher().closes_at(), self.courier.wakes_at()].into_iter().flatten().min()
    }

    fn dispatch(&mut self, sending: &mut FuturesUnordered<Sending>) {
        while let Some(outgoing) = self.courier.next(Instant::now()) {
            let transport = Arc::clone(&self.transport);
            self.batches.sent_bytes += outgoing.body.len() as u64;
            let send = async move {
                let began = Instant::now();
                let outcome = transport.send(&outgoing).await;
                (outgoing, outcome, began.elapsed())
            };
            sending.push(send.boxed());
        }
    }

    fn settle(&mut self, outgoing: &Outgoing, outcome: Result<Answer, Fault>) {
        let moment = Moment { now: Instant::now(), wall: SystemTime::now(), chance: fastrand::f64() };
        self.courier.settle(outgoing, outcome, moment);
        self.hurry_or_not();
        self.bury();
    }

    fn bury(&mut self) {
        let dead = self.courier.take_dead_letters();
        if let Some(file) = &mut self.dead {
            file.write(&self.config.name, &dead);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Flush(answer) => {
                self.close_batch(Cause::Flush);
                self.courier.hurry();
                let account = self.courier.account();
                self.flushes.push(Flush {
                    answer,
                    up_to: self.courier.queue().latest(),
                    delivered: account.delivered(),
                    rejected: account.rejected(),
                    dropped: account.dropped(),
                    failures: self.courier.failures(),
                });
            }
        }
    }

    /// Answers those for whom there is a verdict: nothing that they asked for waits any more, or the target has failed since.
    fn answer_flushes(&mut self, is_idle: bool) {
        let account = self.courier.account();
        let queue = self.courier.queue();
        let failures = self.courier.failures();
        let (done, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flushes)
            .into_iter()
            .partition(|flush| !queue.holds_up_to(flush.up_to) || (is_idle && failures > flush.failures));
        self.flushes = waiting;
        for flush in done {
            let _ = flush.answer.send(Flushed {
                delivered: account.delivered() - flush.delivered,
                rejected: account.rejected() - flush.rejected,
                dropped: account.dropped() - flush.dropped,
                queued: queue.points_up_to(flush.up_to),
                trouble: self.courier.trouble().to_owned(),
            });
        }
    }

    fn publish(&self) {
        let open = self.stages.batcher().points();
        let new = Figures::of(
            &self.config,
            &self.courier,
            &self.batches,
            open,
            self.damaged,
            wall_nanos(),
            self.began.elapsed(),
        );
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

/// The spool of a target in the folder of spools.
#[must_use]
pub fn spool_path(folder: &std::path::Path, target: &str) -> PathBuf {
    folder.join(format!("{target}.spool"))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn wall_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
