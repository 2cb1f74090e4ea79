//! Which families are read and shown.

use crate::catalog::{CATALOG, Collector, Family, Profile};

/// The families that a profile, the collectors' switches and a request's parameters leave.
///
/// ```
/// use plimsoll_model::{Collector, Family, Profile, Selection};
///
/// let mut chosen = Selection::of_profile(Profile::Default);
/// chosen.switch(Collector::Network, false);
/// assert!(!chosen.has_collector(Collector::Network));
/// let usage = Family::index_of("container_memory_usage_bytes").unwrap();
/// assert!(chosen.contains(usage));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    profile: Profile,
    collectors: [bool; Collector::COUNT],
}

impl Default for Selection {
    fn default() -> Self {
        Self::of_profile(Profile::Default)
    }
}

impl Selection {
    /// Every family of the profile.
    #[must_use]
    pub fn of_profile(profile: Profile) -> Self {
        Self { profile, collectors: [true; Collector::COUNT] }
    }

    /// Switches a collector on or off.
    pub fn switch(&mut self, collector: Collector, on: bool) {
        self.collectors[collector as usize] = on;
    }

    /// Keeps, of what is selected, only the collectors in `only` (all of them if it is empty) that are not
    /// in `without`.
    #[must_use]
    pub fn narrowed(&self, only: &[Collector], without: &[Collector]) -> Self {
        let mut narrowed = self.clone();
        for collector in Collector::ALL {
            let wanted = (only.is_empty() || only.contains(collector)) && !without.contains(collector);
            narrowed.collectors[*collector as usize] &= wanted;
        }
        narrowed
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether any family of the collector is selected.
    #[must_use]
    pub fn has_collector(&self, collector: Collector) -> bool {
        self.collectors[collector as usize]
    }

    /// Whether the family is selected.
    #[must_use]
    pub fn has(&self, family: &Family) -> bool {
        family.profile <= self.profile && self.has_collector(family.collector)
    }

    /// Whether the family at this position of the catalog is selected.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.has(&CATALOG[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
