//! Listens to one engine and keeps the sampler's picture of its containers true.
//!
//! A full listing at start, after every reconnection and on a slow interval; in between, the event stream
//! says what changed, and the container that it names is inspected. A stream that broke is resumed where it
//! ended, as far as the engine remembers; inspections tell the rest. A container whose inspection hangs
//! holds up nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Client, Endpoint, Event, EventStream, Flavour, Info, Listing, Version};
use plimsoll_model::State;
use plimsoll_model::agent::{Engine, EngineFacts, EngineState};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::api::Chosen;
use crate::disk::{Counting, Disk, Subject};
use crate::inbox::{Change, Inbox};
use crate::jitter::{chance, shortened};
use crate::known::Known;
use crate::lost::{Lost, chain};
use crate::recent::Recent;
use crate::source::Origin;
use crate::together::{Claims, FirstLook, Naming};
use crate::work::{Answer, Work};
use crate::{Options, api, nanos, unix_now};

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
    /// The wait before a failed inspection is tried again; doubled each time, five times at most.
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

/// A resumed stream begins with what was missed, in one go. That it is over shows in a pause of this length.
const REPLAY_PAUSE: Duration = Duration::from_millis(30);

/// Of an absence of the agent that was longer than this, engines are not asked what happened in it.
const LONGEST_PAST: u64 = 24 * 3600 * 1_000_000_000;

/// How many times as long as usual a slow engine's answers are waited for, after as many tries in vain.
const MOST_PATIENCE: u32 = 8;

/// The longest wait before an engine is tried again through ssh, where each try is a login.
const LONGEST_LOGIN_WAIT: Duration = Duration::from_secs(30);

/// An engine whose events never pause is not waited for longer than this.
const REPLAY_MOST: Duration = Duration::from_secs(1);

/// The most containers that wait for the engine to count what they take on disk.
const MAX_QUESTIONS: usize = 1024;

/// Listens to one engine.
#[derive(Debug)]
pub struct Watcher {
    client: Client,
    naming: Naming,
    claims: Claims,
    inbox: Arc<Inbox>,
    pace: Pace,
    known: Known,
    origin: Arc<Origin>,
    /// The containers whose numbers are wanted, for whoever asks the API for them.
    measured: watch::Sender<api::Measured>,
    chosen: Option<Chosen>,
    disk: Option<(Disk, mpsc::Sender<String>)>,
    /// Has the engine count what is asked for.
    counting: Option<Counting>,
    status: Engine,
    /// Who it said it was.
    identity: Option<(Flavour, Option<String>)>,
    recent: Recent,
    /// Where a new stream of events goes on, in Unix nanoseconds by the engine's clock.
    resume: Option<u64>,
    /// Given up when the first look is over.
    first_look: Option<FirstLook>,
    /// Whether there is nobody else whose first look the sampler waits for.
    is_alone: bool,
    last_look: Option<u64>,
    /// Parts of listings and of event streams that have ended which could not be understood.
    broken_before: u64,
}

impl Watcher {
    /// A watcher of this engine.
    #[must_use]
    pub fn new(client: Client, naming: Naming, options: Options, inbox: Arc<Inbox>) -> Self {
        let name = naming.name(naming.flavour.unwrap_or_default());
        let origin = Arc::new(Origin::new(options.source));
        let status = Engine::new(&name, &client.endpoint().to_string());
        // Only on this machine the engine's clock is ours.
        let is_near = matches!(client.endpoint(), Endpoint::Unix(_));
        let resume =
            options.past.until.filter(|until| is_near && unix_now().saturating_sub(*until) < LONGEST_PAST);
        let (disk, counting) = match options.disk.clone() {
            None => (None, None),
            Some(disk) => {
                let (ask, questions) = mpsc::channel(MAX_QUESTIONS);
                let counting = Counting::new(&client, disk.clone(), Arc::clone(&origin), questions);
                (Some((disk, ask)), Some(counting))
            }
        };
        let mut known = Known::new(name, Arc::clone(&origin), options);
        known.heard_since(resume.unwrap_or(0));
        Self {
            status,
            known,
            first_look: None,
            is_alone: true,
            client,
            naming,
            claims: Claims::default(),
            inbox,
            pace: Pace::default(),
            origin,
            measured: watch::Sender::default(),
            chosen: None,
            disk,
            counting,
            identity: None,
            recent: Recent::default(),
            resume,
            last_look: None,
            broken_before: 0,
        }
    }

