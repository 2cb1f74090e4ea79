//! The rows of a container that points can tell apart.

use plimsoll_model::text::{MAX_TEXT, bounded};

/// The rows with their names as tags have them, without those whose name a row before has: bounded, two may be one.
pub(super) fn distinct<R>(rows: &[R], name: fn(&R) -> &str) -> impl Iterator<Item = (&R, &str)> {
    let name = move |row| bounded(name(row), MAX_TEXT);
    rows.iter().enumerate().filter_map(move |(index, row)| {
        let own = name(row);
        rows[..index].iter().all(|other| name(other) != own).then_some((row, own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_rows_with_one_name_the_first_stays() {
        let long = "x".repeat(MAX_TEXT);
        let rows = [(1, "a".to_owned()), (2, long.clone()), (3, "a".to_owned()), (4, format!("{long}y"))];
        let left = distinct(&rows, |(_, name)| name).map(|((number, _), name)| (*number, name));
        assert_eq!(left.collect::<Vec<_>>(), [(1, "a"), (2, &*long)]);
    }
}
