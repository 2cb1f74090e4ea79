//! Which families are read and shown.

use crate::catalog::{Collector, Family, Profile};

/// The families that a profile, the collectors' switches and a request's parameters leave.
///
/// ```
/// use plimsoll_model::{Collector, Family, Profile, Selection};
///
/// let mut chosen = Selection::of_profile(Profile::Default);
/// chosen.switch(Collector::Network, false);
/// assert!(!chosen.has_collector(Collector::Network));
/// let usage = Family::by_name("container_memory_usage_bytes").unwrap();
/// assert!(chosen.has(usage));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    profile: Profile,
    /// How much of each collector; `None` where it is off.
    collectors: [Option<Profile>; Collector::COUNT],
    naming: Naming,
}

/// Under whose names and labels expositions show what is selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Naming {
    /// The catalog's.
    #[default]
    Catalog,
    /// cAdvisor's: its families, `id` as the path of the cgroup, labels of containers on every series, the machine as
    /// `id="/"`. Only running containers, as there.
    Cadvisor,
}

impl Default for Selection {
    fn default() -> Self {
        Self::of_profile(Profile::Default)
    }
}

impl Selection {
    /// Every family of the profile, but for collectors that are off unless they are switched on.
    #[must_use]
    pub fn of_profile(profile: Profile) -> Self {
        let collectors =
            std::array::from_fn(|index| Some(profile).filter(|_| !Collector::ALL[index].is_opt_in()));
        Self { profile, collectors, naming: Naming::Catalog }
    }

    /// The same families, shown by expositions under these names.
    #[must_use]
    pub fn named(self, naming: Naming) -> Self {
        Self { naming, ..self }
    }

    /// Under whose names expositions show the families.
    #[must_use]
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// Switches a collector on or off. Who switches one on by name wants to see it, so it shows what it shows by
    /// default even in a smaller profile.
    pub fn switch(&mut self, collector: Collector, on: bool) {
        self.collectors[collector as usize] = on.then(|| self.profile.max(Profile::Default));
    }

    /// Keeps, of what is selected, only the collectors in `only` (all of them if it is empty) that are not
    /// in `without`.
    #[must_use]
    pub fn narrowed(&self, only: &[Collector], without: &[Collector]) -> Self {
        let mut narrowed = self.clone();
        for collector in Collector::ALL {
            let wanted = (only.is_empty() || only.contains(collector)) && !without.contains(collector);
            if !wanted {
                narrowed.collectors[*collector as usize] = None;
            }
        }
        narrowed
    }

    /// The largest profile that any collector has.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.collectors.iter().flatten().copied().max().unwrap_or(self.profile)
    }

    /// Whether the collector is on.
    #[must_use]
    pub fn has_collector(&self, collector: Collector) -> bool {
        self.collectors[collector as usize].is_some()
    }

    /// Whether those families of the collector are selected that belong to this profile.
    #[must_use]
    pub fn shows(&self, collector: Collector, profile: Profile) -> bool {
        self.collectors[collector as usize].is_some_and(|most| profile <= most)
    }

    /// Whether the family is selected.
    #[must_use]
    pub fn has(&self, family: &Family) -> bool {
        self.shows(family.collector, family.profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CATALOG;

    #[test]
    fn a_request_can_only_narrow() {
        let mut chosen = Selection::default();
        chosen.switch(Collector::Memory, false);
        let asked = chosen.narrowed(&[Collector::Memory, Collector::Cpu], &[]);
        assert!(!asked.has_collector(Collector::Memory), "what is off stays off");
        assert!(asked.has_collector(Collector::Cpu));
        assert!(!asked.has_collector(Collector::Network));
        let asked = chosen.narrowed(&[], &[Collector::Cpu]);
        assert!(!asked.has_collector(Collector::Cpu));
        assert!(asked.has_collector(Collector::Network));
    }
    #[test]
    fn a_collector_that_is_switched_on_shows_something() {
        let mut chosen = Selection::of_profile(Profile::Minimal);
        assert!(!chosen.shows(Collector::Sockets, Profile::Default));
        chosen.switch(Collector::Sockets, true);
        assert!(chosen.shows(Collector::Sockets, Profile::Default));
        assert!(!chosen.shows(Collector::Sockets, Profile::Full));
        assert!(!chosen.shows(Collector::Cpu, Profile::Default), "the others stay as they are");
        let mut full = Selection::of_profile(Profile::Full);
        full.switch(Collector::Sockets, true);
        assert_eq!(full, Selection::of_profile(Profile::Full));
        for collector in Collector::ALL {
            // What custom collectors tell is in no catalog.
            if *collector == Collector::Custom {
                continue;
            }
            let mut families = CATALOG.iter().filter(|family| family.collector == *collector);
            assert!(families.any(|family| family.profile <= Profile::Default), "{collector:?} shows nothing");
        }
    }
}