    /// As [`Watcher::new`], at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// As [`Watcher::new`], but where numbers come from the engine's API, only these containers' are asked for. Each
    /// one costs the engine a stream.
    #[must_use]
    pub fn asking_only_for(self, chosen: Chosen) -> Self {
        Self { chosen: Some(chosen), ..self }
    }

    /// Where the numbers of the engine's containers come from.
    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// As [`Watcher::new`], beside others.
    #[must_use]
    pub(crate) fn beside_others(mut self, claims: Claims, first_look: Option<FirstLook>) -> Self {
        self.claims = claims;
        self.first_look = first_look;
        self.is_alone = false;
        self
    }

    /// Listens for as long as it is let.
    pub async fn run(mut self) {
        if self.is_alone {
            self.first_look = Some(FirstLook::new(Arc::clone(&self.inbox)));
        }
        self.tell_engine().await;
        let asker = api::Asker {
            client: self.client.clone(),
            inbox: Arc::clone(&self.inbox),
            origin: Arc::clone(&self.origin),
            measured: self.measured.subscribe(),
            chosen: self.chosen.clone(),
            most: api::MAX_STREAMS,
        };
        let counting = self.counting.take();
        let counting = async {
            if let Some(counting) = counting {
                counting.run().await;
            }
        };
        let longest = match self.client.endpoint() {
            Endpoint::Ssh(_) => self.pace.retry_most.max(LONGEST_LOGIN_WAIT),
            _ => self.pace.retry_most,
        };
        let listening = async {
            let mut delay = self.pace.retry_first;
            let mut patience = 1;
            loop {
                let Err(lost) = self.session().await;
                if self.status.is_up() {
                    delay = self.pace.retry_first;
                    patience = 1;
                }
                if self.status.facts.is_none() {
                    // An engine that cannot tell of the past may well tell of now.
                    self.resume = None;
                }
                if lost.state() == EngineState::Timeout {
                    patience = (patience * 2).min(MOST_PATIENCE);
                }
                self.client.set_patience(patience);
                self.is_down(&lost).await;
                let is_duplicate = lost.state() == EngineState::Duplicate;
                sleep(if is_duplicate { self.pace.check } else { shortened(delay, chance()) }).await;
                delay = (delay * 2).min(longest);
            }
        };
        tokio::join!(listening, asker.run(), counting);
    }

    /// One connection, from the first word to the last.
    async fn session(&mut self) -> Result<Infallible, Lost> {
        let began = Instant::now();
        self.status.requests += 1;
        let version = self.client.version().await?;
        self.status.requests += 1;
        // What only describes the engine is not worth losing it: a proxy may forbid the question.
        let info = match self.client.info().await {
            Err(error) if error.is_refusal() => Info::default(),
            info => info?,
        };
        self.meet(&version, &info).await?;
        // First the stream, then the listing: what happens in between is told by one or the other.
        self.status.requests += 1;
        let subscribed = unix_now();
        let mut events = self.client.events(self.resume).await?;
        let mut work = Work::default();
        if self.resume.is_some() {
            self.hear_what_was_missed(&mut events, &mut work).await?;
        } else {
            self.known.heard_since(subscribed);
            // Only on this machine the engine's clock is ours.
            self.resume = matches!(self.client.endpoint(), Endpoint::Unix(_)).then_some(subscribed);
        }
        self.status.requests += 1;
        let listing = self.client.containers().await?;
        let count = listing.containers.len();
        self.take_listing(&listing, true, &mut work).await;
        self.is_up(&version, info, count).await;
        let outcome = self.listen(&mut events, work, began).await;
        self.broken_before += events.skipped();
        outcome
    }

