//! Containers without an engine: recognised by their cgroups, and named by their engines' own files where
//! those may be read.
//!
//! Nobody tells of starts and ends here, so the cgroups are looked through again and again. What only an
//! engine knows (restarts, exit codes, health) is absent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_engine::{Identity, StateFiles};
use plimsoll_kernel::{Layout, Recognised, Scan, scan};
use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Container, Lifecycle, State};
use tokio::time::{MissedTickBehavior, interval};

use crate::inbox::{Change, Inbox, Whereabouts};
use crate::source::Origin;
use crate::together::FirstLook;
use crate::{Options, unix_now};

/// How often the cgroups are looked through.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a container without a name is looked up again: its files may be written after its cgroup.
const LOOK_UP_AGAIN: u32 = 5;

/// Finds containers by their cgroups.
#[derive(Clone, Debug)]
pub struct Recogniser {
    layout: Layout,
    files: StateFiles,
}

/// A container that was found.
struct Known {
    container: Arc<Container>,
    life: Lifecycle,
    pid: Option<u32>,
    looked_up: u32,
    is_named: bool,
    is_shown: bool,
}

impl Recogniser {
    /// Looks through these hierarchies, and takes names from these files.
    #[must_use]
    pub fn new(layout: Layout, files: StateFiles) -> Self {
        Self { layout, files }
    }

    /// Looks for as long as it is let.
    pub(crate) async fn run(
        self,
        options: Options,
        inbox: Arc<Inbox>,
        origin: Arc<Origin>,
        first_look: Option<FirstLook>,
    ) {
        let mut first_look = first_look;
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_cut = false;
        loop {
            looks.tick().await;
            let nameless: Vec<String> =
                known.iter().filter(|(_, known)| known.is_due()).map(|(id, _)| id.clone()).collect();
            let Ok((found, names)) = self.look(&known, nameless).await else { continue };
            if found.was_cut && !was_cut {
                tracing::warn!(
                    "there are more cgroups than are looked through: some containers may be missing"
                );
            }
            was_cut = found.was_cut;
            for change in take(&mut known, found.containers, names, &options, &origin) {
                inbox.put_patiently(change).await;
            }
            if first_look.take().is_some() {
                inbox.want_pass();
            }
        }
    }

    /// One look, and the names of what is new in it, off the threads that must not wait.
    async fn look(
        &self,
        known: &BTreeMap<String, Known>,
        mut nameless: Vec<String>,
    ) -> Result<(Scan, BTreeMap<String, Identity>), tokio::task::JoinError> {
        let (layout, files) = (self.layout.clone(), self.files.clone());
        let known: Vec<String> = known.keys().cloned().collect();
        tokio::task::spawn_blocking(move || {
            let found = scan(&layout);
            let is_new = |container: &&Recognised| known.binary_search(&container.id).is_err();
            nameless.extend(found.containers.iter().filter(is_new).map(|container| container.id.clone()));
            let names = match &*nameless {
                [] => BTreeMap::new(),
                ids => files.find_all(ids.iter().map(String::as_str)),
            };
            (found, names)
        })
        .await
    }
}

impl Known {
    /// Whether its name is to be looked up again.
    fn is_due(&self) -> bool {
        !self.is_named && self.looked_up.is_multiple_of(LOOK_UP_AGAIN)
    }
}

