//! The pairs of installations and images, divided up so that each part has enough installations.

use std::collections::HashMap;

use plimsoll_store::census::Facts;

use super::{is_few, shown};
use crate::images::Images;
use crate::table::{Row, Table, Tally, sort, within};

/// No atom: what is in no row.
pub(super) const HIDDEN: u32 = u32::MAX;

/// What an atom is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One image with its tag, of one registry.
    Tag,
    /// The other tags of a name.
    Name,
    /// The rest of a group of registries.
    Registry,
}

/// What is counted together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atom {
    pub(super) kind: Kind,
    /// The leaf, or one of the leaves that it is made of.
    leaf: u32,
    containers: u64,
    installations: u64,
}

/// The pairs of installations and images, divided up.
pub(super) struct Atoms {
    pub(super) atoms: Vec<Atom>,
    /// The atom of each leaf, or [`HIDDEN`].
    pub(super) atom_of: Vec<u32>,
}

impl Atoms {
    pub(super) fn settle(facts: &Facts, images: &Images, whole: &Table, k: u64) -> Self {
        let mut all = Self { atoms: Vec::new(), atom_of: vec![HIDDEN; images.leaves.len()] };
        for row in whole.leaves.iter().filter(|row| row.installations >= k) {
            all.atom_of[row.id as usize] = all.atoms.len() as u32;
            let (containers, installations) = (row.containers, row.installations);
            all.atoms.push(Atom { kind: Kind::Tag, leaf: row.id, containers, installations });
        }
        let mut names = HashMap::new();
        let name_of: Vec<u32> = images
            .leaves
            .iter()
            .map(|leaf| {
                let next = names.len() as u32;
                *names.entry((leaf.host, leaf.trend)).or_insert(next)
            })
            .collect();
        all.gather(facts, images, whole, Kind::Name, (&name_of, names.len()), k);
        let group_of: Vec<u32> = images.leaves.iter().map(|leaf| leaf.group).collect();
        all.gather(facts, images, whole, Kind::Registry, (&group_of, images.groups.len()), k);
        all.complement(facts, images, whole, k);
        all
    }

    /// Makes atoms of what is in none yet: one for each place where enough installations have something.
    fn gather(
        &mut self,
        facts: &Facts,
        images: &Images,
        whole: &Table,
        kind: Kind,
        (place_of, places): (&[u32], usize),
        k: u64,
    ) {
        let mut tally = Tally::new(places);
        for (number, row) in within(facts, whole.since_ms) {
            for (leaf, containers) in images.uses(facts, row) {
                if self.atom_of[leaf as usize] == HIDDEN {
                    tally.add(place_of[leaf as usize], number, containers);
                }
            }
        }
        let mut atom_at = vec![HIDDEN; places];
        for (leaf, place) in (0_u32..).zip(place_of) {
            let together = tally.get(*place);
            if self.atom_of[leaf as usize] != HIDDEN || together.installations < k {
                continue;
            }
            let atom = &mut atom_at[*place as usize];
            if *atom == HIDDEN {
                *atom = self.atoms.len() as u32;
                let Row { containers, installations, .. } = together;
                self.atoms.push(Atom { kind, leaf, containers, installations });
            }
            self.atom_of[leaf as usize] = *atom;
        }
    }

    /// Hides the smallest atoms, until what is in no row is nothing or comes from enough installations.
    fn complement(&mut self, facts: &Facts, images: &Images, whole: &Table, k: u64) {
        loop {
            let is_left = |row: &_| {
                let in_rows = |(leaf, _): &(u32, u64)| self.atom_of[*leaf as usize] != HIDDEN;
                let in_rows: u64 =
                    images.uses(facts, row).filter(in_rows).map(|(_, containers)| containers).sum();
                in_rows != u64::from(row.containers)
            };
            let left = within(facts, whole.since_ms).filter(|(_, row)| is_left(row)).count() as u64;
            if !is_few(left, k) {
                return;
            }
            let in_rows = self.atoms.iter().zip(0_u32..).filter(|(atom, _)| atom.installations > 0);
            let Some((_, smallest)) = in_rows.min_by_key(|(atom, _)| (atom.installations, atom.containers))
            else {
                return;
            };
            self.atoms[smallest as usize].installations = 0;
            for atom in self.atom_of.iter_mut().filter(|atom| **atom == smallest) {
                *atom = HIDDEN;
            }
        }
    }

    /// The atoms that are in rows.
    fn in_rows(&self) -> impl Iterator<Item = (u32, &Atom)> {
        (0_u32..).zip(&self.atoms).filter(|(_, atom)| atom.installations > 0)
    }