    /// Makes sure that it is the engine that was spoken to before, and that nobody else listens to it.
    async fn meet(&mut self, version: &Version, info: &Info) -> Result<(), Lost> {
        let flavour = version.flavour;
        // Podman makes up another id for each answer.
        let id = info.id.clone().filter(|id| flavour == Flavour::Docker && !id.is_empty());
        let before = self.identity.replace((flavour, id.clone()));
        if before.as_ref().is_some_and(|(known_flavour, known_id)| {
            *known_flavour != flavour || (known_id.is_some() && id.is_some() && *known_id != id)
        }) {
            tracing::warn!(
                "another engine answers at {}; the containers of the one before are forgotten",
                self.status.endpoint
            );
            self.forget().await;
            self.identity = None;
            return Err(Lost::AnotherEngine);
        }
        if let Some(Err(other)) = id.map(|id| self.claims.claim(&id, self.client.endpoint())) {
            self.forget().await;
            return Err(Lost::Duplicate(other.to_string()));
        }
        let name = self.naming.name(flavour);
        if self.status.name != name {
            self.status.name = Arc::clone(&name);
            // Nothing is known under the other name: that an engine is of another family is found out first.
            self.known.forget(name);
        }
        if version.kernel.as_ref().is_some_and(|kernel| *kernel != plimsoll_kernel::release()) {
            self.origin.is_elsewhere();
        }
        self.measured.send_modify(|measured| {
            measured.flavour = flavour;
            measured.host_memory = info.mem_total;
        });
        Ok(())
    }

    async fn forget(&mut self) {
        let name = Arc::clone(&self.status.name);
        for change in self.known.forget(name) {
            self.tell(Some(change)).await;
        }
        self.recent = Recent::default();
        self.resume = None;
        self.origin.reset();
    }

    /// Takes in what the engine remembers of the time without a connection, before anything is inspected:
    /// an inspection tells the end of it all.
    async fn hear_what_was_missed(&mut self, events: &mut EventStream, work: &mut Work) -> Result<(), Lost> {
        let until = Instant::now() + REPLAY_MOST;
        while Instant::now() < until
            && let Ok(event) = timeout(REPLAY_PAUSE, events.next()).await
        {
            self.take_event(&event?.ok_or(Lost::Closed)?, work).await;
        }
        Ok(())
    }

