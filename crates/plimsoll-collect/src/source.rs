//! Where the numbers of an engine's containers come from: the kernel where it is ours, else the engine's API.
//!
//! Nobody can tell by an engine's address alone whether its containers run on this kernel: a socket may lead
//! into a virtual machine. So the sampler looks for the containers' cgroups, and what it finds decides, once
//! for the whole engine: a single container that is not found has its own reasons.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use plimsoll_model::agent::{EngineKept, Source};
use tokio::sync::Notify;

/// Where numbers shall come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceChoice {
    /// From the kernel where the containers run on it, else from the engine's API.
    #[default]
    Auto,
    /// From the kernel alone.
    Kernel,
    /// From the engine's API alone.
    Api,
}

/// Passes in which none of an engine's running containers was found before its API is asked.
const VAIN_PASSES: u32 = 3;

/// The decision for one engine, shared by its watcher, the sampler and whoever asks its API.
#[derive(Debug)]
pub struct Origin {
    choice: SourceChoice,
    decided: AtomicU8,
    /// Whether a running container was looked for in vain in this pass.
    missed: AtomicBool,
    vain_passes: AtomicU32,
    changed: Notify,
    requests: AtomicU64,
    failures: AtomicU64,
    timeouts: AtomicU64,
    broken: AtomicU64,
    /// What the engine keeps, as it was last told.
    kept: Mutex<EngineKept>,
}

/// How the requests for numbers went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    /// Those that failed.
    pub(crate) failures: u64,
    /// Those of them to which nothing was said in time.
    pub(crate) timeouts: u64,
    /// Parts of answers that could not be understood.
    pub(crate) broken: u64,
}

const UNDECIDED: u8 = 0;
const KERNEL: u8 = 1;
const API: u8 = 2;

impl Origin {
    /// No decision yet, unless the choice is one.
    #[must_use]
    pub fn new(choice: SourceChoice) -> Self {
        let origin = Self {
            choice,
            decided: AtomicU8::new(UNDECIDED),
            missed: AtomicBool::new(false),
            vain_passes: AtomicU32::new(0),
            changed: Notify::new(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            kept: Mutex::default(),
        };
        origin.reset();
        origin
    }

    /// Another engine answers now: what was decided for the one before does not hold for it.
    pub(crate) fn reset(&self) {
        self.vain_passes.store(0, Ordering::Relaxed);
        self.set(match self.choice {
            SourceChoice::Auto => UNDECIDED,
            SourceChoice::Kernel => KERNEL,
            SourceChoice::Api => API,
        });
    }

    /// What was decided; `None` until it is.
    pub(crate) fn decided(&self) -> Option<Source> {
        match self.decided.load(Ordering::Relaxed) {
            KERNEL => Some(Source::Kernel),
            API => Some(Source::Api),
            _ => None,
        }
    }

    /// A container was found in the kernel.
    pub(crate) fn found(&self) {
        self.decide(Source::Kernel);
    }

    /// The engine's containers cannot be in this kernel.
    pub(crate) fn is_elsewhere(&self) {
        self.decide(Source::Api);
    }

    fn decide(&self, source: Source) {
        if self.decided().is_none() {
            self.set(if source == Source::Kernel { KERNEL } else { API });
        }
    }

    fn set(&self, decided: u8) {
        self.decided.store(decided, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Decides anew.
    #[cfg(test)]
    pub(crate) fn set_for_test(&self, is_api: bool) {
        self.set(if is_api { API } else { KERNEL });
    }

    /// A running container was not found in the kernel.
    pub(crate) fn missed(&self) {
        self.missed.store(true, Ordering::Relaxed);
    }

    /// A periodic pass has ended. Returns whether it decided for the API.
    pub(crate) fn pass_ended(&self) -> bool {
        if !self.missed.swap(false, Ordering::Relaxed) || self.decided().is_some() {
            return false;
        }
        let vain = self.vain_passes.fetch_add(1, Ordering::Relaxed) + 1;
        if vain >= VAIN_PASSES {
            self.is_elsewhere();
        }
        vain >= VAIN_PASSES
    }

    /// The API was asked for numbers.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// It gave none, or fell silent.
    pub(crate) fn failed(&self, by_timeout: bool) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.timeouts.fetch_add(u64::from(by_timeout), Ordering::Relaxed);
    }

    /// Parts of its answers were nonsense.
    pub(crate) fn not_understood(&self, parts: u64) {
        self.broken.fetch_add(parts, Ordering::Relaxed);
    }

    /// How the requests for numbers went so far.
    pub(crate) fn counts(&self) -> Asked {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Asked {
            requests: load(&self.requests),
            failures: load(&self.failures),
            timeouts: load(&self.timeouts),
            broken: load(&self.broken),
        }
    }

    /// The engine told what it keeps.
    pub(crate) fn set_kept(&self, kept: EngineKept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// What the engine keeps.
    pub(crate) fn kept(&self) -> EngineKept {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the decision is this one, or is this one no more.
    pub(crate) async fn until(&self, is_api: bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if (self.decided() == Some(Source::Api)) == is_api {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_decides_and_what_is_not_takes_a_while() {
        let origin = Origin::new(SourceChoice::Auto);
        assert!(!origin.pass_ended(), "nothing was looked for");
        for pass in 1..=VAIN_PASSES {
            assert_eq!(origin.decided(), None);
            origin.missed();
            assert_eq!(origin.pass_ended(), pass == VAIN_PASSES);
        }
        assert_eq!(origin.decided(), Some(Source::Api));
        origin.reset();
        origin.missed();
        origin.found();
        origin.is_elsewhere();
        assert_eq!(origin.decided(), Some(Source::Kernel), "once decided, it stays");
        assert!(!origin.pass_ended());
    }

    #[test]
    fn a_choice_is_a_decision() {
        assert_eq!(Origin::new(SourceChoice::Kernel).decided(), Some(Source::Kernel));
        assert_eq!(Origin::new(SourceChoice::Api).decided(), Some(Source::Api));
    }
}
