//! What a watcher has asked its engine and not heard yet, and what it will ask next. Bounded, and one
//! request that hangs or fails holds up nobody else's.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use plimsoll_engine::{Client, Details, Error, Image, Listing, PodMembership};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The most requests under way at once.
pub(crate) const MAX_REQUESTS: usize = 16;

/// How often a failed inspection's wait is doubled.
const MAX_DOUBLINGS: u32 = 5;

/// An answer, or what it was that failed.
pub(crate) enum Answer {
    Inspected(String, Result<Box<Details>, Error>),
    Image(String, Result<Image, Error>),
    Listed(Result<Listing, Error>),
    Pinged(Result<(), Error>),
    /// Also whom it was asked for: who has come since may be lacking in it.
    Pods(HashSet<String>, Result<BTreeMap<String, PodMembership>, Error>),
}

/// What is under way in one session.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) jobs: JoinSet<Answer>,
    /// Containers to inspect.
    queue: VecDeque<String>,
    queued: HashSet<String>,
    /// Containers being inspected; `true` if something happened since the request was sent.
    asked: HashMap<String, bool>,
    /// Containers whose inspection failed, and when it is tried again.
    later: BTreeMap<Instant, String>,
    failures: HashMap<String, u32>,
    /// Containers whose limits may have changed.
    pub(crate) updated: HashSet<String>,
    images: HashSet<String>,
    pods: Question,
}

/// Where a question is that is asked whenever there is something to ask.
#[derive(Default, PartialEq, Eq)]
enum Question {
    #[default]
    Free,
    Asked,
    /// It waits for the next check.
    Failed,
}

impl Work {
    /// Whether nothing is under way or waits for its turn.
    pub(crate) fn is_done(&self) -> bool {
        self.jobs.is_empty() && self.queue.is_empty()
    }

    /// Has the container inspected, or inspected again if that is under way.
    pub(crate) fn inspect(&mut self, id: &str) {
        if let Some(again) = self.asked.get_mut(id) {
            *again = true;
        } else if self.queued.insert(id.to_owned()) {
            self.queue.push_back(id.to_owned());
        }
    }

    /// Sends inspections that wait, as far as there is room. Returns how many.
    pub(crate) fn send(&mut self, client: &Client) -> u64 {
        let mut sent = 0;
        while self.jobs.len() < MAX_REQUESTS
            && let Some(id) = self.queue.pop_front()
        {
            self.queued.remove(&id);
            self.asked.insert(id.clone(), false);
            sent += 1;
            let client = client.clone();
            self.jobs.spawn(async move {
                let details = client.inspect(&id).await.map(Box::new);
                Answer::Inspected(id, details)
            });
        }
        sent
    }

    /// An inspection has succeeded. It is made again if something happened meanwhile.
    pub(crate) fn inspected(&mut self, id: &str) {
        self.failures.remove(id);
        if self.asked.remove(id) == Some(true) {
            self.inspect(id);
        }
    }

    /// The container is gone, and is not inspected again.
    pub(crate) fn forget(&mut self, id: &str) {
        self.asked.remove(id);
        self.failures.remove(id);
    }

    /// An inspection has failed. It is made again after `wait`, or longer if it has failed before.
    pub(crate) fn failed(&mut self, id: String, wait: Duration) {
        self.asked.remove(&id);
        let failures = self.failures.entry(id.clone()).or_default();
        let mut at = Instant::now() + wait * 2u32.pow((*failures).min(MAX_DOUBLINGS));
        *failures += 1;
        while self.later.contains_key(&at) {
            at += Duration::from_nanos(1);
        }
        self.later.insert(at, id);
    }

    /// When the next failed inspection is due.
    pub(crate) fn next_again(&self) -> Option<Instant> {
        self.later.first_key_value().map(|(at, _)| *at)
    }

    /// Makes the failed inspection again that is due.
    pub(crate) fn again(&mut self) {
        if let Some((_, id)) = self.later.pop_first() {
            self.inspect(&id);
        }
    }

    /// Asks for an image, unless that was done. Returns whether it was asked.
    pub(crate) fn ask_image(&mut self, client: &Client, image: String) -> bool {
        if !self.images.insert(image.clone()) {
            return false;
        }
        let client = client.clone();
        self.jobs.spawn(async move {
            let found = client.image(&image).await;
            Answer::Image(image, found)
        });
        true
    }

    /// The next container that uses this image may ask for it again.
    pub(crate) fn forget_image(&mut self, image: &str) {
        self.images.remove(image);
    }

    /// Whether [`ask_pods`](Self::ask_pods) may be called: it was answered, if it was asked at all.
    pub(crate) fn may_ask_pods(&self) -> bool {
        self.pods == Question::Free
    }

    /// Asks in which pods these containers are.
    pub(crate) fn ask_pods(&mut self, client: &Client, who: HashSet<String>) {
        self.pods = Question::Asked;
        let client = client.clone();
        self.jobs.spawn(async move { Answer::Pods(who, client.pods().await) });
    }

    pub(crate) fn pods_told(&mut self, in_vain: bool) {
        self.pods = if in_vain { Question::Failed } else { Question::Free };
    }

    /// What has failed may be asked again.
    pub(crate) fn checked(&mut self) {
        if self.pods == Question::Failed {
            self.pods = Question::Free;
        }
    }

    pub(crate) fn list(&mut self, client: &Client) {
        let client = client.clone();
        self.jobs.spawn(async move { Answer::Listed(client.containers().await) });
    }

    pub(crate) fn ping(&mut self, client: &Client) {
        let client = client.clone();
        self.jobs.spawn(async move { Answer::Pinged(client.ping().await) });
    }
}