    async fn listen(
        &mut self,
        events: &mut EventStream,
        mut work: Work,
        began: Instant,
    ) -> Result<Infallible, Lost> {
        let settled = sleep(self.pace.settle);
        tokio::pin!(settled);
        let mut check = tokio::time::interval_at(Instant::now() + self.pace.check, self.pace.check);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut checks, mut skipped, mut settling) = (0u32, 0, true);
        loop {
            self.status.requests += work.send(&self.client);
            let is_podman = self.identity.as_ref().is_some_and(|(flavour, _)| *flavour == Flavour::Podman);
            if is_podman && work.may_ask_pods() {
                let without = self.known.without_pod();
                if !without.is_empty() {
                    self.status.requests += 1;
                    work.ask_pods(&self.client, without);
                }
            }
            let again = work.next_again();
            if settling && work.is_done() {
                settling = false;
                self.last_look = Some(nanos(began.elapsed()));
                self.tell_engine().await;
                self.synchronise();
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
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => work.again(),
                _ = check.tick() => {
                    checks += 1;
                    work.checked();
                    self.status.requests += 1;
                    // What could not be understood may have told of a change.
                    let has_holes = events.skipped() > std::mem::replace(&mut skipped, events.skipped());
                    if has_holes || checks.is_multiple_of(self.pace.listing_every.max(1)) {
                        work.list(&self.client);
                    } else {
                        work.ping(&self.client);
                    }
                }
                () = &mut settled, if settling => {
                    settling = false;
                    self.synchronise();
                }
            }
        }
    }

    async fn take_event(&mut self, event: &Event, work: &mut Work) {
        if !self.recent.is_new(event) {
            return;
        }
        self.resume = self.resume.max(self.recent.latest);
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
                work.inspected(&id);
                if let Some(image) = image {
                    self.status.requests += u64::from(work.ask_image(&self.client, image));
                }
            }
            Answer::Inspected(id, Err(error)) if error.is_not_found() => {
                let change = self.known.removed(&id);
                self.tell(change).await;
                work.forget(&id);
            }
            Answer::Inspected(id, Err(error)) => {
                self.count(&error);
                tracing::debug!("{}", chain(&error));
                if self.known.contains(&id) {
                    work.failed(id, self.pace.inspect_again);
                } else {
                    work.forget(&id);
                }
            }
            Answer::Image(id, Ok(image)) => {
                for change in self.known.image(&id, &image) {
                    self.tell(Some(change)).await;
                }
            }
            // An image can be removed while its containers live on, and a proxy may forbid the question.
            Answer::Image(_, Err(error)) if error.is_refusal() => {}
            Answer::Image(id, Err(error)) => {
                self.count(&error);
                work.forget_image(&id);
            }
            Answer::Listed(listing) => {
                let listing = listing?;
                self.take_listing(&listing, false, work).await;
            }
            Answer::Pinged(pong) => pong?,
            Answer::Pods(without, pods) => {
                let pods = match pods {
                    Ok(pods) => pods,
                    // Nobody tells of pods here.
                    Err(error) if error.is_refusal() => BTreeMap::new(),
                    Err(error) => {
                        self.count(&error);
                        tracing::debug!("{}", chain(&error));
                        work.pods_told(true);
                        return Ok(());
                    }
                };
                work.pods_told(false);
                for change in self.known.pods(&without, &pods) {
                    self.tell(Some(change)).await;
                }
            }
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

    fn count(&mut self, error: &plimsoll_engine::Error) {
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
        self.client.set_patience(1);
        self.status.state = EngineState::Up;
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
        if self.status.is_up() || *self.status.trouble != *trouble {
            match lost {
                Lost::Duplicate(_) => tracing::warn!("{} is left alone: {trouble}", self.status.endpoint),
                // It was said when it was found.
                Lost::AnotherEngine => {}
                _ => tracing::warn!(
                    "{} does not answer: {trouble}; sampling goes on with the containers that are known, and it is tried again",
                    self.status.name
                ),
            }
        }
        self.status.state = lost.state();
        self.status.trouble = trouble.into();
        self.tell_engine().await;
        self.synchronise();
        // However long the interval is, that the engine is away shows at once.
        self.inbox.want_pass();
    }

    fn synchronise(&mut self) {
        if self.first_look.take().is_some() {
            self.inbox.want_pass();
        }
    }

    async fn tell_engine(&mut self) {
        let change = Change::Engine {
            engine: self.status.clone(),
            origin: Arc::clone(&self.origin),
            label_loss: self.known.loss,
            duration: self.last_look,
        };
        self.tell(Some(change)).await;
    }

    async fn tell(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        match &change {
            Change::Container { container, whereabouts, origin, .. } => {
                if let Some((disk, ask)) = &self.disk {
                    let subject = Subject {
                        id: container.id.clone(),
                        name: container.display_name().to_owned(),
                        pid: whereabouts.pid,
                        storage: Arc::clone(&whereabouts.storage),
                        is_near: matches!(self.client.endpoint(), Endpoint::Unix(_)),
                        origin: Arc::clone(origin),
                        ask: ask.clone(),
                    };
                    disk.know(subject);
                }
                let runs = matches!(container.state, State::Running | State::Paused);
                set_measured(&self.measured, &container.id, runs);
            }
            Change::Removed { id } => {
                if let Some((disk, _)) = &self.disk {
                    disk.forget(id);
                }
                set_measured(&self.measured, id, false);
            }
            _ => {}
        }
        self.inbox.put_patiently(change).await;
    }
}

fn set_measured(measured: &watch::Sender<api::Measured>, id: &str, runs: bool) {
    measured.send_if_modified(|measured| {
        let containers: &mut BTreeSet<String> = &mut measured.containers;
        if runs {
            !containers.contains(id) && containers.insert(id.to_owned())
        } else {
            containers.remove(id)
        }
    });
}
