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
//! common with those before, or what only those before have is 1 to *k* − 1 installations (`atoms::together`). A tag of
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

mod atoms;

use plimsoll_store::census::Facts;

use self::atoms::Atoms;
use crate::images::Images;
use crate::table::{Cell, DAY_MS, Grown, Sum, Table, growth};

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

#[cfg(test)]
mod tests;
