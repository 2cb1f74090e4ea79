//! Listens to one engine and keeps the sampler's picture of its containers true.
//!
//! A full listing at start, after every reconnection and on a slow interval; in between, the event stream
//! says what changed, and the container that it names is inspected. A container whose inspection hangs
//! holds up nobody else.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Client, Details, Error, Event, EventStream, Image, Info, Listing, Version};
use plimsoll_model::agent::{Engine, EngineFacts};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::inbox::{Change, Inbox};
use crate::known::Known;
use crate::{Options, nanos, unix_now};

/// The most requests under way at once.
const MAX_REQUESTS: usize = 16;

/// How often the watcher does what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// In a quiet time, one request in this long: a ping, or in its turn a full listing.
    pub check: Duration,
    /// Every how many checks a full listing is made.
    pub listing_every: u32,
    /// The first wait before a reconnection; doubled each time.
    pub retry_first: Duration,
    /// The longest wait before a reconnection.
    pub retry_most: Duration,
    /// How long the first look at all containers may take before sampling goes on without the rest.
    pub settle: Duration,
    /// The wait before a failed inspection is tried again.
    pub inspect_again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            check: Duration::from_secs(60),
            listing_every: 5,
            retry_first: Duration::from_millis(100),
            retry_most: Duration::from_secs(2),
            settle: Duration::from_secs(3),
            inspect_again: Duration::from_secs(2),
        }
    }
}

/// Listens to one engine.
#[derive(Debug)]
pub struct Watcher {
    client: Client,
    inbox: Arc<Inbox>,
    pace: Pace,
    known: Known,
    status: Engine,
    synchronised: bool,
    last_look: Option<u64>,
    /// Parts of listings and of event streams that have ended which could not be understood.
    broken_before: u64,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("the engine closed the event stream")]
    Closed,
}

/// An answer, or what it was that failed.
enum Answer {
    Inspected(String, Result<Box<Details>, Error>),
    Image(String, Result<Image, Error>),
    Listed(Result<Listing, Error>),
    Pinged(Result<(), Error>),
}

/// What is under way in one session.
#[derive(Default)]
struct Work {
    jobs: JoinSet<Answer>,
    /// Containers to inspect.
    queue: VecDeque<String>,
    queued: HashSet<String>,
    /// Containers being inspected; `true` if something happened since the request was sent.
    asked: HashMap<String, bool>,
    /// Containers whose inspection failed, and when it is tried again, the first to come first.
    later: VecDeque<(Instant, String)>,
    /// Containers whose limits may have changed.
    updated: HashSet<String>,
    images: HashSet<String>,
}

impl Watcher {
    /// A watcher of this engine.
    #[must_use]
    pub fn new(client: Client, options: Options, inbox: Arc<Inbox>) -> Self {
        let name: Arc<str> = "docker".into();
        Self {
            status: Engine {
                name: Arc::clone(&name),
                endpoint: client.endpoint().to_string().into(),
                up: false,
                facts: None,
                trouble: "not asked yet".into(),
                requests: 0,
                failures: 0,
                timeouts: 0,
                broken: 0,
            },
            known: Known::new(name, options.filter, options.labels),
            client,
            inbox,
            pace: Pace::default(),
            synchronised: false,
            last_look: None,
            broken_before: 0,
        }
    }

    /// As [`Watcher::new`], at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Listens for as long as it is let.
    pub async fn run(mut self) {
        self.tell_engine().await;
        let mut delay = self.pace.retry_first;
        loop {
            let Err(lost) = self.session().await;
            if self.status.up {
                delay = self.pace.retry_first;
            }
            self.is_down(&lost).await;
            sleep(jittered(delay)).await;
            delay = (delay * 2).min(self.pace.retry_most);
        }
    }

