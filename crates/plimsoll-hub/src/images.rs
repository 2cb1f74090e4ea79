//! What the names of images mean: which are the same image, from which registry, under which name without tag.

use std::collections::HashMap;

use plimsoll_store::census::{Facts, LatestRow};
use plimsoll_wire::census::images::{normalise, registry, trend_name};

/// One image with its tag, of one registry. All spellings of it are one leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    /// Number of its name without the registries that v1 strips.
    pub(crate) shown: u32,
    /// Number of its name without registry and tag.
    pub(crate) trend: u32,
    /// Number of its registry's host.
    pub(crate) host: u32,
    /// Number of what people call its registry. Several hosts may have one such name.
    pub(crate) group: u32,
}

/// What the names of one load of facts mean.
#[derive(Debug, Default)]
pub(crate) struct Images {
    pub(crate) leaf_of: Vec<u32>,
    /// The largest size of each leaf that was reported, in bytes.
    sizes: Vec<u64>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) shown: List,
    pub(crate) trends: List,
    pub(crate) hosts: List,
    pub(crate) groups: List,
}

impl Images {
    pub(crate) fn of(facts: &Facts) -> Self {
        let mut all = Self::default();
        let mut known = HashMap::new();
        for (image, name) in facts.images.iter().enumerate() {
            let registry = registry(name);
            let leaf = Leaf {
                shown: all.shown.number(normalise(name)),
                trend: all.trends.number(trend_name(name)),
                host: all.hosts.number(registry.short()),
                group: all.groups.number(registry.title),
            };
            let number = *known.entry((leaf.host, leaf.shown)).or_insert_with(|| {
                all.leaves.push(leaf);
                all.sizes.push(0);
                all.leaves.len() as u32 - 1
            });
            all.leaf_of.push(number);
            let size = &mut all.sizes[number as usize];
            *size = (*size).max(facts.sizes.get(image).copied().unwrap_or(0));
        }
        all
    }

    /// The leaf with a number.
    pub(crate) fn leaf(&self, number: u32) -> Leaf {
        self.leaves[number as usize]
    }

    /// The size of a leaf in bytes; 0 where nobody says.
    pub(crate) fn size(&self, leaf: u32) -> u64 {
        self.sizes[leaf as usize]
    }

    /// The leaves that one installation uses, with its containers. Only what has containers is in use. Spellings of the
    /// same image come apart.
    pub(crate) fn uses<'a>(
        &'a self,
        facts: &'a Facts,
        row: &LatestRow,
    ) -> impl Iterator<Item = (u32, u64)> + 'a {
        let in_use = facts.uses_of(row).iter().filter(|(_, containers)| *containers > 0);
        in_use.map(|(image, containers)| (self.leaf_of[*image as usize], u64::from(*containers)))
    }
}

/// Names, each of which has a number from 0.
#[derive(Debug, Default)]
pub(crate) struct List {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl List {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}
