//! What is known of the engine's containers, and how listings, inspections and events change it. No I/O:
//! the watcher asks, and tells what it heard.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use plimsoll_engine::{Action, Details, Event, Image, Kind, PodMembership, Summary};
use plimsoll_model::container::{ImageFacts, LabelChoice, LabelLoss, Network};
use plimsoll_model::lifecycle::{Inspection, Past};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Collector, Container, Health, Lifecycle, State};

use crate::Options;
use crate::disk::Storage;
use crate::filter::Filter;
use crate::inbox::{Change, Whereabouts};
use crate::source::Origin;

/// The most containers of one engine that are known at a time.
pub(crate) const MAX_CONTAINERS: usize = 16_384;

/// The most images whose facts are remembered.
const MAX_IMAGES: usize = 4096;

/// The engine's containers.
#[derive(Debug)]
pub(crate) struct Known {
    engine: Arc<str>,
    origin: Arc<Origin>,
    filter: Filter,
    labels: LabelChoice,
    past: Arc<Past>,
    containers: HashMap<String, Entry>,
    images: HashMap<String, Arc<ImageFacts>>,
    /// Since when events are heard, in Unix nanoseconds.
    heard_since: u64,
    /// Whether events are counted, so that each of them has to be told on.
    counts_events: bool,
    pub(crate) loss: LabelLoss,
}

#[derive(Debug)]
struct Entry {
    container: Container,
    life: Lifecycle,
    whereabouts: Whereabouts,
    /// Whether the sampler knows of it.
    shown: bool,
    /// Whether the last listing had it.
    listed: bool,
    /// Whether its labels were told; they never change.
    has_labels: bool,
    /// Whether it was inspected, which tells more than a listing.
    inspected: bool,
    /// Whether the engine told its pod, or that it has none.
    pod_told: bool,
}

impl Entry {
    fn new(id: &str, engine: Arc<str>, past: &Past, heard_since: u64, now: u64) -> Self {
        let mut life = past.lives.get(id).map_or_else(|| Lifecycle::first_seen(now), Lifecycle::resumed);
        life.heard_since(heard_since);
        Self {
            container: Container::new(id, engine),
            life,
            whereabouts: Whereabouts::default(),
            shown: false,
            listed: true,
            has_labels: false,
            inspected: false,
            pod_told: false,
        }
    }

    fn set_pod(&mut self, membership: Option<&PodMembership>) {
        if let Some(membership) = membership {
            set_text(&mut self.container.pod, &membership.pod_name);
            set_text(&mut self.container.pod_id, &membership.pod_id);
        }
    }

    fn set_labels(&mut self, labels: &BTreeMap<String, String>, choice: &LabelChoice) -> LabelLoss {
        if std::mem::replace(&mut self.has_labels, true) {
            return LabelLoss::default();
        }
        self.container.set_labels(labels.clone(), choice)
    }
}

impl Known {
    pub(crate) fn new(engine: Arc<str>, origin: Arc<Origin>, options: Options) -> Self {
        Self {
            engine,
            origin,
            filter: options.filter,
            labels: options.labels,
            past: options.past,
            containers: HashMap::new(),
            images: HashMap::new(),
            heard_since: 0,
            counts_events: options.selection.has_collector(Collector::Events),
            loss: LabelLoss::default(),
        }
    }

    /// Another engine answers, or there is none any more: forgets all that was known.
    pub(crate) fn forget(&mut self, engine: Arc<str>) -> Vec<Change> {
        self.engine = engine;
        self.images.clear();
        let ids: Vec<_> = self.containers.keys().cloned().collect();
        ids.iter().filter_map(|id| self.removed(id)).collect()
    }

    /// A new stream of events begins, and what came before it was not heard.
    pub(crate) fn heard_since(&mut self, now: u64) {
        self.heard_since = now;
        for entry in self.containers.values_mut() {
            entry.life.heard_since(now);
        }
    }

    /// A full listing. Returns the changes, and the containers that have to be inspected: all of them if it
    /// is the `first` of a stream of events, else those that are new, in another state than was thought, or
    /// not in it: they may be newer than the listing, as events came in while it was made.
    pub(crate) fn listed(
        &mut self,
        listing: &[Summary],
        first: bool,
        now: u64,
    ) -> (Vec<Change>, Vec<String>) {
        let (mut changes, mut inspect) = (Vec::new(), Vec::new());
        for entry in self.containers.values_mut() {
            entry.listed = false;
        }
        for summary in listing {
            let is_new = !self.containers.contains_key(&summary.id);
            if is_new && self.containers.len() >= MAX_CONTAINERS {
                continue;
            }
            let state = State::from_engine(&summary.state);
            let entry = self.containers.entry(summary.id.clone()).or_insert_with(|| {
                Entry::new(&summary.id, Arc::clone(&self.engine), &self.past, self.heard_since, now)
            });
            entry.listed = true;
            let before = entry.container.clone();
            self.loss += entry.set_labels(&summary.labels, &self.labels);
            let container = &mut entry.container;
            set_text(&mut container.name, &summary.name);
            // An inspection tells the image as it was asked for, a listing an id once its name has moved on.
            if !entry.inspected {
                set_text(&mut container.image, &summary.image);
                set_text(&mut container.image_id, &summary.image_id);
                set_text(&mut container.network_mode, summary.network_mode.as_deref().unwrap_or_default());
            }
            if let Some(health) = &summary.health {
                container.health = Health::from_engine(&health.status).unwrap_or(container.health);
                entry.life.listed(None, health.failing_streak);
            }
            entry.life.listed(summary.created, None);
            let differs = container.state != state;
            container.state = state;
            if differs || *container != before {
                changes.extend(entry.change(&self.filter, &self.origin, false));
            }
            if (is_new || differs || first) && entry.is_wanted(&self.filter) {
                inspect.push(summary.id.clone());
            }
        }
        let missing: Vec<_> =
            self.containers.iter().filter(|(_, entry)| !entry.listed).map(|(id, _)| id.clone()).collect();
        if first {
            changes.extend(missing.into_iter().filter_map(|id| self.removed(&id)));
        } else {
            inspect.extend(missing);
        }
        (changes, inspect)
    }