    /// One connection, from the first word to the last.
    async fn session(&mut self) -> Result<std::convert::Infallible, Lost> {
        let began = Instant::now();
        self.status.requests += 1;
        let version = self.client.version().await?;
        // First the stream, then the listing: what happens in between is told by one or the other.
        self.status.requests += 1;
        let since = unix_now();
        let mut events = self.client.events(None).await?;
        self.known.heard_since(since);
        self.status.requests += 2;
        let (info, listing) = tokio::join!(self.client.info(), self.client.containers());
        let (info, listing) = (info?, listing?);
        let mut work = Work::default();
        let count = listing.containers.len();
        self.take_listing(&listing, true, &mut work).await;
        self.is_up(&version, info, count).await;
        let outcome = self.listen(&mut events, work, began).await;
        self.broken_before += events.skipped();
        outcome
    }

    async fn listen(
        &mut self,
        events: &mut EventStream,
        mut work: Work,
        began: Instant,
    ) -> Result<std::convert::Infallible, Lost> {
        let settled = sleep(self.pace.settle);
        tokio::pin!(settled);
        let mut check = tokio::time::interval_at(Instant::now() + self.pace.check, self.pace.check);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut checks, mut skipped, mut settling) = (0u32, 0, true);
        loop {
            self.ask(&mut work);
            let again = work.later.front().map(|(at, _)| *at);
            if settling && work.jobs.is_empty() && work.queue.is_empty() {
                settling = false;
                self.last_look = Some(nanos(began.elapsed()));
                self.tell_engine().await;
                self.synchronise().await;
            }
            tokio::select! {
                event = events.next() => {
                    let event = event?.ok_or(Lost::Closed)?;
                    self.take_event(&event, &mut work).await;
                }
                Some(answer) = work.jobs.join_next() => {
                    let failures = self.status.failures;
                    if let Ok(answer) = answer {
                        self.take_answer(answer, &mut work).await?;
                    }
                    if work.jobs.is_empty() || self.status.failures > failures {
                        self.status.broken = self.broken_before + events.skipped();
                        self.tell_engine().await;
                    }
                }
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {
                    if let Some((_, id)) = work.later.pop_front() {
                        work.inspect(&id);
                    }
                }
                _ = check.tick() => {
                    checks += 1;
                    // What could not be understood may have told of a change.
                    let has_holes = events.skipped() > std::mem::replace(&mut skipped, events.skipped());
                    let listing = has_holes || checks % self.pace.listing_every.max(1) == 0;
                    self.check(listing, &mut work);
                }
                () = &mut settled, if settling => {
                    settling = false;
                    self.synchronise().await;
                }
            }
        }
    }

    /// Sends what is waiting, as far as there is room.
    fn ask(&mut self, work: &mut Work) {
        while work.jobs.len() < MAX_REQUESTS
            && let Some(id) = work.queue.pop_front()
        {
            work.queued.remove(&id);
            work.asked.insert(id.clone(), false);
            self.status.requests += 1;
            let client = self.client.clone();
            work.jobs.spawn(async move {
                let details = client.inspect(&id).await.map(Box::new);
                Answer::Inspected(id, details)
            });
        }
    }

    fn check(&mut self, listing: bool, work: &mut Work) {
        self.status.requests += 1;
        let client = self.client.clone();
        if listing {
            work.jobs.spawn(async move { Answer::Listed(client.containers().await) });
        } else {
            work.jobs.spawn(async move { Answer::Pinged(client.ping().await) });
        }
    }

    async fn take_event(&mut self, event: &Event, work: &mut Work) {
        let (change, inspect) = self.known.event(event, unix_now());
        self.tell(change).await;
        if let (true, Some(id)) = (inspect, &event.container) {
            if event.action == plimsoll_engine::Action::Update {
                work.updated.insert(id.clone());
            }
            work.inspect(id);
        }
    }

    async fn take_answer(&mut self, answer: Answer, work: &mut Work) -> Result<(), Lost> {
        match answer {
            Answer::Inspected(id, Ok(details)) => {
                let limits_changed = work.updated.remove(&id);
                let (change, image) = self.known.inspected(&details, limits_changed);
                self.tell(change).await;
                if work.asked.remove(&id) == Some(true) {
                    work.inspect(&id);
                }
                if let Some(image) = image.filter(|image| work.images.insert(image.clone())) {
                    self.status.requests += 1;
                    let client = self.client.clone();
                    work.jobs.spawn(async move {
                        let found = client.image(&image).await;
                        Answer::Image(image, found)
                    });
                }
            }
            Answer::Inspected(id, Err(error)) => {
                work.asked.remove(&id);
                if error.is_not_found() {
                    let change = self.known.removed(&id);
                    self.tell(change).await;
                } else {
                    self.count(&error);
                    tracing::debug!("{}", chain(&error));
                    if self.known.contains(&id) {
                        work.later.push_back((Instant::now() + self.pace.inspect_again, id));
                    }
                }
            }
            Answer::Image(id, Ok(image)) => {
                for change in self.known.image(&id, &image) {
                    self.tell(Some(change)).await;
                }
            }
            // An image can be removed while its containers live on.
            Answer::Image(id, Err(error)) => {
                if !error.is_not_found() {
                    self.count(&error);
                    work.images.remove(&id);
                }
            }
            Answer::Listed(listing) => {
                let listing = listing?;
                self.take_listing(&listing, false, work).await;
            }
            Answer::Pinged(pong) => pong?,
        }
        Ok(())
    }

    async fn take_listing(&mut self, listing: &Listing, first: bool, work: &mut Work) {
        self.broken_before += listing.broken as u64;
        self.status.broken = self.status.broken.max(self.broken_before);
        let (changes, inspect) = self.known.listed(&listing.containers, first, unix_now());
        for change in changes {
            self.tell(Some(change)).await;
        }
        for id in &inspect {
            work.inspect(id);
        }
    }

    fn count(&mut self, error: &Error) {
        self.status.failures += 1;
        self.status.timeouts += u64::from(error.is_timeout());
    }

    async fn is_up(&mut self, version: &Version, info: Info, count: usize) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let facts = EngineFacts {
            version: text(&version.version),
            api_version: version.api_version.clone(),
            cgroup_version: text(&info.cgroup_version),
            cgroup_driver: text(&info.cgroup_driver),
            storage_driver: text(&info.driver),
            rootless: info.rootless,
        };
        tracing::info!(
            "{} {} answers at {}; containers: {count}",
            self.status.name,
            facts.version,
            self.status.endpoint
        );
        self.status.up = true;
        self.status.trouble = "".into();
        self.status.facts = Some(Arc::new(facts));
        self.tell_engine().await;
        self.inbox.want_pass();
    }

    async fn is_down(&mut self, lost: &Lost) {
        if let Lost::Engine(error) = lost {
            self.count(error);
        }
        let trouble = chain(lost);
        if self.status.up || *self.status.trouble != *trouble {
            tracing::warn!(
                "{} does not answer: {trouble}; sampling goes on with the containers that are known, and it is tried again",
                self.status.name
            );
        }
        self.status.up = false;
        self.status.trouble = trouble.into();
        self.tell_engine().await;
        self.synchronise().await;
        // However long the interval is, that the engine is away shows at once.
        self.inbox.want_pass();
    }

    async fn synchronise(&mut self) {
        if !std::mem::replace(&mut self.synchronised, true) {
            self.tell(Some(Change::Synchronised)).await;
            self.inbox.want_pass();
        }
    }

    async fn tell_engine(&mut self) {
        let change = Change::Engine {
            engine: self.status.clone(),
            label_loss: self.known.loss,
            duration: self.last_look,
        };
        self.tell(Some(change)).await;
    }

    async fn tell(&self, change: Option<Change>) {
        let Some(mut change) = change else { return };
        while let Err(unsent) = self.inbox.put(change) {
            change = *unsent;
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Work {
    /// Has the container inspected, or inspected again if that is under way.
    fn inspect(&mut self, id: &str) {
        if let Some(again) = self.asked.get_mut(id) {
            *again = true;
        } else if self.queued.insert(id.to_owned()) {
            self.queue.push_back(id.to_owned());
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Between half of the delay and all of it, so that many agents do not come back at once.
fn jittered(delay: Duration) -> Duration {
    let part = u32::try_from(unix_now() % 1000).unwrap_or(0);
    delay / 2 + delay / 2000 * part
}
