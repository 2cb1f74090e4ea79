//! What everybody may see: no number that fewer than *k* installations stand behind, and none that a subtraction could
//! take such a number out of.
//!
//! # The rule
//!
//! Everybody sees the same window, the last 30 days, by one table that is made when the facts are loaded. Searching,
//! sorting and paging choose rows of that table; no question makes a number of its own. So what has to be safe is the
//! table, with everything that follows from it.
//!
//! **Containers.** What is counted is pairs of an installation and an image. They are divided into *atoms*, each of which
//! has the pairs of at least *k* installations:
//!
//! 1. an image with its tag, of one registry, if *k* installations use it;
//! 2. of one name in one registry, all other tags together, if *k* installations use any of them;
//! 3. of one group of registries, what is left, if that is *k* installations;
//! 4. what is left now is in no row, but in the total, as are containers of which an installation does not say the
//!    image. If some of it is left, and from fewer than *k* installations, the smallest atom is hidden with it
//!    (complementary suppression), for the total less all rows is known to everybody.
//!
//! A row of tags shows one atom, a row of a name the atoms of the name, a row of a registry its atoms. Every sum of
//! containers is a sum of whole atoms, and so is every difference of sums of which one contains the other.
//!
//! **Installations.** How many use one atom is shown. How many use any of several cannot be added up, as one may use two.
//! The atoms of a name are put together from the largest on, and one is left out if what it adds, what it has in
//! common with those before, or what only those before have is 1 to *k* − 1 installations ([`together`]). A tag of
//! several registries shows the number of that where the most use it, so it says nothing new. And where all but 1 to
//! *k* − 1 do something, all are said to ([`shown`]).
//!
//! **Partitions.** Versions, intervals, time zones and hours divide the installations. Cells below *k* are hidden; if together
//! they are below *k*, the smallest cell that is left is hidden with them, and so on.
//!
//! **Sums** of what installations say of themselves are 0 if fewer than *k* have anything in them.
//!
//! # What it does not promise
//!
//! Who asks again after one more report has come sees the difference that one report makes. A table that never tells would never change. And
//! an installation can lie: whoever sends *k* − 1 reports of an image that one other has learns of that one. No census
//! that anybody may report to can tell.

use std::collections::HashMap;

use plimsoll_store::census::Facts;

use crate::images::Images;
use crate::table::{Cell, DAY_MS, Grown, Row, Sum, Table, Tally, growth, sort, within};

/// The window that everybody sees, in days.
pub(crate) const PUBLIC_DAYS: u32 = 30;

/// The table that everybody may see. `k` is the least number of installations behind a number; up to 1 hides nothing.
pub(crate) fn publish(facts: &Facts, images: &Images, k: u64) -> Table {
    let whole = Table::whole(facts, images, PUBLIC_DAYS);
    if k <= 1 {
        return whole;
    }
    if whole.installations < k {
        return Table { floor: k, days: whole.days, since_ms: whole.since_ms, ..Table::default() };
    }
    let all = whole.installations;
    let atoms = Atoms::settle(facts, images, &whole, k);
    Table {
        floor: k,
        submissions: submissions(whole.submissions, all, k),
        sums: whole.sums.map(|sum| enough(sum, k)),
        connections: enough(whole.connections, k),
        leaves: atoms.tags(all, k),
        images: atoms.images(images, all, k),
        names: atoms.names(facts, images, &whole, k),
        registries: atoms.registries(images),
        clouded: atoms.clouded(images),
        versions: partition(whole.versions, all, k),
        timezones: partition(whole.timezones, all, k),
        intervals: partition(whole.intervals, all, k),
        hours: partition(whole.hours, all, k),
        growth: days(facts, whole.since_ms, all, k),
        ..whole
    }
}

/// A number of installations out of all, as it is shown: if all but fewer than `k` are meant, all.
pub(crate) fn shown(installations: u64, all: u64, k: u64) -> u64 {
    if is_few(installations.abs_diff(all), k) { all } else { installations }
}

/// Whether a number of installations must not be told.
fn is_few(installations: u64, k: u64) -> bool {
    0 < installations && installations < k
}

fn enough<T: Default>(sum: Sum<T>, k: u64) -> Sum<T> {
    if sum.contributors < k { Sum::default() } else { sum }
}

/// Rows of all reports ever. Those beyond the latest ones are from installations that nobody counts, so a few of them are not told.
fn submissions(total: u64, all: u64, k: u64) -> u64 {
    let more = total.saturating_sub(all);
    if more < k { all } else { total }
}

/// The cells of a partition that may be shown.
fn partition<T>(mut cells: Vec<Cell<T>>, all: u64, k: u64) -> Vec<Cell<T>> {
    cells.retain(|cell| cell.installations >= k);
    let mut hidden = all - cells.iter().map(|cell| cell.installations).sum::<u64>();
    while is_few(hidden, k) {
        // The largest come first.
        let Some(smallest) = cells.pop() else { break };
        hidden += smallest.installations;
    }
    cells
}

/// The days of the window, without the one that lies in it in part. Averages are rounded: an exact one would tell what it
/// was divided by.
fn days(facts: &Facts, since_ms: i64, all: u64, k: u64) -> Vec<Grown> {
    let mut days = growth(facts, since_ms + DAY_MS - 1);
    days.retain(|day| day.installations >= k);
    for day in &mut days {
        day.installations = shown(day.installations, all, k);
        day.average = (day.average * 10.0).floor() / 10.0;
    }
    days
}

/// No atom: what is in no row.
const HIDDEN: u32 = u32::MAX;

/// What an atom is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One image with its tag, of one registry.
    Tag,
    /// The other tags of a name.
    Name,
    /// The rest of a group of registries.
    Registry,
}

/// What is counted together.
#[derive(Clone, Copy, Debug)]
struct Atom {
    kind: Kind,
    /// The leaf, or one of the leaves that it is made of.
    leaf: u32,
    containers: u64,
    installations: u64,
}

/// The pairs of installations and images, divided up.
struct Atoms {
    atoms: Vec<Atom>,
    /// The atom of each leaf, or [`HIDDEN`].
    atom_of: Vec<u32>,
}

impl Atoms {
    fn settle(facts: &Facts, images: &Images, whole: &Table, k: u64) -> Self {
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
    fn tags(&self, all: u64, k: u64) -> Vec<Row> {
        let tags = self.in_rows().filter(|(_, atom)| atom.kind == Kind::Tag);
        let row = |atom: &Atom| Row {
            id: atom.leaf,
            containers: atom.containers,
            installations: shown(atom.installations, all, k),
        };
        tags.map(|(_, atom)| row(atom)).collect()
    }

    /// A row for each tag, those of several registries together.
    fn images(&self, images: &Images, all: u64, k: u64) -> Vec<Row> {
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
    fn registries(&self, images: &Images) -> Vec<Row> {
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
    fn names(&self, facts: &Facts, images: &Images, whole: &Table, k: u64) -> Vec<Row> {
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
    fn clouded(&self, images: &Images) -> Vec<u32> {
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
fn together<'a>(sets: impl Iterator<Item = &'a [u32]>, k: u64) -> u64 {
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

#[cfg(test)]
mod tests;
