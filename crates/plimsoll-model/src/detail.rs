//! Numbers of a container whose labels are not known beforehand: a processor, a node, a page size, a state.

use std::sync::Arc;

use crate::catalog::DetailField;

/// The values of a family's labels, in the order of [`crate::Family::labels`]. Readings share them.
pub type DetailLabels = Arc<[Box<str>]>;

/// One number of a container, with labels of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailRow {
    /// The family.
    pub field: DetailField,
    /// The values of its labels.
    pub labels: DetailLabels,
    /// The number, on the family's [`crate::Scale`].
    pub value: u64,
}

/// The rows that one source tells again and again. What is as it was last time costs no allocation.
///
/// ```
/// use plimsoll_model::{DetailField, Details};
///
/// let mut details = Details::default();
/// for usage in [1, 2] {
///     let mut pass = details.refill();
///     pass.set(DetailField::CpuUsage, &["cpu00"], usage);
/// }
/// assert_eq!(details.rows()[0].value, 2);
/// details.refill();
/// assert!(details.rows().is_empty(), "what is not told again is gone");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Details {
    rows: Vec<DetailRow>,
    left_out: u64,
}

/// The most rows that one source may tell of one container: whoever is inside could have any number of some things.
pub const MAX_DETAILS: usize = 1024;

impl Details {
    /// Begins to tell the rows anew. When the pass is dropped, rows that were not told again are forgotten.
    pub fn refill(&mut self) -> DetailPass<'_> {
        DetailPass { details: self, told: 0 }
    }

    /// What was told last.
    #[must_use]
    pub fn rows(&self) -> &[DetailRow] {
        &self.rows
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// How many rows were left out so far because there were too many.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// A pass over [`Details`].
#[derive(Debug)]
pub struct DetailPass<'a> {
    details: &'a mut Details,
    told: usize,
}

impl DetailPass<'_> {
    /// Tells a number. The labels are the values of the family's, in its order.
    pub fn set(&mut self, field: DetailField, labels: &[&str], value: u64) {
        let rows = &mut self.details.rows;
        if self.told >= MAX_DETAILS {
            self.details.left_out += 1;
            return;
        }
        match rows.get_mut(self.told) {
            Some(row)
                if row.field == field
                    && row.labels.iter().map(|label| &**label).eq(labels.iter().copied()) =>
            {
                row.value = value;
            }
            known => {
                let labels = labels.iter().map(|label| Box::from(*label)).collect();
                let new = DetailRow { field, labels, value };
                match known {
                    Some(row) => *row = new,
                    None => rows.push(new),
                }
            }
        }
        self.told += 1;
    }
}

impl Drop for DetailPass<'_> {
    fn drop(&mut self) {
        self.details.rows.truncate(self.told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_stay_are_shared_and_others_replaced() {
        let mut details = Details::default();
        let mut tell = |names: &[&str]| {
            let mut pass = details.refill();
            names.iter().for_each(|name| pass.set(DetailField::CpuUsage, &[name], 1));
            drop(pass);
            details.rows().to_vec()
        };
        let (first, second) = (tell(&["cpu00", "cpu01"]), tell(&["cpu00", "cpu02"]));
        assert!(Arc::ptr_eq(&first[0].labels, &second[0].labels));
        assert_eq!(&*second[1].labels[0], "cpu02");
        assert_eq!(tell(&["cpu00"]).len(), 1);
    }

    #[test]
    fn rows_are_bounded() {
        let mut details = Details::default();
        let mut pass = details.refill();
        (0..MAX_DETAILS + 3).for_each(|n| pass.set(DetailField::CpuUsage, &[&n.to_string()], 0));
        drop(pass);
        assert_eq!((details.rows().len(), details.left_out()), (MAX_DETAILS, 3));
    }
}
