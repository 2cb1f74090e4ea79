//! What an answer does to a batch, to the account, and to the pace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Courier, DeadLetter, HOLD, MAX_DEAD, Outgoing, TargetState, halve};
use crate::config::TargetKind;
use crate::format::Content;
use crate::verdict::{Answer, Fault, OUT_OF_ORDER, Verdict, judge};
use plimsoll_wire::remote_write::Version;

/// After so many points of a batch that were refused one by one, with none accepted, it is the batch that is refused.
const HOPELESS: u32 = 64;

/// The moment at which an answer came, by every clock that matters, and a number from 0 to 1 for the jitter.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the monotonic clock.
    pub now: Instant,
    /// By the wall clock.
    pub wall: SystemTime,
    /// A random number from 0 to 1.
    pub chance: f64,
}

impl Courier {
    /// Notes what came of a request.
    pub fn settle(&mut self, sent: &Outgoing, outcome: Result<Answer, Fault>, moment: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(entry) = self.queue.get_mut(sent.seq) {
            entry.in_flight = false;
        }
        let word = match &outcome {
            Ok(answer) => answer.status.to_string(),
            Err(fault) => fault.reason.to_owned(),
        };
        *self.requests.outcomes.entry(word).or_default() += 1;
        let verdict = match outcome {
            Ok(answer) => self.judge(sent, &answer, moment.wall),
            Err(fault) => {
                if let (true, Some(entry)) = (fault.may_have_arrived, self.queue.get_mut(sent.seq)) {
                    entry.maybe_sent = true;
                }
                Verdict::Retry { reason: fault.reason, after: None, message: fault.message }
            }
        };
        match verdict {
            Verdict::Delivered => self.delivered(sent, sent.points, 0, moment),
            // A target that has later samples of ours has this batch as well: an earlier attempt got through.
            Verdict::OutOfOrder { .. } | Verdict::Partial { reason: OUT_OF_ORDER, .. }
                if self.queue.get(sent.seq).is_some_and(|entry| entry.maybe_sent) =>
            {
                self.delivered(sent, sent.points, 0, moment);
            }
            Verdict::Partial { rejected, lines, reason, message } => {
                self.partial(sent, rejected, &lines, reason, message, moment);
            }
            Verdict::Malformed { message } => self.refused(sent, "malformed", message),
            Verdict::OutOfOrder { message } => self.refused(sent, OUT_OF_ORDER, message),
            Verdict::TooLarge => self.too_large(sent),
            Verdict::Unsupported => self.unsupported(sent, moment),
            Verdict::Retry { reason, after, message } => self.retry(sent, reason, after, &message, moment),
            Verdict::Hold { reason, message } => self.hold(reason, &message, moment),
        }
    }

    fn judge(&self, sent: &Outgoing, answer: &Answer, wall: SystemTime) -> Verdict {
        let is_version_2 = sent.format.content == Content::RemoteWrite(Version::V2);
        if is_version_2 && (200..300).contains(&answer.status) {
            // Who does not say how many samples were written has not understood version 2.
            return match answer.written {
                None => Verdict::Unsupported,
                Some(written) if written < sent.points => Verdict::Partial {
                    rejected: sent.points - written,
                    lines: Vec::new(),
                    reason: "refused",
                    message: "fewer samples were written than were sent".to_owned(),
                },
                Some(_) => Verdict::Delivered,
            };
        }
        judge(self.kind, answer, sent.points, wall)
    }

    fn delivered(&mut self, sent: &Outgoing, delivered: u64, rejected: u64, moment: Moment) {
        self.well();
        self.account.deliver(delivered);
        if let Some(entry) = self.queue.get_mut(sent.seq) {
            entry.refused_in_a_row = 0;
            entry.attempts = 0;
        }
        let wall = moment.wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let wall = i64::try_from(wall).unwrap_or(i64::MAX);
        self.requests.lag = u64::try_from(wall.saturating_sub(sent.last)).ok();
        self.part_is_done(sent, delivered + rejected);
    }

    fn partial(
        &mut self,
        sent: &Outgoing,
        rejected: u64,
        lines: &[u64],
        reason: &'static str,
        message: String,
        moment: Moment,
    ) {
        let rejected = rejected.min(sent.points);
        self.account.reject(reason, rejected);
        if rejected > 0 {
            let keep = &mut |index: u64, _: i64| lines.binary_search(&index).is_ok();
            self.bury(sent, reason, message, rejected, keep);
        }
        self.delivered(sent, sent.points - rejected, rejected, moment);
    }

