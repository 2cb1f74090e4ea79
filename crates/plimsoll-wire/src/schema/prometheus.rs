//! The samples of a scrape as points: the catalog's names with the labels that `/metrics` has, one point for each series.
//!
//! | of the point | is |
//! |---|---|
//! | measurement | the family's name, `_total` included |
//! | tags | `id`, `image` and `name` of the container, and the family's labels, sorted by name |
//! | field | one, without a name |
//! | time | when the pass began |
//!
//! No series comes twice, no tag is empty, and no value of a tag is longer than [`plimsoll_model::text::MAX_TEXT`].
//!
//! ```
//! use std::sync::Arc;
//! use plimsoll_model::{Container, ContainerRow, Selection, Slot, Snapshot};
//! use plimsoll_wire::schema::prometheus::Prometheus;
//!
//! let mut web = Container::new("0123456789abcdef", "docker".into());
//! web.name = "web".into();
//! let mut row = ContainerRow::new(Arc::new(web));
//! row.values.set(Slot::Threads, 7);
//! let snapshot = Snapshot { containers: vec![row], ..Snapshot::default() };
//!
//! let mut lines = Vec::new();
//! Prometheus::default().points(&snapshot, &Selection::default(), &|_| true, &mut |point| {
//!     lines.push(format!("{} {:?}", point.measurement(), point.tags().collect::<Vec<_>>()));
//! });
//! assert!(lines.contains(&r#"container_threads [("id", "0123456789ab"), ("name", "web")]"#.to_owned()));
//! ```

use plimsoll_model::{Container, Family, Selection, Snapshot};

use super::ucum;
use super::walk::{Identity, Shown, Walker, Words};
use crate::point::Point;
use crate::prometheus::rows::labels_of;

/// Makes points with the names of a scrape. One that is used again allocates nothing for a point.
#[derive(Debug, Default)]
pub struct Prometheus {
    walker: Walker,
}

impl Prometheus {
    /// Hands a point to `out` for each sample of what `selection` leaves of `snapshot` and of the containers that `chosen`
    /// accepts. The point is used again for the next one.
    pub fn points(
        &mut self,
        snapshot: &Snapshot,
        selection: &Selection,
        chosen: &dyn Fn(&Container) -> bool,
        out: &mut dyn FnMut(&mut Point),
    ) {
        self.walker.points(&Words { identity, shown }, snapshot, selection, chosen, out);
    }
}

fn identity(container: &Container) -> Identity<'_> {
    let [name, image, id] = labels_of(container);
    [id, image, name, ("", "")]
}

fn shown(family: &'static Family) -> Shown {
    Shown { name: family.name, unit: ucum(family.unit), labels: &[], values: &[], fixed: &[], divisor: 1 }
}
