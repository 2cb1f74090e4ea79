//! What the tests of the census share.

use plimsoll_model::census::{ImageUse, Report};
use plimsoll_store::census::{CensusStore, DatabaseView, Facts, LatestRow, Table};
use serde_json::Value;

pub(crate) const SECOND: i64 = 1000;
pub(crate) const HOUR: i64 = 3600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A Wednesday at noon.
pub(crate) const NOW: i64 = 1_763_553_600_000;

pub(crate) fn report(id: &str, images: &[(&str, u64)]) -> Report {
    let image = |(name, containers): &(&str, u64)| ImageUse {
        image: (*name).to_owned(),
        containers: *containers,
        size_bytes: containers * 1000,
    };
    Report {
        installation_id: id.to_owned(),
        version: "1.6.0".to_owned(),
        host_count: 2,
        agent_count: 1,
        total_containers: images.iter().map(|(_, containers)| containers).sum(),
        scan_interval_seconds: 300,
        images: images.iter().map(image).collect(),
        agent_versions: [("1.6.0".to_owned(), 1)].into(),
        avg_cpu_percent: 2.89,
        avg_memory_bytes: 1 << 40,
        unique_images: images.len() as u64,
        timezone: "Europe/Berlin".to_owned(),
        compose_project_count: 3,
        avg_connections_per_container: 1.5,
        ..Report::default()
    }
}

/// All rows of a table, oldest first.
pub(crate) async fn rows(store: &CensusStore, table: Table) -> Vec<Value> {
    let sort_by = Some("id".to_owned());
    let view = DatabaseView { limit: 1000, ascending: true, sort_by, ..DatabaseView::of(table) };
    store.database_view(&view).await.unwrap().rows
}

/// Installation, image and count of a table of images, sorted.
pub(crate) async fn images(store: &CensusStore) -> Vec<(String, String, i64)> {
    let rows = rows(store, Table::Images).await;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut images: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "installation_id"), text(row, "image"), row["count"].as_i64().unwrap()))
        .collect();
    images.sort();
    images
}

/// What facts say, without the order in which a database gave its rows.
pub(crate) fn content(facts: &Facts) -> Vec<String> {
    let uses = |row: &LatestRow| {
        let mut uses: Vec<_> =
            facts.uses_of(row).iter().map(|(image, count)| (facts.images.get(*image), *count)).collect();
        uses.sort_unstable();
        uses
    };
    let mut all: Vec<String> = facts
        .installations
        .iter()
        .map(|row| {
            let (version, timezone) = (facts.versions.get(row.version), facts.timezones.get(row.timezone));
            let row_without_numbers = LatestRow { version: 0, timezone: 0, uses: 0..0, ..row.clone() };
            format!("{version} {timezone} {:?} {row_without_numbers:?}", uses(row))
        })
        .collect();
    for week in &facts.weeks {
        let image = facts.trends.get(week.image);
        all.push(format!("week {} {image} {} {}", week.week, week.containers, week.installations));
    }
    for (image, day) in &facts.first_seen {
        all.push(format!("first {} {day}", facts.trends.get(*image)));
    }
    all.push(format!("{} {:?}", facts.total_submissions, facts.growth));
    all.sort();
    all
}
