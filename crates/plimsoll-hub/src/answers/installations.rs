//! Installations: how many, how large, where, and how they are set up.

use plimsoll_wire::census::zones::region;
use serde::Serialize;

use super::View;
use super::number::{Decimal, percent, tenths};
use crate::table::{Figure, Grown, Table};

/// How many versions are listed.
const MOST_VERSIONS: usize = 10;

#[derive(Serialize)]
pub(super) struct GrowthDay {
    date: String,
    installations: u64,
    avg_containers: Decimal,
}

pub(super) fn growth(table: &Table) -> Vec<GrowthDay> {
    let day = |grown: &Grown| GrowthDay {
        date: format!("{}T00:00:00Z", date(grown.day)),
        installations: grown.installations,
        avg_containers: Decimal(grown.average),
    };
    table.growth.iter().map(day).collect()
}

/// A day since the epoch as `2026-11-20`.
pub(super) fn date(day: i32) -> String {
    let seconds = i64::from(day) * 86_400;
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::TimeZone::UTC.to_datetime(time).date().to_string()
}

#[derive(Serialize)]
pub(super) struct Installations {
    total_installations: u64,
    period_days: u32,
}

pub(super) fn installations(table: &Table) -> Installations {
    Installations { total_installations: table.installations, period_days: table.days }
}

#[derive(Serialize)]
pub(super) struct Summary {
    installations: u64,
    total_submissions: u64,
    total_containers: u64,
    avg_containers_per_install: Decimal,
    total_hosts: u64,
    total_agents: u64,
    unique_images: usize,
}

pub(super) fn summary(table: &Table) -> Summary {
    let containers = table.sum(Figure::Containers);
    Summary {
        installations: table.installations,
        total_submissions: table.submissions,
        total_containers: containers,
        avg_containers_per_install: tenths(mean(containers as f64, table.installations)),
        total_hosts: table.sum(Figure::Hosts),
        total_agents: table.sum(Figure::Agents),
        unique_images: table.images.len(),
    }
}

/// A sum by installation; 0 without any.
fn mean(sum: f64, installations: u64) -> f64 {
    if installations == 0 { 0.0 } else { sum / installations as f64 }
}

#[derive(Serialize)]
pub(super) struct Version<'a> {
    version: &'a str,
    installations: u64,
}

pub(super) fn versions(view: View<'_>) -> Vec<Version<'_>> {
    let cells = view.table.versions.iter().take(MOST_VERSIONS);
    let version = |value| view.facts.versions.get(value);
    cells.map(|cell| Version { version: version(cell.value), installations: cell.installations }).collect()
}

#[derive(Serialize)]
pub(super) struct Hour {
    day_of_week: u8,
    hour_of_day: u8,
    report_count: u64,
}

pub(super) fn hours(table: &Table) -> Vec<Hour> {
    let mut cells = table.hours.clone();
    cells.sort_unstable_by_key(|cell| cell.value);
    let hour = |cell: crate::table::Cell<(u8, u8)>| {
        let (day_of_week, hour_of_day) = cell.value;
        Hour { day_of_week, hour_of_day, report_count: cell.installations }
    };
    cells.into_iter().map(hour).collect()
}

#[derive(Serialize)]
pub(super) struct Interval {
    interval: u32,
    installations: u64,
}

pub(super) fn intervals(table: &Table) -> Vec<Interval> {
    let cells = table.intervals.iter();
    cells.map(|cell| Interval { interval: cell.value, installations: cell.installations }).collect()
}

#[derive(Serialize)]
pub(super) struct Place<'a> {
    timezone: &'a str,
    installations: u64,
    region: &'static str,
}

pub(super) fn geography(view: View<'_>) -> Vec<Place<'_>> {
    let place = |cell: &crate::table::Cell<u32>| {
        let timezone = view.facts.timezones.get(cell.value);
        Place { timezone, installations: cell.installations, region: region(timezone) }
    };
    let mut places: Vec<_> = view.table.timezones.iter().map(place).collect();
    places.sort_by(|one, other| {
        other.installations.cmp(&one.installations).then_with(|| one.timezone.cmp(other.timezone))
    });
    places
}

#[derive(Serialize)]
pub(super) struct Connections {
    total_containers: u64,
    compose_project_count: u64,
    containers_in_compose: u64,
    compose_percentage: Decimal,
    network_count: u64,
    custom_network_count: u64,
    shared_volume_count: u64,
    /// v1's own estimate.
    total_volumes: u64,
    containers_with_deps: u64,
    total_dependencies: u64,
    avg_connections_per_container: Decimal,
    installations: u64,
}

pub(super) fn connections(table: &Table) -> Connections {
    let (containers, in_compose) = (table.sum(Figure::Containers), table.sum(Figure::InCompose));
    Connections {
        total_containers: containers,
        compose_project_count: table.sum(Figure::ComposeProjects),
        containers_in_compose: in_compose,
        compose_percentage: percent(in_compose, containers),
        network_count: table.sum(Figure::Networks),
        custom_network_count: table.sum(Figure::CustomNetworks),
        shared_volume_count: table.sum(Figure::SharedVolumes),
        total_volumes: table.sum(Figure::SharedVolumes) * 2,
        containers_with_deps: table.sum(Figure::WithDependencies),
        total_dependencies: table.sum(Figure::Dependencies),
        avg_connections_per_container: Decimal(mean(table.connections.total, table.installations)),
        installations: table.installations,
    }
}
