//! Where readers hand their points over: to every target, at the pace of the slowest.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plimsoll_deliver::Intake;
use plimsoll_wire::point::Point;
use tokio::sync::mpsc;

use crate::delivery::progress;
use crate::output;

/// Lines that are none are told one by one up to so many.
const TOLD: u64 = 10;

/// What readers hand points to. The targets' intake ends with its last copy.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    targets: Vec<mpsc::Sender<Intake>>,
    pub(super) counts: Arc<Counts>,
}

/// How much came.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Points that were read.
    points: AtomicU64,
    /// Lines that are none.
    bad: AtomicU64,
    /// Points that came when nobody took any more.
    late: AtomicU64,
    /// Bytes that were read.
    bytes: AtomicU64,
    /// Whether a source broke off.
    is_broken: AtomicBool,
}

impl Counts {
    pub(super) fn read(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn points(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }

    /// A line is no point.
    pub(super) fn bad(&self, place: &str, line: u64, what: &dyn fmt::Display) {
        let before = self.bad.fetch_add(1, Ordering::Relaxed);
        if before < TOLD {
            say(&format!("{place}, line {line}: {what}"));
        } else if before == TOLD {
            say("more lines are none; they are counted");
        }
    }

    /// A source broke off.
    pub(super) fn broken(&self, place: &str, what: &dyn fmt::Display) {
        self.is_broken.store(true, Ordering::Relaxed);
        say(&format!("{place}: {what}"));
    }

    /// Whether all that came was taken.
    pub(super) fn is_well(&self) -> bool {
        let none = |count: &AtomicU64| count.load(Ordering::Relaxed) == 0;
        none(&self.bad) && none(&self.late) && !self.is_broken.load(Ordering::Relaxed)
    }

    /// The first line of the summary.
    pub(super) fn told(&self) -> String {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let late = match count(&self.late) {
            0 => String::new(),
            late => format!(", points that came too late {late}"),
        };
        format!("points read {}, lines that are none {}{late}\n", count(&self.points), count(&self.bad))
    }
}

fn say(line: &str) {
    progress::make_way();
    output::warn(line);
}

/// Nobody takes points any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended;

impl Feed {
    pub(super) fn new(targets: Vec<mpsc::Sender<Intake>>) -> Self {
        Self { targets, counts: Arc::default() }
    }

    /// Hands points over as soon as every target has room for them.
    pub(super) async fn send(&self, points: Vec<Point>) -> Result<(), Ended> {
        let count = points.len() as u64;
        self.counts.points.fetch_add(count, Ordering::Relaxed);
        let Some((last, others)) = self.targets.split_last() else { return Err(Ended) };
        let mut is_taken = true;
        for target in others {
            is_taken &= target.send(Intake::Points(points.clone())).await.is_ok();
        }
        is_taken &= last.send(Intake::Points(points)).await.is_ok();
        if is_taken {
            return Ok(());
        }
        self.counts.late.fetch_add(count, Ordering::Relaxed);
        Err(Ended)
    }
}
