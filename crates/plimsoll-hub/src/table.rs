//! What one window of days adds up to: everything that an answer can show of it, whole.
//!
//! What of it everybody may see is [`crate::anonymity`]'s decision, which makes another table of the same shape.

use std::collections::HashMap;
use std::hash::Hash;

use plimsoll_store::census::{Facts, LatestRow};

use crate::images::Images;

/// A day in milliseconds.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// How much something is used. `id` says what: a leaf, or a number in one of the lists of [`Images`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) containers: u64,
    pub(crate) installations: u64,
}

/// How many installations share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell<T> {
    pub(crate) value: T,
    pub(crate) installations: u64,
}

/// One day of growth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grown {
    pub(crate) day: i32,
    pub(crate) installations: u64,
    pub(crate) average: f64,
}

/// What installations say of themselves in numbers that can be added up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    Containers,
    Hosts,
    Agents,
    ComposeProjects,
    InCompose,
    Networks,
    CustomNetworks,
    SharedVolumes,
    WithDependencies,
    Dependencies,
}

/// Each figure, in the order of the enumeration.
const FIGURES: [fn(&LatestRow) -> u32; 10] = [
    |row| row.containers,
    |row| row.hosts,
    |row| row.agents,
    |row| row.compose_projects,
    |row| row.in_compose,
    |row| row.networks,
    |row| row.custom_networks,
    |row| row.shared_volumes,
    |row| row.with_deps,
    |row| row.dependencies,
];

/// A sum, and how many installations have anything in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum<T> {
    pub(crate) total: T,
    pub(crate) contributors: u64,
}

/// What one window adds up to. Rows and cells come with the largest first.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The least installations that a row must have; 1 where nothing is hidden.
    pub(crate) floor: u64,
    /// The window.
    pub(crate) days: u32,
    pub(crate) since_ms: i64,
    pub(crate) installations: u64,
    pub(crate) submissions: u64,
    pub(crate) sums: [Sum<u64>; FIGURES.len()],
    pub(crate) connections: Sum<f64>,
    /// Images with tag, by registry: leaves.
    pub(crate) leaves: Vec<Row>,
    /// Images with tag, whatever their registry: numbers of [`Images::shown`].
    pub(crate) images: Vec<Row>,
    /// Names without tag: numbers of [`Images::trends`].
    pub(crate) names: Vec<Row>,
    /// Groups of registries: numbers of [`Images::groups`].
    pub(crate) registries: Vec<Row>,
    pub(crate) versions: Vec<Cell<u32>>,
    pub(crate) timezones: Vec<Cell<u32>>,
    pub(crate) intervals: Vec<Cell<u32>>,
    /// When the latest reports came: the day of the week from Sunday, and the hour.
    pub(crate) hours: Vec<Cell<(u8, u8)>>,
    pub(crate) growth: Vec<Grown>,
    /// Names without tag of which something is hidden: numbers of [`Images::trends`].
    pub(crate) clouded: Vec<u32>,
}

impl Table {
    /// All that the last `days` days add up to. The latest report of each installation counts, once.
    pub(crate) fn whole(facts: &Facts, images: &Images, days: u32) -> Self {
        let since_ms = facts.taken_ms - i64::from(days) * DAY_MS;
        let mut table =
            Self { floor: 1, days, since_ms, submissions: facts.total_submissions, ..Self::default() };
        let (mut versions, mut timezones) = (Count::default(), Count::default());
        let (mut intervals, mut hours) = (Count::default(), Count::default());
        let mut leaves = Tally::new(images.leaves.len());
        let mut shown = Tally::new(images.shown.len());
        let mut names = Tally::new(images.trends.len());
        let mut groups = Tally::new(images.groups.len());
        for (number, row) in within(facts, since_ms) {
            table.installations += 1;
            for (sum, figure) in table.sums.iter_mut().zip(FIGURES) {
                let value = figure(row);
                sum.total += u64::from(value);
                sum.contributors += u64::from(value > 0);
            }
            table.connections.total += f64::from(row.avg_connections);
            table.connections.contributors += u64::from(row.avg_connections > 0.0);
            versions.add(row.version);
            timezones.add(row.timezone);
            intervals.add(row.scan_interval);
            hours.add(hour_of_week(row.timestamp_ms));
            for (leaf, containers) in images.uses(facts, row) {
                let is = images.leaf(leaf);
                leaves.add(leaf, number, containers);
                shown.add(is.shown, number, containers);
                names.add(is.trend, number, containers);
                groups.add(is.group, number, containers);
            }
        }
        table.leaves = leaves.rows(|leaf| images.shown.name(images.leaf(leaf).shown));
        table.images = shown.rows(|image| images.shown.name(image));
        table.names = names.rows(|trend| images.trends.name(trend));
        table.registries = groups.rows(|group| images.groups.name(group));
        // As in v1, what is not said is no version and no interval.
        table.versions = versions.cells(|version| !facts.versions.get(*version).is_empty());
        table.intervals = intervals.cells(|interval| *interval > 0);
        table.timezones = timezones.cells(|_| true);
        table.hours = hours.cells(|_| true);
        table.growth = growth(facts, since_ms);
        table
    }

