//! Makes [`Facts`] of rows, whichever database they come from.

use std::collections::HashMap;

use super::facts::{DAY_MS, Day, Facts, GrowthDay, LatestRow, WeekImage, day_of, monday};
use super::trend::Weeks;
use super::uses::each_use;

/// The columns of a report that facts are made of, in the order of [`Latest::numbers`].
pub(super) const NUMBERS: [&str; 11] = [
    "scan_interval",
    "host_count",
    "agent_count",
    "total_containers",
    "compose_project_count",
    "containers_in_compose",
    "network_count",
    "custom_network_count",
    "shared_volume_count",
    "containers_with_deps",
    "total_dependencies",
];

/// The latest report of an installation as a row has it.
#[derive(Debug, Default)]
pub(super) struct Latest<'a> {
    pub(super) timestamp_ms: i64,
    pub(super) version: &'a str,
    pub(super) timezone: &'a str,
    pub(super) numbers: [i64; 11],
    pub(super) avg_connections: f32,
    pub(super) images: &'a str,
}

/// No report is older than the year 2000, whatever its clock says.
pub(super) const OLDEST_MS: i64 = 946_684_800_000;

/// Which reports count, by their times.
pub(super) fn bounds(now_ms: i64, days: u32) -> (i64, i64) {
    (now_ms.saturating_sub(i64::from(days) * DAY_MS), now_ms.saturating_add(DAY_MS))
}

/// The first week that facts tell of.
pub(super) fn first_week(now_ms: i64) -> Day {
    monday(day_of(now_ms)) - 7 * (Facts::WEEKS - 1)
}

#[derive(Debug)]
pub(super) struct Loader {
    facts: Facts,
    week: Day,
    weeks: Weeks,
    /// Reports whose images could not be read to the end.
    unreadable: u64,
}

impl Loader {
    pub(super) fn new(now_ms: i64, days: u32) -> Self {
        let facts = Facts { taken_ms: now_ms, days, ..Facts::default() };
        Self { facts, week: monday(day_of(now_ms)), weeks: Weeks::default(), unreadable: 0 }
    }

    pub(super) fn latest(&mut self, row: &Latest<'_>) {
        let facts = &mut self.facts;
        let begin = facts.uses.len();
        let (images, sizes, uses) = (&mut facts.images, &mut facts.sizes, &mut facts.uses);
        let is_whole = each_use(row.images, |image| {
            let containers = u32::try_from(image.containers).unwrap_or(u32::MAX);
            let number = images.intern(&image.image);
            sizes.resize(images.len(), 0);
            sizes[number as usize] = sizes[number as usize].max(image.size_bytes);
            uses.push((number, containers));
        });
        self.unreadable += u64::from(!is_whole);
        // v1 sends each image once, others may not.
        facts.uses[begin..].sort_unstable();
        let mut kept = begin;
        for at in begin..facts.uses.len() {
            let (image, containers) = facts.uses[at];
            if kept > begin && facts.uses[kept - 1].0 == image {
                let sum = &mut facts.uses[kept - 1].1;
                *sum = sum.saturating_add(containers);
            } else {
                facts.uses[kept] = (image, containers);
                kept += 1;
            }
        }
        facts.uses.truncate(kept);
        let [scan, hosts, agents, containers, projects, in_compose, nets, custom, volumes, with_deps, deps] =
            row.numbers.map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX));
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let latest = LatestRow {
            timestamp_ms: row.timestamp_ms,
            version: facts.versions.intern(row.version),
            timezone: facts.timezones.intern(row.timezone),
            scan_interval: scan,
            hosts,
            agents,
            containers,
            compose_projects: projects,
            in_compose,
            networks: nets,
            custom_networks: custom,
            shared_volumes: volumes,
            with_deps,
            dependencies: deps,
            avg_connections: if row.avg_connections.is_finite() { row.avg_connections.max(0.0) } else { 0.0 },
            uses: place(begin)..place(facts.uses.len()),
        };
        facts.installations.push(latest);
        if monday(day_of(row.timestamp_ms)) == self.week {
            self.weeks.add(row.timestamp_ms, row.images);
        }
    }

    /// A day of the history. Clocks of those who reported to the old program say that some lie in the future, or in the
    /// year 1.
    pub(super) fn day(&mut self, day: Day, installations: i64, containers: i64) {
        if day < day_of(OLDEST_MS) || day > day_of(self.facts.taken_ms) + 1 {
            return;
        }
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        self.facts.growth.push(GrowthDay {
            day,
            installations: count(installations),
            containers: count(containers),
        });
    }

    /// An image of a week that is kept. The current week counts by its reports.
    pub(super) fn week(&mut self, week: Day, image: &str, containers: i64, installations: i64) {
        if week < self.week {
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let image = self.facts.trends.intern(image);
            self.facts.weeks.push(WeekImage {
                week,
                image,
                containers: count(containers),
                installations: count(installations),
            });
        }
    }

    pub(super) fn first_seen(&mut self, image: &str, day: Day) {
        let image = self.facts.trends.intern(image);
        self.facts.first_seen.push((image, day));
    }

    pub(super) fn finish(self, total_submissions: i64) -> Facts {
        let Self { mut facts, weeks, unreadable, .. } = self;
        facts.total_submissions = u64::try_from(total_submissions).unwrap_or(0);
        let mut known: HashMap<u32, usize> =
            facts.first_seen.iter().enumerate().map(|(at, (image, _))| (*image, at)).collect();
        for (week, name, count) in weeks.rows() {
            let image = facts.trends.intern(name);
            let (containers, installations) = (count.containers, count.installations);
            facts.weeks.push(WeekImage { week, image, containers, installations });
            match known.get(&image) {
                Some(at) => {
                    let first = &mut facts.first_seen[*at].1;
                    *first = count.first_seen.min(*first);
                }
                None => {
                    known.insert(image, facts.first_seen.len());
                    facts.first_seen.push((image, count.first_seen));
                }
            }
        }
        facts.weeks.sort_unstable();
        facts.growth.sort_unstable_by_key(|day| day.day);
        if unreadable > 0 {
            tracing::warn!(reports = unreadable, "some reports have lists of images that cannot be read");
        }
        facts.uses.shrink_to_fit();
        facts
    }
}
