//! The account of a target's points: collected = delivered + rejected + dropped + queued, always.
//!
//! Points move from one column to another and are never made or lost on the way: the only way in is [`Account::collect`], and
//! every other method takes from what is queued.
//!
//! ```
//! use plimsoll_deliver::account::Account;
//!
//! let mut account = Account::default();
//! account.collect(10);
//! account.deliver(6);
//! account.reject("malformed", 1);
//! account.drop("queue_full", 2);
//! assert_eq!(account.queued(), 1);
//! assert_eq!(account.collected(), account.delivered() + account.rejected() + account.dropped() + account.queued());
//! ```

use std::collections::BTreeMap;

/// Where all points of a target are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    collected: u64,
    delivered: u64,
    rejected: BTreeMap<&'static str, u64>,
    dropped: BTreeMap<&'static str, u64>,
    queued: u64,
    resent: u64,
}

impl Account {
    /// Points that are taken in; until something becomes of them they are queued.
    pub fn collect(&mut self, points: u64) {
        self.collected += points;
        self.queued += points;
    }

    /// The target has them.
    pub fn deliver(&mut self, points: u64) {
        self.delivered += self.take(points);
    }

    /// The target, or the format, does not want them.
    pub fn reject(&mut self, reason: &'static str, points: u64) {
        let points = self.take(points);
        if points > 0 {
            *self.rejected.entry(reason).or_default() += points;
        }
    }

    /// They were given up.
    pub fn drop(&mut self, reason: &'static str, points: u64) {
        let points = self.take(points);
        if points > 0 {
            *self.dropped.entry(reason).or_default() += points;
        }
    }

    /// They were sent once more. They stay where they are.
    pub fn resend(&mut self, points: u64) {
        self.resent += points;
    }

    /// Points that came in since the start, those that were found in the spool included.
    #[must_use]
    pub fn collected(&self) -> u64 {
        self.collected
    }

    /// Points that the target has.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Points that the target or the format refused.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Points that were given up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Points that are still to be delivered, those under way included.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Points that were sent more than once, each time counted.
    #[must_use]
    pub fn resent(&self) -> u64 {
        self.resent
    }

    /// What was refused, by reason.
    #[must_use]
    pub fn rejected_by_reason(&self) -> &BTreeMap<&'static str, u64> {
        &self.rejected
    }

    /// What was given up, by reason.
    #[must_use]
    pub fn dropped_by_reason(&self) -> &BTreeMap<&'static str, u64> {
        &self.dropped
    }

    /// Takes from what is queued, at most what there is: an account cannot be overdrawn.
    fn take(&mut self, points: u64) -> u64 {
        debug_assert!(points <= self.queued, "{points} of {} queued points", self.queued);
        let points = points.min(self.queued);
        self.queued -= points;
        points
    }
}
