//! What every series of a scrape shares: each container's own labels, rendered once, and the memory of
//! which rows have been shown.

use std::collections::HashSet;
use std::ops::Range;

use plimsoll_model::text::{MAX_TEXT, bounded};
use plimsoll_model::{Container, ContainerRow, Naming, Selection, Sink, Snapshot};

/// Hands what is selected to `sink`, under the names that are.
pub(crate) fn visit(snapshot: &Snapshot, selection: &Selection, sink: &mut impl Sink) {
    match selection.naming() {
        Naming::Catalog => snapshot.visit(selection, sink),
        Naming::Cadvisor => snapshot.visit_cadvisor(selection, sink),
    }
}

/// The labels that every series of a container carries, for each container of a snapshot, rendered into one arena. With
/// cAdvisor's names there is one more, the machine's.
pub(crate) struct Identities {
    arena: Vec<u8>,
    /// By row; `None` for a row that cannot be told from another.
    places: Vec<Option<Range<usize>>>,
}

impl Identities {
    /// Renders every container's labels by `render`. A container without an id, and one whose labels are
    /// those of a container before it, gets none: its series would be another's.
    pub(crate) fn new(
        snapshot: &Snapshot,
        naming: Naming,
        render: impl Fn(&[(&str, &str)], &mut Vec<u8>),
    ) -> Self {
        let mut arena = Vec::with_capacity(snapshot.containers.len() * 128);
        let mut ranges = Vec::with_capacity(snapshot.containers.len() + 1);
        for row in &snapshot.containers {
            let start = arena.len();
            match naming {
                Naming::Catalog => render(&labels_of(&row.container), &mut arena),
                Naming::Cadvisor => render_as_cadvisor(row, &render, &mut arena),
            }
            ranges.push((!row.container.id.is_empty()).then_some(start..arena.len()));
        }
        if naming == Naming::Cadvisor {
            let start = arena.len();
            render(&[("id", "/")], &mut arena);
            ranges.push(Some(start..arena.len()));
        }
        let mut known = HashSet::with_capacity(ranges.len());
        let mut is_new = |range: &Range<usize>| known.insert(&arena[range.clone()]);
        let places = ranges.into_iter().map(|range| range.filter(|range| is_new(range))).collect();
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

/// The same as cAdvisor has them: the path of the cgroup, and the engine's labels.
fn render_as_cadvisor(
    row: &ContainerRow,
    render: &impl Fn(&[(&str, &str)], &mut Vec<u8>),
    arena: &mut Vec<u8>,
) {
    let container = &*row.container;
    // Where numbers come from an engine's API the path is not known; this is what it usually is.
    let usual = || format!("/{}/{}", container.engine, container.id);
    let id = row.cgroup.as_deref().map_or_else(usual, str::to_owned);
    let shown: Vec<_> =
        container.shown_labels.iter().map(|(name, value)| (format!("container_{name}"), value)).collect();
    let [name, image, _] = labels_of(container);
    let mut labels = vec![name, image, ("id", &*id)];
    labels.extend(shown.iter().map(|(name, value)| (&**name, value.as_str())));
    render(&labels, arena);
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