    /// Nothing of it was taken: halves will tell which point is the reason.
    fn refused(&mut self, sent: &Outgoing, reason: &'static str, message: String) {
        self.well();
        let Some(entry) = self.queue.get_mut(sent.seq) else { return };
        if sent.points > 1 && entry.refused_in_a_row < HOPELESS {
            halve(&mut entry.parts, sent.part);
            return;
        }
        entry.refused_in_a_row += 1;
        self.account.reject(reason, sent.points);
        self.bury(sent, reason, message, sent.points, &mut |_, _| true);
        self.part_is_done(sent, sent.points);
    }

    fn too_large(&mut self, sent: &Outgoing) {
        self.well();
        let Some(entry) = self.queue.get_mut(sent.seq) else { return };
        if sent.points > 1 {
            let bytes = entry.raw_bytes.saturating_mul(sent.points) / entry.total.max(1);
            halve(&mut entry.parts, sent.part);
            self.largest = Some(self.largest.unwrap_or(u64::MAX).min((bytes / 2).max(1)));
            return;
        }
        self.account.drop("too_large", 1);
        self.bury(sent, "too_large", "too large for the target".to_owned(), 1, &mut |_, _| true);
        self.part_is_done(sent, 1);
    }

    fn unsupported(&mut self, sent: &Outgoing, moment: Moment) {
        if self.kind == TargetKind::RemoteWrite && sent.format.content == Content::RemoteWrite(Version::V2) {
            if !self.version_1 {
                info!("the target does not understand remote write 2.0; it gets 1.0 from now on");
            }
            self.version_1 = true;
            return;
        }
        self.hold("unsupported", "the target does not take this form of body (415)", moment);
    }

    fn retry(
        &mut self,
        sent: &Outgoing,
        reason: &'static str,
        after: Option<Duration>,
        message: &str,
        moment: Moment,
    ) {
        self.fail(TargetState::Retrying, reason, message);
        let wait = self.backoff.fail(moment.chance).max(after.unwrap_or_default());
        self.pause(moment.now + wait);
        let Some(entry) = self.queue.get_mut(sent.seq) else { return };
        entry.attempts = entry.attempts.saturating_add(1);
        entry.maybe_sent |= reason == "server_error";
        if self.max_retries.is_some_and(|most| entry.attempts > most) {
            self.give_up(sent.seq, "retries");
        }
    }

    fn hold(&mut self, reason: &'static str, message: &str, moment: Moment) {
        let state = match reason {
            "unauthorized" => TargetState::Unauthorized,
            "not_found" => TargetState::NotFound,
            _ => TargetState::Refusing,
        };
        self.fail(state, reason, message);
        // The first times soon, as a database may be about to be made; then seldom.
        let wait = self.backoff.fail(0.5 + moment.chance / 2.0).min(HOLD);
        self.pause(moment.now + wait);
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = Some(self.paused_until.map_or(until, |paused| paused.max(until)));
    }

    fn well(&mut self) {
        if !matches!(self.state, TargetState::Up | TargetState::Starting) {
            info!("the target answers again; points that wait: {}", self.queue.points());
        }
        self.state = TargetState::Up;
        self.trouble.clear();
        self.backoff.succeed();
        self.paused_until = None;
    }

    fn fail(&mut self, state: TargetState, reason: &str, message: &str) {
        self.failures += 1;
        if self.state != state {
            warn!("{reason}: {message}; nothing is lost, and it is tried again");
        }
        self.state = state;
        self.trouble = format!("{reason}: {message}");
    }

    /// Something became of a part: it leaves the batch.
    fn part_is_done(&mut self, sent: &Outgoing, points: u64) {
        if let Some(entry) = self.queue.get_mut(sent.seq) {
            entry.parts.pop();
        }
        self.queue.settle(sent.seq, points);
    }

    /// Keeps what was refused for whoever wants to know.
    fn bury(
        &mut self,
        sent: &Outgoing,
        reason: &'static str,
        message: String,
        points: u64,
        keep: &mut dyn FnMut(u64, i64) -> bool,
    ) {
        if !self.keeps_dead || self.dead.len() >= MAX_DEAD {
            return;
        }
        let body = sent
            .format
            .retain(&sent.body, keep)
            .ok()
            .filter(|retained| retained.points > 0)
            .and_then(|retained| sent.format.coding.decompress(&retained.body).ok())
            .unwrap_or_default();
        self.dead.push(DeadLetter { reason, message, format: sent.format, body, points });
    }
}
