//! Images as trends count them, and by week.

use std::collections::HashMap;

use super::facts::{Day, day_of, monday};
use super::names::Names;
use super::uses::each_use;

/// The registries that v1 takes away from names.
const REGISTRIES: [&str; 8] = [
    "ghcr.io/",
    "docker.io/",
    "hub.docker.com/",
    "registry.hub.docker.com/",
    "quay.io/",
    "gcr.io/",
    "mcr.microsoft.com/",
    "lscr.io/",
];

/// An image without its registry (of those that v1 knows), `library/`, digest and tag.
pub(super) fn trend_name(image: &str) -> &str {
    let mut name = REGISTRIES.iter().find_map(|registry| image.strip_prefix(registry)).unwrap_or(image);
    name = name.strip_prefix("library/").unwrap_or(name);
    name = name.split_once('@').map_or(name, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(last..).and_then(|part| part.rfind(':')) {
        Some(colon) => name.get(..last + colon).unwrap_or(name),
        None => name,
    }
}

/// What is kept of an image and a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Week {
    pub(super) containers: u64,
    pub(super) installations: u64,
    pub(super) first_seen: Day,
}

/// Counts images by week. Each report shown to it is the last of its installation in its week.
#[derive(Debug, Default)]
pub(super) struct Weeks {
    pub(super) names: Names,
    pub(super) weeks: HashMap<(Day, u32), Week>,
    /// Images of the report at hand.
    report: HashMap<u32, u64>,
}

impl Weeks {
    pub(super) fn add(&mut self, timestamp_ms: i64, images: &str) {
        let Self { names, weeks, report, .. } = self;
        report.clear();
        // What could be read of a list counts.
        each_use(images, |image| {
            *report.entry(names.intern(trend_name(&image.image))).or_default() += image.containers;
        });
        let day = day_of(timestamp_ms);
        for (image, containers) in report.drain() {
            let week = weeks.entry((monday(day), image)).or_insert(Week {
                containers: 0,
                installations: 0,
                first_seen: day,
            });
            week.containers = week.containers.saturating_add(containers);
            week.installations += 1;
            week.first_seen = week.first_seen.min(day);
        }
    }

    /// Everything, in the order of weeks and names, so that two writers meet rows in the same order.
    pub(super) fn rows(&self) -> Vec<(Day, &str, Week)> {
        let mut rows: Vec<_> =
            self.weeks.iter().map(|((day, image), week)| (*day, self.names.get(*image), *week)).collect();
        rows.sort_unstable_by_key(|(day, image, _)| (*day, *image));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_registry_and_tag() {
        for (image, name) in [
            ("nginx:latest", "nginx"),
            ("library/nginx", "nginx"),
            ("docker.io/library/nginx:1.27", "nginx"),
            ("lscr.io/linuxserver/plex:latest", "linuxserver/plex"),
            ("localhost:5000/x:dev", "localhost:5000/x"),
            ("localhost:5000/x", "localhost:5000/x"),
            ("ghcr.io/a/b@sha256:0123", "a/b"),
            ("registry.mycorp.example/team/app:1.2", "registry.mycorp.example/team/app"),
            ("", ""),
            (":", ""),
        ] {
            assert_eq!(trend_name(image), name, "{image}");
        }
    }

    #[test]
    fn an_installation_counts_once_for_all_tags() {
        let mut weeks = Weeks::default();
        let monday_ms = 1_763_337_600_000;
        weeks.add(monday_ms + 1, r#"[{"image":"nginx:1","count":2},{"image":"nginx:2","count":3}]"#);
        weeks.add(monday_ms, r#"[{"image":"docker.io/library/nginx","count":1}]"#);
        weeks.add(monday_ms - 1, r#"[{"image":"nginx","count":7}]"#);
        let day = day_of(monday_ms);
        let week = |containers, installations, first_seen| Week { containers, installations, first_seen };
        assert_eq!(weeks.rows(), [(day - 7, "nginx", week(7, 1, day - 1)), (day, "nginx", week(6, 2, day))]);
    }
}
