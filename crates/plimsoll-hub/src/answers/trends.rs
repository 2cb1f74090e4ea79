//! What is used most, what rises and falls from week to week, and what is new. Names are without registry and tag.

use std::cmp::Reverse;
use std::collections::HashMap;

use plimsoll_store::census::{Day, WeekImage};
use serde::Serialize;

use super::View;
use super::installations::date;
use super::number::{Decimal, percent, tenths};
use crate::anonymity;
use crate::table::{DAY_MS, Row};

#[derive(Serialize)]
pub(super) struct Hottest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    by_containers: Option<Vec<Hot<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_adoption: Option<Vec<Hot<'a>>>,
    total_installations: u64,
    period_days: u32,
}

#[derive(Serialize)]
struct Hot<'a> {
    rank: usize,
    image: &'a str,
    total_containers: u64,
    installation_count: u64,
    adoption_percentage: Decimal,
}

pub(super) fn hottest(view: View<'_>, limit: usize, containers: bool, adoption: bool) -> Hottest<'_> {
    let all = view.table.installations;
    let hot = |(rank, row): (usize, &&Row)| Hot {
        rank: rank + 1,
        image: view.images.trends.name(row.id),
        total_containers: row.containers,
        installation_count: row.installations,
        adoption_percentage: percent(row.installations, all),
    };
    let list = |rows: &[&Row]| rows.iter().take(limit).enumerate().map(hot).collect();
    let mut rows: Vec<_> = view.table.names.iter().collect();
    let by_containers = containers.then(|| list(&rows));
    rows.sort_by_key(|row| Reverse(row.installations));
    let by_adoption = adoption.then(|| list(&rows));
    Hottest { by_containers, by_adoption, total_installations: all, period_days: view.table.days }
}

#[derive(Serialize)]
pub(super) struct Movers<'a> {
    risers: Vec<Mover<'a>>,
    fallers: Vec<Mover<'a>>,
    comparison_weeks: i32,
    current_week: String,
    previous_week: String,
    min_installations: u64,
}

#[derive(Clone, Serialize)]
struct Mover<'a> {
    rank: usize,
    image: &'a str,
    current_count: u64,
    previous_count: u64,
    change: i64,
    change_percentage: Decimal,
    current_installations: u64,
    previous_installations: u64,
}

/// The last complete week beside the one so many weeks before.
pub(super) fn movers(view: View<'_>, limit: usize, weeks: i32, min_installations: u64) -> Movers<'_> {
    let current_week = monday(today(view)) - 7;
    let previous_week = current_week - 7 * weeks;
    let mut moved: HashMap<u32, (Used, Used)> = HashMap::new();
    for image in view.facts.weeks.iter().filter(|image| image.installations >= min_installations) {
        if is_clouded(view, image.image) {
            continue;
        }
        let used = Used::of(view, image);
        if image.week == current_week {
            moved.entry(image.image).or_default().0 = used;
        } else if image.week == previous_week {
            moved.entry(image.image).or_default().1 = used;
        }
    }
    let mover = |(image, (current, previous)): (u32, (Used, Used))| {
        let change = current.containers.cast_signed() - previous.containers.cast_signed();
        Mover {
            rank: 0,
            image: view.facts.trends.get(image),
            current_count: current.containers,
            previous_count: previous.containers,
            change,
            change_percentage: match previous.containers {
                0 => Decimal(100.0),
                before => tenths(change as f64 / before as f64 * 100.0),
            },
            current_installations: current.installations,
            previous_installations: previous.installations,
        }
    };
    let mut movers: Vec<_> = moved.into_iter().map(mover).filter(|mover| mover.change != 0).collect();
    movers.sort_unstable_by_key(|mover| (Reverse(mover.change.abs()), mover.image));
    let ranked = |is_wanted: fn(i64) -> bool| {
        let wanted = movers.iter().filter(|mover| is_wanted(mover.change)).take(limit).cloned();
        wanted.zip(1..).map(|(mover, rank)| Mover { rank, ..mover }).collect()
    };
    Movers {
        risers: ranked(|change| change > 0),
        fallers: ranked(|change| change < 0),
        comparison_weeks: weeks,
        current_week: date(current_week),
        previous_week: date(previous_week),
        min_installations,
    }
}

/// How much an image was used in a week.
#[derive(Clone, Copy, Default)]
struct Used {
    containers: u64,
    installations: u64,
}

impl Used {
    fn of(view: View<'_>, image: &WeekImage) -> Self {
        let installations = anonymity::shown(image.installations, view.table.installations, view.table.floor);
        Self { containers: image.containers, installations }
    }
}

/// Whether something of a name is hidden: then its weeks, which have everything, would tell what.
fn is_clouded(view: View<'_>, trend: u32) -> bool {
    let number = view.images.trends.find(view.facts.trends.get(trend));
    number.is_some_and(|number| view.table.clouded.binary_search(&number).is_ok())
}

#[derive(Serialize)]
pub(super) struct NewEntries<'a> {
    new_images: Vec<NewEntry<'a>>,
    period_days: u32,
    min_installations: u64,
    total_new_images: usize,
}

#[derive(Serialize)]
struct NewEntry<'a> {
    rank: usize,
    image: &'a str,
    first_seen: String,
    days_since_first_seen: i32,
    total_containers: u64,
    installation_count: u64,
    adoption_percentage: Decimal,
}

/// Images that were first seen in the last `days` days, by how much they are used in the last 30.
pub(super) fn new_entries(view: View<'_>, limit: usize, days: u32, min_installations: u64) -> NewEntries<'_> {
    // Everybody sees one window.
    let days = if view.table.floor > 1 { view.table.days } else { days };
    let today = today(view);
    let first_seen: HashMap<u32, Day> = {
        let recent = view.facts.first_seen.iter().filter(|(_, day)| today - day <= days.cast_signed());
        let number =
            |(trend, day): &(u32, Day)| Some((view.images.trends.find(view.facts.trends.get(*trend))?, *day));
        recent.filter_map(number).collect()
    };
    let is_new = |row: &&Row| row.installations >= min_installations && first_seen.contains_key(&row.id);
    let new: Vec<&Row> = view.table.names.iter().filter(is_new).collect();
    let entry = |(row, rank): (&&Row, usize)| {
        let day = first_seen.get(&row.id).copied().unwrap_or(today);
        NewEntry {
            rank,
            image: view.images.trends.name(row.id),
            first_seen: date(day),
            days_since_first_seen: (today - day).max(0),
            total_containers: row.containers,
            installation_count: row.installations,
            adoption_percentage: percent(row.installations, view.table.installations),
        }
    };
    NewEntries {
        new_images: new.iter().take(limit).zip(1..).map(entry).collect(),
        period_days: days,
        min_installations,
        total_new_images: new.len(),
    }
}

fn today(view: View<'_>) -> Day {
    Day::try_from(view.facts.taken_ms.div_euclid(DAY_MS)).unwrap_or_default()
}

/// The Monday of a day's week.
fn monday(day: Day) -> Day {
    // The epoch was a Thursday.
    day - (day + 3).rem_euclid(7)
}
