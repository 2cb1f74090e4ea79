//! Reports as columns: many rows go in with one statement, an array for each column.

use tokio_postgres::types::ToSql;

use super::types::Time;
use crate::census::prepare::{BIG, Prepared, REAL, TEXT, WHOLE};

/// The columns of a report with the casts of what is sent as text; [`Arrays::report`] has their order.
pub(super) fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let json =
        |name: &'static str| if matches!(name, "image_stats" | "agent_versions") { "::jsonb" } else { "" };
    let texts = TEXT.into_iter().map(move |name| (name, json(name)));
    texts.chain(WHOLE.into_iter().chain(BIG).chain(REAL).chain(["timestamp"]).map(|name| (name, "")))
}

/// `unnest` of the columns, from a parameter on.
pub(super) fn unnest(first: usize) -> String {
    let kinds = TEXT.map(|_| "text").into_iter().chain(WHOLE.map(|_| "int")).chain(BIG.map(|_| "bigint"));
    let kinds = kinds.chain(REAL.map(|_| "real")).chain(["timestamptz"]);
    kinds.enumerate().map(|(at, kind)| format!(", ${}::{kind}[]", first + at)).collect()
}

pub(super) fn names(prefix: &str) -> String {
    columns()
        .map(|(name, cast)| format!(", {prefix}{name}{}", if prefix.is_empty() { "" } else { cast }))
        .collect()
}

/// Reports turned from rows to columns.
#[derive(Default)]
pub(super) struct Arrays<'a> {
    pub(super) installations: Vec<&'a str>,
    texts: [Vec<&'a str>; TEXT.len()],
    pub(super) whole: [Vec<i32>; WHOLE.len()],
    big: [Vec<i64>; BIG.len()],
    real: [Vec<f32>; REAL.len()],
    pub(super) at: Vec<Time>,
}

impl<'a> Arrays<'a> {
    pub(super) fn push(&mut self, report: &'a Prepared) {
        self.installations.push(&report.installation_id);
        for (all, text) in self.texts.iter_mut().zip(&report.text) {
            all.push(text);
        }
        for (all, number) in self.whole.iter_mut().zip(report.whole) {
            all.push(number);
        }
        for (all, number) in self.big.iter_mut().zip(report.big) {
            all.push(number);
        }
        for (all, number) in self.real.iter_mut().zip(report.real) {
            all.push(number);
        }
        self.at.push(Time(report.at_us));
    }

    /// The columns in the order of [`columns`].
    pub(super) fn report(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        fn all<T: ToSql + Sync>(arrays: &[Vec<T>]) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
            arrays.iter().map(|array| array as &(dyn ToSql + Sync))
        }
        let times = std::iter::once(&self.at as &(dyn ToSql + Sync));
        all(&self.texts).chain(all(&self.whole)).chain(all(&self.big)).chain(all(&self.real)).chain(times)
    }
}