    /// A sum of what installations say.
    pub(crate) fn sum(&self, figure: Figure) -> u64 {
        self.sums[figure as usize].total
    }
}

/// Installations that reported since then, with their numbers.
pub(crate) fn within(facts: &Facts, since_ms: i64) -> impl Iterator<Item = (u32, &LatestRow)> {
    let numbered = (0_u32..).zip(&facts.installations);
    numbered.filter(move |(_, row)| row.timestamp_ms >= since_ms)
}

/// The days that lie within the window in whole, and the last one.
pub(crate) fn growth(facts: &Facts, since_ms: i64) -> Vec<Grown> {
    let first = since_ms.div_euclid(DAY_MS);
    let in_window = facts.growth.iter().filter(|day| i64::from(day.day) >= first && day.installations > 0);
    let grown = in_window.map(|day| Grown {
        day: day.day,
        installations: day.installations,
        average: day.containers as f64 / day.installations as f64,
    });
    grown.collect()
}

/// The day of the week, 0 for Sunday, and the hour of a time, in UTC.
fn hour_of_week(timestamp_ms: i64) -> (u8, u8) {
    // The epoch was a Thursday.
    let day = (timestamp_ms.div_euclid(DAY_MS) + 4).rem_euclid(7);
    let hour = timestamp_ms.rem_euclid(DAY_MS) / 3_600_000;
    (u8::try_from(day).unwrap_or(0), u8::try_from(hour).unwrap_or(0))
}

/// Containers and installations by number. Installations come one after the other, so that remembering the last one
/// is enough to count each once.
pub(crate) struct Tally {
    rows: Vec<Row>,
    last: Vec<u32>,
}

impl Tally {
    pub(crate) fn new(len: usize) -> Self {
        let row = |id| Row { id, containers: 0, installations: 0 };
        Self { rows: (0..len as u32).map(row).collect(), last: vec![u32::MAX; len] }
    }

    pub(crate) fn add(&mut self, id: u32, installation: u32, containers: u64) {
        let row = &mut self.rows[id as usize];
        row.containers += containers;
        let last = &mut self.last[id as usize];
        if *last != installation {
            *last = installation;
            row.installations += 1;
        }
    }

    pub(crate) fn get(&self, id: u32) -> Row {
        self.rows[id as usize]
    }

    /// What is used, the most containers first.
    pub(crate) fn rows<'a>(mut self, name: impl Fn(u32) -> &'a str) -> Vec<Row> {
        self.rows.retain(|row| row.installations > 0);
        sort(&mut self.rows, name);
        self.rows
    }
}

/// The most containers first, and in the order of names where there are as many.
pub(crate) fn sort<'a>(rows: &mut [Row], name: impl Fn(u32) -> &'a str) {
    rows.sort_unstable_by(|one, other| {
        let by_containers = other.containers.cmp(&one.containers);
        by_containers.then_with(|| name(one.id).cmp(name(other.id))).then(one.id.cmp(&other.id))
    });
}

/// Installations by value.
struct Count<T>(HashMap<T, u64>);

impl<T> Default for Count<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy + Ord + Hash> Count<T> {
    fn add(&mut self, value: T) {
        *self.0.entry(value).or_default() += 1;
    }

    fn cells(self, is_wanted: impl Fn(&T) -> bool) -> Vec<Cell<T>> {
        let cells = self.0.into_iter().map(|(value, installations)| Cell { value, installations });
        let mut cells: Vec<_> = cells.filter(|cell| is_wanted(&cell.value)).collect();
        cells.sort_unstable_by_key(|cell| (std::cmp::Reverse(cell.installations), cell.value));
        cells
    }
}
