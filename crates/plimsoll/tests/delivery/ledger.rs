//! The accounts that targets keep, as `/metrics` shows them.

use std::collections::BTreeMap;

use crate::exposition::Exposition;

/// What was seen of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// How many times an account was looked at.
    pub(crate) looks: usize,
    /// Points that waited for each target when its account was last looked at.
    queued: BTreeMap<String, f64>,
    /// Ticks that each target missed in this life.
    missed: BTreeMap<String, f64>,
    /// The same in the lives before.
    missed_before: BTreeMap<String, f64>,
}

impl Ledger {
    /// Holds the account of every target to the equation, and to what must never happen here.
    #[track_caller]
    pub(crate) fn look(&mut self, metrics: &Exposition) {
        let points = |target: &str, outcome: &str| -> f64 {
            let labels = [("target", target), ("outcome", outcome)];
            metrics.all("plimsoll_delivery_points_total", &labels).iter().map(|sample| sample.value).sum()
        };
        for sample in metrics.all("plimsoll_delivery_points_total", &[("outcome", "collected")]) {
            let target = sample.label("target");
            let waiting = metrics.all("plimsoll_delivery_queue_points", &[("target", target)]);
            let queued: f64 = waiting.iter().map(|sample| sample.value).sum();
            let [delivered, rejected, dropped] =
                ["delivered", "rejected", "dropped"].map(|outcome| points(target, outcome));
            let account = format!(
                "{target}: collected {}, delivered {delivered}, rejected {rejected}, dropped {dropped}, queued {queued}",
                sample.value
            );
            assert_eq!(sample.value, delivered + rejected + dropped + queued, "{account}");
            assert_eq!((rejected, dropped), (0.0, 0.0), "{account}");
            self.queued.insert(target.to_owned(), queued);
            self.looks += 1;
        }
        for sample in metrics.all("plimsoll_delivery_ticks_missed_total", &[]) {
            self.missed.insert(sample.label("target").to_owned(), sample.value);
        }
    }

    /// The agent begins anew, and so do its counters.
    pub(crate) fn next_life(&mut self) {
        for (target, missed) in std::mem::take(&mut self.missed) {
            *self.missed_before.entry(target).or_default() += missed;
        }
        self.queued.clear();
    }

    /// Points that wait for a target.
    pub(crate) fn queued(&self, target: &str) -> f64 {
        self.queued.get(target).copied().unwrap_or_default()
    }

    /// How many ticks a target missed in all lives.
    pub(crate) fn missed(&self, target: &str) -> f64 {
        let of = |by_target: &BTreeMap<String, f64>| by_target.get(target).copied().unwrap_or_default();
        of(&self.missed) + of(&self.missed_before)
    }
}
