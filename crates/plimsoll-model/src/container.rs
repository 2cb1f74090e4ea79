//! Who a container is: identity, state, and what the engine says of it. Bounded, and never changed in
//! place: a change makes a new [`Container`], so that a snapshot's readers see one truth.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::text::{MAX_LABEL_KEY, MAX_LABELS, MAX_TEXT, bounded, label_name};

/// A container's state, in Docker's words.
///
/// ```
/// use plimsoll_model::State;
/// assert_eq!(State::from_engine("exited").code(), Some(0));
/// assert_eq!(State::from_engine("configured"), State::Created, "Podman's word");
/// assert_eq!(State::from_engine("hibernating").code(), None, "a state of the future has no code yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the engine's own words")]
pub enum State {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    /// A word that this version does not know, cut to 64 bytes.
    Other(Arc<str>),
}

impl State {
    /// Reads the engine's word. Podman's words for the same states are understood: `configured` and
    /// `initialized` are before the first start, `stopped` is an end that was not cleaned up after yet.
    #[must_use]
    pub fn from_engine(word: &str) -> Self {
        match word {
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" | "stopping" => Self::Removing,
            "exited" | "stopped" => Self::Exited,
            "dead" => Self::Dead,
            other => Self::Other(bounded(other, 64).into()),
        }
    }

    /// Every state that this version knows.
    pub const KNOWN: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Exited,
        Self::Dead,
    ];

    /// The state with this [code](State::code).
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::KNOWN.into_iter().find(|state| state.code() == Some(code))
    }

    /// The engine's word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Other(word) => word,
        }
    }

    /// The code of `container_status`; `None` for a state that this version does not know.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Exited => Some(0),
            Self::Running => Some(1),
            Self::Paused => Some(2),
            Self::Restarting => Some(3),
            Self::Created => Some(4),
            Self::Removing => Some(5),
            Self::Dead => Some(6),
            Self::Other(_) => None,
        }
    }

    /// Whether processes of the container exist, so that there is a cgroup to read. An unknown state may
    /// have them.
    #[must_use]
    pub fn may_have_processes(&self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Removing | Self::Other(_))
    }
}

/// The result of a container's health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is no health check.
    #[default]
    None,
    /// Too early to tell.
    Starting,
    /// The last check passed.
    Healthy,
    /// Checks failed as often in a row as the container allows.
    Unhealthy,
}

impl Health {
    /// Reads the engine's word; `None` where it is not one of the four.
    #[must_use]
    pub fn from_engine(word: &str) -> Option<Self> {
        match word {
            "" | "none" => Some(Self::None),
            "starting" => Some(Self::Starting),
            "healthy" => Some(Self::Healthy),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }

    /// The engine's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One of a container's networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The engine's name of the network.
    pub name: String,
    /// The container's IPv4 address in it, as text; empty where there is none.
    pub address: String,
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The repository digest, `sha256:…`.
    pub digest: String,
    /// Label `org.opencontainers.image.version`.
    pub version: String,
    /// Label `org.opencontainers.image.revision`.
    pub revision: String,
    /// When the image was made, as the engine writes it.
    pub created: String,
}

/// The identity of a container, as every series of it shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The full id.
    pub id: String,
    /// The name, without the leading slash.
    pub name: String,
    /// The image as it was asked for when the container was created.
    pub image: String,
    /// The engine's name in labels, such as `docker`.
    pub engine: Arc<str>,
    /// The state.
    pub state: State,
    /// The health check's result.
    pub health: Health,
    /// The image's id, `sha256:…`.
    pub image_id: String,
    /// The OCI runtime, such as `runc`.
    pub runtime: String,
    /// The host name inside.
    pub hostname: String,
    /// How it is connected: a network's name, `host`, `none`, `container:ID`.
    pub network_mode: String,
    /// The restart policy's name.
    pub restart_policy: String,
    /// The name of the pod that it is in; empty where it is in none.
    pub pod: String,
    /// The id of that pod.
    pub pod_id: String,
    /// Engine labels, sorted by key.
    pub labels: BTreeMap<String, String>,
    /// The networks it is connected to.
    pub networks: Vec<Network>,
    /// The TCP ports that it or its image says it listens at, in order, as far as the engine tells.
    pub exposed_ports: Vec<u16>,
    /// What the image says of itself, once it was asked for.
    pub image_facts: Option<Arc<ImageFacts>>,
    /// Labels that the setting allows, under their Prometheus names.
    pub shown_labels: Vec<(String, String)>,
}