    /// A row for each tag, in their order, which is by containers.
    pub(super) fn tags(&self, all: u64, k: u64) -> Vec<Row> {
        let tags = self.in_rows().filter(|(_, atom)| atom.kind == Kind::Tag);
        let row = |atom: &Atom| Row {
            id: atom.leaf,
            containers: atom.containers,
            installations: shown(atom.installations, all, k),
        };
        tags.map(|(_, atom)| row(atom)).collect()
    }

    /// A row for each tag, those of several registries together.
    pub(super) fn images(&self, images: &Images, all: u64, k: u64) -> Vec<Row> {
        let mut rows: HashMap<u32, Row> = HashMap::new();
        for tag in self.tags(all, k) {
            let id = images.leaf(tag.id).shown;
            let row = rows.entry(id).or_insert(Row { id, containers: 0, installations: 0 });
            row.containers += tag.containers;
            row.installations = row.installations.max(tag.installations);
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        sort(&mut rows, |image| images.shown.name(image));
        rows
    }

    /// A row for each group of registries. They have no number of installations.
    pub(super) fn registries(&self, images: &Images) -> Vec<Row> {
        let mut rows: HashMap<u32, Row> = HashMap::new();
        for (_, atom) in self.in_rows() {
            let id = images.leaf(atom.leaf).group;
            rows.entry(id).or_insert(Row { id, containers: 0, installations: 0 }).containers +=
                atom.containers;
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        sort(&mut rows, |group| images.groups.name(group));
        rows
    }

    /// A row for each name without tag.
    pub(super) fn names(&self, facts: &Facts, images: &Images, whole: &Table, k: u64) -> Vec<Row> {
        let mut atoms_of: HashMap<u32, Vec<(u32, &Atom)>> = HashMap::new();
        for (number, atom) in self.in_rows().filter(|(_, atom)| atom.kind != Kind::Registry) {
            atoms_of.entry(images.leaf(atom.leaf).trend).or_default().push((number, atom));
        }
        let several = atoms_of.values().filter(|atoms| atoms.len() > 1).flatten();
        let users = self.users(facts, images, whole, several.map(|(number, _)| *number));
        let row = |(id, mut atoms): (u32, Vec<(u32, &Atom)>)| {
            atoms.sort_unstable_by_key(|(number, atom)| (std::cmp::Reverse(atom.installations), *number));
            let installations = match &*atoms {
                [(_, only)] => only.installations,
                _ => together(atoms.iter().filter_map(|(number, _)| users.get(number).map(Vec::as_slice)), k),
            };
            let containers = atoms.iter().map(|(_, atom)| atom.containers).sum();
            Row { id, containers, installations: shown(installations, whole.installations, k) }
        };
        let mut rows: Vec<_> = atoms_of.into_iter().map(row).collect();
        sort(&mut rows, |trend| images.trends.name(trend));
        rows
    }

    /// Which installations have something in these atoms, in the order of their numbers.
    fn users(
        &self,
        facts: &Facts,
        images: &Images,
        whole: &Table,
        wanted: impl Iterator<Item = u32>,
    ) -> HashMap<u32, Vec<u32>> {
        let mut users: HashMap<u32, Vec<u32>> = wanted.map(|atom| (atom, Vec::new())).collect();
        for (number, row) in within(facts, whole.since_ms) {
            for (leaf, _) in images.uses(facts, row) {
                if let Some(users) = users.get_mut(&self.atom_of[leaf as usize])
                    && users.last() != Some(&number)
                {
                    users.push(number);
                }
            }
        }
        users
    }

    /// The names of which some leaf is in no row of the name.
    pub(super) fn clouded(&self, images: &Images) -> Vec<u32> {
        let is_elsewhere = |atom: u32| atom == HIDDEN || self.atoms[atom as usize].kind == Kind::Registry;
        let leaves = images.leaves.iter().zip(&self.atom_of).filter(|(_, atom)| is_elsewhere(**atom));
        let mut names: Vec<_> = leaves.map(|(leaf, _)| leaf.trend).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// How many installations are in any of these sets, as far as it can be told: a set is left out if with it the number
/// would tell of fewer than `k` that are in it alone, in it and in those before, or only in those before. Each is sorted.
pub(super) fn together<'a>(sets: impl Iterator<Item = &'a [u32]>, k: u64) -> u64 {
    let mut sofar: Vec<u32> = Vec::new();
    for set in sets {
        let common = set.iter().filter(|number| sofar.binary_search(number).is_ok()).count();
        let parts = [set.len() - common, common, sofar.len() - common];
        if sofar.is_empty() || !parts.into_iter().any(|part| is_few(part as u64, k)) {
            sofar.extend_from_slice(set);
            sofar.sort_unstable();
            sofar.dedup();
        }
    }
    sofar.len() as u64
}
