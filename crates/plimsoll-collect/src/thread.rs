//! The sampler's own thread, and the handle by which others get snapshots.
//!
//! The thread wakes at multiples of the interval by the wall clock. A pass that takes too long makes the
//! deadlines that it covers be skipped and counted, never caught up. A scrape wakes it in between.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plimsoll_model::Snapshot;
use tokio::sync::watch;

use crate::inbox::{Inbox, Wake};
use crate::sampler::Sampler;
use crate::{nanos, unix_now};

/// How old a snapshot may be that a scrape is answered with.
pub const MAX_AGE: Duration = Duration::from_millis(100);

/// How long a scrape waits for the sampler before it takes what there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pass as the thread publishes it.
#[derive(Clone, Debug)]
struct Published {
    snapshot: Arc<Snapshot>,
    /// When the pass began.
    began: Instant,
    /// The last periodic pass: this one, or one before it that somebody may still be waiting for.
    tick: Option<Arc<Snapshot>>,
    synchronised: bool,
}

/// The thread in which a [`Sampler`] runs. It ends when this is stopped or dropped.
#[derive(Debug)]
pub struct SamplerThread {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl SamplerThread {
    /// Starts the thread, after a first pass.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(mut sampler: Sampler, interval: Duration) -> io::Result<(Self, Samples)> {
        let inbox = Arc::clone(sampler.inbox());
        let first = publish(&mut sampler, Pass::First);
        let (sender, receiver) = watch::channel(first);
        let thread = std::thread::Builder::new().name("sampler".to_owned()).spawn({
            let inbox = Arc::clone(&inbox);
            move || run(&mut sampler, &inbox, interval, &sender)
        })?;
        let samples = Samples { inbox: Arc::clone(&inbox), receiver, last_tick: 0 };
        Ok((Self { inbox, thread: Some(thread) }, samples))
    }

    /// Ends the thread after the pass that it is in.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for SamplerThread {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sampler's thread had panicked");
        }
    }
}

/// Why a pass is made.
#[derive(Clone, Copy)]
enum Pass<'a> {
    First,
    Periodic,
    Wanted(&'a watch::Sender<Published>),
}

fn publish(sampler: &mut Sampler, kind: Pass<'_>) -> Published {
    let began = Instant::now();
    let snapshot = sampler.pass(matches!(kind, Pass::Periodic));
    let tick = match kind {
        Pass::Periodic => Some(Arc::clone(&snapshot)),
        Pass::Wanted(sender) => sender.borrow().tick.clone(),
        Pass::First => None,
    };
    Published { snapshot, began, tick, synchronised: sampler.is_synchronised() }
}

fn run(sampler: &mut Sampler, inbox: &Inbox, interval: Duration, sender: &watch::Sender<Published>) {
    let mut deadline = Instant::now() + until_next(interval, unix_now());
    loop {
        let wake = inbox.wait(deadline.saturating_duration_since(Instant::now()));
        match wake {
            Wake::Stop => return,
            // However often somebody wants a pass, the periodic ones come, and serve them too.
            Wake::PassWanted if Instant::now() < deadline => {
                let published = publish(sampler, Pass::Wanted(sender));
                sender.send_replace(published);
            }
            Wake::PassWanted | Wake::Deadline => {
                sender.send_replace(publish(sampler, Pass::Periodic));
                let (next, missed) = next_deadline(deadline, Instant::now(), unix_now(), interval);
                deadline = next;
                sampler.missed(missed);
            }
        }
    }
}

/// The time from `wall` (Unix nanoseconds) to the next multiple of the interval.
fn until_next(interval: Duration, wall: u64) -> Duration {
    let nanos = nanos(interval).max(1);
    Duration::from_nanos(nanos - wall % nanos)
}

/// The deadline after `last`, and how many were missed by `now`. Aligned to the wall clock, so that a
/// clock that is set moves the deadlines, and never makes two of them come close together.
fn next_deadline(last: Instant, now: Instant, wall: u64, interval: Duration) -> (Instant, u64) {
    let mut next = now + until_next(interval, wall);
    if next.saturating_duration_since(last) < interval / 2 {
        next += interval;
    }
    let rounded = next.saturating_duration_since(last) + interval / 2;
    let ticks = nanos(rounded) / nanos(interval).max(1);
    (next, ticks.saturating_sub(1))
}

/// Hands out snapshots.
#[derive(Clone, Debug)]
pub struct Samples {
    inbox: Arc<Inbox>,
    receiver: watch::Receiver<Published>,
    /// The number of the last periodic snapshot that was handed out.
    last_tick: u64,
}

impl Samples {
    /// The last snapshot, however old.
    #[must_use]
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.receiver.borrow().snapshot)
    }

    /// A snapshot that is at most [`MAX_AGE`] old. Those who ask at the same time share one.
    pub async fn fresh(&self) -> Arc<Snapshot> {
        let mut receiver = self.receiver.clone();
        if self.receiver.borrow().began.elapsed() > MAX_AGE {
            receiver.mark_unchanged();
            self.inbox.want_pass();
            // A sampler that does not answer is one that hangs in the kernel: an old snapshot, with its
            // own time in `container_last_seen`, is better than none.
            let _ = tokio::time::timeout(PATIENCE, receiver.changed()).await;
        }
        self.latest()
    }

    /// Waits for the next periodic snapshot. One that is not fetched before the one after it is lost.
    pub async fn tick(&mut self) -> Arc<Snapshot> {
        loop {
            if self.receiver.changed().await.is_err() {
                // The thread has ended; nothing new will come.
                std::future::pending::<()>().await;
            }
            let tick = self.receiver.borrow_and_update().tick.clone();
            if let Some(tick) = tick.filter(|tick| tick.sequence > self.last_tick) {
                self.last_tick = tick.sequence;
                return tick;
            }
        }
    }

    /// Whether a pass has been made over all that the engine told of at start.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.receiver.borrow().synchronised
    }

    /// Waits until [`Samples::is_ready`].
    pub async fn ready(&self) -> Arc<Snapshot> {
        let mut receiver = self.receiver.clone();
        match receiver.wait_for(|published| published.synchronised).await {
            Ok(published) => Arc::clone(&published.snapshot),
            Err(_) => self.latest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn deadlines_are_aligned_and_never_caught_up() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        // last deadline, now, wall clock in milliseconds, next deadline, missed
        let cases = [
            (1000, 1005, 7_005, 2000, 0),
            (1000, 1999, 7_999, 2000, 0),
            (1000, 2001, 8_001, 3000, 1),
            (1000, 5500, 11_500, 6000, 4),
            // The wall clock runs a little behind: the deadline that was just served is not served again.
            (1000, 1001, 6_999, 2002, 0),
            // It was set forwards by 300 ms: the deadlines move along.
            (1000, 1005, 7_305, 1700, 0),
        ];
        for (last, now, wall, next, missed) in cases {
            let got = next_deadline(at(last), at(now), wall * 1_000_000, SECOND);
            assert_eq!(got, (at(next), missed), "last {last} now {now} wall {wall}");
        }
    }
}