impl Container {
    /// A container of which only the id is known.
    #[must_use]
    pub fn new(id: &str, engine: Arc<str>) -> Self {
        Self {
            id: bounded(id, 128).to_owned(),
            name: String::new(),
            image: String::new(),
            engine,
            state: State::Other("unknown".into()),
            health: Health::None,
            image_id: String::new(),
            runtime: String::new(),
            hostname: String::new(),
            network_mode: String::new(),
            restart_policy: String::new(),
            pod: String::new(),
            pod_id: String::new(),
            labels: BTreeMap::new(),
            networks: Vec::new(),
            exposed_ports: Vec::new(),
            image_facts: None,
            shown_labels: Vec::new(),
        }
    }

    /// The id's first twelve characters, as `docker ps` shows it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        bounded(&self.id, 12)
    }

    /// The name, or the short id where there is none.
    #[must_use]
    pub fn display_name(&self) -> &str {
        if self.name.is_empty() { self.short_id() } else { &self.name }
    }

    /// A label's value, empty where there is none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// Replaces the labels by at most [`MAX_LABELS`] of `labels`, cut to size, and chooses those to show.
    /// Returns what was left out or cut.
    pub fn set_labels(&mut self, labels: BTreeMap<String, String>, allow: &LabelChoice) -> LabelLoss {
        let mut loss = LabelLoss::default();
        self.labels.clear();
        for (key, value) in labels {
            if self.labels.len() == MAX_LABELS {
                loss.too_many += 1;
            } else if key.len() > MAX_LABEL_KEY {
                loss.long_key += 1;
            } else {
                loss.long_value += u64::from(value.len() > MAX_TEXT);
                self.labels.insert(key, bounded(&value, MAX_TEXT).to_owned());
            }
        }
        self.shown_labels.clear();
        // In the keys' own order, so that of two keys that collide the same one wins at every scrape.
        for (key, value) in self.labels.iter().filter(|(key, _)| allow.contains(key)) {
            let name = label_name(key);
            if self.shown_labels.iter().any(|(taken, _)| *taken == name) {
                loss.collision += 1;
            } else {
                self.shown_labels.push((name, value.clone()));
            }
        }
        loss
    }
}

/// Which engine labels are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelChoice {
    /// Show them all.
    pub all: bool,
    /// Show these.
    pub keys: Vec<String>,
}

impl LabelChoice {
    fn contains(&self, key: &str) -> bool {
        self.all || self.keys.iter().any(|allowed| allowed == key)
    }
}

/// Labels that were left out or cut, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelLoss {
    /// Two keys had the same Prometheus name; the first in order was shown.
    pub collision: u64,
    /// More labels than [`MAX_LABELS`].
    pub too_many: u64,
    /// A key longer than [`MAX_LABEL_KEY`].
    pub long_key: u64,
    /// A value longer than [`MAX_TEXT`], cut.
    pub long_value: u64,
    /// Interfaces and devices beyond what is shown of one container.
    pub rows: u64,
}

impl std::ops::AddAssign for LabelLoss {
    fn add_assign(&mut self, other: Self) {
        self.collision += other.collision;
        self.too_many += other.too_many;
        self.long_key += other.long_key;
        self.long_value += other.long_value;
        self.rows += other.rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn colliding_labels_resolve_the_same_way_and_are_counted() {
        let mut container = Container::new("abc", "docker".into());
        let all = LabelChoice { all: true, keys: vec![] };
        let loss =
            container.set_labels(labels(&[("a-b", "2"), ("a.b", "3"), ("a_b", "1"), ("c", "4")]), &all);
        assert_eq!(
            container.shown_labels,
            [("label_a_b".into(), "2".into()), ("label_c".into(), "4".into())]
        );
        assert_eq!(loss.collision, 2);
    }

    #[test]
    fn labels_are_bounded_and_the_loss_is_counted() {
        let mut container = Container::new("abc", "docker".into());
        let mut many = labels(&[]);
        for n in 0..MAX_LABELS + 5 {
            many.insert(format!("key-{n:05}"), "x".repeat(if n == 0 { MAX_TEXT + 1 } else { 1 }));
        }
        many.insert("a".repeat(MAX_LABEL_KEY + 1), String::new());
        let loss = container.set_labels(many, &LabelChoice::default());
        assert_eq!(container.labels.len(), MAX_LABELS);
        assert!(container.shown_labels.is_empty(), "nothing is shown that was not asked for");
        assert_eq!(loss, LabelLoss { collision: 0, too_many: 5, long_key: 1, long_value: 1, rows: 0 });
    }

    #[test]
    fn states_and_health_keep_the_engines_words() {
        for word in ["created", "running", "paused", "restarting", "removing", "exited", "dead", "new-one"] {
            assert_eq!(State::from_engine(word).word(), word);
        }
        for word in ["none", "starting", "healthy", "unhealthy"] {
            assert_eq!(Health::from_engine(word).map(Health::word), Some(word));
        }
    }
}