    /// Which containers are in which pod, as an answer to who was [without](Self::without_pod). Returns the changes.
    pub(crate) fn pods(
        &mut self,
        without: &HashSet<String>,
        pods: &BTreeMap<String, PodMembership>,
    ) -> Vec<Change> {
        let Self { containers, filter, origin, .. } = self;
        let changed = containers.iter_mut().filter_map(|(id, entry)| {
            let (before, membership) = (entry.container.clone(), pods.get(id));
            entry.pod_told |= membership.is_some() || without.contains(id);
            entry.set_pod(membership);
            (entry.container != before).then(|| entry.change(filter, origin, false)).flatten()
        });
        changed.collect()
    }

    /// The containers whose pods have not been told, or that they have none.
    pub(crate) fn without_pod(&self) -> HashSet<String> {
        let untold = self.containers.iter().filter(|(_, entry)| !entry.pod_told);
        untold.map(|(id, _)| id.clone()).collect()
    }

    /// The answer to an inspection. Returns the change, and the image that has to be asked for.
    pub(crate) fn inspected(
        &mut self,
        details: &Details,
        limits_changed: bool,
    ) -> (Option<Change>, Option<String>) {
        let Some(entry) = self.containers.get_mut(&details.id) else { return (None, None) };
        self.loss += entry.set_labels(&details.labels, &self.labels);
        entry.inspected = true;
        let container = &mut entry.container;
        set_text(&mut container.name, &details.name);
        set_text(&mut container.image, &details.image);
        set_text(&mut container.image_id, &details.image_id);
        for (field, told) in [
            (&mut container.network_mode, &details.network_mode),
            (&mut container.runtime, &details.runtime),
            (&mut container.hostname, &details.hostname),
            (&mut container.restart_policy, &details.restart_policy),
        ] {
            set_text(field, told.as_deref().unwrap_or_default());
        }
        container.state = State::from_engine(&details.status);
        let health = details.health.as_ref();
        container.health = health.and_then(|health| Health::from_engine(&health.status)).unwrap_or_default();
        container.networks = details
            .networks
            .iter()
            .map(|network| Network {
                name: bounded(&network.name, MAX_TEXT).to_owned(),
                address: network.ip_address.clone().unwrap_or_default(),
            })
            .collect();
        container.exposed_ports.clone_from(&details.exposed_ports);
        container.image_facts = self.images.get(&container.image_id).cloned();
        // The first container of a pod has no image in Podman, and says so with an empty digest.
        let has_image = !matches!(&*container.image_id, "" | "sha256:");
        let wanted = (container.image_facts.is_none() && has_image).then(|| container.image_id.clone());
        entry.whereabouts = Whereabouts {
            pid: details.pid,
            cgroup_parent: details.cgroup_parent.clone().unwrap_or_default(),
            storage: Arc::new(Storage::of(details)),
        };
        let running = matches!(entry.container.state, State::Running | State::Paused);
        entry.life.inspected(&Inspection {
            running,
            restarting: entry.container.state == State::Restarting,
            created: details.created,
            started: details.started_at,
            finished: details.finished_at,
            exit_code: details.exit_code.and_then(|code| u64::try_from(code).ok()),
            oom_killed: details.oom_killed,
            failing_streak: health.and_then(|health| health.failing_streak),
            restart_count: details.restart_count,
        });
        (entry.change(&self.filter, &self.origin, limits_changed), wanted)
    }

