//! What every series of a scrape shares: each container's own labels, rendered once, and the memory of
//! which rows have been shown.

use std::collections::HashSet;
use std::ops::Range;

use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Container, Snapshot};

/// The labels `name`, `image` and `id` of each container of a snapshot, rendered into one arena.
pub(crate) struct Identities {
    arena: Vec<u8>,
    /// By row; `None` for a row that cannot be told from another.
    places: Vec<Option<Range<usize>>>,
}

impl Identities {
    /// Renders every container's labels by `render`. A container without an id, and one whose labels are
    /// those of a container before it, gets none: its series would be another's.
    pub(crate) fn new(snapshot: &Snapshot, render: impl Fn(&Container, &mut Vec<u8>)) -> Self {
        let mut arena = Vec::with_capacity(snapshot.containers.len() * 128);
        let mut ranges = Vec::with_capacity(snapshot.containers.len());
        for row in &snapshot.containers {
            let start = arena.len();
            render(&row.container, &mut arena);
            ranges.push(start..arena.len());
        }
        let mut known = HashSet::with_capacity(ranges.len());
        let places = ranges
            .into_iter()
            .zip(&snapshot.containers)
            .map(|(range, row)| {
                let is_someone = !row.container.id.is_empty() && known.insert(&arena[range.clone()]);
                is_someone.then_some(range)
            })
            .collect();
        Self { arena, places }
    }

    /// The rendered labels of the container in this row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let place = self.places[row].clone()?;
        Some(&self.arena[place])
    }
}

/// The labels that every series of a container carries, bounded; empty ones are to be left out.
pub(crate) fn labels_of(container: &Container) -> [(&'static str, &str); 3] {
    [
        ("name", bounded(container.display_name(), MAX_TEXT)),
        ("image", bounded(&container.image, MAX_TEXT)),
        ("id", container.short_id()),
    ]
}

/// Remembers the rows of one family and one container, so that none is shown twice: names that differ
/// only beyond the bound are the same once they are cut.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    subject: Option<usize>,
    arena: Vec<u8>,
    ends: Vec<usize>,
    /// Takes over where comparing with each would take long.
    many: HashSet<Vec<u8>>,
}

/// Up to so many rows are compared one by one.
const FEW: usize = 16;

impl Seen {
    /// Forgets everything: another family begins.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.ends.clear();
        self.many.clear();
    }

    /// Whether this row of `subject` comes for the first time. Rows of one subject come together.
    pub(crate) fn is_new(&mut self, subject: Option<usize>, row: &[u8]) -> bool {
        if self.subject != subject {
            self.subject = subject;
            self.clear();
        }
        let mut start = 0;
        for end in &self.ends {
            if self.arena[start..*end] == *row {
                return false;
            }
            start = *end;
        }
        if self.ends.len() < FEW {
            self.arena.extend_from_slice(row);
            self.ends.push(self.arena.len());
            return true;
        }
        !self.many.contains(row) && self.many.insert(row.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_new_once_for_each_subject_and_family() {
        let mut seen = Seen::default();
        for subject in [None, Some(0), Some(1)] {
            for n in 0..100 {
                assert!(seen.is_new(subject, format!("row {n}").as_bytes()));
            }
            for n in 0..100 {
                assert!(!seen.is_new(subject, format!("row {n}").as_bytes()));
            }
        }
        seen.clear();
        assert!(seen.is_new(Some(1), b"row 1"));
    }
}
