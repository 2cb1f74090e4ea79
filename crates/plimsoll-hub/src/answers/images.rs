//! Images, and the registries that they come from.

use serde::Serialize;

use super::number::{Decimal, percent};
use super::{By, View};
use crate::table::Row;

#[derive(Serialize)]
pub(super) struct TopImage<'a> {
    image: &'a str,
    count: u64,
    installation_count: u64,
    adoption_percentage: Decimal,
}

pub(super) fn top(view: View<'_>, limit: usize) -> Vec<TopImage<'_>> {
    let image = |row: &Row| TopImage {
        image: view.images.shown.name(row.id),
        count: row.containers,
        installation_count: row.installations,
        adoption_percentage: percent(row.installations, view.table.installations),
    };
    view.table.images.iter().take(limit).map(image).collect()
}

#[derive(Serialize)]
pub(super) struct Details<'a> {
    images: Vec<Detail<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Detail<'a> {
    image: &'a str,
    count: u64,
    registry: &'a str,
    installation_count: u64,
}

#[derive(Serialize)]
struct Pagination {
    total: usize,
    limit: usize,
    offset: usize,
}

pub(super) fn details<'a>(
    view: View<'a>,
    search: &str,
    (by, ascending): (By, bool),
    (offset, limit): (usize, usize),
) -> Details<'a> {
    let name = |row: &Row| view.images.shown.name(view.images.leaf(row.id).shown);
    let search = search.to_lowercase();
    let is_wanted = |row: &&Row| search.is_empty() || name(row).to_lowercase().contains(&search);
    let mut rows: Vec<&Row> = view.table.leaves.iter().filter(is_wanted).collect();
    // Equal ones stay in the order of the table, which is by count and then by name, in either direction.
    match by {
        By::Name => rows.sort_by(|one, other| name(other).cmp(name(one))),
        By::Count => rows.sort_by_key(|row| std::cmp::Reverse(row.containers)),
        By::Size => rows.sort_by_key(|row| std::cmp::Reverse(view.images.size(row.id))),
    }
    if ascending {
        rows.reverse();
    }
    let detail = |row: &&Row| Detail {
        image: name(row),
        count: row.containers,
        registry: view.images.hosts.name(view.images.leaf(row.id).host),
        installation_count: row.installations,
    };
    let images = rows.iter().skip(offset).take(limit).map(detail).collect();
    Details { images, pagination: Pagination { total: rows.len(), limit, offset } }
}

#[derive(Serialize)]
pub(super) struct Registry<'a> {
    registry: &'a str,
    count: u64,
}

pub(super) fn registries(view: View<'_>) -> Vec<Registry<'_>> {
    let registry = |row: &Row| Registry { registry: view.images.groups.name(row.id), count: row.containers };
    view.table.registries.iter().map(registry).collect()
}
