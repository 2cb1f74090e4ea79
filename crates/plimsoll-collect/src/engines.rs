//! All engines of a machine: one watcher each, and containers by their cgroups where there is none.
//!
//! Engines come and go while the agent runs (a user logs in, a virtual machine starts), so the places where
//! they listen are looked at again and again. Each engine has its own watcher: one that is away, hangs or
//! talks nonsense does not concern the others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Client, Discovery, Found, Problem};
use plimsoll_model::agent::{Engine, EngineState};
use plimsoll_model::container::LabelLoss;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::Options;
use crate::inbox::{Change, Inbox};
use crate::recognise::Recogniser;
use crate::source::{Origin, SourceChoice};
use crate::together::{Claims, FirstLook, Naming};
use crate::watch::{Pace, Watcher};

/// How often the places where engines listen are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// After how many looks in vain an engine whose socket is gone is forgotten, and its containers with it: a
/// restart takes the socket away too.
const LOOKS_IN_VAIN: u32 = 12;

/// Looks for engines; called again and again.
pub type Discover = Box<dyn FnMut() -> Discovery + Send>;

/// Where engines come from.
pub enum Which {
    /// These and no others.
    Named(Discovery),
    /// Whatever is found, now and later.
    Found(Discover),
    /// None: containers are recognised by their cgroups.
    None,
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(_) => "Named",
            Self::Found(_) => "Found",
            Self::None => "None",
        })
    }
}

/// Listens to all engines.
#[derive(Debug)]
pub struct Engines {
    which: Which,
    recogniser: Option<Recogniser>,
    options: Options,
    inbox: Arc<Inbox>,
    pace: Pace,
    claims: Claims,
    tasks: JoinSet<()>,
    watched: BTreeMap<String, Watched>,
    problems: BTreeMap<String, Arc<Origin>>,
    recognising: Option<(AbortHandle, Arc<Origin>)>,
}

#[derive(Debug)]
struct Watched {
    found: Found,
    task: AbortHandle,
    origin: Arc<Origin>,
    looks_in_vain: u32,
}

impl Engines {
    /// Listens to these engines once it [runs](Self::run). The recogniser takes their place where none is
    /// found or wanted.
    #[must_use]
    pub fn new(which: Which, recogniser: Option<Recogniser>, options: Options, inbox: Arc<Inbox>) -> Self {
        Self {
            which,
            recogniser,
            options,
            inbox,
            pace: Pace::default(),
            claims: Claims::default(),
            tasks: JoinSet::new(),
            watched: BTreeMap::new(),
            problems: BTreeMap::new(),
            recognising: None,
        }
    }

    /// As [`Engines::new`], at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Listens for as long as it is let. What it started ends with it.
    pub async fn run(mut self) {
        let mut first_look = Some(FirstLook::new(Arc::clone(&self.inbox)));
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let (discovery, is_all) = match &mut self.which {
                Which::Named(discovery) => (discovery.clone(), true),
                Which::Found(discover) => (discover(), false),
                Which::None => (Discovery::default(), true),
            };
            self.take(discovery, first_look.as_ref()).await;
            first_look = None;
            if is_all {
                break;
            }
        }
        // The tasks live as long as this does.
        std::future::pending::<()>().await;
    }

    async fn take(&mut self, discovery: Discovery, first_look: Option<&FirstLook>) {
        let Discovery { found, problems } = discovery;
        for watched in self.watched.values_mut() {
            let is_there = found.iter().any(|found| found.endpoint == watched.found.endpoint);
            watched.looks_in_vain = if is_there { 0 } else { watched.looks_in_vain + 1 };
        }
        let gone: Vec<_> =
            self.watched.extract_if(.., |_, watched| watched.looks_in_vain > LOOKS_IN_VAIN).collect();
        for (endpoint, watched) in gone {
            tracing::info!("{endpoint} is gone; its containers are forgotten");
            watched.task.abort();
            self.claims.release(&watched.found.endpoint);
            if let Some(disk) = &self.options.disk {
                disk.forget_origin(&watched.origin);
            }
            self.inbox.put_patiently(Change::OriginGone { origin: watched.origin }).await;
        }
        for found in found {
            self.watch(found, first_look);
        }
        self.tell_problems(problems).await;
        // Who names engines wants those and nothing in their place.
        let may_recognise = !matches!(self.which, Which::Named(_));
        if may_recognise && self.watched.is_empty() {
            self.recognise(first_look);
        } else if let Some((task, origin)) = self.recognising.take() {
            task.abort();
            self.inbox.put_patiently(Change::OriginGone { origin }).await;
        }
    }

    fn watch(&mut self, found: Found, first_look: Option<&FirstLook>) {
        let endpoint = found.endpoint.to_string();
        if self.watched.contains_key(&endpoint) {
            return;
        }
        tracing::debug!("listening to {endpoint} ({})", found.origin);
        let naming = Naming { flavour: found.flavour, qualifier: found.qualifier.clone() };
        let client = Client::new(found.endpoint.clone());
        let watcher = Watcher::new(client, naming, self.options.clone(), Arc::clone(&self.inbox))
            .with_pace(self.pace)
            .beside_others(self.claims.clone(), first_look.cloned());
        let origin = Arc::clone(watcher.origin());
        let task = self.tasks.spawn(watcher.run());
        self.watched.insert(endpoint, Watched { found, task, origin, looks_in_vain: 0 });
    }

    /// Shows each mistake in the settings as an engine that is not there, and says it once.
    async fn tell_problems(&mut self, problems: Vec<Problem>) {
        let mended: Vec<_> = self
            .problems
            .extract_if(.., |subject, _| !problems.iter().any(|problem| problem.subject == *subject))
            .collect();
        for (_, origin) in mended {
            self.inbox.put_patiently(Change::OriginGone { origin }).await;
        }
        for Problem { subject, text } in problems {
            if self.problems.contains_key(&subject) {
                continue;
            }
            tracing::warn!("{text}");
            let origin = Arc::new(Origin::new(SourceChoice::Auto));
            let engine = Engine {
                state: EngineState::Misconfigured,
                trouble: text.into(),
                ..Engine::new("docker", &subject)
            };
            self.problems.insert(subject, Arc::clone(&origin));
            let (label_loss, duration) = (LabelLoss::default(), None);
            self.inbox.put_patiently(Change::Engine { engine, origin, label_loss, duration }).await;
        }
    }

    fn recognise(&mut self, first_look: Option<&FirstLook>) {
        let (None, Some(recogniser)) = (&self.recognising, &self.recogniser) else { return };
        tracing::info!("no engine is listened to: containers are recognised by their cgroups");
        let origin = Arc::new(Origin::new(SourceChoice::Kernel));
        let run = recogniser.clone().run(
            self.options.clone(),
            Arc::clone(&self.inbox),
            Arc::clone(&origin),
            first_look.cloned(),
        );
        self.recognising = Some((self.tasks.spawn(run), origin));
    }
}
