//! The events that were heard last, so that a resumed stream is not heard twice.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use plimsoll_engine::Event;

/// How many are remembered. A stream resumes a millisecond before the last event, in which no engine sends
/// as many.
const REMEMBERED: usize = 512;

/// The last events, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    keys: VecDeque<u64>,
    /// The time of the latest, in Unix nanoseconds by the engine's clock.
    pub(crate) latest: Option<u64>,
}

impl Recent {
    /// Remembers an event. Returns whether it is new; one without a time always is.
    pub(crate) fn is_new(&mut self, event: &Event) -> bool {
        let Some(time) = event.time_nano else { return true };
        let mut hasher = DefaultHasher::new();
        (time, event.kind, &event.action, &event.container, &event.network).hash(&mut hasher);
        let key = hasher.finish();
        // Only what is not later than the latest can have been heard before.
        if Some(time) <= self.latest && self.keys.contains(&key) {
            return false;
        }
        if self.keys.len() == REMEMBERED {
            self.keys.pop_front();
        }
        self.keys.push_back(key);
        self.latest = self.latest.max(Some(time));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_engine::{Action, Kind};

    #[test]
    fn an_event_is_heard_once() {
        let event = |time_nano, action| Event {
            kind: Kind::Container,
            action,
            container: Some("c1".to_owned()),
            name: None,
            image: None,
            exit_code: None,
            old_name: None,
            network: None,
            time_nano,
        };
        let mut recent = Recent::default();
        assert!(recent.is_new(&event(Some(5), Action::Die)));
        assert!(!recent.is_new(&event(Some(5), Action::Die)));
        assert!(recent.is_new(&event(Some(5), Action::Start)), "something else at the same moment");
        assert!(recent.is_new(&event(Some(4), Action::Start)), "late");
        assert_eq!(recent.latest, Some(5));
        for time in 6..6 + REMEMBERED as u64 {
            assert!(recent.is_new(&event(Some(time), Action::Die)));
        }
        assert_eq!(recent.keys.len(), REMEMBERED);
        assert!(recent.is_new(&event(None, Action::Die)) && recent.is_new(&event(None, Action::Die)));
    }
}