    /// What an image says of itself. Returns the changes to its containers.
    pub(crate) fn image(&mut self, id: &str, image: &Image) -> Vec<Change> {
        if self.images.len() >= MAX_IMAGES {
            let used: Vec<_> =
                self.containers.values().map(|entry| entry.container.image_id.clone()).collect();
            self.images.retain(|id, _| used.contains(id));
        }
        let label =
            |key: &str| bounded(image.labels.get(key).map_or("", String::as_str), MAX_TEXT).to_owned();
        let digest = image.digests.first().map_or("", String::as_str);
        let facts = Arc::new(ImageFacts {
            digest: bounded(digest.rsplit_once('@').map_or(digest, |(_, digest)| digest), MAX_TEXT)
                .to_owned(),
            version: label("org.opencontainers.image.version"),
            revision: label("org.opencontainers.image.revision"),
            created: image.created.map(rfc3339).unwrap_or_default(),
        });
        self.images.insert(id.to_owned(), Arc::clone(&facts));
        let (filter, origin) = (&self.filter, &self.origin);
        let users = self.containers.values_mut().filter(|entry| entry.container.image_id == id);
        users
            .filter_map(|entry| {
                entry.container.image_facts = Some(Arc::clone(&facts));
                entry.change(filter, origin, false)
            })
            .collect()
    }

    /// An event. Returns the change, and whether the container has to be inspected.
    pub(crate) fn event(&mut self, event: &Event, now: u64) -> (Option<Change>, bool) {
        let Some(id) = event.container.as_deref() else { return (None, false) };
        if event.kind == Kind::Network {
            return (self.count(id, &event.action), self.containers.get(id).is_some_and(|entry| entry.shown));
        }
        if event.action == Action::Destroy {
            return (self.removed(id), false);
        }
        if matches!(event.action, Action::Kill | Action::Stop | Action::Other(_)) {
            return (self.count(id, &event.action), false);
        }
        if !self.containers.contains_key(id) {
            if self.containers.len() >= MAX_CONTAINERS {
                return (None, false);
            }
            let mut entry = Entry::new(id, Arc::clone(&self.engine), &self.past, self.heard_since, now);
            if event.action == Action::Create {
                entry.life = Lifecycle::made(now);
            }
            set_text(&mut entry.container.name, event.name.as_deref().unwrap_or_default());
            set_text(&mut entry.container.image, event.image.as_deref().unwrap_or_default());
            self.containers.insert(id.to_owned(), entry);
        }
        let Some(entry) = self.containers.get_mut(id) else { return (None, false) };
        let at = event.time_nano.unwrap_or(now);
        entry.life.heard(event.action.word());
        let Entry { container, life, whereabouts, .. } = entry;
        match &event.action {
            Action::Create => container.state = State::Created,
            Action::Start => {
                life.started(at);
                container.state = State::Running;
                whereabouts.pid = None;
            }
            Action::Die => {
                life.died(at, event.exit_code.and_then(|code| u64::try_from(code).ok()));
                container.state = State::Exited;
                whereabouts.pid = None;
            }
            Action::Oom => life.ran_out_of_memory(at),
            Action::Pause => container.state = State::Paused,
            Action::Unpause => container.state = State::Running,
            Action::Rename => set_text(&mut container.name, event.name.as_deref().unwrap_or_default()),
            Action::Health(word) => container.health = Health::from_engine(word).unwrap_or(container.health),
            _ => {}
        }
        let change = entry.change(&self.filter, &self.origin, event.action == Action::Update);
        (change, entry.is_wanted(&self.filter))
    }

    /// Counts an event that changes nothing else. Returns the change, if events are shown.
    fn count(&mut self, id: &str, action: &Action) -> Option<Change> {
        let entry = self.containers.get_mut(id)?;
        entry.life.heard(action.word());
        // Whether it is shown was decided before.
        if self.counts_events && entry.shown { entry.change(&self.filter, &self.origin, false) } else { None }
    }

    /// The container is gone.
    pub(crate) fn removed(&mut self, id: &str) -> Option<Change> {
        let entry = self.containers.remove(id)?;
        entry.shown.then(|| Change::Removed { id: id.to_owned() })
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.containers.contains_key(id)
    }
}

impl Entry {
    /// Whether it is measured, or may be once more is known of it. The engine is not asked about others.
    fn is_wanted(&self, filter: &Filter) -> bool {
        let labels_decide = filter.has_labels() && !self.has_labels;
        self.shown || labels_decide || self.container.name.is_empty() || self.container.image.is_empty()
    }

    /// What the sampler has to be told.
    fn change(&mut self, filter: &Filter, origin: &Arc<Origin>, limits_changed: bool) -> Option<Change> {
        let container = &self.container;
        // An event does not tell labels: who goes by them waits for the inspection.
        let allowed = (self.has_labels || !filter.has_labels())
            && filter.allows(&container.name, &container.image, &container.labels);
        let was_shown = std::mem::replace(&mut self.shown, allowed);
        if allowed {
            Some(Change::Container {
                container: Arc::new(container.clone()),
                life: Box::new(self.life.clone()),
                whereabouts: self.whereabouts.clone(),
                origin: Arc::clone(origin),
                limits_changed,
            })
        } else {
            was_shown.then(|| Change::Removed { id: container.id.clone() })
        }
    }
}

fn rfc3339(nanos: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos)).map(|time| time.to_string()).unwrap_or_default()
}

/// Replaces a text by what the engine told, cut to size. Silence changes nothing.
fn set_text(field: &mut String, told: &str) {
    let told = bounded(told, MAX_TEXT);
    if !told.is_empty() && field != told {
        told.clone_into(field);
    }
}
