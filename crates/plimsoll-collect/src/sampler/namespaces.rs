//! Who shows the traffic of a network namespace that several containers are in.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Sampler, Tracked};

/// How an engine says that a container is in another one's network namespace; the other's id follows.
const OF_ANOTHER: &str = "container:";

/// A network namespace: by its number where the kernel was asked, else by the container that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Namespace<'a> {
    Number(u64),
    Of(&'a str),
}

impl Sampler {
    /// Of containers that share a network namespace, one shows its traffic: the one that did not ask to
    /// share another's, and the first of several. Returns whether anything changed.
    pub(super) fn share_namespaces(&mut self) -> bool {
        self.namespaces_changed = false;
        let mut speakers: HashMap<Namespace<'_>, (bool, usize)> = HashMap::new();
        for (position, tracked) in self.tracked.iter().enumerate() {
            let Some(namespace) = self.namespace(tracked) else { continue };
            let rank = (tracked.container.network_mode.starts_with(OF_ANOTHER), position);
            speakers.entry(namespace).and_modify(|best| *best = rank.min(*best)).or_insert(rank);
        }
        let shows = |(position, tracked): (usize, &Tracked)| {
            let namespace = self.namespace(tracked)?;
            Some(speakers.get(&namespace).is_some_and(|(_, speaker)| *speaker == position))
        };
        let shows: Vec<_> = self.tracked.iter().enumerate().map(shows).collect();
        let mut changed = false;
        for (tracked, shows) in self.tracked.iter_mut().zip(shows) {
            let Some(shows) = shows.filter(|shows| *shows != tracked.shows_network) else { continue };
            changed = true;
            tracked.shows_network = shows;
            let Some(kernel) = &mut self.kernel else { continue };
            if shows {
                // Its files were closed: open them again. It is the same cgroup, so nothing is counted anew.
                if tracked.reader.is_some() {
                    tracked.close(kernel);
                    tracked.open(kernel);
                }
            } else if let Some(reader) = &mut tracked.reader {
                kernel.close_network(reader);
            }
        }
        changed
    }

    /// The network namespace that a container is in, as far as that can be told.
    fn namespace<'a>(&'a self, tracked: &'a Tracked) -> Option<Namespace<'a>> {
        if let Some(reader) = &tracked.reader {
            return reader.namespace().map(Namespace::Number);
        }
        let container = &tracked.container;
        if !container.state.may_have_processes() {
            return None;
        }
        let Some(owner) = container.network_mode.strip_prefix(OF_ANOTHER) else {
            return Some(Namespace::Of(&container.id));
        };
        let is_owner =
            |other: &&Tracked| other.container.name == owner && Arc::ptr_eq(&other.origin, &tracked.origin);
        // Engines write down the id, whatever they were given.
        let by_name = || self.tracked.iter().find(is_owner).map(|found| &*found.container.id);
        Some(Namespace::Of(if self.positions.contains_key(owner) {
            owner
        } else {
            by_name().unwrap_or(owner)
        }))
    }
}
