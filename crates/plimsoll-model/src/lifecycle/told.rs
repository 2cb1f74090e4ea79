//! How often an engine told what of a container.

/// The actions that are counted by name. Those up to [`USUAL`] show from the beginning, the rest once it happened.
const ACTIONS: [&str; 15] = [
    "create",
    "start",
    "die",
    "oom",
    "kill",
    "stop",
    "restart",
    "pause",
    "unpause",
    "rename",
    "update",
    "health_status",
    "connect",
    "disconnect",
    OTHER,
];

/// How many actions show before they happened.
const USUAL: usize = 12;

/// Every action without a name here: engines make up new ones.
const OTHER: &str = "other";

/// Events of a container, by action.
///
/// ```
/// use plimsoll_model::lifecycle::Told;
///
/// let mut told = Told::default();
/// told.count("health_status: healthy");
/// told.count("health_status: unhealthy");
/// assert!(told.iter().any(|(action, count)| (action, count) == ("health_status", 2)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    counts: [u64; ACTIONS.len()],
}

impl Told {
    /// Counts an event. The engine's word may go on with a colon and more, such as the command of an execution.
    pub fn count(&mut self, word: &str) {
        let action = word.split(':').next().unwrap_or_default().trim();
        let index = ACTIONS.iter().position(|known| *known == action).unwrap_or(ACTIONS.len() - 1);
        self.counts[index] += 1;
    }

    /// The actions with how often each was told, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let shown = |(index, (_, count)): &(usize, (&str, u64))| *index < USUAL || *count > 0;
        ACTIONS.into_iter().zip(self.counts).enumerate().filter(shown).map(|(_, told)| told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_bounded_whatever_engines_say() {
        let usual: Vec<_> = Told::default().iter().collect();
        assert_eq!(usual.len(), USUAL);
        assert!(usual.iter().all(|(_, count)| *count == 0), "{usual:?}");
        for (word, action) in [
            ("start", "start"),
            ("health_status: healthy", "health_status"),
            ("connect", "connect"),
            ("exec_create: /bin/sh -c x", "other"),
            ("something new", "other"),
            ("", "other"),
        ] {
            let mut told = Told::default();
            told.count(word);
            let counted: Vec<_> = told.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(action, 1)], "{word}");
        }
    }
}