/// Compares a look with what was known. Returns the changes.
fn take(
    known: &mut BTreeMap<String, Known>,
    found: Vec<Recognised>,
    mut names: BTreeMap<String, Identity>,
    options: &Options,
    origin: &Arc<Origin>,
) -> Vec<Change> {
    let now = unix_now();
    let found: BTreeMap<String, Recognised> =
        found.into_iter().map(|container| (container.id.clone(), container)).collect();
    let gone = known.extract_if(.., |id, _| !found.contains_key(id));
    let mut changes: Vec<Change> =
        gone.filter(|(_, gone)| gone.is_shown).map(|(id, _)| Change::Removed { id }).collect();
    for (id, found) in found {
        let identity = names.remove(&id);
        let is_new = !known.contains_key(&id);
        let entry = known.entry(id.clone()).or_insert_with(|| Known {
            container: Arc::new(unnamed(&found)),
            life: options.past.lives.get(&id).map_or_else(|| Lifecycle::first_seen(now), Lifecycle::resumed),
            pid: found.pid,
            looked_up: 0,
            is_named: false,
            is_shown: false,
        });
        entry.looked_up = entry.looked_up.saturating_add(1);
        let is_named_now = identity.is_some();
        if let Some(identity) = identity {
            entry.is_named = true;
            entry.life.listed(identity.created, None);
            let mut container = (*entry.container).clone();
            name(&mut container, &identity, options);
            entry.container = Arc::new(container);
        }
        // Another first process in a cgroup of the same name: the container was started again.
        let is_restarted = found.pid.is_some() && entry.pid.is_some() && entry.pid != found.pid;
        entry.pid = found.pid;
        if !(is_new || is_named_now || is_restarted) {
            continue;
        }
        let container = &entry.container;
        let is_allowed = options.filter.allows(&container.name, &container.image, &container.labels);
        let was_shown = std::mem::replace(&mut entry.is_shown, is_allowed);
        if is_allowed {
            changes.push(Change::Container {
                container: Arc::clone(container),
                life: Box::new(entry.life.clone()),
                whereabouts: Whereabouts { pid: found.pid, ..Whereabouts::default() },
                origin: Arc::clone(origin),
                limits_changed: false,
            });
        } else if was_shown {
            changes.push(Change::Removed { id });
        }
    }
    changes
}

fn unnamed(found: &Recognised) -> Container {
    let mut container = Container::new(&found.id, found.runtime.name().into());
    container.state = State::Running;
    if let Some(pod) = &found.pod_uid {
        bounded(pod, MAX_TEXT).clone_into(&mut container.pod_id);
    }
    container
}

fn name(container: &mut Container, identity: &Identity, options: &Options) {
    let text = |text: &Option<String>| bounded(text.as_deref().unwrap_or_default(), MAX_TEXT).to_owned();
    container.name = text(&identity.name);
    container.image = text(&identity.image);
    container.set_labels(identity.labels.clone(), &options.labels);
    let pod = container.label("io.kubernetes.pod.name").to_owned();
    container.pod = pod;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceChoice;
    use plimsoll_kernel::Runtime;

    fn found(id: &str, pid: u32) -> Recognised {
        Recognised {
            id: id.to_owned(),
            runtime: Runtime::Docker,
            path: format!("/docker/{id}"),
            pod_uid: None,
            user: None,
            pid: Some(pid),
        }
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let told = changes.iter().map(|change| match change {
            Change::Container { container, whereabouts, .. } => {
                format!("{} {} {:?}", container.id, container.name, whereabouts.pid.unwrap())
            }
            Change::Removed { id } => format!("-{id}"),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn containers_come_get_names_are_restarted_and_go() {
        let options = Options::default();
        let origin = Arc::new(Origin::new(SourceChoice::Kernel));
        let mut known = BTreeMap::new();
        let mut look = |found: Vec<Recognised>, names: &[(&str, &str)]| {
            let names = names.iter().map(|(id, name)| {
                ((*id).to_owned(), Identity { name: Some((*name).to_owned()), ..Identity::default() })
            });
            told(&take(&mut known, found, names.collect(), &options, &origin))
        };
        assert_eq!(look(vec![found("a", 1), found("b", 2)], &[("a", "web")]), ["a web 1", "b  2"]);
        assert!(look(vec![found("a", 1), found("b", 2)], &[]).is_empty());
        assert_eq!(look(vec![found("a", 1), found("b", 2)], &[("b", "db")]), ["b db 2"]);
        assert_eq!(look(vec![found("a", 1), found("b", 9)], &[]), ["b db 9"]);
        assert_eq!(look(vec![found("b", 9)], &[]), ["-a"]);
    }

    #[test]
    fn a_name_that_comes_late_can_exclude_a_container() {
        let options = Options {
            filter: crate::Filter::default().exclude_names(&["web*".to_owned()]).unwrap(),
            ..Options::default()
        };
        let origin = Arc::new(Origin::new(SourceChoice::Kernel));
        let mut known = BTreeMap::new();
        let names = BTreeMap::from([(
            "a".to_owned(),
            Identity { name: Some("web1".to_owned()), ..Identity::default() },
        )]);
        let mut look = |names| told(&take(&mut known, vec![found("a", 1)], names, &options, &origin));
        assert_eq!(look(BTreeMap::new()), ["a  1"]);
        assert_eq!(look(names), ["-a"]);
    }
}
