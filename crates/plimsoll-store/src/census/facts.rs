//! What all statistics of a census are computed from, in memory.

use std::ops::Range;

use super::names::Names;

/// A day: days since 1 January 1970, UTC.
pub type Day = i32;

/// What all statistics are computed from: the latest report of each installation, and what is kept by day and by week.
///
/// An installation with 50 images takes about 500 bytes.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// When they were asked for, in milliseconds since the epoch.
    pub taken_ms: i64,
    /// How many days before that the reports go back.
    pub days: u32,
    /// The latest report of each installation that reported in these days, in no particular order. What says that it
    /// was made more than a day after `taken_ms` does not count.
    pub installations: Vec<LatestRow>,
    /// Which images they use: number in [`Self::images`] and containers. No image twice in one installation.
    pub uses: Vec<(u32, u32)>,
    /// Who reported on which day, in the order of days, from all of the kept history.
    pub growth: Vec<GrowthDay>,
    /// Images by week, for the last [`Facts::WEEKS`] weeks, in the order of weeks. The current one goes by `installations`;
    /// earlier ones by what was kept then.
    pub weeks: Vec<WeekImage>,
    /// When an image (number in [`Self::trends`]) was first reported by anybody.
    pub first_seen: Vec<(u32, Day)>,
    /// Rows of `telemetry_reports`.
    pub total_submissions: u64,
    /// Images as they were reported.
    pub images: Names,
    /// Their sizes in bytes, the largest that was reported of each; 0, or not there, where none was.
    pub sizes: Vec<u64>,
    /// Images as trends count them: without registry and tag.
    pub trends: Names,
    /// Versions of the reporting program.
    pub versions: Names,
    /// Time zones as they were reported.
    pub timezones: Names,
}

impl Facts {
    /// How many weeks back images by week go: twice the four weeks that may be compared, and the current one.
    pub const WEEKS: i32 = 9;

    /// The images of one installation: number in [`Self::images`] and containers.
    #[must_use]
    pub fn uses_of(&self, row: &LatestRow) -> &[(u32, u32)] {
        self.uses.get(row.uses.start as usize..row.uses.end as usize).unwrap_or_default()
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = [&self.images, &self.trends, &self.versions, &self.timezones];
        self.installations.capacity() * size_of::<LatestRow>()
            + self.uses.capacity() * size_of::<(u32, u32)>()
            + self.growth.capacity() * size_of::<GrowthDay>()
            + self.weeks.capacity() * size_of::<WeekImage>()
            + self.first_seen.capacity() * size_of::<(u32, Day)>()
            + self.sizes.capacity() * size_of::<u64>()
            + names.into_iter().map(Names::bytes).sum::<usize>()
    }
}

/// The latest report of one installation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatestRow {
    /// When it was made, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Number in [`Facts::versions`].
    pub version: u32,
    /// Number in [`Facts::timezones`].
    pub timezone: u32,
    /// Seconds between two scans.
    pub scan_interval: u32,
    /// Machines.
    pub hosts: u32,
    /// How many of them through an agent.
    pub agents: u32,
    /// Containers in every state.
    pub containers: u32,
    /// Compose projects.
    pub compose_projects: u32,
    /// Containers that belong to one.
    pub in_compose: u32,
    /// Networks.
    pub networks: u32,
    /// Networks that somebody made.
    pub custom_networks: u32,
    /// Named volumes that two or more containers use.
    pub shared_volumes: u32,
    /// Containers that depend on others.
    pub with_deps: u32,
    /// How many such dependencies there are.
    pub dependencies: u32,
    /// Networks and named volumes per container.
    pub avg_connections: f32,
    /// Its part of [`Facts::uses`].
    pub uses: Range<u32>,
}

/// Who reported on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrowthDay {
    /// Which day, by the server's clock.
    pub day: Day,
    /// Installations that reported.
    pub installations: u64,
    /// Their containers, by the last report of the day.
    pub containers: u64,
}

/// How an image was used in one week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeekImage {
    /// The week's Monday.
    pub week: Day,
    /// Number in [`Facts::trends`].
    pub image: u32,
    /// Containers, by the last report of each installation in that week.
    pub containers: u64,
    /// Installations.
    pub installations: u64,
}

/// The Monday of a day's week.
pub(super) fn monday(day: Day) -> Day {
    // The epoch was a Thursday.
    day - (day + 3).rem_euclid(7)
}

/// The day of a time in milliseconds.
pub(super) fn day_of(ms: i64) -> Day {
    let day = ms.div_euclid(DAY_MS);
    Day::try_from(day).unwrap_or(if day < 0 { Day::MIN / 2 } else { Day::MAX / 2 })
}

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        // 1 January 1970 was a Thursday; 17 November 2025 a Monday.
        assert_eq!([monday(0), monday(3), monday(4), monday(-4)], [-3, -3, 4, -10]);
        assert_eq!(monday(day_of(1_763_337_600_000)), day_of(1_763_337_600_000));
        assert_eq!([day_of(-1), day_of(0), day_of(DAY_MS)], [-1, 0, 1]);
    }
}
